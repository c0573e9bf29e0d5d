"""`paidup import` against the real API on the local cloud: by HTTP for the command, in the process for the rest."""

import json
from io import BytesIO
from threading import Thread

import pytest

from infra.cli.client import LocalApi
from infra.cli.loading import load
from infra.cli.main import main
from infra.local.app import App, LocalClient
from infra.local.cloud import LocalCloud
from infra.local.server import Server
from shared.contracts.import_csv import ColumnMap, imported_id


@pytest.fixture
def cloud(wiring):
    with LocalCloud(wiring=wiring) as cloud:
        yield cloud


@pytest.fixture
def api(cloud):
    return LocalApi(LocalClient(cloud))


@pytest.fixture
def url(cloud):
    server = Server(App(cloud), port=0)
    thread = Thread(target=server.serve)
    thread.start()
    yield server.url
    server.stop()
    thread.join(timeout=10)


def loaded(api, kind, *lines, read=None):
    """(loaded, updated, unchanged, [(row, field)])"""
    report = load(kind, BytesIO("\n".join(lines).encode()), read or ColumnMap(), api)
    return report.loaded, report.updated, report.unchanged, [(e.row, e.field) for e in report.errors]


CUSTOMERS = (
    "external_id,name,email,delivery,automations.enabled,currency",
    "A-1,Acme,ap@acme.example,email,yes,EUR",
    "A-2,Bolt,not an address,email,yes,EUR",
    'A-3,"Cog, Ltd",,print,no,EUR',
    "A-4,Dot,,email,maybe,EUR",
)
CONTRACTS = (
    "external_id,customer_external_id,name,start_date,charges.name,charges.type,charges.amount,charges.unit_amount,charges.metric",
    "K-1,A-1,Hosting,2026-01-15,Base,recurring,49.00,,",
    "K-1,A-1,Hosting,2026-01-15,Traffic,usage,,0.10,gb",
    "K-2,A-1,Broken,2026-01-15,Base,recurring,49.001,,",
    "K-3,nobody,Hosting,2026-01-15,Base,recurring,49.00,,",
)
INVOICES = (
    "number,customer_external_id,invoice_date,due_on,amount",
    "17,A-1,2025-11-01,2025-12-01,100.00",
    "18,A-1,2025-12-01,2025-12-31,40.00",
    "19,A-1,2025-12-01,soon,40.00",
    "20,nobody,2025-12-01,2025-12-31,40.00",
)
PAYMENTS = (
    "external_id,customer_external_id,amount,method,invoice_number",
    "P-1,A-1,100.00,transfer,17",
    "P-2,A-1,15.50,check,18",
    "P-3,A-1,15.50,check,99",
    "P-4,A-1,-1.00,check,18",
)


def test_good_rows_are_loaded_and_bad_ones_reported_by_line_and_field(api):
    assert loaded(api, "customers", *CUSTOMERS) == (2, 0, 0, [(3, "email"), (5, "automations.enabled")])
    acme = api.call("GET", f"/v1/customers/{imported_id('customers', 'A-1')}").body
    assert (acme["name"], acme["external_id"], acme["automations"]["enabled"]) == ("Acme", "A-1", True)


def test_a_changed_row_updates_and_an_equal_one_is_left_alone(api):
    loaded(api, "customers", *CUSTOMERS[:2])
    moved = (CUSTOMERS[0], CUSTOMERS[1].replace("ap@acme", "billing@acme"))
    assert loaded(api, "customers", *moved) == (0, 1, 0, [])
    assert loaded(api, "customers", *moved) == (0, 0, 1, [])
    assert loaded(api, "customers", *CUSTOMERS[:2]) == (0, 1, 0, [])  # back again: not taken for the first creation


def test_what_a_row_leaves_empty_stays_as_it_is(api):
    loaded(api, "customers", *CUSTOMERS[:2])
    assert loaded(api, "customers", "external_id,name,email", "A-1,Acme,") == (0, 0, 1, [])


def test_a_whole_history_is_loaded_and_loaded_again_changes_nothing(api, cloud):
    def everything():
        return [
            loaded(api, "customers", *CUSTOMERS),
            loaded(api, "contracts", *CONTRACTS),
            loaded(api, "usage", *USAGE),
            loaded(api, "invoices", *INVOICES),
            loaded(api, "payments", *PAYMENTS),
        ]

    contract = imported_id("contracts", "K-1")
    USAGE = (  # noqa: N806 - a file, like the others
        "id,contract_external_id,metric,quantity,occurred_at",
        "u-1,K-1,gb,10,2026-01-16T00:00:00Z",
        "u-2,K-1,gb,ten,2026-01-16T00:00:00Z",
        "u-3,nobody,gb,10,2026-01-16T00:00:00Z",
    )
    first = everything()
    assert first[1] == (1, 0, 0, [(4, "charges.amount"), (5, "customer_id")])
    assert first[2][0] == 1
    assert [row for row, _ in first[2][3]] == [3, 4]
    assert first[3] == (2, 0, 0, [(4, "due_on"), (5, "customer_id")])
    assert first[4] == (2, 0, 0, [(4, "invoice_number"), (5, "amount")])
    names = [c["name"] for c in api.call("GET", f"/v1/contracts/{contract}").body["charges"]]
    assert names == ["Base", "Traffic"]
    account = f"/v1/customers/{imported_id('customers', 'A-1')}/account"
    assert api.call("GET", account).body["balance"] == {"EUR": "24.50"}  # 100 + 40 − 100 − 15.50

    again = everything()
    assert [counts[:2] for counts in again] == [(0, 0)] * 5
    assert [counts[2] for counts in again] == [counts[0] for counts in first]
    assert [counts[3] for counts in again] == [counts[3] for counts in first]
    assert api.call("GET", account).body["balance"] == {"EUR": "24.50"}


def test_an_imported_invoice_that_differs_is_not_touched(api):
    loaded(api, "customers", *CUSTOMERS[:2])
    loaded(api, "invoices", *INVOICES[:2])
    assert loaded(api, "invoices", INVOICES[0], INVOICES[1].replace("100.00", "90.00"))[3] == [(2, "lines")]
    assert api.call("GET", f"/v1/invoices/{imported_id('invoices', '17')}").body["total"] == "100.00"


def test_a_payment_finds_an_invoice_that_paidup_numbered(api):
    loaded(api, "customers", *CUSTOMERS[:2])
    customer = imported_id("customers", "A-1")
    made = api.call(
        "POST", "/v1/invoices", {"customer_id": customer, "lines": [{"name": "x", "amount": "9.00"}], "post": True}
    ).body
    rows = ("customer_id,amount,method,invoice_number", f"{customer},9.00,check,{made['number']}")
    assert loaded(api, "payments", *rows) == (1, 0, 0, [])
    assert api.call("GET", f"/v1/invoices/{made['id']}").body["payment_status"] == "paid"


def test_a_foreign_file_is_loaded_by_its_mapping(api):
    read = ColumnMap(
        columns={"customerID": "external_id", "PaperlessBilling": "delivery"}, constants={"name": "A subscriber"},
        values={"delivery": {"Yes": "email", "No": "print"}},
    )  # fmt: skip
    assert loaded(api, "customers", "customerID,PaperlessBilling", "7590_VHVEG,Yes", "5575_GNVDE,No", read=read)[0] == 2
    assert api.call("GET", f"/v1/customers/{imported_id('customers', '5575_GNVDE')}").body["delivery"] == ["print"]


# ---- the command ------------------------------------------------------------------------------------------------


def test_the_command_prints_the_report_writes_the_errors_and_ends_with_1(url, tmp_path, capsys):
    file, wrong = tmp_path / "customers.csv", tmp_path / "errors.csv"
    file.write_text("\n".join(CUSTOMERS))
    assert main(["import", "customers", str(file), "--url", url, "--json", "--errors", str(wrong)]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["loaded"], report["updated"], report["unchanged"]) == (2, 0, 0)
    assert [(e["row"], e["field"]) for e in report["errors"]] == [(3, "email"), (5, "automations.enabled")]
    assert wrong.read_text().splitlines()[0] == "row,field,message"
    assert len(wrong.read_text().splitlines()) == 3


def test_a_file_without_a_bad_row_ends_with_0(url, tmp_path, capsys):
    file = tmp_path / "customers.csv"
    file.write_text("\n".join(CUSTOMERS[:2]))
    for words in ("1 loaded, 0 updated, 0 unchanged", "0 loaded, 0 updated, 1 unchanged"):
        assert main(["import", "customers", str(file), "--url", url]) == 0
        assert words in capsys.readouterr().out


def test_options_win_over_the_mapping_file(url, tmp_path, capsys):
    file, mapping = tmp_path / "rows.csv", tmp_path / "mapping.toml"
    file.write_text("key,firm,other\nA-1,Acme,Better\n")
    mapping.write_text('[columns]\nkey = "external_id"\nfirm = "name"\n[set]\ncurrency = "EUR"\n')
    arguments = ["import", "customers", str(file), "--url", url, "--map-file", str(mapping)]
    assert main([*arguments, "--map", "firm=", "--map", "other=name"]) == 0
    capsys.readouterr()
    assert main([*arguments, "--check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["loaded"] == 0


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ("[columns]\nkey = 3\n", "text in quotation marks"),
        ("colums = 1\n", "'colums' is no part"),
        ("[columns\n", "mapping.toml"),
        ("columns = 'x'\n", "must be a table"),
        ("values = 'x'\n", "must be a table"),
        ("[columns]\nnope = 'name'\n", "no column 'nope'"),
    ],
)
def test_a_mapping_file_that_means_nothing_is_refused(tmp_path, capsys, mapping, words):
    file, toml = tmp_path / "rows.csv", tmp_path / "mapping.toml"
    file.write_text("key\nA-1\n")
    toml.write_text(mapping)
    assert main(["import", "customers", str(file), "--map-file", str(toml)]) == 1
    assert words in capsys.readouterr().err


def test_a_file_that_is_not_there_and_a_server_that_is_not_are_refused(tmp_path, capsys):
    assert main(["import", "customers", str(tmp_path / "none.csv")]) == 1
    assert "cannot be read" in capsys.readouterr().err
    file = tmp_path / "rows.csv"
    file.write_text("name\nAcme\n")
    assert main(["import", "customers", str(file), "--url", "http://127.0.0.1:1"]) == 1
    assert "no answer from" in capsys.readouterr().err
    assert main(["import", "customers", str(file), "--url", "ftp://x"]) == 1


def test_a_token_that_may_not_write_ends_the_import_at_once(url, tmp_path, capsys):
    file = tmp_path / "customers.csv"
    file.write_text("\n".join(CUSTOMERS))
    assert main(["import", "customers", str(file), "--url", url, "--token", "local-viewer"]) == 1
    assert "the server refuses us" in capsys.readouterr().err


# ---- seed-settings ----------------------------------------------------------------------------------------------


def test_starter_settings_switch_nothing_on(api, url, capsys):
    assert main(["seed-settings", "--url", url, "--name", "Acme", "--timezone", "Europe/Berlin"]) == 0
    assert "No automation was switched on" in capsys.readouterr().out
    settings = api.call("GET", "/v1/settings").body
    assert settings["business"]["name"] == "Acme"
    assert not any(settings[part]["enabled"] for part in ("bill_run", "payment_run"))
    assert not any(automation["enabled"] for automation in settings["automations"].values())
    assert main(["seed-settings", "--url", url, "--name", "Acme"]) == 0
    assert "nothing changed" in capsys.readouterr().out


def test_what_is_named_is_switched_on_and_a_dry_run_only_says_so(api, url, capsys):
    loaded(api, "customers", *CUSTOMERS[:2])
    assert main(["seed-settings", "--url", url, "--on", "past_due", "--dry-run"]) == 0
    assert "Switched on: automations.past_due.enabled" in capsys.readouterr().out.replace("Would switch", "Switched")
    assert api.call("GET", "/v1/settings").body["automations"]["past_due"]["enabled"] is False
    assert main(["seed-settings", "--url", url, "--on", "past_due", "bill_run"]) == 0
    settings = api.call("GET", "/v1/settings").body
    assert settings["automations"]["past_due"]["enabled"]
    assert settings["bill_run"]["enabled"]
    assert not settings["payment_run"]["enabled"]


def test_settings_that_the_api_refuses_are_refused(api, url, capsys):
    assert main(["seed-settings", "--url", url, "--on", "auto_email"]) == 1  # needs auto_post
    assert "refused" in capsys.readouterr().err
    assert main(["seed-settings", "--url", url, "--timezone", "Mars/Olympus"]) == 1
    assert api.call("GET", "/v1/settings").body["version"] == 1

"""`paidup import` against the real API on the local cloud: by HTTP for the command, in the process for the rest."""

import json
from io import BytesIO
from threading import Thread

import pytest

from benchmarks import csv_files
from infra.cli import parts
from infra.cli.client import Answer, LocalApi
from infra.cli.export_rows import export
from infra.cli.loading import load
from infra.cli.main import main
from infra.cli.outcome import Refused
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


# ---- files of any size ------------------------------------------------------------------------------------------


def test_a_large_file_goes_in_parts_with_rows_of_one_thing_together_and_errors_by_their_line(api, monkeypatch):
    monkeypatch.setattr(parts, "ROWS_PER_PART", 3)
    loaded(api, "customers", "id,name", "cus_1,Acme")
    charge = "{},cus_1,Hosting,2026-01-15,Charge {},recurring,{}"
    lines = ["id,customer_id,name,start_date,charges.name,charges.type,charges.amount"]
    for n in range(1, 4):
        lines += [charge.format(f"con_{n}", m, "1.001" if (n, m) == (2, 3) else "1.00") for m in range(1, 5)]
    assert loaded(api, "contracts", *lines) == (2, 0, 0, [(8, "charges.amount")])
    assert len(api.call("GET", "/v1/contracts/con_3").body["charges"]) == 4
    two = ["id,name,email", 'cus_2,"A,', 'B",', "cus_3,C,", "cus_4,D,wrong", "", "cus_5,E,wrong", "cus_6,F,"]
    assert loaded(api, "customers", *two)[3] == [(2, "name"), (5, "email"), (7, "email")]


def test_equal_rows_that_are_two_records_stay_two_when_they_fall_into_two_parts(api, monkeypatch):
    monkeypatch.setattr(parts, "ROWS_PER_PART", 1)
    loaded(api, "customers", "id,name", "cus_1,Acme")
    payment = "cus_1,5.00,check"
    for expected in ((3, 0, 0, []), (0, 0, 3, [])):
        assert loaded(api, "payments", "customer_id,amount,method", payment, payment, payment) == expected


def test_a_file_that_was_interrupted_is_finished_by_sending_it_again(api, monkeypatch):
    monkeypatch.setattr(parts, "ROWS_PER_PART", 2)
    lines = ["id,name", *(f"cus_{n},Customer {n}" for n in range(7))]

    class Interrupted:
        calls = 0

        def call(self, method, path, body=None):
            self.calls += 1
            if self.calls == 3:
                raise Refused("no answer")
            return api.call(method, path, body)

    with pytest.raises(Refused):
        loaded(Interrupted(), "customers", *lines)
    assert loaded(api, "customers", *lines) == (3, 0, 4, [])


def test_a_part_that_runs_out_of_time_goes_on_at_the_row_it_reached_and_a_busy_server_is_asked_again(api):
    lines = ["id,name,email", "cus_1,A,", "cus_2,B,wrong", "cus_3,C,", "cus_4,D,wrong"]
    said = []

    class Slow:
        def call(self, method, path, body=None):
            said.append(body.decode().count("\n") - 1)
            if len(said) == 1:
                return Answer(503, {}, {"retry-after": "0"})
            first = body.split(b"\r\n")
            if len(first) > 4:  # takes two rows at a time
                answer = api.call(method, path, b"\r\n".join([*first[:3], b""]))
                left = {"row": 4, "field": "", "message": "was not reached"}
                body = {**answer.body, "errors": [*answer.body["errors"], left]}
                return Answer(200, body, {"next-row": "4"})
            return api.call(method, path, body)

    assert loaded(Slow(), "customers", *lines) == (2, 0, 0, [(3, "email"), (5, "email")])
    assert said == [4, 4, 2]


def test_the_command_writes_what_it_reads_back(url, api, tmp_path, capsys):
    loaded(api, "customers", *CUSTOMERS)
    loaded(api, "contracts", *CONTRACTS)
    loaded(api, "invoices", *INVOICES)
    for kind, count in (("customers", 2), ("contracts", 1), ("invoices", 2), ("usage", 0)):
        file = tmp_path / f"{kind}.csv"
        assert main(["export", kind, "--url", url, "--output", str(file)]) == 0
        assert main(["import", kind, str(file), "--url", url, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"loaded": 0, "updated": 0, "unchanged": count, "errors": []}
    assert main(["export", "customers", "--url", url, "--customer", "cus_1"]) == 2  # wrong usage
    assert main(["export", "contracts", "--url", url, "--customer", "cus_none"]) == 1


def test_an_export_of_many_pages_has_one_header(api):
    for n in range(5):
        loaded(api, "customers", "id,name", f"cus_{n},Customer {n}")

    class Short:
        def call(self, method, path, body=None):
            return api.call(method, f"{path}&limit=2" if "?" in path else path, body)

    out = BytesIO()
    export("customers", Short(), out)
    text = out.getvalue().decode()
    assert text.count("external_id") == 1
    assert sorted(line.partition(",")[0] for line in text.splitlines()[1:]) == [f"cus_{n}" for n in range(5)]


@pytest.mark.parametrize("rows", [20, 2_000])
def test_what_the_command_keeps_of_a_file_does_not_grow_with_it(tmp_path, rows):
    file = tmp_path / "rows.csv"
    csv_files.customers(file, rows)
    with file.open("rb") as stream:
        sizes = [len(part.lines) for part in parts.Parts("customers", stream, ColumnMap())]
    assert sum(sizes) == rows
    assert max(sizes) <= parts.ROWS_PER_PART


def test_the_benchmark_loads_and_writes_every_row(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(csv_files, "MEMORY_ROWS", (50,))
    csv_files.run(30, tmp_path)
    figures = [json.loads(line)["figure"] for line in capsys.readouterr().out.splitlines()]
    assert figures[:2] == ["customers, new", "customers, again"]

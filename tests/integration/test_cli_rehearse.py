"""`paidup rehearse`, against a running server and on a folder of files."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from threading import Thread

import pytest

from infra.cli.main import main
from infra.local.app import App
from infra.local.cloud import LocalCloud
from infra.local.server import Server
from shared import bootstrap
from shared.domain.rehearsal import CATEGORIES
from tests.integration.world import World

SWITCH_ON = {"bill_run": {"enabled": True, "auto_post": True, "gate": "all"}}
CUSTOMERS = "id,name,email,automations.enabled\ncus_a,Acme,ap@acme.example,true\n"
CONTRACTS = (
    "id,customer_id,name,start_date,bill_cycle_day,charges.id,charges.name,charges.type,charges.amount,charges.interval\n"
    "con_a,cus_a,IT,2026-01-01,2,chg_a,Support,recurring,100.00,month\n"
)


@pytest.fixture
def url(wiring):
    with LocalCloud("memory", wiring=wiring) as cloud:
        server = Server(App(cloud), port=0)
        world = World(cloud)
        world.contract(world.customer(), day=2)
        thread = Thread(target=server.serve)
        thread.start()
        yield server.url
        server.stop()
        thread.join()


@pytest.fixture
def patch(tmp_path):
    file = tmp_path / "patch.json"
    file.write_text(json.dumps(SWITCH_ON))
    return str(file)


def test_a_running_paidup_is_asked_and_the_difference_shown(url, patch, capsys):
    assert main(["rehearse", "--days", "3", "--settings", patch, "--url", url, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["base"]["invoices"]["count"], found["changed"]["invoices"]["count"]) == (0, 2)
    assert main(["rehearse", "--days", "3", "--settings", patch, "--url", url]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0] == "The next 3 days, from 2026-01-01T00:00:00Z"
    assert "+2" in shown
    assert "Nobody gets more mails or fewer" in shown


def test_a_past_day_on_which_nothing_was_owed_says_so(url, capsys):
    assert main(["rehearse", "--days", "3", "--since", "2025-12-20", "--url", url]) == 0
    assert "Nothing was owed at the end of 2025-12-20: there is nothing to compare." in capsys.readouterr().out


def words(shown):
    """What a table says, without its lines."""
    return " ".join("".join(" " if "─" <= c <= "╿" else c for c in shown).split())


@pytest.mark.parametrize(("by", "row"), [("day", "2026-01-02 1 1 1"), ("customer", "Customer 1 2 2 2")])
def test_days_customers_and_who_is_affected_are_shown_as_tables(url, tmp_path, capsys, by, row):
    mailing = tmp_path / "mailing.json"
    mailing.write_text(json.dumps({"bill_run": {**SWITCH_ON["bill_run"], "auto_email": True}}))
    asked = ["--days", "3", "--settings", str(mailing), "--by", by, "--seed", "7", "--url", url]
    assert main(["rehearse", *asked]) == 0
    shown = words(capsys.readouterr().out)
    assert f"By {by} {by} billed posted mailed" in shown
    assert row in shown
    assert "Who is affected customer what first on +2 Customer 1 invoice 2026-01-01" in shown


def test_all_of_it_is_written_as_csv_whether_it_is_done_there_or_here(url, patch, tmp_path, capsys):
    there, here = tmp_path / "there.csv", tmp_path / "here.csv"
    assert main(["rehearse", "--days", "3", "--settings", patch, "--url", url, "--csv", str(there)]) == 0
    rows = list(csv.DictReader(there.read_text().splitlines()))
    assert [(r["run"], r["category"], r["amount"]) for r in rows if r["run"] == "changed"] == [
        ("changed", "invoices", "3.23"), ("changed", "invoices", "100.00"),
    ]  # fmt: skip
    assert main(["rehearse", "--days", "1", "--url", url, "--csv", str(tmp_path)]) == 1
    assert "cannot be written" in capsys.readouterr().err
    (tmp_path / "customers.csv").write_text(CUSTOMERS)
    assert main(["rehearse", "--export", str(tmp_path), "--at", "2026-01-01T00:00:00Z", "--csv", str(here)]) == 0
    assert here.read_text() == there.read_text().splitlines(keepends=True)[0]


@pytest.mark.moto
def test_the_tables_that_the_environment_names_are_rehearsed_here(wiring, capsys):
    with LocalCloud("moto", datetime.now(UTC), wiring=wiring) as cloud:
        world = World(cloud)
        world.settings(**SWITCH_ON)
        customer = world.customer()
        world.contract(customer, start=str(datetime.now(UTC).date()))
        bootstrap.uninstall()  # what is not installed is made of the environment, as in a terminal
        try:
            assert main(["rehearse", "--tables", "--days", "2", "--json"]) == 0
        finally:
            bootstrap.install(cloud.ports)
    run = json.loads(capsys.readouterr().out)["base"]
    assert [i["customer_id"] for i in run["invoices"]["items"]] == [customer]


def test_a_patch_that_could_not_be_saved_is_refused_in_the_servers_words(url, tmp_path, capsys):
    bad = tmp_path / "bad.json"
    bad.write_text('{"bill_run": {"schedule": "never"}}')
    assert main(["rehearse", "--settings", str(bad), "--url", url]) == 1
    assert "settings.bill_run.schedule" in capsys.readouterr().err


def test_a_patch_may_be_given_as_it_is(url, capsys):
    assert main(["rehearse", "--days", "3", "--settings", json.dumps(SWITCH_ON), "--url", url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changed"]["invoices"]["count"] == 2
    assert main(["rehearse", "--settings", "{bad", "--url", url]) == 1
    assert "--settings is not JSON" in capsys.readouterr().err


def test_a_folder_of_exported_files_is_rehearsed_here(tmp_path, patch, capsys):
    (tmp_path / "customers.csv").write_text(CUSTOMERS)
    (tmp_path / "contracts.csv").write_text(CONTRACTS)
    (tmp_path / "settings.json").write_text(json.dumps(SWITCH_ON))
    assert main(["rehearse", "--days", "40", "--export", str(tmp_path), "--at", "2026-01-01T00:00:00Z", "--json"]) == 0
    invoices = json.loads(capsys.readouterr().out)["base"]["invoices"]["items"]
    assert [(i["invoice_date"], i["total"]) for i in invoices] == [
        ("2026-01-01", "3.23"), ("2026-01-02", "100.00"), ("2026-02-02", "100.00"),
    ]  # fmt: skip


def test_what_was_exported_comes_to_what_the_live_data_comes_to(wiring, tmp_path, capsys):
    """Everything on, an invoice owed, nobody with a card: the same invoices, mails, fees and steps on the same days."""
    with LocalCloud("memory", wiring=wiring) as cloud:
        world = World(cloud)
        world.automate()
        fee = {"amount": "5.00", "percent": "0", "grace_days": 1, "repeat": "once", "cap": None}
        customer = world.customer(class_id=world.klass(terms_days=3, late_fee=fee, suspend_after_days=9))
        world.contract(customer, day=5, start="2026-01-05")
        world.invoice(customer, "40.00")
        world.settle()
        live = world.post("/v1/rehearsals", {"days": 25})["base"]
        for kind in ("customers", "contracts", "usage", "invoices"):
            (tmp_path / f"{kind}.csv").write_bytes(world.get(f"/v1/export/{kind}"))
        for name, path in (("settings", "/v1/settings"), ("classes", "/v1/customer-classes")):
            (tmp_path / f"{name}.json").write_text(json.dumps(world.get(path)))
    assert main(["rehearse", "--days", "25", "--export", str(tmp_path), "--at", "2026-01-01T00:00:00Z", "--json"]) == 0
    read = json.loads(capsys.readouterr().out)["base"]
    assert [live[c]["count"] > 0 for c in ("invoices", "emails", "fees", "steps")] == [True] * 4
    assert {c: facts(read[c]["items"]) for c in CATEGORIES} == {c: facts(live[c]["items"]) for c in CATEGORIES}


def facts(items):
    shown = ("on", "customer_id", "type", "total", "due_on", "kind", "tier", "step")
    return sorted(tuple(str(item.get(name)) for name in shown) for item in items)


@pytest.mark.parametrize("wrong", [["--days", "0"], ["--days", "91"], ["--tables", "--export", "x"]])
def test_wrong_usage_ends_with_two(wrong, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["rehearse", *wrong])
    assert ended.value.code == 2


def test_a_folder_without_customers_is_refused(tmp_path, capsys):
    assert main(["rehearse", "--export", str(tmp_path)]) == 1
    assert "customers.csv" in capsys.readouterr().err

"""Contracts in the console: made, changed, suspended, resumed, ended, and usage recorded by hand. PRODUCT 3."""

from __future__ import annotations

import pytest

from tests.integration.console.console_browser import Console

NEW = "/console/customers/cus_acme/contracts/new"
USAGE = {"id": "chg_gb", "name": "Backup", "type": "usage", "metric": "gb", "unit_amount": "0.05", "interval": "month"}


@pytest.fixture
def acme(world):
    return world.customer(id="cus_acme", name="Acme Ltd")


@pytest.fixture
def console(world, acme):
    return Console(world, "operator")


def fill(page, fields, **options):
    """The new contract's form with these fields and a button pressed."""
    return {**dict(page.form("/contracts").fields), **fields, **options}


def test_a_contract_with_each_type_of_charge_is_made_without_script(world, console):
    page = console.get(NEW)
    about = {"name": "Managed IT", "start_date": "2026-01-15", "end_date": "2026-12-31", "id": "con_new",
             "charges.0.name": "Support", "charges.0.amount": "249.95"}  # fmt: skip
    page = console.send("/console/customers/cus_acme/contracts", fill(page, about, do="add:usage"))
    assert page.form("/contracts").value("charges.0.amount") == "249.95"  # nothing typed is lost
    usage = {"charges.1.name": "Backup", "charges.1.metric": "gb", "charges.1.tier_mode": "graduated",
             "charges.1.tiers.0.up_to": "1000", "charges.1.tiers.0.unit_amount": "0.10",
             "charges.1.tiers.1.unit_amount": "0.06", "charges.1.expected": "yes"}  # fmt: skip
    page = console.send("/console/customers/cus_acme/contracts", fill(page, usage, do="add:one_time"))
    once = {"charges.2.name": "Setup", "charges.2.amount": "99.00", "charges.2.on": "2026-01-20"}
    page = console.send("/console/customers/cus_acme/contracts", fill(page, once, do="save"))
    assert "The contract is made." in page.text
    assert "last day 31 Dec 2026" in page.text
    made = world.get("/v1/contracts/con_new")
    assert made["end_date"] == "2027-01-01"
    support, backup, setup = made["charges"]
    assert (support["amount"], support["timing"], support["prorate"]) == ("249.95", "advance", True)
    assert backup["tiers"] == [{"up_to": "1000", "unit_amount": "0.10"}, {"up_to": None, "unit_amount": "0.06"}]
    assert (backup["tier_mode"], backup["expected"]) == ("graduated", True)
    assert (setup["amount"], setup["on"]) == ("99.00", "2026-01-20")


def test_a_charge_is_taken_off_the_form_and_what_is_wrong_is_named_where_it_stands(world, console):
    page = console.get(NEW)
    page = console.send("/console/customers/cus_acme/contracts", fill(page, {"name": "X"}, do="add:usage"))
    page = console.send("/console/customers/cus_acme/contracts", fill(page, {}, do="remove:0"))
    assert page.form("/contracts").value("charges.0.type") == "usage"
    wrong = {"charges.0.name": "Backup", "charges.0.metric": "gb", "charges.0.unit_amount": "cheap",
             "bill_cycle_day": "32"}  # fmt: skip
    page = console.send("/console/customers/cus_acme/contracts", fill(page, wrong, do="save"), follow=False)
    assert page.status == 422
    assert {"#charges.0.unit_amount", "#bill_cycle_day"} <= set(page.links)
    assert {"charges.0.unit_amount", "bill_cycle_day"} <= set(page.ids)
    assert page.form("/contracts").value("charges.0.unit_amount") == "cheap"
    assert world.get("/v1/customers/cus_acme/contracts")["items"] == []


def test_a_price_is_changed_and_a_charge_added_from_a_day_on(world, acme, console):
    contract = world.contract(acme, "100.00", id="con_1")
    page = console.get(f"/console/contracts/{contract}")
    page = console.press(page, "/changes", {"effective_on": "2026-02-10", "amount": "120.00"})
    assert "from 10 Feb 2026: USD 120.00" in page.text
    assert console.press(page, "/changes", {"effective_on": "2026-02-10"}).status == 422
    page = console.get(f"/console/contracts/{contract}/charges/new?type=one_time")
    wrong = console.press(page, "/charges", {"add.name": "Setup", "add.amount": "9.999", "add.on": "2026-01-05"})
    assert wrong.status == 422
    assert "#add.amount" in wrong.links
    assert wrong.form("/charges").value("add.name") == "Setup"
    console.press(page, "/charges", {"add.name": "Setup", "add.amount": "9.99", "add.on": "2026-01-05"})
    charges = world.get(f"/v1/contracts/{contract}")["charges"]
    assert charges[0]["changes"] == [{"effective_on": "2026-02-10", "amount": "120.00", "quantity": None}]
    assert charges[1]["amount"] == "9.99"


def test_a_contract_is_suspended_resumed_renamed_and_ended(world, acme, console):
    contract = world.contract(acme, "100.00")
    page = console.press(console.get(f"/console/contracts/{contract}"), "/suspend", {"on": "2026-01-10"})
    assert "from 10 Jan 2026 until it is resumed" in page.text
    assert console.press(page, "/resume", {"on": "2026-01-05"}).status == 422
    page = console.press(page, "/resume", {"on": "2026-01-20"})
    assert "from 10 Jan 2026 to 19 Jan 2026" in page.text
    page = console.press(page, "/name", {"name": "Gold"})
    assert "Gold" in page.text
    form = page.form("/suspend")
    page = console.send(f"/console/contracts/{contract}/end", {**dict(form.fields), "on": "2026-03-01"})
    assert "last day 28 Feb 2026" in page.text
    assert world.get(f"/v1/contracts/{contract}")["end_date"] == "2026-03-01"


def test_usage_is_recorded_once_however_often_the_form_is_sent_and_late_usage_is_said_to_be_late(world, acme, console):
    contract = world.contract(acme, charges=[USAGE])
    page = console.get(f"/console/contracts/{contract}")
    fields = {"records.0.quantity": "40", "records.0.occurred_at": "2026-01-01T00:00"}
    assert "The usage is recorded." in console.press(page, "/usage", fields).text
    assert "taken in before" in console.press(page, "/usage", fields).text
    world.to("2026-02-01")
    world.post("/v1/bill-runs", {"auto_post": False})
    world.settle()
    assert world.invoices(status="draft")[0]["total"] == "2.00"
    console = Console(world, "operator")  # a month later the session is over
    page = console.get(f"/console/contracts/{contract}")
    assert "billed already" not in page.text
    page = console.press(page, "/usage", {**fields, "records.0.occurred_at": "2026-01-31T10:00"})
    assert "billed already" in page.text
    assert "Backup, the period from 1 Jan 2026" in page.text


def test_usage_outside_the_contract_is_refused_with_the_reason_and_what_was_typed_stays(world, acme, console):
    contract = world.contract(acme, charges=[USAGE], start="2026-01-01")
    page = console.get(f"/console/contracts/{contract}")
    wrong = console.press(page, "/usage", {"records.0.quantity": "7", "records.0.occurred_at": "2025-12-31T10:00"})
    assert wrong.status == 422
    assert "was not in service on 2025-12-31" in wrong.text
    assert wrong.form("/usage").value("records.0.quantity") == "7"
    wrong = console.press(page, "/usage", {"records.0.quantity": "some"})
    assert "#records.0.quantity" in wrong.links


def test_a_viewer_reads_a_contract_and_is_shown_no_form(world, acme):
    contract = world.contract(acme)
    page = Console(world, "viewer").get(f"/console/contracts/{contract}")
    assert "USD 100.00" in page.text
    assert [f.action for f in page.forms if "/contracts" in f.action] == []

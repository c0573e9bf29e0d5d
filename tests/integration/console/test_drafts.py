"""Drafts in the console: lines and dates changed, totalled again before they are saved, beside the invoice before."""

from __future__ import annotations

import pytest

from tests.integration.console.console_browser import Console, draft_of


@pytest.fixture
def draft(world):
    """A draft of two lines for a customer with tax; its id."""
    acme = world.customer(id="cus_acme", name="Acme Ltd", tax_rate_percent="20")
    monthly = {"type": "recurring", "interval": "month"}
    charges = [{"id": "chg_a", "name": "Support", "amount": "100.00", "quantity": "2", **monthly},
               {"id": "chg_b", "name": "Hosting", "amount": "50.00", **monthly}]  # fmt: skip
    world.contract(acme, charges=charges)
    world.post("/v1/bill-runs", {"auto_post": False})
    world.settle()
    return draft_of(world)


@pytest.fixture
def console(world):
    return Console(world, "operator")


def edit(console, draft):
    return console.get(f"/console/invoices/{draft}/edit")


def test_a_draft_that_is_saved_as_it_stands_is_what_it_was(world, draft, console):
    before = world.get(f"/v1/invoices/{draft}")
    page = console.press(edit(console, draft), "/edit", button=("do", "save"))
    assert "Saved." in page.text
    after = world.get(f"/v1/invoices/{draft}")
    assert {**after, "version": 0} == {**before, "version": 0}


def test_a_quantity_that_is_changed_is_totalled_again_and_nothing_is_written_until_it_is_saved(world, draft, console):
    page, before = edit(console, draft), world.cloud.ports.store.dump()
    page = console.press(page, "/edit", {"lines.0.quantity": "3"}, button=("do", "total"))
    assert page.form("/edit").value("lines.0.amount") == "300.00"
    assert "Total USD 420.00 was USD 300.00" in page.text  # 350.00 and 20 % tax
    assert "Not saved yet" in page.text
    part = console.send(f"/console/invoices/{draft}/total", page.form("/edit").fields, **{"hx-request": "true"})
    assert "Total USD 420.00" in part.text
    assert "<html" not in part.html
    assert world.cloud.ports.store.dump() == before
    page = console.press(page, "/edit", button=("do", "save"))
    saved = world.get(f"/v1/invoices/{draft}")
    assert (saved["total"], saved["lines"][0]["quantity"]) == ("420.00", "3")
    assert saved["lines"][0]["charge_id"] == "chg_a"  # what the form does not show is kept


def test_lines_are_added_and_taken_off_and_an_amount_that_is_typed_counts(world, draft, console):
    taken = {"lines.0.amount": "180.00", "lines.1.remove": "yes"}
    added = {"lines.2.name": "Courtesy", "lines.2.amount": "-10.00", "lines.3.name": "Visits", "lines.3.quantity": "2",
             "lines.3.unit_amount": "15.00"}  # fmt: skip
    given = {**taken, **added}
    fields = [f for f in edit(console, draft).form("/edit").fields if f[0] not in (*given, "lines.3.taxable")]
    console.send(f"/console/invoices/{draft}/edit", [*fields, *given.items(), ("do", "save")])
    saved = world.get(f"/v1/invoices/{draft}")
    lines = [(line["name"], line["amount"], line["taxable"]) for line in saved["lines"]]
    assert lines == [("Support", "180.00", True), ("Courtesy", "-10.00", True), ("Visits", "30.00", False)]
    assert (saved["subtotal"], saved["tax"]) == ("200.00", "34.00")


def test_what_is_wrong_with_a_line_is_named_where_it_stands_and_nothing_typed_is_lost(world, draft, console):
    given = {"lines.0.remove": "yes", "lines.1.amount": "12.345", "due_on": "2025-01-01"}
    page = console.press(edit(console, draft), "/edit", given, button=("do", "save"))
    assert page.status == 422
    assert "#lines.0.amount" in page.links  # the one that is left stands first now
    assert page.form("/edit").value("lines.0.amount") == "12.345"
    assert page.form("/edit").value("due_on") == "2025-01-01"
    page = console.press(page, "/edit", {"lines.0.amount": "12.34", "due_on": ""}, button=("do", "save"))
    assert "Saved." in page.text
    assert [line["charge_id"] for line in world.get(f"/v1/invoices/{draft}")["lines"]] == ["chg_b"]


def test_a_stale_form_of_a_draft_overwrites_nothing_and_a_posted_invoice_has_none(world, draft, console):
    page = edit(console, draft)
    world.patch(f"/v1/invoices/{draft}", {"due_on": "2026-03-03"})
    assert console.press(page, "/edit", button=("do", "save")).status == 412
    world.post(f"/v1/invoices/{draft}/post")
    page = edit(console, draft)
    assert "does not change any more" in page.text
    assert [f for f in page.forms if f.action.endswith("/edit")] == []


def test_a_draft_stands_beside_the_invoice_before_of_the_same_contracts_with_what_changed(world, console):
    acme = world.customer()
    contract = world.contract(acme, "100.00")
    world.settings(bill_run={"gate": "all"})
    world.post("/v1/bill-runs", {"auto_post": True})
    world.settle()
    charge = world.get(f"/v1/contracts/{contract}")["charges"][0]["id"]
    change = {"charge_id": charge, "effective_on": "2026-02-01", "amount": "180.00"}
    world.post(f"/v1/contracts/{contract}/changes", change)
    world.contract(acme, "7.00", start="2026-01-20", day=20)
    world.to("2026-01-20")
    world.post("/v1/bill-runs", {"auto_post": True})  # of another contract, and later
    world.invoice(acme, "9.00")  # and one by hand
    world.to("2026-02-01")
    world.post("/v1/bill-runs", {"auto_post": False})
    world.settle()
    page = Console(world).get(f"/console/invoices/{draft_of(world)}")
    assert "The invoice before: INV-000001" in page.text
    assert "was USD 100.00" in page.text
    assert "USD 180.00" in page.text


def test_a_draft_of_contracts_that_were_never_billed_together_stands_alone(world, draft, console):
    assert "The invoice before" not in console.get(f"/console/invoices/{draft}").text

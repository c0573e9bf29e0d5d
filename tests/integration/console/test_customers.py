"""Customers in the console: made, changed, moved to another class; invoices, memos and refunds by hand. PRODUCT 2–7."""

from __future__ import annotations

import pytest

from tests.integration.console.console_browser import Console

EDIT = "/console/customers/cus_late/edit"


@pytest.fixture
def console(busy):
    return Console(busy, "operator")


def test_a_customer_is_made_and_what_is_wrong_keeps_what_was_typed(busy, console):
    page = console.get("/console/customers/new")
    given = {"name": "New & Co", "email": "nobody", "address.city": "Bonn", "tax_rate_percent": "19", "id": "cus_new"}
    refused = console.press(page, "/customers", given)
    assert refused.status == 422
    assert "#email" in refused.links
    assert refused.form("/customers").value("address.city") == "Bonn"
    made = console.press(refused, "/customers", {"email": "ap@new.example", "enabled": "yes", "language": "de"})
    assert "Saved." in made.text
    customer = busy.get("/v1/customers/cus_new")
    assert (customer["name"], customer["address"]["city"], customer["delivery"]) == ("New & Co", "Bonn", ["email"])
    assert (customer["automations"]["enabled"], customer["language"]) == (True, "de")
    assert busy.get("/v1/settings")["business"]["currency"] == customer["currency"]


def test_a_customer_that_is_saved_as_it_stands_is_what_it_was_and_its_address_still_bounces(busy, console):
    busy.put("/_local/mail/ap@late.example", {"outcome": "bounce"})
    busy.invoice("cus_late", "1.00")
    busy.to("2026-02-22")
    console = Console(busy, "operator")
    before = busy.get("/v1/customers/cus_late")
    reason = busy.get("/v1/customers/cus_late/automations")["past_due"]["reason"]
    assert reason == "no_address"
    console.press(console.get(EDIT), "/edit")
    assert {**busy.get("/v1/customers/cus_late"), "version": 0} == {**before, "version": 0}
    assert busy.get("/v1/customers/cus_late/automations")["past_due"]["reason"] == reason
    console.press(console.get(EDIT), "/edit", {"email": "other@late.example"})
    assert busy.get("/v1/customers/cus_late/automations")["past_due"]["reason"] is None


def test_what_another_class_would_do_to_a_customer_is_said_before_it_is_moved(busy, console):
    strict = busy.klass(terms_days=30, suspend_after_days=5, step_notice_days=0)
    page, before = console.get(EDIT), busy.cloud.ports.store.dump()
    fields = {**dict(page.form("/edit").fields), "class_id": strict}
    part = console.send("/console/customers/cus_late/effects", fields, **{"hx-request": "true"})
    assert f"Class id: cls_standard → {strict}" in part.text
    assert "would be suspended: Late Ltd" in part.text
    assert "would be suspended" in console.send("/console/customers/cus_late/effects", fields).text
    assert busy.cloud.ports.store.dump() == before
    console.press(page, "/edit", {"class_id": strict})
    assert busy.get("/v1/customers/cus_late")["class_id"] == strict


def test_an_invoice_is_made_by_hand_as_a_draft_or_posted_at_once(busy, console):
    page = console.get("/console/customers/cus_acme/invoices/new")
    given = {"lines.0.name": "Visit", "lines.0.quantity": "2", "lines.0.unit_amount": "45.00"}
    draft = console.press(page, "/invoices", given)
    assert "The draft is made." in draft.text
    assert "USD 90.00" in draft.text
    refused = console.press(page, "/invoices", {**given, "lines.0.unit_amount": "much"})
    assert refused.status == 422
    assert "#lines.0.unit_amount" in refused.links
    assert refused.form("/invoices").value("lines.0.unit_amount") == "much"
    posted = console.press(page, "/invoices", given, button=("post", "yes"))
    assert "Posted." in posted.text
    made = [i for i in busy.invoices(customer_id="cus_acme") if i["type"] == "out_of_turn"]
    assert sorted((i["status"], i["total"]) for i in made) == [("draft", "90.00"), ("posted", "90.00")]


def test_a_memo_is_posted_and_a_payment_refunded_from_the_invoice_s_page(busy, console):
    page = console.press(
        console.get("/console/invoices/inv_late"),
        "/adjust",
        {"kind": "credit", "amount": "15.00", "reason": "goodwill"},
    )
    assert "The memo is posted." in page.text
    assert busy.get("/v1/invoices/inv_late")["residual"] == "25.00"
    assert console.press(page, "/adjust", {"amount": "-1", "reason": "x"}).status == 422
    card = busy.card("cus_late")
    page = console.press(console.get("/console/invoices/inv_late"), "/charge", {"payment_method_id": card})
    assert busy.get("/v1/invoices/inv_late")["payment_status"] == "paid"
    page = console.press(page, "/refund", {"amount": "5.00"})
    assert "The money goes back" in page.text
    assert "USD 5.00 refunded" in page.text
    assert busy.get("/v1/invoices/inv_late")["residual"] == "5.00"

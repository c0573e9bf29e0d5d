"""Invoices through the API: made, edited, posted, adjusted, charged, found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from functions.admin_api.once import forget_creation
from shared.domain.invoice import Flag, Invoice
from shared.domain.payment import ChargeOutcome
from shared.ports import Save
from shared.use_cases.render_document import document_key

LINE = {"name": "Audit", "amount": "100.00"}


@pytest.fixture
def acme(api):
    return api.customer(tax_rate_percent="10")


def invoice(api, id="inv_1", **more):
    return api.made("/v1/invoices", {"id": id, "customer_id": "cus_acme", "lines": [LINE], "post": True, **more})


def ids(api, query) -> list[str]:
    return sorted(i["id"] for i in api.items(f"/v1/invoices{query}"))


def test_an_invoice_out_of_turn_is_shown_as_the_contract_says(api, acme):
    lines = [
        {"name": "Audit", "unit_amount": "60.00", "quantity": "1.5", "service_start": "2025-12-01",
         "service_end": "2026-01-01"},
        {"name": "Travel", "amount": "20.00", "taxable": False},
    ]  # fmt: skip
    made = invoice(api, lines=lines, type="out_of_turn")
    assert made == {
        "id": "inv_1", "number": "INV-000001", "customer_id": "cus_acme", "type": "out_of_turn", "status": "posted",
        "payment_status": "unpaid", "invoice_date": "2026-01-01", "posted_on": "2026-01-01", "due_on": "2026-01-07",
        "currency": "USD",
        "lines": [
            {"name": "Audit", "contract_id": None, "charge_id": None, "service_start": "2025-12-01",
             "service_end": "2026-01-01", "quantity": "1.5", "unit_amount": "60.00", "amount": "90.00",
             "taxable": True},
            {"name": "Travel", "contract_id": None, "charge_id": None, "service_start": None, "service_end": None,
             "quantity": "1", "unit_amount": None, "amount": "20.00", "taxable": False},
        ],
        "subtotal": "110.00", "tax": "9.00", "total": "119.00", "residual": "119.00", "bill_run_id": None, "flags": [],
        "delivery": None, "hold": None, "adjusts_invoice_id": None, "reason": None, "version": made["version"],
    }  # fmt: skip
    assert api.get("/v1/invoices/inv_1").json == made


def test_an_imported_invoice_stays_what_it_was(api, acme):
    made = invoice(api, type="regular", number="OLD-17", invoice_date="2025-11-01", due_on="2025-12-01")
    assert (made["number"], made["invoice_date"], made["due_on"]) == ("OLD-17", "2025-11-01", "2025-12-01")
    assert made["payment_status"] == "overdue"


@pytest.mark.parametrize(
    ("due_on", "dated"), [("2025-12-31", "2025-12-31"), ("2026-01-01", "2026-01-01"), ("2026-01-02", "2026-01-01")]
)
def test_an_invoice_without_a_date_is_of_today_or_of_the_day_it_was_due(api, acme, due_on, dated):
    made = invoice(api, due_on=due_on)
    assert (made["invoice_date"], made["due_on"], made["posted_on"]) == (dated, due_on, "2026-01-01")


def test_creating_again_gives_the_first_result(api, acme):
    first = invoice(api)
    again = api.post("/v1/invoices", {"id": "inv_1", "customer_id": "cus_acme", "lines": [LINE], "post": True})
    assert (again.status, again.json) == (200, first)
    other = {"id": "inv_1", "customer_id": "cus_acme", "lines": [{**LINE, "amount": "1.00"}]}
    assert api.post("/v1/invoices", other).status == 409


def test_creation_that_died_between_draft_and_posting_is_finished_by_the_same_request(api, acme):
    body = {"id": "inv_1", "customer_id": "cus_acme", "lines": [LINE], "post": True}
    assert api.post("/v1/invoices", {**body, "post": False}).json["status"] == "draft"
    forget_creation("inv_1", api.ports)
    done = api.post("/v1/invoices", body)
    assert (done.status, done.json["status"]) == (200, "posted")
    forget_creation("inv_1", api.ports)
    assert api.post("/v1/invoices", {**body, "lines": [LINE, LINE]}).status == 409


def test_a_draft_can_be_edited_until_it_is_posted(api, acme):
    draft = invoice(api, post=False)
    assert (draft["status"], draft["number"], draft["payment_status"]) == ("draft", None, None)
    edited = api.patch("/v1/invoices/inv_1", {"lines": [LINE, {**LINE, "name": "More"}], "invoice_date": "2025-12-31"})
    assert (edited.json["subtotal"], edited.json["invoice_date"], edited.json["version"]) == ("200.00", "2025-12-31", 2)
    assert api.patch("/v1/invoices/inv_1", {"lines": [LINE]}, headers={"If-Match": '"1"'}).status == 412
    assert api.patch("/v1/invoices/inv_1", {"lines": edited.json["lines"][1:]}).json["subtotal"] == "100.00"
    posted = api.post("/v1/invoices/inv_1/post").json
    assert (posted["status"], posted["number"]) == ("posted", "INV-000001")
    assert api.post("/v1/invoices/inv_1/post").json == posted
    assert api.patch("/v1/invoices/inv_1", {"lines": [LINE]}).status == 409


def test_a_draft_whose_due_date_is_taken_away_is_due_by_its_terms(api, acme):
    invoice(api, post=False, due_on="2026-02-20")
    assert api.patch("/v1/invoices/inv_1", {"lines": [LINE]}).json["due_on"] == "2026-02-20"
    assert api.patch("/v1/invoices/inv_1?dry_run=true", {"due_on": None}).json["due_on"] is None
    assert api.patch("/v1/invoices/inv_1", {"due_on": None}).json["due_on"] is None
    [plain, once_dated] = [invoice(api, "inv_2")["due_on"], api.post("/v1/invoices/inv_1/post").json["due_on"]]
    assert plain == once_dated


def test_filters_combine(api, acme):
    api.customer("cus_b", name="Bolt")
    invoice(api, "inv_1")
    invoice(api, "inv_2", post=False)
    invoice(api, "inv_3", invoice_date="2025-11-01", due_on="2025-12-01")
    invoice(api, "inv_4", customer_id="cus_b", invoice_date="2025-11-01", due_on="2025-12-15")
    flag = replace(
        api.ports.store.get(Invoice, "inv_2"), flags=(Flag("first_invoice", "the first"),), bill_run_id="brn_1"
    )
    api.ports.store.commit(Save(flag))
    assert ids(api, "") == ["inv_1", "inv_2", "inv_3", "inv_4"]
    assert ids(api, "?customer_id=cus_acme") == ["inv_1", "inv_2", "inv_3"]
    assert ids(api, "?customer_id=cus_none") == []
    assert ids(api, "?status=draft") == ["inv_2"]
    assert ids(api, "?payment_status=overdue") == ["inv_3", "inv_4"]
    assert ids(api, "?payment_status=overdue&customer_id=cus_b") == ["inv_4"]
    assert ids(api, "?payment_status=unpaid&status=draft") == []
    assert ids(api, "?due_before=2025-12-15") == ["inv_3"]
    assert (
        ids(api, "?flagged=true")
        == ids(api, "?bill_run_id=brn_1")
        == ids(api, "?bill_run_id=brn_1&status=draft")
        == ["inv_2"]
    )
    assert ids(api, "?bill_run_id=brn_1&status=posted") == []
    assert ids(api, "?flagged=false&status=posted&customer_id=cus_acme") == ["inv_1", "inv_3"]
    assert api.items("/v1/invoices?limit=1&customer_id=cus_acme") == api.items("/v1/invoices?customer_id=cus_acme")


@pytest.mark.parametrize(
    ("name", "value"),
    [("status", "open"), ("payment_status", "late"), ("flagged", "1"), ("due_before", "tomorrow"), ("customer_id", "x"),
     ("bill_run_id", "inv_1"), ("due_before", "2026-02-30"), ("customer_id", "")],
)  # fmt: skip
def test_a_wrong_filter_is_named(api, name, value):
    assert api.get(f"/v1/invoices?{name}={value}").fields == [name]


def test_ten_thousand_lines_are_a_valid_invoice_and_one_more_is_not(api, acme):
    lines = [{"name": f"Call {n}", "amount": "0.01"} for n in range(10_000)]
    made = invoice(api, lines=lines)
    assert (made["subtotal"], len(made["lines"]), made["lines"][9_999]["name"]) == ("100.00", 10_000, "Call 9999")
    assert api.get("/v1/invoices/inv_1").json == made
    invoice(api, "inv_2", lines=lines)
    assert len(api.get("/v1/invoices").json["items"]) == 1  # two of them would be too long an answer
    assert ids(api, "") == ["inv_1", "inv_2"]
    assert api.post("/v1/invoices", {"customer_id": "cus_acme", "lines": [*lines, LINE]}).fields == ["lines"]


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("customer_id", {"customer_id": "cus_none"}), ("customer_id", {"customer_id": None}),
        ("type", {"type": "credit_memo"}), ("type", {"type": "gift"}), ("lines", {"lines": []}),
        ("lines", {"lines": None}),
        ("post", {"post": "yes"}), ("currency", {"currency": "XXX"}), ("number", {"number": "a\nb"}),
        ("number", {"number": 17}), ("due_on", {"invoice_date": "2025-01-02", "due_on": "2025-01-01"}),
        ("invoice_date", {"invoice_date": "yesterday"}),
        ("lines[0].amount", {"lines": [{"name": "A"}]}), ("lines[0].amount", {"lines": [{"name": "A", "amount": 5}]}),
        ("lines[0].amount", {"lines": [{"name": "A", "amount": "1.005"}]}),
        ("lines[0].amount", {"lines": [{"name": "A", "amount": "NaN"}]}),
        ("lines[0].amount", {"lines": [{"name": "A", "amount": "1" + "0" * 30}]}),
        ("lines[0].name", {"lines": [{"amount": "1.00"}]}),
        ("lines[0].name", {"lines": [{"name": "\x07", "amount": "1.00"}]}),
        ("lines[0].quantity", {"lines": [{"name": "A", "unit_amount": "1.00", "quantity": 2}]}),
        ("lines[0].quantity", {"lines": [{"name": "A", "unit_amount": "1.00", "quantity": "-2"}]}),
        ("lines[0].quantity", {"lines": [{"name": "A", "unit_amount": "1000000.00", "quantity": "9" * 18}]}),
        ("lines[0].contract_id", {"lines": [{**LINE, "contract_id": "con_none"}]}),
        ("lines[0].contract_id", {"lines": [{**LINE, "contract_id": "con_theirs"}]}),
        ("lines[0].service_end", {"lines": [{**LINE, "service_start": "2026-01-01"}]}),
        ("lines[0].service_end", {"lines": [{**LINE, "service_start": "2026-01-01", "service_end": "2026-01-01"}]}),
        ("lines", {"lines": [{"name": "A", "amount": "-5.00"}]}),
        ("lines", {"lines": [{"name": "A", "amount": "9999999999999.00"}] * 2}),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_and_nothing_is_written(api, acme, field, change):
    api.customer("cus_b")
    api.contract("cus_b", "con_theirs")
    reply = api.post("/v1/invoices", {"customer_id": "cus_acme", "lines": [LINE], "post": True, **change})
    assert reply.fields == [field]
    assert api.items("/v1/invoices") == []


def test_a_line_may_be_negative_as_long_as_the_sum_is_not(api, acme):
    made = invoice(api, lines=[LINE, {"name": "Discount", "amount": "-15.00"}])
    assert made["subtotal"] == "85.00"


def test_amounts_have_the_decimals_of_the_currency(api, acme):
    assert invoice(api, currency="JPY", lines=[{"name": "A", "amount": "500"}])["total"] == "550"
    assert invoice(api, "inv_2", currency="KWD", lines=[{"name": "A", "amount": "1.005"}])["subtotal"] == "1.005"
    yen = {"customer_id": "cus_acme", "currency": "JPY", "lines": [{"name": "A", "amount": "5.00"}]}
    assert api.post("/v1/invoices", yen).fields == ["lines[0].amount"]


def test_a_charge_answers_with_the_payment_whatever_came_of_it(api, acme):
    invoice(api)
    assert api.post("/v1/invoices/inv_1/charge").json["code"] == "no_payment_method"
    card = {"id": "pm_1", "token": "tok_1", "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030}
    api.made("/v1/customers/cus_acme/payment-methods", card)
    api.ports.gateway.outcome = ChargeOutcome("declined", "ch_1", "insufficient_funds")
    declined = api.post("/v1/invoices/inv_1/charge", {"payment_method_id": "pm_1"}).json
    assert (declined["status"], declined["code"], declined["hard"]) == ("declined", "insufficient_funds", False)
    assert (declined["attempt"], declined["amount"], declined["invoice_id"]) == (1, "110.00", "inv_1")
    api.ports.gateway.outcome = ChargeOutcome("succeeded", "ch_2")
    api.ports.clock.advance(minutes=1)
    paid = api.post("/v1/invoices/inv_1/charge").json
    assert (paid["status"], paid["attempt"], paid["method"]) == ("succeeded", 2, "card")
    assert api.get("/v1/invoices/inv_1").json["payment_status"] == "paid"
    assert api.post("/v1/invoices/inv_1/charge").status == 409
    assert [p["status"] for p in api.items("/v1/payments?invoice_id=inv_1")] == ["declined", "succeeded"]
    assert api.post("/v1/invoices/inv_1/charge", {"payment_method_id": "pm_x"}).status in (404, 409)


def test_an_adjustment_is_a_memo_of_its_own(api, acme):
    invoice(api)
    credit = api.post(
        "/v1/invoices/inv_1/adjustments", {"id": "adj_1", "kind": "credit", "amount": "30.00", "reason": "Sorry"}
    )
    assert credit.status == 201
    assert (credit.json["amount"], credit.json["memo"]["type"], credit.json["memo"]["number"]) == (
        "30.00", "credit_memo", "CM-000001",
    )  # fmt: skip
    assert api.get("/v1/invoices/inv_1").json["residual"] == "80.00"
    again = api.post(
        "/v1/invoices/inv_1/adjustments", {"id": "adj_1", "kind": "credit", "amount": "30.00", "reason": "Sorry"}
    )
    assert (again.status, again.json) == (200, credit.json)
    debit = api.post("/v1/invoices/inv_1/adjustments", {"kind": "debit", "lines": [LINE], "reason": "Forgotten"})
    assert (debit.json["memo"]["type"], debit.json["memo"]["due_on"]) == ("debit_memo", "2026-01-01")


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("amount", {"kind": "credit", "reason": "x"}), ("amount", {"kind": "credit", "reason": "x", "amount": "0.00"}),
        ("amount", {"kind": "credit", "reason": "x", "amount": "-1.00"}),
        ("amount", {"kind": "credit", "reason": "x", "amount": "1000.00"}),
        ("amount", {"kind": "credit", "reason": "x", "amount": "1.00", "lines": [LINE]}),
        ("amount", {"kind": "credit", "reason": "x", "amount": 1}),
        ("kind", {"kind": "gift", "reason": "x", "amount": "1.00"}),
        ("reason", {"kind": "credit", "amount": "1.00"}),
        ("reason", {"kind": "credit", "amount": "1.00", "reason": ""}),
        ("id", {"id": "x", "kind": "credit", "amount": "1.00", "reason": "x"}),
    ],
)  # fmt: skip
def test_a_wrong_adjustment_is_named(api, acme, field, body):
    invoice(api)
    assert api.post("/v1/invoices/inv_1/adjustments", body).fields == [field]
    assert api.get("/v1/invoices/inv_1").json["residual"] == "110.00"


def test_the_pdf_is_there_once_it_was_rendered(api, acme):
    invoice(api, "inv_2", post=False)
    assert api.get("/v1/invoices/inv_2/pdf").status == 409
    invoice(api)
    api.ports.queue.sent.clear()
    soon = api.get("/v1/invoices/inv_1/pdf")
    assert (soon.status, "retry-after" in soon.headers) == (503, True)
    assert [(queue, body["invoice_id"]) for queue, body in api.ports.queue.sent] == [("document", "inv_1")]
    api.ports.files.kept[document_key("inv_1")] = b"%PDF-1.7 \xff\x00"
    pdf = api.get("/v1/invoices/inv_1/pdf")
    assert (pdf.status, pdf.headers["content-type"], pdf.content) == (200, "application/pdf", b"%PDF-1.7 \xff\x00")


def test_delivery_follows_the_mail_of_the_invoice(api, acme):
    invoice(api)
    sent = api.post("/v1/invoices/inv_1/send")
    assert (sent.status, sent.json["kind"], sent.json["subject_id"]) == (200, "invoice", "inv_1")
    assert api.get("/v1/invoices/inv_1").json["delivery"] == {"status": "pending", "at": None}
    assert [n["id"] for n in api.items("/v1/notices?customer_id=cus_acme&kind=invoice&status=pending")] == [
        sent.json["id"]
    ]
    assert api.get(f"/v1/notices/{sent.json['id']}").json == sent.json


def test_a_draft_cannot_be_sent_charged_adjusted_or_voided(api, acme):
    invoice(api, post=False)
    for action in ("send", "charge"):
        assert api.post(f"/v1/invoices/inv_1/{action}").status == 409
    credit = {"kind": "credit", "amount": "1.00", "reason": "x"}
    assert api.post("/v1/invoices/inv_1/adjustments", credit).status == 409
    void = api.post("/v1/invoices/inv_1/void")
    assert (void.status, void.json["code"]) == (409, "not_posted")
    assert void.json["detail"].endswith("change its lines instead")


def test_a_credit_memo_is_not_adjusted_but_what_it_credits(api, acme):
    invoice(api)
    credit = {"kind": "credit", "amount": "1.00", "reason": "x"}
    memo = api.made("/v1/invoices/inv_1/adjustments", credit)["memo"]
    refused = api.post(f"/v1/invoices/{memo['id']}/adjustments", credit)
    assert (refused.status, refused.json["code"]) == (409, "credit_memo")


def test_a_hold_on_an_invoice_is_put_and_lifted(api, acme):
    invoice(api)
    held = api.put("/v1/invoices/inv_1/hold", {"reason": "dispute", "through": "2026-02-01"})
    assert (held.status, held.json) == (200, {"reason": "dispute", "through": "2026-02-01"})
    assert api.get("/v1/invoices/inv_1").json["hold"] == held.json
    assert api.post("/v1/invoices/inv_1/charge").json["code"] == "on_hold"
    assert api.delete("/v1/invoices/inv_1/hold").status == 204
    assert api.get("/v1/invoices/inv_1").json["hold"] is None
    assert api.put("/v1/invoices/inv_1/hold", {"reason": "whim"}).fields == ["reason"]

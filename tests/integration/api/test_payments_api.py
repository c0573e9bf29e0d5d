"""Payments, payment methods and payment runs through the API."""

from __future__ import annotations

import pytest

from shared.domain.runs import Chunk, Outcome
from shared.ports import Save

CARD = {"id": "pm_1", "token": "tok_1", "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030}
METHODS = "/v1/customers/cus_acme/payment-methods"
CHEQUE = {"id": "pay_1", "customer_id": "cus_acme", "amount": "150.00", "method": "check", "reference": "No. 17"}


@pytest.fixture
def acme(api):
    return api.customer()


def invoice(api, id, amount="100.00", due_on="2026-01-10", **more):
    line = {"name": "Audit", "amount": amount}
    return api.made(
        "/v1/invoices", {"id": id, "customer_id": "cus_acme", "lines": [line], "due_on": due_on, "post": True, **more}
    )


# ---- payment methods ----------------------------------------------------------------------------


def test_a_payment_method_is_kept_and_forgotten(api, acme):
    made = api.made(METHODS, CARD)
    assert made == {**CARD, "customer_id": "cus_acme", "version": 1}
    api.ports.clock.advance(minutes=1)
    api.made(METHODS, {**CARD, "id": "pm_0"})
    assert [m["id"] for m in api.items(METHODS)] == ["pm_1", "pm_0"]
    assert api.delete("/v1/payment-methods/pm_1").status == 204
    assert [m["id"] for m in api.items(METHODS)] == ["pm_0"]
    assert api.delete("/v1/payment-methods/pm_1").status == 404
    assert api.post(METHODS, CARD).status == 409, "the id of an old card is not used again"


def test_an_id_is_unique_among_all_customers(api, acme):
    api.customer("cus_b")
    api.made(METHODS, CARD)
    assert api.post(METHODS, CARD).status == 200
    assert api.post("/v1/customers/cus_b/payment-methods", CARD).status == 409
    assert api.items("/v1/customers/cus_b/payment-methods") == []
    assert api.post("/v1/customers/cus_none/payment-methods", {**CARD, "id": "pm_2"}).status == 404


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("token", ""), ("token", "4242424242424242"), ("token", "tok 1"), ("token", "tok\r\n"), ("token", 5),
        ("token", "x" * 201), ("brand", ""), ("brand", 7), ("last4", "424"), ("last4", 4242), ("last4", "４２４２"),
        ("exp_month", 13), ("exp_month", "12"), ("exp_year", 30), ("exp_year", 10**30), ("exp_month", None),
        ("number", "4242424242424242"), ("cvc", "123"), ("id", "tok_1"),
    ],
)  # fmt: skip
def test_a_wrong_field_of_a_method_is_named(api, acme, field, value):
    assert api.post(METHODS, {**CARD, field: value}).fields == [field]
    assert api.items(METHODS) == []


# ---- manual payments ----------------------------------------------------------------------------


def test_money_without_allocations_pays_the_oldest_due_first_and_the_rest_is_credit(api, acme):
    invoice(api, "inv_late", due_on="2026-01-05")
    invoice(api, "inv_later", due_on="2026-01-20", amount="30.00")
    made = api.made("/v1/payments", CHEQUE)
    assert made == {
        "id": "pay_1", "customer_id": "cus_acme", "invoice_id": None, "payment_method_id": None, "method": "check",
        "amount": "150.00", "currency": "USD", "status": "succeeded", "code": None, "hard": None, "attempt": None,
        "at": "2026-01-01T12:00:00Z", "next_attempt_on": None, "refunded": "0.00", "refunds": [], "reference": "No. 17",
        "allocations": [{"invoice_id": "inv_late", "amount": "100.00"}, {"invoice_id": "inv_later", "amount": "30.00"}],
        "credited": "20.00", "payment_run_id": None, "autopay_rule_id": None, "version": 1,
    }  # fmt: skip
    assert api.get("/v1/payments/pay_1").json == made
    account = api.get("/v1/customers/cus_acme/account").json
    assert (account["balance"], account["credit"]) == ({"USD": "-20.00"}, {"USD": "20.00"})
    again = api.post("/v1/payments", CHEQUE)
    assert (again.status, again.json) == (200, made)
    assert api.post("/v1/payments", {**CHEQUE, "amount": "1.00"}).status == 409


def test_payments_are_found_by_any_invoice_they_pay(api, acme):
    for n in (1, 2, 3):
        invoice(api, f"inv_{n}")
    split = [{"invoice_id": "inv_1", "amount": "50.00"}, {"invoice_id": "inv_2", "amount": "25.00"}]
    api.made("/v1/payments", {**CHEQUE, "amount": "75.00", "allocations": split})
    api.ports.clock.advance(minutes=1)
    api.made(
        "/v1/payments", {**CHEQUE, "id": "pay_2", "amount": "5.00", "allocations": [{**split[0], "amount": "5.00"}]}
    )

    def found(query):
        return [p["id"] for p in api.items(f"/v1/payments?{query}")]

    assert found("invoice_id=inv_1") == ["pay_1", "pay_2"]
    assert found("invoice_id=inv_2") == ["pay_1"]
    assert found("invoice_id=inv_3") == found("invoice_id=inv_none") == found("status=declined") == []
    assert found("customer_id=cus_acme&status=succeeded&invoice_id=inv_1") == ["pay_1", "pay_2"]
    assert found("customer_id=cus_b&invoice_id=inv_1") == []
    assert sorted(found("")) == ["pay_1", "pay_2"]


def test_credit_that_pays_an_invoice_is_not_listed_as_money_that_came_in_again(api, acme):
    api.made("/v1/payments", {**CHEQUE, "amount": "30.00"})
    invoice(api, "inv_1")
    [credit] = [p for p in api.items("/v1/payments?invoice_id=inv_1") if p["method"] == "credit"]
    assert (credit["amount"], credit["allocations"]) == ("30.00", [{"invoice_id": "inv_1", "amount": "30.00"}])
    assert api.items("/v1/payments?method=credit") == [credit]
    for query in ("", "?customer_id=cus_acme", "?status=succeeded", "?method=check"):
        assert [p["id"] for p in api.items(f"/v1/payments{query}")] == ["pay_1"]
    assert api.get("/v1/payments?method=gold").fields == ["method"]


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("amount", {"amount": 150}), ("amount", {"amount": "0.00"}), ("amount", {"amount": "-1.00"}),
        ("amount", {"amount": "1.005"}), ("amount", {"amount": "1e30"}), ("amount", {"amount": "9" * 20}),
        ("customer_id", {"customer_id": "cus_none"}), ("method", {"method": "card"}), ("method", {"method": None}),
        ("reference", {"reference": "a\nb"}), ("currency", {"currency": "usd"}), ("status", {"status": "succeeded"}),
        ("allocations[0].amount", {"allocations": [{"invoice_id": "inv_1", "amount": "0.00"}]}),
        ("allocations[0].amount", {"allocations": [{"invoice_id": "inv_1", "amount": "100.01"}]}),
        ("allocations[0].amount", {"allocations": [{"invoice_id": "inv_1", "amount": 5}]}),
        ("allocations[0].invoice_id", {"allocations": [{"invoice_id": "inv_none", "amount": "1.00"}]}),
        ("allocations[0].invoice_id", {"allocations": [{"invoice_id": "inv_theirs", "amount": "1.00"}]}),
        ("allocations[1].invoice_id", {"allocations": [{"invoice_id": "inv_1", "amount": "1.00"}] * 2}),
        ("allocations", {"amount": "1.00", "allocations": [{"invoice_id": "inv_1", "amount": "2.00"}]}),
        ("allocations[0].due", {"allocations": [{"invoice_id": "inv_1", "amount": "1.00", "due": 1}]}),
    ],
)  # fmt: skip
def test_a_wrong_field_of_a_payment_is_named_and_nothing_is_paid(api, acme, field, change):
    invoice(api, "inv_1")
    api.customer("cus_b")
    invoice(api, "inv_theirs", customer_id="cus_b")
    assert api.post("/v1/payments", {**CHEQUE, **change}).fields == [field]
    assert api.items("/v1/payments") == []
    assert api.get("/v1/invoices/inv_1").json["residual"] == "100.00"


# ---- refunds ------------------------------------------------------------------------------------


def test_a_payment_is_given_back_in_part_and_then_all_that_is_left(api, acme):
    invoice(api, "inv_1")
    api.made("/v1/payments", {**CHEQUE, "amount": "110.00"})
    part = api.post("/v1/payments/pay_1/refund", {"amount": "30.00"})
    assert (part.status, part.json["status"], part.json["refunded"]) == (200, "succeeded", "30.00")
    [first] = part.json["refunds"]
    assert first == {
        "id": first["id"], "amount": "30.00", "status": "succeeded", "code": None, "at": "2026-01-01T12:00:00Z",
        "by": "ada", "from_credit": "10.00", "reopened": [{"invoice_id": "inv_1", "amount": "20.00"}],
    }  # fmt: skip
    shown = api.get("/v1/invoices/inv_1").json
    assert (shown["residual"], shown["payment_status"], shown["due_on"]) == ("20.00", "partially_paid", "2026-01-10")
    rest = api.post("/v1/payments/pay_1/refund", {})
    assert (rest.json["status"], rest.json["refunded"]) == ("refunded", "110.00")
    account = api.get("/v1/customers/cus_acme/account").json
    assert (account["balance"], account["credit"]) == ({"USD": "100.00"}, {"USD": "0.00"})
    assert api.post("/v1/payments/pay_1/refund", {}).status == 409
    assert api.get("/v1/payments/pay_1").json == rest.json


@pytest.mark.parametrize(
    ("field", "body"),
    [("amount", {"amount": "0.00"}), ("amount", {"amount": "-5.00"}), ("amount", {"amount": "150.01"}),
     ("amount", {"amount": 5}), ("amount", {"amount": "1.005"}), ("amount", {"amount": "NaN"}),
     ("amount", {"amount": "9" * 30}), ("currency", {"amount": "5.00", "currency": "EUR"})],
)  # fmt: skip
def test_a_wrong_refund_is_named_and_nothing_is_given_back(api, acme, field, body):
    invoice(api, "inv_1")
    api.made("/v1/payments", CHEQUE)
    assert api.post("/v1/payments/pay_1/refund", body).fields == [field]
    assert api.get("/v1/payments/pay_1").json["refunds"] == []


def test_only_an_operator_gives_back_and_only_what_exists(api, acme):
    api.made("/v1/payments", CHEQUE)
    assert api("POST", "/v1/payments/pay_1/refund", {}, role="viewer").status == 403
    assert api.post("/v1/payments/pay_none/refund", {}).status == 404


def test_the_same_refund_request_twice_gives_back_once(api, acme):
    invoice(api, "inv_1")
    api.made("/v1/payments", CHEQUE)
    key = {"Idempotency-Key": "refund-17"}
    first = api("POST", "/v1/payments/pay_1/refund", {"amount": "30.00"}, headers=key)
    again = api("POST", "/v1/payments/pay_1/refund", {"amount": "30.00"}, headers=key)
    assert (first.status, again.json) == (200, first.json)
    assert api.get("/v1/payments/pay_1").json["refunded"] == "30.00"


# ---- payment runs -------------------------------------------------------------------------------


def test_a_payment_run_is_started_by_hand_as_of_today_or_earlier(api, acme):
    made = api.made("/v1/payment-runs", {"id": "prn_1", "as_of": "2026-01-01", "customer_ids": ["cus_acme"]})
    assert (made["id"], made["status"], made["as_of"]) == ("prn_1", "collecting", "2026-01-01")
    assert made["counts"] == dict.fromkeys(("considered", "succeeded", "declined", "failed", "unknown", "skipped"), 0)
    assert (made["collected"], made["skipped"], made["created_by"]) == ({}, [], "ada")
    assert api.get("/v1/payment-runs/prn_1").json == made
    assert (
        api.post("/v1/payment-runs", {"id": "prn_1", "as_of": "2026-01-01", "customer_ids": ["cus_acme"]}).status == 200
    )
    assert [r["id"] for r in api.items("/v1/payment-runs")] == ["prn_1"]


@pytest.mark.parametrize(
    ("field", "body"),
    [("as_of", {"as_of": "2026-01-02"}), ("as_of", {"as_of": "today"}), ("customer_ids", {"customer_ids": []}),
     ("customer_ids[0]", {"customer_ids": ["cus_none"]}), ("customer_ids[0]", {"customer_ids": [1]}),
     ("customer_ids", {"customer_ids": ["cus_acme"] * 1001}), ("dry_run", {"dry_run": True})],
)  # fmt: skip
def test_a_wrong_payment_run_is_named(api, acme, field, body):
    assert api.post("/v1/payment-runs", body).fields[0] == field
    assert api.items("/v1/payment-runs") == []


@pytest.mark.parametrize("limit", [1, 3, 10, 200])
def test_what_a_run_skipped_comes_in_pages(api, acme, limit):
    api.made("/v1/payment-runs", {"id": "prn_1"})
    for n in range(4):
        outcomes = [Outcome(f"inv_{n}{m}", "skipped" if m % 2 else "declined", "no_rule") for m in range(10)]
        api.ports.store.commit(Save(Chunk("prn_1", "charge", n, (), done=True, outcomes=tuple(outcomes))))
    expected = [{"invoice_id": f"inv_{n}{m}", "reason": "no_rule"} for n in range(4) for m in range(1, 10, 2)]
    assert api.items(f"/v1/payment-runs/prn_1/skipped?limit={limit}") == expected
    assert api.get("/v1/payment-runs/prn_1").json["skipped"] == expected
    assert api.get("/v1/payment-runs/prn_1").json["counts"]["skipped"] == 20

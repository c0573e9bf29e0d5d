"""Everything about money that is refused: a clear answer that names what is wrong, and nothing moved. PRODUCT 7, 8.

One table of requests on one world. After each the store, the gateway and the queues are as they were before.
"""

from __future__ import annotations

import pytest

from shared import bootstrap
from shared.domain.payment import ChargeOutcome
from shared.gateways.stripe import StripeGateway
from tests.integration.api.client import CHARGED, Client, new_ports

CARD = {"token": "tok_1", "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030}
LINE = [{"name": "Audit", "amount": "100.00"}]
AUTOPAY = "PUT /v1/customers/cus_acme/autopay"
METHODS = "POST /v1/customers/cus_acme/payment-methods"
PAY = "POST /v1/payments"


@pytest.fixture(scope="module")
def api():
    """Customers acme and other; of acme's invoices one is open, one in yen, one draft, one void and one paid."""
    ports = new_ports()
    bootstrap.install(ports)
    api = Client(ports)
    for id in ("acme", "other"):
        api.customer(f"cus_{id}")
        api.contract(f"cus_{id}", f"con_{id}")
        api.made(f"/v1/customers/cus_{id}/payment-methods", {**CARD, "id": f"pm_{id}"})
        invoice(api, f"inv_{id}", customer_id=f"cus_{id}")
        rule = {"id": f"apr_{id}", "payment_method_id": f"pm_{id}", "criteria": [IN_DOLLARS]}
        assert api.put(f"/v1/customers/cus_{id}/autopay", {"rules": [rule]}).status == 200
    invoice(api, "inv_yen", currency="JPY", lines=[{"name": "Audit", "amount": "1000"}])
    invoice(api, "inv_draft", post=False)
    invoice(api, "inv_void")
    assert api.post("/v1/invoices/inv_void/void").status == 200
    for id, outcome in (
        ("paid", CHARGED), ("declined", ChargeOutcome("declined", code="lost_card", hard=True)),
        ("unknown", ChargeOutcome("unknown")), ("failed", ChargeOutcome("failed", code="gateway_error")),
    ):  # fmt: skip
        invoice(api, f"inv_{id}")
        ports.gateway.outcome = outcome
        assert api.post(f"/v1/invoices/inv_{id}/charge").json["status"] == ("succeeded" if id == "paid" else id)
    ports.gateway.outcome = CHARGED
    invoice(api, "inv_held")
    api.put("/v1/invoices/inv_held/hold", {"reason": "dispute"})
    api.made(PAY.split()[1], {"id": "pay_check", **cheque("10.00"), "allocations": allocated("inv_acme", "10.00")})
    yield api
    bootstrap.uninstall()


def invoice(api, id, **more):
    body = {"id": id, "customer_id": "cus_acme", "lines": LINE, "due_on": "2026-01-10", "post": True, **more}
    return api.made("/v1/invoices", body)


def cheque(amount, **more):
    return {"customer_id": "cus_acme", "amount": amount, "method": "check", "reference": "No. 17", **more}


def allocated(*pairs):
    return [{"invoice_id": i, "amount": a} for i, a in zip(pairs[::2], pairs[1::2], strict=True)]


def of(path):
    """The payment on an invoice: its id is known once the world is made."""
    return lambda api: path.format(api.items("/v1/payments?invoice_id=" + path.split("#")[1])[0]["id"]).split("#")[0]


IN_DOLLARS = {"type": "currency", "operator": "is", "values": ["USD"]}


def criterion(type="amount", operator="gte", *values):
    return {"type": type, "operator": operator, "values": list(values)}


def rules(*criteria, **more):
    return {"rules": [{"payment_method_id": "pm_acme", "criteria": list(criteria or [IN_DOLLARS]), **more}]}


def values_of(n=0):
    return [f"rules[0].criteria[{n}].values"]


AT = "rules[0].criteria[0]"

# what it is, request, body, the fields that a 422 names or the status and a word of the reason
REFUSED = [
    # ---- rules
    ("an unknown type", AUTOPAY, rules(criterion("colour", "is", "red")), [f"{AT}.type"]),
    ("an unknown operator", AUTOPAY, rules(criterion("amount", "like", "1.00")), [f"{AT}.operator"]),
    ("an operator of another type", AUTOPAY, rules(criterion("contract", "gte", "con_acme")), [f"{AT}.operator"]),
    ("no values", AUTOPAY, rules(criterion("amount", "gte")), [f"{AT}.values"]),
    ("an empty value", AUTOPAY, rules(criterion("line_item", "is", "")), [f"{AT}.values[0]"]),
    ("an amount that is a number", AUTOPAY, rules(criterion("amount", "gte", 200)), [f"{AT}.values[0]"]),
    ("an amount of no decimals' currency", AUTOPAY, rules(criterion("amount", "gte", "1.005")), [f"{AT}.values[0]"]),
    ("days that are a text", AUTOPAY, rules(criterion("invoice_age_days", "gte", "15")), [f"{AT}.values[0]"]),
    ("between one value", AUTOPAY, rules(criterion("amount", "between", "1.00")), values_of()),
    ("between the wrong way round", AUTOPAY, rules(criterion("amount", "between", "9.00", "1.00")), values_of()),
    ("an unknown currency", AUTOPAY, rules(criterion("currency", "is", "XXZ")), [f"{AT}.values[0]"]),
    ("mixed currencies", AUTOPAY, rules(criterion("amount", "gte", "1.00"), criterion("currency", "is", "EUR")),
     values_of(1)),
    ("amounts in another currency", AUTOPAY, {**rules(), "currency": "EUR"}, ["currency"]),
    ("an unknown invoice type", AUTOPAY, rules(criterion("invoice_type", "is", "monthly")), [f"{AT}.values[0]"]),
    ("the contract of somebody else", AUTOPAY, rules(criterion("contract", "is", "con_other")), [f"{AT}.values[0]"]),
    ("the card of somebody else", AUTOPAY, rules(payment_method_id="pm_other"), ["rules[0].payment_method_id"]),
    ("a card that is not there", AUTOPAY, rules(payment_method_id="pm_none"), ["rules[0].payment_method_id"]),
    ("the rule of somebody else", AUTOPAY, rules(id="apr_other"), ["rules[0].id"]),
    ("no criteria", AUTOPAY, {"rules": [{"payment_method_id": "pm_acme"}]}, ["rules[0].criteria"]),
    ("nothing at all", AUTOPAY, {"rules": [{}]}, ["rules[0].payment_method_id", "rules[0].criteria"]),
    ("an unknown field", AUTOPAY, rules(priority=1), ["rules[0].priority"]),
    ("the rules of nobody", "PUT /v1/customers/cus_none/autopay", {"rules": []}, (404, "cus_none")),
    ("a patch of what is not there", "PATCH /v1/autopay-rules/apr_none", {"locked": True}, (404, "apr_none")),
    ("a patch of more than may be", "PATCH /v1/autopay-rules/apr_acme", {"criteria": []}, ["criteria"]),
    # ---- methods
    ("a card number", METHODS, {**CARD, "token": "4242424242424242"}, ["token"]),
    ("no such month", METHODS, {**CARD, "exp_month": 13}, ["exp_month"]),
    ("somebody else's method id", METHODS, {**CARD, "id": "pm_other"}, (409, "pm_other")),
    ("a method of nobody", "POST /v1/customers/cus_none/payment-methods", CARD, (404, "cus_none")),
    ("the removal of none", "DELETE /v1/payment-methods/pm_none", None, (404, "pm_none")),
    # ---- money that came in
    ("zero", PAY, cheque("0.00"), ["amount"]),
    ("less than zero", PAY, cheque("-5.00"), ["amount"]),
    ("a number", PAY, cheque(5), ["amount"]),
    ("not a number", PAY, cheque("NaN"), ["amount"]),
    ("too many decimals", PAY, cheque("5.001"), ["amount"]),
    ("more than is owed of an invoice", PAY, cheque("500.00", allocations=allocated("inv_acme", "90.01")),
     ["allocations[0].amount"]),
    ("an allocation of zero", PAY, cheque("5.00", allocations=allocated("inv_acme", "0.00")),
     ["allocations[0].amount"]),
    ("less than zero for an invoice", PAY, cheque("5.00", allocations=allocated("inv_acme", "-1.00")),
     ["allocations[0].amount"]),
    ("allocations beyond the payment", PAY, cheque("50.00", allocations=allocated("inv_acme", "50.01")),
     ["allocations"]),
    ("an invoice twice", PAY, cheque("50.00", allocations=allocated("inv_acme", "5.00", "inv_acme", "5.00")),
     ["allocations[1].invoice_id"]),
    ("another currency than the invoice's", PAY, cheque("50.00", allocations=allocated("inv_yen", "50.00")),
     ["allocations[0].invoice_id"]),
    ("a currency that is none", PAY, cheque("50.00", currency="XXZ"), ["currency"]),
    ("the invoice of somebody else", PAY, cheque("50.00", allocations=allocated("inv_other", "50.00")),
     ["allocations[0].invoice_id"]),
    ("an invoice that is not there", PAY, cheque("50.00", allocations=allocated("inv_none", "50.00")),
     ["allocations[0].invoice_id"]),
    ("a draft", PAY, cheque("50.00", allocations=allocated("inv_draft", "50.00")), ["allocations[0].amount"]),
    ("a void invoice", PAY, cheque("50.00", allocations=allocated("inv_void", "50.00")), ["allocations[0].amount"]),
    ("a paid invoice", PAY, cheque("50.00", allocations=allocated("inv_paid", "50.00")), ["allocations[0].amount"]),
    ("an unknown way", PAY, cheque("50.00", method="barter"), ["method"]),
    ("a card payment by hand", PAY, cheque("50.00", method="card"), ["method"]),
    ("money of nobody", PAY, {**cheque("50.00"), "customer_id": "cus_none"}, ["customer_id"]),
    ("an id that is taken", PAY, {**cheque("11.00"), "id": "pay_check"}, (409, "pay_check")),
    # ---- charges
    ("a charge of a draft", "POST /v1/invoices/inv_draft/charge", {}, (409, "not_posted")),
    ("a charge of a void invoice", "POST /v1/invoices/inv_void/charge", {}, (409, "not_posted")),
    ("a charge of a paid invoice", "POST /v1/invoices/inv_paid/charge", {}, (409, "nothing_due")),
    ("a charge during a hold", "POST /v1/invoices/inv_held/charge", {}, (409, "on_hold")),
    ("a charge while another is open", "POST /v1/invoices/inv_unknown/charge", {}, (409, "attempt_open")),
    ("a charge of what is not there", "POST /v1/invoices/inv_none/charge", {}, (404, "inv_none")),
    ("a charge on somebody else's card", "POST /v1/invoices/inv_acme/charge", {"payment_method_id": "pm_other"},
     (404, "pm_other")),
    ("a charge of a part", "POST /v1/invoices/inv_acme/charge", {"amount": "1.00"}, ["amount"]),
    # ---- refunds
    ("a refund of zero", "POST /v1/payments/pay_check/refund", {"amount": "0.00"}, ["amount"]),
    ("a refund of less", "POST /v1/payments/pay_check/refund", {"amount": "-1.00"}, ["amount"]),
    ("a refund of more than came", "POST /v1/payments/pay_check/refund", {"amount": "10.01"}, ["amount"]),
    ("a refund of half a cent", "POST /v1/payments/pay_check/refund", {"amount": "1.005"}, ["amount"]),
    ("a refund of what is not there", "POST /v1/payments/pay_none/refund", {}, (404, "pay_none")),
    ("a refund of what was declined", of("POST /v1/payments/{}/refund#inv_declined"), {}, (409, "declined")),
    ("a refund of what failed", of("POST /v1/payments/{}/refund#inv_failed"), {}, (409, "failed")),
    ("a refund of what nobody knows", of("POST /v1/payments/{}/refund#inv_unknown"), {}, (409, "unknown")),
    # ---- runs
    ("a run of tomorrow", "POST /v1/payment-runs", {"as_of": "2026-01-02"}, ["as_of"]),
    ("a run for nobody known", "POST /v1/payment-runs", {"customer_ids": ["cus_acme", "cus_none"]},
     ["customer_ids[1]"]),
    ("a run with a colour", "POST /v1/payment-runs", {"colour": "red"}, ["colour"]),
    # ---- statements
    ("a statement of no days", "GET /v1/customers/cus_acme/statement?from=2026-01-02&to=2026-01-01", None, ["from"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "body", "expected"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_is_wrong_is_named_and_nothing_moves(api, request_, body, expected):
    method, path = (request_(api) if callable(request_) else request_).split(" ")
    before = standing(api)
    reply = api(method, path, body)
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json["status"] == reply.status
    if isinstance(expected, list):
        assert reply.fields == expected
        assert all(e["message"] for e in reply.json["errors"])
    else:
        status, word = expected
        assert (reply.status, word in reply.json["detail"]) == (status, True), reply.text
    assert standing(api) == before


def standing(api):
    return api.ports.store.dump(), list(api.ports.gateway.asked), list(api.ports.queue.sent)


def test_a_token_that_the_gateway_cannot_have_given_is_refused(api, monkeypatch):
    told = StripeGateway(dict, api.ports.clock).token_problem
    monkeypatch.setattr(type(api.ports.gateway), "token_problem", lambda self, token: told(token))
    before = standing(api)
    for token in ("tok_1", "cus_1", "pi_1", "pm_"):
        reply = api.post("/v1/customers/cus_acme/payment-methods", {**CARD, "token": token})
        assert reply.fields == ["token"]
        assert "pm_" in reply.json["errors"][0]["message"]
    assert standing(api) == before
    assert api.post("/v1/customers/cus_acme/payment-methods", {**CARD, "token": "cus_1/pm_1"}).status == 201

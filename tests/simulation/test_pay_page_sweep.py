"""The pay form's POST once for every call it makes and every way that can fail; then the browser sends it again.

Through the real function with its audit log: at rest there is one attempt and the books add up. PRODUCT 11.
"""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import urlencode

import pytest

from functions.pay_page.app import lambda_handler
from infra.local.faults import FAULTS, Calls, NoFaults, OneFault, faulty
from infra.local.invoker import SimulatedCrash
from shared import bootstrap
from shared.domain.pay_link import PayLink, digest_of, once_of
from shared.domain.payment import Payment
from shared.use_cases import pay_invoices, submissions
from shared.use_cases.pay_page import mark_of_invoice
from shared.use_cases.reconcile_payments import reconcile_payments
from tests.integration.ledger import assert_balanced
from tests.integration.stage import NOW, TODAY, Stage

TOKEN = "a-link-of-the-customer"
TIMES_MAX = 5  # that a browser, or its owner, sends the form again


def world(outcome):
    stage = Stage()
    stage.settings()
    stage.customer()
    stage.card("cus_a", outcome, "succeeded", id="pm_1")
    ids = [stage.posted(due_on=TODAY), stage.posted(due_on=TODAY)]
    stage.save(PayLink(digest_of(TOKEN), "cus_a", 0, NOW + timedelta(days=30)))
    invoices = [stage.invoice(i) for i in ids]
    once = once_of(TOKEN, "account", "page", NOW, map(mark_of_invoice, invoices))
    return stage, [("once", once), *(("invoice_id", i) for i in ids), ("payment_method_id", "pm_1")]


def press(fields, ports):
    event = {
        "resource": "/pay/{token}", "httpMethod": "POST", "path": f"/pay/{TOKEN}", "pathParameters": {"token": TOKEN},
        "body": urlencode(fields), "requestContext": {"requestId": "r"},
    }  # fmt: skip
    bootstrap.install(ports)
    try:
        return lambda_handler(event, SimpleNamespace(aws_request_id="r"))["statusCode"]
    except SimulatedCrash:
        return None
    finally:
        bootstrap.uninstall()


def ended(outcome, plan):
    """What is left at rest, and the calls that were made."""
    stage, fields = world(outcome)
    calls = Calls(plan)
    calls.begin("PayPageFunction")
    status = press(fields, faulty(stage.ports, calls))
    for _ in range(TIMES_MAX):
        if status == 303:
            break
        status = press(fields, stage.ports)
    assert status == 303
    assert press(fields, stage.ports) == 303
    for hours in (1, 2, 25):
        stage.advance(hours=hours)
        reconcile_payments(stage.ports)
    assert_balanced(stage)
    attempts = [p for p in stage.every(Payment) if p.method == "card"]
    assert len(attempts) <= 2, "an invoice was tried twice for one page"
    kept = [c.invoice_id for c in stage.gateway.charges if c.status == "succeeded"]
    assert len(kept) == len(set(kept)) == sum(p.status == "succeeded" for p in attempts)
    return len(attempts), calls


@pytest.mark.parametrize("outcome", ["succeeded", "timeout_charged", "declined:insufficient_funds"])
def test_a_page_pays_once_whatever_goes_wrong_with_its_calls(outcome):
    expected, calls = ended(outcome, NoFaults())
    assert len(calls.seen) > 20
    for call in calls.seen:
        for kind in FAULTS:
            assert ended(outcome, OneFault(call.number, kind))[0] == expected, f"{kind} at {call}"


def test_the_sweep_finds_a_page_whose_value_is_not_burnt(monkeypatch):
    count = iter(range(10_000))
    monkeypatch.setattr(pay_invoices, "submission_id", lambda customer_id, nonce: f"sub_{next(count)}")
    monkeypatch.setattr(submissions, "submission_id", lambda customer_id, nonce: "sub_none")
    with pytest.raises(AssertionError, match="tried twice"):
        ended("declined:insufficient_funds", NoFaults())

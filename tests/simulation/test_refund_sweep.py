"""A refund, with every way that every call of it can go wrong: its caller repeats the request, and it is made once.

Requests are not crashed in the sweep of a night, since only their callers can repeat them. This caller does.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from functions.admin_api import app
from functions.admin_api.payments import post_refund
from functions.admin_api.routing import ENDPOINTS, respond
from infra.local.faults import FAULTS, Calls, NoFaults, OneFault, faulty
from infra.local.invoker import SimulatedCrash
from shared import bootstrap
from shared.domain.payment import ChargeOutcome, Payment
from shared.gateways.simulated import SimulatedGateway
from shared.ports import Unavailable
from shared.use_cases import refund_payment
from shared.use_cases.charge_invoice import charge_by_hand
from shared.use_cases.reconcile_payments import reconcile_payments
from shared.use_cases.record_payment import ManualPayment, record_payment
from tests.integration.ledger import assert_balanced, credit_of
from tests.integration.stage import Stage

assert app.ROUTERS  # the routes are there
[ENDPOINT] = [e for e in ENDPOINTS if e.handler is post_refund]
KEY = "refund-17"
REPETITIONS_MAX = 4
SECONDS_BETWEEN = 61  # a claim on a key that its owner left behind is over by then
DUE = date(2026, 1, 20)


def by_card(stage):
    stage.card()
    return charge_by_hand(stage.posted(due_on=DUE), stage.ports).id


def by_card_as_credit(stage):
    """The charge came after a cheque, so that it is credit."""
    stage.card("cus_a", "timeout_charged")
    id = stage.posted(due_on=DUE)
    payment = charge_by_hand(id, stage.ports)
    record_payment(ManualPayment("pay_first", "cus_a", "USD", 70_00, "check"), stage.ports)
    stage.advance(minutes=5)
    reconcile_payments(stage.ports)
    return payment.id


def by_cheque(stage):
    stage.posted(due_on=DUE)
    return record_payment(ManualPayment("pay_1", "cus_a", "USD", 120_00, "check"), stage.ports).id


def world_of(prepare):
    stage = Stage()
    stage.settings()
    stage.customer()
    return stage, prepare(stage)


def ask(stage, payment_id):
    event = {
        "path": f"/v1/payments/{payment_id}/refund", "httpMethod": "POST", "headers": {"Idempotency-Key": KEY},
        "requestContext": {"authorizer": {"claims": {"sub": "ada", "cognito:groups": "operator"}}},
        "body": '{"amount": "60.00"}',
    }  # fmt: skip
    bootstrap.install(stage.ports)
    try:
        return respond(ENDPOINT, event, {"payment_id": payment_id}).status_code
    except SimulatedCrash:
        return None
    finally:
        bootstrap.uninstall()


def with_faults(stage, plan):
    calls = Calls(plan)
    calls.begin("AdminApiFunction")
    return replace_ports(stage, faulty(stage.ports, calls)), calls


def replace_ports(stage, ports):
    stage.ports = ports
    return stage


def asked_until_answered(stage, payment_id):
    """The caller repeats the request; meanwhile the gateway is asked every few minutes."""
    for _ in range(REPETITIONS_MAX):
        if ask(stage, payment_id) == 200:
            break
        stage.advance(seconds=SECONDS_BETWEEN)
    for hours in (1, 2, 19):  # within the day for which the key stands for this request
        stage.advance(hours=hours)
        reconcile_payments(stage.ports)
    assert ask(stage, payment_id) == 200
    stage.advance(hours=25)
    reconcile_payments(stage.ports)


def calls_of(prepare, act):
    stage, payment_id = world_of(prepare)
    stage, calls = with_faults(stage, NoFaults())
    act(stage, payment_id)
    return calls.seen


def state_of(stage, payment_id):
    """What is left: as it is without faults, whatever happened on the way."""
    assert_balanced(stage)
    payment = stage.get(Payment, payment_id)
    assert payment.open_refund is None
    given_back = sum(c.refunded_minor for c in stage.gateway.charges)
    made = [(r.amount_minor, r.credit_minor, r.reopened) for r in payment.refunds if r.status == "succeeded"]
    return payment.refunded_minor, payment.status, given_back, credit_of(stage), made


@pytest.mark.parametrize("prepare", [by_card, by_card_as_credit, by_cheque], ids=lambda p: p.__name__)
def test_a_refund_is_made_once_whatever_goes_wrong_with_its_calls(prepare):
    assert swept(prepare) == []


def swept(prepare):
    """The faults that leave another state behind than none does."""
    stage, payment_id = world_of(prepare)
    asked_until_answered(stage, payment_id)
    expected, wrong = state_of(stage, payment_id), []
    calls = calls_of(prepare, ask)
    assert len(calls) > 5
    for call in calls:
        for kind in FAULTS:
            stage, payment_id = world_of(prepare)
            plain = stage.ports
            stage, _ = with_faults(stage, OneFault(call.number, kind))
            ask(stage, payment_id)
            asked_until_answered(replace_ports(stage, plain), payment_id)
            if state_of(stage, payment_id) != expected:
                wrong.append(f"{kind} at {call}")
    return wrong


def lost(stage, payment_id):
    """The gateway makes the refund and does not answer."""
    refund = stage.gateway.refund
    stage.gateway.refund = lambda *args: refund(*args) and ChargeOutcome("unknown")
    assert ask(stage, payment_id) == 200
    del stage.gateway.refund
    stage.advance(minutes=5)


def reconciled(stage):
    try:
        reconcile_payments(stage.ports)
    except (SimulatedCrash, Unavailable):
        pass


@pytest.mark.parametrize("prepare", [by_card, by_card_as_credit], ids=lambda p: p.__name__)
def test_finding_out_about_a_refund_recovers_from_every_fault_at_every_call(prepare):
    stage, payment_id = world_of(prepare)
    lost(stage, payment_id)
    reconciled(stage)
    expected = state_of(stage, payment_id)
    assert expected[0] == 60_00

    stage, payment_id = world_of(prepare)
    lost(stage, payment_id)
    stage, calls = with_faults(stage, NoFaults())
    reconciled(stage)
    for call in calls.seen:
        for kind in FAULTS:
            stage, payment_id = world_of(prepare)
            lost(stage, payment_id)
            plain = stage.ports
            stage, _ = with_faults(stage, OneFault(call.number, kind))
            reconciled(stage)
            replace_ports(stage, plain)
            for hours in (1, 25):
                stage.advance(hours=hours)
                reconciled(stage)
            assert state_of(stage, payment_id) == expected, f"{kind} at {call}"


# ---- the sweep is swept: bugs that it must find ---------------------------------------------------------------


def a_fresh_key_for_every_call(patch):
    refund, made = SimulatedGateway.refund, []

    def refunded(self, payment, amount_minor, key):
        made.append(key)
        return refund(self, payment, amount_minor, f"{key}{len(made)}")

    patch.setattr(SimulatedGateway, "refund", refunded)


def a_new_refund_for_every_request(patch):
    opened = refund_payment._refund
    patch.setattr(refund_payment, "_refund", lambda id, *rest: replace(opened(id, *rest), id="ref_x"))


def no_answer_read_as_no_refund(patch):
    settle = refund_payment.settle_refund

    def settled(payment_id, ordinal, outcome, ports, asked=False):
        failed = replace(outcome, status="failed") if outcome.status == "unknown" else outcome
        return settle(payment_id, ordinal, failed, ports, asked)

    patch.setattr(refund_payment, "settle_refund", settled)


@pytest.mark.parametrize(
    "bug", [a_fresh_key_for_every_call, a_new_refund_for_every_request, no_answer_read_as_no_refund],
    ids=lambda bug: bug.__name__,
)  # fmt: skip
def test_the_sweep_finds_a_planted_bug(bug, monkeypatch):
    bug(monkeypatch)
    try:
        found = swept(by_card)
    except AssertionError as error:
        found = [str(error)]  # so wrong that it shows on the way
    assert found

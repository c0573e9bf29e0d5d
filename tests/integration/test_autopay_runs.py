"""A payment run that dies while it goes from rule to rule, and the same message again. PRODUCT 7, 8."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.payment import ChargeOutcome, Payment
from shared.ports import Conflict, Save, Unavailable
from shared.use_cases.lookups import invoice_of
from shared.use_cases.payment_runs import (
    charge_chunk,
    payment_run_summary,
    retry_charge,
    run_of,
    select_invoices,
    start_payment_run,
)
from shared.use_cases.reconcile_payments import reconcile_payments
from tests.integration.api.client import Client, new_ports

IN_DOLLARS = {"type": "currency", "operator": "is", "values": ["USD"]}
SOFT = ChargeOutcome("declined", "ch_0", "insufficient_funds")
PAID = ChargeOutcome("succeeded", "ch_1")
UNKNOWN = ChargeOutcome("unknown")
FAILED = ChargeOutcome("failed", code="gateway_error")


class Gateway:
    """Answers by token, and remembers what was charged on which."""

    def __init__(self, **answers):
        self.answers, self.charged, self.known = answers, [], {}

    def charge(self, payment):
        self.charged.append(payment.token)
        return self.answers[payment.token]

    def look_up(self, payment):
        return self.known[payment.token]

    def token_problem(self, token):
        return None


@pytest.fixture
def api(monkeypatch):
    from shared import bootstrap

    ports = new_ports()
    bootstrap.install(ports)
    yield Client(ports)
    bootstrap.uninstall()


@pytest.fixture
def run(api):
    """A run over one invoice of a customer with three cards, each named by a rule, where declines fall through."""
    api.post(
        "/v1/customer-classes", {"id": "cls_now", "name": "Now", "out_of_turn": {"auto_charge": {"on": "invoice_date"}}}
    )
    api.customer(class_id="cls_now")
    for n in (1, 2, 3):
        card = {
            "id": f"pm_{n}",
            "token": f"tok_{n}",
            "brand": "visa",
            "last4": "4242",
            "exp_month": 12,
            "exp_year": 2030,
        }
        api.made("/v1/customers/cus_acme/payment-methods", card)
    listed = [{"id": f"apr_{n}", "payment_method_id": f"pm_{n}", "criteria": [IN_DOLLARS]} for n in (1, 2, 3)]
    api.put("/v1/customers/cus_acme/autopay", {"fall_through_on_decline": True, "rules": listed})
    line = {"name": "Support", "amount": "10.00"}
    api.made("/v1/invoices", {"id": "inv_1", "customer_id": "cus_acme", "lines": [line], "post": True})
    made = start_payment_run(api.ports)
    select_invoices(made.id, api.ports)
    return made


def behave(api, **answers):
    gateway = Gateway(**answers)
    object.__setattr__(api.ports, "gateway", gateway)
    return gateway


def payments(api):
    return sorted(api.items("/v1/payments?customer_id=cus_acme"), key=lambda p: p["attempt"])


def charge(api, run):
    (outcome,) = charge_chunk(run.id, 0, api.ports)
    return outcome.outcome


def test_each_attempt_names_the_rule_that_chose_its_card_and_those_it_ignored(api, run):
    behave(api, tok_1=SOFT, tok_2=SOFT, tok_3=PAID)

    assert charge(api, run) == "succeeded"

    attempts = [api.ports.store.get(Payment, p["id"]) for p in payments(api)]
    assert [(a.rule_id, a.ignored_rule_ids, a.falls_through) for a in attempts] == [
        ("apr_1", ("apr_2", "apr_3"), True), ("apr_2", ("apr_3",), True), ("apr_3", (), False),
    ]  # fmt: skip
    assert payment_run_summary(run_of(api.ports, run.id), api.ports).counts == {
        "considered": 1, "succeeded": 1, "declined": 0, "failed": 0, "unknown": 0, "skipped": 0,
    }  # fmt: skip


def explained(api):
    return [(e["rule_id"], e["result"]) for e in api.get("/v1/invoices/inv_1/explain").json["autopay"]]


def test_the_rule_that_paid_is_the_one_explained_whatever_became_of_the_list_since(api, run):
    behave(api, tok_1=SOFT, tok_2=PAID)
    charge(api, run)
    found = [("apr_1", "ignored"), ("apr_2", "pays"), ("apr_3", "ignored")]  # the first was declined
    assert explained(api) == found

    api.delete("/v1/payment-methods/pm_2")
    assert explained(api) == found
    listed = api.get("/v1/customers/cus_acme/autopay").json["rules"]
    api.put("/v1/customers/cus_acme/autopay", {"rules": [listed[2], {**listed[0], "disabled": True}]})
    assert explained(api) == [("apr_2", "pays"), ("apr_3", "ignored"), ("apr_1", "disabled")]
    api.put("/v1/customers/cus_acme/autopay", {"enabled": False})
    assert explained(api) == [("apr_2", "pays"), ("apr_3", "ignored"), ("apr_1", "disabled")]


@pytest.mark.parametrize("died_before", [2, 3])
def test_a_run_that_died_between_two_rules_goes_on_with_the_next_one(api, run, monkeypatch, died_before):
    gateway = behave(api, tok_1=SOFT, tok_2=SOFT, tok_3=PAID)
    commit = api.ports.store.commit

    def dies(*changes):
        if any(isinstance(c, Save) and getattr(c.entity, "attempt", None) == died_before for c in changes):
            raise Unavailable("the worker died")
        commit(*changes)

    with monkeypatch.context() as patched:
        patched.setattr(api.ports.store, "commit", dies)
        with pytest.raises(Unavailable):
            charge_chunk(run.id, 0, api.ports)
    assert len(gateway.charged) == died_before - 1

    assert charge(api, run) == "succeeded"

    assert gateway.charged == ["tok_1", "tok_2", "tok_3"]
    assert invoice_of(api.ports, "inv_1").residual_minor == 0


def test_the_same_message_again_charges_nothing_more(api, run):
    gateway = behave(api, tok_1=SOFT, tok_2=PAID)
    charge(api, run)

    assert charge_chunk(run.id, 0, api.ports) is None

    assert gateway.charged == ["tok_1", "tok_2"]


def test_a_second_delivery_in_the_middle_of_the_first_takes_no_card_twice(api, run):
    """The first worker is overtaken while it waits for the answer on the second card."""
    gateway = behave(api, tok_1=SOFT, tok_2=PAID)
    charge_on = gateway.charge

    def overtaken(payment):
        answer = charge_on(payment)
        if payment.token == "tok_2" and len(gateway.charged) == 2:
            try:
                charge_chunk(run.id, 0, api.ports)
            except Conflict:
                pass
        return answer

    gateway.charge = overtaken
    charge_chunk(run.id, 0, api.ports)

    assert gateway.charged == ["tok_1", "tok_2"]
    assert invoice_of(api.ports, "inv_1").residual_minor == 0


def test_a_hold_placed_between_two_rules_stops_the_second(api, run):
    gateway = behave(api, tok_1=SOFT, tok_2=PAID, tok_3=PAID)
    charge_on = gateway.charge

    def meanwhile(payment):
        api.put("/v1/invoices/inv_1/hold", {"reason": "dispute"})
        return charge_on(payment)

    gateway.charge = meanwhile

    assert charge(api, run) == "declined"
    assert gateway.charged == ["tok_1"]


def retry(api):
    """Deliver the last message that asks for another try."""
    message = next(body for queue, body in reversed(api.ports.queue.sent) if body["kind"] == "retry_charge")
    return retry_charge(message["run_id"], message["invoice_id"], message["attempt"], api.ports)


def test_an_answer_of_minutes_later_that_it_was_declined_goes_on_with_the_next_rule(api, run):
    gateway = behave(api, tok_1=UNKNOWN, tok_2=PAID)
    gateway.known["tok_1"] = SOFT
    assert charge(api, run) == "unknown"
    api.ports.clock.advance(minutes=10)
    reconcile_payments(api.ports)

    assert retry(api).outcome == "succeeded"

    assert gateway.charged == ["tok_1", "tok_2"]
    assert retry(api) is None  # the same message again
    assert payment_run_summary(run_of(api.ports, run.id), api.ports).counts["succeeded"] == 1


def test_an_answer_of_days_later_that_it_was_declined_is_left_to_the_schedule(api, run):
    gateway = behave(api, tok_1=UNKNOWN, tok_2=PAID)
    gateway.known["tok_1"] = SOFT
    charge(api, run)

    api.ports.clock.advance(days=1)
    reconcile_payments(api.ports)

    invoice = invoice_of(api.ports, "inv_1")
    assert (gateway.charged, invoice.retries, invoice.autopay_ended) == (["tok_1"], 1, False)
    assert invoice.next_attempt_on == invoice.invoice_date + timedelta(days=3)


def test_a_call_the_gateway_did_not_process_is_tried_again_with_the_card_of_the_same_rule(api, run):
    gateway = behave(api, tok_1=SOFT, tok_2=FAILED, tok_3=PAID)
    assert charge(api, run) == "failed"
    gateway.answers["tok_2"] = PAID

    assert retry(api).outcome == "succeeded"

    assert gateway.charged == ["tok_1", "tok_2", "tok_2"]

"""Service that a payment gives back, whatever is lost on the way to whom it is asked of. PRODUCT 9."""

from __future__ import annotations

from datetime import timedelta

import pytest

from infra.local.invoker import SimulatedCrash
from shared.domain.contract import Contract
from shared.domain.customer import Customer
from shared.domain.payment import ChargeOutcome, Payment, PaymentMethod
from shared.domain.policy import AutoCharge
from shared.use_cases.payment_runs import start_payment_run
from shared.use_cases.settle_payment import settle
from tests.integration.test_collections import DUE, evening_of, pays, stage

__all__ = ["stage"]


@pytest.fixture
def suspended(stage):
    """The customer, with a contract, on the second day past due; he has a card."""
    stage.save(Contract("con_1", "cus_a", "IT", "USD", DUE - timedelta(days=30), DUE - timedelta(days=30), 1))
    stage.klass(suspend_after_days=1, step_notice_days=0, auto_charge=AutoCharge("due_on"))
    stage.posted(due_on=DUE)
    evening_of(stage, 1)
    assert stage.get(Customer, "cus_a").service == "suspended"
    stage.card()
    stage.advance(hours=3)
    return stage


def test_service_comes_back_the_same_hour_though_the_message_that_asks_for_it_is_lost(suspended):
    pays(suspended)
    suspended.queue.waiting = [m for m in suspended.queue.waiting if m[0] > suspended.clock.now()]
    suspended.advance(minutes=15)
    suspended.deliver("assess")
    assert suspended.get(Customer, "cus_a").service == "active"


def test_service_comes_back_though_who_charged_died_before_asking_for_it(suspended, monkeypatch):
    def die(customer_id, ports):
        raise SimulatedCrash

    start_payment_run(suspended.ports)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("shared.use_cases.settle_payment.refresh_episode", die)
        work = list(suspended.queue.waiting)
        with pytest.raises(SimulatedCrash):
            suspended.deliver("charge")
    suspended.deliver()
    assert (len(suspended.gateway.charges), suspended.get(Customer, "cus_a").service) == (1, "suspended")
    suspended.queue.waiting += [m for m in work if m[1] == "charge"]  # what was not deleted is delivered again
    suspended.deliver()
    assert (len(suspended.gateway.charges), suspended.get(Customer, "cus_a").service) == (1, "active")


def test_service_comes_back_though_who_learnt_of_the_charge_died_before_asking_for_it(suspended, monkeypatch):
    suspended.gateway.behave(suspended.every(PaymentMethod)[0].token, ["timeout_charged"])
    start_payment_run(suspended.ports)
    suspended.deliver("charge")
    [attempt] = suspended.every(Payment)
    paid = ChargeOutcome("succeeded", gateway_id="ch_1")
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr("shared.use_cases.settle_payment.refresh_episode", lambda customer_id, ports: False)
        settle(attempt, paid, suspended.ports)
    suspended.deliver("assess")
    assert suspended.get(Customer, "cus_a").service == "suspended"
    settle(suspended.get(Payment, attempt.id), paid, suspended.ports)  # the gateway tells until it is answered
    suspended.deliver("assess")
    assert suspended.get(Customer, "cus_a").service == "active"

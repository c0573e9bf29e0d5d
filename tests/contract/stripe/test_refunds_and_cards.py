"""Refunds are made once, and new cards reach nobody but their owner."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.payment import ChargeOutcome
from shared.gateways.stripe import StripeGateway
from shared.ports import Unavailable
from tests.contract.stripe.world import attempt, charged, gateway_at
from tests.stripe_server.account import KEY_SECONDS
from tests.stripe_server.http import FAULTS

# ---- refunds -------------------------------------------------------------------------------------------------


def test_a_refund_has_a_key_of_its_own_and_is_made_once(gateway, account):
    payment = charged(attempt(), gateway)
    first = gateway.refund(payment, 4_000, "ref_1")
    assert first == ChargeOutcome("succeeded", next(iter(account.refunds)))
    assert gateway.refund(payment, 4_000, "ref_1") == first
    (call,) = account.posts("/v1/refunds")
    assert call.headers["idempotency-key"] == "ref_1"
    assert gateway.refund(payment, 20_995, "ref_2").status == "succeeded"
    assert sum(r["amount"] for r in account.refunds.values()) == 24_995


def test_a_refund_is_not_made_again_after_its_key_is_forgotten(gateway, account, clock):
    payment = charged(attempt(), gateway)
    first = gateway.refund(payment, 100, "ref_1")
    clock.at += timedelta(seconds=KEY_SECONDS + 1)
    assert gateway.refund(payment, 100, "ref_1") == first
    assert len(account.refunds) == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_a_refund_survives_each_fault(gateway, account, fault):
    payment = charged(attempt(), gateway)
    account.faults = [fault]
    outcome = gateway.refund(payment, 100, "ref_1")
    again = gateway.refund(payment, 100, "ref_2" if outcome.status == "failed" else "ref_1")
    assert again.status in ("succeeded", "unknown")  # unknown only while the key stands for a 500
    assert len(account.refunds) == (0 if fault == "500_before" else 1)


def test_more_than_was_charged_is_not_given_back(gateway):
    payment = charged(attempt(), gateway)
    assert gateway.refund(payment, 24_996, "ref_1").status == "declined"
    assert gateway.refund(payment, 0, "ref_2").status == "declined"
    assert gateway.refund(payment, 24_995, "ref_3").status == "succeeded"
    again = gateway.refund(payment, 1, "ref_4")
    assert (again.status, again.code, again.hard) == ("declined", "charge_already_refunded", True)


def test_only_a_charge_that_was_made_is_refunded(gateway):
    assert gateway.refund(attempt(ordinal=7), 100, "ref_1").code == "no_such_charge"
    declined = attempt("pm_card_chargeDeclined", 8)
    gateway.charge(declined)
    assert gateway.refund(declined, 100, "ref_2").status == "declined"


# ---- new cards -----------------------------------------------------------------------------------------------


def test_a_card_that_the_customer_gives_to_stripe_can_be_charged_afterwards(gateway, account):
    setup = gateway.cards.start("cus_1", "setup-1")
    assert gateway.cards.start("cus_1", "setup-1") == setup
    assert gateway.cards.finish(setup.id, "cus_1") is None  # not yet
    given = {"payment_method": "pm_card_visa"}
    gateway.client().v1.setup_intents.confirm(setup.id, given)
    card = gateway.cards.finish(setup.id, "cus_1")
    assert (card.brand, card.last4, card.exp_month, card.exp_year) == ("visa", "4242", 12, 2030)
    assert card.token.startswith(f"{setup.gateway_customer}/pm_")
    charged(attempt(card.token), gateway)
    second = gateway.cards.start("cus_1", "setup-2", setup.gateway_customer)
    assert second.gateway_customer == setup.gateway_customer
    assert len(account.customers) == 1


def test_a_card_goes_to_nobody_but_the_customer_it_was_prepared_for(gateway):
    setup = gateway.cards.start("cus_1", "setup-1")
    gateway.client().v1.setup_intents.confirm(setup.id, {"payment_method": "pm_card_visa"})
    assert gateway.cards.finish(setup.id, "cus_2") is None
    assert gateway.cards.finish("seti_unknown", "cus_1") is None


@pytest.mark.usefixtures("no_names")
def test_no_card_is_prepared_while_stripe_is_away_or_there_is_no_key(clock):
    for gateway in (gateway_at("http://gateway.invalid", clock), StripeGateway(dict, clock)):
        with pytest.raises(Unavailable):
            gateway.cards.start("cus_1", "setup-1")
        with pytest.raises(Unavailable):
            gateway.cards.finish("seti_1", "cus_1")

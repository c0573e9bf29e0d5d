"""Refunds are made once, and new cards reach nobody but their owner."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.payment import ChargeOutcome
from shared.gateways.stripe import StripeGateway
from shared.ports import Unavailable
from tests.contract.stripe.world import PUBLISHABLE_KEY, attempt, charged, gateway_at
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
    setup = gateway.start_card("cus_1", "setup-1")
    assert gateway.start_card("cus_1", "setup-1") == setup
    assert (setup.publishable_key, setup.choices) == (PUBLISHABLE_KEY, ())
    assert gateway.finish_card(setup.reference, "cus_1") is None  # not yet
    gateway.client().v1.setup_intents.confirm(setup.reference, {"payment_method": "pm_card_visa"})
    card = gateway.finish_card(setup.reference, "cus_1")
    assert (card.brand, card.last4, card.exp_month, card.exp_year) == ("visa", "4242", 12, 2030)
    assert gateway.token_problem(card.token) is None
    charged(attempt(card.token), gateway)


def test_a_customer_who_has_a_card_at_stripe_is_not_made_there_a_second_time(gateway, account):
    first = gateway.start_card("cus_1", "setup-1")
    gateway.client().v1.setup_intents.confirm(first.reference, {"payment_method": "pm_card_visa"})
    token = gateway.finish_card(first.reference, "cus_1").token
    second = gateway.start_card("cus_1", "setup-2", ["pm_of_nobody", token])
    gateway.client().v1.setup_intents.confirm(second.reference, {"payment_method": "pm_card_visa"})
    assert gateway.finish_card(second.reference, "cus_1").token.partition("/")[0] == token.partition("/")[0]
    assert len(account.customers) == 1


def test_a_card_goes_to_nobody_but_the_customer_it_was_prepared_for(gateway):
    setup = gateway.start_card("cus_1", "setup-1")
    gateway.client().v1.setup_intents.confirm(setup.reference, {"payment_method": "pm_card_visa"})
    assert gateway.finish_card(setup.reference, "cus_2") is None
    for reference in ("seti_unknown", "", "../customers/cus_1", "seti_1?expand=x", "seti_" + "x" * 200):
        assert gateway.finish_card(reference, "cus_1") is None


@pytest.mark.parametrize("token", ["pm_1", "cus_1/pm_1", "card_1", "cus_1/src_1"])
def test_tokens_of_stripes_are_known_as_such(gateway, token):
    assert gateway.token_problem(token) is None


@pytest.mark.parametrize("token", ["tok_visa", "pm_", "cus_1/", "cus_1", "pm_1/cus_1", "cus_1/pm_1/x", "pi_1", "PM_1"])
def test_what_stripe_cannot_have_given_is_no_token(gateway, token):
    assert "pm_" in gateway.token_problem(token)


@pytest.mark.usefixtures("no_names")
def test_no_card_is_prepared_while_stripe_is_away_or_there_is_no_key(clock):
    for gateway in (gateway_at("http://gateway.invalid", clock), StripeGateway(dict, clock)):
        with pytest.raises(Unavailable):
            gateway.start_card("cus_1", "setup-1")
        with pytest.raises(Unavailable):
            gateway.finish_card("seti_1", "cus_1")

"""The simulated payment gateway: what it is told to do, what it answers, and what it believes happened."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.domain.payment import ChargeOutcome, Payment
from shared.gateways.simulated import KeyMisused, SimulatedGateway
from shared.ports import Forged

AT = datetime(2026, 1, 5, 11, tzinfo=UTC)


class StoppedClock:
    def now(self) -> datetime:
        return AT


@pytest.fixture
def gateway() -> SimulatedGateway:
    return SimulatedGateway(StoppedClock())


def attempt(ordinal: int = 1, amount_minor: int = 24_995, token: str = "tok_1") -> Payment:
    return Payment(
        id=f"pay_{ordinal}", customer_id="cus_1", currency="USD", amount_minor=amount_minor, method="card",
        status="pending", at=AT, invoice_id="inv_1", token=token, attempt=ordinal,
    )  # fmt: skip


def test_a_charge_succeeds_unless_told_otherwise(gateway):
    outcome = gateway.charge(attempt())
    (charge,) = gateway.charges
    assert outcome == ChargeOutcome("succeeded", gateway_id=charge.id)
    assert (charge.token, charge.amount_minor, charge.currency, charge.status) == ("tok_1", 24_995, "USD", "succeeded")
    assert (charge.idempotency_key, charge.invoice_id, charge.at) == ("pay_1", "inv_1", AT)


def test_outcomes_come_in_turn_and_the_last_one_repeats(gateway):
    gateway.behave("tok_1", ["declined:insufficient_funds", "declined:stolen_card", "succeeded"])
    outcomes = [gateway.charge(attempt(n)) for n in range(1, 5)]
    assert [o.status for o in outcomes] == ["declined", "declined", "succeeded", "succeeded"]
    assert [(o.code, o.hard) for o in outcomes[:2]] == [("insufficient_funds", False), ("stolen_card", True)]
    assert gateway.charge(attempt(9, token="tok_2")).status == "succeeded"  # another token is not concerned


def test_the_same_key_gives_the_first_answer_and_charges_once(gateway):
    gateway.behave("tok_1", ["declined:do_not_honor", "succeeded"])
    assert gateway.charge(attempt()) == gateway.charge(attempt())
    assert len(gateway.charges) == 1


@pytest.mark.parametrize("other", [{"amount_minor": 1}, {"token": "tok_2"}, {"currency": "EUR"}])
def test_the_same_key_for_another_charge_is_a_mistake(gateway, other):
    gateway.charge(attempt())
    with pytest.raises(KeyMisused, match="pay_1"):
        gateway.charge(replace(attempt(), **other))


def test_an_answer_that_was_lost_after_charging_is_found_by_asking(gateway):
    gateway.behave("tok_1", ["timeout_charged"])
    assert gateway.charge(attempt()).status == "unknown"
    assert gateway.charges[0].status == "succeeded"
    assert gateway.look_up(attempt()) == ChargeOutcome("succeeded", gateway_id=gateway.charges[0].id)
    assert gateway.charge(attempt()).status == "succeeded"  # the key is known


@pytest.mark.parametrize(("told", "answer"), [("timeout_not_charged", "unknown"), ("error_500", "failed")])
def test_what_was_never_processed_leaves_no_charge(gateway, told, answer):
    gateway.behave("tok_1", [told, "succeeded"])
    assert gateway.charge(attempt()).status == answer
    assert gateway.charges == ()
    assert gateway.look_up(attempt()).status == "failed"
    assert gateway.charge(attempt()).status == "succeeded"


def test_a_declined_attempt_is_found_declined(gateway):
    gateway.behave("tok_1", ["declined:lost_card"])
    gateway.charge(attempt())
    assert gateway.look_up(attempt()) == ChargeOutcome("declined", gateway.charges[0].id, "lost_card", hard=True)
    assert gateway.charges[0].status == "declined"


def test_refunds_add_up_to_the_charge_and_no_further(gateway):
    gateway.charge(attempt(amount_minor=100))
    assert gateway.refund(attempt(amount_minor=100), 40, "ref_1").status == "succeeded"
    assert gateway.refund(attempt(amount_minor=100), 40, "ref_1").status == "succeeded"  # the same one
    assert (gateway.charges[0].status, gateway.charges[0].refunded_minor) == ("succeeded", 40)
    assert gateway.refund(attempt(amount_minor=100), 61, "ref_2").code == "refund_exceeds_charge"
    assert gateway.refund(attempt(amount_minor=100), 60, "ref_3").status == "succeeded"
    assert (gateway.charges[0].status, gateway.charges[0].refunded_minor) == ("refunded", 100)
    assert gateway.look_up(attempt(amount_minor=100)).status == "succeeded"  # the charge was made
    with pytest.raises(KeyMisused):
        gateway.refund(attempt(amount_minor=100), 1, "ref_1")


def test_only_a_charge_that_was_made_is_refunded(gateway):
    gateway.behave("tok_1", ["declined:do_not_honor"])
    gateway.charge(attempt())
    for n in (1, 2):
        assert gateway.refund(attempt(n), 1, f"ref_{n}").code == "no_such_charge"
    gateway.charge(attempt(3, token="tok_2"))
    assert gateway.refund(attempt(3, token="tok_2"), 0, "ref_3").status == "declined"


def test_its_webhooks_are_signed_and_name_the_attempt(gateway):
    gateway.behave("tok_1", ["succeeded", "declined:lost_card"])
    for n in (1, 2):
        gateway.charge(attempt(n))
    heard = [gateway.hear(*gateway.webhook(charge)) for charge in gateway.charges]
    assert [(event.payment_id, event.succeeded) for event in heard] == [("pay_1", True), ("pay_2", False)]
    assert [gateway.hear(*gateway.webhook(charge)).id for charge in gateway.charges] == [e.id for e in heard]
    body, signature = gateway.webhook(gateway.charges[0])
    with pytest.raises(Forged):
        gateway.hear(body + b" ", signature)


@pytest.mark.parametrize("outcomes", [[], ["succeeded"] * 101, ["explode"], ["declined:"], ["declined:a b"], [""]])
def test_an_outcome_that_does_not_exist_is_refused(gateway, outcomes):
    with pytest.raises(ValueError, match=r"outcomes|none of"):
        gateway.behave("tok_1", outcomes)


# ---- new cards ------------------------------------------------------------------------------------


def test_a_new_card_is_chosen_from_the_gateways_own_form(gateway):
    setup = gateway.start_card("cus_1", "key_1")
    assert gateway.start_card("cus_1", "key_1") == setup
    assert gateway.finish_card(setup.reference, "cus_1") is None  # nothing chosen yet
    cards = {c.label: gateway.finish_card(c.reference, "cus_1") for c in setup.choices}
    assert cards["Visa 4242, pays"].last4 == "4242"
    assert len({card.token for card in cards.values()}) == len(cards) == 4
    outcomes = [gateway.charge(attempt(n, token=card.token)).code for n, card in enumerate(cards.values())]
    assert outcomes == [None, None, "insufficient_funds", "stolen_card"]


def test_a_card_that_was_prepared_for_another_customer_is_not_found(gateway):
    choice = gateway.start_card("cus_1", "key_1").choices[0]
    assert gateway.finish_card(choice.reference, "cus_2") is None
    for reference in ("", "~visa", "seti_~visa", f"{choice.reference}x", "visa"):
        assert gateway.finish_card(reference, "cus_1") is None


def test_another_process_finishes_what_one_began(gateway):
    choice = gateway.start_card("cus_1", "key_1").choices[0]
    assert SimulatedGateway(StoppedClock()).finish_card(choice.reference, "cus_1") == gateway.finish_card(
        choice.reference, "cus_1"
    )


def test_what_was_said_of_a_token_before_stays_said(gateway):
    choice = gateway.start_card("cus_1", "key_1").choices[0]
    token = gateway.finish_card(choice.reference, "cus_1").token
    gateway.behave(token, ["declined:lost_card"])
    gateway.finish_card(choice.reference, "cus_1")
    assert gateway.charge(attempt(token=token)).code == "lost_card"

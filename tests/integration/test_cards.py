"""What counts for a card: how often it may be tried, and what a new one changes. PRODUCT 7."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.autopay import Criterion
from shared.domain.card import CardTries, CardUse
from shared.domain.errors import Refused
from shared.domain.invoice import InvoiceHold
from shared.domain.payment import Payment, PaymentMethod
from shared.domain.runs import PaymentRun
from shared.domain.settings import Retries
from shared.use_cases.autopay_rules import ListDraft, RuleDraft, put_list
from shared.use_cases.charge_invoice import charge_by_hand, charge_invoice
from shared.use_cases.explain_invoice import explain_invoice
from shared.use_cases.payment_methods import add_method, remove_method
from shared.use_cases.reconcile_payments import reconcile_payments
from shared.use_cases.record_payment import ManualPayment, record_payment
from shared.use_cases.refund_payment import refund_payment
from tests.integration.stage import NOW, TODAY, Meddling

SOFT, HARD = "declined:insufficient_funds", "declined:stolen_card"
LIMIT = 15


def card(stage, *outcomes, id="pm_1", token=None):
    token = token or f"tok_{id}"
    if outcomes:
        stage.gateway.behave(token, outcomes)
    return add_method(PaymentMethod(id, "cus_a", token, "visa", "4242", 12, 2035), stage.ports).entity


def run_on(stage, days, minutes=0):
    at = NOW + timedelta(days=days, minutes=minutes)
    if at > stage.clock.now():
        stage.clock.move_to(at)
    return PaymentRun(f"prn_{days}_{minutes}", at.date(), at, status="collecting", scheduled_for=at)


def charge(stage, id, days=0, minutes=0):
    return charge_invoice(id, stage.ports, run=run_on(stage, days, minutes))


def declined(stage):
    """An invoice whose first attempt is a minute ago."""
    id = stage.posted(due_on=TODAY)
    stage.advance(minutes=1)
    charge(stage, id, 0, minutes=1)
    stage.advance(minutes=1)
    return id


def tries(stage):
    return stage.get(CardTries, "cus_a") or CardTries("cus_a", stage.clock.now())


def tried_at(stage, token="tok_pm_1"):
    return next((card.at for card in tries(stage).cards if card.token == token), ())


def used(stage, count, days_ago=1, token="tok_pm_1"):
    """The card was tried so often already."""
    at = stage.clock.now() - timedelta(days=days_ago)
    stage.save(tries(stage).known_before(token, (*tried_at(stage, token), *([at] * count))))


# ---- fifteen times in thirty days -----------------------------------------------------------------------------


def test_a_card_is_tried_fifteen_times_in_thirty_days_whatever_the_invoices_and_outcomes(stage):
    card(stage, SOFT, "succeeded", HARD, "succeeded")
    ids = [stage.posted(due_on=TODAY) for _ in range(LIMIT + 2)]
    results = [charge(stage, id) for id in ids]
    assert [r.skipped for r in results] == [None] * LIMIT + ["card_limit"] * 2
    assert len(stage.gateway.charges) == LIMIT
    assert stage.invoice(ids[-1]).attempts == 0
    assert explain_invoice(ids[-1], stage.ports).collected.reason == "card_limit"
    assert charge(stage, ids[-1], days=29, minutes=24 * 60 - 1).skipped == "card_limit"
    assert charge(stage, ids[-1], days=30).payment.status == "succeeded", "thirty days later the first do not count"
    assert len(tried_at(stage)) == 1, "and are forgotten"


def test_what_an_earlier_version_counted_is_counted_on_until_it_is_thirty_days_old(stage):
    stage.save(CardUse("cus_a", "tok_pm_1", (stage.clock.now() - timedelta(days=1),) * (LIMIT - 1)))
    card(stage, id="pm_2", token="tok_2")
    card(stage)
    first, second = (stage.posted(due_on=TODAY) for _ in range(2))
    assert charge_by_hand(stage.posted(due_on=TODAY), stage.ports, "pm_2").status == "succeeded"
    assert [charge_invoice(id, stage.ports, "pm_1").skipped for id in (first, second)] == [None, "card_limit"]
    assert len(tried_at(stage)) == LIMIT
    assert tries(stage).recent("tok_2", stage.clock.now()) == (stage.clock.now(),)


@pytest.mark.parametrize("limit", [1, 3])
def test_the_limit_is_a_setting(stage, limit):
    stage.settings(retries=Retries(max_attempts_per_card_30_days=limit))
    card(stage)
    results = [charge(stage, stage.posted(due_on=TODAY)).skipped for _ in range(limit + 1)]
    assert results == [None] * limit + ["card_limit"]


def test_by_hand_the_limit_holds_too_and_the_error_says_so(stage):
    card(stage)
    used(stage, LIMIT)
    with pytest.raises(Refused, match="card_limit") as refused:
        charge_by_hand(stage.posted(due_on=TODAY), stage.ports)
    assert refused.value.code == "card_limit"


def test_another_card_has_a_count_of_its_own(stage):
    card(stage)
    card(stage, id="pm_2")
    used(stage, LIMIT)
    assert charge_by_hand(stage.posted(due_on=TODAY), stage.ports, "pm_2").status == "succeeded"


def test_removing_a_card_and_adding_it_again_begins_no_new_count(stage):
    card(stage)
    used(stage, LIMIT)
    remove_method("pm_1", stage.ports)
    card(stage, id="pm_again", token="tok_pm_1")
    assert charge(stage, stage.posted(due_on=TODAY)).skipped == "card_limit"


def test_what_the_gateway_did_not_process_is_no_attempt_on_the_card(stage):
    card(stage, "error_500")
    id = stage.posted(due_on=TODAY)
    for n in range(LIMIT + 5):
        assert charge(stage, id, minutes=n).payment.status == "failed"
    assert tried_at(stage) == ()


@pytest.mark.parametrize(("outcome", "counted"), [("timeout_charged", 1), ("timeout_not_charged", 0)])
def test_what_nobody_answered_counts_until_it_turns_out_not_to_have_been_processed(stage, outcome, counted):
    card(stage, outcome)
    charge(stage, stage.posted(due_on=TODAY))
    assert len(tried_at(stage)) == 1
    stage.advance(minutes=5)
    reconcile_payments(stage.ports)
    assert len(tried_at(stage)) == counted


@pytest.mark.parametrize("commit", [1, 2])
def test_two_workers_with_two_invoices_do_not_pass_the_limit_together(stage, commit):
    card(stage)
    used(stage, LIMIT - 1)
    one, other = stage.posted(due_on=TODAY), stage.posted(due_on=TODAY)
    results = []
    store = Meddling(stage.store, commit, lambda: results.append(charge(stage, other)))
    results.append(charge_invoice(one, replace(stage.ports, store=store), run=run_on(stage, 0)))
    assert sorted(str(r.skipped) for r in results) == ["None", "card_limit"]
    assert len(stage.gateway.charges) == 1
    assert len(tried_at(stage)) == LIMIT


# ---- a new card -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("declined", [SOFT, HARD])
def test_a_new_card_is_tried_by_the_next_run_once(stage, declined):
    card(stage, declined)
    id = stage.posted(due_on=TODAY)
    charge(stage, id)
    assert charge(stage, id, 1).skipped in ("retry_scheduled", "attempts_exhausted")
    before = explain_invoice(id, stage.ports).collected
    card(stage, SOFT, id="pm_2")
    after = explain_invoice(id, stage.ports).collected
    assert before.reason in ("retry_scheduled", "attempts_exhausted")
    assert (after.reason, after.next_on) == ("payment_run_due", TODAY + timedelta(days=2))
    second = charge(stage, id, 2).payment
    assert (second.payment_method_id, second.status) == ("pm_2", "declined")
    assert charge(stage, id, 3).skipped in ("retry_scheduled", "attempts_exhausted")
    assert charge(stage, id, 4).skipped in ("retry_scheduled", "attempts_exhausted")


def test_a_new_card_pays_what_has_run_through_its_schedule(stage):
    card(stage, SOFT)
    id = stage.posted(due_on=TODAY)
    for day in (0, 3, 8, 15):
        assert charge(stage, id, day).payment.status == "declined"
    assert charge(stage, id, 30).skipped == "attempts_exhausted"
    card(stage, id="pm_2")
    assert charge(stage, id, 31).payment.status == "succeeded"


def test_each_new_card_is_tried_once(stage):
    card(stage, HARD)
    id = stage.posted(due_on=TODAY)
    charge(stage, id)
    for n in (2, 3, 4):
        stage.advance(minutes=1)
        card(stage, HARD, id=f"pm_{n}")
        assert charge(stage, id, n).payment.payment_method_id == f"pm_{n}"
        assert charge(stage, id, n, minutes=5).skipped == "attempts_exhausted"
    assert len(stage.gateway.charges) == 4


def test_an_old_card_that_was_never_tried_is_not_new(stage):
    card(stage, SOFT)
    card(stage, id="pm_2")
    stage.advance(minutes=1)
    id = stage.posted(due_on=TODAY)
    charge(stage, id, 0, minutes=1)
    assert charge(stage, id, 1).skipped == "retry_scheduled"


def test_a_soft_decline_of_the_new_card_goes_on_with_the_schedule(stage):
    card(stage, SOFT)
    id = stage.posted(due_on=TODAY)
    charge(stage, id)
    stage.advance(minutes=1)
    card(stage, SOFT, id="pm_2")
    second = charge(stage, id, 1).payment
    assert second.next_attempt_on == stage.invoice(id).next_attempt_on == TODAY + timedelta(days=1 + 5)
    assert stage.invoice(id).retries == 2


def test_a_hard_decline_of_the_new_card_leaves_the_others_their_schedule(stage):
    card(stage, SOFT, "succeeded")
    id = stage.posted(due_on=TODAY)
    charge(stage, id)
    stage.advance(minutes=1)
    card(stage, HARD, id="pm_2")
    second = charge(stage, id, 1).payment
    assert (second.hard, second.next_attempt_on) == (True, TODAY + timedelta(days=3))
    assert not stage.invoice(id).autopay_ended
    assert charge(stage, id, 3).payment.payment_method_id == "pm_1"


def test_a_hard_decline_of_the_new_card_on_the_day_of_the_retry_costs_that_one_only(stage):
    card(stage, SOFT, "succeeded")
    id = stage.posted(due_on=TODAY)
    charge(stage, id)
    stage.advance(minutes=1)
    card(stage, HARD, id="pm_2")
    assert charge(stage, id, 3).payment.next_attempt_on == TODAY + timedelta(days=3 + 5)
    assert charge(stage, id, 8).payment.payment_method_id == "pm_1"


def test_a_hard_decline_ends_it_when_the_softly_declined_card_was_removed(stage):
    card(stage, SOFT)
    id = stage.posted(due_on=TODAY)
    charge(stage, id)
    stage.advance(minutes=1)
    remove_method("pm_1", stage.ports)
    card(stage, HARD, id="pm_2")
    assert charge(stage, id, 1).payment.next_attempt_on is None
    assert stage.invoice(id).autopay_ended


def test_a_new_card_that_the_rules_do_not_name_pays_nothing(stage):
    card(stage, SOFT)
    rules(stage, "pm_1")
    id = declined(stage)
    card(stage, id="pm_2")
    assert charge(stage, id, 1).skipped == "retry_scheduled"


@pytest.mark.parametrize("there_before", [True, False])
def test_rules_changed_to_another_card_allow_an_attempt_at_once(stage, there_before):
    card(stage, SOFT)
    if there_before:
        card(stage, id="pm_2")
    rules(stage, "pm_1")
    id = declined(stage)
    if not there_before:
        card(stage, id="pm_2")
    rules(stage, "pm_2")
    assert charge(stage, id, 1).payment.payment_method_id == "pm_2"
    assert stage.invoice(id).residual_minor == 0


def test_rules_changed_in_another_way_allow_none(stage):
    card(stage, SOFT)
    rules(stage, "pm_1")
    id = declined(stage)
    rules(stage, "pm_1", amount=50_00)
    assert charge(stage, id, 1).skipped == "retry_scheduled"


def rules(stage, method_id, amount=1):
    text = f"{amount // 100}.{amount % 100:02d}"
    rule = RuleDraft("apr_1", method_id, (Criterion("amount", "gte", (text,)),))
    put_list("cus_a", ListDraft(rules=(rule,)), stage.ports, lambda before: None)


def test_a_call_that_failed_leaves_the_new_card_its_attempt(stage):
    card(stage, HARD)
    id = stage.posted(due_on=TODAY)
    charge(stage, id)
    stage.advance(minutes=1)
    card(stage, "error_500", "succeeded", id="pm_2")
    assert charge(stage, id, 1).payment.status == "failed"
    assert charge(stage, id, 1, minutes=5).payment.status == "succeeded"


def test_a_hold_keeps_a_new_card_from_being_tried(stage):
    card(stage, HARD)
    id = stage.posted(due_on=TODAY)
    charge(stage, id)
    stage.save(replace(stage.invoice(id), hold=InvoiceHold("dispute", None)))
    card(stage, id="pm_2")
    assert charge(stage, id, 1).skipped == "on_hold"


def test_what_was_refunded_stays_outside_autopay_whatever_card_comes(stage):
    card(stage, SOFT)
    id = stage.posted(due_on=TODAY)
    charge(stage, id)
    record_payment(ManualPayment("pay_cheque", "cus_a", "USD", 100_00, "check"), stage.ports)
    refund_payment("pay_cheque", 60_00, stage.ports)
    card(stage, id="pm_2")
    assert charge(stage, id, 1).skipped == "autopay_off"
    assert explain_invoice(id, stage.ports).collected.reason == "refunded"
    assert [p.status for p in stage.every(Payment) if p.method == "card"] == ["declined"]

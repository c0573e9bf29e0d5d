"""Charging: one attempt at a time, stored before the gateway hears of it, settled once whoever learns its outcome."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from infra.local.invoker import SimulatedCrash
from shared.domain.collection import CollectionState
from shared.domain.customer import Customer, Hold, Switches
from shared.domain.errors import NotFound, Refused
from shared.domain.invoice import InvoiceHold
from shared.domain.notice import Notice
from shared.domain.payment import ChargeOutcome, CreditBalance, Payment, PaymentMethod, attempt_id
from shared.domain.records import Owner
from shared.domain.runs import PaymentRun
from shared.domain.settings import Settings
from shared.domain.task import Task
from shared.use_cases.change_settings import change_settings
from shared.use_cases.charge_invoice import charge_by_hand, charge_invoice
from shared.use_cases.customers import change_customer
from shared.use_cases.explain_invoice import explain_invoice
from shared.use_cases.pauses_and_holds import hold_customer, hold_invoice
from shared.use_cases.payment_methods import remove_method
from shared.use_cases.reconcile_payments import reconcile_payments
from shared.use_cases.record_payment import ManualPayment, record_payment
from shared.use_cases.settle_payment import settle
from tests.integration.stage import NOW, TODAY, Meddling

SOFT, HARD = "declined:insufficient_funds", "declined:stolen_card"


@pytest.fixture
def run(stage):
    return stage.save(PaymentRun("prn_1", TODAY, NOW, status="collecting", scheduled_for=NOW, created_at=NOW))


def run_on(stage, days, id):
    at = NOW + timedelta(days=days)
    if at > stage.clock.now():
        stage.clock.move_to(at)
    return PaymentRun(id, at.date(), at, status="collecting", scheduled_for=at)


def owed(stage, *outcomes, **fields):
    """An invoice due today, and a card on which charges go as told."""
    stage.card("cus_a", *(outcomes or ("succeeded",)))
    return stage.posted(due_on=TODAY, **fields)


def attempt(stage, invoice_id, ordinal=1):
    return stage.get(Payment, attempt_id(invoice_id, ordinal))


def gateway_says(stage):
    return [c.status for c in stage.gateway.charges]


def pays_by_cheque(stage, amount=100_00):
    return record_payment(ManualPayment("pay_cheque", "cus_a", "USD", amount, "check"), stage.ports)


# ---- the four outcomes ----------------------------------------------------------------------------------------


def test_a_success_pays_the_invoice_and_says_so(stage, run):
    id = owed(stage)
    result = charge_invoice(id, stage.ports, run=run)
    assert (result.payment.status, result.payment.amount_minor, result.payment.run_id) == ("succeeded", 100_00, "prn_1")
    invoice = stage.invoice(id)
    assert (invoice.residual_minor, invoice.open_attempt_id, invoice.settled_at) == (0, None, NOW)
    assert result.payment == attempt(stage, id)  # what is returned is what is stored
    assert [n.kind for n in stage.every(Notice) if n.kind != "invoice"] == ["payment_received"]


def test_a_soft_decline_is_tried_again_by_the_schedule_and_the_customer_is_told(stage, run):
    id = owed(stage, SOFT)
    payment = charge_invoice(id, stage.ports, run=run).payment
    assert (payment.status, payment.code, payment.hard) == ("declined", "insufficient_funds", False)
    invoice = stage.invoice(id)
    assert invoice.next_attempt_on == payment.next_attempt_on == date(2026, 2, 3)  # 31 January + 3
    assert (invoice.open_attempt_id, invoice.autopay_ended) == (None, False)
    assert [n.kind for n in stage.every(Notice) if n.kind != "invoice"] == ["payment_failed"]


def test_a_hard_decline_ends_automatic_collection(stage, run):
    id = owed(stage, HARD)
    payment = charge_invoice(id, stage.ports, run=run).payment
    assert (payment.hard, payment.next_attempt_on) == (True, None)
    assert stage.invoice(id).autopay_ended
    assert charge_invoice(id, stage.ports, run=run_on(stage, 30, "prn_2")).skipped == "attempts_exhausted"


def test_the_schedule_is_counted_from_each_attempt_and_then_ends(stage):
    id = owed(stage, SOFT)
    days, tried = 0, []
    for n in range(4):
        charge_invoice(id, stage.ports, run=run_on(stage, days, f"prn_{n}"))
        again = stage.invoice(id).next_attempt_on
        tried.append(again and (again - TODAY).days)
        days = tried[-1] or days + 30
    assert tried == [3, 8, 15, None]  # 3, then 5 and 7 more
    assert (stage.invoice(id).autopay_ended, len(stage.gateway.charges)) == (True, 4)


def test_while_a_retry_is_pending_the_ordinary_run_leaves_it_alone_and_takes_it_on_its_day(stage):
    id = owed(stage, SOFT, "succeeded")
    charge_invoice(id, stage.ports, run=run_on(stage, 0, "prn_0"))
    assert charge_invoice(id, stage.ports, run=run_on(stage, 2, "prn_2")).skipped == "retry_scheduled"
    assert charge_invoice(id, stage.ports, run=run_on(stage, 3, "prn_3")).payment.status == "succeeded"
    assert (stage.invoice(id).next_attempt_on, stage.invoice(id).retries) == (None, 0)


def test_a_failed_call_was_not_processed_and_leaves_the_invoice_as_it_was(stage, run):
    id = owed(stage, "error_500")
    payment = charge_invoice(id, stage.ports, run=run).payment
    assert (payment.status, payment.next_check_at) == ("failed", None)
    assert (stage.invoice(id).open_attempt_id, stage.invoice(id).next_attempt_on) == (None, None)
    assert stage.gateway.charges == ()
    assert [n.kind for n in stage.every(Notice)] == ["invoice"]  # the customer has done nothing wrong


def test_a_new_attempt_has_a_key_of_its_own(stage, run):
    id = owed(stage, SOFT, "succeeded")
    charge_invoice(id, stage.ports, run=run)
    charge_by_hand(id, stage.ports)
    assert len({c.idempotency_key for c in stage.gateway.charges}) == 2


# ---- unknown --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["timeout_charged", "timeout_not_charged"])
def test_an_unknown_outcome_blocks_every_other_charge(stage, run, outcome):
    id = owed(stage, outcome)
    assert charge_invoice(id, stage.ports, run=run).payment.status == "unknown"
    assert charge_invoice(id, stage.ports, run=run_on(stage, 1, "prn_2")).skipped == "attempt_open"
    with pytest.raises(Refused, match="attempt_open"):
        charge_by_hand(id, stage.ports)
    with pytest.raises(Refused, match="under way"):
        stage.invoice(id).voided(NOW)


@pytest.mark.parametrize(
    ("outcome", "status", "residual"), [("timeout_charged", "succeeded", 0), ("timeout_not_charged", "failed", 100_00)]
)
def test_the_gateway_is_asked_after_five_minutes_and_believed(stage, run, outcome, status, residual):
    id = owed(stage, outcome)
    charge_invoice(id, stage.ports, run=run)
    stage.advance(seconds=299)
    assert reconcile_payments(stage.ports) == {}
    stage.advance(seconds=1)
    assert reconcile_payments(stage.ports) == {status: 1}
    assert reconcile_payments(stage.ports) == {}
    assert (attempt(stage, id).status, stage.invoice(id).residual_minor) == (status, residual)
    assert stage.invoice(id).open_attempt_id is None
    assert len(stage.gateway.charges) == (status == "succeeded")


def test_it_is_asked_after_five_minutes_an_hour_and_daily_and_a_person_after_a_week(stage, run):
    id = owed(stage, "timeout_charged")
    charge_invoice(id, stage.ports, run=run)
    stage.gateway.look_up = lambda payment: ChargeOutcome("unknown")
    asked = []
    for _ in range(60 * 24 * 9 // 5):
        stage.advance(minutes=5)
        if reconcile_payments(stage.ports):
            asked.append(stage.clock.now() - NOW)
        if len(stage.every(Task)) and not any(a == "task" for a in asked):
            asked.append("task")
    hours = [a if a == "task" else round(a / timedelta(hours=1), 2) for a in asked]
    assert hours == [0.08, 1.08, 25.08, 49.08, 73.08, 97.08, 121.08, 145.08, 169.08, "task", 193.08]
    [task] = stage.every(Task)
    assert (task.kind, task.subject_id) == ("payment_unknown", attempt(stage, id).id)
    assert len(stage.gateway.charges) == 1


def test_one_attempt_that_cannot_be_settled_keeps_no_other_waiting(stage, run):
    stage.customer("cus_b")
    stage.card("cus_b", "timeout_charged")
    ids = [owed(stage, "timeout_charged"), stage.posted("cus_b", due_on=TODAY)]
    for id in ids:
        charge_invoice(id, stage.ports, run=run)
    stage.advance(minutes=5)
    broken = stage.gateway.look_up

    def look_up(payment):
        if payment.customer_id == "cus_a":
            raise SystemError("the gateway answers nonsense")
        return broken(payment)

    stage.gateway.look_up = look_up
    with pytest.raises(SystemError):  # it shows, once the others are settled
        reconcile_payments(stage.ports)
    assert [stage.invoice(i).residual_minor for i in ids] == [100_00, 0]


# ---- what forbids it ------------------------------------------------------------------------------------------


def held(**hold):
    return lambda stage, id: hold_customer("cus_a", Hold(**hold), stage.ports)


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda s, id: s.save(s.invoice(id).voided(NOW)), "not_posted"),
        (lambda s, id: pays_by_cheque(s), "nothing_due"),
        (lambda s, id: s.save(s.invoice(id).attempt_opened("pay_1")), "attempt_open"),
        (lambda s, id: hold_invoice(id, InvoiceHold("dispute", TODAY), s.ports), "on_hold"),
        (held(reason="promise_to_pay", through=TODAY), "on_hold"),
        (held(reason="other"), "on_hold"),
        (lambda s, id: s.save(replace(s.get(Customer, "cus_a"), service="terminated")), "service_terminated"),
        (lambda s, id: s.klass(auto_charge=None), "autopay_off"),
        (lambda s, id: s.settings(Settings()), "autopay_off"),
        (lambda s, id: s.save(replace(s.invoice(id), autopay_ended=True)), "attempts_exhausted"),
        (lambda s, id: s.save(replace(s.invoice(id), next_attempt_on=TODAY + timedelta(days=1))), "retry_scheduled"),
        (lambda s, id: removes_the_card(s), "no_payment_method"),
    ],
)
def test_why_a_run_leaves_an_invoice_alone(stage, run, prepare, reason):
    id = owed(stage)
    prepare(stage, id)
    assert charge_invoice(id, stage.ports, run=run).skipped == reason
    assert stage.gateway.charges == ()


@pytest.mark.parametrize("days", [0, 1])
def test_a_hold_covers_its_last_day_and_is_over_the_next(stage, days):
    id = owed(stage)
    hold_customer("cus_a", Hold("dispute", TODAY), stage.ports)
    result = charge_invoice(id, stage.ports, run=run_on(stage, days, "prn_9"))
    assert (result.skipped == "on_hold") == (days == 0)


def test_a_late_run_charges_nobody_who_is_on_hold_by_now_or_was_on_its_day(stage, run):
    stage.clock.move_to(NOW + timedelta(days=1))
    id = owed(stage)
    hold_customer("cus_a", Hold("dispute", TODAY), stage.ports)  # over today, but it covered the run's day
    assert charge_invoice(id, stage.ports, run=run).skipped == "on_hold"
    hold_customer("cus_a", Hold("dispute", TODAY + timedelta(days=1)), stage.ports)
    assert charge_invoice(id, stage.ports, run=run).skipped == "on_hold"


def test_the_master_switch_is_about_mail_not_about_money(stage, run):
    id = owed(stage)
    stage.save(replace(stage.get(Customer, "cus_a"), automations=Switches(False)))
    assert charge_invoice(id, stage.ports, run=run).payment.status == "succeeded"


def removes_the_card(stage):
    (method,) = stage.every(PaymentMethod)
    stage.save(Owner(method.id, method.customer_id))
    remove_method(method.id, stage.ports)


MEDDLERS = {
    "hold": (lambda s, id: hold_customer("cus_a", Hold("dispute"), s.ports), "on_hold"),
    "hold on the invoice": (lambda s, id: hold_invoice(id, InvoiceHold("dispute"), s.ports), "on_hold"),
    "cheque": (lambda s, id: pays_by_cheque(s), "nothing_due"),
    "switch": (
        lambda s, id: change_settings(
            lambda t: replace(t, payment_run=replace(t.payment_run, enabled=False)), s.ports, by="ada",
            show=lambda t: {"enabled": t.payment_run.enabled},
        ),
        "autopay_off",
    ),
    "card removed": (lambda s, id: removes_the_card(s), "no_payment_method"),
    "service ended": (
        lambda s, id: change_customer("cus_a", lambda c: replace(c, service="terminated"), s.ports),
        "service_terminated",
    ),
}  # fmt: skip


@pytest.mark.parametrize("meddler", MEDDLERS)
def test_what_is_accepted_before_the_attempt_is_stored_is_honoured_however_close_it_comes(stage, run, meddler):
    act, reason = MEDDLERS[meddler]
    id = owed(stage)
    ports = replace(stage.ports, store=Meddling(stage.store, 1, lambda: act(stage, id)))
    assert charge_invoice(id, ports, run=run).skipped == reason
    assert stage.gateway.charges == ()


def test_a_partial_payment_before_the_attempt_lowers_what_is_charged(stage, run):
    id = owed(stage)
    ports = replace(stage.ports, store=Meddling(stage.store, 1, lambda: pays_by_cheque(stage, 30_00)))
    assert charge_invoice(id, ports, run=run).payment.amount_minor == 70_00
    assert stage.invoice(id).residual_minor == 0


def test_two_workers_charge_once(stage, run):
    id = owed(stage)
    other = Meddling(stage.store, 1, lambda: charge_invoice(id, stage.ports, run=run))
    assert charge_invoice(id, replace(stage.ports, store=other), run=run).skipped == "nothing_due"
    assert gateway_says(stage) == ["succeeded"]


# ---- a worker that dies ---------------------------------------------------------------------------------------


def die(*_, **__):
    raise SimulatedCrash("here")


def test_dying_between_the_attempt_and_the_gateway_charges_nothing_and_is_found_out(stage, run):
    id = owed(stage)
    stage.gateway.charge, charge = die, stage.gateway.charge
    with pytest.raises(SimulatedCrash):
        charge_invoice(id, stage.ports, run=run)
    assert (attempt(stage, id).status, stage.invoice(id).open_attempt_id) == ("pending", attempt(stage, id).id)
    stage.gateway.charge = charge
    stage.advance(minutes=5)
    assert reconcile_payments(stage.ports) == {"failed": 1}
    assert stage.queue.depth("charge") == 1  # the gateway never processed it: it is tried again
    assert stage.invoice(id).residual_minor == 100_00


def test_dying_after_the_gateway_charged_forgets_no_money(stage, run):
    id = owed(stage)
    with pytest.raises(SimulatedCrash):
        charge_invoice(id, replace(stage.ports, store=Meddling(stage.store, 2, die)), run=run)
    assert (attempt(stage, id).status, gateway_says(stage)) == ("pending", ["succeeded"])
    stage.advance(minutes=5)
    assert reconcile_payments(stage.ports) == {"succeeded": 1}
    assert stage.invoice(id).residual_minor == 0
    assert gateway_says(stage) == ["succeeded"]


def test_a_success_that_comes_after_everyone_took_it_for_failed_is_not_forgotten(stage, run):
    id = owed(stage, "timeout_not_charged")
    charge_invoice(id, stage.ports, run=run)
    stage.advance(minutes=5)
    reconcile_payments(stage.ports)
    settled = settle(attempt(stage, id), ChargeOutcome("succeeded", "ch_late"), stage.ports)
    assert (settled.status, stage.invoice(id).residual_minor) == ("succeeded", 0)
    assert [t.kind for t in stage.every(Task)] == ["payment_contradiction"]


def test_money_that_comes_twice_after_all_becomes_credit(stage, run):
    id = owed(stage, "timeout_not_charged", "succeeded")
    charge_invoice(id, stage.ports, run=run)
    stage.advance(minutes=5)
    reconcile_payments(stage.ports)
    charge_by_hand(id, stage.ports)
    settle(attempt(stage, id, 1), ChargeOutcome("succeeded", "ch_late"), stage.ports)
    assert stage.invoice(id).residual_minor == 0
    assert stage.get(CreditBalance, "cus_a", "USD").amount_minor == 100_00


@pytest.mark.parametrize("outcomes", [("declined", "failed"), ("failed", "unknown"), ("succeeded", "declined")])
def test_only_the_first_word_on_an_outcome_counts_unless_money_was_taken(stage, run, outcomes):
    id = owed(stage, "timeout_charged")
    charge_invoice(id, stage.ports, run=run)
    for outcome in (*outcomes, outcomes[1]):
        settle(attempt(stage, id), ChargeOutcome(outcome), stage.ports)
    assert attempt(stage, id).status == outcomes[0]


def test_a_cheque_while_a_charge_is_open_makes_the_charge_an_overpayment(stage, run):
    id = owed(stage, "timeout_charged")
    charge_invoice(id, stage.ports, run=run)
    pays_by_cheque(stage, 80_00)
    stage.advance(minutes=5)
    reconcile_payments(stage.ports)
    payment = attempt(stage, id)
    assert (payment.status, payment.allocations[0].amount_minor, payment.credited_minor) == ("succeeded", 20_00, 80_00)
    assert stage.invoice(id).residual_minor == 0
    assert stage.get(CreditBalance, "cus_a", "USD").amount_minor == 80_00


def test_a_refund_while_a_charge_is_open_leaves_owed_what_the_charge_did_not_ask_for(stage, run):
    id = owed(stage, "timeout_charged")
    pays_by_cheque(stage, 60_00)
    charge_invoice(id, stage.ports, run=run)  # 40.00
    stage.save(stage.invoice(id).reopened(60_00))
    stage.advance(minutes=5)
    reconcile_payments(stage.ports)
    assert (attempt(stage, id).credited_minor, stage.invoice(id).residual_minor) == (0, 60_00)


# ---- by hand --------------------------------------------------------------------------------------------------


def test_by_hand_it_is_charged_with_the_method_asked_for_whatever_is_switched_off(stage):
    stage.settings(Settings())
    id = owed(stage, SOFT)
    other = stage.card("cus_a", id="pm_other")
    assert charge_by_hand(id, stage.ports, other.id).payment_method_id == "pm_other"


def test_by_hand_a_card_that_was_refused_for_good_is_tried_again_only_if_it_is_named(stage, run):
    id = owed(stage, HARD)
    charge_invoice(id, stage.ports, run=run)
    with pytest.raises(Refused, match="attempts_exhausted"):
        charge_by_hand(id, stage.ports)
    (refused,) = stage.every(PaymentMethod)
    assert charge_by_hand(id, stage.ports, refused.id).status == "declined"
    other = stage.card("cus_a", "succeeded", id="pm_zz")
    assert charge_by_hand(id, stage.ports).payment_method_id == other.id


def test_by_hand_a_hold_still_forbids_it_and_the_error_says_so(stage):
    id = owed(stage)
    hold_invoice(id, InvoiceHold("dispute"), stage.ports)
    with pytest.raises(Refused, match="on_hold") as refused:
        charge_by_hand(id, stage.ports)
    assert refused.value.code == "on_hold"


def test_somebody_else_s_card_is_not_found(stage):
    stage.customer("cus_b")
    card = stage.card("cus_b")
    id = owed(stage)
    with pytest.raises(NotFound):
        charge_by_hand(id, stage.ports, card.id)


def test_a_card_refused_for_good_when_a_person_tries_it_leaves_the_schedule_of_the_other_alone(stage, run):
    id = owed(stage, SOFT)
    charge_invoice(id, stage.ports, run=run)
    stolen = stage.card("cus_a", HARD)
    charge_by_hand(id, stage.ports, stolen.id)
    assert (stage.invoice(id).next_attempt_on, stage.invoice(id).autopay_ended) == (date(2026, 2, 3), False)


def test_a_method_that_was_refused_for_good_is_never_tried_on_the_invoice_again(stage, run):
    id = owed(stage, HARD)
    charge_by_hand(id, stage.ports)
    assert charge_invoice(id, stage.ports, run=run).skipped == "attempts_exhausted"
    stage.card("cus_a", "succeeded")
    assert charge_invoice(id, stage.ports, run=run_on(stage, 1, "prn_2")).payment.status == "succeeded"


@pytest.mark.parametrize(("outcome", "reason"), [(HARD, "attempts_exhausted"), (SOFT, "retry_scheduled")])
def test_the_same_card_saved_again_is_no_new_one(stage, run, outcome, reason):
    id = owed(stage, outcome)
    charge_invoice(id, stage.ports, run=run)
    (card,) = stage.every(PaymentMethod)
    stage.clock.move_to(NOW + timedelta(hours=1))
    removes_the_card(stage)
    stage.save(replace(card, id="pm_again", created_at=stage.clock.now(), version=0))
    assert charge_invoice(id, stage.ports, run=run_on(stage, 1, "prn_2")).skipped == reason
    if outcome == HARD:
        with pytest.raises(Refused, match="attempts_exhausted"):
            charge_by_hand(id, stage.ports)


def test_an_invoice_that_has_left_autopay_does_not_come_back_by_a_decline_by_hand(stage, run):
    id = owed(stage, HARD)
    charge_invoice(id, stage.ports, run=run)
    soft = stage.card("cus_a", SOFT)
    payment = charge_by_hand(id, stage.ports, soft.id)
    assert (payment.next_attempt_on, stage.invoice(id).autopay_ended) == (None, True)


@pytest.mark.parametrize(("days", "again", "retries"), [(1, 1, 0), (4, 4, 0), (0, 3, 1)])
def test_a_decline_by_hand_before_the_collection_date_leaves_the_schedule_to_begin_on_it(stage, days, again, retries):
    stage.card("cus_a", SOFT)
    id = stage.posted(due_on=TODAY + timedelta(days=days))
    for _ in range(1 if retries else 5):  # more than the schedule has tries
        payment = charge_by_hand(id, stage.ports)
    assert payment.next_attempt_on == TODAY + timedelta(days=again)
    assert (stage.invoice(id).retries, stage.invoice(id).autopay_ended) == (retries, False)
    if days:
        assert stage.invoice(id).next_attempt_on is None
        assert explain_invoice(id, stage.ports).collected.reason == "not_due"
        charge_invoice(id, stage.ports, run=run_on(stage, days, "prn_2"))
        assert stage.invoice(id).next_attempt_on == TODAY + timedelta(days=days + 3)


def test_where_nothing_is_charged_automatically_a_decline_by_hand_schedules_nothing(stage):
    stage.klass(auto_charge=None)
    id = owed(stage, SOFT)
    assert charge_by_hand(id, stage.ports).next_attempt_on is None
    assert not stage.invoice(id).autopay_ended


def test_paying_the_last_thing_past_due_ends_the_episode_at_once(stage):
    id = stage.posted(due_on=TODAY - timedelta(days=10))
    stage.card("cus_a")
    state = CollectionState("cus_a", date(2026, 1, 22), 1, past_due_ids=(id,))
    stage.save(state)
    charge_by_hand(id, stage.ports)
    assert stage.get(CollectionState, "cus_a").episode_since is None
    assert stage.get(CollectionState, "cus_a").worst_tier == 0

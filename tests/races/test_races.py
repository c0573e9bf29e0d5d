"""Everybody at one invoice at once: whatever the order of their steps, it is charged once at most, and all balances.

Each race is run through SCHEDULES different schedules of steps, from one call of a port to the next. PRODUCT 7.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from shared import bootstrap
from shared.domain.card import CardUse
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.payment import ChargeOutcome, Payment, PaymentMethod
from shared.domain.records import Owner
from shared.domain.runs import Chunk, PaymentRun
from shared.domain.settings import Settings, SettingsGate
from shared.gateways.simulated import SimulatedGateway
from shared.ports import Check, Remove, Save, Unavailable
from shared.storage.memory import MemoryStore
from shared.storage.records import keys_of
from shared.use_cases import charge_invoice, customers, payment_methods, refund_payment, reversals, settle_payment
from shared.use_cases.charge_invoice import charge_by_hand
from shared.use_cases.hear_gateway import hear_gateway
from shared.use_cases.reconcile_payments import reconcile_payments
from shared.use_cases.record_payment import ManualPayment, record_payment
from tests.integration.ledger import assert_balanced
from tests.integration.stage import NOW, TODAY, Stage
from tests.races import actors as act
from tests.races.interleaver import Interleaver

SCHEDULES = 200  # different ones, of each race
SEEDS_MAX = 2 * SCHEDULES
ANSWERS = (200, 201, 204, 404, 409, 422, 503)  # 503 asks for a repetition; nothing is ever a 500
DAYS_TO_REST = 3
LIMIT = 15


@dataclass
class Race:
    """One run of a race: the world, its ports in step, and who takes part."""

    stage: Stage
    steps: Interleaver
    ports: object
    acts: dict = field(default_factory=dict)
    tried_before: int = 0  # how often the card was, of late

    def begin(self, **acts):
        self.acts |= acts


def race_of(prepare, seed):
    stage, steps = Stage(), Interleaver(seed)
    stage.settings()
    stage.customer()
    race = Race(stage, steps, steps.wrap(stage.ports))
    prepare(race)
    bootstrap.install(race.ports)
    try:
        for actor in steps.run(race.acts).values():
            if actor.error is not None and not isinstance(actor.error, Unavailable):
                raise actor.error
            if isinstance(actor.result, tuple):
                assert actor.result[0] in ANSWERS, actor.result
    finally:
        bootstrap.uninstall()
    rest(race)
    return race


def rest(race):
    """Messages whose worker gave up come again, and the gateway is asked about what is open."""
    stage = race.stage
    for chunk in [c for c in stage.every(Chunk) if not c.done]:
        stage.work("charge", act.ChargeInvoices(run_id=chunk.run_id, chunk=chunk.number).body())
    for _ in range(DAYS_TO_REST):
        stage.advance(days=1)
        reconcile_payments(stage.ports)
    for charge in stage.gateway.charges:  # what could not be heard at the time is told again
        hear_gateway(*stage.gateway.reversal_webhook(charge.id, "charge.refunded", f"again {charge.id}"), stage.ports)


# ---- what must hold -------------------------------------------------------------------------------------------


def check(race):
    stage, gateway = race.stage, race.stage.gateway
    assert_balanced(stage)
    attempts = {p.id: p for p in stage.every(Payment)}
    kept = [c.invoice_id for c in gateway.charges if c.status == "succeeded" and not c.refunded_minor]
    assert len(kept) == len(set(kept)), "an invoice was charged twice"
    for charge in gateway.charges:
        attempt = attempts[charge.idempotency_key]
        assert (attempt.amount_minor, attempt.status) == (charge.amount_minor, charge.status)
        assert attempt.refunded_minor == charge.refunded_minor
    assert not any(p.awaited for p in attempts.values())
    assert all(i.open_attempt_id is None for i in stage.every(Invoice))
    tried = [p for p in attempts.values() if p.method == "card" and p.status != "failed"]
    assert len(tried) + race.tried_before <= LIMIT, "the card was tried too often"
    check_order(race.steps.calls)


def check_order(calls):
    """The attempt is stored before the gateway is asked, for the residual of that moment, and never under a hold, with
    a card that was removed, or by a scheduled run that was switched off.
    """
    stored, held, removed, off = set(), set(), set(), False
    for call in calls:
        if call.name == "gateway.charge":
            assert call.args[0].id in stored, "the gateway heard of an attempt that was not stored"
        if call.name != "store.commit" or call.failed is not None:
            continue
        for change, before in zip(call.args, call.before, strict=True):
            entity = change.entity
            if isinstance(change, Save) and isinstance(entity, Invoice | Customer) and entity.hold is not None:
                held.add(entity.id)
            if isinstance(change, Remove) and isinstance(entity, PaymentMethod):
                removed.add(entity.id)
            off = off or (isinstance(entity, Settings) and not entity.payment_run.enabled)
            if isinstance(change, Save) and isinstance(entity, Payment) and before is None and entity.attempt:
                stored.add(entity.id)
                check_claim(entity, call, held)
                assert entity.payment_method_id not in removed, "nothing is charged to a card that was removed"
                assert not (off and any(isinstance(c.entity, SettingsGate) for c in call.args)), "nor when switched off"


def check_claim(attempt, call, held):
    [invoice] = [b for c, b in zip(call.args, call.before, strict=True) if isinstance(c.entity, Invoice)]
    assert attempt.amount_minor == invoice.residual_minor, "it is charged for what is left to pay"
    assert invoice.open_attempt_id is None, "one attempt at a time"
    if attempt.submission_id is None:  # who pays of his own accord may do so during a hold
        assert not held & {attempt.invoice_id, attempt.customer_id}, "nothing is charged once a hold was accepted"


# ---- the races ------------------------------------------------------------------------------------------------


def run_of(stage, *invoice_ids, id="prn_1", scheduled=False):
    """A payment run whose only chunk has these invoices."""
    at = NOW if scheduled else None
    run = PaymentRun(id, TODAY, NOW, "collecting", scheduled_for=at, cursor=None, chunks=1, created_at=NOW)
    stage.save(run, Chunk(id, "charge", 0, invoice_ids, round=1))
    return id


def owed(race, *outcomes, total=100_00):
    race.stage.card("cus_a", *(outcomes or ("succeeded",)), id="pm_1")
    return race.stage.posted(total=total, due_on=TODAY)


def run_page_cheque_and_hold(race):
    id = owed(race)
    run = run_of(race.stage, id)
    race.begin(
        run=act.worker(run), page=act.by_hand(id), cheque=act.cheque("pay_1", "cus_a", "100.00"), hold=act.hold(id)
    )


def run_and_page(race):
    id = owed(race)
    race.begin(run=act.worker(run_of(race.stage, id)), page=act.by_hand(id))


def one_chunk_twice_and_a_page(race):
    id = owed(race, "declined:insufficient_funds", "succeeded")
    run = run_of(race.stage, id)
    race.begin(run=act.worker(run), again=act.worker(run), page=act.by_hand(id))


def two_runs_and_a_customer_hold(race):
    ids = [owed(race), race.stage.posted(due_on=TODAY)]
    one, two = run_of(race.stage, *ids), run_of(race.stage, *reversed(ids), id="prn_2")
    race.begin(one=act.worker(one), two=act.worker(two), hold=act.hold_customer("cus_a"))


def run_part_payment_and_memo(race):
    id = owed(race)
    part = [{"invoice_id": id, "amount": "30.00"}]
    race.begin(
        run=act.worker(run_of(race.stage, id)), cheque=act.cheque("pay_1", "cus_a", "30.00", part),
        memo=act.memo(id, "20.00"),
    )  # fmt: skip


def run_void_and_page(race):
    id = owed(race)
    race.begin(run=act.worker(run_of(race.stage, id)), void=act.void(id), page=act.by_hand(id))


def scheduled_run_switch_and_lost_card(race):
    id = owed(race)
    race.stage.save(Owner("pm_1", "cus_a"))
    run = run_of(race.stage, id, scheduled=True)
    race.begin(run=act.worker(run), switch=act.switch_off(), card=act.forget_card("pm_1"))


def answer_lost_and_everybody_there(race, outcome="timeout_charged"):
    """Five minutes after a charge nobody answered: it is asked about, told of, and others want to pay."""
    id = owed(race, outcome, "succeeded")
    charge_by_hand(id, race.stage.ports)
    race.stage.advance(minutes=5)
    race.begin(
        ask=act.reconcile(race.ports), page=act.by_hand(id), run=act.worker(run_of(race.stage, id)),
        cheque=act.cheque("pay_1", "cus_a", "100.00"),
    )  # fmt: skip


def answer_lost_and_never_charged(race):
    answer_lost_and_everybody_there(race, "timeout_not_charged")


def asked_twice_and_told_twice(race):
    id = owed(race, "timeout_charged")
    charge_by_hand(id, race.stage.ports)
    race.stage.advance(minutes=5)
    gateway = race.stage.gateway
    race.begin(
        ask=act.reconcile(race.ports), again=act.reconcile(race.ports),
        told=act.webhook(race.ports, gateway, 2), page=act.by_hand(id),
    )  # fmt: skip


def charge_told_of_before_it_answers(race):
    """The gateway tells of a charge while its caller still waits for the answer."""
    id = owed(race)

    def told():
        if race.stage.gateway.charges:
            act.webhook(race.ports, race.stage.gateway)()

    race.begin(run=act.worker(run_of(race.stage, id)), told=told, cheque=act.cheque("pay_1", "cus_a", "50.00"))


def three_refunds_and_a_page(race):
    payment = charge_by_hand(owed(race), race.stage.ports)
    race.begin(
        all=act.refund(payment.id), part=act.refund(payment.id, "60.00"), little=act.refund(payment.id, "30.00"),
        page=act.by_hand(payment.invoice_id),
    )  # fmt: skip


def refund_of_credit_that_is_being_spent(race):
    stage = race.stage
    stage.posted(due_on=TODAY, total=50_00)
    record_payment(ManualPayment("pay_over", "cus_a", "USD", 150_00, "check"), stage.ports)
    race.begin(
        refund=act.refund("pay_over"), part=act.refund("pay_over", "100.00"),
        posted=act.new_invoice("inv_new", "cus_a", "80.00"),
    )  # fmt: skip


def refund_nobody_answered(race):
    """It is asked about by the reconciliation and because of a webhook, while someone asks for another."""
    stage = race.stage
    payment = charge_by_hand(owed(race), stage.ports)
    lost = replace(stage.ports, gateway=LosesRefunds(stage.gateway))
    refund_payment.refund_payment(payment.id, 60_00, lost)
    stage.advance(minutes=5)
    race.begin(
        ask=act.reconcile(race.ports), told=act.webhook(race.ports, stage.gateway),
        more=act.refund(payment.id), page=act.by_hand(payment.invoice_id),
    )  # fmt: skip


def run_own_page_cheque_admin_and_hold(race):
    id = owed(race)
    race.begin(
        run=act.worker(run_of(race.stage, id)), page=act.page(race.ports, "cus_a", "n1", (id, 100_00)),
        admin=act.by_hand(id), cheque=act.cheque("pay_1", "cus_a", "100.00"), hold=act.hold(id),
    )  # fmt: skip


def one_page_submitted_twice_another_one_and_a_run(race):
    ids = [owed(race), race.stage.posted(due_on=TODAY, total=40_00)]
    shown = list(zip(ids, (100_00, 40_00), strict=True))
    race.begin(
        page=act.page(race.ports, "cus_a", "n1", *shown), again=act.page(race.ports, "cus_a", "n1", *shown),
        other=act.page(race.ports, "cus_a", "n2", *reversed(shown)), run=act.worker(run_of(race.stage, *ids)),
    )  # fmt: skip


def own_page_whose_answer_is_lost_and_a_run(race):
    id = owed(race, "timeout_charged", "succeeded")
    race.begin(
        page=act.page(race.ports, "cus_a", "n1", (id, 100_00)), run=act.worker(run_of(race.stage, id)),
        ask=act.reconcile(race.ports), memo=act.memo(id, "10.00"),
    )  # fmt: skip


def redriven_twice_next_run_and_own_page(race):
    """A charge that the gateway never processed comes back from the dead letters, now that it works again."""
    stage = race.stage
    id = owed(race, *["error_500"] * 4, "succeeded")
    first = run_of(stage, id)
    stage.work("charge", act.ChargeInvoices(run_id=first, chunk=0).body())
    for attempt in (1, 2):
        stage.work("charge", act.RetryCharge(run_id=first, invoice_id=id, attempt=attempt).body())
    with pytest.raises(charge_invoice.NotProcessed):
        stage.work("charge", act.RetryCharge(run_id=first, invoice_id=id, attempt=3).body())
    stage.queue.waiting.clear()
    race.begin(
        one=act.redriven(first, id, 3), two=act.redriven(first, id, 3),
        run=act.worker(run_of(stage, id, id="prn_2")), page=act.page(race.ports, "cus_a", "n1", (id, 100_00)),
    )  # fmt: skip


def given_back_here_and_at_the_gateway(race):
    stage = race.stage
    payment = charge_by_hand(owed(race), stage.ports)
    race.begin(
        there=act.given_back_at_the_gateway(race.ports, stage.gateway, 70_00), here=act.refund(payment.id, "60.00"),
        page=act.page(race.ports, "cus_a", "n1", (payment.invoice_id, 70_00)),
        cheque=act.cheque("pay_1", "cus_a", "50.00"),
    )  # fmt: skip


def disputed_while_a_run_and_a_refund_are_at_it(race):
    stage = race.stage
    id = owed(race)
    payment = charge_by_hand(id, stage.ports)
    refund_payment.refund_payment(payment.id, 20_00, stage.ports)
    race.begin(
        dispute=act.disputed(race.ports, stage.gateway), again=act.disputed(race.ports, stage.gateway),
        admin=act.by_hand(id), refund=act.refund(payment.id, "10.00"),
    )  # fmt: skip


class LosesRefunds:
    def __init__(self, inner):
        self._inner = inner

    def refund(self, payment, amount_minor, key):
        self._inner.refund(payment, amount_minor, key)
        return ChargeOutcome("unknown")


def three_invoices_and_one_attempt_left_on_the_card(race):
    ids = [owed(race), race.stage.posted(due_on=TODAY), race.stage.posted(due_on=TODAY)]
    race.tried_before = LIMIT - 1
    race.stage.save(CardUse("cus_a", "tok_pm_1", (NOW - timedelta(days=1),) * race.tried_before))
    one, two = run_of(race.stage, ids[0]), run_of(race.stage, ids[1], id="prn_2")
    race.begin(one=act.worker(one), two=act.worker(two), page=act.by_hand(ids[2]))


RACES = [
    run_page_cheque_and_hold, run_and_page, one_chunk_twice_and_a_page, two_runs_and_a_customer_hold,
    run_part_payment_and_memo, run_void_and_page, scheduled_run_switch_and_lost_card, answer_lost_and_everybody_there,
    answer_lost_and_never_charged, asked_twice_and_told_twice, charge_told_of_before_it_answers,
    three_refunds_and_a_page,
    refund_of_credit_that_is_being_spent, refund_nobody_answered, three_invoices_and_one_attempt_left_on_the_card,
    run_own_page_cheque_admin_and_hold, one_page_submitted_twice_another_one_and_a_run,
    own_page_whose_answer_is_lost_and_a_run, redriven_twice_next_run_and_own_page, given_back_here_and_at_the_gateway,
    disputed_while_a_run_and_a_refund_are_at_it,
]  # fmt: skip


@pytest.mark.parametrize("prepare", RACES, ids=lambda race: race.__name__)
def test_whatever_the_order_of_their_steps(prepare):
    assert broken(prepare) is None


def broken(prepare):
    """The first seed that breaks something and what, or None if SCHEDULES different schedules break nothing."""
    schedules = set()
    for seed in range(SEEDS_MAX):
        try:
            race = race_of(prepare, seed)
            check(race)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is what is looked for
            return seed, f"{type(error).__name__}: {error}"
        schedules.add(tuple(race.steps.trace))
        if len(schedules) == SCHEDULES:
            return None
    return SEEDS_MAX, f"only {len(schedules)} different schedules"


def test_the_same_seed_gives_the_same_schedule():
    one, same, other = (race_of(run_page_cheque_and_hold, seed).steps for seed in (7, 7, 8))
    assert one.trace == same.trace != other.trace
    assert [(c.actor, c.name) for c in one.calls] == [(c.actor, c.name) for c in same.calls]


# ---- the races are raced: bugs that they must find ------------------------------------------------------------


def last_write_wins(patch):
    commit = MemoryStore.commit

    def without_conditions(self, *changes):
        fresh = []
        for change, key in zip(changes, keys_of(changes), strict=True):
            stored = self.get(*key)
            fresh.append(type(change)(replace(change.entity, version=stored.version if stored else 0)))
        commit(self, *fresh)

    patch.setattr(MemoryStore, "commit", without_conditions)


def checks_forgotten(patch):
    commit = MemoryStore.commit
    patch.setattr(
        MemoryStore, "commit", lambda self, *changes: commit(self, *(c for c in changes if type(c) is not Check))
    )


def open_attempts_overlooked(patch):
    asked = charge_invoice.why_not_chargeable

    def overlooked(invoice, *rest):
        return asked(replace(invoice, open_attempt_id=None), *rest)

    patch.setattr(charge_invoice, "why_not_chargeable", overlooked)


def settled_as_often_as_heard(patch):
    patch.setattr(Payment, "unresolved", property(lambda self: self.attempt is not None))


def open_refunds_overlooked(patch):
    patch.setattr(refund_payment, "_check_state", lambda payment: None)


def credit_left_where_it_is_until_the_refund_succeeds(patch):
    sources = refund_payment.sources_of
    patch.setattr(refund_payment, "sources_of", lambda *args: (0, sources(*args)[1]))


def a_fresh_key_for_every_call(patch):
    charge, count = SimulatedGateway.charge, itertools.count()

    def charged(self, payment):
        return charge(self, replace(payment, id=f"{payment.id}{next(count)}"))

    patch.setattr(SimulatedGateway, "charge", charged)


def unknown_read_as_failed(patch):
    settle = settle_payment.settle

    def settled(id, outcome, ports):
        return settle(id, replace(outcome, status="failed") if outcome.status == "unknown" else outcome, ports)

    patch.setattr(charge_invoice, "settle", settled)


def attempts_on_a_card_counted_apart(patch):
    patch.setattr(charge_invoice, "with_card", lambda tries, token, ports: replace(tries, cards=()))


def holds_that_keep_no_attempt_off(patch):
    patch.setattr(customers, "customer_charged_otherwise", lambda before, after, ports: [])


def removed_cards_that_keep_no_attempt_off(patch):
    patch.setattr(payment_methods, "attempts_kept_off", lambda customer_id, ports: [])


def every_refund_at_the_gateway_taken_for_news(patch):
    patch.setattr(reversals, "_known", lambda payment, back: None)


BUGS = [
    (last_write_wins, run_and_page), (checks_forgotten, scheduled_run_switch_and_lost_card),
    (holds_that_keep_no_attempt_off, two_runs_and_a_customer_hold),
    (removed_cards_that_keep_no_attempt_off, scheduled_run_switch_and_lost_card),
    (open_attempts_overlooked, run_and_page), (settled_as_often_as_heard, asked_twice_and_told_twice),
    (open_refunds_overlooked, three_refunds_and_a_page),
    (credit_left_where_it_is_until_the_refund_succeeds, refund_of_credit_that_is_being_spent),
    (a_fresh_key_for_every_call, run_and_page), (unknown_read_as_failed, answer_lost_and_everybody_there),
    (every_refund_at_the_gateway_taken_for_news, given_back_here_and_at_the_gateway),
    (open_attempts_overlooked, redriven_twice_next_run_and_own_page),
    (last_write_wins, one_page_submitted_twice_another_one_and_a_run),
    (attempts_on_a_card_counted_apart, three_invoices_and_one_attempt_left_on_the_card),
]  # fmt: skip


@pytest.mark.parametrize(("bug", "prepare"), BUGS, ids=[f"{b.__name__}-{r.__name__}" for b, r in BUGS])
def test_a_planted_bug_is_found(bug, prepare, monkeypatch):
    bug(monkeypatch)
    found = broken(prepare)
    assert found is not None
    assert found[0] < SCHEDULES

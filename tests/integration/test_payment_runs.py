"""The payment run: when there is one, what it considers, what it charges and skips, and what it counts afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from infra.local.invoker import SimulatedCrash
from shared.domain.customer import Customer
from shared.domain.errors import Invalid
from shared.domain.invoice import InvoiceHold
from shared.domain.payment import Allocation, attempt_id
from shared.domain.policy import AutoCharge
from shared.domain.runs import BillRun, Chunk, PaymentRun, Watermark
from shared.domain.settings import BillRunSettings, PaymentRunSettings, Settings
from shared.ports import PAYMENT_RUNS
from shared.use_cases.charge_invoice import charge_invoice
from shared.use_cases.pauses_and_holds import hold_invoice
from shared.use_cases.payment_runs import (
    CHUNK_INVOICES,
    charge_chunk,
    done_outcomes,
    payment_run_summary,
    plan_payment_runs,
    start_payment_run,
)
from shared.use_cases.plan_bill_runs import scheduled_bill_run_id
from shared.use_cases.reconcile_payments import reconcile_payments
from shared.use_cases.record_payment import ManualPayment, record_payment
from tests.integration.stage import NOW, TODAY, Behind, Meddling, Stage

MIDNIGHT = datetime(2026, 1, 31, tzinfo=UTC)
AT_11 = datetime(2026, 1, 31, 11, tzinfo=UTC)  # the default schedule


@pytest.fixture
def stage():
    made = Stage(MIDNIGHT)
    made.settings()
    made.customer()
    return made


def runs(stage):
    keys = [e.key for e in stage.store.find(PAYMENT_RUNS, "all").items]
    return sorted(stage.store.get_many(PaymentRun, keys), key=lambda r: r.occurred_at)


def plan_at(stage, at):
    if at > stage.clock.now():
        stage.clock.move_to(at)
    return plan_payment_runs(stage.ports)


def collect(stage, **asked):
    """An ad hoc run, to its end."""
    run = start_payment_run(stage.ports, **asked)
    stage.deliver("charge")
    return stage.get(PaymentRun, run.id)


def owing(stage, count):
    """So many invoices that are due, a few for each card: one takes at most 15 attempts in 30 days."""
    for n in range(count):
        if n % 10 == 0:
            stage.customer(f"cus_{n}")
            stage.card(f"cus_{n}")
        stage.posted(f"cus_{n - n % 10}", due_on=TODAY)


def outcomes(stage, run):
    return {o.invoice_id: (o.outcome, o.reason) for chunk in done_outcomes(run, stage.ports) for o in chunk}


def counts(stage, run):
    return {word: n for word, n in payment_run_summary(run, stage.ports).counts.items() if n}


# ---- when -----------------------------------------------------------------------------------------------------


def test_a_run_is_recorded_once_when_its_time_has_come(stage):
    assert plan_at(stage, AT_11 - timedelta(minutes=1)) == []
    [run] = plan_at(stage, AT_11)
    assert (run.scheduled_for, run.as_of) == (AT_11, TODAY)
    for _ in range(3):
        assert plan_at(stage, AT_11) == []
    assert len(runs(stage)) == 1


def test_a_late_tick_records_every_occurrence_that_was_missed(stage):
    plan_at(stage, AT_11 + timedelta(days=2, hours=5))
    assert [r.as_of.day for r in runs(stage)] == [31, 1, 2]


def test_nothing_is_made_up_for_from_before_it_was_switched_on():
    stage = Stage(MIDNIGHT)
    stage.save(Settings(payment_run=PaymentRunSettings(enabled=True)))
    assert plan_at(stage, AT_11 + timedelta(days=3)) == []
    [run] = plan_at(stage, AT_11 + timedelta(days=4))
    assert run.occurred_at == AT_11 + timedelta(days=4)


def test_switched_off_there_is_no_run(stage):
    stage.settings(Settings())
    assert plan_at(stage, AT_11) == []


def test_two_ticks_at_once_record_one_run(stage):
    stage.clock.move_to(AT_11)
    store = Meddling(stage.store, 1, lambda: plan_payment_runs(stage.ports))
    plan_payment_runs(replace(stage.ports, store=store))
    assert len(runs(stage)) == 1


# ---- waiting for the bill run ---------------------------------------------------------------------------------


def with_bill_run(stage, status, scheduled_for=datetime(2026, 1, 31, 4, tzinfo=UTC), **payment_run):
    stage.settings(bill_run=BillRunSettings(enabled=True), payment_run=PaymentRunSettings(enabled=True, **payment_run))
    mark = stage.get(Watermark, "watermarks", "bill_run")
    stage.save(replace(mark, through=scheduled_for))
    id = scheduled_bill_run_id(scheduled_for)
    return stage.save(BillRun(id, TODAY, status=status, scheduled_for=scheduled_for, created_at=scheduled_for))


@pytest.mark.parametrize(
    ("status", "waits"),
    [("pending", True), ("generating", True), ("posting", True), ("completed", False), ("posted", False),
     ("cancelled", False), ("failed", False)],
)  # fmt: skip
def test_it_waits_while_its_bill_run_is_generating_or_posting(stage, status, waits):
    with_bill_run(stage, status)
    plan_at(stage, AT_11)
    assert runs(stage)[0].status == ("waiting" if waits else "collecting")


def test_it_goes_on_when_the_bill_run_is_done(stage):
    bill_run = with_bill_run(stage, "posting")
    plan_at(stage, AT_11)
    stage.save(replace(stage.get(BillRun, bill_run.id), status="posted"))
    plan_at(stage, AT_11 + timedelta(minutes=15))
    stage.deliver("charge")
    assert runs(stage)[0].status == "completed"


@pytest.mark.parametrize(("waited", "status"), [(timedelta(hours=6, seconds=-1), "waiting"), (6, "collecting")])
def test_it_waits_no_longer_than_its_patience(stage, waited, status):
    with_bill_run(stage, "posting", max_wait_hours=6)
    plan_at(stage, AT_11)
    plan_at(stage, AT_11 + (waited if isinstance(waited, timedelta) else timedelta(hours=waited)))
    assert runs(stage)[0].status == status


def test_it_does_not_wait_if_told_not_to(stage):
    with_bill_run(stage, "posting", wait_for_bill_run=False)
    plan_at(stage, AT_11)
    assert runs(stage)[0].status == "collecting"


def test_it_does_not_wait_for_a_bill_run_that_is_due_later(stage):
    later = with_bill_run(stage, "pending", scheduled_for=AT_11 + timedelta(minutes=1))
    mark = stage.get(Watermark, "watermarks", "bill_run")
    stage.save(replace(mark, through=later.scheduled_for))
    plan_at(stage, AT_11)
    assert runs(stage)[0].status == "collecting"


def test_it_waits_for_a_bill_run_that_was_due_and_is_not_even_recorded_yet(stage):
    stage.settings(bill_run=BillRunSettings(enabled=True, schedule="0 11 * * *"))
    plan_at(stage, AT_11)
    assert runs(stage)[0].status == "waiting"


def test_it_waits_for_a_bill_run_that_the_index_does_not_show_yet(stage):
    behind = Behind(stage.store)
    behind.freeze()
    stage.ports = replace(stage.ports, store=behind)
    with_bill_run(stage, "generating", scheduled_for=AT_11)
    stage.settings(bill_run=BillRunSettings(enabled=True, schedule="0 11 * * *"))
    plan_at(stage, AT_11)
    assert runs(stage)[0].status == "waiting"


def test_an_ad_hoc_run_waits_for_nobody(stage):
    with_bill_run(stage, "posting")
    stage.clock.move_to(AT_11)
    assert collect(stage).status == "completed"


# ---- what is considered ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        (AutoCharge(), date(2026, 2, 10)),  # the due date
        (AutoCharge("due_on", -3), date(2026, 2, 7)),
        (AutoCharge("due_on", 5), date(2026, 2, 15)),
        (AutoCharge("invoice_date", 4), date(2026, 2, 4)),  # dated 31 January
        (AutoCharge("day_of_month", day=31), date(2026, 1, 31)),
        (AutoCharge("day_of_month", day=30), date(2026, 2, 28)),  # 30 January is over; February has no 30th
    ],
)
def test_an_invoice_is_collected_from_its_collection_date_on(stage, rule, first):
    stage.klass(auto_charge=rule)
    stage.card()
    id = stage.posted(due_on=date(2026, 2, 10))
    if first > TODAY:
        stage.clock.move_to(datetime.combine(first, datetime.max.time(), UTC) - timedelta(days=1))
        assert counts(stage, collect(stage)) == {}
    stage.clock.move_to(max(stage.clock.now(), datetime.combine(first, datetime.min.time(), UTC)))
    assert outcomes(stage, collect(stage)) == {id: ("succeeded", None)}


def test_the_date_is_the_customer_s_own(stage):
    stage.customer("cus_east", timezone="Pacific/Auckland")
    stage.customer("cus_west", timezone="America/Los_Angeles")
    for customer in ("cus_a", "cus_east", "cus_west"):
        stage.card(customer)
    ids = {c: stage.posted(c, due_on=date(2026, 2, 1)) for c in ("cus_a", "cus_east", "cus_west")}
    stage.clock.move_to(datetime(2026, 1, 31, 12, tzinfo=UTC))  # 1 February in Auckland already
    assert set(outcomes(stage, collect(stage))) == {ids["cus_east"]}
    stage.clock.move_to(datetime(2026, 2, 1, 4, tzinfo=UTC))  # still 31 January in Los Angeles
    assert set(outcomes(stage, collect(stage))) == {ids["cus_a"]}


def test_every_invoice_considered_is_charged_or_skipped_with_a_reason(stage):
    stage.klass("cls_off", auto_charge=None)
    stage.customer("cus_none")
    stage.customer("cus_off", class_id="cls_off")
    stage.customer("cus_lost", class_id="cls_gone")
    for customer in ("cus_off", "cus_lost"):
        stage.card(customer)
    stage.card()
    due = {
        "paid": stage.posted(due_on=TODAY, total=10_00),
        "held": stage.posted(due_on=TODAY),
        "open": stage.posted(due_on=TODAY),
        "ended": stage.posted(due_on=TODAY),
        "later": stage.posted(due_on=TODAY),
        "none": stage.posted("cus_none", due_on=TODAY),
        "off": stage.posted("cus_off", due_on=TODAY),
    }
    stage.posted(due_on=TODAY + timedelta(days=1))  # its date has not come
    stage.draft()
    stage.save(stage.invoice(stage.posted(due_on=TODAY)).voided(NOW))
    hold_invoice(due["held"], InvoiceHold("dispute"), stage.ports)
    stage.save(stage.invoice(due["open"]).attempt_opened("pay_1"))
    stage.save(replace(stage.invoice(due["ended"]), autopay_ended=True))
    stage.save(replace(stage.invoice(due["later"]), next_attempt_on=TODAY + timedelta(days=2)))

    run = collect(stage)
    assert outcomes(stage, run) == {
        due["paid"]: ("succeeded", None),
        due["held"]: ("skipped", "on_hold"),
        due["open"]: ("skipped", "attempt_open"),
        due["ended"]: ("skipped", "attempts_exhausted"),
        due["later"]: ("skipped", "retry_scheduled"),
        due["none"]: ("skipped", "no_payment_method"),
        due["off"]: ("skipped", "autopay_off"),
    }
    summary = payment_run_summary(run, stage.ports)
    assert summary.counts == {
        "considered": 7, "succeeded": 1, "declined": 0, "failed": 0, "unknown": 0, "skipped": 6,
    }  # fmt: skip
    assert summary.collected_minor == {"USD": 10_00}


def test_what_is_paid_or_voided_before_its_turn_is_considered_no_more(stage):
    """API.md: `nothing_due` and `not_posted` are no reasons of a run."""
    stage.card()
    paid, void, due = (stage.posted(due_on=TODAY, total=10_00) for _ in range(3))
    run = start_payment_run(stage.ports)
    stage.work(*stage.queue.waiting.pop(0)[1:])
    record_payment(
        ManualPayment("pay_1", "cus_a", "USD", 10_00, "check", allocations=(Allocation(paid, 10_00),)), stage.ports
    )
    stage.save(stage.invoice(void).voided(NOW))
    stage.deliver("charge")
    assert outcomes(stage, run) == {due: ("succeeded", None)}
    assert counts(stage, run) == {"considered": 1, "succeeded": 1}


def test_a_class_that_is_gone_keeps_nobody_from_being_charged(stage):
    stage.card()
    good = stage.posted(due_on=TODAY)
    stage.customer("cus_lost")
    stage.card("cus_lost")
    lost = stage.posted("cus_lost", due_on=TODAY)
    stage.save(replace(stage.get(Customer, "cus_lost"), class_id="cls_gone"))
    run = collect(stage)
    assert (run.status, stage.invoice(good).residual_minor) == ("completed", 0)
    assert outcomes(stage, run)[lost] == ("failed", "not_found")


def test_only_the_customers_asked_for_are_considered(stage):
    for n in range(6):
        stage.customer(f"cus_{n}")
        stage.card(f"cus_{n}")
        stage.posted(f"cus_{n}", due_on=TODAY)
    run = collect(stage, customer_ids=["cus_2", "cus_4"])
    assert {c.token for c in stage.gateway.charges} == {f"tok_pm_{n}" for n in (5, 9)}
    assert counts(stage, run) == {"considered": 2, "succeeded": 2}
    assert counts(stage, collect(stage, customer_ids=[])) == {}


def test_an_ad_hoc_run_looks_back_but_never_ahead(stage):
    stage.card()
    stage.posted(due_on=TODAY)
    assert counts(stage, collect(stage, as_of=TODAY - timedelta(days=1))) == {}
    with pytest.raises(Invalid, match="in the future"):
        start_payment_run(stage.ports, as_of=TODAY + timedelta(days=1))
    with pytest.raises(Invalid, match="no customer"):
        start_payment_run(stage.ports, customer_ids=["cus_a", "cus_none"])


@pytest.mark.parametrize("latest_first", [False, True])
@pytest.mark.parametrize("twice", [False, True])
def test_retries_of_the_day_are_taken_before_new_invoices_of_anybody(stage, latest_first, twice):
    for n in range(30):
        stage.customer(f"cus_{n}")
        stage.card(f"cus_{n}")
    new = [stage.posted(f"cus_{n}", due_on=TODAY) for n in range(30)]
    retried = [stage.posted(f"cus_{n}", due_on=TODAY) for n in range(0, 30, 2)]
    for id in retried:
        stage.save(replace(stage.invoice(id), next_attempt_on=TODAY))
    run = start_payment_run(stage.ports)
    stage.deliver("charge", latest_first=latest_first, twice=twice)
    charged = [c.invoice_id for c in stage.gateway.charges]
    assert (set(charged[:15]), set(charged[15:])) == (set(retried), set(new))
    assert (stage.get(PaymentRun, run.id).status, counts(stage, run)["succeeded"]) == ("completed", 45)


def test_the_next_round_is_handed_out_again_if_that_was_lost(stage):
    stage.card()
    new, retried = stage.posted(due_on=TODAY), stage.posted(due_on=TODAY)
    stage.save(replace(stage.invoice(retried), next_attempt_on=TODAY))
    run = start_payment_run(stage.ports)
    stage.work(*stage.queue.waiting.pop()[1:])  # selects
    [(_, _, chunk)] = stage.queue.waiting
    stage.work("charge", chunk)
    stage.queue.waiting.clear()  # the second round is lost
    assert [c.invoice_id for c in stage.gateway.charges] == [retried]
    stage.work("charge", chunk)  # the same message again finds nothing to do
    assert stage.get(PaymentRun, run.id).status == "collecting"
    plan_at(stage, AT_11)
    stage.deliver("charge")
    assert [c.invoice_id for c in stage.gateway.charges] == [retried, new]
    assert stage.get(PaymentRun, run.id).status == "completed"


@pytest.mark.parametrize("count", [CHUNK_INVOICES - 1, CHUNK_INVOICES, CHUNK_INVOICES + 1, 230])
def test_any_number_of_invoices_is_charged_once_each(stage, count):
    owing(stage, count)
    run = collect(stage)
    assert (run.status, counts(stage, run)) == ("completed", {"considered": count, "succeeded": count})
    assert len({c.invoice_id for c in stage.gateway.charges}) == len(stage.gateway.charges) == count


def test_with_nothing_to_collect_the_run_is_completed_and_empty(stage):
    run = collect(stage)
    assert (run.status, counts(stage, run)) == ("completed", {})


# ---- the four outcomes, and the day after ---------------------------------------------------------------------


def test_all_four_outcomes_are_kept_apart_and_recounted_as_they_become_known(stage):
    for name, outcome in (
        ("a", "succeeded"), ("b", "declined:insufficient_funds"), ("c", "error_500"), ("d", "timeout_charged"),
    ):  # fmt: skip
        if name != "a":
            stage.customer(f"cus_{name}")
        stage.card(f"cus_{name}", outcome)
        stage.posted(f"cus_{name}", due_on=TODAY)
    run = collect(stage)
    assert counts(stage, run) == {"considered": 4, "succeeded": 1, "declined": 1, "failed": 1, "unknown": 1}
    assert payment_run_summary(run, stage.ports).collected_minor == {"USD": 100_00}

    stage.advance(minutes=5)
    reconcile_payments(stage.ports)
    assert counts(stage, run) == {"considered": 4, "succeeded": 2, "declined": 1, "failed": 1}
    assert payment_run_summary(run, stage.ports).collected_minor == {"USD": 200_00}


# ---- told twice, and workers that die -------------------------------------------------------------------------


@pytest.mark.parametrize("latest_first", [False, True])
def test_every_message_delivered_twice_and_in_another_order_charges_once(stage, latest_first):
    for n in range(30):
        stage.customer(f"cus_{n}")
        stage.card(f"cus_{n}", ("succeeded", "declined:insufficient_funds", "timeout_charged")[n % 3])
        stage.posted(f"cus_{n}", due_on=TODAY)
    run = start_payment_run(stage.ports)
    stage.deliver("charge", twice=True, latest_first=latest_first)
    assert stage.get(PaymentRun, run.id).status == "completed"
    assert len(stage.gateway.charges) == 30
    assert counts(stage, run) == {"considered": 30, "succeeded": 10, "declined": 10, "unknown": 10}


@pytest.mark.parametrize("commit", range(1, 8))
def test_a_worker_that_dies_anywhere_charges_nobody_twice_when_the_chunk_comes_again(stage, commit):
    """Each invoice takes two commits, the attempt and its settlement; the last is the chunk's."""
    stage.card()
    for _ in range(3):
        stage.posted(due_on=TODAY)
    run = start_payment_run(stage.ports)
    stage.work(*stage.queue.waiting.pop()[1:])
    stage.queue.waiting.clear()

    def die():
        raise SimulatedCrash("here")

    with pytest.raises(SimulatedCrash):
        charge_chunk(run.id, 0, replace(stage.ports, store=Meddling(stage.store, commit, die)))
    charge_chunk(run.id, 0, stage.ports)
    charge_chunk(run.id, 0, stage.ports)
    stage.advance(minutes=5)
    reconcile_payments(stage.ports)
    stage.deliver("charge")
    stage.advance(minutes=1)
    stage.deliver("charge")
    assert sum(i.residual_minor for i in map(stage.invoice, {c.invoice_id for c in stage.gateway.charges})) == 0
    assert [c.status for c in stage.gateway.charges] == ["succeeded"] * 3
    assert counts(stage, run) == {"considered": 3, "succeeded": 3}
    assert stage.get(PaymentRun, run.id).status == "completed"


@pytest.mark.parametrize(
    ("behaves", "outcome"),
    [("succeeded", "succeeded"), ("declined:lost_card", "declined"), ("timeout_charged", "unknown")],
)
def test_of_two_workers_with_one_chunk_either_writes_down_what_became_of_the_charge(stage, behaves, outcome):
    stage.card("cus_a", behaves)
    id = stage.posted(due_on=TODAY)
    run = start_payment_run(stage.ports)
    stage.work(*stage.queue.waiting.pop()[1:])
    other = Meddling(stage.store, 1, lambda: charge_invoice(id, stage.ports, run=run))
    [found] = charge_chunk(run.id, 0, replace(stage.ports, store=other))
    assert (found.outcome, found.payment_id) == (outcome, attempt_id(id, 1))
    assert len(stage.gateway.charges) == 1


def test_an_attempt_of_its_own_is_recognised_though_the_index_does_not_show_it_yet(stage):
    behind = Behind(stage.store)
    stage.ports = replace(stage.ports, store=behind)
    stage.card("cus_a", "declined:insufficient_funds")
    id = stage.posted(due_on=TODAY)
    run = start_payment_run(stage.ports)
    stage.work(*stage.queue.waiting.pop()[1:])
    behind.freeze()

    def die():
        raise SimulatedCrash("before the chunk is done")

    with pytest.raises(SimulatedCrash):
        charge_chunk(run.id, 0, replace(stage.ports, store=Meddling(behind, 3, die)))
    [outcome] = charge_chunk(run.id, 0, stage.ports)
    assert (outcome.outcome, outcome.payment_id) == ("declined", attempt_id(id, 1))  # not skipped as scheduled


def test_messages_that_were_lost_are_sent_again_by_the_next_ticks(stage):
    owing(stage, 25)
    plan_at(stage, AT_11)
    stage.queue.waiting.clear()  # the selection is lost
    plan_at(stage, AT_11 + timedelta(minutes=15))
    stage.work(*stage.queue.waiting.pop()[1:])
    stage.queue.waiting.clear()  # and the chunks
    plan_at(stage, AT_11 + timedelta(minutes=30))
    stage.deliver("charge")
    assert runs(stage)[0].status == "completed"
    assert len(stage.gateway.charges) == 25


def test_a_reminder_of_a_large_run_sends_a_page_of_chunks_and_not_all_of_them(stage):
    stage.save(PaymentRun("prn_big", TODAY, NOW, status="collecting", cursor=None, chunks=500, created_at=NOW))
    for n in range(500):
        stage.save(Chunk("prn_big", "charge", n, ()))
    plan_at(stage, MIDNIGHT)
    stage.work(*stage.queue.waiting.pop()[1:])
    assert stage.queue.depth("charge") == 200


def test_a_scheduled_run_stops_charging_when_the_payment_run_is_switched_off(stage):
    stage.card()
    id = stage.posted(due_on=TODAY)
    plan_at(stage, AT_11)
    stage.settings(Settings())
    stage.deliver("charge")
    assert outcomes(stage, runs(stage)[0]) == {id: ("skipped", "autopay_off")}
    assert counts(stage, collect(stage)) == {"considered": 1, "succeeded": 1}  # asked for by a person

"""Bill runs message by message: whatever is repeated, lost, late or interrupted, the outcome is the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from types import SimpleNamespace

import pytest

from shared.contracts.messages import GenerateDrafts, PlanPosting, SelectCustomers, read
from shared.domain.billing import scheduled
from shared.domain.contract import Contract
from shared.domain.customer import Customer
from shared.domain.errors import Refused
from shared.domain.invoice import Invoice
from shared.domain.records import Owner
from shared.domain.runs import BillRun
from shared.domain.settings import BillRunSettings, Settings
from shared.domain.usage import UsageRecord
from shared.ports import Conflict, InTurn, Page, Save, Unavailable
from shared.storage.memory import MemoryStore
from shared.use_cases.bill_runs import bill_run_of, bill_run_summary
from shared.use_cases.cancel_bill_run import cancel_bill_run
from shared.use_cases.generate_drafts import generate_drafts
from shared.use_cases.plan_bill_runs import OCCURRENCES_MAX, REMIND_AFTER, plan_bill_runs
from shared.use_cases.record_usage import record_usage
from shared.use_cases.select_customers import CHUNK_CUSTOMERS, select_customers
from shared.use_cases.start_bill_run import BillRunRequest, start_bill_run
from shared.use_cases.void_invoice import void_invoice
from tests.unit.domain.billing_worlds import recurring, usage

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


class Died(BaseException):
    """The worker is gone."""


class Store(MemoryStore):
    """Counts commits, and can be made to die around one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.commits = 0
        self.die_at, self.die_after = 0, False
        self.before_commit = lambda changes: None

    def commit(self, *changes):
        self.commits += 1
        self.before_commit(changes)
        if self.commits == self.die_at and not self.die_after:
            raise Died
        super().commit(*changes)
        if self.commits == self.die_at:
            raise Died


class Queue:
    def __init__(self) -> None:
        self.sent, self.delayed = [], []

    def send(self, queue, bodies, delay_seconds=0):
        (self.delayed if delay_seconds else self.sent).extend((queue, body) for body in bodies)


class World:
    def __init__(self, customers=3, **bill_run) -> None:
        self.now = NOW
        self.store, self.queue, self.abreast = Store(), Queue(), InTurn()
        numbers = count(1)
        self.clock = SimpleNamespace(now=lambda: self.now)
        self.ids = SimpleNamespace(new=lambda prefix: f"{prefix}{next(numbers)}")
        self.store.commit(Save(Settings(bill_run=BillRunSettings(**bill_run))))
        for n in range(customers):
            self.customer(f"cus_{n}")

    def customer(self, id, *charges, contracts=1, start="2026-01-10"):
        self.store.commit(Save(Customer(id, id, email="ap@example.com")))
        on = date.fromisoformat(start)
        for n in range(contracts):
            made = Contract(f"con_{id}_{n}", id, "x", "USD", on, on, 15, charges=charges or (recurring(),))
            self.store.commit(Save(scheduled(made)), Save(Owner(made.id, id)))

    def deliver(self, times=1):
        """Work the queue off, each message as often as said; a worker that dies gets its message again."""
        for _ in range(2_000):
            if not self.queue.sent:
                return
            queue, body = self.queue.sent.pop(0)
            if queue == "post":
                assert read(body, PlanPosting)
                continue
            for _ in range(times):
                try:
                    self.work(body)
                except Died:
                    self.queue.sent.append((queue, body))
        raise AssertionError("the queue never empties")

    def work(self, body):
        message = read(body, SelectCustomers | GenerateDrafts)
        if isinstance(message, SelectCustomers):
            select_customers(message.run_id, self)
        else:
            generate_drafts(message.run_id, message.chunk, self)

    def all(self, kind):
        return list(self.store.dump().get(kind.__name__, {}).values())

    def run(self, **request):
        run = start_bill_run(BillRunRequest(**request), "me", self)
        self.deliver()
        return bill_run_of(run.id, self)

    def counts(self, run):
        return {k: v for k, v in bill_run_summary(run.id, self).counts.items() if v}


def billed(world):
    """What matters of a world, whoever made it in how many steps."""
    invoices = sorted((i.customer_id, str(i.bill_on), i.total_minor, i.line_count) for i in world.all(Invoice))
    contracts = sorted((c.id, str(c.next_bill_on)) for c in world.all(Contract))
    return invoices, contracts, [r.status for r in world.all(BillRun)]


def test_every_message_delivered_twice_changes_nothing():
    once, twice = World(60), World(60)
    start_bill_run(BillRunRequest(), "me", once)
    start_bill_run(BillRunRequest(), "me", twice)
    once.deliver()
    twice.deliver(times=2)
    assert billed(once) == billed(twice)
    assert len(once.all(Invoice)) == 180  # 10 January, 15 January, 15 February


@pytest.mark.parametrize("after", [False, True])
def test_a_worker_may_die_before_or_after_any_write(after):
    calm = World(3)
    calm.run()
    for nth in range(1, calm.store.commits + 1):
        world = World(3)
        run = start_bill_run(BillRunRequest(), "me", world)
        world.store.die_at, world.store.die_after = world.store.commits + nth, after
        world.deliver()
        assert billed(world) == billed(calm), nth
        assert world.counts(run) == {"drafts": 9, "flagged": 6}


def test_a_lost_hand_out_is_made_up_for_by_the_next_tick():
    world = World(3, enabled=True)
    run = start_bill_run(BillRunRequest(), "me", world)
    select_customers(run.id, world)  # all selected ...
    world.queue.sent.clear()  # ... and the messages lost
    world.now += REMIND_AFTER
    plan_bill_runs(world)
    world.deliver()
    assert bill_run_of(run.id, world).status == "completed"
    assert len(world.all(Invoice)) == 9


def test_one_customer_s_failure_is_recorded_and_all_others_are_billed():
    world = World(3)
    read_one = world.store.get

    def get(kind, partition, sort=""):
        if kind is Customer and partition == "cus_1":
            raise RuntimeError("cus_1 cannot be read")
        return read_one(kind, partition, sort)

    world.store.get = get
    run = world.run()
    summary = bill_run_summary(run.id, world)
    assert summary.counts["failed"] == 1
    assert [(f.customer_id, f.code, f.message) for f in summary.failures] == [
        ("cus_1", "failed", "RuntimeError: cus_1 cannot be read")
    ]
    assert {i.customer_id for i in world.all(Invoice)} == {"cus_0", "cus_2"}
    world.store.get = read_one
    assert world.counts(world.run()) == {"drafts": 3, "flagged": 2}


def test_a_store_that_is_away_is_no_failure_of_the_customer():
    world = World(1)
    run = start_bill_run(BillRunRequest(), "me", world)
    world.work(world.queue.sent.pop(0)[1])

    def away(changes):
        raise Unavailable("throttled")

    world.store.before_commit = away
    with pytest.raises(Unavailable):
        world.work(world.queue.sent[0][1])
    world.store.before_commit = lambda changes: None
    world.deliver()
    assert bill_run_summary(run.id, world).failures == ()
    assert len(world.all(Invoice)) == 3


def test_a_contract_that_changes_meanwhile_is_read_again():
    world = World(1)
    rivals = iter([1, 2, 3])

    def rival(changes):
        drafts = any(isinstance(c.entity, Invoice) for c in changes)
        if drafts and next(rivals, None) is not None:
            contract = world.store.get(Contract, "cus_0", "con_cus_0_0")
            MemoryStore.commit(world.store, Save(replace(contract, name="renamed")))

    world.store.before_commit = rival
    world.run()
    assert len(world.all(Invoice)) == 3
    assert [c.name for c in world.all(Contract)] == ["renamed"]


def test_a_customer_is_never_billed_by_two_chunks():
    world = World(0)
    world.customer("cus_a", contracts=3)
    for n in range(CHUNK_CUSTOMERS * 2):
        world.customer(f"cus_{n}")
    world.run()
    assert len([i for i in world.all(Invoice) if i.customer_id == "cus_a"]) == 3
    assert {i.line_count for i in world.all(Invoice) if i.customer_id == "cus_a"} == {3}


# ---- cancelling -----------------------------------------------------------------------------------------------


def test_a_run_cancelled_while_a_worker_is_at_it_leaves_nothing():
    world = World(3)
    untouched = billed(world)
    run = start_bill_run(BillRunRequest(), "me", world)

    def cancel_meanwhile(changes):
        if any(isinstance(c.entity, Invoice) for c in changes):
            world.store.before_commit = lambda changes: None
            cancel_bill_run(run.id, world)

    world.store.before_commit = cancel_meanwhile
    world.deliver()
    assert bill_run_of(run.id, world).status == "cancelled"
    assert billed(world)[:2] == untouched[:2]


def test_drafts_that_the_index_did_not_show_when_a_run_was_cancelled_go_when_it_is_looked_at_again():
    world = World(2)
    untouched = billed(world)[:2]
    run = world.run()
    find = world.store.find
    world.store.find = lambda *args, **more: Page(())  # far behind
    cancel_bill_run(run.id, world)
    world.deliver()
    assert len(world.all(Invoice)) == 6
    world.store.find = find
    world.queue.sent += world.queue.delayed
    world.deliver()
    assert billed(world)[:2] == untouched


@pytest.mark.parametrize("after", [False, True])
def test_a_cancellation_may_die_anywhere_and_be_repeated(after):
    world = World(2)
    untouched = billed(world)[:2]
    world.run()
    writes = 1 + 6  # the run, and a transaction for each draft
    for nth in range(1, writes + 1):
        world = World(2)
        run = world.run()
        world.store.die_at, world.store.die_after = world.store.commits + nth, after
        with pytest.raises(Died):
            cancel_bill_run(run.id, world)
        cancel_bill_run(run.id, world)
        world.deliver()
        assert billed(world)[:2] == untouched


def test_a_cancelled_run_does_nothing_any_more():
    world = World(2)
    run = start_bill_run(BillRunRequest(), "me", world)
    cancel_bill_run(run.id, world)
    world.deliver()
    assert world.all(Invoice) == []
    assert world.all(Contract)[0].progress == ()


def test_an_invoice_whose_periods_are_forgotten_cannot_be_voided():
    world = World(0)
    world.customer("cus_a", start="2025-01-15")
    world.now = datetime(2025, 12, 1, tzinfo=UTC)
    first = world.run(as_of=date(2025, 1, 15))
    for month in range(2, 17):
        world.now = datetime(2025 + (month - 1) // 12, (month - 1) % 12 + 1, 20, tzinfo=UTC)
        world.run()
    [invoice] = [i for i in world.all(Invoice) if i.bill_run_id == first.id]
    on = invoice.invoice_date
    posted = replace(world.store.get(Invoice, invoice.id).posted("INV-1", on, world.now, on))
    MemoryStore.commit(world.store, Save(posted))
    with pytest.raises(Refused, match="too long ago"):
        void_invoice(invoice.id, world)


# ---- the schedule ---------------------------------------------------------------------------------------------


def test_a_schedule_starts_when_it_is_switched_on_and_makes_nothing_up():
    world = World(1, enabled=True, schedule="0 * * * *")
    assert plan_bill_runs(world) == []
    world.now += timedelta(minutes=59)
    assert plan_bill_runs(world) == []
    world.now += timedelta(minutes=1)
    [run] = plan_bill_runs(world)
    assert (run.scheduled_for, run.as_of) == (datetime(2026, 3, 10, 13, tzinfo=UTC), date(2026, 3, 10))
    assert plan_bill_runs(world) == []


def test_a_schedule_that_is_off_records_nothing():
    world = World(1)
    plan_bill_runs(world)
    world.now += timedelta(days=3)
    assert plan_bill_runs(world) == []
    assert world.queue.sent == []


def test_missed_occurrences_run_one_after_the_other_each_as_of_its_own_date():
    world = World(1, enabled=True)
    plan_bill_runs(world)
    world.now += timedelta(days=3)
    assert [r.as_of.day for r in plan_bill_runs(world)] == [11, 12, 13]
    for _ in range(5):
        world.deliver()
        states = [r.status for r in sorted(world.all(BillRun), key=lambda r: r.as_of)]
        assert states == sorted(states)  # completed ones first: none overtakes another
        plan_bill_runs(world)
    assert {r.status for r in world.all(BillRun)} == {"completed"}
    assert {i.invoice_date.day for i in world.all(Invoice)} == {11}


def test_a_run_under_way_is_left_in_peace_until_it_seems_stuck():
    world = World(2, enabled=True)
    plan_bill_runs(world)
    world.now += timedelta(days=1)
    [run] = plan_bill_runs(world)
    world.work(world.queue.sent.pop(0)[1])  # selected; its chunks wait in the queue
    waiting = list(world.queue.sent)
    plan_bill_runs(world)
    assert world.queue.sent == waiting
    world.now += REMIND_AFTER
    plan_bill_runs(world)
    assert world.queue.sent[len(waiting) :] == [("bill_run", SelectCustomers(run_id=run.id).body())]


def test_a_tick_takes_up_a_bounded_number_of_occurrences_and_the_next_goes_on():
    world = World(0, enabled=True)
    plan_bill_runs(world)
    world.now += timedelta(days=40)
    assert [len(plan_bill_runs(world)) for _ in range(3)] == [OCCURRENCES_MAX, 9, 0]


def test_two_ticks_at_once_record_a_run_once():
    world = World(0, enabled=True)
    plan_bill_runs(world)
    world.now += timedelta(days=1)

    def other_tick(changes):
        world.store.before_commit = lambda changes: None
        plan_bill_runs(world)

    world.store.before_commit = other_tick
    plan_bill_runs(world)
    assert len(world.all(BillRun)) == 1


def test_a_run_that_posts_itself_goes_on_to_posting_unless_it_made_nothing():
    world = World(1, auto_post=True, gate="all")
    run = world.run()
    assert (run.status, run.post_round, run.post_all, run.post_cursor) == ("posting", 1, True, "")
    assert world.run().status == "completed"


# ---- usage ----------------------------------------------------------------------------------------------------


def used(id, on, quantity=1):
    at = datetime.fromisoformat(f"{on}T12:00:00+00:00")
    return UsageRecord(id, "con_cus_u_0", "gb", quantity=Decimal(quantity), occurred_at=at)


def test_usage_that_comes_while_its_period_is_being_billed_is_billed_now_or_late_but_never_lost():
    world = World(0)
    world.customer("cus_u", usage())
    record_usage([used("a", "2026-01-12", 10)], world)

    def late_arrival(changes):
        if any(isinstance(c.entity, Invoice) for c in changes):
            world.store.before_commit = lambda changes: None
            record_usage([used("b", "2026-01-13", 7)], world)

    world.store.before_commit = late_arrival
    world.run()
    assert sum(i.total_minor for i in world.all(Invoice)) == 17 * 5


def test_usage_recorded_while_a_run_bills_its_period_conflicts_and_is_marked_late():
    world = World(0)
    world.customer("cus_u", usage())
    record_usage([used("a", "2026-01-12", 10)], world)

    def run_meanwhile(changes):
        world.store.before_commit = lambda changes: None
        world.run()

    world.store.before_commit = run_meanwhile
    report = record_usage([used("b", "2026-01-13", 7)], world)
    assert report.accepted == 1
    assert [c.late_usage for c in world.all(Contract)] == [(("chg_u", date(2026, 1, 10)),)]


def test_a_batch_larger_than_a_transaction_is_taken_in_parts_and_repeated_without_harm():
    world = World(0)
    world.customer("cus_u", usage())
    batch = [used(f"r{n}", f"2026-02-{n % 28 + 1:02d}") for n in range(130)]
    assert record_usage(batch, world).accepted == 130
    assert record_usage(batch, world).duplicate == 130


def test_a_store_that_never_stands_still_is_given_up_on():
    world = World(0)
    world.customer("cus_u", usage())

    def busy(changes):
        raise Conflict((0,))

    world.store.before_commit = busy
    with pytest.raises(Unavailable):
        record_usage([used("a", "2026-02-01")], world)

"""Find the customers for whom collections have something to do on a due day. PRODUCT 9.

Two indexes in the same order, open invoices and collection states, are read side by side: a customer whose state
says that nothing happens before some later date costs no read of his own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from shared import ports as p
from shared.contracts.messages import AssessCustomers
from shared.domain.calendar import parse_cron
from shared.domain.ids import SHARDS
from shared.domain.runs import PaymentRun, Watermark
from shared.domain.settings import Settings
from shared.ports import Conflict, Index, Ports, Save
from shared.use_cases.lookups import entries, settings_of
from shared.use_cases.payment_runs import scheduled_run_id

OCCURRENCES_MAX = 31  # missed days taken up by one tick
CUSTOMERS_PER_MESSAGE = 25
RUNS_WAITED_FOR_MAX = 1_000  # occurrences of the payment run within its limit of patience
ENTRIES_MAX = 1_000_000  # open invoices or states in one shard
EASTMOST = timedelta(hours=14)  # no local date is further ahead of UTC


@dataclass(frozen=True, slots=True)
class Swept:
    """How many days were swept, and how many customers are to be assessed."""

    days: int = 0
    customers: int = 0
    waiting: bool = False


def sweep_past_due(ports: Ports) -> Swept:
    """Take up each due day in order; a day waits for the payment run that was due before it."""
    settings, now = settings_of(ports), ports.clock.now()
    if not settings.automations.past_due.enabled:
        return Swept()
    mark = ports.store.get(Watermark, "watermarks", "past_due")
    if mark is None:
        return _begin(now, ports)
    cron = parse_cron(settings.automations.past_due.schedule)
    days, customers = 0, 0
    for at in cron.between(mark.through, now, settings.business.timezone, OCCURRENCES_MAX):
        if _waits(at, settings, ports):
            return Swept(days, customers, waiting=True)
        try:
            found, mark = _sweep_day(at, mark, settings, ports)
        except Conflict:
            break  # another tick is at it
        days, customers = days + 1, customers + found
    return Swept(days, customers)


def _begin(now: datetime, ports: Ports) -> Swept:
    """Switched on just now: what was due before is not made up for."""
    try:
        ports.store.commit(Save(Watermark("past_due", now)))
    except Conflict:
        pass  # another tick began
    return Swept()


def _waits(at: datetime, settings: Settings, ports: Ports) -> bool:
    """Whether a payment run due at or before this occurrence is not finished, within the limit of patience."""
    patience = timedelta(hours=settings.payment_run.max_wait_hours)
    if not settings.payment_run.enabled or ports.clock.now() - at >= patience:
        return False
    zone, cron = settings.business.timezone, parse_cron(settings.payment_run.schedule)
    mark = ports.store.get(Watermark, "watermarks", "payment_run")
    if mark is not None and cron.between(mark.through, at, zone, 1):
        return True  # not even recorded yet
    due = cron.between(at - patience, at, zone, RUNS_WAITED_FOR_MAX)
    runs = ports.store.get_many(PaymentRun, [(scheduled_run_id(o), "") for o in due])
    return any(r.status in ("pending", "waiting", "collecting") for r in runs)


def _sweep_day(at: datetime, mark: Watermark, settings: Settings, ports: Ports) -> tuple[int, Watermark]:
    """Enqueue everyone with something to do at this occurrence; a sweep that was cut off goes on where it stopped.

    Doing a shard again enqueues nobody twice to any effect. How many were enqueued, and the moved mark.
    """
    found = 0
    first = int(mark.cursor or 0) if mark.occurrence == at else 0
    for shard in range(first, SHARDS):
        found += _sweep_shard(str(shard), at, settings, ports)
        last = shard == SHARDS - 1
        moved = replace(mark, occurrence=at, cursor=str(shard + 1))
        mark = _saved(replace(mark, through=at, occurrence=None, cursor=None) if last else moved, ports)
    return found, mark


def _saved(mark: Watermark, ports: Ports) -> Watermark:
    ports.store.commit(Save(mark))
    return replace(mark, version=mark.version + 1)


def _sweep_shard(shard: str, at: datetime, settings: Settings, ports: Ports) -> int:
    found = 0
    batch: list[str] = []
    for customer_id in _to_assess(shard, (at + EASTMOST).date(), settings.version, ports):
        batch.append(customer_id)
        if len(batch) == CUSTOMERS_PER_MESSAGE:
            found += _enqueue(batch, at, ports)
            batch = []
    return found + _enqueue(batch, at, ports)


def _enqueue(customer_ids: Sequence[str], at: datetime, ports: Ports) -> int:
    if customer_ids:
        ports.queue.send("assess", [AssessCustomers(customer_ids=tuple(customer_ids), occurred_at=at).body()])
    return len(customer_ids)


def _to_assess(shard: str, on: date, settings_version: int, ports: Ports) -> Iterator[str]:
    """Merge open invoices (by customer and due date) with states (by customer); both are sorted by customer id."""
    states = _by_customer(p.COLLECTION_STATES, shard, ports)
    state = next(states, None)
    for customer_id, oldest in _by_customer(p.INVOICES_OPEN, shard, ports):
        while state is not None and state[0] < customer_id:
            yield state[0]  # an episode, but nothing open any more: it is to be ended
            state = next(states, None)
        own = state if state is not None and state[0] == customer_id else None
        if own is not None:
            state = next(states, None)
        if _something_to_do(oldest, own, on, settings_version):
            yield customer_id
    while state is not None:
        yield state[0]
        state = next(states, None)


def _something_to_do(
    oldest: Sequence[str], state: tuple[str, Sequence[str]] | None, on: date, settings_version: int
) -> bool:
    """Past due with no state that still holds; or not past due (any more) with an episode that should have ended."""
    late = oldest[0] < str(on)
    if state is None:
        return late
    next_on, known_oldest, version = state[1]
    return not late or known_oldest != oldest[0] or version != str(settings_version) or next_on <= str(on)


def _by_customer(index: Index[p.E], shard: str, ports: Ports) -> Iterator[tuple[str, Sequence[str]]]:
    """The first entry of each customer in an index shard, as (customer id, the rest of the sort value's parts)."""
    last = None
    for entry in entries(ports, index, shard, most=ENTRIES_MAX):
        customer_id, *rest = entry.at.split("#")
        if customer_id != last:
            last = customer_id
            yield customer_id, rest

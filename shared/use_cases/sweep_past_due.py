"""Find the customers for whom collections have something to do on a due day. PRODUCT 9.

Two indexes in the same order, open invoices and collection states, are read side by side: a customer whose state
says that nothing happens before some later date costs no read of his own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import takewhile

from shared import ports as p
from shared.contracts.messages import AssessCustomers
from shared.domain.calendar import parse_cron
from shared.domain.collection import seen_of
from shared.domain.copies import replace
from shared.domain.ids import SHARDS
from shared.domain.late_fees import charges
from shared.domain.policy import CustomerClass
from shared.domain.runs import PaymentRun, Watermark
from shared.domain.settings import Settings
from shared.domain.values import dataclass
from shared.ports import Conflict, Index, Ports, Save
from shared.use_cases.lookups import EASTMOST, all_classes, entries, settings_of
from shared.use_cases.payment_runs import scheduled_run_id

OCCURRENCES_MAX = 31  # missed days taken up by one tick
CUSTOMERS_PER_MESSAGE = 25
RUNS_WAITED_FOR_MAX = 1_000  # occurrences of the payment run within its limit of patience
ENTRIES_MAX = 1_000_000  # open invoices or states in one shard
WESTMOST = timedelta(hours=-12)  # nor further behind
A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Swept:
    """How many days were swept, and how many customers are to be assessed."""

    days: int = 0
    customers: int = 0
    waiting: bool = False


def sweep_past_due(ports: Ports) -> Swept:
    """Take up the days that are due, several in one go if some were missed; each waits for its payment run."""
    settings, now = settings_of(ports), ports.clock.now()
    mark = ports.store.get(Watermark, "watermarks", "past_due")
    if mark is None:
        return _begin(now, ports)
    cron = parse_cron(settings.automations.past_due.schedule)
    due = cron.between(mark.through, now, settings.business.timezone, OCCURRENCES_MAX)
    ready = list(takewhile(lambda at: not _waits(at, settings, ports), due))
    if not ready:
        return Swept(waiting=bool(due))
    try:
        found = _sweep_days(ready, mark, settings, ports)
    except Conflict:
        return Swept()  # another tick is at it
    return Swept(len(ready), found, waiting=len(ready) < len(due))


def _begin(now: datetime, ports: Ports) -> Swept:
    """Switched on just now: what was due before is not made up for."""
    try:
        ports.store.commit(Save(Watermark("past_due", now)))
    except Conflict:
        pass  # another tick began
    return Swept()


def collects(its_class: CustomerClass) -> bool:
    """Whether the class charges late fees or restricts service, which needs no switch but the customer's own."""
    return any(
        charges(policy.late_fee) or policy.limit_after_days or policy.suspend_after_days or policy.terminate_after_days
        for policy in (its_class.regular, its_class.out_of_turn)
    )


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


def _sweep_days(ready: Sequence[datetime], mark: Watermark, settings: Settings, ports: Ports) -> int:
    """Enqueue everyone with something to do at these occurrences; a sweep that was cut off goes on where it stopped.

    Days without an occurrence of their own, such as a weekend, belong to the next one that has; a day on which the job
    was switched on, to its own. Doing a shard again enqueues nobody twice to any effect. How many were enqueued.
    """
    found, at = 0, ready[-1]
    first = int(mark.cursor or 0) if mark.occurrence == at else 0
    sweep = _sweep_of(at, min(mark.through, ready[0] - A_DAY), settings, ports)
    for shard in range(first, SHARDS):
        found += _sweep_shard(str(shard), sweep, ports)
        last = shard == SHARDS - 1
        moved = replace(mark, occurrence=at, cursor=str(shard + 1))
        mark = _saved(replace(mark, through=at, occurrence=None, cursor=None) if last else moved, ports)
    return found


def _saved(mark: Watermark, ports: Ports) -> Watermark:
    ports.store.commit(Save(mark))
    return replace(mark, version=mark.version + 1)


@dataclass(frozen=True, slots=True)
class _Sweep:
    """What a sweep looks for. `on` is the last local date anywhere, `reminded` the due dates reminded of on these days.

    `acts` is False where nothing is switched on: then only episodes that run are looked after. Texts are as indexes
    hold them.
    """

    at: datetime
    after: datetime
    on: str
    reminded: frozenset[str]
    acts: bool
    settings_version: str
    classes: Mapping[str, str]


def _sweep_of(at: datetime, after: datetime, settings: Settings, ports: Ports) -> _Sweep:
    classes = all_classes(ports)
    mail = settings.automations.past_due.enabled
    acts = mail or any(t.actions for t in settings.automations.past_due.triggers) or any(map(collects, classes))
    # What day is looked at is told by assess_customer: the one after the last sweep's, wherever the customer is.
    first, last = min((after + WESTMOST).date() + A_DAY, (at + WESTMOST).date()), (at + EASTMOST).date()
    span = range(min((last - first).days, OCCURRENCES_MAX) + 1)
    days = {d for c in classes for policy in (c.regular, c.out_of_turn) for d in policy.reminders_before_due}
    reminded = {str(last - timedelta(days=n) + timedelta(days=d)) for n in span for d in days} if mail else set()
    versions = {c.id: str(c.version) for c in classes}
    return _Sweep(at, after, str(last), frozenset(reminded), acts, str(settings.version), versions)


def _sweep_shard(shard: str, sweep: _Sweep, ports: Ports) -> int:
    found = 0
    batch: list[str] = []
    for customer_id in _to_assess(shard, sweep, ports):
        batch.append(customer_id)
        if len(batch) == CUSTOMERS_PER_MESSAGE:
            found += _enqueue(batch, sweep, ports)
            batch = []
    return found + _enqueue(batch, sweep, ports)


def _enqueue(customer_ids: Sequence[str], sweep: _Sweep, ports: Ports) -> int:
    if customer_ids:
        message = AssessCustomers(customer_ids=tuple(customer_ids), occurred_at=sweep.at, after=sweep.after)
        ports.queue.send("assess", [message.body()])
    return len(customer_ids)


def _to_assess(shard: str, sweep: _Sweep, ports: Ports) -> Iterator[str]:
    """Merge open invoices (by customer and due date) with states (by customer); both are sorted by customer id."""
    states = ((c, rest[0]) for c, rest in _by_customer(p.COLLECTION_STATES, shard, ports))
    state = next(states, None)
    if state is None and not sweep.acts:
        return
    for customer_id, invoices in _by_customer(p.INVOICES_OPEN, shard, ports):
        while state is not None and state[0] < customer_id:
            yield state[0]  # followed, but nothing open any more: its episode is to be ended
            state = next(states, None)
        own = state[1] if state is not None and state[0] == customer_id else None
        if own is not None:
            state = next(states, None)
        if _something_to_do(invoices, own, sweep):
            yield customer_id
    while state is not None:
        yield state[0]
        state = next(states, None)


def _something_to_do(invoices: Sequence[Sequence[str]], state: Sequence[str] | None, sweep: _Sweep) -> bool:
    """Past due with no state that still holds; not past due (any more) but followed; or to be reminded."""
    late = invoices[0][0] < sweep.on
    reminded = any(due_on in sweep.reminded for due_on, _ in invoices)
    if state is None:
        return (late or reminded) and sweep.acts
    next_on, seen, settings_version, class_id, class_version = state
    if reminded or not late or next_on <= sweep.on or settings_version != sweep.settings_version:
        return True
    return class_version != sweep.classes.get(class_id) or seen != seen_of((d, i) for d, i in invoices)


def _by_customer(index: Index[p.E], shard: str, ports: Ports) -> Iterator[tuple[str, list[Sequence[str]]]]:
    """The entries of each customer in an index shard, as (customer id, the rest of each sort value's parts)."""
    found: list[Sequence[str]] = []
    last: str | None = None
    for entry in entries(ports, index, shard, most=ENTRIES_MAX):
        customer_id, *rest = entry.at.split("#")
        if last is not None and customer_id != last:
            yield last, found
            found = []
        last = customer_id
        found.append(rest)
    if last is not None:
        yield last, found

"""What an admin sees first: what ran lately, what runs next, and what needs a person. PRODUCT 12.

Everything is found through indexes, newest first and up to a bound, so that the cost does not grow with the customers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from shared import ports as p
from shared.domain.calendar import NeverAgain, parse_cron
from shared.domain.ids import SHARDS
from shared.domain.notice import Notice
from shared.domain.payment import Payment
from shared.domain.runs import BillRun, Failure, Job, PaymentRun
from shared.domain.settings import Settings
from shared.domain.values import dataclass
from shared.ports import Entry, Index, Ports
from shared.use_cases.bill_runs import PARKED, failures_of

RUNS_SHOWN = 8
RUNS_LOOKED_AT = 40  # for drafts that wait for a person
RUNS_REVIEWED = 3  # the latest of them, whose failures and mails are looked at
SHOWN_MAX = 10  # of each kind of thing that needs a person
PER_SHARD = 10
NOTICES_PER_SHARD = 12  # the latest: mail that failed lately is among them
DRAFTS_COUNTED_MAX = 1_000

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Review:
    """A run whose drafts wait for a person. Beyond DRAFTS_COUNTED_MAX drafts the counts are at least these."""

    run: BillRun
    drafts: int
    flagged: int


@dataclass(frozen=True, slots=True)
class NextTime:
    """When a job of the settings runs next; `at` is None while it is switched off."""

    job: Job
    schedule: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Today:
    bill_runs: tuple[BillRun, ...]
    payment_runs: tuple[PaymentRun, ...]
    review: tuple[Review, ...]
    parked: tuple[Failure, ...]
    unknown: tuple[Payment, ...]
    unsent: tuple[Notice, ...]
    next_times: tuple[NextTime, ...]


def look_today(settings: Settings, ports: Ports) -> Today:
    bill_runs = latest_bill_runs(ports, RUNS_LOOKED_AT)
    reviewed = bill_runs[:RUNS_REVIEWED]
    parked = {f.customer_id: f for run in reviewed for f in failures_of(run, ports) if f.code == PARKED}
    return Today(
        bill_runs[:RUNS_SHOWN],
        latest_payment_runs(ports, RUNS_SHOWN),
        tuple(review_of(run, ports) for run in bill_runs if run.status == "completed"),
        tuple(parked.values())[:SHOWN_MAX],
        _unknown(ports),
        _unsent(reviewed, ports),
        next_times(settings, ports.clock.now()),
    )


def latest_bill_runs(ports: Ports, most: int) -> tuple[BillRun, ...]:
    """Newest first."""
    return tuple(_latest(p.BILL_RUNS, BillRun, "all", most, ports))


def latest_payment_runs(ports: Ports, most: int) -> tuple[PaymentRun, ...]:
    """Newest first."""
    return tuple(_latest(p.PAYMENT_RUNS, PaymentRun, "all", most, ports))


def _latest(index: Index[Any], kind: type[E], partition: str, most: int, ports: Ports) -> list[E]:
    found = ports.store.find(index, partition, limit=most, reverse=True).items
    return ports.store.get_many(kind, [e.key for e in found])


def review_of(run: BillRun, ports: Ports) -> Review:
    found = drafts_of(run.id, ports)
    return Review(run, len(found), sum(1 for d in found if d.flags))


@dataclass(frozen=True, slots=True)
class Draft:
    """What the index tells of a draft."""

    id: str
    customer_id: str
    flags: tuple[str, ...]
    currency: str
    total_minor: int


def drafts_of(run_id: str, ports: Ports, most: int = DRAFTS_COUNTED_MAX) -> list[Draft]:
    """A run's drafts, those that the spot check flagged first."""
    found = ports.store.find(p.INVOICES_BY_RUN, run_id, prefix="draft#", limit=most).items
    return sorted(map(_draft, found), key=lambda d: not d.flags)


def _draft(entry: Entry) -> Draft:
    _, customer, _, id, codes, currency, total = entry.at.split("#")
    return Draft(id, customer, tuple(codes.split(",")) if codes else (), currency, int(total))


def _unknown(ports: Ports) -> tuple[Payment, ...]:
    """Attempts of which the gateway has not said what became."""
    entries = _in_shards(p.PAYMENTS_UNRESOLVED, PER_SHARD, ports, reverse=False)
    found = ports.store.get_many(Payment, [e.key for e in entries])
    return tuple(payment for payment in found if payment.status == "unknown")[:SHOWN_MAX]


def _unsent(runs: Sequence[BillRun], ports: Ports) -> tuple[Notice, ...]:
    """Mail that failed or came back: of the latest runs, and among the latest of all."""
    entries = list(_in_shards(p.NOTICES, NOTICES_PER_SHARD, ports, reverse=True))
    for run in runs:
        for status in ("failed", "bounced"):
            entries += ports.store.find(p.NOTICES_BY_RUN, run.id, prefix=f"{status}#", limit=SHOWN_MAX).items
    keys = list(dict.fromkeys(e.key for e in entries))
    found = [n for n in ports.store.get_many(Notice, keys) if n.status in ("failed", "bounced")]
    return tuple(sorted(found, key=lambda n: n.created_at, reverse=True)[:SHOWN_MAX])


def _in_shards(index: Index[Any], each: int, ports: Ports, reverse: bool) -> Iterable[Entry]:
    for shard in range(SHARDS):
        yield from ports.store.find(index, str(shard), limit=each, reverse=reverse).items


# ---- schedules --------------------------------------------------------------------------------------------------


def next_times(settings: Settings, now: datetime) -> tuple[NextTime, ...]:
    """For each job the next time, in order; those that are switched off last."""
    summary, past_due = settings.automations.account_summary, settings.automations.past_due
    jobs: tuple[tuple[Job, bool, str], ...] = (
        ("bill_run", settings.bill_run.enabled, settings.bill_run.schedule),
        ("payment_run", settings.payment_run.enabled, settings.payment_run.schedule),
        ("past_due", True, past_due.schedule),  # fees and steps come by it whether or not its mail is on
        ("account_summary", summary.enabled, summary.schedule),
    )
    zone = settings.business.timezone
    found = [NextTime(j, s, next(iter(times_of(s, zone, now, 1)), None) if on else None) for j, on, s in jobs]
    return tuple(sorted(found, key=lambda n: (n.at is None, n.at or now)))


def times_of(schedule: str, timezone: str, after: datetime, count: int) -> list[datetime]:
    """The next times of a schedule, fewer where the calendar ends. Raises InvalidCron, UnknownTimezone."""
    cron, found = parse_cron(schedule), []
    for _ in range(count):
        try:
            after = cron.next_after(after, timezone)
        except NeverAgain:
            break
        found.append(after)
    return found

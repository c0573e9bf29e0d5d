"""When a tick will next find something to do: between such moments nothing at all happens by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

from shared import ports as p
from shared.domain.account_summary import SummarySchedule
from shared.domain.calendar import parse_cron
from shared.domain.runs import Job, Watermark
from shared.domain.settings import Settings
from shared.ports import Index, Ports
from shared.use_cases.lookups import settings_of, shards
from shared.use_cases.sweep_notices import HINT_LOST


def next_due(ports: Ports) -> datetime | None:
    """The earliest instant, which may have passed, at which a scheduled job has something to do; None: never."""
    return min(_due(ports), default=None)


def _due(ports: Ports) -> Iterator[datetime]:
    settings, now = settings_of(ports), ports.clock.now()
    looked_at: tuple[Index[Any], ...] = (p.BILL_RUNS_ACTIVE, p.PAYMENT_RUNS_ACTIVE, p.EVENTS_PENDING)
    for index in looked_at:  # by each tick
        if ports.store.find(index, "all", limit=1).items:
            yield now
    yield from (_occurrence(job, settings, ports) or now for job in _jobs(settings))
    if settings.automations.account_summary.enabled:
        yield from _summaries(now, ports)
    for shard in shards():
        yield from (at + HINT_LOST for at in _first(p.NOTICES_PENDING, shard, ports))
        yield from _first(p.PAYMENTS_UNRESOLVED, shard, ports)


def _jobs(settings: Settings) -> Iterator[Job]:
    """Collections are swept whatever is switched on: fees and service steps need no switch."""
    if settings.bill_run.enabled:
        yield "bill_run"
    if settings.payment_run.enabled:
        yield "payment_run"
    yield "past_due"


def _occurrence(job: Job, settings: Settings, ports: Ports) -> datetime | None:
    """The first after the job's watermark; None while it has none, which its first tick makes."""
    mark = ports.store.get(Watermark, "watermarks", job)
    if mark is None:
        return None
    schedules = {
        "bill_run": settings.bill_run.schedule, "payment_run": settings.payment_run.schedule,
        "past_due": settings.automations.past_due.schedule,
    }  # fmt: skip
    return _after(schedules[job], settings.business.timezone, mark.through)


@lru_cache(maxsize=1_024)
def _after(schedule: str, timezone: str, through: datetime) -> datetime:
    return parse_cron(schedule).next_after(through, timezone)


def _summaries(now: datetime, ports: Ports) -> Iterator[datetime]:
    mark = ports.store.get(Watermark, "watermarks", "account_summary")
    if mark is None or mark.cursor != str(mark.version):
        yield now  # the schedules are still to be planned
    page = ports.store.find(p.SUMMARIES_DUE, "all", limit=1)
    for schedule in ports.store.get_many(SummarySchedule, [e.key for e in page.items]):
        if schedule.next_at is not None:
            yield schedule.next_at


def _first(index: Index[p.E], shard: str, ports: Ports) -> Iterator[datetime]:
    """The instant that the first entry of an index is sorted by."""
    for entry in ports.store.find(index, shard, limit=1).items:
        text = entry.at.partition("#")[0]
        if text:
            yield datetime.fromisoformat(text.replace("Z", "+00:00"))

"""Scheduled bill runs: one per due occurrence, one after the other. PRODUCT 4."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from shared import ports as p
from shared.contracts.messages import SelectCustomers
from shared.domain.calendar import local_date, parse_cron
from shared.domain.copies import replace
from shared.domain.ids import derive_id
from shared.domain.runs import BillRun, Watermark
from shared.domain.settings import Settings
from shared.ports import Conflict, Ports, Save
from shared.use_cases.lookups import settings_of

OCCURRENCES_MAX: Final = 31  # missed occurrences taken up by one tick; the next tick takes up more
REMIND_AFTER: Final = timedelta(minutes=30)  # a run that takes longer may have lost a message


def plan_bill_runs(ports: Ports) -> list[BillRun]:
    """Record a run for each due occurrence; start the oldest that waits, and remind those that seem to be stuck."""
    settings = settings_of(ports)
    made = _record_due(settings, ports) if settings.bill_run.enabled else []
    _move_on(ports, made)
    return made


def _record_due(settings: Settings, ports: Ports) -> list[BillRun]:
    """Without a watermark the schedule starts now: what was due before it was switched on is not made up for."""
    now = ports.clock.now()
    mark = ports.store.get(Watermark, "watermarks", "bill_run") or Watermark("bill_run", now)
    cron = parse_cron(settings.bill_run.schedule)
    due = cron.between(mark.through, now, settings.business.timezone, OCCURRENCES_MAX)
    if not due and mark.version:
        return []
    runs = _unrecorded([_scheduled(at, settings, now) for at in due], ports)
    try:
        ports.store.commit(Save(replace(mark, through=due[-1] if due else mark.through)), *map(Save, runs))
    except Conflict:
        return []  # another tick recorded them
    return runs


def scheduled_bill_run_id(occurrence: datetime) -> str:
    """Derived from the occurrence: each has one run."""
    return derive_id("brn_", "bill_run", occurrence.isoformat())


def _unrecorded(runs: list[BillRun], ports: Ports) -> list[BillRun]:
    known = {r.id for r in ports.store.get_many(BillRun, [(r.id, "") for r in runs])}
    return [r for r in runs if r.id not in known]


def _scheduled(occurrence: datetime, settings: Settings, now: datetime) -> BillRun:
    return BillRun(
        id=scheduled_bill_run_id(occurrence), scheduled_for=occurrence, created_at=now,
        as_of=local_date(occurrence, settings.business.timezone),
    )  # fmt: skip


def _move_on(ports: Ports, made: Sequence[BillRun]) -> None:
    """Scheduled runs go one after the other, so that each bills what its own date makes due; ad hoc ones do not wait.

    The index may not show yet what was recorded a moment ago, so that is looked at too.
    """
    page = ports.store.find(p.BILL_RUNS_ACTIVE, "all")
    ids = dict.fromkeys([*(e.partition for e in page.items), *(r.id for r in made)])
    runs = [r for r in ports.store.get_many(BillRun, [(i, "") for i in ids]) if r.status in ("pending", "generating")]
    reminded = [r for r in runs if _seems_stuck(r, ports)]
    scheduled = sorted((r for r in runs if r.scheduled_for), key=lambda r: (str(r.scheduled_for), r.id))
    if scheduled and scheduled[0].status == "pending" and scheduled[0] not in reminded:
        reminded.append(scheduled[0])
    ports.queue.send("bill_run", [SelectCustomers(run_id=r.id).body() for r in reminded])


def _seems_stuck(run: BillRun, ports: Ports) -> bool:
    """A scheduled run that is still pending is not stuck: it waits for its turn."""
    if run.scheduled_for is not None and run.status == "pending":
        return False
    began = run.created_at or run.scheduled_for
    return began is not None and ports.clock.now() - began >= REMIND_AFTER

"""The bill runs and payment runs of a stretch of days, recounted. PRODUCT 12."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, TypeVar

from shared import ports as p
from shared.domain.calendar import local_date
from shared.domain.errors import TooMuch
from shared.domain.runs import BillRun, PaymentRun
from shared.domain.values import dataclass
from shared.ports import Index, Ports
from shared.use_cases.bill_runs import BillRunSummary, bill_run_summary
from shared.use_cases.payment_runs import PaymentRunSummary, payment_run_summary
from shared.use_cases.report_ledger import REQUEST, begin

RUNS_MAX: Final = 400  # of one report: a year of daily runs of one kind
ONE_DAY: Final = timedelta(days=1)

R = TypeVar("R", BillRun, PaymentRun)


@dataclass(frozen=True, slots=True)
class RunReport:
    """The runs made on the days from `since` through `through`, local dates of the business, oldest first."""

    since: date
    through: date
    bill_runs: tuple[tuple[BillRun, BillRunSummary], ...]
    payment_runs: tuple[tuple[PaymentRun, PaymentRunSummary], ...]


def run_report(ports: Ports, as_of: date | None, days: int) -> RunReport:
    """What each run made, as it stands now, for the `days` days that end with `as_of` (default: today)."""
    reading = begin(ports, None, as_of)
    through = as_of or reading.today
    since, zone = through - timedelta(days=days - 1), reading.settings.business.timezone
    bills = list(_made(p.BILL_RUNS, BillRun, since, through, zone, ports))
    payments = list(_made(p.PAYMENT_RUNS, PaymentRun, since, through, zone, ports))
    if len(bills) + len(payments) > RUNS_MAX:
        raise TooMuch(f"there are more than {RUNS_MAX} runs in these days: ask for fewer days")
    billed, paid = [], []
    for run in bills:
        _in_time(reading.now, ports)
        billed.append((run, bill_run_summary(run.id, ports)))
    for payment_run in payments:
        _in_time(reading.now, ports)
        paid.append((payment_run, payment_run_summary(payment_run, ports)))
    return RunReport(since, through, tuple(billed), tuple(paid))


def _in_time(begun_at: datetime, ports: Ports) -> None:
    if ports.clock.now() - begun_at > timedelta(seconds=REQUEST.seconds):
        raise TooMuch("recounting the runs of these days takes longer than one request can: ask for fewer days")


def _made(index: Index[R], kind: type[R], since: date, through: date, zone: str, ports: Ports) -> Iterator[R]:
    """Latest first in the index, oldest first in the answer; RUNS_MAX of them and one more at most."""
    begins = (datetime.combine(since, time(0), UTC) - ONE_DAY).isoformat()
    found: list[R] = []
    after: str | None = None
    while len(found) <= RUNS_MAX:
        page = ports.store.find(index, "all", after=after, reverse=True)
        young = [e.key for e in page.items if e.at >= begins]
        runs = ports.store.get_many(kind, young)
        found += [r for r in runs if r.created_at and since <= local_date(r.created_at, zone) <= through]
        after = page.cursor
        if after is None or len(young) < len(page.items):
            break
    return reversed(found)

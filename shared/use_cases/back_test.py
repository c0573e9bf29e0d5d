"""What a rehearsal from a past day would have said of the money, beside what then came in. PRODUCT 12.

It knows what was owed at the end of that day, and how everybody had paid until then. What was billed later is left out:
contracts are known as they are now only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any, Final, Literal

from shared.domain.autopay import AutopayList
from shared.domain.calendar import local_date, zone
from shared.domain.copies import replace
from shared.domain.customer import Customer, Switches
from shared.domain.invoice import Invoice
from shared.domain.payment import Payment, PaymentMethod
from shared.domain.policy import CustomerClass
from shared.domain.settings import Settings
from shared.domain.values import dataclass
from shared.use_cases.rehearsed import WeekOfCash

END_OF_DAY: Final = time(23, 59)
Way = Literal["expected", "by_due_date"]
BROUGHT: Final = ("succeeded", "refunded")


@dataclass(frozen=True, slots=True)
class WeekCompared:
    """Cash up to and including a day, since the day before the first, by currency in minor units."""

    forecast: WeekOfCash
    really: dict[str, int]
    by_due_date: dict[str, int]  # had everybody paid on the due date, and what was overdue at once


@dataclass(frozen=True, slots=True)
class BackTest:
    """`owed` is what was open at the end of `since`, by currency in minor units."""

    since: date
    owed: dict[str, int]
    weeks: tuple[WeekCompared, ...]

    def off_by(self, currency: str, way: Way) -> int | None:
        """How far a forecast is from what came in, on the mean over the weeks, in hundredths of a percent of what was
        owed, rounded up; None where nothing was."""
        owed, apart = self.owed.get(currency, 0), 0
        if not owed or not self.weeks:
            return None
        for week in self.weeks:
            said = week.forecast.expected if way == "expected" else week.by_due_date
            apart += abs(said.get(currency, 0) - week.really.get(currency, 0))
        return -(-apart * 10_000 // (owed * len(self.weeks)))

    def within_band(self, currency: str) -> int:
        """In how many of the weeks what came in lay between low and high."""
        return sum(
            w.forecast.low.get(currency, 0) <= w.really.get(currency, 0) <= w.forecast.high.get(currency, 0)
            for w in self.weeks
        )


def end_of(on: date, timezone: str) -> datetime:
    return datetime.combine(on, END_OF_DAY, zone(timezone))


def as_they_were(records: Iterable[Any], at: datetime) -> list[Any]:
    """What of these records was known at that instant, as far as it bears on what was owed."""
    records = list(records)
    payments = [r for r in records if isinstance(r, Payment)]
    since: Counter[str] = Counter()
    for payment in payments:
        if _brought(payment) and (payment.settled_at or payment.at) > at:
            since.update({a.invoice_id: a.amount_minor for a in payment.allocations})
    tried = Counter(p.invoice_id for p in payments if p.attempt is not None and p.at <= at)
    return [r for record in records if (r := _then(record, at, since, tried)) is not None]


def _then(record: Any, at: datetime, since: Mapping[str, int], tried: Mapping[str | None, int]) -> Any:
    """A record as it was; None for what there was not, or what nothing is to be done about."""
    if isinstance(record, Settings):
        return replace(record, bill_run=replace(record.bill_run, enabled=False))
    if isinstance(record, Customer):
        return replace(record, automations=Switches(), hold=None, promise=None)
    if isinstance(record, CustomerClass | AutopayList):
        return record
    if isinstance(record, PaymentMethod):
        return record if record.created_at is None or record.created_at <= at else None
    if isinstance(record, Payment):
        return record if (record.settled_at or record.at) <= at else None
    if isinstance(record, Invoice) and record.status == "posted" and record.posted_at and record.posted_at <= at:
        residual = record.residual_minor + since.get(record.id, 0)
        return replace(
            record, residual_minor=residual, settled_at=None if residual else record.settled_at, hold=None,
            open_attempt_id=None, attempts=tried.get(record.id, 0), next_attempt_on=None, retries=0,
            autopay_ended=False,
        )  # fmt: skip
    return None


def _brought(payment: Payment) -> bool:
    return payment.status in BROUGHT


def back_test(
    records: Iterable[Any], known: Iterable[Any], weeks: Sequence[WeekOfCash], since: date, timezone: str
) -> BackTest:
    """The forecast of `weeks`, made of what was `known` then, beside what the records say came in for it."""
    owed = [r for r in known if isinstance(r, Invoice) and r.collectable()]
    ids = {invoice.id for invoice in owed}
    came = list(_came(records, ids, end_of(since, timezone), timezone))
    due = [(max(i.due_on or since, since), i.residual_minor, i.currency) for i in owed]
    compared = (WeekCompared(w, _by(came, w.on), _by(due, w.on)) for w in weeks)
    return BackTest(since, _by([(since, amount, c) for _, amount, c in due], since), tuple(compared))


def _came(records: Iterable[Any], ids: set[str], at: datetime, timezone: str) -> Iterator[tuple[date, int, str]]:
    for payment in records:
        if not isinstance(payment, Payment) or not _brought(payment) or payment.method == "credit":
            continue
        paid_at = payment.settled_at or payment.at
        paid = sum(a.amount_minor for a in payment.allocations if a.invoice_id in ids)
        if paid_at > at and paid:
            yield local_date(paid_at, timezone), paid, payment.currency


def _by(amounts: Iterable[tuple[date, int, str]], on: date) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for day, amount, currency in amounts:
        if day <= on:
            sums[currency] += amount
    return dict(sums)

"""Aged receivables, days sales outstanding and collection effectiveness, at any past date. PRODUCT 12."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from shared.domain.invoice import Invoice
from shared.domain.receivables import credit_on, sales
from shared.domain.reports import Aged, Bucket, Period, bucket_of, summed
from shared.domain.values import dataclass
from shared.ports import Ports
from shared.use_cases.report_ledger import (
    DRAFT_DAYS_MAX,
    Limits,
    Reading,
    begin,
    changes_since,
    credits_now,
    invoices_since,
    open_now,
    owed_at,
    set_aside_since,
)

ONE_DAY: Final = timedelta(days=1)
EVERYBODY: Final = ""  # in place of a customer, where only the totals are asked for


# ---- ageing ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AgedCustomer:
    customer_id: str
    name: str
    by_currency: dict[str, Aged]


@dataclass(frozen=True, slots=True)
class AgedReceivables:
    """`items` are the customers that owe or have credit, by name, if they were asked for; `totals` always has the
    business's currency.
    """

    as_of: date
    totals: dict[str, Aged]
    items: tuple[AgedCustomer, ...]


def aged_receivables(
    ports: Ports,
    as_of: date | None = None,
    customer_id: str | None = None,
    items: bool = True,
    limits: Limits | None = None,
) -> AgedReceivables:
    """What is owed by age past due, per customer and currency, with credit beside it.

    Without `as_of` it is the present: every invoice with its age on its customer's local date, as the accounts say.
    With it, what stood at the end of that local date of each customer, aged by that date.
    """
    reading = begin(ports, customer_id, as_of, limits)
    found: dict[str, dict[str, Aged]] = {}
    buckets: dict[tuple[date | None, date], Bucket] = {}

    def aged(owner: str, currency: str) -> Aged:
        of = found.setdefault(owner if items else EVERYBODY, {})
        return of.get(currency) or of.setdefault(currency, Aged())

    owed, credit = _present(reading) if as_of is None else _past(reading, as_of)
    for invoice, minor, on in owed:
        key = (invoice.due_on, on)
        bucket = buckets.get(key) or buckets.setdefault(key, bucket_of(*key))
        aged(invoice.customer_id, invoice.currency).owed_minor[bucket] += minor
    for (owner, currency), minor in credit.items():
        aged(owner, currency).credit_minor += minor
    told = [_item(reading, *part) for part in found.items()] if items else []
    told.sort(key=lambda i: (i.name.casefold(), i.customer_id))
    nothing = {reading.settings.business.currency: Aged()}
    return AgedReceivables(as_of or reading.today, summed([nothing, *found.values()]), tuple(told))


def _item(reading: Reading, customer_id: str, by_currency: dict[str, Aged]) -> AgedCustomer:
    customer = reading.customers.get(customer_id)
    return AgedCustomer(customer_id, customer.name if customer else customer_id, dict(sorted(by_currency.items())))


Ageing = tuple[Iterator[tuple[Invoice, int, date]], dict[tuple[str, str], int]]  # (invoice, owed, its date), credit


def _present(reading: Reading) -> Ageing:
    credit = {
        (c.customer_id, c.currency): c.amount_minor for page in credits_now(reading) for c in page if c.amount_minor
    }
    owed = ((i, i.residual_minor, reading.local_today(i.customer_id)) for page in open_now(reading) for i in page)
    return owed, credit


def _past(reading: Reading, as_of: date) -> Ageing:
    since = changes_since(reading, as_of)
    now = {(c.customer_id, c.currency): c.amount_minor for page in credits_now(reading) for c in page}
    credit = {k: credit_on(now.get(k, 0), since.credit.get(k, ()), as_of) for k in {**now, **since.credit}}
    owed = ((o.invoice, o.minor[0], as_of) for o in owed_at(reading, (as_of,), since))
    return owed, {k: minor for k, minor in credit.items() if minor}


# ---- periods --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PeriodFigures:
    """A period, both days inclusive, and its figures by currency."""

    first_on: date
    last_on: date
    by_currency: dict[str, Period]


def receivables_periods(
    ports: Ports,
    as_of: date | None,
    days: int,
    periods: int = 1,
    customer_id: str | None = None,
    limits: Limits | None = None,
) -> tuple[PeriodFigures, ...]:
    """Consecutive periods of `days` days, oldest first, the last ending with `as_of` (default: the business's today).

    A draft counts as a sale when it is posted, if it was made at most DRAFT_DAYS_MAX days before its period.
    """
    reading = begin(ports, customer_id, as_of, limits)
    end = as_of or reading.today
    ends = [end - timedelta(days=days * n) for n in range(periods, -1, -1)]
    since = changes_since(reading, ends[0])
    sums = _Sums(len(ends), {reading.settings.business.currency: _Currency(len(ends))})
    for owed in owed_at(reading, ends, since):
        sums.add_owed(owed.invoice, owed.minor, ends)
    for invoice, on, minor in _sales(reading, ends[0], end):
        sums.of(invoice.currency).sold[next(n for n, last in enumerate(ends) if on <= last)] += minor
    return tuple(
        PeriodFigures(ends[n - 1] + ONE_DAY, ends[n], sums.period(n, days)) for n in range(1, len(ends))
    )  # fmt: skip


class _Currency:
    """The sums of one currency at the end of each day asked about, and what was sold up to it since the one before."""

    def __init__(self, count: int) -> None:
        self.owed = [0] * count
        self.current = [0] * count
        self.sold = [0] * count


@dataclass(slots=True)
class _Sums:
    count: int
    by_currency: dict[str, _Currency]

    def of(self, currency: str) -> _Currency:
        return self.by_currency.setdefault(currency, _Currency(self.count))

    def add_owed(self, invoice: Invoice, minor: Sequence[int], ends: Sequence[date]) -> None:
        sums = self.of(invoice.currency)
        for n, (amount, on) in enumerate(zip(minor, ends, strict=True)):
            sums.owed[n] += amount
            sums.current[n] += amount if bucket_of(invoice.due_on, on) == "current" else 0

    def period(self, n: int, days: int) -> dict[str, Period]:
        return {
            currency: Period(days, sums.owed[n - 1], sums.sold[n], sums.owed[n], sums.current[n])
            for currency, sums in sorted(self.by_currency.items())
        }


def _sales(reading: Reading, after: date, through: date) -> Iterator[tuple[Invoice, date, int]]:
    """What was sold, and taken back by a void, later than `after` and at latest on `through`."""
    made_since = after - timedelta(days=DRAFT_DAYS_MAX)
    for page in invoices_since(reading, made_since):
        yield from _dated(reading, (i for i in page if i.status == "posted"), after, through)
    for page in set_aside_since(reading, after):
        yield from _dated(reading, (i for i in page if i.status == "void"), after, through)


def _dated(
    reading: Reading, invoices: Iterator[Invoice], after: date, through: date
) -> Iterator[tuple[Invoice, date, int]]:
    for invoice in invoices:
        for change in sales(invoice, reading.zone(invoice.customer_id)):
            if after < change.on <= through:
                yield invoice, change.on, change.amount_minor

"""What reports read: open invoices, and what has happened since a past day, page by page and up to a limit. PRODUCT 12.

Memory follows the customers and what happened since the first day that is asked about, never the invoices there are. An
index may lag: what is being paid at this very moment may still count as owed, or be missing from a past day's answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, TypeVar

from shared import ports as p
from shared.domain.calendar import local_date
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.errors import Invalid, TooMuch
from shared.domain.ids import shard_of
from shared.domain.invoice import Invoice
from shared.domain.payment import CreditBalance, Payment
from shared.domain.receivables import Change, invoice_changes, invoice_credit, owed_on, payment_credit
from shared.domain.settings import Settings
from shared.domain.values import dataclass
from shared.ports import Index, Ports
from shared.use_cases.lookups import customer_of, settings_of, shards

PAGE: Final = 1_000  # entries of an index at a time
DRAFT_DAYS_MAX: Final = 400  # a draft that is posted was made at most that long ago
MARGIN: Final = timedelta(days=2)  # a day's beginning, over all time zones, and what ports.PAYMENTS_LATER leaves out
NARROWER: Final = "ask for one customer_id, for a later as_of or for fewer days"

E = TypeVar("E", Invoice, Payment, CreditBalance)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many records one report may read, and for how many seconds."""

    reads: int
    seconds: int


REQUEST: Final = Limits(reads=150_000, seconds=20)  # a request is cut off after 29


@dataclass(slots=True)
class Reading:
    """The reading of one report: for everyone or one customer, with what is known so far and how much was read."""

    ports: Ports
    settings: Settings
    now: datetime
    customer_id: str | None = None
    limits: Limits = REQUEST
    customers: dict[str, Customer] = field(default_factory=dict)
    read: int = 0
    todays: dict[str, date] = field(default_factory=dict)  # by time zone

    @property
    def today(self) -> date:
        """The business's local date."""
        return local_date(self.now, self.settings.business.timezone)

    def count(self, records: int) -> None:
        """Raises TooMuch once the report is too large for one request."""
        self.read += records
        slow = self.ports.clock.now() - self.now > timedelta(seconds=self.limits.seconds)
        if self.read > self.limits.reads or slow:
            raise TooMuch(f"this report reads more than one request can: {NARROWER}")

    def know(self, customer_ids: Iterable[str]) -> None:
        """Read the customers that are not known yet."""
        missing = sorted(set(customer_ids) - self.customers.keys())
        self.customers |= {c.id: c for c in self.ports.store.get_many(Customer, [(i, "") for i in missing])}
        self.count(len(missing))

    def zone(self, customer_id: str) -> str:
        customer = self.customers.get(customer_id)
        return customer.zone(self.settings) if customer else self.settings.business.timezone

    def local_today(self, customer_id: str) -> date:
        zone = self.zone(customer_id)
        return self.todays.get(zone) or self.todays.setdefault(zone, local_date(self.now, zone))


def begin(ports: Ports, customer_id: str | None, as_of: date | None, limits: Limits | None = None) -> Reading:
    """Raises NotFound for a customer there is none of, Invalid for a day that is still to come."""
    reading = Reading(ports, settings_of(ports), ports.clock.now(), customer_id, limits or REQUEST)
    if customer_id is not None:
        customer = customer_of(ports, customer_id)
        reading.customers[customer.id] = customer
    if as_of is not None and as_of > reading.today:
        raise Invalid("as_of", f"must be {reading.today} or earlier: what will be owed later is not known yet")
    return reading


# ---- pages ----------------------------------------------------------------------------------------------------


def open_now(reading: Reading) -> Iterator[list[Invoice]]:
    """Everything that is owed now, a customer's invoices beside each other."""
    owner = reading.customer_id
    partitions = [str(shard_of(owner))] if owner else list(shards())
    for page in _pages(reading, p.INVOICES_OPEN, Invoice, partitions, prefix=f"{owner}#" if owner else ""):
        yield [i for i in page if i.collectable()]


def invoices_since(reading: Reading, first: date) -> Iterator[list[Invoice]]:
    """The invoices made on `first` or later, drafts and void ones too, latest first."""
    owner = reading.customer_id
    index, partitions = (p.INVOICES_BY_CUSTOMER, [owner]) if owner else (p.INVOICES, list(shards()))
    return _pages(reading, index, Invoice, partitions, since=_begins(first))


def credits_now(reading: Reading) -> Iterator[list[CreditBalance]]:
    owner = reading.customer_id
    partitions = [str(shard_of(owner))] if owner else list(shards())
    return _pages(reading, p.CREDITS, CreditBalance, partitions, prefix=f"{owner}#" if owner else "")


def set_aside_since(reading: Reading, first: date) -> Iterator[list[Invoice]]:
    """The invoices voided, or posted below zero, on `first` or later."""
    for page in _pages(reading, p.INVOICES_ASIDE, Invoice, list(shards()), since=_begins(first)):
        yield [i for i in page if reading.customer_id in (None, i.customer_id)]


def _payments_since(reading: Reading, first: date) -> Iterator[list[Payment]]:
    """Every payment that moved money on `first` or later; some of them twice."""
    if reading.customer_id is not None:
        yield from _pages(reading, p.PAYMENTS_BY_CUSTOMER, Payment, [reading.customer_id])
        return
    yield from _pages(reading, p.PAYMENTS, Payment, list(shards()), since=_begins(first))
    yield from _pages(reading, p.PAYMENTS_LATER, Payment, list(shards()), since=_begins(first))


def _begins(on: date) -> str:
    return (datetime.combine(on, time(0), UTC) - MARGIN).isoformat()


def _pages(
    reading: Reading, index: Index[E], kind: type[E], partitions: Sequence[str], since: str = "", prefix: str = ""
) -> Iterator[list[E]]:
    """The records of an index; with `since`, those whose sort value is at or above it, highest first."""
    store = reading.ports.store
    for partition in partitions:
        after: str | None = None
        while True:  # the limits end it
            page = store.find(index, partition, prefix=prefix, after=after, limit=PAGE, reverse=bool(since))
            found = [e.key for e in page.items if e.at >= since]
            reading.count(len(found) + 1)
            records = store.get_many(kind, found)
            reading.know(r.customer_id for r in records)
            yield records
            after = page.cursor
            if after is None or len(found) < len(page.items):
                break


# ---- the past -------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Since:
    """What happened after a day: to invoices by id, and to credit by customer and currency."""

    invoices: dict[str, list[Change]] = field(default_factory=dict)
    credit: dict[tuple[str, str], list[Change]] = field(default_factory=dict)


def changes_since(reading: Reading, day: date) -> Since:
    """Everything dated later than `day`; a voided invoice is among `invoices` even if nothing was paid."""
    since, seen = Since(), set[str]()
    for payments in _payments_since(reading, day):
        for payment in payments:
            if payment.id not in seen:
                seen.add(payment.id)
                _note_payment(payment, day, since, reading)
    for invoices in set_aside_since(reading, day):
        for invoice in invoices:
            if invoice.status == "void":
                since.invoices.setdefault(invoice.id, [])
            _note_credit(since, invoice, invoice_credit(invoice, reading.zone(invoice.customer_id)), day)
    return since


def _note_payment(payment: Payment, day: date, since: Since, reading: Reading) -> None:
    zone = reading.zone(payment.customer_id)
    for invoice_id, change in invoice_changes(payment, zone):
        if change.on > day:
            since.invoices.setdefault(invoice_id, []).append(change)
    _note_credit(since, payment, payment_credit(payment, zone), day)


def _note_credit(since: Since, source: Invoice | Payment, changes: Iterable[Change], day: date) -> None:
    later = [c for c in changes if c.on > day]
    if later:
        since.credit.setdefault((source.customer_id, source.currency), []).extend(later)


@dataclass(frozen=True, slots=True)
class Owed:
    """An invoice and what was left to pay on it at the end of each day asked about, in minor units."""

    invoice: Invoice
    minor: tuple[int, ...]


def owed_at(reading: Reading, days: Sequence[date], since: Since) -> Iterator[Owed]:
    """Every invoice of which anything was owed at the end of one of `days`; `since` the earliest of them."""
    seen: set[str] = set()
    for page in _candidates(reading, since, seen):
        for invoice in page:
            zone, changes = reading.zone(invoice.customer_id), since.invoices.get(invoice.id, ())
            minor = tuple(owed_on(invoice, changes, zone, day) for day in days)
            if any(minor):
                yield Owed(invoice, minor)


def _candidates(reading: Reading, since: Since, seen: set[str]) -> Iterator[list[Invoice]]:
    """What is open now, then what was paid or voided since."""
    for page in open_now(reading):
        seen.update(i.id for i in page if i.id in since.invoices)
        yield page
    closed = [(i, "") for i in since.invoices if i not in seen]
    for start in range(0, len(closed), PAGE):
        keys = closed[start : start + PAGE]
        reading.count(len(keys))
        page = reading.ports.store.get_many(Invoice, keys)
        reading.know(i.customer_id for i in page)
        yield page


def for_day(invoice: Invoice, owed_minor: int) -> Invoice:
    """The invoice with what was owed on it then."""
    return replace(invoice, residual_minor=owed_minor)

"""When what is owed can be expected: by due dates, autopay, promises and each customer's own past. PRODUCT 12."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from datetime import date, timedelta

from shared import ports as p
from shared.domain.autopay import AutopayList, References, choose, facts_of, needs_lines
from shared.domain.calendar import local_date
from shared.domain.cash_forecast import (
    HISTORY_DAYS,
    HISTORY_MAX,
    Expected,
    Slice,
    expect_by_dates,
    promised,
    sliced,
)
from shared.domain.contract import Contract
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.policy import CustomerClass
from shared.domain.terms import collection_date
from shared.domain.values import dataclass
from shared.ports import Ports
from shared.use_cases.charge_invoice import why_not_chargeable
from shared.use_cases.lookups import class_of, lines_of, shards
from shared.use_cases.payment_methods import methods_of
from shared.use_cases.report_ledger import (
    PAGE,
    Limits,
    Reading,
    begin,
    changes_since,
    for_day,
    invoices_since,
    open_now,
    owed_at,
)

PAID_FOR_WORK = ("regular", "out_of_turn")  # what a customer's habits are read from


@dataclass(slots=True)
class Outlook:
    """The sums of one currency in minor units: within the horizon, after it, and without a date: all that is owed."""

    expected_minor: int = 0
    beyond_minor: int = 0
    unscheduled_minor: int = 0

    @property
    def total_minor(self) -> int:
        return self.expected_minor + self.beyond_minor + self.unscheduled_minor


@dataclass(frozen=True, slots=True)
class CashForecast:
    """`items` are all open invoices, the first expected first and those without a date last."""

    as_of: date
    through: date
    totals: dict[str, Outlook]
    slices: tuple[Slice, ...]
    items: tuple[Expected, ...]
    names: dict[str, str]


def cash_forecast(
    ports: Ports,
    as_of: date | None,
    days: int,
    step_days: int,
    customer_id: str | None = None,
    limits: Limits | None = None,
) -> CashForecast:
    """What is owed, by the day on which it is expected, from the as-of date through `days` days later.

    For each invoice the first that applies: a hold (no date) · a retry after a decline · autopay on its collection
    date · a promise to pay · the customer's usual days late · the due date · overdue with nothing to go by (no date).
    Holds, cards, rules and promises are today's, so a past `as_of` goes by what was owed and how it had been paid.
    """
    reading = begin(ports, customer_id, as_of, limits)
    on = as_of or reading.today
    by_customer = _open(reading, as_of)
    habits = _habits(reading, by_customer.keys(), on)
    present = on == reading.today
    autopay = _Autopay(reading)
    expected: list[Expected] = []
    for owners in _in_parts(sorted(by_customer)):
        if present:
            autopay.learn(owners, by_customer)
        for owner in owners:
            expected += _expect(
                owner, by_customer[owner], habits.get(owner, []), on, autopay if present else None, reading
            )
    through = on + timedelta(days=days)
    names = {c.id: c.name for c in reading.customers.values()}
    items = tuple(
        sorted(expected, key=lambda e: (e.on or date.max, names.get(e.invoice.customer_id, ""), e.invoice.id))
    )
    totals = _totals(items, through, reading.settings.business.currency)
    return CashForecast(on, through, totals, tuple(sliced(items, on, days, step_days)), items, names)


def _in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + PAGE] for start in range(0, len(ids), PAGE))


def _open(reading: Reading, as_of: date | None) -> dict[str, list[Invoice]]:
    """What was owed, by customer, with what was left to pay then."""
    found: dict[str, list[Invoice]] = {}
    if as_of is None:
        invoices: Iterable[Invoice] = (i for page in open_now(reading) for i in page)
    else:
        past = owed_at(reading, (as_of,), changes_since(reading, as_of))
        invoices = (for_day(o.invoice, o.minor[0]) for o in past)
    for invoice in invoices:
        found.setdefault(invoice.customer_id, []).append(invoice)
    return found


def _habits(reading: Reading, owners: Iterable[str], on: date) -> dict[str, list[int]]:
    """How many days late (negative: early) each customer's latest invoices were paid, as known on that date."""
    wanted = set(owners)
    since = on - timedelta(days=HISTORY_DAYS)
    paid: dict[str, list[tuple[date, int]]] = {}
    for page in invoices_since(reading, since):
        for invoice in page:
            if invoice.customer_id in wanted and (known := _paid(invoice, reading, on)) is not None:
                paid.setdefault(invoice.customer_id, []).append(known)
    return {owner: [late for _, late in sorted(found)[-HISTORY_MAX:]] for owner, found in paid.items()}


def _paid(invoice: Invoice, reading: Reading, on: date) -> tuple[date, int] | None:
    """When it was paid in full and how many days late, if by then it was."""
    if invoice.status != "posted" or invoice.type not in PAID_FOR_WORK or invoice.total_minor <= 0:
        return None
    if invoice.settled_at is None or invoice.due_on is None:
        return None
    settled_on = local_date(invoice.settled_at, reading.zone(invoice.customer_id))
    return (settled_on, (settled_on - invoice.due_on).days) if settled_on <= on else None


def _expect(
    owner: str, invoices: list[Invoice], days_late: Sequence[int], on: date, autopay: _Autopay | None, reading: Reading
) -> Iterator[Expected]:
    customer = reading.customers.get(owner)
    promises = promised(customer, ((i, i.residual_minor) for i in invoices), on) if customer and autopay else {}
    for invoice in invoices:
        amount = invoice.residual_minor
        if customer is not None and autopay is not None:
            if invoice.on_hold(on) or customer.on_hold(on):
                yield Expected(invoice, amount, "on_hold", None)
                continue
            if (charged := autopay.expect(invoice, customer, on)) is not None:
                yield charged
                continue
        if invoice.id in promises:
            yield Expected(invoice, amount, "promise", promises[invoice.id])
        else:
            yield expect_by_dates(invoice, amount, days_late, on)


def _totals(items: Iterable[Expected], through: date, currency: str) -> dict[str, Outlook]:
    totals = {currency: Outlook()}
    for item in items:
        sums = totals.setdefault(item.invoice.currency, Outlook())
        if item.on is None:
            sums.unscheduled_minor += item.amount_minor
        elif item.on <= through:
            sums.expected_minor += item.amount_minor
        else:
            sums.beyond_minor += item.amount_minor
    return dict(sorted(totals.items()))


# ---- what is charged by itself --------------------------------------------------------------------------------


@dataclass(slots=True)
class _Autopay:
    """Who has which card and which rules: read for many customers at once, since a forecast is about all of them."""

    reading: Reading
    methods: dict[str, set[str]] | None = None
    lists: dict[str, AutopayList] = field(default_factory=dict)
    contracts: set[tuple[str, str]] = field(default_factory=set)
    classes: dict[str, CustomerClass] = field(default_factory=dict)

    def learn(self, owners: Sequence[str], invoices: dict[str, list[Invoice]]) -> None:
        """Read what the next customers' charges depend on, and forget the last ones'."""
        store, reading = self.reading.ports.store, self.reading
        for owner in owners:
            if (customer := reading.customers.get(owner)) and customer.class_id not in self.classes:
                self.classes[customer.class_id] = class_of(reading.ports, customer.class_id)
        if not reading.settings.payment_run.enabled:
            return
        if self.methods is None:
            self.methods = self._all_methods()
        paying = [owner for owner in owners if self.methods.get(owner)]
        found = store.get_many(AutopayList, [(owner, "") for owner in paying])
        self.lists = {listed.customer_id: listed for listed in found}
        named = {
            (listed.customer_id, str(value))
            for listed in found for rule in listed.rules
            for c in rule.criteria if c.type == "contract" for value in c.values
        }  # fmt: skip
        self.contracts = {(c.customer_id, c.id) for c in store.get_many(Contract, sorted(named))}
        reading.count(len(found) + len(self.contracts))

    def _all_methods(self) -> dict[str, set[str]]:
        """The ids of the payment methods by customer: the index knows them without any method being read."""
        reading = self.reading
        if reading.customer_id is not None:
            return {reading.customer_id: {m.id for m in methods_of(reading.customer_id, reading.ports)}}
        methods: dict[str, set[str]] = {}
        for shard in shards():
            after: str | None = None
            while True:  # the reading's limit ends it
                page = reading.ports.store.find(p.CARDS_EXPIRING, shard, after=after, limit=PAGE)
                reading.count(len(page.items) + 1)
                for entry in page.items:
                    methods.setdefault(entry.partition, set()).add(entry.sort)
                after = page.cursor
                if after is None:
                    break
        return methods

    def expect(self, invoice: Invoice, customer: Customer, on: date) -> Expected | None:
        """The day on which a payment run will charge it, if one will."""
        rule = self.classes[customer.class_id].policy(invoice.type).auto_charge
        if not self.reading.settings.payment_run.enabled or invoice.autopay_ended or not self._has_method(customer):
            return None
        if why_not_chargeable(invoice, customer, on) not in (None, "attempt_open"):
            return None
        if invoice.next_attempt_on is not None:
            return Expected(invoice, invoice.residual_minor, "retry", max(invoice.next_attempt_on, on))
        if rule is None:
            return None
        day = max(collection_date(invoice, rule), on)
        return Expected(invoice, invoice.residual_minor, "autopay", day) if self._matched(invoice, day) else None

    def _has_method(self, customer: Customer) -> bool:
        return bool(self.methods and self.methods.get(customer.id))

    def _matched(self, invoice: Invoice, day: date) -> bool:
        """Whether a rule pays it on that day; a customer who never saved rules pays everything."""
        listed = self.lists.get(invoice.customer_id)
        if listed is None:
            return True
        names = [line.name for line in lines_of(self.reading.ports, invoice)] if needs_lines(listed.rules) else []
        contracts = (
            frozenset(id for owner, id in self.contracts if owner == invoice.customer_id)
            if listed.rules
            else frozenset()
        )
        known = References(frozenset((self.methods or {}).get(invoice.customer_id, ())), contracts)
        return choose(listed, facts_of(invoice, day, names), known).pays is not None

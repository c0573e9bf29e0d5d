"""Customers of a rehearsal who pay by hand, as late as they did before. PRODUCT 12.

Only with a seed, which decides the day of each invoice; whoever has a card that is charged does not pay by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from shared import ports as p
from shared.domain.calendar import local_date
from shared.domain.customer import Customer
from shared.domain.draws import paid_by_hand_on
from shared.domain.ids import derive_id
from shared.domain.invoice import Invoice
from shared.domain.payment import Allocation, Payment, PaymentMethod
from shared.domain.settings import Settings
from shared.ports import Ports
from shared.use_cases.lookups import EASTMOST, settings_of, shards
from shared.use_cases.record_payment import ManualPayment, record_payment

PAGE: Final = 1_000
PAGES_MAX: Final = 10_000
PAID_FOR_WORK: Final = ("regular", "out_of_turn")


def days_late(invoice: Invoice, zone: str, before: datetime) -> int | None:
    """Of an invoice for work that was settled by then, on the customer's days; below zero: early."""
    settled_at, due_on = invoice.settled_at, invoice.due_on
    if settled_at is None or due_on is None or settled_at > before:
        return None
    if invoice.type not in PAID_FOR_WORK or invoice.total_minor <= 0:
        return None
    return (local_date(settled_at, zone) - due_on).days


def chargeable(invoice: Invoice, settings: Settings, ports: Ports) -> bool:
    """Whether payment runs are still to take it, so that nobody pays it by hand."""
    if invoice.autopay_ended or not settings.payment_run.enabled:
        return False
    return bool(ports.store.list(PaymentMethod, invoice.customer_id, limit=1).items)


@dataclass(slots=True)
class Payers:
    """Who pays by hand in a copy: `late` are the days late of each customer's invoices, the latest last."""

    ports: Ports
    seed: int
    since: datetime
    late: dict[str, list[int]]
    planned: dict[str, date | None] = field(default_factory=dict)  # by invoice; None: nobody knows

    @classmethod
    def of(cls, records: Iterable[Any], ports: Ports, seed: int) -> Payers:
        """What the records say of it, which are as of the copy's now."""
        now, settings = ports.clock.now(), settings_of(ports)
        zones: dict[str, str] = {}
        settled: list[Invoice] = []
        by_card: set[str | None] = set()
        for record in records:
            if isinstance(record, Customer):
                zones[record.id] = record.zone(settings)
            elif isinstance(record, Invoice) and record.settled_at is not None:
                settled.append(record)
            elif isinstance(record, Payment) and record.method == "card" and record.status == "succeeded":
                by_card.add(record.invoice_id)
        late: dict[str, list[int]] = {}
        for invoice in sorted(settled, key=lambda i: (i.settled_at or now, i.id)):
            days = days_late(invoice, zones.get(invoice.customer_id, settings.business.timezone), now)
            if days is not None and invoice.id not in by_card:
                late.setdefault(invoice.customer_id, []).append(days)
        return cls(ports, seed, now, late)

    def pay(self) -> int:
        """Record what comes in on this day, each invoice in full; how many payments that are."""
        settings, now = settings_of(self.ports), self.ports.clock.now()
        due = [invoice for invoice in self._open((now + EASTMOST).date()) if self._pays(invoice, settings, now)]
        for invoice in due:
            paid = Allocation(invoice.id, invoice.residual_minor)
            id = derive_id("pay_", "by hand", invoice.id)
            record_payment(
                ManualPayment(id, invoice.customer_id, invoice.currency, paid.amount_minor, "transfer",
                              allocations=(paid,)), self.ports,
            )  # fmt: skip
        return len(due)

    def _pays(self, invoice: Invoice, settings: Settings, now: datetime) -> bool:
        on = self.planned[invoice.id] if invoice.id in self.planned else self._plan(invoice, settings)
        if on is None or not invoice.collectable() or invoice.hold is not None or invoice.open_attempt_id is not None:
            return False
        customer = self.ports.store.get(Customer, invoice.customer_id)
        if customer is None or local_date(now, customer.zone(settings)) < on:
            return False
        return not chargeable(invoice, settings, self.ports)

    def _plan(self, invoice: Invoice, settings: Settings) -> date | None:
        """Named by what the invoice is for, since another run gives it another id."""
        late = self.late.get(invoice.customer_id, ())
        since = local_date(self.since, settings.business.timezone)
        about = (invoice.customer_id, invoice.type, invoice.bill_on or invoice.invoice_date, *invoice.contract_ids)
        due_on = invoice.due_on
        self.planned[invoice.id] = paid_by_hand_on(due_on, late, since, self.seed, *about) if due_on else None
        return self.planned[invoice.id]

    def _open(self, by: date) -> Iterator[Invoice]:
        """Those of which nobody knows yet when they are paid, or which are paid by then; read together."""
        for shard in shards():
            after: str | None = None
            for _ in range(PAGES_MAX):
                page = self.ports.store.find(p.INVOICES_OPEN, shard, after=after, limit=PAGE)
                plans = ((e.key, self.planned.get(e.partition, date.min)) for e in page.items)
                keys = [key for key, on in plans if on is not None and on <= by]
                yield from self.ports.store.get_many(Invoice, keys)
                after = page.cursor
                if after is None:
                    break

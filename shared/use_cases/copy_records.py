"""All that tomorrow depends on, read from the live store and nothing written. PRODUCT 12.

What no scheduled job reads is left out: single usage records, audit, pay links, answers kept for idempotency, and
endpoints of webhooks, so that a rehearsal has nobody to deliver to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from shared import ports as p
from shared.domain.account_summary import SummaryMark, SummarySchedule
from shared.domain.autopay import AutopayList
from shared.domain.card import CardTries, CardUse
from shared.domain.collection import CollectionState
from shared.domain.contract import Contract
from shared.domain.customer import Customer
from shared.domain.errors import TooMuch
from shared.domain.ids import SHARDS
from shared.domain.invoice import Invoice, InvoiceLines, part_keys
from shared.domain.notice import Notice
from shared.domain.payment import CreditBalance, Payment, PaymentMethod
from shared.domain.policy import CustomerClass
from shared.domain.runs import BillRun, Chunk, NumberSeries, PaymentRun, Watermark
from shared.domain.settings import Settings, SettingsGate
from shared.domain.task import Task
from shared.domain.template import StoredTemplate
from shared.domain.usage import UsageDay, UsageMeter
from shared.ports import Index, Ports, Unavailable
from shared.use_cases.lookups import shards

E = TypeVar("E")
PAGE: Final = 1_000
PAGES_MAX: Final = 10_000  # of one list
READINGS_MAX: Final = 5  # until two in a row are the same
OF_ALL: Final = ((CustomerClass, "classes"), (StoredTemplate, "templates"), (Watermark, "watermarks"))
OF_CUSTOMER: Final[tuple[type[Any], ...]] = (Contract, PaymentMethod, CardUse, CreditBalance)
ONE_PER_CUSTOMER: Final[tuple[type[Any], ...]] = (AutopayList, CardTries, CollectionState, SummaryMark)


@dataclass(slots=True)
class Records:
    """What was read, and what of it a rehearsal may ask about without a store."""

    all: list[Any] = field(default_factory=list)
    customers: int = 0


def copy_records(ports: Ports, customers_max: int) -> Records:
    """Every record as it was at one moment: read again and again until nothing changed in between.

    If two readings are the same, each record had that version when the first ended: they belong together. Raises
    TooMuch for more customers than that, and Unavailable if there is no such moment.
    """
    known = _read(ports, customers_max)
    for _ in range(READINGS_MAX - 1):
        again = _read(ports, customers_max)
        if again.all == known.all:
            return again
        known = again
    raise Unavailable("the data keeps changing; rehearse again when no run is under way")


def count_customers(ports: Ports, most: int) -> int:
    """How many customers there are; `most` + 1 means more."""
    found = 0
    for shard in shards():
        for page in _pages(p.CUSTOMERS, shard, ports):
            found += len(page)
            if found > most:
                return most + 1
    return found


def _read(ports: Ports, customers_max: int) -> Records:
    if count_customers(ports, customers_max) > customers_max:
        raise TooMuch(f"there are more than {customers_max} customers: run `paidup rehearse` on a machine of your own")
    found = Records()
    found.all += _common(ports)
    found.all += _runs(ports)
    for shard in shards():
        for page in _pages(p.CUSTOMERS, shard, ports):
            customers = ports.store.get_many(Customer, page)
            found.customers += len(customers)
            found.all += _of_customers(customers, ports)
    return found


def _common(ports: Ports) -> Iterator[Any]:
    store = ports.store
    gates = [(f"gate{n}", "") for n in range(SHARDS)]
    yield from (s for s in [store.get(Settings, "settings")] if s is not None)
    yield from store.get_many(SettingsGate, gates)
    for kind, partition in OF_ALL:
        yield from _list(kind, partition, ports)
    yield from _list(NumberSeries, "series", ports)
    yield from _indexed(SummarySchedule, p.SUMMARIES_DUE, "all", ports)
    yield from _indexed(Task, p.TASKS, "open", ports)


def _runs(ports: Ports) -> Iterator[Any]:
    """All runs, since a scheduled one is never recorded twice, and the chunks of those that are under way."""
    yield from _indexed(BillRun, p.BILL_RUNS, "all", ports)
    yield from _indexed(PaymentRun, p.PAYMENT_RUNS, "all", ports)
    for index in (p.BILL_RUNS_ACTIVE, p.PAYMENT_RUNS_ACTIVE):
        for page in _pages(index, "all", ports):
            for run_id, _ in page:
                yield from _list(Chunk, run_id, ports)


def _of_customers(customers: Sequence[Customer], ports: Ports) -> Iterator[Any]:
    yield from customers
    keys = [(c.id, "") for c in customers]
    for kind in ONE_PER_CUSTOMER:
        yield from ports.store.get_many(kind, keys)
    for customer in customers:
        for each in OF_CUSTOMER:
            for record in _list(each, customer.id, ports):
                yield record
                if isinstance(record, Contract):
                    yield from _list(UsageDay, record.id, ports)
                    yield from ports.store.get_many(UsageMeter, [(record.id, "")])
        yield from _invoices(customer.id, ports)
        yield from _indexed(Payment, p.PAYMENTS_BY_CUSTOMER, customer.id, ports)
        yield from _indexed(Notice, p.NOTICES_BY_CUSTOMER, customer.id, ports)


def _invoices(customer_id: str, ports: Ports) -> Iterator[Any]:
    """All of them, for the spot check and the accounts; the lines of those that something may still happen to."""
    for invoice in _indexed(Invoice, p.INVOICES_BY_CUSTOMER, customer_id, ports):
        yield invoice
        if invoice.status == "draft" or invoice.collectable():
            yield from ports.store.get_many(InvoiceLines, part_keys(invoice))


def _indexed(kind: type[E], index: Index[E], partition: str, ports: Ports) -> Iterator[E]:
    for page in _pages(index, partition, ports):
        yield from ports.store.get_many(kind, page)


def _pages(index: Index[Any], partition: str, ports: Ports) -> Iterator[list[tuple[str, str]]]:
    after: str | None = None
    for _ in range(PAGES_MAX):
        page = ports.store.find(index, partition, after=after, limit=PAGE)
        yield [entry.key for entry in page.items]
        after = page.cursor
        if after is None:
            return


def _list(kind: type[E], partition: str, ports: Ports) -> Iterable[E]:
    after: str | None = None
    for _ in range(PAGES_MAX):
        page = ports.store.list(kind, partition, after=after, limit=PAGE)
        yield from page.items
        after = page.cursor
        if after is None:
            return

"""Reading what many use cases need, with a clear error when it is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import TypeVar

from shared import ports as p
from shared.domain.calendar import local_date
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.errors import NotFound
from shared.domain.ids import SHARDS, shard_of
from shared.domain.invoice import Invoice, InvoiceLines, Line, part_keys
from shared.domain.policy import DEFAULT_CLASS, DEFAULT_CLASS_ID, CustomerClass
from shared.domain.settings import Settings, SettingsGate
from shared.ports import Entry, Index, LooksAhead, Ports

E = TypeVar("E")
CONFLICT_RETRIES = 8  # how often a write is tried again on what someone else changed meanwhile
OPEN_INVOICES_MAX = 2_000  # open invoices of one customer that are looked at
CLASS_PAGES_MAX = 50
EASTMOST = timedelta(hours=14)  # no local date is further ahead of UTC


def settings_of(ports: Ports) -> Settings:
    return ports.store.get(Settings, "settings") or Settings()


def gate_of(ports: Ports, id: str) -> SettingsGate:
    """Read before the settings and checked in a claim's transaction: the claim fails if they changed since.

    There are several copies, so that claims by different workers seldom meet. Those of a batch share one.
    """
    shard = shard_of(ports.gate or id)
    return ports.store.get(SettingsGate, f"gate{shard}") or SettingsGate(shard)


def afresh(ports: Ports) -> Ports:
    """Ports that read what is there at this moment, whatever a batch has read before."""
    return replace(ports, store=ports.store.afresh) if isinstance(ports.store, LooksAhead) else ports


def customer_of(ports: Ports, customer_id: str) -> Customer:
    customer = ports.store.get(Customer, customer_id)
    if customer is None:
        raise NotFound("customer", customer_id)
    return customer


def invoice_of(ports: Ports, invoice_id: str) -> Invoice:
    invoice = ports.store.get(Invoice, invoice_id)
    if invoice is None:
        raise NotFound("invoice", invoice_id)
    return invoice


def class_of(ports: Ports, class_id: str) -> CustomerClass:
    """The customer's class; the standard class exists before anyone has saved it."""
    found = ports.store.get(CustomerClass, "classes", class_id)
    if found is None and class_id == DEFAULT_CLASS_ID:
        return DEFAULT_CLASS
    if found is None:
        raise NotFound("customer class", class_id)
    return found


def all_classes(ports: Ports) -> list[CustomerClass]:
    """Every class, the standard one too if nobody has saved it yet."""
    found: list[CustomerClass] = []
    after: str | None = None
    for _ in range(CLASS_PAGES_MAX):
        page = ports.store.list(CustomerClass, "classes", after=after)
        found += page.items
        after = page.cursor
        if after is None:
            break
    return found if any(c.id == DEFAULT_CLASS_ID for c in found) else [*found, DEFAULT_CLASS]


def lines_of(ports: Ports, invoice: Invoice) -> tuple[Line, ...]:
    stored = ports.store.get_many(InvoiceLines, part_keys(invoice))
    return (*invoice.lines, *(line for part in stored for line in part.lines))


def today(ports: Ports, customer: Customer, settings: Settings) -> date:
    """The customer's local date now."""
    return local_date(ports.clock.now(), customer.zone(settings))


def local_on(at: datetime, customer: Customer, settings: Settings) -> date:
    return local_date(at, customer.zone(settings))


def entries(
    ports: Ports, index: Index[E], partition: str, prefix: str = "", most: int = OPEN_INVOICES_MAX
) -> Iterator[Entry]:
    """The entries of one partition, page by page, at most `most` of them."""
    after: str | None = None
    seen = 0
    while seen < most:
        page = ports.store.find(index, partition, prefix=prefix, after=after)
        yield from page.items
        seen += len(page.items)
        after = page.cursor
        if after is None:
            return


def newest(ports: Ports, index: Index[E], partition: str, most: int) -> list[Entry]:
    """The last `most` entries of one partition, the latest first."""
    found: list[Entry] = []
    after: str | None = None
    while len(found) < most:
        page = ports.store.find(index, partition, after=after, limit=min(p.PAGE_LIMIT, most - len(found)), reverse=True)
        found += page.items
        after = page.cursor
        if after is None:
            break
    return found


def open_invoices(ports: Ports, customer_id: str, also: Iterable[str] = ()) -> list[Invoice]:
    """The customer's posted invoices with something left to pay, oldest due first.

    The index may be behind: `also` names invoices the caller knows of, and each is read from the store before use.
    """
    found = entries(ports, p.INVOICES_OPEN, str(shard_of(customer_id)), f"{customer_id}#")
    keys = dict.fromkeys([*(e.key for e in found), *((id, "") for id in also)])
    invoices = [i for i in ports.store.get_many(Invoice, list(keys)) if i.collectable()]
    return sorted(invoices, key=_oldest_first) if len(invoices) > 1 else invoices


def _oldest_first(invoice: Invoice) -> tuple[date, date, str]:
    return (invoice.due_on or date.max, invoice.invoice_date, invoice.id)


def shards() -> Iterator[str]:
    return (str(n) for n in range(SHARDS))

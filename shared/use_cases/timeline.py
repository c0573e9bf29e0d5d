"""A customer's timeline: everything that happened and is planned, in order. API.md "Resources"."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from shared import ports as p
from shared.domain.account_event import AccountEvent
from shared.domain.contract import Contract
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice
from shared.domain.past_due import evaluate
from shared.domain.payment import Payment
from shared.domain.settings import Settings
from shared.domain.timeline_entry import Entry
from shared.domain.values import dataclass
from shared.ports import Ports
from shared.use_cases.change_service import contracts_of
from shared.use_cases.collection_facts import facts_of, state_of
from shared.use_cases.lookups import customer_of, newest, settings_of, today
from shared.use_cases.timeline_ahead import planned
from shared.use_cases.timeline_events import Known, of_events, of_today
from shared.use_cases.timeline_past import names_of, of_contract, of_customer, of_invoice, of_notices, of_payment

RECORDS_MAX = 5_000  # invoices, payments and notices of one customer each, the latest ones
EVENT_PAGES_MAX = 50  # of account events


@dataclass(frozen=True, slots=True)
class _Read:
    """A customer's records."""

    customer: Customer
    settings: Settings
    contracts: list[Contract]
    invoices: list[Invoice]
    payments: list[Payment]
    notices: list[Notice]
    events: list[AccountEvent]
    on: date


def timeline_of(customer_id: str, ports: Ports) -> list[Entry]:
    """Derived from the records each time. What is planned is what would happen if nothing came in between."""
    read = _read(customer_id, ports)
    customer, settings, on = read.customer, read.settings, read.on
    facts = facts_of(customer, state_of(customer, ports), settings, on, ports, ahead=True)
    late = any(i.payment_status(on) == "overdue" for i in facts.open)
    known = Known(customer, settings, read.events, read.payments, on, late)
    ahead = () if customer.erased_at is not None else planned(facts, read.contracts, on, ports)
    tiers, found = settings.automations.past_due.tiers, evaluate(facts, on)
    told = (*of_events(known), *of_today(known, found, facts.off(on), tiers))
    return sorted((*_past(read), *told, *ahead), key=lambda entry: entry.place)


def _read(customer_id: str, ports: Ports) -> _Read:
    customer, settings = customer_of(ports, customer_id), settings_of(ports)
    return _Read(
        customer, settings, contracts_of(customer_id, ports),
        _latest(Invoice, p.INVOICES_BY_CUSTOMER, customer_id, ports),
        _latest(Payment, p.PAYMENTS_BY_CUSTOMER, customer_id, ports),
        _latest(Notice, p.NOTICES_BY_CUSTOMER, customer_id, ports),
        list(_events(customer_id, ports)), today(ports, customer, settings),
    )  # fmt: skip


def _latest(kind: type[p.E], index: p.Index[p.E], customer_id: str, ports: Ports) -> list[p.E]:
    return ports.store.get_many(kind, [e.key for e in newest(ports, index, customer_id, RECORDS_MAX)])


def _events(customer_id: str, ports: Ports) -> Iterator[AccountEvent]:
    after: str | None = None
    for _ in range(EVENT_PAGES_MAX):
        page = ports.store.list(AccountEvent, customer_id, after=after)
        yield from page.items
        after = page.cursor
        if after is None:
            return


def _past(read: _Read) -> Iterator[Entry]:
    names = names_of(read.invoices)
    yield from of_customer(read.customer)
    for contract in read.contracts:
        yield from of_contract(contract, read.on)
    for invoice in read.invoices:
        yield from of_invoice(invoice)
    for payment in read.payments:
        yield from of_payment(payment, names)
    yield from of_notices(read.notices)

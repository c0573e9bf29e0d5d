"""A card that expires before the next collection date: its customer is told once. PRODUCT 7.

Looked for by each scheduled payment run, among the cards whose month this is, or was last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from shared import ports as p
from shared.domain.autopay import AutopayList
from shared.domain.card import good_through
from shared.domain.contract import Contract
from shared.domain.customer import Customer
from shared.domain.errors import NotFound
from shared.domain.ids import SHARDS
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice, notice_id
from shared.domain.payment import PaymentMethod
from shared.domain.runs import PaymentRun
from shared.domain.settings import Settings
from shared.domain.terms import collection_date
from shared.ports import Entry, Page, Ports
from shared.use_cases.lookups import class_of, local_on, open_invoices
from shared.use_cases.payment_methods import methods_of

KIND: Final = "card_expiring"
MONTHS: Final = 2  # this month, and the last: an invoice may be posted after the card that is to pay it expired
PLACES: Final = SHARDS * MONTHS  # parts that the search comes in
CARDS_PER_PAGE: Final = 90  # their notices and the run are one transaction


def expiring_page(place: int, on: date, after: str | None, ports: Ports) -> Page[Entry]:
    """Some of the cards of one place: a shard of one month's."""
    months_ago, shard = divmod(place, SHARDS)
    month = on.year * 12 + on.month - 1 - months_ago
    prefix = f"{month // 12:04d}-{month % 12 + 1:02d}#"
    return ports.store.find(p.CARDS_EXPIRING, str(shard), prefix=prefix, after=after, limit=CARDS_PER_PAGE)


def card_notices(found: Sequence[Entry], run: PaymentRun, settings: Settings, ports: Ports) -> list[Notice]:
    """The notices that these cards call for and that are not recorded yet."""
    methods = ports.store.get_many(PaymentMethod, [e.key for e in found])
    by_id = {_notice_id(m): m for m in methods}
    known = {n.id for n in ports.store.get_many(Notice, [(id, "") for id in by_id])}
    customers = {m.customer_id for id, m in by_id.items() if id not in known}
    owners = {c.id: c for c in ports.store.get_many(Customer, [(id, "") for id in sorted(customers)])}
    notices: list[Notice] = []
    for id, method in by_id.items():
        customer = owners.get(method.customer_id)
        if id in known or customer is None or not customer.automations.enabled or not customer.mailable():
            continue
        if expires_first(method, customer, local_on(run.occurred_at, customer, settings), ports) is not None:
            notices.append(_notice(id, method, ports))
    return notices


def _notice_id(method: PaymentMethod) -> str:
    return notice_id(method.customer_id, KIND, method.id, _expiry(method))


def _notice(id: str, method: PaymentMethod, ports: Ports) -> Notice:
    return Notice(
        id=id, customer_id=method.customer_id, kind=KIND, subject_id=method.id, episode=_expiry(method),
        created_at=ports.clock.now(),
    )  # fmt: skip


def _expiry(method: PaymentMethod) -> str:
    return f"{method.exp_year:04d}-{method.exp_month:02d}"


def expires_first(method: PaymentMethod, customer: Customer, on: date, ports: Ports) -> date | None:
    """The next collection date, if the card pays automatically and will have expired by then."""
    if not _pays(method, ports):
        return None
    following = min(_collections(customer, on, ports), default=None)
    return following if following is not None and good_through(method) < following else None


def _pays(method: PaymentMethod, ports: Ports) -> bool:
    """Whether autopay may charge it: a rule names it, or there are no rules and it is the customer's first."""
    listed = ports.store.get(AutopayList, method.customer_id)
    if listed is not None:
        return listed.enabled and any(r.payment_method_id == method.id and not r.disabled for r in listed.rules)
    return methods_of(method.customer_id, ports)[:1] == (method,)


def _collections(customer: Customer, on: date, ports: Ports) -> Iterator[date]:
    """The dates on which something is collected, from today on: what is open, and what contracts bill next."""
    try:
        its_class = class_of(ports, customer.class_id)
    except NotFound:
        return
    for invoice in open_invoices(ports, customer.id):
        rule = its_class.policy(invoice.type).auto_charge
        if rule is not None and not invoice.autopay_ended:
            yield max(on, invoice.next_attempt_on or collection_date(invoice, rule))
    policy = its_class.regular
    for contract in ports.store.list(Contract, customer.id).items:
        if policy.auto_charge is not None and contract.next_bill_on is not None:
            billed = max(on, contract.next_bill_on)
            due_on = billed + timedelta(days=policy.terms_days)
            coming = Invoice("", customer.id, contract.currency, billed, due_on=due_on)
            yield max(on, collection_date(coming, policy.auto_charge))

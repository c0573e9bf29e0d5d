"""Erasing a terminated customer: the person goes, the accounts stay. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Callable

from shared import ports as p
from shared.domain.address import Address
from shared.domain.autopay import AutopayList
from shared.domain.copies import replace
from shared.domain.customer import Customer, Switches
from shared.domain.errors import Refused
from shared.domain.notice import Notice
from shared.ports import COMMIT_MAX, Change, Conflict, Ports, Remove, Save, Unavailable
from shared.use_cases.card_tries import attempts_kept_off
from shared.use_cases.customers import name_freed
from shared.use_cases.lookups import CONFLICT_RETRIES, customer_of, entries
from shared.use_cases.payment_methods import methods_of

ERASED = "Erased customer"
NOTICES_MAX = 100_000  # of one customer


def erase_customer(customer_id: str, ports: Ports, forget: Callable[[str], None] = lambda id: None) -> Customer:
    """Remove name, addresses, payment methods, pay links and where mail went. Refused unless service is terminated.

    Done once. Invoices and their documents, payments and notices stay: they are the accounts. `forget` is told the ids
    of records whose creation may be remembered elsewhere. The customer itself goes last, so that a repetition finds
    what is left.
    """
    for _ in range(CONFLICT_RETRIES):
        customer = customer_of(ports, customer_id)
        if customer.erased_at is not None:
            return customer
        if customer.service != "terminated":
            raise Refused("not_terminated", f"service of {customer_id} is {customer.service}; terminate it first")
        try:
            _methods_forgotten(customer_id, ports, forget)
            _recipients_forgotten(customer_id, ports)
            forget(customer_id)
            return _erased(customer, ports)
        except Conflict:
            continue
    raise Unavailable(f"customer {customer_id} kept changing while it was erased")


def _erased(customer: Customer, ports: Ports) -> Customer:
    erased = replace(
        customer, name=ERASED, email=None, address=Address(), external_id=None, timezone=None, hold=None, promise=None,
        pauses=(), automations=Switches(), account_summary_schedule=None, email_problem=None,
        pay_epoch=customer.pay_epoch + 1, erased_at=ports.clock.now(),
    )  # fmt: skip
    kept_off = attempts_kept_off(customer.id, ports)
    ports.store.commit(Save(erased), *name_freed(customer, ports), *kept_off)
    return replace(erased, version=customer.version + 1)


def _methods_forgotten(customer_id: str, ports: Ports, forget: Callable[[str], None]) -> None:
    autopay = ports.store.get(AutopayList, customer_id)
    methods = methods_of(customer_id, ports)
    changes: list[Change] = [*map(Remove, methods), *([Remove(autopay)] if autopay is not None else [])]
    if changes:
        ports.store.commit(*changes, *attempts_kept_off(customer_id, ports))
    for method in methods:
        forget(method.id)


def _recipients_forgotten(customer_id: str, ports: Ports) -> None:
    batch: list[Notice] = []
    for entry in entries(ports, p.NOTICES_BY_CUSTOMER, customer_id, most=NOTICES_MAX):
        notice = ports.store.get(Notice, *entry.key)
        if notice is not None and notice.to is not None:
            batch.append(replace(notice, to=None))
        if len(batch) == COMMIT_MAX:
            ports.store.commit(*map(Save, batch))
            batch = []
    if batch:
        ports.store.commit(*map(Save, batch))

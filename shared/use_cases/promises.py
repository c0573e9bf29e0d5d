"""Promises to pay: past-due notices and service steps wait for them. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from shared import ports as p
from shared.domain.copies import replace
from shared.domain.customer import Customer, Promise
from shared.domain.errors import Invalid
from shared.domain.invoice import Invoice
from shared.domain.payment import Payment
from shared.domain.promises import PromiseStatus, Received, kept_on, status_of
from shared.domain.settings import Settings
from shared.ports import Ports
from shared.use_cases.customers import change_customer
from shared.use_cases.lookups import customer_of, local_on, newest, settings_of, today

PROMISE_DAYS_MAX = 90  # how far ahead a promise may be
PAYMENTS_MAX = 1_000  # payments looked at to see whether a promise was kept


def make_promise(customer_id: str, promise: Promise, ports: Ports) -> Promise:
    """Note a promise; a new one takes the place of the one before. Raises Invalid for a date past or too far ahead."""
    on = today(ports, customer_of(ports, customer_id), settings_of(ports))
    if promise.through < on:
        raise Invalid("date", f"must not be before {on}, today")
    if promise.through > on + timedelta(days=PROMISE_DAYS_MAX):
        raise Invalid("date", f"must be within {PROMISE_DAYS_MAX} days: by {on + timedelta(days=PROMISE_DAYS_MAX)}")
    if promise.amount_minor is not None and promise.amount_minor <= 0:
        raise Invalid("amount", "must be more than zero")
    made = replace(promise, made_at=ports.clock.now())
    noted = change_customer(customer_id, lambda c: c if _made(c, promise) else replace(c, promise=made), ports).promise
    return noted or made


def _made(customer: Customer, promise: Promise) -> bool:
    """Whether the same request was carried out before."""
    return customer.promise is not None and customer.promise.id == promise.id


def withdraw_promise(customer_id: str, ports: Ports) -> Customer:
    """Forget the promise: collections go on."""
    return change_customer(customer_id, lambda c: replace(c, promise=None), ports)


def promise_status(
    customer: Customer, owed: Sequence[Invoice], ended_on: date | None, settings: Settings, on: date, ports: Ports
) -> PromiseStatus | None:
    """What became of the customer's promise. `owed`: the open invoices; `ended_on`: when an episode last ended."""
    promise = customer.promise
    if promise is None or promise.made_at is None:
        return None
    asked = promise.amount_minor is not None
    received = received_since(promise.made_at, customer, settings, payments_of(customer.id, ports)) if asked else ()
    made_on = local_on(promise.made_at, customer, settings)
    kept = kept_on(made_on, promise.through, promise.amount_minor, received, [ended_on] if ended_on else [])
    late = any(i.payment_status(on) == "overdue" for i in owed)
    return status_of(kept, promise.through, promise.amount_minor, on, owing=bool(owed), late=late)


def received_since(
    made_at: datetime, customer: Customer, settings: Settings, payments: Iterable[Payment]
) -> list[Received]:
    """The money that came in since an instant and was not given back, in the customer's currency; credit is none."""
    since = [i for i in payments if i.status == "succeeded" and i.method != "credit" and _came_at(i) >= made_at]
    own = sorted((i for i in since if i.currency == customer.currency), key=_came_at)
    return [Received(local_on(_came_at(i), customer, settings), i.amount_minor - i.refunded_minor) for i in own]


def _came_at(payment: Payment) -> datetime:
    return payment.settled_at or payment.at


def payments_of(customer_id: str, ports: Ports) -> list[Payment]:
    """The latest PAYMENTS_MAX."""
    found = newest(ports, p.PAYMENTS_BY_CUSTOMER, customer_id, PAYMENTS_MAX)
    return ports.store.get_many(Payment, [e.key for e in found])

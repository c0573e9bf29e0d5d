"""Promises to pay: past-due notices and service steps wait for them. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Literal

from shared import ports as p
from shared.domain.customer import Customer, Promise
from shared.domain.errors import Invalid
from shared.domain.invoice import Invoice
from shared.domain.payment import Payment
from shared.ports import Ports
from shared.use_cases.customers import change_customer
from shared.use_cases.lookups import customer_of, entries, settings_of, today

PROMISE_DAYS_MAX = 90  # how far ahead a promise may be
PAYMENTS_MAX = 1_000  # payments looked at to see whether a promise was kept

PromiseStatus = Literal["open", "kept", "broken"]


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


def promise_status(customer: Customer, late: Iterable[Invoice], on: date, ports: Ports) -> PromiseStatus | None:
    """Kept once the promised amount has come in or nothing is past due; otherwise broken once its date has passed."""
    promise = customer.promise
    if promise is None:
        return None
    if not any(True for _ in late) or _paid_enough(customer, promise, ports):
        return "kept"
    return "open" if promise.covers(on) else "broken"


def _paid_enough(customer: Customer, promise: Promise, ports: Ports) -> bool:
    if promise.amount_minor is None or promise.made_at is None:
        return False
    found = entries(ports, p.PAYMENTS_BY_CUSTOMER, customer.id, most=PAYMENTS_MAX)
    payments = ports.store.get_many(Payment, [e.key for e in found])
    since = (i for i in payments if i.at >= promise.made_at and i.status == "succeeded" and i.method != "credit")
    return sum(i.amount_minor for i in since if i.currency == customer.currency) >= promise.amount_minor

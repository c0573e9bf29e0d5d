"""Promises to pay and service, read and shown. API.md "Resources", PRODUCT 9."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from shared.contracts.api_fields import Amount, Body, Day, Findings, id_of, iso, minor, rfc3339
from shared.domain.customer import Customer, Promise
from shared.domain.money import format_minor

PromiseId = Annotated[
    str, BeforeValidator(id_of("prm_")), WithJsonSchema({"type": "string", "pattern": "^prm_[A-Za-z0-9_-]{1,60}$"})
]


class PromiseBody(Body):
    """To pay by a date (inclusive) an amount in the customer's currency; all that is past due if none is given."""

    id: PromiseId | None = None
    date: Day
    amount: Amount | None = None


def read_promise(body: PromiseBody, id: str, customer: Customer, by: str) -> Promise:
    found, amount = Findings(), None
    if body.amount is not None:
        text = body.amount
        amount = found.attempt("amount", lambda: minor(text, customer.currency), 1)
    found.done()
    return Promise(id, body.date, amount, made_by=by)


def promise_json(promise: Promise, customer: Customer, status: str | None = "open") -> dict[str, Any]:
    amount = promise.amount_minor
    return {
        "id": promise.id,
        "customer_id": customer.id,
        "date": iso(promise.through),
        "amount": None if amount is None else format_minor(amount, customer.currency),
        "currency": customer.currency,
        "status": status,
        "made_at": rfc3339(promise.made_at),
        "made_by": promise.made_by,
    }

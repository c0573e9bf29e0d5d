"""Payments and payment runs, read and shown. API.md "Shapes", PRODUCT 7."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from shared.contracts.api_fields import (
    Amount,
    Body,
    Currency,
    CustomerId,
    Day,
    Findings,
    InvoiceId,
    Name,
    PaymentId,
    PaymentRunId,
    iso,
    minor,
    rfc3339,
)
from shared.domain.money import format_minor
from shared.domain.payment import Allocation, Payment, Refund
from shared.domain.runs import Outcome, PaymentRun

CUSTOMERS_MAX: Final = 1_000  # named in one request
ALLOCATIONS_MAX: Final = 1_000


class AllocationBody(Body):
    invoice_id: InvoiceId
    amount: Amount


class PaymentBody(Body):
    """Money that came in another way than by card."""

    id: PaymentId | None = None
    customer_id: CustomerId
    amount: Amount
    currency: Currency | None = None
    method: Literal["check", "transfer", "cash", "other"]
    reference: Name | None = None
    allocations: Annotated[list[AllocationBody], Field(max_length=ALLOCATIONS_MAX)] | None = None


class RefundBody(Body):
    amount: Amount | None = None


class PaymentRunBody(Body):
    id: PaymentRunId | None = None
    as_of: Day | None = None
    customer_ids: Annotated[list[CustomerId], Field(min_length=1, max_length=CUSTOMERS_MAX)] | None = None


def read_allocations(body: PaymentBody, currency: str) -> tuple[int, tuple[Allocation, ...] | None]:
    """The amount in minor units, and what it is to pay if the body says so. Raises InvalidBody."""
    found = Findings()
    amount = found.attempt("amount", lambda: minor(body.amount, currency), 1)
    if amount <= 0:
        found.add("amount", "must be more than zero")
    allocations: list[Allocation] = []
    for n, given in enumerate(body.allocations or ()):
        if given.invoice_id in {a.invoice_id for a in allocations}:
            found.add(f"allocations[{n}].invoice_id", "is named twice")
        value = found.attempt(f"allocations[{n}].amount", partial(minor, given.amount, currency), 1)
        if value <= 0:
            found.add(f"allocations[{n}].amount", "must be more than zero")
        allocations.append(Allocation(given.invoice_id, value))
    found.done()
    return amount, tuple(allocations) if body.allocations is not None else None


def payment_json(payment: Payment) -> dict[str, Any]:
    currency = payment.currency
    return {
        "id": payment.id,
        "customer_id": payment.customer_id,
        "invoice_id": payment.invoice_id,
        "payment_method_id": payment.payment_method_id,
        "method": payment.method,
        "amount": format_minor(payment.amount_minor, currency),
        "currency": currency,
        "status": payment.status,
        "code": payment.code,
        "hard": payment.hard,
        "attempt": payment.attempt,
        "at": rfc3339(payment.at),
        "next_attempt_on": iso(payment.next_attempt_on),
        "refunded": format_minor(payment.refunded_minor, currency),
        "refunds": [_refund_json(r, currency) for r in payment.refunds],
        "reference": payment.reference,
        "allocations": [
            {"invoice_id": a.invoice_id, "amount": format_minor(a.amount_minor, currency)} for a in payment.allocations
        ],
        "credited": format_minor(payment.credited_minor, currency),
        "payment_run_id": payment.run_id,
        "autopay_rule_id": payment.rule_id,
        "version": payment.version,
    }


def _refund_json(refund: Refund, currency: str) -> dict[str, Any]:
    """`status` is that of the refund: pending, unknown, succeeded, declined or failed. The last two move nothing."""
    moves = refund.open or refund.status == "succeeded"
    return {
        "id": refund.id,
        "amount": format_minor(refund.amount_minor, currency),
        "status": refund.status,
        "code": refund.code,
        "at": rfc3339(refund.at),
        "by": refund.by,
        "from_credit": format_minor(refund.credit_minor if moves else 0, currency),
        "reopened": [
            {"invoice_id": a.invoice_id, "amount": format_minor(a.amount_minor, currency)}
            for a in (refund.reopened if moves else ())
        ],
    }


def read_refund(body: RefundBody, currency: str) -> int | None:
    """The amount in minor units; None for all that is left. Raises InvalidBody."""
    if body.amount is None:
        return None
    found = Findings()
    amount = found.attempt("amount", partial(minor, body.amount, currency), 1)
    if amount <= 0:
        found.add("amount", "must be more than zero")
    found.done()
    return amount


def payment_run_json(run: PaymentRun, counts: Mapping[str, int], collected_minor: Mapping[str, int]) -> dict[str, Any]:
    return {
        "id": run.id,
        "status": run.status,
        "as_of": iso(run.as_of),
        "scheduled_for": rfc3339(run.scheduled_for),
        "customer_ids": list(run.customer_ids) if run.customer_ids is not None else None,
        "counts": dict(counts),
        "collected": money_json(collected_minor),
        "reason": run.reason,
        "created_at": rfc3339(run.created_at),
        "created_by": run.created_by,
        "completed_at": rfc3339(run.completed_at),
        "version": run.version,
    }


def skipped_json(outcome: Outcome) -> dict[str, Any]:
    return {"invoice_id": outcome.invoice_id, "reason": outcome.reason}


def money_json(by_currency: Mapping[str, int]) -> dict[str, str]:
    return {currency: format_minor(minor, currency) for currency, minor in sorted(by_currency.items())}

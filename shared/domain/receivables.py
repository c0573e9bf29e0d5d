"""What was owed at the end of a past day: what is owed now, less everything that happened after that day. PRODUCT 12.

Nothing is stored for this. Postings, voids, payments and refunds carry their own dates, so an answer about a past day
is the same whenever it is asked for. A day is the customer's local one (PRODUCT 1) and counts to its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date

from shared.domain.calendar import local_date
from shared.domain.invoice import Invoice
from shared.domain.payment import Payment
from shared.domain.values import dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """What a local date did to an amount: positive is more of it."""

    on: date
    amount_minor: int


def owed_on(invoice: Invoice, changes: Iterable[Change], zone: str, on: date) -> int:
    """What was left to pay on an invoice at the end of `on`, in minor units; 0 before it was posted.

    `changes` are those of the invoice by payments and refunds; which of them came later is found out here.
    """
    if invoice.posted_on is None or invoice.posted_on > on:
        return 0
    later = sum(c.amount_minor for c in changes if c.on > on)
    if invoice.voided_at is not None and local_date(invoice.voided_at, zone) > on:
        later -= max(invoice.total_minor, 0)  # it is voided only while nothing is paid
    return invoice.residual_minor - later


def credit_on(balance_minor: int, changes: Iterable[Change], on: date) -> int:
    """A customer's credit at the end of `on`, from what it is now."""
    return balance_minor - sum(c.amount_minor for c in changes if c.on > on)


def invoice_changes(payment: Payment, zone: str) -> Iterator[tuple[str, Change]]:
    """What a payment, or an application of credit, and its refunds did to invoices, by invoice id.

    It counts on the day it succeeded; a refund on the day it succeeded.
    """
    if not _succeeded(payment):
        return
    on = local_date(payment.settled_at or payment.at, zone)
    for part in payment.allocations:
        yield part.invoice_id, Change(on, -part.amount_minor)
    for refund in payment.refunds:
        if refund.status == "succeeded":
            back_on = local_date(refund.settled_at or refund.at, zone)
            yield from ((part.invoice_id, Change(back_on, part.amount_minor)) for part in refund.reopened)


def payment_credit(payment: Payment, zone: str) -> Iterator[Change]:
    """What a payment and its refunds did to the customer's credit.

    Credit that is applied is taken from it. A payment, and the payment that stands for a credit memo, bring what they
    did not pay. A refund takes its part when it is opened.
    """
    if not _succeeded(payment):
        return
    on = local_date(payment.settled_at or payment.at, zone)
    if applies_credit(payment):
        yield Change(on, -payment.amount_minor)
    elif payment.credited_minor:
        yield Change(on, payment.credited_minor)
    for refund in payment.refunds:
        if refund.credit_minor and (refund.open or refund.status == "succeeded"):
            yield Change(local_date(refund.at, zone), -refund.credit_minor)


def applies_credit(payment: Payment) -> bool:
    """Whether it spends the customer's credit; a credit memo's payment names the memo, and brings its own."""
    return payment.method == "credit" and payment.reference is None


def invoice_credit(invoice: Invoice, zone: str) -> Iterator[Change]:
    """An invoice below zero became credit when it was posted; voiding it takes that back. Memos say it themselves."""
    if invoice.type == "credit_memo" or invoice.total_minor >= 0 or invoice.posted_on is None:
        return
    yield Change(invoice.posted_on, -invoice.total_minor)
    if invoice.voided_at is not None:
        yield Change(local_date(invoice.voided_at, zone), invoice.total_minor)


def sales(invoice: Invoice, zone: str) -> Iterator[Change]:
    """What an invoice adds to credit sales, tax included: its total when it is posted, taken back when it is voided.

    Credit memos are below zero, so sales are net of them.
    """
    if invoice.posted_on is None:
        return
    yield Change(invoice.posted_on, invoice.total_minor)
    if invoice.voided_at is not None:
        yield Change(local_date(invoice.voided_at, zone), -invoice.total_minor)


def _succeeded(payment: Payment) -> bool:
    return payment.status in ("succeeded", "refunded")

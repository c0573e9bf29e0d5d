"""When a posted invoice is due and when it is collected. PRODUCT 5, 7."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta

from shared.domain.invoice import Invoice
from shared.domain.policy import AutoCharge
from shared.domain.settings import DueDateBasis


def due_date(invoice: Invoice, posted_on: date, terms_days: int, basis: DueDateBasis) -> date:
    """Basis plus terms; a memo is due when it is posted."""
    start = invoice.invoice_date if basis == "invoice_date" else posted_on
    return posted_on if invoice.type == "debit_memo" else start + timedelta(days=terms_days)


def collection_date(invoice: Invoice, rule: AutoCharge) -> date:
    """The first day on which a posted invoice may be charged automatically.

    A fixed day of the month is its first occurrence on or after the invoice date, the month's last day if shorter.
    """
    if rule.on == "day_of_month":
        return _next_day_of_month(invoice.invoice_date, rule.day or 1)
    start = invoice.invoice_date if rule.on == "invoice_date" else invoice.due_on or invoice.invoice_date
    return start + timedelta(days=rule.offset_days) if rule.offset_days else start


def _next_day_of_month(on: date, day: int) -> date:
    this = on.replace(day=min(day, monthrange(on.year, on.month)[1]))
    if this >= on:
        return this
    first = (on.replace(day=1) + timedelta(days=32)).replace(day=1)
    return first.replace(day=min(day, monthrange(first.year, first.month)[1]))

"""Late fees: when an overdue invoice is charged one, and how much. PRODUCT 9."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta

from shared.domain.ids import derive_id
from shared.domain.invoice import Invoice
from shared.domain.money import minor_in, percent_of, split
from shared.domain.policy import LateFee
from shared.domain.values import dataclass

OCCURRENCES_MAX = 120  # months for which an unpaid invoice goes on being charged


@dataclass(frozen=True, slots=True)
class Fee:
    """A late fee to be posted. `key` is its occurrence: "0", "1", …; "t14.0" is the first action of a trigger at 14."""

    invoice: Invoice
    key: str
    amount_minor: int


def fee_id(invoice_id: str, key: str) -> str:
    """The debit memo's id: each (invoice, occurrence) has one."""
    return derive_id("inv_", "late_fee", invoice_id, key)


def charges(policy: LateFee) -> bool:
    """Whether the policy has a fee at all, in some currency."""
    return policy.percent > 0 or any(digit in "123456789" for digit in policy.amount)


def fee_date(due_on: date, policy: LateFee, occurrence: int) -> date:
    """Day grace + 1 after the due date; the following ones on the same day of the following months.

    A month without that day has it on its last one; later months are not moved by that.
    """
    first = due_on + timedelta(days=policy.grace_days + 1)
    months = first.year * 12 + first.month - 1 + occurrence
    year, month = months // 12, months % 12 + 1
    return date(year, month, min(first.day, monthrange(year, month)[1]))


def occurrence_on(due_on: date, policy: LateFee, on: date) -> int | None:
    """Which occurrence falls on that day, if one does."""
    last = occurrence_by(due_on, policy, on)
    return last if last is not None and fee_date(due_on, policy, last) == on else None


def occurrence_by(due_on: date, policy: LateFee, on: date) -> int | None:
    """The latest occurrence on or before that day; None before the first."""
    first = fee_date(due_on, policy, 0)
    if on < first:
        return None
    if policy.repeat == "once":
        return 0
    months = (on.year - first.year) * 12 + on.month - first.month
    reached = months if fee_date(due_on, policy, months) <= on else months - 1
    return min(reached, OCCURRENCES_MAX - 1)


def next_fee_date(due_on: date, policy: LateFee, on: date) -> date | None:
    """The first fee day after a date."""
    reached = occurrence_by(due_on, policy, on)
    coming = 0 if reached is None else reached + 1
    if coming >= (1 if policy.repeat == "once" else OCCURRENCES_MAX):
        return None
    return fee_date(due_on, policy, coming)


def fee_amount(invoice: Invoice, policy: LateFee, charged_minor: int) -> int:
    """What one occurrence costs, in minor units: fixed plus percent of the original principal, within the cap.

    `charged_minor` is what stands of the fees charged on the invoice before. What was credited of the invoice takes its
    share of the fee with it.
    """
    whole = minor_in(policy.amount, invoice.currency) + percent_of(invoice.total_minor, policy.percent)
    owed = whole - credited_share(whole, invoice)
    if policy.cap is None:
        return owed
    return max(min(owed, minor_in(policy.cap, invoice.currency) - charged_minor), 0)


def credited_share(fee_minor: int, invoice: Invoice) -> int:
    """The part of a fee that goes with what was credited of its invoice."""
    credited = min(max(invoice.credited_minor, 0), invoice.total_minor)
    if credited == 0 or invoice.total_minor <= 0:
        return 0
    return split(fee_minor, (credited, invoice.total_minor - credited))[0]


def is_fee(invoice: Invoice) -> bool:
    return invoice.late_fee is not None

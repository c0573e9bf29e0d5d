"""When an invoice that a customer pays by hand is likely paid: a middle, and a band about it. PRODUCT 12.

Nothing is known of what a person will do; what is known is when this person paid before.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from shared.domain.values import dataclass

HISTORY_MIN: Final = 3  # invoices that a customer must have paid before they say anything
EARLY, MIDDLE, LATE = 10, 50, 90  # percentiles of the customer's days late


@dataclass(frozen=True, slots=True)
class Likely:
    """The days on which the money comes if the customer is early, as usual, or late; None: not to be said."""

    early_on: date | None
    usual_on: date | None
    late_on: date | None


def likely_paid(due_on: date, days_late: Sequence[int], as_of: date) -> Likely:
    """By the customer's own days late (negative: early), of those that were at least as late as this one is already.

    With fewer than HISTORY_MIN it is the due date, and never in the worst case; overdue without any like it, at best
    at once.
    """
    already = max((as_of - due_on).days, min(days_late, default=0))
    like = sorted(d for d in days_late if d >= already)
    if len(days_late) >= HISTORY_MIN and like:
        days = (percentile(like, p) for p in (EARLY, MIDDLE, LATE))
        early, usual, late = (max(due_on + timedelta(days=d), as_of) for d in days)
        return Likely(early, usual, late)
    if due_on >= as_of:
        return Likely(due_on, due_on, None)
    return Likely(as_of, None, None)


def percentile(ordered: Sequence[int], percent: int) -> int:
    """The nearest-rank percentile of an ascending list that is not empty."""
    return ordered[max(-(-len(ordered) * percent // 100), 1) - 1]

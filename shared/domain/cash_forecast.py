"""When open invoices can be expected to be paid, and why then. PRODUCT 12."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Literal

from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.values import dataclass

Method = Literal["on_hold", "promise", "retry", "autopay", "history", "due_date", "overdue"]
HISTORY_MIN = 3  # invoices that a customer must have paid before they say anything
HISTORY_MAX = 50  # the latest of them that count
HISTORY_DAYS = 365  # how far back they count


@dataclass(frozen=True, slots=True)
class Expected:
    """One open invoice: `on` is the day its money is expected, None if nothing says when."""

    invoice: Invoice
    amount_minor: int
    method: Method
    on: date | None


def usual_days_late(days_late: Sequence[int], at_least: int) -> int | None:
    """The median of the days late (negative: early) of a customer's paid invoices, of those at or above `at_least`.

    An invoice that is late already is compared with those that were as late as that, so that what is expected never
    lies in the past. None if there are fewer than HISTORY_MIN in all, or none was so late. Of two medians the later.
    """
    if len(days_late) < HISTORY_MIN:
        return None
    like = sorted(d for d in days_late if d >= at_least)
    return like[len(like) // 2] if like else None


def expect_by_dates(invoice: Invoice, amount_minor: int, days_late: Sequence[int], as_of: date) -> Expected:
    """By the customer's own past behaviour, else by the due date; an overdue invoice without either has no date."""
    due_on = invoice.due_on or as_of
    usual = usual_days_late(days_late, (as_of - due_on).days)
    if usual is not None:
        return Expected(invoice, amount_minor, "history", due_on + timedelta(days=usual))
    if due_on >= as_of:
        return Expected(invoice, amount_minor, "due_date", due_on)
    return Expected(invoice, amount_minor, "overdue", None)


def promised(customer: Customer, open_: Iterable[tuple[Invoice, int]], as_of: date) -> dict[str, date]:
    """The invoices that a running promise to pay covers: what is past due, oldest first, as far as its amount goes."""
    promise = customer.promise
    if promise is None or not promise.covers(as_of):
        return {}
    left = promise.amount_minor
    found: dict[str, date] = {}
    for invoice, amount in sorted(open_, key=lambda part: (part[0].due_on or date.max, part[0].id)):
        if (
            invoice.due_on is None
            or invoice.due_on >= as_of
            or (left is not None and invoice.currency != customer.currency)
        ):
            continue
        if left is not None:
            if amount > left:
                break
            left -= amount
        found[invoice.id] = promise.through
    return found


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of days of the forecast, both inclusive, with what is expected in it by currency."""

    first_on: date
    last_on: date
    expected_minor: dict[str, int]


def sliced(expected: Iterable[Expected], as_of: date, days: int, step_days: int) -> list[Slice]:
    """The expected amounts in stretches of `step_days`, from the as-of date through `days` days later."""
    end = as_of + timedelta(days=days)
    starts = [as_of + timedelta(days=n) for n in range(0, days + 1, step_days)]
    slices = [Slice(s, min(s + timedelta(days=step_days - 1), end), {}) for s in starts]
    for item in expected:
        if item.on is None or item.on > end:
            continue
        sums = slices[bisect_right(starts, item.on) - 1].expected_minor
        sums[item.invoice.currency] = sums.get(item.invoice.currency, 0) + item.amount_minor
    return slices

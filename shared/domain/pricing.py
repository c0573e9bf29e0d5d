"""What a stretch of service and a quantity of usage cost, rounded once. PRODUCT 1, 3."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from shared.domain.calendar import Period
from shared.domain.contract import Charge, Segment
from shared.domain.money import multiply, prorate, round_half_up
from shared.domain.values import dataclass

Price = tuple[int, Decimal]  # minor units per unit and interval, and how many units


@dataclass(frozen=True, slots=True)
class UsageCost:
    """`billable` is the quantity beyond what is included."""

    billable: Decimal
    amount_minor: int


def price_at(charge: Charge, on: date) -> Price:
    """The amount and quantity in force on a day: the latest word of each, up to and including that day."""
    amount_minor, quantity = charge.amount_minor, charge.quantity
    for change in sorted(charge.changes, key=lambda c: c.effective_on):
        if change.effective_on > on:
            break
        amount_minor = amount_minor if change.amount_minor is None else change.amount_minor
        quantity = quantity if change.quantity is None else change.quantity
    return amount_minor, quantity


def segments_of(charge: Charge, windows: Sequence[Period], whole_days: int) -> tuple[Segment, ...]:
    """The windows of one period, cut where the price changes. Without proration: one, at the full amount."""
    if not windows:
        return ()
    if not charge.prorate or charge.type == "one_time":
        amount_minor, quantity = price_at(charge, windows[0].start)
        cost = multiply(amount_minor, quantity)
        return (Segment(windows[0].start, windows[-1].end, amount_minor, quantity, cost),)
    return tuple(s for w in windows for s in _cut(charge, w, whole_days))


def _cut(charge: Charge, window: Period, whole_days: int) -> list[Segment]:
    inside = sorted({c.effective_on for c in charge.changes if window.start < c.effective_on < window.end})
    starts = [window.start]
    for on in inside:
        if price_at(charge, on) != price_at(charge, starts[-1]):
            starts.append(on)
    return [_segment(charge, Period(a, b), whole_days) for a, b in pairwise([*starts, window.end])]


def _segment(charge: Charge, part: Period, whole_days: int) -> Segment:
    amount_minor, quantity = price_at(charge, part.start)
    cost = prorate(amount_minor, quantity, part.days, whole_days)
    return Segment(part.start, part.end, amount_minor, quantity, cost)


def usage_cost(charge: Charge, quantity: Decimal) -> UsageCost:
    """The cost of a period's usage beyond the included quantity, which is not prorated. Rounded once.

    Graduated: each unit costs its own tier's price. Volume: all units cost the price of the tier the quantity is in.
    A tier's `up_to` is inclusive; beyond the last one its price goes on.
    """
    billable = max(quantity - charge.included_quantity, Decimal(0))
    if charge.tier_mode is None:
        return UsageCost(billable, multiply(charge.unit_amount_minor or 0, billable))
    if charge.tier_mode == "volume":
        tier = next((t for t in charge.tiers if t.up_to is None or billable <= t.up_to), charge.tiers[-1])
        return UsageCost(billable, multiply(tier.unit_amount_minor, billable))
    return UsageCost(billable, round_half_up(_graduated(charge, billable)))


def _graduated(charge: Charge, billable: Decimal) -> Fraction:
    total, below = Fraction(0), Decimal(0)
    for tier in charge.tiers:
        top = billable if tier.up_to is None or tier is charge.tiers[-1] else min(billable, tier.up_to)
        if top > below:
            total += tier.unit_amount_minor * (Fraction(top) - Fraction(below))
            below = top
    return total

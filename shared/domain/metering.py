"""A period's usage on an invoice: when the period ends, and once more if records come after that. PRODUCT 3."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Protocol

from shared.domain.calendar import Period
from shared.domain.contract import BilledPeriod, Contract, Segment
from shared.domain.copies import replace
from shared.domain.invoice import Line
from shared.domain.pricing import usage_cost
from shared.domain.progress import billed_period, progress_of
from shared.domain.service import ONE_DAY, Timeline, timeline
from shared.domain.values import dataclass


@dataclass(frozen=True, slots=True)
class Used:
    """The usage of one metric in a stretch of days, and of how many records it is the sum."""

    quantity: Decimal = Decimal(0)
    records: int = 0


class UsageLookup(Protocol):
    def __call__(self, contract_id: str, metric: str, start: date, end: date) -> Used:
        """The usage recorded for the local dates from `start` to before `end`."""


def no_usage(contract_id: str, metric: str, start: date, end: date) -> Used:
    return Used()


@dataclass(frozen=True, slots=True)
class Step:
    """One charge's period billed on one bill date: its lines, and the segments as they stand after it."""

    bill_on: date
    charge_id: str
    period: Period
    segments: tuple[Segment, ...]
    lines: tuple[Line, ...] = ()
    missing: Line | None = None  # expected usage that did not come: a line that says so
    late: bool = False  # usage that came after its period was billed


def usage_step(line: Timeline, period: Period, usage: UsageLookup) -> Step:
    """A period's usage, on one line; no record at all makes no line."""
    charge, span = line.charge, _metered(line, period)
    used = usage(line.contract.id, charge.metric or "", span.start, span.end)
    cost = usage_cost(charge, used.quantity)
    segment = Segment(span.start, span.end, charge.unit_amount_minor or 0, used.quantity, cost.amount_minor)
    made = _usage_line(line, span, cost.billable, cost.amount_minor)
    return Step(
        line.due_on(period), charge.id, period, (segment,), lines=(made,) if used.records else (),
        missing=made if charge.expected and not used.records else None,
    )  # fmt: skip


def _metered(line: Timeline, period: Period) -> Period:
    """The days whose usage a period bills: the day it was added and the contract's end cut it short, nothing else."""
    return Period(max(period.start, line.starts_on), line.due_on(period))


def _usage_line(line: Timeline, span: Period, quantity: Decimal, amount_minor: int, note: str = "") -> Line:
    charge = line.charge
    return Line(
        name=charge.name + note, amount_minor=amount_minor, quantity=quantity, contract_id=line.contract.id,
        unit_amount_minor=charge.unit_amount_minor if charge.tier_mode is None else None,
        charge_id=charge.id, service_start=span.start, service_end=span.end, taxable=charge.taxable,
    )  # fmt: skip


# ---- late usage -----------------------------------------------------------------------------------------------


def late_steps(contract: Contract, usage: UsageLookup, next_on: date | None, as_of: date) -> Iterator[Step]:
    """Usage for periods billed before it came: on the contract's next bill date, or at once if there is none.

    In the order of the charges and of their periods, in whatever order it came.
    """
    places = {charge.id: n for n, charge in enumerate(contract.charges)}
    for mark in sorted(contract.late_usage, key=lambda m: (places.get(m[0], len(places)), m[1])):
        bill_on = next_on or late_due(contract, mark)
        found = _late_period(contract, mark)
        if bill_on <= as_of and found is not None:
            yield _late_step(*found, bill_on, usage)


def _late_step(line: Timeline, billed: BilledPeriod, bill_on: date, usage: UsageLookup) -> Step:
    """Its line is the price of all the period's usage less what was billed of it."""
    charge, before, period = line.charge, billed.segments[0], Period(billed.start, billed.end)
    span = _metered(line, period)
    used = usage(line.contract.id, charge.metric or "", span.start, span.end)
    cost = usage_cost(charge, used.quantity)
    more = cost.billable - usage_cost(charge, before.quantity).billable
    difference = cost.amount_minor - before.amount_minor
    segment = replace(before, end=span.end, quantity=used.quantity, amount_minor=cost.amount_minor)
    made = _usage_line(line, span, more, difference, " (late usage)")
    return Step(bill_on, charge.id, period, (segment,), (made,) if difference else (), late=bool(difference))


def _late_period(contract: Contract, mark: tuple[str, date]) -> tuple[Timeline, BilledPeriod] | None:
    """What a mark points at; None once that is open again, and will be billed with all its usage."""
    charge = contract.charge(mark[0])
    billed = billed_period(progress_of(contract, mark[0]), mark[1])
    return (timeline(contract, charge), billed) if charge is not None and billed is not None else None


def late_due(contract: Contract, mark: tuple[str, date]) -> date:
    """The bill date of late usage that no regular invoice will take along: that of its period."""
    found = _late_period(contract, mark)
    return found[0].due_on(Period(found[1].start, found[1].end)) if found else mark[1] + ONE_DAY

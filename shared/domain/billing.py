"""Billing a contract: what falls due up to a date, and how the contract stands once that is invoiced. PRODUCT 3, 4.

Billing reconciles what each charge should have been billed with what it has been billed; both follow from the
contract. So it does not matter how late or how often it happens: nothing is billed twice and nothing is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Final, Protocol

from shared.domain.calendar import Period
from shared.domain.contract import BilledPeriod, Billing, Charge, ChargeProgress, Contract, Segment
from shared.domain.invoice import Line
from shared.domain.pricing import usage_cost
from shared.domain.progress import entered, open_ranges, progress_of, struck, with_progress
from shared.domain.reconcile import Move, after, moves
from shared.domain.service import NEVER, ONE_DAY, Timeline, timeline

PERIODS_CAUGHT_UP_MAX: Final = 12  # per charge; a contract that missed more is parked. PRODUCT 4
NO_INVOICE: Final = ""  # stands in a Billing for the invoice where nothing was to be invoiced


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


@dataclass(frozen=True, slots=True)
class Due:
    """What a contract has due up to a date, in the order of bill dates."""

    contract: Contract
    steps: tuple[Step, ...] = ()

    @property
    def bill_dates(self) -> tuple[date, ...]:
        return tuple(dict.fromkeys(s.bill_on for s in self.steps))


def due(contract: Contract, usage: UsageLookup, as_of: date) -> Due:
    """Everything whose bill date is `as_of` or earlier and that is not billed."""
    steps = [s for c in contract.charges for s in _charge_steps(contract, c, usage, as_of)]
    if contract.late_usage:
        next_on = min((s.bill_on for s in steps), default=None) or _next_regular(contract)
        steps += _late_steps(contract, usage, next_on, as_of)
    return Due(contract, tuple(sorted(steps, key=lambda s: s.bill_on)))  # stable: charges keep their order


def apply_billing(due: Due, invoice_ids: Mapping[date, str]) -> Contract:
    """The contract once its steps are on these invoices, one per bill date; on none where no invoice was called for."""
    contract = due.contract
    entries: dict[str, ChargeProgress] = {}
    lines = {c.id: timeline(contract, c) for c in contract.charges}
    for step in due.steps:
        progress = entries.get(step.charge_id) or progress_of(contract, step.charge_id)
        billing = Billing(invoice_ids.get(step.bill_on, NO_INVOICE), step.segments)
        entries[step.charge_id] = entered(progress, step.period, billing, lines[step.charge_id].first_start)
    for progress in entries.values():
        contract = with_progress(contract, progress)
    billed = {(s.charge_id, s.period.start) for s in due.steps}
    marks = tuple(m for m in contract.late_usage if m not in billed)
    return scheduled(replace(contract, late_usage=marks))


def unbill(contract: Contract, invoice_id: str) -> Contract:
    """The contract as if that invoice had never been made; its periods and usage can be billed again.

    Raises Refused if a later invoice has adjusted one of its periods.
    """
    for charge in contract.charges:
        progress = progress_of(contract, charge.id)
        if not _billed_by(progress, invoice_id):
            continue
        open_again = struck(progress, invoice_id, timeline(contract, charge).first_start)
        contract = with_progress(contract, open_again)
        if charge.type == "usage":
            contract = _with_late_marks(contract, charge, progress, open_again)
    return scheduled(contract)


def is_billed_by(contract: Contract, invoice_id: str) -> bool:
    return any(_billed_by(p, invoice_id) for p in contract.progress)


def _billed_by(progress: ChargeProgress, invoice_id: str) -> bool:
    return any(b.invoice_id == invoice_id for p in progress.periods for b in p.billings)


def _with_late_marks(contract: Contract, charge: Charge, was: ChargeProgress, now: ChargeProgress) -> Contract:
    """Usage that was late, and is not billed any more, is late again."""
    before = {p.start: len(p.billings) for p in was.periods}
    marks = [(charge.id, p.start) for p in now.periods if len(p.billings) < before[p.start]]
    return replace(contract, late_usage=(*contract.late_usage, *(m for m in marks if m not in contract.late_usage)))


# ---- when -----------------------------------------------------------------------------------------------------


def scheduled(contract: Contract) -> Contract:
    """The contract with its next bill date worked out; to be called after every change of its facts."""
    return replace(contract, next_bill_on=next_bill_on(contract))


def next_bill_on(contract: Contract) -> date | None:
    """The first day on which a bill run finds something to do; None: never, as things stand."""
    regular = _next_regular(contract)
    if regular is None and contract.late_usage:
        return min(_late_due(contract, mark) for mark in contract.late_usage)
    return regular


def periods_missed(contract: Contract, as_of: date) -> int:
    """The most periods that any one charge has waiting to be billed for the first time."""
    waiting = (_missed(timeline(contract, c), progress_of(contract, c.id), as_of) for c in contract.charges)
    return max(waiting, default=0)


def _missed(line: Timeline, progress: ChargeProgress, as_of: date) -> int:
    most = PERIODS_CAUGHT_UP_MAX + 1
    waiting = 0
    for period in _open_periods(line, progress, as_of):
        waiting += _first_due(line, period) <= as_of
        if waiting == most:
            break
    return waiting


def _next_regular(contract: Contract) -> date | None:
    """The next bill date of anything but late usage."""
    found: list[date] = []
    for charge in contract.charges:
        line, progress = timeline(contract, charge), progress_of(contract, charge.id)
        if charge.type != "usage":
            found += [m.due_on for p in progress.periods for m in moves(line, Period(p.start, p.end), p.segments)]
        for period in _open_periods(line, progress, NEVER):
            if (due_on := _first_due(line, period)) < NEVER:
                found.append(due_on)
                break
    return min(found, default=None)


def _first_due(line: Timeline, period: Period) -> date:
    """When an open period is first due; NEVER if nothing of it ever is."""
    if line.charge.type == "usage":
        return line.due_on(period)
    return min((m.due_on for m in moves(line, period)), default=NEVER)


def _open_periods(line: Timeline, progress: ChargeProgress, as_of: date) -> Iterator[Period]:
    """The periods with service that are not billed at all and begin by `as_of`."""
    until = as_of + ONE_DAY if as_of < NEVER else NEVER
    if not line.windows:
        return
    for gap in open_ranges(progress, line.first_start):
        yield from line.periods(gap.start, min(gap.end, until))


# ---- what -----------------------------------------------------------------------------------------------------


def _charge_steps(contract: Contract, charge: Charge, usage: UsageLookup, as_of: date) -> Iterator[Step]:
    line, progress = timeline(contract, charge), progress_of(contract, charge.id)
    if charge.type == "usage":
        for period in _open_periods(line, progress, as_of):
            if line.due_on(period) <= as_of:
                yield _usage_step(line, period, usage)
        return
    for billed in progress.periods:
        yield from _steps(charge.id, Period(billed.start, billed.end), billed.segments, line, as_of)
    for period in _open_periods(line, progress, as_of):
        yield from _steps(charge.id, period, (), line, as_of)


def _steps(charge_id: str, period: Period, billed: tuple[Segment, ...], line: Timeline, as_of: date) -> Iterator[Step]:
    """The moves that are due, as one step per bill date."""
    ripe = [m for m in moves(line, period, billed) if m.due_on <= as_of]
    for bill_on, together in groupby(ripe, key=lambda m: m.due_on):
        made: list[Move] = list(together)
        billed = after(billed, made)
        yield Step(bill_on, charge_id, period, billed, tuple(m.line for m in made))


def _usage_step(line: Timeline, period: Period, usage: UsageLookup) -> Step:
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
    """The days whose usage a period bills: the contract's end cuts it short, nothing else does."""
    return Period(period.start, line.due_on(period))


def _usage_line(line: Timeline, span: Period, quantity: Decimal, amount_minor: int, note: str = "") -> Line:
    charge = line.charge
    return Line(
        name=charge.name + note, amount_minor=amount_minor, quantity=quantity, contract_id=line.contract.id,
        unit_amount_minor=charge.unit_amount_minor if charge.tier_mode is None else None,
        charge_id=charge.id, service_start=span.start, service_end=span.end, taxable=charge.taxable,
    )  # fmt: skip


# ---- late usage -----------------------------------------------------------------------------------------------


def _late_steps(contract: Contract, usage: UsageLookup, next_on: date | None, as_of: date) -> Iterator[Step]:
    """Usage for periods billed before it came: on the contract's next bill date, or at once if there is none."""
    for mark in contract.late_usage:
        bill_on = next_on or _late_due(contract, mark)
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
    billed = next((p for p in progress_of(contract, mark[0]).periods if p.start == mark[1]), None)
    return (timeline(contract, charge), billed) if charge is not None and billed is not None else None


def _late_due(contract: Contract, mark: tuple[str, date]) -> date:
    """The bill date of late usage that no regular invoice will take along: that of its period."""
    found = _late_period(contract, mark)
    return found[0].due_on(Period(found[1].start, found[1].end)) if found else mark[1] + timedelta(days=1)

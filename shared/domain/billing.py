"""Billing a contract: what falls due up to a date, and how the contract stands once that is invoiced. PRODUCT 3, 4.

Billing reconciles what each charge should have been billed with what it has been billed; both follow from the
contract. So it does not matter how late or how often it happens: nothing is billed twice and nothing is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from typing import Final

from shared.domain.calendar import Period
from shared.domain.contract import BilledPeriod, Billing, ChargeProgress, Contract, Segment
from shared.domain.copies import replace
from shared.domain.metering import Step, UsageLookup, late_due, late_steps, usage_step
from shared.domain.progress import (
    billed_by,
    billed_period,
    billed_periods,
    entered,
    open_ranges,
    struck,
    with_progress,
)  # fmt: skip
from shared.domain.reconcile import after, first_due, moves
from shared.domain.service import NEVER, ONE_DAY, Timeline, timeline
from shared.domain.values import dataclass

PERIODS_CAUGHT_UP_MAX: Final = 12  # per charge; a contract that missed more is parked. PRODUCT 4
NO_INVOICE: Final = ""  # stands in a Billing for the invoice where nothing was to be invoiced


@dataclass(frozen=True, slots=True)
class Due:
    """What a contract has due up to a date, in the order of bill dates.

    `missed` is the most periods that any one charge has waiting to be billed for the first time.
    """

    contract: Contract
    steps: tuple[Step, ...] = ()
    missed: int = 0
    books: tuple[Book, ...] = ()  # of the contract as it is

    @property
    def bill_dates(self) -> tuple[date, ...]:
        return tuple(dict.fromkeys(s.bill_on for s in self.steps))


def due(contract: Contract, usage: UsageLookup, as_of: date) -> Due:
    """Everything whose bill date is `as_of` or earlier and that is not billed."""
    steps: list[Step] = []
    missed = 0
    books = _books(contract)
    for book in books:
        if book.line.charge.type != "usage":
            steps += _corrections(book, as_of)
        waiting = [s for p in _open_periods(book, as_of) for s in _first_billing(book, p, usage, as_of)]
        missed = max(missed, len({s.period.start for s in waiting}))
        steps += waiting
    if contract.late_usage:
        next_on = min((s.bill_on for s in steps), default=None) or _next_regular(books)
        steps += late_steps(contract, usage, next_on, as_of)
    steps.sort(key=lambda s: s.bill_on)  # stable: charges keep their order
    return Due(contract, tuple(steps), missed, tuple(books))


def apply_billing(due: Due, invoice_ids: Mapping[date, str]) -> Contract:
    """The contract once its steps are on these invoices, one per bill date; on none where no invoice was called for."""
    contract = due.contract
    books = {b.line.charge.id: b for b in due.books}
    for step in due.steps:
        billing = Billing(invoice_ids.get(step.bill_on, NO_INVOICE), step.segments)
        books[step.charge_id] = books[step.charge_id].with_billing(step.period, billing)
    billed = {(s.charge_id, s.period.start) for s in due.steps}
    marks = tuple(m for m in contract.late_usage if m not in billed)
    return _closed(replace(contract, late_usage=marks), list(books.values()))


def unbill(contract: Contract, invoice_id: str) -> Contract:
    """The contract as if that invoice had never been made; its periods and usage can be billed again.

    Raises Refused if a later invoice has adjusted one of its periods.
    """
    marks = list(contract.late_usage)
    books: list[Book] = []
    for book in _books(contract):
        if billed_by(book.progress, invoice_id):
            was, book = book, book.without(invoice_id)
            marks = [m for m in marks if m[0] != book.line.charge.id or billed_period(book.progress, m[1])]
            marks += (m for m in _late_again(was, book) if m not in marks)
        books.append(book)
    return _closed(replace(contract, late_usage=tuple(marks)), books)


def is_billed_by(contract: Contract, invoice_id: str) -> bool:
    return any(billed_by(p, invoice_id) for p in contract.progress)


def billing_invoices(contract: Contract) -> set[str]:
    """The ids of the invoices that have billed the periods it remembers."""
    periods = (period for progress in contract.progress for period in billed_periods(progress))
    return {billing.invoice_id for period in periods for billing in period.billings}


def scheduled(contract: Contract) -> Contract:
    """The contract with its next bill date worked out; to be called after every change of its facts."""
    return _closed(contract, [b.reviewed() for b in _books(contract)])


# ---- one charge's book ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Book:
    """A charge's time, and what has been billed of it."""

    line: Timeline
    progress: ChargeProgress

    def with_billing(self, period: Period, billing: Billing) -> Book:
        progress = entered(self.progress, period, billing, self.line)
        others = tuple(start for start in progress.unsettled if start != period.start)
        if self._unsettled(period, billing.segments):
            others = tuple(sorted((*others, period.start)))
        return Book(self.line, replace(progress, unsettled=others) if others != progress.unsettled else progress)

    def without(self, invoice_id: str) -> Book:
        return Book(self.line, struck(self.progress, invoice_id, self.line)).reviewed()

    def reviewed(self) -> Book:
        """With every billed period compared with the facts as they are now."""
        periods = billed_periods(self.progress)
        unsettled = tuple(p.start for p in periods if self._unsettled(Period(p.start, p.end), p.segments))
        return Book(self.line, replace(self.progress, unsettled=unsettled))

    def unsettled(self) -> Iterator[BilledPeriod]:
        for start in self.progress.unsettled:
            if (found := billed_period(self.progress, start)) is not None:
                yield found

    def _unsettled(self, period: Period, segments: tuple[Segment, ...]) -> bool:
        return self.line.charge.type != "usage" and bool(moves(self.line, period, segments))


def _books(contract: Contract) -> list[Book]:
    known = {p.charge_id: p for p in contract.progress}
    return [Book(timeline(contract, c), known.get(c.id) or ChargeProgress(c.id)) for c in contract.charges]


def _closed(contract: Contract, books: Sequence[Book]) -> Contract:
    """The contract with these books, and the first day on which there is something to do on it again."""
    kept = with_progress(contract, (b.progress for b in books))
    next_on = _next_regular(books)
    if next_on is None and contract.late_usage:
        next_on = min(late_due(kept, mark) for mark in contract.late_usage)
    return replace(kept, next_bill_on=next_on)


def _late_again(was: Book, now: Book) -> Iterator[tuple[str, date]]:
    """Usage that was late, and is not billed any more."""
    if was.line.charge.type == "usage":
        before = {p.start: len(p.billings) for p in billed_periods(was.progress)}
        still = billed_periods(now.progress)
        yield from ((was.line.charge.id, p.start) for p in still if len(p.billings) < before[p.start])


# ---- when -----------------------------------------------------------------------------------------------------


def next_bill_on(contract: Contract) -> date | None:
    """The first day on which a bill run finds something to do; None: never, as things stand."""
    return scheduled(contract).next_bill_on


def _next_regular(books: Iterable[Book]) -> date | None:
    """The next bill date of anything but late usage."""
    found: list[date] = []
    for book in books:
        found += [m.due_on for p in book.unsettled() for m in moves(book.line, Period(p.start, p.end), p.segments)]
        following = (first_due(book.line, p) for p in _open_periods(book, NEVER))
        if (due_on := next(following, NEVER)) < NEVER:  # periods fall due in order
            found.append(due_on)
    return min(found, default=None)


def _open_periods(book: Book, as_of: date) -> Iterator[Period]:
    """The periods with service that are not billed at all and begin by `as_of`."""
    until = as_of + ONE_DAY if as_of < NEVER else NEVER
    if book.line.windows:
        for gap in open_ranges(book.progress, book.line):
            yield from book.line.periods(gap.start, min(gap.end, until))


# ---- what -----------------------------------------------------------------------------------------------------


def _corrections(book: Book, as_of: date) -> Iterator[Step]:
    for billed in book.unsettled():
        yield from _steps(book.line, Period(billed.start, billed.end), billed.segments, as_of)


def _first_billing(book: Book, period: Period, usage: UsageLookup, as_of: date) -> Iterator[Step]:
    if book.line.charge.type != "usage":
        yield from _steps(book.line, period, (), as_of)
    elif book.line.due_on(period) <= as_of:
        yield usage_step(book.line, period, usage)


def _steps(line: Timeline, period: Period, billed: tuple[Segment, ...], as_of: date) -> Iterator[Step]:
    """The moves that are due, as one step per bill date."""
    ripe = [m for m in moves(line, period, billed) if m.due_on <= as_of]
    for bill_on, together in groupby(ripe, key=lambda m: m.due_on):
        made = list(together)
        billed = after(billed, made)
        yield Step(bill_on, line.charge.id, period, billed, tuple(m.line for m in made))

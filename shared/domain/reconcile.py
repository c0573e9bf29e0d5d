"""What one period of a charge should have been billed, against what it has been billed. PRODUCT 3.

Both are segments. Their difference is a list of moves, each with the day it falls due: together the lines of all
moves ever made on a period add up to what it costs as the facts stand now, whatever order the facts came in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date

from shared.domain.calendar import Period
from shared.domain.contract import Segment
from shared.domain.invoice import Line
from shared.domain.pricing import segments_of
from shared.domain.service import NEVER, ONE_DAY, Timeline, clipped


@dataclass(frozen=True, slots=True)
class Move:
    """One correction of what is billed: a segment goes, a segment comes, a line says the difference."""

    due_on: date
    line: Line
    gone: Segment | None = None
    come: Segment | None = None


@dataclass(frozen=True, slots=True)
class _Wanted:
    segment: Segment
    due_on: date
    new: bool  # nothing of its stretch of service is billed yet


def moves(line: Timeline, period: Period, billed: Sequence[Segment] = ()) -> list[Move]:
    """How to get from what is billed to what should be, in the order of bill dates; nothing if that costs nothing."""
    if billed and _settled(line, period, billed):
        return []
    wanted = _wanted(line, period, billed)
    missing = [w for w in wanted if w.segment not in billed]
    kept = {w.segment for w in wanted}
    surplus = [b for b in billed if b not in kept]
    found = [*_pairs(line, period, missing, surplus), *_gone(line, period, surplus), *_come(line, missing)]
    return sorted(found, key=lambda m: (m.due_on, m.line.service_start or m.due_on, m.line.amount_minor > 0))


def after(billed: Iterable[Segment], made: Iterable[Move]) -> tuple[Segment, ...]:
    """What is billed once the moves are made."""
    segments = list(billed)
    for move in made:
        if move.gone is not None:
            segments.remove(move.gone)
        if move.come is not None:
            segments.append(move.come)
    return tuple(sorted(segments, key=lambda s: (s.start, s.end)))


def _settled(line: Timeline, period: Period, billed: Sequence[Segment]) -> bool:
    """The common case, found out cheaply: a full period, billed at the price it still has."""
    if len(billed) != 1 or line.charge.changes or not line.steady(period):
        return False
    only = billed[0]
    charge = line.charge
    whole = only.start == period.start and only.end == period.end
    return whole and only.unit_amount_minor == charge.amount_minor and only.quantity == charge.quantity


# ---- what should be billed ------------------------------------------------------------------------------------


def _wanted(line: Timeline, period: Period, billed: Sequence[Segment]) -> list[_Wanted]:
    """The segments to bill, each with its bill date as if nothing of it were billed yet."""
    charge = line.charge
    if charge.type == "one_time":
        return _wanted_once(line, period, billed)
    windows = line.served(period, billed)
    segments = segments_of(charge, windows, line.whole_days(period))
    if charge.timing == "arrears":
        return [_Wanted(s, line.due_on(period), not billed) for s in segments]
    return [_in_advance(s, windows, billed) for s in segments]


def _wanted_once(line: Timeline, period: Period, billed: Sequence[Segment]) -> list[_Wanted]:
    """Once on its date; if that falls into a suspension it waits for the end of it."""
    if not line.starts_on <= period.start < line.ends_on:
        return []
    due_on = line.first_served(period.start)
    segments = segments_of(line.charge, [Period(period.start, period.start + ONE_DAY)], 1)
    return [_Wanted(s, due_on or NEVER, not billed) for s in segments]


def _in_advance(segment: Segment, windows: Sequence[Period], billed: Sequence[Segment]) -> _Wanted:
    """A stretch of service is billed whole when it begins; once some of it is billed, each part from its own start."""
    window = next(w for w in windows if w.start <= segment.start < w.end)
    touched = bool(clipped([Period(b.start, b.end) for b in billed], window))
    return _Wanted(segment, segment.start if touched else window.start, not touched)


# ---- the difference -------------------------------------------------------------------------------------------


def _pairs(line: Timeline, period: Period, missing: list[_Wanted], surplus: list[Segment]) -> Iterator[Move]:
    """Segments at one price that only begin or end otherwise; takes them out of both lists."""
    for edge in ("start", "end"):
        for wanted in tuple(missing):
            new = wanted.segment
            old = next((b for b in surplus if getattr(b, edge) == getattr(new, edge) and _same_price(b, new)), None)
            if old is not None:
                missing.remove(wanted)
                surplus.remove(old)
                if old.amount_minor != new.amount_minor:
                    yield _resized(line, period, old, new)


def _same_price(one: Segment, other: Segment) -> bool:
    return (one.unit_amount_minor, one.quantity) == (other.unit_amount_minor, other.quantity)


def _resized(line: Timeline, period: Period, old: Segment, new: Segment) -> Move:
    """The line covers the days between the old and the new bound; it is due on the first of them."""
    if old.start == new.start:
        between = Period(min(old.end, new.end), max(old.end, new.end))
    else:
        between = Period(min(old.start, new.start), max(old.start, new.start))
    difference = new.amount_minor - old.amount_minor
    due_on = _effective(line, period, between.start)
    change = replace(new, start=between.start, end=between.end, amount_minor=difference)
    return Move(due_on, _line(line, change), gone=old, come=new)


def _gone(line: Timeline, period: Period, surplus: Iterable[Segment]) -> Iterator[Move]:
    for old in surplus:
        if old.amount_minor:
            due_on = _effective(line, period, old.start)
            yield Move(due_on, _line(line, replace(old, amount_minor=-old.amount_minor)), gone=old)


def _come(line: Timeline, missing: Iterable[_Wanted]) -> Iterator[Move]:
    """New service gets its line even at no charge; a correction of nothing is not worth one."""
    for wanted in missing:
        if (wanted.segment.amount_minor or wanted.new) and wanted.due_on < NEVER:
            yield Move(wanted.due_on, _line(line, wanted.segment), come=wanted.segment)


def _effective(line: Timeline, period: Period, on: date) -> date:
    """The day a correction counts from: a credit for days without service from the first of these."""
    if line.charge.type == "one_time":
        return on
    if line.charge.timing == "arrears":
        return line.due_on(period)
    return line.service_ceased(on, period)


def _line(line: Timeline, part: Segment) -> Line:
    charge = line.charge
    credit = part.amount_minor * part.unit_amount_minor < 0
    return Line(
        name=f"{charge.name} (credit)" if credit else charge.name, amount_minor=part.amount_minor,
        unit_amount_minor=part.unit_amount_minor, quantity=part.quantity, contract_id=line.contract.id,
        charge_id=charge.id, service_start=part.start, service_end=part.end, taxable=charge.taxable,
    )  # fmt: skip

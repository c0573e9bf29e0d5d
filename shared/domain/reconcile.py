"""What one period of a charge should have been billed, against what it has been billed. PRODUCT 3.

Both are segments. Their difference is a list of moves, each with the day it falls due: together the lines of all
moves ever made on a period add up to what it costs as the facts stand now, whatever order the facts came in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from shared.domain.calendar import Period
from shared.domain.contract import Segment
from shared.domain.copies import replace
from shared.domain.invoice import Line
from shared.domain.pricing import segments_of
from shared.domain.service import NEVER, ONE_DAY, Timeline, clipped
from shared.domain.values import dataclass


@dataclass(frozen=True, slots=True)
class Move:
    """One correction of what is billed: a segment goes, a segment comes, a line says the difference."""

    due_on: date
    line: Line
    gone: Segment | None = None
    come: Segment | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A segment that should be billed, and when that falls due."""

    segment: Segment
    due_on: date
    new: bool  # nothing of its stretch of service is billed yet


def moves(line: Timeline, period: Period, billed: Sequence[Segment] = ()) -> list[Move]:
    """How to get from what is billed to what should be, in the order of bill dates; nothing if that costs nothing."""
    if not billed:
        return [
            Move(w.due_on, _line(line, w.segment), come=w.segment) for w in wanted(line, period) if w.due_on < NEVER
        ]
    if _settled(line, period, billed):
        return []
    should_be = wanted(line, period, billed)
    missing = [w for w in should_be if w.segment not in billed]
    kept = {w.segment for w in should_be}
    surplus = [b for b in billed if b not in kept]
    gone = [*_pairs(line, period, missing, surplus), *_gone(line, period, surplus)]
    found = [*gone, *(_with_its_credit(line, move, gone) for move in _come(line, missing))]
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


def wanted(line: Timeline, period: Period, billed: Sequence[Segment] = ()) -> list[Wanted]:
    """The segments to bill, each with its bill date as if nothing of it were billed yet."""
    charge = line.charge
    if charge.type == "one_time":
        return _wanted_once(line, period, billed)
    windows = line.served(period, billed)
    segments = segments_of(charge, windows, line.whole_days(period))
    if charge.timing == "arrears":
        return [Wanted(s, line.due_on(period), not billed) for s in segments]
    return [_in_advance(s, windows, billed) for s in segments]


def _wanted_once(line: Timeline, period: Period, billed: Sequence[Segment]) -> list[Wanted]:
    """Once on its date; if that falls into a suspension it waits for the end of it."""
    if not line.starts_on <= period.start < line.ends_on:
        return []
    due_on = line.first_served(period.start)
    segments = segments_of(line.charge, [Period(period.start, period.start + ONE_DAY)], 1)
    return [Wanted(s, due_on or NEVER, not billed) for s in segments]


def _in_advance(segment: Segment, windows: Sequence[Period], billed: Sequence[Segment]) -> Wanted:
    """A stretch of service is billed whole when it begins; once some of it is billed, each part from its own start."""
    window = next(w for w in windows if w.start <= segment.start < w.end)
    touched = bool(clipped([Period(b.start, b.end) for b in billed], window))
    return Wanted(segment, segment.start if touched else window.start, not touched)


def first_due(line: Timeline, period: Period) -> date:
    """When a period of which nothing is billed first falls due; NEVER if it never does."""
    if line.charge.timing == "arrears" or line.charge.type == "usage":
        return line.due_on(period)
    return line.first_served(period.start) or NEVER


# ---- the difference -------------------------------------------------------------------------------------------


def _pairs(line: Timeline, period: Period, missing: list[Wanted], surplus: list[Segment]) -> Iterator[Move]:
    """Segments at one price that only begin or end otherwise; takes them out of both lists."""
    for edge in ("start", "end"):
        for sought in tuple(missing):
            new = sought.segment
            old = next((b for b in surplus if getattr(b, edge) == getattr(new, edge) and _same_price(b, new)), None)
            if old is not None:
                missing.remove(sought)
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


def _come(line: Timeline, missing: Iterable[Wanted]) -> Iterator[Move]:
    """New service gets its line even at no charge; a correction of nothing is not worth one."""
    for sought in missing:
        if (sought.segment.amount_minor or sought.new) and sought.due_on < NEVER:
            yield Move(sought.due_on, _line(line, sought.segment), come=sought.segment)


def _with_its_credit(line: Timeline, move: Move, gone: Sequence[Move]) -> Move:
    """What takes the place of something billed is billed on the day that is credited, if in service by then.

    Later, its days would not count as billed, and would be lost if collections suspended them meanwhile.
    """
    new = move.come
    since = next((w.start for w in line.contracted if new and w.start <= new.start < w.end), move.due_on)
    replaced = [m.due_on for m in gone if new and m.gone and m.gone.start < new.end and new.start < m.gone.end]
    return replace(move, due_on=min([move.due_on, *(max(since, on) for on in replaced)]))


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

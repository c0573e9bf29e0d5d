"""Which days a charge is in service, and how those days fall into its billing periods. PRODUCT 3.

Every range is half-open: its end is the first day without service.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from shared.domain.calendar import Cycle, Period
from shared.domain.contract import Charge, Contract, Segment
from shared.domain.values import dataclass

NEVER: Final = date.max  # the end of a service that nobody has ended
ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Timeline:
    """A charge's time: its periods, and the stretches of service within them.

    `windows` leave out every suspension; `contracted` leaves out all but those by collections, whose days are not
    credited once they are billed.
    """

    contract: Contract
    charge: Charge
    cycle: Cycle
    starts_on: date  # of service that Paidup bills
    ends_on: date  # NEVER if nobody has ended it
    windows: tuple[Period, ...]
    contracted: tuple[Period, ...]

    @property
    def first_start(self) -> date:
        """Where the first period with service starts; it may lie before the service in it does."""
        if self.charge.type == "one_time":
            return self.charge.on or self.starts_on
        return self.cycle.period_at(self.starts_on).start

    def served(self, period: Period, billed: Sequence[Segment] = ()) -> tuple[Period, ...]:
        """The stretches of a period to bill: those in service, and those billed before collections suspended them."""
        served = clipped(self.windows, period)
        if self.contracted is self.windows or not billed:
            return served
        kept = (w for b in billed for w in clipped(self.contracted, Period(b.start, b.end)))
        return joined((*served, *clipped(kept, period)))

    def steady(self, period: Period) -> bool:
        """Whether the whole period is in service without a break."""
        return any(w.start <= period.start and period.end <= w.end for w in self.windows)

    def whole_days(self, period: Period) -> int:
        """The days of the regular period around it: what a partial one is prorated over."""
        return self.cycle.whole_period(period.start).days

    def due_on(self, period: Period) -> date:
        """The bill date in arrears: the period's end, or the contract's if that comes first."""
        return max(period.start, min(period.end, self.ends_on))

    def periods(self, since: date, until: date) -> Iterator[Period]:
        """The periods with service from `since` (a period's start) that start before `until`, in order."""
        if self.charge.type == "one_time":
            yield from self._once(since, until)
            return
        reached = since
        for window in self.windows:
            if window.end <= reached:
                continue
            for period in self.cycle.periods(min(until, window.end), since=max(reached, window.start)):
                yield period
                reached = period.end

    def _once(self, since: date, until: date) -> Iterator[Period]:
        on = self.charge.on
        if on is not None and since <= on < until and self.starts_on <= on < self.ends_on:
            yield Period(on, on + ONE_DAY)

    def first_served(self, since: date) -> date | None:
        """The first day in service on or after a date."""
        return next((max(w.start, since) for w in self.windows if w.end > since), None)

    def service_ceased(self, on: date, period: Period) -> date:
        """For a day in service: the day. For one without: the first of the days without, within the period.

        Days suspended by collections count as service here: they are not credited once they are billed.
        """
        before = [w.end for w in self.contracted if w.end <= on]
        if any(w.start <= on < w.end for w in self.contracted):
            return on
        return max([period.start, *before])


def timeline(contract: Contract, charge: Charge) -> Timeline:
    starts_on = max(contract.start_date, contract.billing_starts_on, charge.starts_on or contract.start_date)
    ends_on = contract.end_date or NEVER
    cycle = Cycle(
        charge.interval, charge.interval_count, contract.bill_cycle_day, contract.start_date,
        contract.billing_starts_on, contract.anchor_month,
    )  # fmt: skip
    windows: tuple[Period, ...] = (Period(starts_on, ends_on),) if starts_on < ends_on else ()
    contracted = windows
    if contract.suspensions:
        holes = [Period(s.suspended_on, s.resumed_on or NEVER) for s in contract.suspensions]
        ordinary = [h for h, s in zip(holes, contract.suspensions, strict=True) if not s.by_collections]
        contracted = without(windows, ordinary)
        windows = without(windows, holes) if len(ordinary) < len(holes) else contracted
    return Timeline(contract, charge, cycle, starts_on, ends_on, windows, contracted)


# ---- ranges of days -------------------------------------------------------------------------------------------


def clipped(ranges: Iterable[Period], to: Period) -> tuple[Period, ...]:
    """What of the ranges lies within one."""
    return tuple(
        Period(max(r.start, to.start), min(r.end, to.end)) for r in ranges if r.start < to.end and to.start < r.end
    )


def without(ranges: Iterable[Period], holes: Iterable[Period]) -> tuple[Period, ...]:
    """The ranges less the holes."""
    left = tuple(ranges)
    for hole in holes:
        pieces = ((Period(r.start, min(r.end, hole.start)), Period(max(r.start, hole.end), r.end)) for r in left)
        left = tuple(piece for pair in pieces for piece in pair if piece.start < piece.end)
    return left


def joined(ranges: Iterable[Period]) -> tuple[Period, ...]:
    """The union of the ranges: ordered, disjoint, and one where they touch."""
    union: list[Period] = []
    for piece in sorted(ranges, key=lambda r: (r.start, r.end)):
        if union and piece.start <= union[-1].end:
            union[-1] = Period(union[-1].start, max(union[-1].end, piece.end))
        else:
            union.append(piece)
    return tuple(union)

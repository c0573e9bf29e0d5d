"""Local dates, billing periods and cron schedules: when things happen. PRODUCT 1 and 3.

A date is local to a named time zone, an instant is aware and in UTC. Nothing here reads the clock.

One rule maps a local time to an instant everywhere: a time that a clock change skips is the first instant
after the gap, one that occurs twice is the first of the two.

DomainError
├── UnknownTimezone   not the name of an IANA time zone
├── InvalidCycle      a billing cycle with an impossible anchor or count
├── BeforeBilling     a period was asked for on a day that is not billed yet
├── InvalidCron       not standard five-field cron, or never fires
└── NeverAgain        a schedule has no occurrence left before the end of the calendar
"""

from __future__ import annotations

import re
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from math import gcd
from typing import Final, Literal
from zoneinfo import ZoneInfo

from croniter import croniter

from shared.domain.cron_fields import InvalidCron as InvalidCron
from shared.domain.cron_fields import standard_cron
from shared.domain.errors import DomainError
from shared.domain.values import dataclass

MONTHS_IN_YEAR: Final = 12
MAX_COUNT: Final = 1_000  # intervals in one period; inclusive
FIRST_DATE: Final = date(1900, 1, 1)  # of a contract, inclusive
LAST_DATE: Final = date(2999, 12, 31)  # inclusive; leaves room for the longest period after it

ONE_DAY: Final = timedelta(days=1)

# ---- local dates --------------------------------------------------------------------------------

# Areas of the zone database that are no place: leap-second copies, and whatever this machine is set to.
_NO_ZONE: Final = re.compile(r"(?i:posix/|right/|localtime\Z|posixrules\Z|factory\Z)")
_ZONE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z0-9_+-]{1,32}){0,2}")


class UnknownTimezone(DomainError, ValueError):
    """The name is no IANA time zone."""

    def __init__(self, name: object) -> None:
        super().__init__(f"{ascii(name)[:60]} is not an IANA time zone; give a name such as 'Europe/Berlin' or 'UTC'")
        self.name = name


def zone(name: str) -> ZoneInfo:
    """The time zone of that IANA name. Raises UnknownTimezone. PRODUCT 1."""
    if not isinstance(name, str):
        raise UnknownTimezone(name)
    return _zone(name)


@lru_cache(maxsize=1_024)
def _zone(name: str) -> ZoneInfo:
    if not _ZONE_NAME.fullmatch(name) or _NO_ZONE.match(name):
        raise UnknownTimezone(name)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as unreadable:  # OSError: "America" is a folder
        raise UnknownTimezone(name) from unreadable


@lru_cache(maxsize=4_096)  # a batch of work asks for the same few instants again and again
def local_date(instant: datetime, timezone: str) -> date:
    """The date there at that instant. Raises UnknownTimezone, ValueError on a naive instant. PRODUCT 1."""
    return _local(instant, timezone).date()


def start_of_day(on: date, timezone: str) -> datetime:
    """The first instant of a local date, in UTC; the end of the gap if midnight is skipped. PRODUCT 1."""
    return _instant(datetime.combine(on, time.min), zone(timezone))


def _local(instant: datetime, timezone: str) -> datetime:
    if instant.tzinfo is None:
        raise ValueError("the instant has no time zone; give an aware one, in UTC")
    return instant.astimezone(zone(timezone))


def _instant(local: datetime, tz: ZoneInfo) -> datetime:
    """The instant of a naive local time. `fold=0` reads a repeated time as its first occurrence."""
    instant = local.replace(tzinfo=tz).astimezone(UTC)
    if instant.astimezone(tz).replace(tzinfo=None) == local:
        return instant
    return _end_of_gap(local, tz)


def _end_of_gap(skipped: datetime, tz: ZoneInfo) -> datetime:
    """The instant of the clock change that skips a local time: where the offset turns, found by bisection."""
    late = skipped.replace(tzinfo=tz, fold=0).astimezone(UTC)  # the old offset, still used after the change
    early = skipped.replace(tzinfo=tz, fold=1).astimezone(UTC)  # the new offset, used before it
    new_offset = late.astimezone(tz).utcoffset()
    seconds_before, seconds_after = 0, int((late - early).total_seconds())
    while seconds_after - seconds_before > 1:
        middle = (seconds_before + seconds_after) // 2
        if (early + timedelta(seconds=middle)).astimezone(tz).utcoffset() == new_offset:
            seconds_after = middle
        else:
            seconds_before = middle
    return early + timedelta(seconds=seconds_after)


# ---- billing periods ----------------------------------------------------------------------------

Interval = Literal["day", "week", "month", "quarter", "year"]

_DAYS: Final[dict[Interval, int]] = {"day": 1, "week": 7}
_MONTHS: Final[dict[Interval, int]] = {"month": 1, "quarter": 3, "year": MONTHS_IN_YEAR}


class InvalidCycle(DomainError, ValueError):
    """A billing cycle with an impossible interval, count, anchor or date."""


class BeforeBilling(DomainError, ValueError):
    """The day lies before the cycle's billing starts, so no billed period holds it."""

    def __init__(self, on: date, billing_starts_on: date) -> None:
        super().__init__(f"{on} is not billed: billing starts on {billing_starts_on}")
        self.on = on
        self.billing_starts_on = billing_starts_on


@dataclass(frozen=True, slots=True)
class Period:
    """The days from `start` up to but not including `end`. PRODUCT 3."""

    start: date
    end: date

    @property
    def days(self) -> int:
        return (self.end - self.start).days

    def contains(self, on: date) -> bool:
        return self.start <= on < self.end


@dataclass(frozen=True, slots=True)
class Cycle:
    """How a charge's time is cut into billing periods. PRODUCT 3.

    Months, quarters and years start on `min(bill_cycle_day, last day of the month)`, each recomputed from
    the anchor, so no start wanders (31 January, 28 February, 31 March). Days and weeks are counted from
    `starts_on`. The first regular period starts on the first anchor on or after `billing_starts_on` (on
    `starts_on` if that is later); what lies between the two is a leading partial period. `anchor_month` puts
    the starts of periods longer than a month onto that month; where they do not divide a year, as often as
    they can be. Raises InvalidCycle.
    """

    interval: Interval
    count: int
    bill_cycle_day: int
    starts_on: date
    billing_starts_on: date
    anchor_month: int | None = None

    def __post_init__(self) -> None:
        if self.interval not in _DAYS and self.interval not in _MONTHS:
            raise InvalidCycle("the interval must be day, week, month, quarter or year")
        if not 1 <= self.count <= MAX_COUNT:
            raise InvalidCycle(f"the count of intervals must be 1 to {MAX_COUNT}")
        if not 1 <= self.bill_cycle_day <= 31:
            raise InvalidCycle("the bill cycle day must be 1 to 31; 31 means the last day of every month")
        if self.anchor_month is not None and not 1 <= self.anchor_month <= MONTHS_IN_YEAR:
            raise InvalidCycle("the anchor month must be 1 to 12, or left out")
        if not all(FIRST_DATE <= on <= LAST_DATE for on in (self.starts_on, self.billing_starts_on)):
            raise InvalidCycle(f"the contract must start and its billing start from {FIRST_DATE} to {LAST_DATE}")

    def first_regular_start(self) -> date:
        """The first anchor on or after the start of billing."""
        return self._date(self._first())

    def periods(self, until: date, since: date | None = None) -> Iterator[Period]:
        """The billed periods that start before `until`, contiguous, in order, a leading partial one first.

        With `since`, those that end on or before it are left out, at no cost.
        """
        begins_on = self._begins_on
        position = self._position(begins_on if since is None else max(begins_on, since))
        start = max(self._date(position), begins_on)
        while start < until:
            position += self._length
            end = self._date(position)
            yield Period(start, end)
            start = end

    def whole_period(self, on: date) -> Period:
        """The full period around a day, as if billing had no start: what a partial one is prorated over."""
        position = self._position(on)
        return Period(self._date(position), self._date(position + self._length))

    def period_at(self, on: date) -> Period:
        """The billed period around a day, cut off at the start of billing. Raises BeforeBilling."""
        begins_on = self._begins_on
        if on < begins_on:
            raise BeforeBilling(on, begins_on)
        whole = self.whole_period(on)
        return whole if whole.start >= begins_on else Period(begins_on, whole.end)

    @property
    def _begins_on(self) -> date:
        return max(self.starts_on, self.billing_starts_on)

    # Periods are counted on an axis of positions: days (ordinals) or months (since the year 0). A period's
    # start is always its position turned into a date, never the date before it plus something.

    @property
    def _length(self) -> int:
        return self.count * (_DAYS.get(self.interval) or _MONTHS[self.interval])

    def _date(self, position: int) -> date:
        if self.interval in _DAYS:
            return date.fromordinal(position)
        year, month_before = divmod(position, MONTHS_IN_YEAR)
        day = self.bill_cycle_day
        return date(year, month_before + 1, day if day <= 28 else min(day, monthrange(year, month_before + 1)[1]))

    def _position(self, on: date) -> int:
        """Where the regular period around a day starts."""
        first = self._first()
        return first + (self._anchor_before(on) - first) // self._length * self._length

    def _first(self) -> int:
        """Where the first regular period starts."""
        begins_on, length = self._begins_on, self._length
        if self.interval in _DAYS:
            origin = self.starts_on.toordinal()
            return origin - (origin - begins_on.toordinal()) // length * length  # the next one: rounded up
        month = self._anchor_before(begins_on)
        if self._date(month) < begins_on:
            month += 1
        if self.anchor_month is None:
            return month
        return month + (self.anchor_month - 1 - month) % gcd(length, MONTHS_IN_YEAR)

    def _anchor_before(self, on: date) -> int:
        """The day itself, or the month of the last bill cycle day on or before it."""
        if self.interval in _DAYS:
            return on.toordinal()
        month = on.year * MONTHS_IN_YEAR + on.month - 1
        return month if self._date(month) <= on else month - 1


# ---- cron ---------------------------------------------------------------------------------------

MAX_OCCURRENCES: Final = 100_000  # that one call of `between` may return
MAX_DAYS_BETWEEN_FIRES: Final = 8 * 366  # 29 February skips 2100, then comes every fourth year again
_LAST_DAY: Final = date.max - timedelta(days=2)  # so that every zone's instants of that day can be written


class NeverAgain(DomainError):
    """The calendar ends before the schedule fires again."""


@dataclass(frozen=True, slots=True)
class Cron:
    """A standard five-field cron expression; one that exists is valid and fires. Raises InvalidCron."""

    expression: str

    def __post_init__(self) -> None:
        _matcher(self.expression)  # reading it is the check

    def next_after(self, instant: datetime, timezone: str) -> datetime:
        """The first occurrence after an instant (exclusive), in UTC. Raises UnknownTimezone, NeverAgain."""
        first = _local(instant, timezone).date()
        for on in _days(first, min(first, _LAST_DAY - _SEARCHED) + _SEARCHED):
            fires = _fires_on(self.expression, timezone, on)
            if fires and fires[-1] > instant:
                return fires[bisect_right(fires, instant)]
        raise NeverAgain(f"{self.expression!r} does not fire again after {instant}")

    def between(self, after: datetime, until: datetime, timezone: str, limit: int) -> tuple[datetime, ...]:
        """The first occurrences with after < t <= until, at most `limit`, ascending, in UTC.

        `limit` is 1 to MAX_OCCURRENCES. Raises UnknownTimezone.
        """
        if not 1 <= limit <= MAX_OCCURRENCES:
            raise ValueError(f"the limit must be 1 to {MAX_OCCURRENCES}")
        found: list[datetime] = []
        for on in _days(_local(after, timezone).date(), _last_day(until, timezone)):
            fires = _fires_on(self.expression, timezone, on)
            floor = found[-1] if found else after  # two days share an instant if a gap lies between them
            found += fires[bisect_right(fires, floor) : bisect_right(fires, until)]
            if len(found) >= limit:
                break
        return tuple(found[:limit])


def parse_cron(expression: str) -> Cron:
    """Read a standard five-field cron expression, in any spacing and case. PRODUCT 1.

    Fields: minute 0–59, hour 0–23, day of month 1–31, month 1–12 or JAN–DEC, day of week 0–7 or SUN–SAT (0
    and 7 are Sunday); each is `*`, `*/n` or a comma list of values, ranges and stepped ranges (`a-b/n`). If
    neither day field is a bare `*`, a day matches if either does. Raises InvalidCron, also for what never
    fires.
    """
    standard_cron(expression)
    return Cron(" ".join(expression.split()))


_SEARCHED: Final = timedelta(days=MAX_DAYS_BETWEEN_FIRES)


def _days(first: date, last: date) -> Iterator[date]:
    return map(date.fromordinal, range(first.toordinal(), min(last, _LAST_DAY).toordinal() + 1))


def _last_day(until: datetime, timezone: str) -> date:
    """The last local date with occurrences up to an instant.

    In the second pass of a repeated hour (fold) the day after may have begun before the clock was put back.
    """
    local = _local(until, timezone)
    return local.date() + timedelta(days=local.fold)


def _fires_on(expression: str, timezone: str, on: date) -> tuple[datetime, ...]:
    """When it fires on a local date: ascending instants in UTC. Reading days in turn, they never go back."""
    return _instants_on(expression, timezone, on) if _matcher(expression).holds(on) else ()


@lru_cache(maxsize=1_024)  # (expression, zone, day): a tick asks about the same day all day long
def _instants_on(expression: str, timezone: str, on: date) -> tuple[datetime, ...]:
    """Every local time of the day as an instant; the times of one gap are one instant, which fires once."""
    matcher, tz = _matcher(expression), zone(timezone)
    times = (time(hour, minute) for hour in matcher.hours for minute in matcher.minutes)
    return tuple(dict.fromkeys(_instant(datetime.combine(on, at), tz) for at in times))


@dataclass(frozen=True, slots=True)
class _Matcher:
    """The values of the five fields; `None` for a day field that is a bare `*`."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int] | None
    months: frozenset[int]
    weekdays: frozenset[int] | None  # 0 is Sunday

    def holds(self, on: date) -> bool:
        if on.month not in self.months:
            return False
        if self.days is None:
            return self.weekdays is None or on.isoweekday() % 7 in self.weekdays
        return on.day in self.days or (self.weekdays is not None and on.isoweekday() % 7 in self.weekdays)


@lru_cache(maxsize=1_024)
def _matcher(expression: str) -> _Matcher:
    """croniter reads the fields; when they fire is decided here, because its own evaluation fires twice in a
    repeated hour. It is only given what the standard allows, because it accepts a good deal more."""
    minutes, hours, days, months, weekdays = croniter.expand(standard_cron(expression))[0]
    return _Matcher(
        minutes=_values(minutes, 60, 0),
        hours=_values(hours, 24, 0),
        days=None if days == ["*"] else frozenset(days),
        months=frozenset(_values(months, 12, 1)),
        weekdays=None if weekdays == ["*"] else frozenset(weekdays),
    )


def _values(expanded: list[int | str], size: int, lowest: int) -> tuple[int, ...]:
    if expanded == ["*"]:
        return tuple(range(lowest, lowest + size))
    return tuple(sorted(int(value) for value in expanded))

"""When an EventBridge rule fires: `rate(…)` and EventBridge's own six-field cron, in UTC.

This is AWS's dialect (`?`, year, Sunday = 1), which only the template speaks. Admins' schedules are five-field
cron and belong to shared/domain/calendar.py; neither reader may be given the other's text.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DAYS_SEARCHED_MAX = 366 * 8  # a rule that does not fire within this many days never will
_MONTHS = {name.upper(): n for n, name in enumerate(calendar.month_abbr) if name}
_WEEKDAYS = {name: n for n, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)}
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_CRON = re.compile(r"cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)")
_UNIT = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}


class BadSchedule(ValueError):
    """The template holds a schedule that EventBridge would refuse, or one that is not read here."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Every `period`, counted from the moment the rule was made."""

    period: timedelta
    since: datetime

    def next_after(self, instant: datetime) -> datetime:
        return self.since + ((instant - self.since) // self.period + 1) * self.period


@dataclass(frozen=True, slots=True)
class Cron:
    """The times of day in order, and which days they are on."""

    times: tuple[tuple[int, int], ...]
    days_of_month: frozenset[int] | None  # None: the week decides
    months: frozenset[int]
    days_of_week: frozenset[int] | None  # 1 is Sunday; None: the month decides
    years: frozenset[int] | None

    def next_after(self, instant: datetime) -> datetime:
        """The first firing strictly after `instant`. Raises BadSchedule if there is none to be found."""
        now = (instant.hour, instant.minute)
        today = instant.replace(hour=0, minute=0, second=0, microsecond=0)
        if self._on(today):
            for hour, minute in self.times:
                if (hour, minute) > now:
                    return today.replace(hour=hour, minute=minute)
        for ahead in range(1, DAYS_SEARCHED_MAX):
            day = today + timedelta(days=ahead)
            if self._on(day):
                return day.replace(hour=self.times[0][0], minute=self.times[0][1])
        raise BadSchedule("the rule never fires")

    def _on(self, day: datetime) -> bool:
        return (
            day.month in self.months
            and (self.years is None or day.year in self.years)
            and (self.days_of_month is None or day.day in self.days_of_month)
            and (self.days_of_week is None or day.isoweekday() % 7 + 1 in self.days_of_week)
        )


def read_schedule(expression: str, since: datetime) -> Rate | Cron:
    """What a rule's expression means; `since` is when the rule came to be: rates are counted from it."""
    if match := _RATE.fullmatch(expression):
        return Rate(int(match[1]) * _UNIT[match[2]], since.astimezone(UTC))
    if not (match := _CRON.fullmatch(expression)):
        raise BadSchedule(f"{expression!r} is neither rate(n unit) nor a cron of six fields")
    minute, hour, day, month, weekday, year = match.groups()
    if (day == "?") == (weekday == "?"):
        raise BadSchedule(f"{expression!r}: exactly one of day-of-month and day-of-week is '?'")
    times = sorted((h, m) for h in _field(hour, 0, 23) for m in _field(minute, 0, 59))
    return Cron(
        times=tuple(times),
        days_of_month=None if day == "?" else _field(day, 1, 31),
        months=_field(month, 1, 12, _MONTHS),
        days_of_week=None if weekday == "?" else _field(weekday, 1, 7, _WEEKDAYS),
        years=None if year == "*" else _field(year, 1970, 2199),
    )


def _field(text: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    return frozenset(value for part in text.split(",") for value in _part(part, low, high, names or {}))


def _part(part: str, low: int, high: int, names: dict[str, int]) -> Iterator[int]:
    span, _, step = part.partition("/")
    first, _, last = span.partition("-")
    if span == "*":
        start, end = low, high
    else:
        start = _number(first, low, high, names)
        end = _number(last, low, high, names) if last else (high if step else start)
    return iter(range(start, end + 1, _number(step, 1, high, {}) if step else 1))


def _number(text: str, low: int, high: int, names: dict[str, int]) -> int:
    value = names.get(text.upper(), int(text) if text.isdigit() else -1)
    if not low <= value <= high:
        raise BadSchedule(f"{text!r} is not read here: expected {low}–{high}")
    return value

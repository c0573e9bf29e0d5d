"""The grammar of standard five-field cron, checked before anything else reads an expression. PRODUCT 1.

Cron libraries accept more than the standard (a sixth field, `?`, `L`, `@daily`, 31 February) and disagree on
what it means; an admin's billing schedule must mean one thing, so all of that is refused, with the way out.
"""

from __future__ import annotations

import re
from typing import Final

from shared.domain.errors import DomainError
from shared.domain.values import dataclass

MAX_EXPRESSION_CHARS: Final = 500  # every minute of the hour listed one by one takes 170

_EXAMPLE: Final = "'0 8 1 * *' for 8:00 on the 1st of every month"
_PART: Final = re.compile(
    r"(?:(?P<every>\*)|(?P<low>[0-9]+|[A-Z]{3})(?:-(?P<high>[0-9]+|[A-Z]{3}))?)(?:/(?P<step>[0-9]+))?"
)
_LONGEST_MONTHS: Final = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class InvalidCron(DomainError, ValueError):
    """Not standard five-field cron, or it never fires. The message says what is wrong and the way out."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    lowest: int
    highest: int
    size: int  # how many different values there are
    names: tuple[str, ...] = ()

    @property
    def span(self) -> str:
        named = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.lowest}-{self.highest}{named}"


_MINUTE: Final = _Field("minute", 0, 59, 60)
_HOUR: Final = _Field("hour", 0, 23, 24)
_DAY: Final = _Field("day of month", 1, 31, 31)
_MONTH: Final = _Field(
    "month", 1, 12, 12, ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
)
_SUNDAY: Final = 7  # at the end of a range; 0 elsewhere
_WEEKDAY: Final = _Field("day of week", 0, _SUNDAY, 7, ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))
_FIELDS: Final = (_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY)


def standard_cron(expression: str) -> str:
    """The expression in its plainest form: single spaces, numbers for names. Raises InvalidCron."""
    texts = _split(expression)
    plain = [_plain_field(field, text.upper()) for field, text in zip(_FIELDS, texts, strict=True)]
    _must_fire(days=plain[2], months=plain[3], weekdays=plain[4])
    return " ".join(plain)


def _split(expression: str) -> list[str]:
    if not isinstance(expression, str):
        raise InvalidCron(f"must be a text of five fields; write {_EXAMPLE}")
    if len(expression) > MAX_EXPRESSION_CHARS:
        raise InvalidCron(f"is longer than {MAX_EXPRESSION_CHARS} characters; use ranges, or steps as in '*/15'")
    if not expression.isascii() or not expression.replace("\t", " ").isprintable():
        raise InvalidCron(f"has a character that cron does not know; write {_EXAMPLE}")
    if expression.strip().startswith("@"):
        raise InvalidCron(f"is an alias; write its five fields, {_EXAMPLE}")
    texts = expression.split()
    if len(texts) != len(_FIELDS):
        raise InvalidCron(
            f"has {len(texts)} fields instead of five (minute, hour, day of month, month, day of week; "
            f"no seconds, no year); write {_EXAMPLE}"
        )
    return texts


def _plain_field(field: _Field, text: str) -> str:
    if "?" in text:
        raise InvalidCron(f"{field.name}: '?' is not standard cron; write '*'")
    if text in ("*", "*/1"):
        return "*"
    return ",".join(_plain_part(field, part) for part in text.split(","))


def _plain_part(field: _Field, part: str) -> str:
    match = _PART.fullmatch(part)
    if match is None:
        raise InvalidCron(_not_standard(field, part))
    every, low, high, step = match.group("every", "low", "high", "step")
    suffix = f"/{_step(field, step)}" if step else ""
    if every:
        if not step:
            raise InvalidCron(f"{field.name}: '*' already means every value; write it alone")
        return f"*{suffix}"
    first = _value(field, low)
    if high is None:
        if step:
            raise InvalidCron(f"{field.name}: a step needs a range; write '{low}-{field.highest}/{step}'")
        return str(first)
    return _plain_range(field, first, _value(field, high), suffix)


def _plain_range(field: _Field, first: int, last: int, suffix: str) -> str:
    if first == last:
        return str(first)  # the library would read 5-5 as every value, and 5/2 as 5, 7 and so on
    if last == 0 and field is _WEEKDAY:
        last = _SUNDAY
    if first > last:
        raise InvalidCron(
            f"{field.name}: the range {first}-{last} runs backwards; "
            f"write two, '{first}-{field.highest},{field.lowest}-{last}'"
        )
    return f"{first}-{last}{suffix}"


def _value(field: _Field, text: str) -> int:
    if text in field.names:
        return field.names.index(text) + field.lowest
    if text.isdigit() and field.lowest <= int(text) <= field.highest:
        return int(text)
    raise InvalidCron(f"{field.name}: {text!r} is not one of {field.span}; write one of these")


def _step(field: _Field, text: str) -> int:
    if 1 <= int(text) <= field.size:
        return int(text)
    raise InvalidCron(f"{field.name}: a step of {text} never comes round within the field; use 1 to {field.size}")


def _not_standard(field: _Field, part: str) -> str:
    if re.search(r"[LW#HR]", part):
        return f"{field.name}: {part!r} is an extension (L, W, #, H, R), not standard cron; list the values"
    return f"{field.name}: {part!r} is not '*', a value, a range 'a-b' or a step '*/n'; use {field.span}"


def _must_fire(days: str, months: str, weekdays: str) -> None:
    """A day of the month that none of the months has. With a day of week beside it that one still fires."""
    if days == "*" or weekdays != "*":
        return
    earliest = min(_lowest(part) for part in days.split(","))
    longest = max(_LONGEST_MONTHS[month - 1] for part in months.split(",") for month in _months(part))
    if earliest > longest:
        raise InvalidCron(f"never fires: no month it names has a day {earliest}; use a day from 1 to {longest}")


def _lowest(part: str) -> int:
    """The least value of a plain part, which is where its range begins."""
    return _DAY.lowest if part.startswith("*") else int(re.split(r"[-/]", part)[0])


def _months(part: str) -> range:
    """The months of a plain part."""
    span, _, step = part.partition("/")
    if span == "*":
        return range(1, 13, int(step or 1))
    first, _, last = span.partition("-")
    return range(int(first), int(last or first) + 1, int(step or 1))

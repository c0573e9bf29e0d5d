"""`paidup cron`: when an admin's schedule fires next. PRODUCT 1."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from infra.cli.outcome import Refused, Subparsers, instant, whole
from shared.contracts.api_fields import rfc3339
from shared.domain.calendar import Cron, InvalidCron, NeverAgain, UnknownTimezone, parse_cron, zone

COUNT_DEFAULT: Final = 5
COUNT_MAX: Final = 1_000


def add_to(commands: Subparsers) -> None:
    cron = commands.add_parser(
        "cron",
        help="next fire times of a schedule",
        description="Next fire times of a standard five-field cron expression in a time zone.",
        epilog="A local time that a clock change skips fires at the first instant after the gap; "
        "one that occurs twice fires once, the first time.",
    )
    cron.add_argument("expression", help='five fields in one argument: "0 8 1 * *"')
    cron.add_argument("--timezone", default="UTC", metavar="ZONE", help="IANA time zone (default: UTC)")
    cron.add_argument("--after", type=instant, metavar="INSTANT", help="such as 2026-01-31T12:00:00Z (default: now)")
    cron.add_argument(
        "--count", type=whole(1, COUNT_MAX), default=COUNT_DEFAULT, metavar="N",
        help=f"how many, 1 to {COUNT_MAX} (default: {COUNT_DEFAULT})",
    )  # fmt: skip
    cron.add_argument("--json", action="store_true", help="a JSON array of instants in UTC")
    cron.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    try:
        schedule, timezone = parse_cron(arguments.expression), zone(arguments.timezone)
    except (InvalidCron, UnknownTimezone) as wrong:
        raise Refused(str(wrong)) from None
    after = arguments.after or datetime.now(UTC)
    fires = list(_fires(schedule, after, timezone.key, arguments.count))
    if not fires:
        raise Refused(f"{schedule.expression!r} does not fire again after {rfc3339(after)}")
    if arguments.json:
        print(json.dumps([rfc3339(at) for at in fires]))
        return
    print(f"{schedule.expression} in {timezone.key}, after {in_words(after, timezone.key)}:")
    for at in fires:
        print(f"  {in_words(at, timezone.key)}")


def _fires(schedule: Cron, after: datetime, timezone: str, count: int) -> Iterator[datetime]:
    """At most `count` occurrences; fewer where the calendar ends."""
    for _ in range(count):
        try:
            after = schedule.next_after(after, timezone)
        except NeverAgain:
            return
        yield after


def in_words(at: datetime, timezone: str) -> str:
    """`Sunday 1 February 2026, 08:00 CET (07:00 UTC)`; the date in UTC too where it is another one."""
    local = at.astimezone(zone(timezone))
    words = f"{local:%A} {local.day} {local:%B %Y, %H:%M}"
    return f"{words} {_zone_name(local)}{_in_utc(at, local)}"


def _zone_name(local: datetime) -> str:
    """CET where the zone has an abbreviation, its offset where it has none."""
    name = local.tzname() or ""
    return f"{local:%z}" if not name or name[0] in "+-" else name


def _in_utc(at: datetime, local: datetime) -> str:
    if not local.utcoffset():
        return ""
    utc = at.astimezone(UTC)
    return f" ({utc:%H:%M} UTC)" if utc.date() == local.date() else f" ({utc.day} {utc:%B %H:%M} UTC)"

"""EventBridge's own schedules, which are not five-field cron."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from infra.local.schedules import BadSchedule, read_schedule

START = datetime(2026, 1, 1, 0, 7, tzinfo=UTC)  # a Thursday


def fires(expression, count=3, after=START):
    schedule, made = read_schedule(expression, START), []
    for _ in range(count):
        after = schedule.next_after(after)
        made.append(after.strftime("%Y-%m-%d %H:%M"))
    return made


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("rate(15 minutes)", ["2026-01-01 00:22", "2026-01-01 00:37", "2026-01-01 00:52"]),  # counted from its making
        ("rate(1 hour)", ["2026-01-01 01:07", "2026-01-01 02:07", "2026-01-01 03:07"]),
        ("rate(1 day)", ["2026-01-02 00:07", "2026-01-03 00:07", "2026-01-04 00:07"]),
        ("cron(0/15 * * * ? *)", ["2026-01-01 00:15", "2026-01-01 00:30", "2026-01-01 00:45"]),
        ("cron(0 8 1 * ? *)", ["2026-01-01 08:00", "2026-02-01 08:00", "2026-03-01 08:00"]),
        ("cron(30 6,18 ? * MON-FRI *)", ["2026-01-01 06:30", "2026-01-01 18:30", "2026-01-02 06:30"]),
        ("cron(0 12 ? * 1 *)", ["2026-01-04 12:00", "2026-01-11 12:00", "2026-01-18 12:00"]),  # 1 is Sunday
        ("cron(0 0 29 FEB ? *)", ["2028-02-29 00:00", "2032-02-29 00:00", "2036-02-29 00:00"]),
        ("cron(7 0 1 1 ? 2026-2028)", ["2027-01-01 00:07", "2028-01-01 00:07"]),
    ],
)
def test_a_rule_fires_when_eventbridge_would(expression, expected):
    assert fires(expression, len(expected)) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "0 4 * * *",
        "cron(0 4 * * *)",
        "cron(0 4 * * * *)",  # one of the days must be "?"
        "cron(0 4 ? * ? *)",
        "cron(60 4 * * ? *)",
        "cron(0 4 L * ? *)",
        "cron(0 4 0 * ? *)",
        "rate(0.5 hours)",
        "rate(1 week)",
    ],
)
def test_what_eventbridge_would_refuse_is_refused(expression):
    with pytest.raises(BadSchedule):
        read_schedule(expression, START)


def test_a_rule_that_never_fires_says_so():
    with pytest.raises(BadSchedule, match="never fires"):
        read_schedule("cron(0 0 30 2 ? *)", START).next_after(START)


def test_a_rate_is_never_at_the_instant_itself():
    schedule = read_schedule("rate(5 minutes)", START)
    assert schedule.next_after(START) == START + timedelta(minutes=5)
    assert schedule.next_after(START + timedelta(minutes=5)) == START + timedelta(minutes=10)

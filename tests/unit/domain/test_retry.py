"""When a declined charge is tried again, and when an unanswered one is asked about."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from shared.domain.retry import next_attempt, next_check

NOW = datetime(2026, 3, 1, 11, tzinfo=UTC)


@pytest.mark.parametrize(
    ("retries", "on"),
    [
        (0, date(2026, 3, 4)),  # 1 March + 3
        (1, date(2026, 3, 6)),  # + 5
        (2, date(2026, 3, 8)),  # + 7
        (3, None),  # the schedule has ended
        (4, None),
    ],
)
def test_a_soft_decline_is_tried_again_after_the_days_of_the_schedule_counted_from_the_last_attempt(retries, on):
    assert next_attempt((3, 5, 7), retries, date(2026, 3, 1)) == on


def test_an_empty_schedule_retries_nothing():
    assert next_attempt((), 0, date(2026, 3, 1)) is None


@pytest.mark.parametrize(
    ("checks", "after"),
    [(0, timedelta(minutes=5)), (1, timedelta(hours=1)), (2, timedelta(days=1)), (9, timedelta(days=1))],
)
def test_the_gateway_is_asked_after_five_minutes_an_hour_and_then_daily(checks, after):
    assert next_check(checks, NOW) == NOW + after

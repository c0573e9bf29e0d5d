"""When a declined charge is tried again, and when an unanswered one is asked about. PRODUCT 7."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

CHECK_AFTER = (timedelta(minutes=5), timedelta(hours=1))  # then daily
CHECK_DAILY = timedelta(days=1)
RETRY_STALE = timedelta(hours=12)  # what was to follow an attempt at once is left to the next payment run after this
ASK_A_PERSON_AFTER = timedelta(days=7)


def next_attempt(retry_days: Sequence[int], retries: int, declined_on: date) -> date | None:
    """The day of the next attempt after soft decline number `retries` (from 0); None: the schedule has ended."""
    return declined_on + timedelta(days=retry_days[retries]) if retries < len(retry_days) else None


def next_check(checks: int, now: datetime) -> datetime:
    """When to ask the gateway again about an attempt it has been asked about `checks` times."""
    return now + (CHECK_AFTER[checks] if checks < len(CHECK_AFTER) else CHECK_DAILY)

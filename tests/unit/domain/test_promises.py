"""When a promise to pay is kept, and when it is broken: at its bounds, and against a slow count."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.promises import Received, kept_on, status_of

MADE = date(2026, 1, 5)
DAY = timedelta(days=1)
THROUGH = MADE + 10 * DAY


@pytest.mark.parametrize(
    ("amounts", "on", "kept"),
    [
        ([99_99], 10, None),
        ([100_00], 10, 10),  # the day itself is in time
        ([100_00], 11, None),
        ([100_01], 0, 0),
        ([40_00, 60_00], 9, 10),  # the second comes a day after the first
        ([40_00, 60_00], 10, None),
    ],
)
def test_the_promised_amount_has_to_be_there_by_the_day(amounts, on, kept):
    received = [Received(MADE + (on + n) * DAY, amount) for n, amount in enumerate(amounts)]
    found = kept_on(MADE, THROUGH, 100_00, received, [])
    assert found == (None if kept is None else MADE + kept * DAY)


@pytest.mark.parametrize(("ended", "kept"), [(-1, False), (0, True), (10, True), (11, False)])
@pytest.mark.parametrize("amount", [None, 500_00])
def test_it_is_kept_too_when_nothing_is_past_due_any_more(ended, kept, amount):
    found = kept_on(MADE, THROUGH, amount, [], [MADE + ended * DAY])
    assert found == (MADE + ended * DAY if kept else None)


@pytest.mark.parametrize(
    ("day", "owing", "late", "amount", "status"),
    [
        (10, True, True, None, "open"),
        (10, False, False, None, "kept"),  # there is nothing to pay
        (11, True, True, None, "broken"),
        (11, True, False, None, "kept"),  # all that was past due is settled
        (11, True, False, 5_00, "broken"),  # the amount was promised whatever is due
    ],
)
def test_it_is_open_through_its_day_and_broken_the_day_after(day, owing, late, amount, status):
    assert status_of(None, THROUGH, amount, MADE + day * DAY, owing=owing, late=late) == status
    assert status_of(THROUGH, THROUGH, amount, MADE + day * DAY, owing=owing, late=late) == "kept"


PAYMENTS = st.lists(st.tuples(st.integers(0, 15), st.integers(1, 60)), max_size=6).map(sorted)


@given(PAYMENTS, st.none() | st.integers(1, 120), st.sets(st.integers(-3, 15), max_size=3))
def test_the_day_is_the_first_on_which_a_count_of_all_that_is_there_suffices(payments, amount, cleared):
    received = [Received(MADE + on * DAY, paid) for on, paid in payments]
    found = kept_on(MADE, THROUGH, amount, received, [MADE + n * DAY for n in cleared])
    enough = (
        n
        for n in range(11)
        if n in cleared or (amount is not None and sum(paid for on, paid in payments if on <= n) >= amount)
    )
    first = next(enough, None)
    assert found == (None if first is None else MADE + first * DAY)

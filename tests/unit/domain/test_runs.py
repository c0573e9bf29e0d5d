"""Rounds of posting, and the numbers of a series."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Refused
from shared.domain.runs import ROUNDS_MAX, BillRun, NumberSeries

SERIES = NumberSeries("INV-", "INV-")


@pytest.mark.parametrize("status", ["pending", "generating", "posting", "posted", "cancelled", "failed"])
def test_only_a_completed_run_can_be_posted(status):
    with pytest.raises(Refused, match="only a completed run"):
        BillRun("brn_1", date(2026, 1, 1), status=status).posting(include_flagged=True)


@pytest.mark.parametrize(("rounds", "refused"), [(ROUNDS_MAX - 1, False), (ROUNDS_MAX, True)])
def test_a_run_has_a_bounded_number_of_rounds(rounds, refused):
    run = BillRun("brn_1", date(2026, 1, 1), status="completed", post_round=rounds, post_chunks=7)
    if refused:
        with pytest.raises(Refused):
            run.posting(include_flagged=True)
    else:
        begun = run.posting(include_flagged=False)
        assert (begun.status, begun.post_round, begun.post_chunks, begun.post_cursor, begun.post_all) == (
            "posting", ROUNDS_MAX, 0, "", False,
        )  # fmt: skip


def test_numbers_are_six_digits_and_go_on_beyond_them():
    assert SERIES.number(42) == "INV-000042"
    assert SERIES.number(1_000_000) == "INV-1000000"


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("INV-000042", 42),
        ("INV-1000000", 1_000_000),
        ("INV-42", None),  # not as this series writes it, so it can never be given twice
        ("INV-0000042", None),
        ("INV-000000", None),
        ("CM-000042", None),
        ("2025/17", None),
        ("INV-" + "9" * 16, None),
        ("INV-", None),
    ],
)
def test_a_number_is_recognised_as_one_of_the_series_only_in_its_own_form(number, value):
    assert SERIES.value(number) == value


def test_a_number_that_is_used_or_taken_is_not_taken_again():
    series = SERIES.next().next().reserved(4)  # 1 and 2 are used, 4 is taken
    for value in (1, 2, 4):
        with pytest.raises(Refused, match="is taken"):
            series.reserved(value)
    assert series.reserved(3).taken == ((3, 4),)


@given(st.lists(st.one_of(st.just(None), st.integers(1, 30)), max_size=60))
def test_given_and_imported_numbers_are_unique_and_leave_no_gap_below_the_last_one_given(steps):
    series, given_numbers, taken = SERIES, [], set()
    for step in steps:
        if step is None:
            series = series.next()
            given_numbers.append(series.last)
        elif step in taken or step in given_numbers or step <= series.last:
            with pytest.raises(Refused):
                series.reserved(step)
        else:
            series = series.reserved(step)
            taken.add(step)
    assert given_numbers == sorted(set(given_numbers))
    assert not taken & set(given_numbers)
    assert set(range(1, series.last + 1)) <= taken | set(given_numbers)

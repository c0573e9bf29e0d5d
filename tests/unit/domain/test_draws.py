"""What a seed decides is named, not drawn in order. PRODUCT 12."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from shared.domain.draws import draw, paid_by_hand_on

DUE = date(2026, 3, 10)


def test_each_choice_is_as_likely_and_each_name_has_one():
    drawn = [draw("abcd", 7, "card", n) for n in range(4_000)]
    assert drawn == [draw("abcd", 7, "card", n) for n in range(4_000)]
    assert drawn != [draw("abcd", 8, "card", n) for n in range(4_000)]
    assert all(900 < drawn.count(choice) < 1_100 for choice in "abcd")
    with pytest.raises(IndexError):
        draw("", 7)


def test_an_invoice_is_paid_as_late_as_one_before_and_never_in_the_past():
    late = [-2, 0, 5, 30]
    days = {paid_by_hand_on(DUE, late, DUE - timedelta(days=9), seed, "inv") for seed in range(60)}
    assert days == {DUE + timedelta(days=n) for n in late}
    overdue = {paid_by_hand_on(DUE, late, DUE + timedelta(days=5), seed, "inv") for seed in range(60)}
    assert overdue == {DUE + timedelta(days=n) for n in (5, 30)}


@pytest.mark.parametrize("late", [[], [1, 2], [1, 2, 3]])
def test_nobody_says_when_who_never_was_so_late_or_hardly_ever_paid(late):
    assert paid_by_hand_on(DUE, late, DUE + timedelta(days=4), 7, "inv") is None

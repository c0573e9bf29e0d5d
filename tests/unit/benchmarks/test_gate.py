"""The gate on counts, and the table of what was promised."""

import pytest

from benchmarks import board
from benchmarks.quick import compared


def test_a_count_above_the_expected_one_is_worse_and_one_below_is_better():
    assert compared({"calls": 8.01}, {"calls": 8.0}) == (["calls: 8.01 instead of 8.0"], [])
    assert compared({"calls": 8.0}, {"calls": 8.0}) == ([], [])
    assert compared({"calls": 7.99}, {"calls": 8.0}) == ([], ["calls: 7.99 instead of 8.0"])


def test_units_may_differ_by_one_percent_since_bytes_are_compressed():
    assert compared({"write units": 20.2}, {"write units": 20.0}) == ([], [])
    assert compared({"write units": 20.21}, {"write units": 20.0})[0] == ["write units: 20.21 instead of 20.0"]


def test_what_is_counted_for_the_first_time_has_to_be_expected_first():
    worse, better = compared({"new": 0.0}, {"gone": 1.0})
    assert worse == ["new: 0.0, and nothing is expected of it yet"]
    assert better == ["gone: 1.0 expected, no longer counted"]


def test_each_row_compares_its_figures_with_its_bar_inclusively():
    rows = {row.what: row for row in board.ROWS}
    calls, rate = rows["AWS calls of a lifecycle"], rows["memory backend, whole lifecycle"]
    assert [calls.kept({"lifecycle: calls": n}) for n in (7.9, 8.0, 8.1)] == [True, True, False]
    assert [rate.kept({"growth: invoices a second": n}) for n in (1_499, 1_500, 1_501)] == [False, True, True]
    assert (calls.kept({}), calls.reached({})) == (None, None)


def test_a_row_with_two_figures_is_kept_by_both_only():
    units = next(row for row in board.ROWS if row.figures == ("write units", "read units"))
    found = {"lifecycle: write units": 19.0, "lifecycle: read units": 4.1}
    assert units.kept(found) is False
    assert units.reached(found) == "19.0 and 4.1"


def test_of_the_workers_the_slowest_start_counts_and_of_others_none():
    starts = {"AutoPostPostFunction": 200.0, "SendEmailSendFunction": 240.0, "AdminApiFunction": 390.0}
    lines = [{"benchmark": "bundles", "figure": name, "value": value} for name, value in starts.items()]
    assert board.by_name(lines)["bundles: worker"] == 240.0


def test_the_table_goes_between_its_marks_and_nowhere_else():
    marked = f"before\n{board.TABLE_STARTS}\nold\n{board.TABLE_ENDS}\nafter"
    assert board.into(marked, "| new |") == f"before\n{board.TABLE_STARTS}\n| new |\n{board.TABLE_ENDS}\nafter"
    with pytest.raises(ValueError, match="no <!--"):
        board.into("no marks", "| new |")


def test_the_readme_has_the_marks_and_every_row():
    text = board.README.read_text()
    assert board.into(text, "") != text
    assert all(f"| {row.what} | {row.promised} |" in text for row in board.ROWS)

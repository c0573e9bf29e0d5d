"""The back-test counts what it says it counts, on a ledger small enough to count by hand."""

from __future__ import annotations

from datetime import date

from benchmarks.backtest import Row, days_expected, forecast, off_by

ON = date(2012, 12, 31)
DUE = date(2013, 1, 10)


def ledger(settled_on):
    """Three invoices of one customer that were paid five days late, and one that is open."""
    past = [
        Row(f"inv_{n}", "cus_1", 10_00, date(2012, n, 1), date(2012, n, 20), date(2012, n, 25)) for n in (9, 10, 11)
    ]
    return [*past, Row("inv_open", "cus_1", 70_00, date(2012, 12, 11), DUE, settled_on)]


def test_each_way_to_forecast_is_off_by_the_days_it_is_off():
    found = days_expected(ledger(date(2013, 1, 17)), ON)
    assert {name: off_by(days) for name, days in found.items()} == {"rehearsal": 2, "due date": 7, "mean delay": 2}


def test_what_happened_after_the_date_is_not_known_to_the_forecast():
    early, late = (forecast(ledger(day), ON) for day in (date(2013, 1, 2), date(2013, 3, 1)))
    assert early == late
    assert [w.expected.get("USD", 0) for w in early[:3]] == [0, 0, 70_00]  # due on the tenth, usually five days later

"""When an invoice is due and when it is collected."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.invoice import Invoice
from shared.domain.policy import AutoCharge
from shared.domain.terms import collection_date, due_date

DATES = st.dates(date(2020, 1, 1), date(2040, 12, 31))


def invoice(on=date(2026, 1, 10), due_on=date(2026, 2, 9), type="regular"):
    return Invoice("inv_1", "cus_1", "USD", on, type=type, due_on=due_on)


@pytest.mark.parametrize(
    ("basis", "terms", "due"),
    [
        ("posted_on", 30, date(2026, 2, 11)),  # posted 12 January
        ("invoice_date", 30, date(2026, 2, 9)),  # dated 10 January
        ("posted_on", 0, date(2026, 1, 12)),
        ("invoice_date", 0, date(2026, 1, 10)),
    ],
)
def test_it_is_due_so_many_days_after_its_basis(basis, terms, due):
    assert due_date(invoice(), date(2026, 1, 12), terms, basis) == due


def test_a_memo_is_due_when_it_is_posted_whatever_the_terms():
    assert due_date(invoice(type="debit_memo"), date(2026, 1, 12), 30, "invoice_date") == date(2026, 1, 12)


@pytest.mark.parametrize(
    ("rule", "on"),
    [
        (AutoCharge("due_on"), date(2026, 2, 9)),
        (AutoCharge("due_on", -3), date(2026, 2, 6)),
        (AutoCharge("due_on", 5), date(2026, 2, 14)),
        (AutoCharge("invoice_date"), date(2026, 1, 10)),
        (AutoCharge("invoice_date", 7), date(2026, 1, 17)),
        (AutoCharge("invoice_date", -1), date(2026, 1, 9)),
        (AutoCharge("day_of_month", day=9), date(2026, 2, 9)),  # the day before the invoice date: next month
        (AutoCharge("day_of_month", day=10), date(2026, 1, 10)),  # the invoice date itself
        (AutoCharge("day_of_month", day=11), date(2026, 1, 11)),
    ],
)
def test_it_is_collected_around_a_date_of_its_own_or_on_a_fixed_day(rule, on):
    assert collection_date(invoice(), rule) == on


@pytest.mark.parametrize(
    ("dated", "on"),
    [
        (date(2026, 1, 31), date(2026, 1, 31)),
        (date(2026, 2, 1), date(2026, 2, 28)),  # February has no 31st
        (date(2028, 2, 1), date(2028, 2, 29)),  # 2028 is a leap year
        (date(2026, 4, 2), date(2026, 4, 30)),
        (date(2026, 2, 28), date(2026, 2, 28)),
        (date(2026, 12, 31), date(2026, 12, 31)),
    ],
)
def test_the_31st_is_the_last_day_of_a_shorter_month(dated, on):
    assert collection_date(invoice(dated), AutoCharge("day_of_month", day=31)) == on


@given(DATES, st.integers(1, 31))
def test_a_fixed_day_is_the_first_one_that_is_not_before_the_invoice(dated, day):
    found = collection_date(invoice(dated), AutoCharge("day_of_month", day=day))

    def falls_on(on):
        return on.day == min(day, monthrange(on.year, on.month)[1])

    naive = next(d for n in range(62) if falls_on(d := dated + timedelta(days=n)))
    assert found == naive

"""Ageing and the figures of receivables, by example at every boundary and for any amounts. PRODUCT 12."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.cash_forecast import expect_by_dates, promised, sliced, usual_days_late
from shared.domain.customer import Customer, Promise
from shared.domain.invoice import Invoice
from shared.domain.payment import Allocation, Payment, Refund
from shared.domain.receivables import Change, credit_on, invoice_changes, invoice_credit, owed_on, payment_credit, sales
from shared.domain.reports import BUCKETS, Aged, Period, bucket_of, summed, written

DUE = date(2026, 1, 31)
NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)
ACME = Customer("cus_1", "Acme")


def invoice(id="inv_1", total=100_00, *, due_on=DUE, currency="USD", **fields):
    posted = {"status": "posted", "posted_on": date(2026, 1, 1), "residual_minor": max(total, 0)}
    return Invoice(id, "cus_1", currency, date(2026, 1, 1), due_on=due_on, total_minor=total, **(posted | fields))


def payment(amount, *, at=NOON, **fields):
    made = {"status": "succeeded", "allocations": (Allocation("inv_1", amount),)}
    return Payment("pay_1", "cus_1", "USD", amount, fields.pop("method", "check"), at=at, **(made | fields))


# ---- ageing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "bucket"),
    [
        (-400, "current"), (-1, "current"), (0, "current"), (1, "d1_30"), (30, "d1_30"), (31, "d31_60"),
        (60, "d31_60"), (61, "d61_90"), (90, "d61_90"), (91, "d90_plus"), (4000, "d90_plus"),
    ],
)  # fmt: skip
def test_the_due_date_is_current_and_each_bucket_begins_on_its_day(days, bucket):
    assert bucket_of(DUE, DUE + timedelta(days=days)) == bucket


def test_what_has_no_due_date_is_current():
    assert bucket_of(None, DUE) == "current"


amounts = st.dictionaries(st.sampled_from(BUCKETS), st.integers(-(10**9), 10**9))
aged = st.builds(
    lambda owed, credit: Aged({**dict.fromkeys(BUCKETS, 0), **owed}, credit), amounts, st.integers(0, 10**9)
)


@given(st.lists(st.dictionaries(st.sampled_from(["USD", "JPY", "KWD"]), aged), max_size=8))
def test_totals_are_the_sums_of_the_customers_bucket_by_bucket_and_currencies_never_mix(customers):
    totals = summed(customers)
    for currency in ("USD", "JPY", "KWD"):
        of_currency = [c[currency] for c in customers if currency in c]
        if not of_currency:
            assert currency not in totals
            continue
        total = totals[currency]
        assert total.total_minor == sum(total.owed_minor.values()) == sum(a.total_minor for a in of_currency)
        assert total.credit_minor == sum(a.credit_minor for a in of_currency)
        for bucket in BUCKETS:
            assert total.owed_minor[bucket] == sum(a.owed_minor[bucket] for a in of_currency)


# ---- a past day -----------------------------------------------------------------------------------------------


def test_nothing_is_owed_before_the_invoice_is_posted_and_all_of_it_from_that_day():
    assert owed_on(invoice(), (), "UTC", date(2025, 12, 31)) == 0
    assert owed_on(invoice(), (), "UTC", date(2026, 1, 1)) == 100_00


def test_a_payment_counts_from_its_own_day_at_the_customer():
    paid, changes = invoice(residual_minor=60_00), [Change(date(2026, 1, 10), -40_00)]
    assert [owed_on(paid, changes, "UTC", date(2026, 1, d)) for d in (9, 10, 11)] == [100_00, 60_00, 60_00]
    late = datetime(2026, 1, 10, 12, tzinfo=UTC)  # the eleventh already in Auckland
    assert list(invoice_changes(payment(40_00, at=late), "Pacific/Auckland")) == [
        ("inv_1", Change(date(2026, 1, 11), -40_00))
    ]


def test_a_voided_invoice_is_owed_until_the_day_before_it_was_voided():
    void = invoice(status="void", residual_minor=0, voided_at=NOON)
    assert [owed_on(void, (), "UTC", date(2026, 1, d)) for d in (9, 10, 11)] == [100_00, 0, 0]


def test_an_attempt_counts_on_the_day_it_was_found_to_have_succeeded():
    settled = payment(40_00, method="card", settled_at=NOON + timedelta(days=9))
    assert [c for _, c in invoice_changes(settled, "UTC")] == [Change(date(2026, 1, 19), -40_00)]
    assert list(invoice_changes(payment(40_00, status="declined"), "UTC")) == []
    assert list(invoice_changes(payment(40_00, status="unknown"), "UTC")) == []


def test_a_refund_counts_on_its_own_day_and_only_once_it_has_succeeded():
    def refunded(status, **fields):
        refund = Refund(
            "ref_1", 1, 30_00, status, NOON + timedelta(days=1), reopened=(Allocation("inv_1", 30_00),), **fields
        )
        return [c for _, c in invoice_changes(payment(40_00, refunds=(refund,)), "UTC")]

    paid = Change(date(2026, 1, 10), -40_00)
    assert refunded("succeeded") == [paid, Change(date(2026, 1, 11), 30_00)]
    assert refunded("succeeded", settled_at=NOON + timedelta(days=5)) == [paid, Change(date(2026, 1, 15), 30_00)]
    assert refunded("pending") == refunded("declined") == [paid]


def test_credit_comes_from_what_is_overpaid_credited_or_posted_below_zero_and_goes_where_it_is_applied():
    on = date(2026, 1, 10)
    assert list(payment_credit(payment(40_00, credited_minor=15_00), "UTC")) == [Change(on, 15_00)]
    assert list(payment_credit(payment(40_00, method="credit", reference="CM-1", credited_minor=5_00), "UTC")) == [
        Change(on, 5_00)
    ]
    assert list(payment_credit(payment(40_00, method="credit"), "UTC")) == [Change(on, -40_00)]
    back = Refund("ref_1", 1, 10_00, "pending", NOON, credit_minor=10_00)
    assert list(payment_credit(payment(40_00, credited_minor=15_00, refunds=(back,)), "UTC"))[1:] == [
        Change(on, -10_00)
    ]
    below = invoice(total=-20_00, voided_at=NOON, status="void")
    assert list(invoice_credit(below, "UTC")) == [Change(date(2026, 1, 1), 20_00), Change(on, -20_00)]
    assert list(invoice_credit(invoice(total=-20_00, type="credit_memo"), "UTC")) == []
    assert credit_on(7_00, [Change(on, 5_00)], date(2026, 1, 9)) == 2_00
    assert credit_on(7_00, [Change(on, 5_00)], on) == 7_00


# ---- ratios ---------------------------------------------------------------------------------------------------


def test_dso_is_receivables_over_sales_times_days():
    period = Period(90, beginning_minor=0, credit_sales_minor=900_00, ending_minor=400_00, ending_current_minor=300_00)
    assert (period.dso, period.best_possible_dso, period.average_days_delinquent) == (40, 30, 10)


def test_cei_is_what_was_collected_of_what_could_be():
    period = Period(
        30, beginning_minor=200_00, credit_sales_minor=100_00, ending_minor=120_00, ending_current_minor=60_00
    )
    assert period.cei == Fraction(180 * 100, 240)  # (200 + 100 - 120) / (200 + 100 - 60)
    assert Period(30, 200_00, 100_00, 60_00, 60_00).cei == 100  # nothing past due is left
    assert Period(30, 200_00, 0, 200_00, 0).cei == 0  # nothing was collected


def test_without_sales_or_anything_to_collect_there_is_no_figure():
    assert (Period(30, 100_00, 0, 100_00, 0).dso, Period(30, 0, -5_00, 0, 0).dso) == (None, None)
    assert Period(30, 0, 100_00, 100_00, 100_00).cei is None
    assert written(None) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(Fraction(40), "40.00"), (Fraction(1, 3), "0.33"), (Fraction(1, 200), "0.01"), (Fraction(0), "0.00"),
     (Fraction(-1, 200), "-0.01"), (Fraction(10**15), "1000000000000000.00")],
)  # fmt: skip
def test_figures_have_two_decimals_half_up_and_no_exponent(value, text):
    assert written(value) == text


minor = st.integers(0, 10**12)


@given(minor, minor, minor, st.integers(1, 366), st.data())
def test_dso_splits_into_the_best_possible_and_delinquent_days_and_cei_is_at_most_100(
    beginning, sold, ending, days, data
):
    period = Period(days, beginning, sold, ending, data.draw(st.integers(0, ending)))
    if sold:
        assert period.dso == period.best_possible_dso + period.average_days_delinquent
    assert period.cei is None or period.cei <= 100


def test_sales_are_what_was_posted_less_memos_and_voids_each_on_its_day():
    assert list(sales(invoice(status="draft", posted_on=None), "UTC")) == []
    assert list(sales(invoice(total=-5_00, type="credit_memo"), "UTC")) == [Change(date(2026, 1, 1), -5_00)]
    void = list(sales(invoice(status="void", voided_at=NOON), "UTC"))
    assert void == [Change(date(2026, 1, 1), 100_00), Change(date(2026, 1, 10), -100_00)]


# ---- forecast -------------------------------------------------------------------------------------------------


def test_who_paid_fewer_than_three_invoices_has_no_habits():
    assert usual_days_late([5, 5], -30) is None
    assert usual_days_late([5, 5, 5], -30) == 5


def test_habits_are_the_median_and_the_later_of_two():
    assert usual_days_late([-10, 0, 90], -30) == 0
    assert usual_days_late([0, 10, 20, 30], -30) == 20


def test_an_invoice_that_is_late_already_is_compared_with_those_that_were_as_late():
    assert usual_days_late([0, 0, 10, 40], 10) == 40
    assert usual_days_late([0, 0, 10, 40], 11) == 40
    assert usual_days_late([0, 0, 10, 40], 41) is None


@given(st.lists(st.integers(-60, 200), max_size=60), st.integers(-100, 300))
def test_what_is_expected_never_lies_in_the_past(days_late, days):
    as_of = DUE + timedelta(days=days)
    expected = expect_by_dates(invoice(), 100_00, days_late, as_of)
    assert expected.on is None or expected.on >= as_of
    assert (expected.on is None) == (expected.method == "overdue")


def test_a_promise_covers_what_is_past_due_oldest_first_as_far_as_it_goes():
    on, through = DUE + timedelta(days=10), DUE + timedelta(days=20)
    old, young = invoice("inv_1", due_on=DUE), invoice("inv_2", due_on=DUE + timedelta(days=5))
    euro, later = invoice("inv_3", currency="EUR"), invoice("inv_4", due_on=on)
    owed = [(i, i.residual_minor) for i in (later, euro, young, old)]

    def covered(amount, as_of=on):
        customer = Customer("cus_1", "Acme", promise=Promise("prm_1", through, amount))
        return sorted(promised(customer, owed, as_of))

    assert covered(None) == ["inv_1", "inv_2", "inv_3"]
    assert covered(200_00) == ["inv_1", "inv_2"]
    assert covered(199_99) == ["inv_1"]
    assert covered(99_99) == []
    assert covered(None, through + timedelta(days=1)) == []
    assert promised(ACME, owed, on) == {}


@given(
    st.lists(st.tuples(st.integers(0, 120), st.integers(1, 10**6)), max_size=20),
    st.integers(1, 90),
    st.sampled_from([1, 7]),
)
def test_the_slices_hold_exactly_what_is_expected_within_the_horizon_without_gap_or_overlap(dated, days, step):
    expected = [expect_by_dates(invoice(due_on=DUE + timedelta(days=n)), amount, [], DUE) for n, amount in dated]
    slices = sliced(expected, DUE, days, step)
    assert slices[0].first_on == DUE
    assert slices[-1].last_on == DUE + timedelta(days=days)
    for one, next_one in pairwise(slices):
        assert next_one.first_on == one.last_on + timedelta(days=1)
    for part in slices:
        inside = [e.amount_minor for e in expected if part.first_on <= e.on <= part.last_on]
        assert part.expected_minor == ({"USD": sum(inside)} if inside else {})

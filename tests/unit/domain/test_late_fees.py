"""Late fees at their bounds: the day, the following months, the amount and the cap."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.customer import Hold, Promise, Switches
from shared.domain.invoice import InvoiceHold
from shared.domain.late_fees import (
    charges,
    credited_share,
    fee_amount,
    fee_date,
    fee_id,
    next_fee_date,
    occurrence_by,
    occurrence_on,
)
from shared.domain.past_due import evaluate
from shared.domain.policy import LateFee
from tests.unit.domain.collections_worlds import ACME, DAY, DUE, changed, facts, invoice, klass, late_by

ONCE = LateFee("5.00", grace_days=9)
MONTHLY = replace(ONCE, repeat="monthly")


@pytest.mark.parametrize(("days", "occurrence"), [(9, None), (10, 0), (11, None), (40, None), (41, None)])
def test_a_fee_with_nine_grace_days_is_charged_on_day_ten(days, occurrence):
    assert occurrence_on(DUE, ONCE, late_by(days)) == occurrence


def test_a_monthly_fee_comes_again_on_the_same_day_or_the_last_of_a_shorter_month():
    policy = LateFee("5.00", grace_days=30, repeat="monthly")
    due = date(2025, 12, 31)  # day 31 is 31 January
    dates = [fee_date(due, policy, n) for n in range(5)]
    assert [str(d) for d in dates] == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]
    for n, on in enumerate(dates):
        assert [occurrence_on(due, policy, on + k * DAY) for k in (-1, 0, 1)] == [None, n, None]


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(0, 60), st.integers(0, 800))
def test_every_occurrence_has_one_day_and_they_are_found_in_order(due, grace, days):
    policy = LateFee("1.00", grace_days=grace, repeat="monthly")
    on = due + days * DAY
    reached = occurrence_by(due, policy, on)
    by_hand = [n for n in range(40) if fee_date(due, policy, n) <= on]
    assert reached == (by_hand[-1] if by_hand else None)
    assert next_fee_date(due, policy, on) == fee_date(due, policy, 0 if reached is None else reached + 1)


def test_a_fee_that_comes_once_has_no_day_after_it():
    assert next_fee_date(DUE, ONCE, late_by(9)) == late_by(10)
    assert next_fee_date(DUE, ONCE, late_by(10)) is None


@pytest.mark.parametrize(
    ("amount", "percent", "total", "expected"),
    [
        ("5.00", "0", 100_00, 5_00),
        ("0.00", "1.5", 100_00, 1_50),
        ("5.00", "1.5", 100_00, 6_50),
        ("0.00", "1.5", 33, 0),  # 0.495 cents
        ("0.00", "1.5", 34, 1),  # 0.51 cents
    ],
)
def test_the_amount_is_fixed_plus_per_cent_of_the_original_principal(amount, percent, total, expected):
    policy = LateFee(amount, Decimal(percent))
    assert fee_amount(invoice(residual=total, left=1), policy, 0) == expected


@pytest.mark.parametrize(("charged", "expected"), [(0, 5_00), (5_00, 5_00), (5_01, 4_99), (9_99, 1), (10_00, 0)])
def test_all_fees_on_an_invoice_stay_within_the_cap(charged, expected):
    assert fee_amount(invoice(), replace(ONCE, cap="10.00"), charged) == expected


def test_amounts_of_a_class_are_in_each_customer_s_currency():
    assert fee_amount(invoice(currency="JPY"), LateFee("5.00"), 0) == 5
    assert fee_amount(invoice(currency="KWD"), LateFee("5.00"), 0) == 5_000


@given(st.integers(0, 10_000), st.integers(1, 10_000), st.data())
def test_what_is_credited_of_a_fee_goes_from_nothing_to_all_of_it(fee, total, data):
    credited = sorted(data.draw(st.lists(st.integers(0, total), min_size=2, max_size=2)))
    shares = [credited_share(fee, invoice(residual=total, credited_minor=c)) for c in credited]
    assert 0 <= shares[0] <= shares[1] <= fee
    assert credited_share(fee, invoice(residual=total, credited_minor=0)) == 0
    assert credited_share(fee, invoice(residual=total, credited_minor=total)) == fee


@pytest.mark.parametrize(
    ("fee", "any_at_all"),
    [(LateFee(), False), (LateFee("0.01"), True), (LateFee(percent=Decimal("0.1")), True), (LateFee("0"), False)],
)
def test_whether_a_policy_charges_anything(fee, any_at_all):
    assert charges(fee) == any_at_all


def test_each_invoice_and_occurrence_has_one_id():
    assert len({fee_id("inv_1", "0"), fee_id("inv_1", "1"), fee_id("inv_2", "0"), fee_id("inv_1", "0")}) == 3


# ---- evaluated ------------------------------------------------------------------------------------------------


def fees(on, *invoices, **more):
    its_class = more.pop("its_class", klass(late_fee=ONCE))
    return [
        (f.invoice.id, f.key, f.amount_minor) for f in evaluate(facts(*invoices, its_class=its_class, **more), on).fees
    ]


@pytest.mark.parametrize(("days", "expected"), [(9, []), (10, [("inv_1", "0", 5_00)]), (11, [])])
def test_a_fee_is_called_for_on_its_day_alone(days, expected):
    assert fees(late_by(days), invoice()) == expected


def test_no_fee_is_charged_twice_nor_on_a_fee():
    assert fees(late_by(10), invoice(late_fees=("0",))) == []
    assert fees(late_by(10), invoice(type="debit_memo", late_fee="0")) == []
    assert fees(late_by(10), invoice(type="debit_memo")) == [("inv_1", "0", 5_00)]


def test_a_fee_needs_the_master_switch_and_no_other():
    off = changed(automations=Switches(enabled=False))
    mail_off = changed(automations=Switches(enabled=True, past_due=False))
    since_today, since_tomorrow = changed(automated_since=late_by(10)), changed(automated_since=late_by(11))
    found = [fees(late_by(10), invoice(), customer=c) != [] for c in (off, mail_off, since_today, since_tomorrow)]
    assert found == [False, True, True, False]


@pytest.mark.parametrize(("left", "charged"), [(5_00, False), (5_01, True)])
def test_a_fee_is_skipped_at_or_below_the_threshold(left, charged):
    its_class = klass(late_fee=ONCE, collection_threshold="5.00")
    assert (fees(late_by(10), invoice(left=left), its_class=its_class) != []) == charged


@pytest.mark.parametrize(
    ("held", "customer"),
    [
        ({"hold": InvoiceHold("dispute", late_by(12))}, ACME),
        ({}, changed(hold=Hold("dispute", late_by(12)))),
        ({"open_attempt_id": "pay_1"}, ACME),
    ],
)
def test_a_fee_whose_day_comes_during_a_hold_waits_for_its_end(held, customer):
    its_class = klass(late_fee=ONCE)
    during = evaluate(facts(invoice(**held), its_class=its_class, customer=customer), late_by(10))
    assert (during.fees, during.state.waiting) == ((), ("inv_1#0",))
    free = invoice() if "open_attempt_id" in held else invoice(**held)
    after = evaluate(facts(free, its_class=its_class, customer=customer, state=during.state), late_by(13))
    assert [f.key for f in after.fees] == ["0"]
    assert after.state.waiting == ()


def test_of_several_that_waited_the_latest_is_charged():
    its_class = klass(late_fee=MONTHLY)
    held = invoice(hold=InvoiceHold("dispute", late_by(60)))
    state = evaluate(facts(held, its_class=its_class), late_by(10)).state
    state = evaluate(facts(held, its_class=its_class, state=state), fee_date(DUE, MONTHLY, 1)).state
    after = evaluate(facts(held, its_class=its_class, state=state), late_by(61))
    assert [f.key for f in after.fees] == ["1"]


def test_a_promise_to_pay_holds_no_fee():
    assert fees(late_by(10), invoice(), customer=changed(promise=Promise("prm_1", late_by(20)))) != []

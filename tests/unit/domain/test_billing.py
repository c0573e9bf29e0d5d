"""Billing by example: worked dates. A line is (bill date, service start, service end, amount in cents)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.domain.amend import charge_added, charge_changed, ended, resumed, suspended
from shared.domain.billing import NO_INVOICE, due, scheduled, unbill
from shared.domain.contract import Change, PriceTier
from shared.domain.errors import Invalid, Refused
from shared.domain.metering import no_usage
from shared.domain.progress import billed_periods
from tests.unit.domain.billing_worlds import DAY, Ledger, contract, day, metered, one_time, recurring, usage

# ---- periods and proration ------------------------------------------------------------------------------------


def test_a_start_before_the_bill_cycle_day_makes_a_leading_partial_period():
    ledger = Ledger(contract(recurring(amount=31_000), start="2026-01-10", bcd=15))
    assert ledger.run("2026-01-10") == [("2026-01-10", "2026-01-10", "2026-01-15", 5_000)]  # 5 of 31 days
    assert ledger.run("2026-01-15") == [("2026-01-15", "2026-01-15", "2026-02-15", 31_000)]


def test_an_anchor_on_the_31st_falls_on_the_last_day_of_short_months_and_does_not_wander():
    ledger = Ledger(contract(start="2026-01-31", bcd=31))
    assert [line[1:3] for line in ledger.run("2026-04-30")] == [
        ("2026-01-31", "2026-02-28"),
        ("2026-02-28", "2026-03-31"),
        ("2026-03-31", "2026-04-30"),
        ("2026-04-30", "2026-05-31"),
    ]


def test_billing_starts_later_than_the_contract_when_it_was_billed_elsewhere_before():
    charge, start = recurring(amount=31_000), day("2026-01-25")
    moved = contract(charge, start="2020-05-15", bcd=15, billing_starts_on=start)
    assert Ledger(moved).run("2026-02-15") == [
        ("2026-01-25", "2026-01-25", "2026-02-15", 21_000),  # 21 of the 31 days from 15 January
        ("2026-02-15", "2026-02-15", "2026-03-15", 31_000),
    ]


def test_quarters_and_years_start_on_the_first_bill_cycle_day_or_on_the_anchor_month():
    quarterly = recurring(amount=9_000, interval="quarter")
    assert [line[1:3] for line in Ledger(contract(quarterly, start="2026-01-15", bcd=1)).run("2026-05-01")] == [
        ("2026-01-15", "2026-02-01"),
        ("2026-02-01", "2026-05-01"),
        ("2026-05-01", "2026-08-01"),
    ]
    yearly = recurring(amount=36_500, interval="year")
    aligned = contract(yearly, start="2026-03-01", bcd=1, anchor_month=4)
    assert Ledger(aligned).run("2026-04-01") == [
        ("2026-03-01", "2026-03-01", "2026-04-01", 3_100),  # 31 of the 365 days before April
        ("2026-04-01", "2026-04-01", "2027-04-01", 36_500),
    ]


def test_weeks_and_days_are_counted_from_the_start_of_the_contract():
    fortnightly = recurring(amount=1_400, interval="week", interval_count=2)
    assert [line[1:3] for line in Ledger(contract(fortnightly, start="2026-01-07", bcd=28)).run("2026-01-21")] == [
        ("2026-01-07", "2026-01-21"),
        ("2026-01-21", "2026-02-04"),
    ]
    daily = recurring(amount=100, interval="day")
    assert len(Ledger(contract(daily, start="2026-01-07")).run("2026-01-10")) == 4


def test_in_arrears_a_period_is_billed_on_its_end_and_the_last_on_the_end_of_the_contract():
    ledger = Ledger(contract(recurring(amount=31_000, timing="arrears")))
    assert ledger.run("2026-01-31") == []
    assert ledger.run("2026-02-01") == [("2026-02-01", "2026-01-01", "2026-02-01", 31_000)]
    ledger.change(ended, day("2026-02-15"))
    assert ledger.run("2026-02-14") == []
    assert ledger.run("2026-02-15") == [("2026-02-15", "2026-02-01", "2026-02-15", 15_500)]  # 14 of 28 days
    assert ledger.contract.next_bill_on is None


def test_a_one_time_charge_is_billed_on_its_date_and_only_then():
    ledger = Ledger(contract(one_time("2026-02-10")))
    assert ledger.run("2026-02-09") == []
    assert ledger.run("2026-03-01") == [("2026-02-10", "2026-02-10", "2026-02-11", 9_900)]
    assert ledger.run("2026-04-01") == []


def test_a_one_time_charge_during_a_suspension_waits_for_the_end_of_it():
    ledger = Ledger(contract(one_time("2026-02-10")))
    ledger.change(suspended, day("2026-02-01"))
    assert ledger.run("2026-03-01") == []
    assert ledger.contract.next_bill_on is None
    ledger.change(resumed, day("2026-03-05"))
    assert ledger.run("2026-03-05") == [("2026-03-05", "2026-02-10", "2026-02-11", 9_900)]


def test_a_one_time_charge_after_the_end_is_never_billed():
    assert Ledger(contract(one_time("2026-02-10"), end_date=day("2026-02-10"))).run("2026-03-01") == []


def test_a_free_charge_still_has_its_line():
    assert Ledger(contract(recurring(amount=0))).run("2026-01-01") == [("2026-01-01", "2026-01-01", "2026-02-01", 0)]


def test_quantity_and_amount_are_multiplied_and_rounded_once():
    ledger = Ledger(contract(recurring(amount=333, quantity=Decimal("2.5")), start="2026-01-21", bcd=1))
    assert ledger.run("2026-02-01") == [
        ("2026-01-21", "2026-01-21", "2026-02-01", 295),  # 832.5 × 11 ÷ 31 = 295.4
        ("2026-02-01", "2026-02-01", "2026-03-01", 833),  # 832.5, half up
    ]


# ---- ends and suspensions -------------------------------------------------------------------------------------


def test_an_end_after_billing_in_advance_credits_what_is_not_kept():
    ledger = Ledger(contract(recurring(amount=10_000)))
    ledger.run("2026-01-01")
    ledger.change(ended, day("2026-01-12"))
    assert ledger.run("2026-01-11") == []
    assert ledger.run("2026-01-12") == [("2026-01-12", "2026-01-12", "2026-02-01", -6_452)]  # kept: 11 of 31, 3,548
    [credit] = [line for line in ledger.lines() if line.amount_minor < 0]
    assert credit.name == "Support (credit)"
    assert ledger.total() == 3_548
    assert ledger.contract.next_bill_on is None


def test_an_end_known_beforehand_makes_a_trailing_partial_period():
    assert Ledger(contract(recurring(amount=31_000), end_date=day("2026-02-15"))).run("2026-06-01") == [
        ("2026-01-01", "2026-01-01", "2026-02-01", 31_000),
        ("2026-02-01", "2026-02-01", "2026-02-15", 15_500),
    ]


def test_after_a_suspension_billing_resumes_on_that_day_prorated_to_the_next_anchor():
    ledger = Ledger(contract(recurring(amount=31_000)))
    ledger.run("2026-01-01")
    ledger.change(suspended, day("2026-01-11"))
    assert ledger.run("2026-01-11") == [("2026-01-11", "2026-01-11", "2026-02-01", -21_000)]
    assert ledger.run("2026-02-15") == []  # nothing new while it lasts
    assert ledger.contract.next_bill_on is None
    ledger.change(resumed, day("2026-02-20"))
    assert ledger.contract.next_bill_on == day("2026-02-20")
    assert ledger.run("2026-03-01") == [
        ("2026-02-20", "2026-02-20", "2026-03-01", 9_964),  # 9 of 28 days
        ("2026-03-01", "2026-03-01", "2026-04-01", 31_000),  # the anchor has not moved
    ]


def test_a_suspension_within_one_period_is_credited_and_charged_on_its_own_days():
    ledger = Ledger(contract(recurring(amount=31_000)))
    ledger.run("2026-01-01")
    ledger.change(suspended, day("2026-01-11"))
    ledger.change(resumed, day("2026-01-21"))
    assert ledger.run("2026-01-31") == [
        ("2026-01-11", "2026-01-11", "2026-02-01", -21_000),
        ("2026-01-21", "2026-01-21", "2026-02-01", 11_000),
    ]


def test_days_suspended_by_collections_are_not_credited_but_nothing_new_is_billed():
    ledger = Ledger(contract(recurring(amount=28_000)))
    ledger.run("2026-01-01")
    ledger.change(suspended, day("2026-01-11"), by_collections=True)
    assert ledger.run("2026-02-10") == []  # January is kept whole; February is not billed
    ledger.change(resumed, day("2026-02-15"))
    assert ledger.run("2026-02-15") == [("2026-02-15", "2026-02-15", "2026-03-01", 14_000)]
    assert ledger.total() == 42_000


def test_a_price_change_while_collections_suspend_is_settled_on_its_own_day_and_credits_no_day():
    ledger = Ledger(contract(recurring(amount=31_000)))
    ledger.run("2026-01-01")
    ledger.change(suspended, day("2026-01-11"), by_collections=True)
    ledger.change(charge_changed, "chg_1", day("2026-01-16"), 62_000, None)
    ledger.change(charge_changed, "chg_1", day("2026-01-21"), 15_500, None)
    assert ledger.run("2026-01-15") == []
    assert ledger.run("2026-01-16") == [
        ("2026-01-16", "2026-01-16", "2026-02-01", -16_000),
        ("2026-01-16", "2026-01-16", "2026-01-21", 10_000),
        ("2026-01-16", "2026-01-21", "2026-02-01", 5_500),
    ]
    assert ledger.run("2026-02-10") == []


def test_an_end_while_collections_suspend_is_credited_from_its_own_day():
    ledger = Ledger(contract(recurring(amount=31_000)))
    ledger.run("2026-01-01")
    ledger.change(suspended, day("2026-01-11"), by_collections=True)
    ledger.change(ended, day("2026-01-21"))
    assert ledger.run("2026-01-20") == []
    assert ledger.run("2026-01-21") == [("2026-01-21", "2026-01-21", "2026-02-01", -11_000)]


def test_an_ordinary_suspension_after_one_by_collections_is_credited_from_its_own_day():
    ledger = Ledger(contract(recurring(amount=31_000)))
    ledger.run("2026-01-01")
    ledger.change(suspended, day("2026-01-11"), by_collections=True)
    ledger.change(resumed, day("2026-01-16"))
    ledger.change(suspended, day("2026-01-21"))
    assert ledger.run("2026-01-21") == [("2026-01-21", "2026-01-21", "2026-02-01", -11_000)]


def test_in_arrears_a_suspended_stretch_is_left_out():
    ledger = Ledger(contract(recurring(amount=31_000, timing="arrears")))
    ledger.change(suspended, day("2026-01-11"))
    ledger.change(resumed, day("2026-01-21"))
    assert ledger.run("2026-02-01") == [
        ("2026-02-01", "2026-01-01", "2026-01-11", 10_000),
        ("2026-02-01", "2026-01-21", "2026-02-01", 11_000),
    ]


def test_resumed_on_the_day_it_was_suspended_it_never_was():
    ledger = Ledger(contract())
    ledger.change(suspended, day("2026-01-11"))
    ledger.change(resumed, day("2026-01-11"))
    assert ledger.contract.suspensions == ()


def test_a_suspension_moved_away_after_its_credit_is_charged_again():
    ledger = Ledger(contract(recurring(amount=31_000)))
    ledger.run("2026-01-01")
    ledger.change(suspended, day("2026-01-11"))
    ledger.run("2026-01-11")
    ledger.change(resumed, day("2026-01-11"))
    assert ledger.run("2026-01-12") == [("2026-01-11", "2026-01-11", "2026-02-01", 21_000)]


# ---- changes --------------------------------------------------------------------------------------------------


def test_a_change_of_quantity_prorates_both_sides():
    ledger = Ledger(contract(recurring(amount=3_100, quantity=Decimal(10))))
    ledger.run("2026-01-01")
    ledger.change(charge_changed, "chg_1", day("2026-01-16"), quantity=Decimal(12))
    assert ledger.run("2026-01-15") == []
    assert ledger.run("2026-01-16") == [
        ("2026-01-16", "2026-01-16", "2026-02-01", -16_000),
        ("2026-01-16", "2026-01-16", "2026-02-01", 19_200),
    ]
    assert ledger.run("2026-02-01") == [("2026-02-01", "2026-02-01", "2026-03-01", 37_200)]


def test_a_change_known_beforehand_is_billed_as_two_lines_with_the_period():
    changed = recurring(amount=31_000, changes=(Change(day("2026-01-11"), 62_000),))
    assert Ledger(contract(changed)).run("2026-01-01") == [
        ("2026-01-01", "2026-01-01", "2026-01-11", 10_000),
        ("2026-01-01", "2026-01-11", "2026-02-01", 42_000),
    ]


def test_a_change_in_the_past_corrects_every_period_since():
    ledger = Ledger(contract(recurring(amount=10_000)))
    ledger.run("2026-03-01")
    ledger.change(charge_changed, "chg_1", day("2026-02-01"), amount_minor=12_000)
    assert ledger.run("2026-03-02") == [
        ("2026-02-01", "2026-02-01", "2026-03-01", -10_000),
        ("2026-02-01", "2026-02-01", "2026-03-01", 12_000),
        ("2026-03-01", "2026-03-01", "2026-04-01", -10_000),
        ("2026-03-01", "2026-03-01", "2026-04-01", 12_000),
    ]


def test_two_changes_on_one_day_are_one():
    ledger = Ledger(contract(recurring(amount=100, quantity=Decimal(2))))
    ledger.change(charge_changed, "chg_1", day("2026-02-01"), amount_minor=300)
    ledger.change(charge_changed, "chg_1", day("2026-02-01"), quantity=Decimal(5))
    assert ledger.contract.charges[0].changes == (Change(day("2026-02-01"), 300, Decimal(5)),)


def test_a_charge_added_later_is_billed_from_its_day_to_the_next_anchor():
    ledger = Ledger(contract(recurring(amount=10_000), bcd=1))
    ledger.run("2026-01-01")
    ledger.change(charge_added, recurring("chg_2", 3_100, name="Backup"), day("2026-01-21"))
    assert ledger.run("2026-02-01") == [
        ("2026-01-21", "2026-01-21", "2026-02-01", 1_100),
        ("2026-02-01", "2026-02-01", "2026-03-01", 10_000),
        ("2026-02-01", "2026-02-01", "2026-03-01", 3_100),
    ]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda c: charge_changed(c, "chg_9", day("2026-02-01"), 5), "charge_id"),
        (lambda c: charge_changed(c, "chg_u", day("2026-02-01"), 5), "charge_id"),
        (lambda c: charge_changed(c, "chg_1", day("2026-02-01")), "quantity"),
        (lambda c: charge_changed(c, "chg_1", day("2025-12-31"), 5), "effective_on"),
        (lambda c: charge_changed(c, "chg_1", day("2027-01-01"), 5), "effective_on"),
        (lambda c: charge_changed(c, "chg_1", day("2026-02-01"), 10**15, Decimal(2)), "quantity"),
        (lambda c: charge_added(c, one_time("2026-01-31"), day("2026-02-01")), "add.on"),
        (lambda c: suspended(c, day("2027-01-01")), "on"),
        (lambda c: suspended(c, day("2025-12-31")), "on"),
        (lambda c: resumed(suspended(c, day("2026-02-02")), day("2026-02-01")), "on"),
        (lambda c: suspended(resumed(suspended(c, day("2026-02-02")), day("2026-02-05")), day("2026-02-04")), "on"),
        (lambda c: ended(c, day("2025-12-31")), "on"),
    ],
)
def test_a_change_that_cannot_be_names_its_field(change, field):
    with pytest.raises(Invalid) as wrong:
        change(contract(recurring(), usage(), end_date=day("2027-01-01")))
    assert wrong.value.field == field


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda c: resumed(c, day("2026-02-01")), "not_suspended"),
        (lambda c: suspended(suspended(c, day("2026-02-02")), day("2026-02-05")), "suspended"),
        (lambda c: charge_added(c, recurring(), day("2026-02-01")), "charge_exists"),
    ],
)
def test_a_change_against_the_state_of_the_contract_is_refused(change, code):
    with pytest.raises(Refused) as refused:
        change(contract())
    assert refused.value.code == code


def test_a_change_further_back_than_is_remembered_is_refused_with_the_way_out():
    ledger = Ledger(contract(start="2024-01-01"))
    for month in range(20):
        ledger.run(f"{2024 + month // 12}-{month % 12 + 1:02d}-01")
    with pytest.raises(Invalid, match="must not be before 2024-07-01"):
        ledger.change(charge_changed, "chg_1", day("2024-06-30"), amount_minor=5)
    ledger.change(charge_changed, "chg_1", day("2024-07-01"), amount_minor=5)


def test_an_end_credits_all_that_is_not_kept_on_its_own_date_also_what_has_a_later_price():
    changed = recurring(amount=31_000, changes=(Change(day("2026-01-21"), 62_000),))
    ledger = Ledger(contract(changed))
    ledger.run("2026-01-01")
    ledger.change(ended, day("2026-01-11"))
    assert ledger.run("2026-01-11") == [
        ("2026-01-11", "2026-01-11", "2026-01-21", -10_000),
        ("2026-01-11", "2026-01-21", "2026-02-01", -22_000),
    ]


def test_in_arrears_a_correction_has_the_bill_date_of_its_period():
    ledger = Ledger(contract(recurring(amount=31_000, timing="arrears")))
    ledger.run("2026-02-01")
    ledger.change(charge_changed, "chg_1", day("2026-01-11"), amount_minor=62_000)
    assert ledger.run("2026-02-10") == [
        ("2026-02-01", "2026-01-11", "2026-02-01", -21_000),
        ("2026-02-01", "2026-01-11", "2026-02-01", 42_000),
    ]


# ---- without proration ----------------------------------------------------------------------------------------


def test_without_proration_every_partial_period_costs_the_full_amount_and_nothing_is_credited():
    ledger = Ledger(contract(recurring(amount=10_000, prorate=False), start="2026-01-20", bcd=1))
    assert ledger.run("2026-02-01") == [
        ("2026-01-20", "2026-01-20", "2026-02-01", 10_000),
        ("2026-02-01", "2026-02-01", "2026-03-01", 10_000),
    ]
    ledger.change(suspended, day("2026-02-10"))
    ledger.change(resumed, day("2026-03-20"))
    assert ledger.run("2026-03-20") == [("2026-03-20", "2026-03-20", "2026-04-01", 10_000)]
    ledger.change(ended, day("2026-03-25"))
    assert ledger.run("2026-04-30") == []
    assert ledger.contract.next_bill_on is None


def test_without_proration_a_new_price_counts_from_the_next_period():
    ledger = Ledger(contract(recurring(amount=10_000, prorate=False)))
    ledger.run("2026-01-01")
    ledger.change(charge_changed, "chg_1", day("2026-01-15"), amount_minor=20_000)
    assert ledger.run("2026-02-01") == [("2026-02-01", "2026-02-01", "2026-03-01", 20_000)]


# ---- usage ----------------------------------------------------------------------------------------------------


def test_usage_is_billed_on_the_end_of_its_period_beyond_what_is_included():
    plan = contract(usage(unit=5, included_quantity=Decimal(100)))
    ledger = Ledger(plan, metered({"2026-01-01": 90, "2026-01-31": 60, "2026-02-01": 7}))
    assert ledger.run("2026-01-31") == []
    assert ledger.run("2026-02-01") == [("2026-02-01", "2026-01-01", "2026-02-01", 250)]  # 50 × 0.05
    [line] = ledger.lines()
    assert (line.quantity, line.unit_amount_minor) == (50, 5)


@pytest.mark.parametrize(
    ("mode", "used", "amount"),
    [
        ("graduated", "1000", 10_000),  # the first thousand, inclusive, at 0.10
        ("graduated", "1001", 10_006),
        ("graduated", "2500", 19_000),  # 1,000 × 0.10 + 1,500 × 0.06
        ("graduated", "0.05", 1),  # 0.5 cents, half up
        ("volume", "1000", 10_000),
        ("volume", "1001", 6_006),  # all of it at the second tier's price
    ],
)
def test_tiers(mode, used, amount):
    tiers = (PriceTier(Decimal(1000), 10), PriceTier(None, 6))
    plan = contract(usage(unit=None, tier_mode=mode, tiers=tiers))
    ledger = Ledger(plan, metered({"2026-01-10": used}))
    assert [line[3] for line in ledger.run("2026-02-01")] == [amount]


def test_a_usage_charge_that_is_added_bills_the_usage_from_its_first_day_on():
    days = {"2026-01-10": 8, "2026-01-16": 20}
    ledger = Ledger(contract(usage(unit=5)), metered(days))
    ledger.change(charge_added, usage("chg_more", unit=3), day("2026-01-16"))
    lines = [("2026-01-01", "2026-02-01", 140), ("2026-01-16", "2026-02-01", 60)]
    assert ledger.run("2026-02-01") == [("2026-02-01", *line) for line in lines]


def test_a_period_without_usage_makes_no_line_and_is_not_looked_at_again():
    ledger = Ledger(contract(usage()))
    assert ledger.run("2026-03-01") == []
    assert ledger.contract.next_bill_on == day("2026-04-01")
    [progress] = ledger.contract.progress
    assert {b.invoice_id for p in billed_periods(progress) for b in p.billings} == {NO_INVOICE}


def test_expected_usage_that_did_not_come_is_told():
    [step] = due(contract(usage(expected=True)), no_usage, day("2026-02-01")).steps
    assert step.lines == ()
    assert (step.missing.name, step.missing.amount_minor, step.missing.quantity) == ("Backup GB", 0, 0)


def test_late_usage_waits_for_the_next_bill_date_and_has_its_own_line():
    days = {"2026-01-10": 200}
    ledger = Ledger(contract(usage(unit=5, included_quantity=Decimal(100))), metered(days))
    ledger.run("2026-02-01")  # 100 × 0.05
    days["2026-01-31"] = 60
    days["2026-02-10"] = 130
    ledger.contract = scheduled(replace(ledger.contract, late_usage=(("chg_u", day("2026-01-01")),)))
    assert ledger.contract.next_bill_on == day("2026-03-01")
    assert ledger.run("2026-02-28") == []
    assert ledger.run("2026-03-01") == [
        ("2026-03-01", "2026-02-01", "2026-03-01", 150),
        ("2026-03-01", "2026-01-01", "2026-02-01", 300),
    ]
    assert ledger.contract.late_usage == ()
    assert ledger.lines()[-1].name == "Backup GB (late usage)"


def test_late_usage_has_the_order_of_the_charges_whatever_order_it_came_in():
    days = {"2026-01-10": 200}
    ledger = Ledger(contract(usage("chg_b"), usage("chg_a", unit=7)), metered(days))
    ledger.run("2026-02-01")
    days["2026-01-31"] = 60
    marks = [("chg_a", day("2026-01-01")), ("chg_b", day("2026-01-01"))]
    for came in (marks, marks[::-1]):
        late = scheduled(replace(ledger.contract, late_usage=tuple(came)))
        steps = due(late, ledger.usage, day("2026-03-01")).steps
        assert [s.charge_id for s in steps if s.late] == ["chg_b", "chg_a"]


def test_late_usage_of_a_contract_that_has_ended_is_billed_at_once():
    days = {"2026-01-10": 200}
    ledger = Ledger(contract(usage(unit=5), end_date=day("2026-01-20")), metered(days))
    assert ledger.run("2026-01-20") == [("2026-01-20", "2026-01-01", "2026-01-20", 1_000)]
    days["2026-01-15"] = 10
    ledger.contract = scheduled(replace(ledger.contract, late_usage=(("chg_u", day("2026-01-01")),)))
    assert ledger.run("2026-01-25") == [("2026-01-20", "2026-01-01", "2026-01-20", 50)]
    assert ledger.contract.next_bill_on is None


def test_late_usage_on_a_draft_that_is_taken_back_is_late_again():
    days = {"2026-01-10": 200}
    ledger = Ledger(contract(usage(unit=5)), metered(days))
    ledger.run("2026-02-01")
    days["2026-01-31"] = 60
    days["2026-02-10"] = 1
    ledger.contract = before = scheduled(replace(ledger.contract, late_usage=(("chg_u", day("2026-01-01")),)))
    ledger.run("2026-03-01")
    assert ledger.take_back("inv_2_2026-03-01")
    assert ledger.contract == before


def test_late_usage_that_costs_nothing_does_not_keep_its_period_from_being_billed_again():
    days = {"2026-01-10": 50}
    ledger = Ledger(contract(usage(unit=5, included_quantity=Decimal(100)), recurring()), metered(days))
    before = ledger.contract
    ledger.run("2026-01-01")
    ledger.run("2026-02-01")
    days["2026-01-31"] = 20
    ledger.contract = scheduled(replace(ledger.contract, late_usage=(("chg_u", day("2026-01-01")),)))
    ledger.run("2026-03-01")
    assert ledger.contract.late_usage == ()
    for invoice_id in sorted(ledger.invoices, reverse=True):
        assert ledger.take_back(invoice_id)
    assert ledger.contract == before


# ---- catching up, and taking back -----------------------------------------------------------------------------


def test_twelve_missed_periods_are_caught_up_and_thirteen_are_too_many():
    missed = contract(start="2025-01-01")
    assert due(missed, no_usage, day("2025-12-31")).missed == 12
    assert due(missed, no_usage, day("2026-01-01")).missed == 13
    assert len(Ledger(missed).run("2025-12-31")) == 12


def test_months_of_suspension_are_not_missed_periods():
    paused = suspended(contract(start="2023-01-01"), day("2023-01-01"))
    assert due(resumed(paused, day("2025-12-15")), no_usage, day("2026-01-01")).missed == 2


def test_a_period_taken_back_can_be_billed_again_with_the_facts_as_they_are_now():
    ledger = Ledger(contract(recurring(amount=10_000)))
    ledger.run("2026-03-01")
    assert ledger.take_back("inv_1_2026-02-01")
    assert ledger.contract.next_bill_on == day("2026-02-01")
    ledger.change(charge_changed, "chg_1", day("2026-02-01"), amount_minor=11_000)
    assert ledger.run("2026-03-02") == [
        ("2026-02-01", "2026-02-01", "2026-03-01", 11_000),
        ("2026-03-01", "2026-03-01", "2026-04-01", -10_000),
        ("2026-03-01", "2026-03-01", "2026-04-01", 11_000),
    ]


def test_an_invoice_cannot_be_taken_back_once_a_later_one_has_adjusted_its_period():
    ledger = Ledger(contract(recurring(amount=31_000)))
    ledger.run("2026-01-01")
    ledger.change(ended, day("2026-01-11"))
    ledger.run("2026-01-11")
    with pytest.raises(Refused, match="inv_2_2026-01-11 has adjusted the period from 2026-01-01"):
        unbill(ledger.contract, "inv_1_2026-01-01")
    assert ledger.take_back("inv_2_2026-01-11")
    assert ledger.take_back("inv_1_2026-01-01")
    assert ledger.contract.progress == ()


def test_a_period_of_a_year_ago_can_still_be_voided_and_billed_again():
    ledger = Ledger(contract(start="2025-01-01"))
    for month in range(14):
        ledger.run(f"{2025 + month // 12}-{month % 12 + 1:02d}-01")
    assert ledger.take_back("inv_1_2025-01-01")
    assert ledger.run("2026-02-02") == [("2025-01-01", "2025-01-01", "2025-02-01", 10_000)]


def test_nothing_is_due_the_day_before_it_starts():
    early = contract(start="2026-01-10")
    assert early.next_bill_on == day("2026-01-10")
    assert Ledger(early).run(day("2026-01-10") - DAY) == []

"""What a person is told to look at before a draft is posted."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.settings import SpotCheckSettings
from shared.domain.spot_check import EARLIER_MAX, Findings, earlier_totals, flags_of

ACME = Customer("cus_1", "Acme Ltd", email="ap@acme.example")
NOTHING = Findings()
SETTINGS = SpotCheckSettings()  # 50 %, first invoices flagged


def invoice(total=10_000, id="inv_2", on="2026-02-01", lines=1, **more):
    made = Invoice(
        id, "cus_1", "USD", date.fromisoformat(on), subtotal_minor=total, total_minor=total, line_count=lines,
        contract_ids=("con_1",),
    )  # fmt: skip
    return replace(made, **more)


def before(total=10_000, lines=1, **more):
    return invoice(total, "inv_1", "2026-01-01", lines, **({"status": "posted", "number": "INV-000001"} | more))


def codes(draft, *history, customer=ACME, found=NOTHING, settings=SETTINGS):
    return [f.code for f in flags_of(draft, found, customer, history, settings)]


def words(draft, *history, **more):
    return [f.message for f in flags_of(draft, NOTHING, ACME, history, more.get("settings", SETTINGS))]


def test_an_invoice_like_the_one_before_is_clean():
    assert codes(invoice(), before()) == []


def test_the_first_invoice_is_flagged_if_the_settings_say_so():
    assert codes(invoice()) == ["first_invoice"]
    assert codes(invoice(), settings=SpotCheckSettings(flag_first_invoice=False)) == []


def test_a_flag_that_stays_when_the_customer_is_erased_does_not_name_him():
    assert words(invoice()) == ["the first invoice of this customer"]


@pytest.mark.parametrize("not_counted", [{"type": "out_of_turn"}, {"type": "credit_memo"}, {"status": "void"}])
def test_only_regular_invoices_that_stand_make_the_next_one_not_the_first(not_counted):
    assert codes(invoice(), before(**not_counted)) == ["first_invoice"]


@pytest.mark.parametrize(
    ("total", "flagged"), [(15_000, False), (15_001, True), (5_000, False), (4_999, True), (-10_000, True)]
)
def test_a_total_that_changed_by_more_than_the_percentage_is_flagged(total, flagged):
    assert ("total_changed" in codes(invoice(total), before(10_000))) is flagged


def test_the_change_is_told_in_words():
    assert words(invoice(24_000), before(10_000)) == [
        "the total is 240.00 USD; the previous invoice INV-000001 was 100.00: 140 % more"
    ]
    assert words(invoice(2_500), before(10_000))[0].endswith("75 % less")
    assert words(invoice(15_001), before(10_000))[0].endswith(": 50.01 % more")
    assert words(invoice(991), before(3_000))[0].endswith(": 66.96 % less")
    assert words(invoice(1), before(0)) == ["the total is 0.01 USD; the previous invoice INV-000001 was 0.00"]


def test_a_draft_is_compared_with_the_latest_invoice_of_the_same_contracts_and_currency():
    history = [
        before(90_000, contract_ids=("con_1", "con_2")),
        before(90_000, currency="EUR"),
        replace(before(90_000), id="inv_0", invoice_date=date(2025, 12, 1)),
        before(10_000),
    ]
    assert codes(invoice(), *history) == []
    assert codes(invoice(contract_ids=("con_3",)), *history) == []  # nothing to compare with


def test_a_threshold_of_zero_flags_any_change():
    strict = SpotCheckSettings(change_percent=Decimal(0))
    assert codes(invoice(10_001), before(), settings=strict) == ["total_changed"]
    assert codes(invoice(10_000), before(), settings=strict) == []


def test_totals_of_zero_and_below_are_flagged():
    assert codes(invoice(0), before(0)) == ["zero_total"]
    assert codes(invoice(-5), before(-5)) == ["negative_total"]


@pytest.mark.parametrize(
    ("now", "then", "flagged"), [(21, 10, True), (20, 10, False), (11, 5, False), (15, 5, True), (10, 21, True)]
)
def test_more_than_twice_or_less_than_half_the_lines_and_at_least_ten_apart_is_unusual(now, then, flagged):
    assert codes(invoice(lines=now), before(lines=then)) == (["unusual_lines"] if flagged else [])


@pytest.mark.parametrize(
    ("customer", "flagged"),
    [
        (ACME, False),
        (replace(ACME, email=None), True),
        (replace(ACME, email_problem="bounced"), True),
        (replace(ACME, email=None, delivery=("print",)), False),
    ],
)
def test_delivery_by_e_mail_needs_an_address_that_works(customer, flagged):
    assert codes(invoice(), before(), customer=customer) == (["no_email"] if flagged else [])


def test_what_billing_noticed_is_passed_on_by_name():
    found = Findings(missing_usage=("Traffic", "Storage", "Calls", "Texts"), late_usage=("Backup GB",))
    flags = flags_of(invoice(), found, ACME, [before()], SETTINGS)
    assert [(f.code, f.message) for f in flags] == [
        ("expected_usage_missing", "no usage was recorded for Traffic, Storage, Calls and 1 more"),
        ("late_usage", "usage of Backup GB came after its period was billed"),
    ]


def test_each_invoice_hands_on_what_the_ones_before_it_came_to():
    """Only the latest has to be read; what was voided, or of other contracts, is no part of it."""
    oldest = invoice(90, "inv_0", "2025-12-01", status="posted")
    assert earlier_totals(invoice(), [oldest, before(100)]) == (100, 90)
    knowing = before(100, earlier_minor=(90, 80, 70))
    assert earlier_totals(invoice(), [oldest, knowing]) == (100, 90, 80, 70)
    others = [before(1, status="void"), before(2, contract_ids=("con_other",)), before(3, type="out_of_turn")]
    assert earlier_totals(invoice(), [*others, knowing]) == (100, 90, 80, 70)
    full = before(100, earlier_minor=tuple(range(EARLIER_MAX)))
    assert earlier_totals(invoice(), [full]) == (100, *range(EARLIER_MAX - 1))
    assert earlier_totals(invoice(), []) == ()

"""What can happen to an invoice, and what is left to pay on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Refused
from shared.domain.invoice import (
    LINES_PER_PART,
    LINES_WITHIN_MAX,
    NAMES_WITHIN_MAX,
    Invoice,
    InvoiceHold,
    Line,
    part_keys,
    parts,
    totalled,
)

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
DUE = date(2026, 2, 9)
AMOUNTS = st.integers(-(10**9), 10**9)


def draft(total=100_00, **more):
    return Invoice("inv_1", "cus_1", "USD", date(2026, 1, 10), total_minor=total, **more)


def posted(total=100_00, **more):
    return replace(draft(total).posted("INV-000001", date(2026, 1, 10), NOW, DUE), **more)


def test_posting_makes_it_owed_in_full():
    invoice = posted()
    assert (invoice.status, invoice.number, invoice.residual_minor, invoice.settled_at) == (
        "posted", "INV-000001", 100_00, None,
    )  # fmt: skip


@pytest.mark.parametrize("total", [0, -5_00])
def test_a_total_of_zero_or_less_leaves_nothing_to_pay(total):
    invoice = posted(total)
    assert (invoice.residual_minor, invoice.settled_at, invoice.payment_status(DUE)) == (0, NOW, "paid")


def test_only_a_draft_can_be_posted():
    with pytest.raises(Refused, match="only a draft"):
        posted().posted("INV-000002", DUE, NOW, DUE)


@pytest.mark.parametrize(
    ("on", "residual", "status"),
    [
        (DUE - timedelta(days=1), 100_00, "unpaid"),
        (DUE, 100_00, "unpaid"),  # the due date itself is still on time
        (DUE + timedelta(days=1), 100_00, "overdue"),
        (DUE, 99_99, "partially_paid"),
        (DUE + timedelta(days=1), 1, "overdue"),
        (DUE + timedelta(days=1), 0, "paid"),
    ],
)
def test_it_is_overdue_from_the_day_after_the_due_date(on, residual, status):
    assert posted(residual_minor=residual).payment_status(on) == status


def test_a_draft_and_a_void_invoice_have_no_payment_status():
    assert draft().payment_status(DUE) is None
    assert posted().voided(NOW).payment_status(DUE) is None


@pytest.mark.parametrize("amount", [0, -1, 100_01])
def test_a_payment_is_more_than_nothing_and_at_most_the_residual(amount):
    with pytest.raises(Refused):
        posted().paid(amount, NOW)


def test_the_last_payment_settles_it_and_ends_its_retries():
    waiting = posted(next_attempt_on=DUE, retries=2)
    partly = waiting.paid(99_99, NOW)
    assert (partly.residual_minor, partly.settled_at, partly.next_attempt_on, partly.retries) == (1, None, DUE, 2)
    paid = partly.paid(1, NOW)
    assert (paid.residual_minor, paid.settled_at, paid.next_attempt_on, paid.retries) == (0, NOW, None, 0)


@pytest.mark.parametrize("given_back", [1, 40_00])
def test_a_refund_opens_what_it_gives_back_with_the_original_due_date(given_back):
    reopened = posted().paid(40_00, NOW).reopened(given_back)
    assert (reopened.residual_minor, reopened.due_on) == (60_00 + given_back, DUE)


@pytest.mark.parametrize("given_back", [0, 40_01])
def test_no_more_is_given_back_than_was_paid(given_back):
    with pytest.raises(Refused):
        posted().paid(40_00, NOW).reopened(given_back)


def test_it_is_void_only_while_nothing_is_paid_and_no_charge_is_under_way():
    assert posted().voided(NOW).residual_minor == 0
    for invoice, code in (
        (draft(), "not_posted"),
        (posted().paid(1, NOW), "paid"),
        (posted().attempt_opened("pay_1"), "attempt_open"),
        (posted().voided(NOW), "not_posted"),
    ):
        with pytest.raises(Refused) as refused:
            invoice.voided(NOW)
        assert refused.value.code == code


@pytest.mark.parametrize(("through", "held"), [(None, True), (DUE, True), (DUE - timedelta(days=1), False)])
def test_a_hold_covers_its_last_day(through, held):
    assert posted(hold=InvoiceHold("dispute", through)).on_hold(DUE) == held


@given(st.lists(st.tuples(AMOUNTS, st.booleans()), max_size=30), st.decimals(0, 50, places=2))
def test_the_total_is_the_lines_plus_tax_on_the_taxed_ones_rounded_once(amounts, rate):
    lines = [Line("Work", amount, taxable=taxable) for amount, taxable in amounts]
    invoice = totalled(draft(tax_rate_percent=rate), lines)
    exact = sum(line.amount_minor for line in lines if line.taxable) * rate / Decimal(100)
    assert invoice.total_minor == invoice.subtotal_minor + invoice.tax_minor
    assert invoice.subtotal_minor == sum(line.amount_minor for line in lines)
    assert abs(invoice.tax_minor - exact) <= Decimal("0.5")


COUNTS = [0, 1, LINES_WITHIN_MAX, LINES_WITHIN_MAX + 1, LINES_PER_PART, LINES_PER_PART + 1, 10_000]


@pytest.mark.parametrize("count", COUNTS)
def test_lines_are_stored_in_parts_that_are_together_what_they_were_or_within_the_invoice_where_they_are_few(count):
    lines = tuple(Line(f"Line {n}", n) for n in range(count))
    stored = parts("inv_1", lines)
    invoice = totalled(draft(), lines)
    assert invoice.lines == (lines if count <= LINES_WITHIN_MAX else ())
    assert [("inv_1", f"{part.part:04d}") for part in stored] == part_keys(replace(invoice, id="inv_1"))
    assert all(len(part.lines) <= LINES_PER_PART for part in stored)
    assert (*invoice.lines, *(line for part in stored for line in part.lines)) == lines


@pytest.mark.parametrize(("chars", "within"), [(NAMES_WITHIN_MAX, True), (NAMES_WITHIN_MAX + 1, False)])
def test_lines_of_long_names_are_stored_beside_it_however_few(chars, within):
    lines = (Line("x" * (chars - 1), 1), Line("y", 1))
    assert (bool(totalled(draft(), lines).lines), not parts("inv_1", lines)) == (within, within)

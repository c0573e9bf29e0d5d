"""Money that comes in otherwise, memos, and the books: what is owed is always what was posted less what came in."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import Invalid, Refused, Stale
from shared.domain.invoice import Invoice, InvoiceLines, Line, parts
from shared.domain.notice import Notice
from shared.domain.payment import Allocation, CreditBalance, Payment
from shared.domain.runs import NumberSeries
from shared.use_cases.adjust_invoice import adjust_invoice
from shared.use_cases.charge_invoice import charge_by_hand, charge_invoice
from shared.use_cases.create_invoice import edit_draft
from shared.use_cases.lookups import lines_of
from shared.use_cases.post_invoices import post_invoice
from shared.use_cases.reconcile_payments import reconcile_payments
from shared.use_cases.record_payment import ManualPayment, record_payment
from shared.use_cases.void_invoice import void_invoice
from tests.integration.stage import TODAY, Meddling, Stage, conflicting


def cheque(stage, amount, *allocations, id="pay_1", currency="USD"):
    parts = tuple(Allocation(i, a) for i, a in allocations) or None
    return record_payment(ManualPayment(id, "cus_a", currency, amount, "check", "no. 7", parts), stage.ports)


def residuals(stage, *ids):
    return [stage.invoice(i).residual_minor for i in ids]


def credit(stage, currency="USD"):
    balance = stage.get(CreditBalance, "cus_a", currency)
    return balance.amount_minor if balance else 0


# ---- manual payments ------------------------------------------------------------------------------------------


def test_without_allocations_it_pays_the_oldest_due_first_and_the_rest_is_credit(stage):
    newer = stage.posted(due_on=TODAY + timedelta(days=9))
    older = stage.posted(due_on=TODAY, total=30_00)
    payment = cheque(stage, 50_00)
    assert residuals(stage, older, newer) == [0, 80_00]
    assert [(a.invoice_id, a.amount_minor) for a in payment.allocations] == [(older, 30_00), (newer, 20_00)]
    cheque(stage, 100_00, id="pay_2")
    assert (residuals(stage, older, newer), credit(stage)) == ([0, 0], 20_00)


def test_it_is_split_as_it_is_allocated(stage):
    one, other = stage.posted(), stage.posted()
    payment = cheque(stage, 90_00, (other, 60_00), (one, 10_00))
    assert (residuals(stage, one, other), payment.credited_minor, credit(stage)) == ([90_00, 40_00], 20_00, 20_00)


def test_recording_the_same_payment_again_counts_it_once(stage):
    id = stage.posted()
    assert cheque(stage, 30_00) == cheque(stage, 30_00)
    assert residuals(stage, id) == [70_00]
    assert [n.kind for n in stage.every(Notice)].count("payment_received") == 1


@pytest.mark.parametrize(
    ("field", "pay"),
    [
        ("amount", lambda s, one, other: cheque(s, 0)),
        ("amount", lambda s, one, other: cheque(s, -1)),
        ("allocations", lambda s, one, other: cheque(s, 10_00, (one, 6_00), (other, 4_01))),
        ("allocations", lambda s, one, other: cheque(s, 10_00, (one, 4_00), (one, 4_00))),
        ("allocations[0].amount", lambda s, one, other: cheque(s, 200_00, (one, 100_01))),
        ("allocations[0].amount", lambda s, one, other: cheque(s, 10_00, (one, 0))),
        ("allocations[1].invoice_id", lambda s, one, other: cheque(s, 10_00, (one, 1_00), ("inv_none", 1_00))),
        ("allocations[0].invoice_id", lambda s, one, other: cheque(s, 10_00, (one, 1_00), currency="EUR")),
    ],
)
def test_what_does_not_add_up_is_refused_by_its_field_and_nothing_moves(stage, field, pay):
    one, other = stage.posted(), stage.posted()
    with pytest.raises(Invalid) as invalid:
        pay(stage, one, other)
    assert invalid.value.field == field
    assert (residuals(stage, one, other), stage.every(Payment), credit(stage)) == ([100_00, 100_00], [], 0)


def test_somebody_else_s_invoice_cannot_be_paid(stage):
    stage.customer("cus_b")
    foreign = stage.posted("cus_b")
    with pytest.raises(Invalid, match="has no invoice"):
        cheque(stage, 10_00, (foreign, 1_00))


def test_two_cheques_at_once_are_both_counted(stage):
    id = stage.posted()
    store = Meddling(stage.store, 1, lambda: cheque(stage, 30_00, id="pay_2"))
    record_payment(ManualPayment("pay_1", "cus_a", "USD", 100_00, "check"), replace(stage.ports, store=store))
    assert (residuals(stage, id), credit(stage)) == ([0], 30_00)


def test_a_payment_of_more_invoices_than_one_transaction_holds_pays_them_all(stage):
    ids = [stage.posted(total=1_00) for _ in range(95)]
    cheque(stage, 95_00)
    assert (residuals(stage, *ids), credit(stage)) == ([0] * 95, 0)


# ---- memos ----------------------------------------------------------------------------------------------------


def test_a_credit_memo_lowers_what_is_owed_and_has_a_number_of_its_own(stage):
    id = stage.posted()
    done = adjust_invoice(id, "credit", None, 30_00, "broken", stage.ports, "adj_1")
    assert (done.memo.number, done.memo.total_minor, done.memo.status) == ("CM-000001", -30_00, "posted")
    assert (residuals(stage, id), stage.invoice(id).credited_minor, credit(stage)) == ([70_00], 30_00, 0)
    assert stage.queue.depth("document") == 1
    assert stage.get(NumberSeries, "series", "INV-").last == 1


def test_a_credit_on_what_is_paid_becomes_the_customer_s_credit(stage):
    id = stage.posted()
    cheque(stage, 80_00)
    adjust_invoice(id, "credit", None, 50_00, "broken", stage.ports)
    assert (residuals(stage, id), credit(stage)) == ([0], 30_00)


@pytest.mark.parametrize(("amount", "refused"), [(60_00, False), (60_01, True)])
def test_no_more_is_credited_than_the_invoice_said(stage, amount, refused):
    id = stage.posted()
    adjust_invoice(id, "credit", None, 40_00, "first", stage.ports)
    if refused:
        with pytest.raises(Invalid, match="at most 60"):
            adjust_invoice(id, "credit", None, amount, "second", stage.ports)
    else:
        assert adjust_invoice(id, "credit", None, amount, "second", stage.ports).amount_minor == amount


def test_the_same_adjustment_again_is_the_same_memo(stage):
    id = stage.posted()
    for kind in ("credit", "debit"):
        memos = [adjust_invoice(id, kind, None, 10_00, "again", stage.ports, f"adj_{kind}").memo for _ in range(2)]
        assert memos[0].number == memos[1].number
    stage.advance(days=1)
    assert adjust_invoice(id, "debit", None, 10_00, "again", stage.ports, "adj_debit").memo.number == "DM-000001"
    assert residuals(stage, id) == [90_00]


def test_a_debit_memo_is_owed_as_an_invoice_of_its_own_due_when_posted(stage):
    id = stage.posted()
    memo = adjust_invoice(id, "debit", None, 15_00, "more work", stage.ports).memo
    assert (memo.number, memo.residual_minor, memo.due_on, memo.adjusts_invoice_id) == ("DM-000001", 15_00, TODAY, id)
    assert residuals(stage, id) == [100_00]


def test_a_memo_by_line_is_taxed_as_its_invoice_was(stage):
    id = stage.posted()
    stage.save(replace(stage.invoice(id), tax_rate_percent=Decimal(19)))
    lines = (Line("Work", 10_00, 10_00), Line("Stamps", 1_00, 1_00, taxable=False))
    credit_memo = adjust_invoice(id, "credit", lines, None, "broken", stage.ports).memo
    debit_memo = adjust_invoice(id, "debit", lines, None, "forgotten", stage.ports).memo
    assert (credit_memo.tax_minor, credit_memo.total_minor) == (-1_90, -12_90)
    assert (debit_memo.tax_minor, debit_memo.total_minor) == (1_90, 12_90)


@pytest.mark.parametrize(
    ("adjust", "error"),
    [
        (lambda s, id: adjust_invoice(s.draft(), "credit", None, 1, "x", s.ports), Refused),
        (lambda s, id: adjust_invoice(id, "credit", None, 0, "x", s.ports), Invalid),
        (lambda s, id: adjust_invoice(id, "debit", (Line("Work", -1),), None, "x", s.ports), Invalid),
        (lambda s, id: adjust_invoice(id, "credit", (Line("Work", -1),), None, "x", s.ports), Invalid),
    ],
)
def test_what_cannot_be_adjusted_is_refused(stage, adjust, error):
    id = stage.posted()
    with pytest.raises(error):
        adjust(stage, id)
    assert residuals(stage, id) == [100_00]


def test_nothing_is_credited_while_a_charge_is_under_way(stage):
    id = stage.posted()
    stage.save(stage.invoice(id).attempt_opened("pay_1"))
    with pytest.raises(Refused, match="under way"):
        adjust_invoice(id, "credit", None, 1_00, "x", stage.ports)


# ---- drafts that are edited -----------------------------------------------------------------------------------


@pytest.mark.parametrize("beside", [False, True], ids=["", "stored beside it by an earlier version"])
@pytest.mark.parametrize("count", [1, 7, 299, 301, 900])
def test_a_draft_takes_other_lines_more_or_fewer(stage, count, beside):
    id = stage.draft()
    if beside:
        (line,) = stage.invoice(id).lines
        stage.save(replace(stage.invoice(id), lines=()), InvoiceLines(id, 0, (line,)))
        assert lines_of(stage.ports, stage.invoice(id)) == (line,)
    lines = tuple(Line(f"Line {n}", 1_00, 1_00) for n in range(count))
    for wanted in (lines, lines[:1], lines):
        edited = edit_draft(stage.invoice(id), stage.ports, lines=wanted)
        assert (edited.total_minor, lines_of(stage.ports, edited)) == (len(wanted) * 1_00, wanted)
        assert tuple(part.lines for part in stage.store.list(InvoiceLines, id).items) == tuple(
            part.lines for part in parts(id, wanted)
        ), "nothing is stored twice, or left"


def test_a_draft_that_was_changed_meanwhile_is_not_overwritten(stage):
    id = stage.draft()
    read = stage.invoice(id)
    edit_draft(read, stage.ports, due_on=date(2026, 3, 3))
    with pytest.raises(Stale):
        edit_draft(read, stage.ports, due_on=date(2026, 4, 4))
    post_invoice(id, stage.ports)
    assert stage.invoice(id).due_on == date(2026, 3, 3)
    with pytest.raises(Refused, match="adjust it"):
        edit_draft(stage.invoice(id), stage.ports, due_on=TODAY)


# ---- the books ------------------------------------------------------------------------------------------------

AMOUNTS = st.integers(1, 120_00)
STEPS = st.one_of(
    st.tuples(st.just("post"), st.integers(-50_00, 120_00)),
    st.tuples(st.just("cheque"), AMOUNTS),
    st.tuples(st.just("credit"), AMOUNTS),
    st.tuples(st.just("debit"), AMOUNTS),
    st.tuples(st.just("charge"), st.sampled_from(
        ["succeeded", "declined:insufficient_funds", "timeout_charged", "timeout_not_charged", "error_500"]
    )),
    st.tuples(st.just("void"), AMOUNTS),
    st.tuples(st.just("rest"), AMOUNTS),
)  # fmt: skip


def step(stage, kind, value, n):
    ids = sorted(i.id for i in stage.every(Invoice) if i.status == "posted" and i.type == "regular")
    if kind == "post":
        post_invoice(stage.draft(total=value), stage.ports)
    elif kind == "cheque":
        cheque(stage, value, id=f"pay_{n}")
    elif kind == "rest":
        stage.advance(minutes=5)
        reconcile_payments(stage.ports)
    elif ids and kind in ("credit", "debit"):
        try:
            adjust_invoice(ids[value % len(ids)], kind, None, value, "adjusted", stage.ports, f"adj_{n}")
        except (Invalid, Refused):
            pass  # more than there is to credit, or a charge is under way
    elif ids and kind == "charge":
        stage.gateway.behave("tok_pm_card", [value])
        try:
            charge_by_hand(ids[n % len(ids)], stage.ports)
        except Refused:
            pass  # nothing left to pay, or a charge is under way
    elif ids and kind == "void":
        try:
            void_invoice(ids[value % len(ids)], stage.ports)
        except Refused:
            pass  # something is paid on it, or its credit is spent


def check_the_books(stage):
    invoices = [i for i in stage.every(Invoice) if i.status == "posted"]
    payments = [p for p in stage.every(Payment) if p.status == "succeeded"]
    owed = sum(i.residual_minor for i in invoices)
    posted = sum(i.total_minor for i in invoices)
    came_in = sum(p.amount_minor for p in payments if p.method != "credit")
    assert owed - credit(stage) == posted - came_in
    assert credit(stage) >= 0
    for invoice in invoices:
        paid = sum(a.amount_minor for p in payments for a in p.allocations if a.invoice_id == invoice.id)
        assert max(invoice.total_minor, 0) - paid == invoice.residual_minor >= 0
        assert (invoice.settled_at is not None) == (invoice.residual_minor == 0)
    taken = sum(c.amount_minor for c in stage.gateway.charges if c.status == "succeeded")
    unknown = sum(p.amount_minor for p in stage.every(Payment) if p.unresolved)
    booked = sum(p.amount_minor for p in payments if p.method == "card")
    assert booked <= taken <= booked + unknown


@settings(max_examples=120)
@given(st.lists(STEPS, max_size=14))
def test_whatever_happens_the_books_add_up(steps):
    stage = Stage()
    stage.settings()
    stage.customer()
    stage.card(id="pm_card")
    for n, (kind, value) in enumerate(steps):
        step(stage, kind, value, n)
        check_the_books(stage)


def test_credit_and_a_charge_of_the_same_invoice_do_not_both_take_it(stage):
    id = stage.posted()
    stage.card()
    store = Meddling(stage.store, 1, lambda: adjust_invoice(id, "credit", None, 60_00, "broken", stage.ports))
    payment = charge_invoice(id, replace(stage.ports, store=store)).payment
    assert (payment.amount_minor, residuals(stage, id)) == (40_00, [0])


def test_a_memo_is_tried_again_while_others_take_numbers(stage):
    id = stage.posted()
    ports = replace(stage.ports, store=conflicting(stage.store, 5))
    assert adjust_invoice(id, "credit", None, 1_00, "x", ports).memo.number == "CM-000001"

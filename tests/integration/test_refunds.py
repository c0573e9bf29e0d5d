"""Refunds: what is given back is given back once, is owed again, and nothing is given that was not paid. PRODUCT 7."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.invoker import SimulatedCrash
from shared.contracts.api_payments import payment_json
from shared.domain.customer import Customer
from shared.domain.errors import Invalid, NotFound, Refused
from shared.domain.invoice import Line
from shared.domain.payment import Allocation, ChargeOutcome, Payment
from shared.domain.runs import PaymentRun
from shared.domain.task import Task
from shared.ports import Unavailable
from shared.use_cases.adjust_invoice import adjust_invoice
from shared.use_cases.apply_credit import apply_credit
from shared.use_cases.charge_invoice import charge_by_hand, charge_invoice
from shared.use_cases.hear_gateway import hear_gateway
from shared.use_cases.payment_runs import done_outcomes, start_payment_run
from shared.use_cases.reconcile_payments import reconcile_payments
from shared.use_cases.record_payment import ManualPayment, record_payment
from shared.use_cases.refund_payment import REFUNDS_MAX, refund_payment
from shared.use_cases.void_invoice import void_invoice
from tests.integration.ledger import assert_balanced, credit_of
from tests.integration.stage import Meddling, Stage

DUE = date(2026, 1, 20)


class Refunding:
    """The simulated gateway, which answers the next refunds as it is told."""

    def __init__(self, inner):
        self._inner = inner
        self.script = []
        self.keys = []

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def refund(self, payment, amount_minor, key):
        self.keys.append(key)
        word = self.script.pop(0) if self.script else "succeeded"
        if word == "lost_before":
            return ChargeOutcome("unknown")
        if word == "failed":
            return ChargeOutcome("failed", code="rate_limited")
        if word == "declined":
            return ChargeOutcome("declined", code="charge_disputed", hard=True)
        if word == "dies_before":
            raise SimulatedCrash("before the refund")
        answer = self._inner.refund(payment, amount_minor, key)
        if word == "dies_after":
            raise SimulatedCrash("after the refund")
        return ChargeOutcome("unknown") if word == "lost" else answer


@pytest.fixture
def stage():
    return made()


def made():
    stage = Stage()
    stage.settings()
    stage.customer()
    stage.card()
    stage.gateway = Refunding(stage.gateway)
    stage.ports = replace(stage.ports, gateway=stage.gateway)
    return stage


def charged(stage, total=100_00):
    """A payment by card of one invoice."""
    return charge_by_hand(stage.posted(total=total, due_on=DUE), stage.ports)


def cheque(stage, amount, id="pay_cheque", **fields):
    return record_payment(ManualPayment(id, "cus_a", "USD", amount, "check", **fields), stage.ports)


def refund(stage, payment, amount=None, ports=None):
    return refund_payment(payment.id, amount, ports or stage.ports, "ada")


def given_back(stage):
    """What the gateway believes was given back in all."""
    return sum(c.refunded_minor for c in stage.gateway.charges)


# ---- what it gives back ---------------------------------------------------------------------------------------


def test_a_payment_by_card_is_given_back_in_full_through_the_gateway(stage):
    payment = charged(stage)
    back = refund(stage, payment)
    assert (back.status, back.refunded_minor) == ("refunded", 100_00)
    assert back == stage.get(Payment, payment.id)
    [charge] = stage.gateway.charges
    assert (charge.status, charge.refunded_minor) == ("refunded", 100_00)
    [entry] = back.refunds
    assert (entry.by, entry.status, entry.settled_at) == ("ada", "succeeded", stage.clock.now())


def test_what_was_given_back_is_owed_again_since_its_original_due_date_and_outside_autopay(stage):
    payment = charged(stage)
    stage.advance(days=5)
    refund(stage, payment)
    invoice = stage.invoice(payment.invoice_id)
    assert (invoice.residual_minor, invoice.due_on, invoice.autopay_ended) == (100_00, DUE, True)
    assert invoice.payment_status(date(2026, 2, 5)) == "overdue"
    stage.card()  # not even a new card brings it back
    run = start_payment_run(stage.ports)
    stage.deliver("charge")
    [(outcome,)] = done_outcomes(stage.get(PaymentRun, run.id), stage.ports)
    assert (outcome.outcome, outcome.reason) == ("skipped", "autopay_off")
    assert charge_by_hand(invoice.id, stage.ports).status == "succeeded", "by hand it may be charged again"


def test_parts_are_given_back_until_nothing_is_left_and_never_more(stage):
    payment = charged(stage)
    assert refund(stage, payment, 30_00).status == "succeeded"
    assert stage.invoice(payment.invoice_id).residual_minor == 30_00
    with pytest.raises(Invalid, match=r"at most 70\.00"):
        refund(stage, payment, 70_01)
    assert refund(stage, payment).status == "refunded"
    with pytest.raises(Refused, match="in full"):
        refund(stage, payment, 1)
    assert given_back(stage) == stage.invoice(payment.invoice_id).residual_minor == 100_00
    assert len(set(stage.gateway.keys)) == 2, "each refund has a key of its own"


@pytest.mark.parametrize("amount", [0, -1, -100_00])
def test_nothing_or_less_cannot_be_given_back(stage, amount):
    payment = charged(stage)
    with pytest.raises(Invalid, match="more than zero"):
        refund(stage, payment, amount)


def test_a_cheque_is_given_back_on_the_last_invoice_it_paid_first(stage):
    for n, day in ((1, 5), (2, 6), (3, 7)):
        stage.posted(id=f"inv_{n}", due_on=date(2026, 1, day))
    payment = cheque(stage, 250_00)
    refund(stage, payment, 80_00)
    assert [stage.invoice(f"inv_{n}").residual_minor for n in (1, 2, 3)] == [0, 30_00, 100_00]
    assert refund(stage, payment).status == "refunded"
    assert [stage.invoice(f"inv_{n}").residual_minor for n in (1, 2, 3)] == [100_00, 100_00, 100_00]
    assert stage.gateway.keys == [], "the gateway has nothing to do with it"


def test_what_became_credit_is_taken_from_credit_first(stage):
    stage.posted(id="inv_1", due_on=DUE)
    payment = cheque(stage, 150_00)
    refund(stage, payment, 40_00)
    assert (credit_of(stage), stage.invoice("inv_1").residual_minor) == (10_00, 0)
    refund(stage, payment, 40_00)
    assert (credit_of(stage), stage.invoice("inv_1").residual_minor) == (0, 30_00)


def test_credit_that_was_spent_cannot_be_given_back(stage):
    stage.posted(id="inv_1", due_on=DUE)
    payment = cheque(stage, 150_00)
    stage.posted(id="inv_2", total=50_00, due_on=DUE)  # which the credit pays when it is posted
    with pytest.raises(Refused, match=r"refund 100\.00 at most") as refused:
        refund(stage, payment)
    assert refused.value.code == "credit_spent"
    assert stage.get(Payment, payment.id) == payment
    refund(stage, payment, 100_00)
    assert [stage.invoice(i).residual_minor for i in ("inv_1", "inv_2")] == [100_00, 0]


def test_credit_that_came_from_elsewhere_is_not_given_back_with_it(stage):
    stage.posted(id="inv_1", due_on=DUE)
    payment = cheque(stage, 100_00)
    cheque(stage, 70_00, id="pay_credit")
    refund(stage, payment)
    assert (credit_of(stage), stage.invoice("inv_1").residual_minor) == (70_00, 100_00)


def test_an_overpayment_by_card_is_given_back_from_credit_of(stage):
    """A cheque came in while the charge was under way, so the charge became credit."""
    id = stage.posted(due_on=DUE)
    stage.gateway.behave("tok_pm_1", ["timeout_charged"])
    payment = charge_invoice(id, stage.ports).payment
    cheque(stage, 100_00)
    stage.advance(minutes=5)
    reconcile_payments(stage.ports)
    assert credit_of(stage) == 100_00
    assert refund(stage, payment).status == "refunded"
    assert (credit_of(stage), stage.invoice(id).residual_minor) == (0, 0)


# ---- what cannot be given back --------------------------------------------------------------------------------


def test_credit_that_was_applied_is_not_a_payment_to_give_back(stage):
    cheque(stage, 100_00)
    stage.posted(due_on=DUE)
    [applied] = [p for p in stage.every(Payment) if p.method == "credit"]
    with pytest.raises(Refused, match="refund the payment that brought it"):
        refund(stage, applied)


def test_a_credit_memo_is_not_a_payment_to_give_back(stage):
    id = stage.posted(due_on=DUE)
    adjust_invoice(id, "credit", [Line("Oops", 10_00, 10_00)], None, "Oops", stage.ports)
    [memo] = stage.every(Payment)
    with pytest.raises(Refused, match="credit"):
        refund(stage, memo)


@pytest.mark.parametrize(
    "script", ["declined:insufficient_funds", "declined:stolen_card", "error_500", "timeout_charged"]
)
def test_an_attempt_that_brought_nothing_so_far_cannot_be_given_back(stage, script):
    stage.gateway.behave("tok_pm_1", [script])
    payment = charge_invoice(stage.posted(due_on=DUE), stage.ports).payment
    with pytest.raises(Refused, match=payment.status):
        refund(stage, payment)
    assert stage.gateway.keys == []


def test_a_payment_that_does_not_exist_is_not_found(stage):
    with pytest.raises(NotFound):
        refund_payment("pay_none", None, stage.ports)


def test_a_payment_has_a_bounded_number_of_refunds(stage):
    stage.posted(due_on=DUE, total=100_00)
    payment = cheque(stage, 100_00)
    for _ in range(REFUNDS_MAX):
        refund(stage, payment, 1)
    with pytest.raises(Refused, match="as many"):
        refund(stage, payment, 1)


# ---- the gateway says no, or nothing --------------------------------------------------------------------------


def test_a_refund_the_gateway_refuses_moves_nothing(stage):
    payment = charged(stage)
    before = stage.invoice(payment.invoice_id)
    stage.gateway.script = ["declined"]
    with pytest.raises(Refused, match="charge_disputed") as refused:
        refund(stage, payment)
    assert refused.value.code == "refund_declined"
    assert stage.invoice(payment.invoice_id) == before
    assert (stage.get(Payment, payment.id).status, stage.get(Payment, payment.id).refunded_minor) == ("succeeded", 0)
    assert payment_json(stage.get(Payment, payment.id))["refunds"][0]["reopened"] == []
    assert refund(stage, payment).status == "refunded"
    assert len(set(stage.gateway.keys)) == 2, "a key is never used again after a no"


@pytest.mark.parametrize("word", ["declined", "failed"])
def test_credit_set_aside_for_a_refund_comes_back_when_there_is_none(stage, word):
    payment = overpaid_by_card(stage)
    stage.gateway.script = [word]
    with pytest.raises((Refused, Unavailable)):
        refund(stage, payment)
    assert credit_of(stage) == 100_00
    assert payment_json(stage.get(Payment, payment.id))["refunds"][0]["from_credit"] == "0.00"


def overpaid_by_card(stage):
    id = stage.posted(due_on=DUE)
    stage.gateway.behave("tok_pm_1", ["timeout_charged"])
    payment = charge_invoice(id, stage.ports).payment
    cheque(stage, 100_00)
    stage.advance(minutes=5)
    reconcile_payments(stage.ports)
    return stage.get(Payment, payment.id)


def test_a_refund_that_was_not_processed_may_be_asked_for_again(stage):
    payment = charged(stage)
    stage.gateway.script = ["failed"]
    with pytest.raises(Unavailable):
        refund(stage, payment)
    assert stage.invoice(payment.invoice_id).residual_minor == 0
    assert refund(stage, payment).status == "refunded"
    assert given_back(stage) == 100_00


@pytest.mark.parametrize("word", ["lost", "lost_before", "dies_before", "dies_after"])
def test_a_refund_nobody_answered_is_found_out_about_and_made_once(stage, word):
    payment = charged(stage)
    stage.gateway.script = [word]
    try:
        assert refund(stage, payment, 60_00).open_refund.status == "unknown"
    except SimulatedCrash:
        pass
    assert stage.invoice(payment.invoice_id).residual_minor == 0, "nothing is owed again before it is certain"
    with pytest.raises(Refused, match="under way"):
        refund(stage, payment, 10_00)
    stage.advance(minutes=4)
    assert reconcile_payments(stage.ports) == {}
    stage.advance(minutes=1)
    assert reconcile_payments(stage.ports) == {"refund_succeeded": 1}
    assert reconcile_payments(stage.ports) == {}
    assert given_back(stage) == stage.invoice(payment.invoice_id).residual_minor == 60_00
    assert len(set(stage.gateway.keys)) == 1, "it is asked about under its own key"


def test_being_turned_away_when_asking_says_nothing_of_the_refund(stage):
    payment = charged(stage)
    stage.gateway.script = ["lost", "failed"]
    refund(stage, payment)
    stage.advance(minutes=5)
    assert reconcile_payments(stage.ports) == {"refund_unknown": 1}
    stage.advance(hours=1)
    assert reconcile_payments(stage.ports) == {"refund_succeeded": 1}
    assert given_back(stage) == 100_00


def test_credit_set_aside_for_a_refund_cannot_be_spent_meanwhile(stage):
    payment = overpaid_by_card(stage)
    stage.gateway.script = ["lost"]
    refund(stage, payment)
    stage.posted(id="inv_new", due_on=DUE)
    assert apply_credit("cus_a", "USD", stage.ports) == []
    stage.advance(minutes=5)
    reconcile_payments(stage.ports)
    assert (credit_of(stage), stage.invoice("inv_new").residual_minor) == (0, 100_00)


def test_a_person_is_asked_after_a_week_without_an_answer(stage):
    payment = charged(stage)
    stage.gateway.script = ["lost_before"] * 20
    refund(stage, payment)
    for _ in range(7):
        assert stage.every(Task) == []
        stage.advance(days=1)
        reconcile_payments(stage.ports)
    [task] = stage.every(Task)
    assert (task.kind, task.subject_id) == ("refund_unknown", payment.id)
    stage.advance(days=1)
    reconcile_payments(stage.ports)
    assert len(stage.every(Task)) == 1


def test_the_same_request_again_is_the_same_refund(stage):
    """A repeated request brings the ids of the first, see once.py."""
    payment = charged(stage)

    class Same:
        def new(self, prefix):
            return f"{prefix}same"

    ports = replace(stage.ports, ids=Same())
    stage.gateway.script = ["dies_after"]
    with pytest.raises(SimulatedCrash):
        refund(stage, payment, 10_00, ports)
    assert refund(stage, payment, 10_00, ports).open_refund is not None
    stage.advance(minutes=5)
    reconcile_payments(stage.ports)
    assert refund(stage, payment, 10_00, ports).refunded_minor == 10_00
    assert given_back(stage) == 10_00


# ---- with others at it ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("commit", [1, 2])
@pytest.mark.parametrize("amounts", [(None, None), (60_00, 60_00), (None, 1_00), (1_00, None)])
def test_two_refunds_at_once_never_give_back_more_than_was_paid(stage, commit, amounts):
    payment = charged(stage)
    done, refused = [], []

    def other():
        try:
            refund(stage, payment, amounts[1])
            done.append(amounts[1])
        except Refused as no:
            refused.append(no.code)

    ports = replace(stage.ports, store=Meddling(stage.store, commit, other))
    try:
        refund(stage, payment, amounts[0], ports)
    except (Refused, Invalid):
        assert done
    assert set(refused) <= {"refund_open"}
    assert 0 < given_back(stage) <= 100_00
    assert given_back(stage) == stage.invoice(payment.invoice_id).residual_minor
    assert_balanced(stage)


def test_a_charge_of_the_rest_while_a_cheque_is_given_back_pays_what_it_was_for(stage):
    id = stage.posted(due_on=DUE)
    payment = cheque(stage, 40_00, allocations=(Allocation(id, 40_00),))
    stage.gateway.behave("tok_pm_1", ["timeout_charged"])
    charge_invoice(id, stage.ports)
    refund(stage, payment)
    assert stage.invoice(id).residual_minor == 100_00
    stage.advance(minutes=5)
    reconcile_payments(stage.ports)
    assert stage.invoice(id).residual_minor == 40_00
    assert_balanced(stage)


def test_an_invoice_whose_payment_was_given_back_can_be_voided(stage):
    payment = charged(stage)
    with pytest.raises(Refused, match="refund it"):
        void_invoice(payment.invoice_id, stage.ports)
    refund(stage, payment)
    assert void_invoice(payment.invoice_id, stage.ports).status == "void"


def test_what_was_paid_on_an_invoice_that_is_void_by_now_is_given_back_from_credit_of(stage):
    """It was voided between the charge and the word that it had failed, which was wrong."""
    id = stage.posted(due_on=DUE)
    stage.gateway.behave("tok_pm_1", ["timeout_charged"])
    payment = charge_invoice(id, stage.ports).payment
    invoice = stage.invoice(id)
    stage.save(replace(invoice, open_attempt_id=None, status="void", residual_minor=0))
    stage.advance(minutes=5)
    reconcile_payments(stage.ports)
    assert refund(stage, payment).status == "refunded"
    assert (credit_of(stage), stage.invoice(id).status, stage.invoice(id).residual_minor) == (0, "void", 0)


@pytest.mark.parametrize("service", ["suspended", "terminated"])
def test_money_is_given_back_to_a_customer_whose_service_has_ended(stage, service):
    payment = charged(stage)
    stage.save(replace(stage.get(Customer, "cus_a"), service=service))
    assert refund(stage, payment).status == "refunded"
    assert stage.invoice(payment.invoice_id).residual_minor == 100_00


def test_a_word_from_the_gateway_settles_a_refund_that_is_open(stage):
    payment = charged(stage)
    stage.gateway.script = ["lost", "lost_before"]
    refund(stage, payment)
    body, signature = stage.gateway.webhook(stage.gateway.charges[0])
    before = stage.get(Payment, payment.id)
    assert hear_gateway(body, signature, stage.ports) == "too_early"
    assert stage.get(Payment, payment.id) == before, "a hint does not put off the time to ask"
    assert hear_gateway(body, signature, stage.ports) == "settled"
    assert hear_gateway(body, signature, stage.ports) == "repeated"
    assert stage.get(Payment, payment.id).status == "refunded"


# ---- whatever is done, in any order ---------------------------------------------------------------------------

STEPS = st.one_of(
    st.tuples(st.just("invoice"), st.integers(1, 200)),
    st.tuples(st.just("cheque"), st.integers(1, 300)),
    st.tuples(st.just("charge"), st.sampled_from(["succeeded", "timeout_charged", "declined:insufficient_funds"])),
    st.tuples(st.just("memo"), st.integers(1, 100)),
    st.tuples(
        st.just("refund"),
        st.tuples(st.integers(0, 5), st.none() | st.integers(1, 200), st.sampled_from(
            ["succeeded", "lost", "lost_before", "failed", "declined"])),
    ),
    st.tuples(st.just("ask"), st.just(0)),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=14))
def test_the_account_balances_whatever_is_paid_and_given_back(steps):
    stage = made()
    for n, (what, how) in enumerate(steps):
        try:
            act(stage, n, what, how)
        except (Refused, Invalid, Unavailable):
            pass
        assert_balanced(stage)
        assert credit_of(stage) >= 0
    stage.advance(days=1)
    reconcile_payments(stage.ports)
    assert_balanced(stage)
    known = {p.id: p for p in stage.every(Payment)}
    for charge in stage.gateway.charges:
        assert known[charge.idempotency_key].status == charge.status
        assert known[charge.idempotency_key].refunded_minor == charge.refunded_minor


def act(stage, n, what, how):
    open_ = [i for i in (stage.invoice(f"inv_{m}") for m in range(n)) if i is not None and i.residual_minor]
    if what == "invoice":
        stage.posted(id=f"inv_{n}", total=how, due_on=DUE)
    elif what == "cheque":
        cheque(stage, how, id=f"pay_{n}")
    elif what == "charge" and open_:
        stage.gateway.behave("tok_pm_1", [how])
        charge_by_hand(open_[0].id, stage.ports)
    elif what == "memo" and open_:
        adjust_invoice(open_[-1].id, "credit", None, how, "Oops", stage.ports)
    elif what == "refund":
        number, amount, stage.gateway.script = how[0], how[1], [how[2]]
        payments = sorted(stage.every(Payment), key=lambda p: p.id)
        if number < len(payments):
            refund(stage, payments[number], amount)
    elif what == "ask":
        stage.advance(hours=25)
        reconcile_payments(stage.ports)

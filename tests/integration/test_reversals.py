"""Refunds made at the gateway's own dashboard, and disputes: heard of by webhook, looked up, written down once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from infra.local.faults import FAULTS, Calls, NoFaults, OneFault, faulty
from infra.local.invoker import SimulatedCrash
from shared.domain.errors import DomainError
from shared.domain.payment import ChargeOutcome, GatewayRefund, GivenBack, Payment, refund_key
from shared.domain.records import HeardEvent
from shared.domain.task import Task
from shared.gateways.simulated import SIGNING_SECRET
from shared.gateways.webhooks import sign
from shared.ports import Conflict, Unavailable
from shared.use_cases.accounts import account_of
from shared.use_cases.apply_credit import apply_credit
from shared.use_cases.charge_invoice import charge_by_hand
from shared.use_cases.hear_gateway import hear_gateway
from shared.use_cases.pauses_and_holds import hold_invoice
from shared.use_cases.payment_runs import start_payment_run
from shared.use_cases.record_payment import ManualPayment, record_payment
from shared.use_cases.refund_payment import refund_payment
from shared.use_cases.settle_payment import grown_credit, settle
from tests.contract.stripe.world import MovedClock, gateway_at
from tests.integration.ledger import assert_balanced, credit_of
from tests.integration.stage import TODAY, Stage
from tests.stripe_server import Account, StripeServer


@pytest.fixture
def stage():
    return made()


def made():
    stage = Stage()
    stage.settings()
    stage.customer()
    return stage


def charged(stage, total=100_00, **fields):
    if not stage.gateway.charges:
        stage.card("cus_a")
    return charge_by_hand(stage.posted(total=total, due_on=TODAY, **fields), stage.ports)


def refunded(stage, payment, amount=None):
    """The message that tells of a refund made at the gateway."""
    return stage.gateway.reversal_webhook(
        payment.gateway_id, "charge.refunded", stage.gateway.refund_elsewhere(payment.gateway_id, amount)
    )


def disputed(stage, payment, status="open"):
    dispute = stage.gateway.dispute(payment.gateway_id, status)
    kind = "charge.dispute.created" if status == "open" else "charge.dispute.closed"
    return stage.gateway.reversal_webhook(payment.gateway_id, kind, dispute.id)


def now(stage, payment):
    return stage.get(Payment, payment.id)


def tasks(stage):
    return [t.kind for t in stage.every(Task)]


# ---- refunds --------------------------------------------------------------------------------------------------


def test_a_refund_made_at_the_gateway_reopens_the_invoice_with_its_due_date_outside_autopay(stage):
    payment = charged(stage)
    due_on = stage.invoice(payment.invoice_id).due_on
    assert hear_gateway(*refunded(stage, payment), stage.ports) == "settled"
    (refund,) = now(stage, payment).refunds
    assert (refund.amount_minor, refund.status, refund.by) == (100_00, "succeeded", "gateway")
    assert (now(stage, payment).status, now(stage, payment).refunded_minor) == ("refunded", 100_00)
    invoice = stage.invoice(payment.invoice_id)
    assert (invoice.residual_minor, invoice.due_on, invoice.autopay_ended) == (100_00, due_on, True)
    start_payment_run(stage.ports)
    stage.deliver("charge")
    assert len(stage.gateway.charges) == 1
    assert_balanced(stage)


def test_several_refunds_are_told_apart_and_each_counts_once_however_often_it_is_told(stage):
    payment = charged(stage)
    messages = [refunded(stage, payment, 10_00), refunded(stage, payment, 10_00)]
    assert [hear_gateway(*m, stage.ports) for m in messages] == ["settled", "nothing_new"]  # the first found both
    assert [hear_gateway(*m, stage.ports) for m in messages] == ["repeated", "repeated"]
    assert now(stage, payment).refunded_minor == 20_00
    assert account_of("cus_a", stage.ports).balance == {"USD": 20_00}
    assert_balanced(stage)


def test_a_refund_of_ours_is_not_taken_for_another(stage):
    payment = charged(stage)
    refund_payment(payment.id, 30_00, stage.ports)
    told = stage.gateway.reversal_webhook(payment.gateway_id, "charge.refunded", "re_ours")
    assert hear_gateway(*told, stage.ports) == "nothing_new"
    assert len(now(stage, payment).refunds) == 1
    assert hear_gateway(*refunded(stage, payment, 20_00), stage.ports) == "settled"
    assert now(stage, payment).refunded_minor == 50_00
    with pytest.raises(DomainError, match=r"at most 50\.00"):
        refund_payment(payment.id, 60_00, stage.ports)
    refund_payment(payment.id, None, stage.ports)
    assert (now(stage, payment).status, len(now(stage, payment).refunds)) == ("refunded", 3)
    assert_balanced(stage)


def test_word_of_a_refund_settles_the_charge_that_nobody_answered_first(stage):
    stage.card("cus_a", "timeout_charged")
    payment = charge_by_hand(stage.posted(due_on=TODAY), stage.ports)
    assert payment.status == "unknown"
    charge = stage.gateway.charges[0]
    message = refunded(stage, replace(payment, gateway_id=charge.id), 40_00)
    assert hear_gateway(*message, stage.ports) == "settled"
    assert (now(stage, payment).status, now(stage, payment).refunded_minor) == ("succeeded", 40_00)
    assert stage.invoice(payment.invoice_id).residual_minor == 40_00


@pytest.mark.parametrize("taken_for", ["unknown", "failed"])
def test_word_of_a_refund_is_asked_for_again_until_the_charge_is_known_and_then_it_counts(
    stage, taken_for, monkeypatch
):
    """Seed 1654: the gateway said nothing of a charge when word of its refund came, and was asked about it later."""
    stage.card("cus_a", "timeout_charged")
    payment = charge_by_hand(stage.posted(due_on=TODAY), stage.ports)
    if taken_for == "failed":
        settle(payment, ChargeOutcome("failed"), stage.ports)
    message = refunded(stage, replace(payment, gateway_id=stage.gateway.charges[0].id), 40_00)
    with monkeypatch.context() as patch:
        patch.setattr(stage.gateway, "look_up", lambda asked: ChargeOutcome("unknown"))
        with pytest.raises(Unavailable):
            hear_gateway(*message, stage.ports)
    settle(now(stage, payment), stage.gateway.look_up(payment), stage.ports)
    assert hear_gateway(*message, stage.ports) == "settled"
    assert (now(stage, payment).status, now(stage, payment).refunded_minor) == ("succeeded", 40_00)
    assert_balanced(stage)


def test_word_of_a_refund_settles_one_of_ours_that_is_open_first(stage):
    payment = charged(stage)
    answer = stage.gateway.refund
    stage.gateway.refund = lambda *asked: answer(*asked) and ChargeOutcome("unknown")
    refund_payment(payment.id, 30_00, stage.ports)
    message = refunded(stage, payment, 20_00)
    with pytest.raises(Unavailable):  # told "heard", the gateway would never tell of it again
        hear_gateway(*message, stage.ports)
    stage.gateway.refund = answer
    assert hear_gateway(*message, stage.ports) == "settled"
    assert [(r.amount_minor, r.status) for r in now(stage, payment).refunds] == [
        (30_00, "succeeded"), (20_00, "succeeded"),
    ]  # fmt: skip
    assert_balanced(stage)


def test_a_refund_takes_back_credit_that_has_been_spent_from_where_it_was_spent(stage):
    """The payment came twice, so it brought credit; that paid another invoice; now the gateway gave all of it back."""
    payment = charged(stage)
    second = charged(stage, 60_00)
    settle(second, ChargeOutcome("succeeded"), stage.ports)
    late = replace(second, id="pay_late", attempt=9, status="unknown", allocations=(), credited_minor=0, version=0)
    stage.save(late)
    settle(late, ChargeOutcome("succeeded", second.gateway_id), stage.ports)
    assert credit_of(stage) == 60_00
    other = [stage.posted(total=25_00, due_on=TODAY), stage.posted(total=20_00, due_on=TODAY)]
    apply_credit("cus_a", "USD", stage.ports)
    assert credit_of(stage) == 15_00
    stage.gateway.given_back = lambda p: GivenBack((GatewayRefund("re_1", 60_00),))

    told = json.dumps(event("charge.refunded", metadata={"paidup_attempt": late.id})).encode()
    assert hear_gateway(told, sign(told, SIGNING_SECRET, stage.clock.now()), stage.ports) == "settled"
    assert credit_of(stage) == 0
    assert [stage.invoice(i).residual_minor for i in other] == [25_00, 20_00]
    assert now(stage, late).status == "refunded"
    assert stage.invoice(payment.invoice_id).residual_minor == 0
    assert_balanced(stage)


def event(kind, **thing):
    return {"id": "evt_1", "type": kind, "data": {"object": thing}}


@pytest.mark.parametrize("outcome", ["declined:lost_card", "error_500"])
def test_what_took_no_money_gives_none_back(stage, outcome):
    stage.card("cus_a", outcome)
    payment = charge_by_hand(stage.posted(due_on=TODAY), stage.ports)
    told = json.dumps(event("charge.refunded", metadata={"paidup_attempt": payment.id})).encode()
    stage.gateway.given_back = None  # not even asked
    before = stage.invoice(payment.invoice_id)
    hear_gateway(told, sign(told, SIGNING_SECRET, stage.clock.now()), stage.ports)
    assert stage.invoice(payment.invoice_id) == before


@pytest.mark.parametrize(("here", "there"), [("declined", True), ("succeeded", False)])
def test_a_refund_that_ended_otherwise_than_we_believe_is_shown_to_a_person_once(stage, here, there):
    payment = charged(stage)
    answer = stage.gateway.refund
    if here == "declined":
        stage.gateway.refund = lambda *asked: ChargeOutcome("declined", code="refund_failed", hard=True)
        with pytest.raises(DomainError):
            refund_payment(payment.id, 30_00, stage.ports)
    else:
        refund_payment(payment.id, 30_00, stage.ports)
    stage.gateway.refund = answer
    said = GivenBack((GatewayRefund("re_1", 30_00, refund_key(payment.id, 1), succeeded=there),))
    stage.gateway.given_back = lambda p: said
    before = now(stage, payment)
    for n in range(2):
        told = json.dumps(event("refund.failed", metadata={"paidup_attempt": payment.id}) | {"id": f"evt_{n}"}).encode()
        hear_gateway(told, sign(told, SIGNING_SECRET, stage.clock.now()), stage.ports)
    assert tasks(stage) == ["refund_contradiction"]
    assert now(stage, payment) == before


# ---- disputes -------------------------------------------------------------------------------------------------


def test_a_dispute_puts_the_invoice_on_hold_and_asks_a_person_once(stage):
    payment = charged(stage)
    message = disputed(stage, payment)
    assert hear_gateway(*message, stage.ports) == "settled"
    invoice = stage.invoice(payment.invoice_id)
    assert (invoice.hold.reason, invoice.hold.through, invoice.residual_minor) == ("dispute", None, 0)
    (task,) = stage.every(Task)
    assert (task.kind, task.subject_id, task.customer_id) == ("payment_disputed", payment.id, "cus_a")
    assert "100.00 USD" in task.reason
    assert hear_gateway(*message, stage.ports) == "repeated"

    hold_invoice(payment.invoice_id, None, stage.ports)  # a person has lifted it
    told = stage.gateway.reversal_webhook(payment.gateway_id, "charge.dispute.updated", "dp_again")
    assert hear_gateway(*told, stage.ports) == "nothing_new"
    assert stage.invoice(payment.invoice_id).hold is None


def test_a_dispute_that_is_lost_is_money_given_back_and_stays_on_hold(stage):
    payment = charged(stage)
    hear_gateway(*disputed(stage, payment), stage.ports)
    assert hear_gateway(*disputed(stage, payment, "lost"), stage.ports) == "settled"
    invoice = stage.invoice(payment.invoice_id)
    assert (invoice.residual_minor, invoice.hold.reason, invoice.autopay_ended) == (100_00, "dispute", True)
    assert (now(stage, payment).status, tasks(stage)) == ("refunded", ["payment_disputed"])
    assert_balanced(stage)


def test_a_dispute_whose_beginning_was_not_heard_of_is_found_at_its_end(stage):
    won, lost = charged(stage), charged(stage)
    assert hear_gateway(*disputed(stage, won, "won"), stage.ports) == "nothing_new"
    assert stage.invoice(won.invoice_id).hold is None
    assert hear_gateway(*disputed(stage, lost, "lost"), stage.ports) == "settled"
    assert stage.invoice(lost.invoice_id).hold.reason == "dispute"
    assert tasks(stage) == ["payment_disputed"]


def test_a_dispute_of_a_charge_that_is_not_ours_changes_nothing(stage):
    charged(stage)
    before = stage.store.dump()
    for reference in ("pi_unheard_of", "ch_1", 7, None):
        told = json.dumps(event("charge.dispute.created", payment_intent=reference)).encode()
        assert hear_gateway(told, sign(told, SIGNING_SECRET, stage.clock.now()), stage.ports) == "ignored"
    assert stage.store.dump() == before


# ---- in any order, with anything else -------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(st.sampled_from(["dashboard", "ours", "dispute", "lose", "hear", "apply", "cheque"]), st.integers(0, 9)),
    max_size=16,
)


@examples(max_examples=40)
@given(STEPS)
def test_whatever_is_given_back_where_and_told_in_whatever_order_the_books_agree_with_the_gateway(steps):
    stage = made()
    payments = [charged(stage, 100_00), charged(stage, 50_00)]
    messages = []
    for n, (step, which) in enumerate(steps):
        payment = payments[which % 2]
        stage.advance(seconds=1)
        try:
            if step == "dashboard":
                messages.append(refunded(stage, payment, (which + 1) * 7_00))
            elif step == "ours":
                refund_payment(payment.id, (which + 1) * 5_00, stage.ports)
            elif step in ("dispute", "lose"):
                messages.append(disputed(stage, payment, "open" if step == "dispute" else "lost"))
            elif step == "hear" and messages:
                hear_gateway(*messages[which % len(messages)], stage.ports)
            elif step == "apply":
                apply_credit("cus_a", "USD", stage.ports)
            elif step == "cheque":
                record_payment(ManualPayment(f"pay_c{n}", "cus_a", "USD", 9_00, "check"), stage.ports)
        except (DomainError, ValueError):
            pass  # the gateway or we refused it
        assert_balanced(stage)
    for message in messages:
        hear_gateway(*message, stage.ports)
    for payment in payments:
        charge = next(c for c in stage.gateway.charges if c.idempotency_key == payment.id)
        lost = stage.gateway.given_back(payment).disputes
        back = charge.refunded_minor + sum(d.amount_minor for d in lost if d.status == "lost")
        assert now(stage, payment).refunded_minor == min(back, payment.amount_minor)
    assert_balanced(stage)


def test_stripes_own_events_late_twice_and_out_of_order_end_the_same(stage):
    clock = MovedClock()
    clock.at = stage.clock.now()
    account = Account(clock.seconds)
    with StripeServer(account) as server:
        ports = replace(stage.ports, gateway=gateway_at(server.url, clock))
        token = account.save_card("cus_stripe")
        stage.save(replace(stage.card("cus_a"), id="pm_stripe", token=token, version=0))
        paid = [charge_by_hand(stage.posted(due_on=TODAY), ports, "pm_stripe") for _ in range(2)]
        account.refund_at_dashboard(paid[0].gateway_id, 25_00)
        refund_payment(paid[0].id, 10_00, ports)
        account.dispute(paid[1].gateway_id)
        account.dispute(paid[1].gateway_id, "lost")
        for seed in range(3):
            for body, signature in account.deliveries(seed, times=3):
                hear_gateway(body, signature, ports)
    assert [now(stage, p).refunded_minor for p in paid] == [35_00, 100_00]
    assert sorted(r.by or "" for r in now(stage, paid[0]).refunds) == ["", "gateway"]
    assert stage.invoice(paid[1].invoice_id).hold.reason == "dispute"
    assert tasks(stage) == ["payment_disputed"]
    assert_balanced(stage)


# ---- faults ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["refund", "dispute", "lost", "spent"])
def test_every_fault_at_every_call_ends_as_if_there_had_been_none(what):
    calls, expected = told_with(what, NoFaults())
    assert {c.name for c in calls} >= {"store.commit", "gateway.given_back"}
    for call in calls:
        for kind in FAULTS:
            assert told_with(what, OneFault(call.number, kind))[1] == expected, f"{kind} at {call}"


def told_with(what, plan):
    stage = made()
    payment = charged(stage)
    if what == "spent":  # it brought credit, which paid another invoice
        stage.save(replace(now(stage, payment), allocations=(), credited_minor=100_00))
        stage.save(replace(stage.invoice(payment.invoice_id), residual_minor=100_00, settled_at=None))
        stage.save(grown_credit("cus_a", "USD", 100_00, stage.ports))
        apply_credit("cus_a", "USD", stage.ports)
    status = {"dispute": "open", "lost": "lost"}.get(what)
    body, signature = disputed(stage, payment, status) if status else refunded(stage, payment)
    calls = Calls(plan)
    ports = faulty(stage.ports, calls)
    for _ in range(3):
        calls.begin("webhook")
        try:
            hear_gateway(body, signature, ports)
            break
        except (SimulatedCrash, Unavailable, Conflict):
            continue  # the gateway tells it again
        finally:
            calls.end()
    assert len(stage.every(HeardEvent)) == 1
    assert_balanced(stage)
    kept, invoice = now(stage, payment), stage.invoice(payment.invoice_id)
    standing = (kept.status, kept.refunded_minor, [(r.id, r.amount_minor) for r in kept.refunds])
    return list(calls.seen), (standing, invoice.residual_minor, invoice.hold, tasks(stage), credit_of(stage))


# ---- the local gateway's dashboard ----------------------------------------------------------------------------


def test_a_person_gives_money_back_at_the_local_gateway_and_a_payer_objects(world):
    acme = world.customer()
    world.card(acme)
    invoice = world.invoice(acme, "100.00")
    paid = world.post(f"/v1/invoices/{invoice}/charge")
    charge = f"/_local/gateway/charges/{world.charges()[0]['id']}"
    assert world.post(f"{charge}/refund", {"amount": "30.00"})["heard"]
    payment = world.get(f"/v1/payments/{paid['id']}")
    assert (payment["refunded"], payment["refunds"][0]["by"], payment["status"]) == ("30.00", "gateway", "succeeded")
    assert world.get(f"/v1/invoices/{invoice}")["residual"] == "30.00"
    assert world.account(acme)["balance"] == {"USD": "30.00"}

    world.post(f"{charge}/dispute")
    assert world.get(f"/v1/invoices/{invoice}")["hold"] == {"reason": "dispute", "through": None}
    assert [t["kind"] for t in world.all("/v1/tasks")] == ["payment_disputed"]
    world.post(f"{charge}/dispute", {"status": "lost"})
    assert world.get(f"/v1/payments/{paid['id']}")["status"] == "refunded"
    assert world.get(f"/v1/invoices/{invoice}")["residual"] == "100.00"
    world.post(f"{charge}/refund", {"amount": "80.00"}, status=422)
    world.post("/_local/gateway/charges/ch_none/dispute", status=404)

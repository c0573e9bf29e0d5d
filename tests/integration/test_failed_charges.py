"""Charges that the gateway provably did not process: tried again the same day, and then among the dead letters."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.invoice import InvoiceHold
from shared.domain.payment import Payment
from shared.domain.runs import PaymentRun
from shared.use_cases.charge_invoice import NotProcessed
from shared.use_cases.explain_invoice import explain_invoice
from shared.use_cases.pauses_and_holds import hold_invoice
from shared.use_cases.payment_runs import payment_run_summary, start_payment_run
from shared.use_cases.reconcile_payments import reconcile_payments
from shared.use_cases.record_payment import ManualPayment, record_payment
from tests.integration.stage import TODAY, Stage

MIDNIGHT = datetime(2026, 1, 31, tzinfo=UTC)


@pytest.fixture
def stage():
    made = Stage(MIDNIGHT)
    made.settings()
    made.customer()
    return made


def collect(stage, **asked):
    """An ad hoc run, to its end."""
    run = start_payment_run(stage.ports, **asked)
    stage.deliver("charge")
    return stage.get(PaymentRun, run.id)


def counts(stage, run):
    return {word: n for word, n in payment_run_summary(run, stage.ports).counts.items() if n}


VISIBILITY = timedelta(minutes=12)  # of the charge queue, as the template says


def tried_at(stage, minutes=60 * 24, receives=5):
    """Let a day pass; the minutes after the first try at which the invoice was tried again, and the dead letters.

    What a worker raises on comes back after the visibility timeout, `receives` times in all.
    """
    began, seen, dead, received = stage.clock.now(), [], [], Counter()
    for _ in range(minutes):
        before = len(stage.every(Payment))
        for message in [m for m in stage.queue.waiting if m[0] <= stage.clock.now()]:
            stage.queue.waiting.remove(message)
            received[message[2]] += 1
            try:
                stage.work(message[1], message[2])
            except NotProcessed:
                later = (stage.clock.now() + VISIBILITY, *message[1:])
                (dead if received[message[2]] == receives else stage.queue.waiting).append(later)
        if len(stage.every(Payment)) > before:
            seen.append(int((stage.clock.now() - began).total_seconds()) // 60)
        stage.advance(minutes=1)
    return seen, [body for _, _, body in dead]


def test_what_was_not_processed_is_tried_again_on_the_same_day_a_few_times_and_ends_in_the_dead_letters(stage):
    stage.card("cus_a", "error_500")
    id = stage.posted(due_on=TODAY)
    run = collect(stage)
    tried, dead = tried_at(stage)
    assert tried == [1, 6, 21, 33, 45, 57, 69]  # after 1, 5 and 15 minutes, then each time the queue delivers again
    assert json.loads(dead[0]) == {"kind": "retry_charge", "v": 1, "run_id": run.id, "invoice_id": id, "attempt": 3}
    assert [p.status for p in stage.every(Payment)] == ["failed"] * 8
    assert (stage.invoice(id).attempts, stage.invoice(id).open_attempt_id) == (8, None)
    assert counts(stage, run) == {"considered": 1, "failed": 1}
    assert counts(stage, collect(stage)) == {"considered": 1, "failed": 1}  # the next run tries anew


def used_up(stage, *after):
    """An invoice whose charge went to the dead letters of a run: the run, the invoice and the message. From then on
    charges end as `after` says.
    """
    token = stage.card("cus_a", "error_500").token
    id = stage.posted(due_on=TODAY)
    run = collect(stage)
    _, [dead] = tried_at(stage, 60 * 3)
    stage.gateway.behave(token, after or ["succeeded"])
    return run, id, dead


def test_a_message_redriven_from_the_dead_letters_charges_once(stage):
    run, id, dead = used_up(stage)
    stage.work("charge", dead)
    stage.work("charge", dead)
    assert [c.invoice_id for c in stage.gateway.charges] == [id]
    assert stage.invoice(id).residual_minor == 0
    assert counts(stage, run) == {"considered": 1, "succeeded": 1}


def test_a_message_redriven_days_later_still_charges_if_no_run_came_by(stage):
    run, _, dead = used_up(stage)
    stage.advance(days=3)
    stage.work("charge", dead)
    assert counts(stage, run) == {"considered": 1, "succeeded": 1}


def test_a_message_redriven_while_the_gateway_still_fails_stays(stage):
    _, id, dead = used_up(stage, "error_500", "succeeded")
    with pytest.raises(NotProcessed):
        stage.work("charge", dead)
    stage.work("charge", dead)
    assert stage.invoice(id).residual_minor == 0


@pytest.mark.parametrize("outcome", ["succeeded", "declined:insufficient_funds", "error_500", "timeout_charged"])
@pytest.mark.parametrize("run_first", [True, False])
def test_the_next_run_and_a_redriven_message_never_both_charge(stage, outcome, run_first):
    _, id, dead = used_up(stage, outcome)
    before = stage.invoice(id).attempts
    if run_first:
        collect(stage)
        stage.work("charge", dead)
    else:
        try:
            stage.work("charge", dead)
        except NotProcessed:
            assert outcome in ("error_500", "timeout_charged")
        collect(stage)
    tries = 2 if outcome == "error_500" and not run_first else 1  # what was not processed the run may try again
    assert stage.invoice(id).attempts == before + tries
    assert len([c for c in stage.gateway.charges if c.status == "succeeded"]) <= 1


def test_an_invoice_whose_charge_is_among_the_dead_letters_says_so(stage):
    _, id, dead = used_up(stage)
    told = explain_invoice(id, stage.ports).collected
    assert (told.done, told.reason, told.next_on) == (False, "gateway_failed", TODAY)
    stage.work("charge", dead)
    assert explain_invoice(id, stage.ports).collected.done


def test_what_is_found_not_to_have_been_processed_another_day_is_left_to_the_next_run(stage):
    stage.card("cus_a", "timeout_not_charged")
    stage.posted(due_on=TODAY)
    collect(stage)
    stage.advance(hours=12)
    assert reconcile_payments(stage.ports) == {"failed": 1}
    assert stage.queue.depth("charge") == 0


def test_a_retry_that_succeeds_counts_for_its_run(stage):
    stage.card("cus_a", "error_500", "error_500", "succeeded")
    id = stage.posted(due_on=TODAY)
    run = collect(stage)
    tried_at(stage, minutes=30)
    assert stage.invoice(id).residual_minor == 0
    assert counts(stage, run) == {"considered": 1, "succeeded": 1}
    assert payment_run_summary(run, stage.ports).collected_minor == {"USD": 100_00}
    assert len({p.id for p in stage.every(Payment)}) == 3  # a new ordinal, and key, each


def test_a_retry_delivered_twice_or_late_tries_once(stage):
    stage.card("cus_a", "error_500", "error_500", "succeeded")
    stage.posted(due_on=TODAY)
    run = collect(stage)
    [(_, _, first)] = stage.queue.waiting
    stage.advance(minutes=1)
    stage.deliver("charge", twice=True)
    assert len(stage.every(Payment)) == 2
    stage.advance(minutes=5)
    stage.deliver("charge", twice=True)
    stage.work("charge", first)
    assert [p.status for p in stage.every(Payment)].count("succeeded") == 1
    assert counts(stage, run) == {"considered": 1, "succeeded": 1}


def test_a_retry_whose_follow_up_was_lost_is_taken_up_by_the_next_delivery(stage):
    stage.card("cus_a", "error_500", "error_500", "succeeded")
    id = stage.posted(due_on=TODAY)
    collect(stage)
    [(_, _, first)] = stage.queue.waiting
    stage.queue.waiting.clear()
    stage.work("charge", first)
    stage.queue.waiting.clear()  # the worker died before it asked for the next try
    stage.work("charge", first)
    stage.advance(minutes=5)
    stage.deliver("charge")
    assert stage.invoice(id).residual_minor == 0


@pytest.mark.parametrize("meanwhile", ["paid", "held"])
def test_a_retry_looks_again_before_it_charges(stage, meanwhile):
    stage.card("cus_a", "error_500", "succeeded")
    id = stage.posted(due_on=TODAY)
    collect(stage)
    if meanwhile == "paid":
        record_payment(ManualPayment("pay_1", "cus_a", "USD", 100_00, "check"), stage.ports)
    else:
        hold_invoice(id, InvoiceHold("dispute"), stage.ports)
    tried_at(stage, minutes=60)
    assert stage.gateway.charges == ()


# ---- through the local cloud -----------------------------------------------------------------------------------


def redrive(world):
    """What an operator does with the dead letters; how many there were."""
    letters = world.all("/v1/dead-letters")
    for letter in letters:
        world.post(f"/v1/dead-letters/{letter['id']}/redrive", token="local-operator")
    return len(letters)


def dead_letters(world):
    return world.queues().get("charge_dlq", 0)


@pytest.fixture
def owing(world):
    """A world in which an invoice of 100.00 is due today, and its customer's card."""
    world.settings(payment_run={"enabled": True})
    acme = world.customer(terms_days=0)
    return world, acme, world.invoice(acme, "100.00")


def behave(world, customer, *outcomes):
    token = world.all(f"/v1/customers/{customer}/payment-methods")[0]["token"]
    world.put(f"/_local/gateway/methods/{token}", {"outcomes": list(outcomes)})


@pytest.mark.slow_on_moto
def test_what_the_gateway_never_processes_ends_in_the_dead_letters_and_is_charged_once_redriven(owing):
    world, acme, invoice = owing
    world.card(acme, "error_500")
    world.to("2026-01-01T11:30:00Z")
    assert dead_letters(world) == 0
    world.to("2026-01-01T14:00:00Z")
    assert world.queues() == {"charge_dlq": 1}
    told = world.get(f"/v1/invoices/{invoice}/explain")["collected"]
    assert (told["done"], told["reason"], told["next_on"]) == (False, "gateway_failed", "2026-01-02")
    [run] = world.all("/v1/payment-runs")
    assert (run["counts"]["failed"], run["counts"]["considered"], run["status"]) == (1, 1, "completed")

    behave(world, acme, "succeeded")
    assert redrive(world) == 1
    world.settle()
    assert [(c["status"], c["amount"]) for c in world.charges()] == [("succeeded", "100.00")]
    assert world.queues() == {}
    [run] = world.all("/v1/payment-runs")
    assert (run["counts"]["succeeded"], run["counts"]["failed"], run["collected"]) == (1, 0, {"USD": "100.00"})
    world.to("2026-01-03T12:00:00Z")
    assert len(world.charges()) == 1


@pytest.mark.slow_on_moto
def test_what_the_next_run_has_charged_a_redriven_message_leaves_alone(owing):
    world, acme, _ = owing
    world.card(acme, "error_500")
    world.to("2026-01-01")
    behave(world, acme, "succeeded")
    world.to("2026-01-02T12:00:00Z")
    assert (len(world.charges()), dead_letters(world)) == (1, 1)
    redrive(world)
    world.rest()
    assert (len(world.charges()), world.queues()) == (1, {})


@pytest.mark.slow_on_moto
def test_a_message_redriven_after_the_payment_run_was_switched_off_charges_nothing(owing):
    world, acme, _ = owing
    world.card(acme, "error_500")
    world.to("2026-01-01")
    behave(world, acme, "succeeded")
    world.settings(payment_run={"enabled": False})
    redrive(world)
    world.rest()
    assert (world.charges(), world.queues()) == ([], {})


@pytest.mark.slow_on_moto
def test_answers_that_are_lost_again_and_again_end_in_the_dead_letters_too(owing):
    world, acme, invoice = owing
    world.card(acme, "timeout_not_charged")
    world.to("2026-01-01")
    assert world.queues() == {"charge_dlq": 1}
    assert {p["status"] for p in world.all(f"/v1/payments?invoice_id={invoice}")} == {"failed"}
    assert len(world.all(f"/v1/payments?invoice_id={invoice}")) <= 1 + 3 + 5
    behave(world, acme, "timeout_charged")
    world.to("2026-01-02T00:30:00Z")
    redrive(world)
    world.to("2026-01-02T02:00:00Z")
    assert [c["status"] for c in world.charges()] == ["succeeded"]
    assert world.get(f"/v1/invoices/{invoice}")["residual"] == "0.00"
    assert world.queues() == {}


@pytest.fixture(autouse=True)
def failures_are_expected(request):
    if "owing" in request.fixturenames:
        request.getfixturevalue("world").failures_expected = True

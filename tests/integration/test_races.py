"""Workers, admins and customers at the same things at once, over hundreds of schedules."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.contracts.messages import PlanPosting
from shared.domain.customer import Customer, Hold
from shared.domain.errors import DomainError
from shared.domain.invoice import Invoice, InvoiceHold, Line
from shared.domain.notice import Notice, notice_id
from shared.domain.payment import Payment
from shared.domain.runs import BillRun, Chunk, PaymentRun
from shared.ports import Save
from shared.use_cases.adjust_invoice import adjust_invoice
from shared.use_cases.cancel_bill_run import cancel_bill_run
from shared.use_cases.charge_invoice import NotProcessed, charge_by_hand, charge_invoice
from shared.use_cases.create_invoice import create_invoice
from shared.use_cases.notices_by_hand import send_invoice
from shared.use_cases.pauses_and_holds import hold_customer, hold_invoice, pause
from shared.use_cases.post_invoices import plan_posting, post_chunk, post_invoice, start_posting
from shared.use_cases.reconcile_payments import reconcile_payments
from shared.use_cases.record_payment import ManualPayment, record_payment
from shared.use_cases.send_notice import send_notice
from shared.use_cases.void_invoice import void_invoice
from tests.integration.interleaver import interleave
from tests.integration.stage import NOW, TODAY, Stage
from tests.integration.test_ledger import check_the_books

SCHEDULES = 50
RUNS = (
    PaymentRun("prn_1", TODAY, NOW, scheduled_for=NOW, created_at=NOW),
    PaymentRun("prn_2", TODAY, NOW, created_at=NOW),
)


def stage_with(*outcomes):
    stage = Stage()
    stage.settings()
    stage.customer()
    stage.card("cus_a", *(outcomes or ("succeeded",)), id="pm_card")
    stage.save(*RUNS)
    return stage, stage.posted(due_on=TODAY)


def expected(answer):
    """A refusal says why; anything else that is raised is a mistake."""
    assert not isinstance(answer, Exception) or isinstance(answer, DomainError), repr(answer)


def at_rest(stage):
    for _ in range(12):  # each of the tries of a failed call takes one to be sent and one to be asked about
        stage.advance(minutes=10)
        reconcile_payments(stage.ports)
        with suppress(NotProcessed):  # the last try of a call that the gateway never processes stays in its queue
            stage.deliver("charge")


def position(log, wanted):
    return next((n for n, (_, name, args) in enumerate(log) if name == "commit" and wanted(args)), None)


def opens_an_attempt(changes):
    return any(isinstance(c, Save) and isinstance(c.entity, Payment) and c.entity.status == "pending" for c in changes)


# ---- one invoice ----------------------------------------------------------------------------------------------

CHARGES = {
    "run": lambda id: lambda p: charge_invoice(id, p, run=RUNS[0]),
    "other run": lambda id: lambda p: charge_invoice(id, p, run=RUNS[1]),
    "admin": lambda id: lambda p: charge_by_hand(id, p),
}
OTHERS = {
    "cheque": lambda id: lambda p: record_payment(ManualPayment("pay_1", "cus_a", "USD", 60_00, "check"), p),
    "memo": lambda id: lambda p: adjust_invoice(id, "credit", None, 30_00, "broken", p, "adj_1"),
    "void": lambda id: lambda p: void_invoice(id, p),
    "reconcile": lambda id: lambda p: reconcile_payments(p),
}


@pytest.mark.parametrize("outcome", ["succeeded", "timeout_charged", "timeout_not_charged", "error_500"])
@pytest.mark.parametrize("other", OTHERS)
def test_one_invoice_is_charged_once_whoever_is_at_it(outcome, other):
    for seed in range(SCHEDULES):
        stage, id = stage_with(outcome)
        workers = {name: act(id) for name, act in {**CHARGES, other: OTHERS[other]}.items()}
        answers, _ = interleave(stage.ports, workers, seed)
        for answer in answers.values():
            expected(answer)
        at_rest(stage)
        successes = [c for c in stage.gateway.charges if c.status == "succeeded"]
        assert len(successes) <= 1
        assert {c.idempotency_key for c in stage.gateway.charges} <= {p.id for p in stage.every(Payment)}
        assert stage.invoice(id).open_attempt_id is None
        check_the_books(stage)


HOLDS = {
    "customer": lambda id: lambda p: hold_customer("cus_a", Hold("dispute"), p),
    "invoice": lambda id: lambda p: hold_invoice(id, InvoiceHold("dispute"), p),
}


@pytest.mark.parametrize("held", HOLDS)
def test_no_attempt_is_opened_once_a_hold_is_accepted(held):
    stopped = 0
    for seed in range(SCHEDULES):
        stage, id = stage_with()
        _, log = interleave(stage.ports, {"hold": HOLDS[held](id), "run": CHARGES["run"](id)}, seed)
        accepted = position(log, lambda changes: getattr(changes[0].entity, "hold", None) is not None)
        opened = position(log, opens_an_attempt)
        assert opened is None or opened < accepted
        stopped += opened is None
        assert (opened is None) == (stage.gateway.charges == ())
    assert 0 < stopped < SCHEDULES  # both orders were tried


# ---- one notice -----------------------------------------------------------------------------------------------


def test_a_notice_goes_once_and_never_after_a_pause_was_accepted():
    quiet = 0
    for seed in range(4 * SCHEDULES):
        stage, id = stage_with()
        stage.clock.move_to(NOW + timedelta(days=1))
        notice = Notice(notice_id("cus_a", "past_due_1", "cus_a", "e"), "cus_a", "past_due_1", id, "e", NOW, tier=1)
        stage.save(notice)
        workers = {
            "sender": lambda p, id=notice.id: send_notice(id, p),
            "other sender": lambda p, id=notice.id: send_notice(id, p),
            "admin": lambda p: pause("cus_a", "past_due", None, p),
            "customer": lambda p: record_payment(ManualPayment("pay_1", "cus_a", "USD", 100_00, "check"), p),
        }
        answers, log = interleave(stage.ports, workers, seed)
        for answer in answers.values():
            expected(answer)
        claimed = position(log, lambda changes: getattr(changes[0].entity, "claimed_at", None) is not None)
        settled = position(log, lambda changes: isinstance(changes[0].entity, Payment))
        paused = position(log, lambda c: isinstance(c[0].entity, Customer) and c[0].entity.pauses != ())
        assert claimed is None or claimed < min(settled, paused)
        mails = [a for a in stage.mailer.accepted if a.mail.notice_id == notice.id]
        assert len(mails) == (claimed is not None)
        quiet += claimed is None
    assert 0 < quiet < 4 * SCHEDULES


def test_an_invoice_mailed_by_hand_while_it_is_being_mailed_goes_at_most_twice():
    for seed in range(SCHEDULES):
        stage, id = stage_with()
        stage.files.write_once(f"invoices/{id}.pdf", b"%PDF-", "application/pdf")
        own = notice_id("cus_a", "invoice", id)
        workers = {"sender": lambda p, own=own: send_notice(own, p), "admin": lambda p, id=id: send_invoice(id, p)}
        answers, _ = interleave(stage.ports, workers, seed)
        for answer in answers.values():
            expected(answer)
        stage.deliver("notice")
        assert 1 <= len(stage.mailer.accepted) <= 2
        assert {n.status for n in stage.every(Notice)} == {"sent"}


# ---- one run --------------------------------------------------------------------------------------------------


def drafted_run(count=45):
    stage = Stage()
    stage.settings()
    stage.customer()
    stage.bill_run()
    ids = [stage.draft(bill_run_id="brn_1", bill_on=TODAY) for _ in range(count)]
    return stage, ids


def test_chunks_an_admin_and_an_import_share_one_series_without_gaps():
    old = Invoice("inv_old", "cus_a", "USD", TODAY, number="INV-000007")
    for seed in range(SCHEDULES):
        stage, ids = drafted_run()
        start_posting("brn_1", stage.ports)
        stage.queue.waiting.clear()
        plan_posting("brn_1", stage.ports)
        out_of_turn = stage.draft(type="out_of_turn")
        workers = {f"chunk {n}": lambda p, n=n: post_chunk("brn_1", 1, n, p) for n in range(3)}
        workers["chunk 0 again"] = lambda p: post_chunk("brn_1", 1, 0, p)
        workers["admin"] = lambda p, id=ids[44]: post_invoice(id, p)
        workers["out of turn"] = lambda p, id=out_of_turn: post_invoice(id, p)
        workers["import"] = lambda p: create_invoice(old, (Line("Work", 1_00),), True, p)
        answers, _ = interleave(stage.ports, workers, seed)
        for answer in answers.values():
            expected(answer)
        numbers = sorted(i.number for i in stage.every(Invoice))
        imported = not isinstance(answers["import"], Exception)  # refused where a chunk took its number before
        assert numbers == [f"INV-{n:06d}" for n in range(1, 47 + imported)] or not imported
        assert stage.get(BillRun, "brn_1").status == "posted"


def test_a_run_is_cancelled_or_posted_and_never_both():
    ends = set()
    for seed in range(2 * SCHEDULES):
        stage, ids = drafted_run(3)
        workers = {
            "cancel": lambda p: cancel_bill_run("brn_1", p),
            "post": lambda p: start_posting("brn_1", p),
            "admin": lambda p, id=ids[0]: post_invoice(id, p),
        }
        answers, _ = interleave(stage.ports, workers, seed)
        for answer in answers.values():
            expected(answer)
        stage.queue.waiting = [m for m in stage.queue.waiting if m[1] == "post"]
        stage.deliver("post")
        run = stage.get(BillRun, "brn_1")
        statuses = {i.status for i in stage.every(Invoice)}
        ends.add(run.status)
        assert (run.status, statuses) in (("cancelled", set()), ("posted", {"posted"}))
    assert ends == {"cancelled", "posted"}


def test_planning_told_twice_makes_each_chunk_once():
    for seed in range(SCHEDULES):
        stage, ids = drafted_run(230)
        start_posting("brn_1", stage.ports)
        stage.queue.waiting.clear()
        workers = {str(n): lambda p: plan_posting("brn_1", p) for n in range(3)}
        interleave(stage.ports, workers, seed)
        subjects = [i for c in stage.every(Chunk) for i in c.subjects]
        assert sorted(subjects) == sorted(ids)
    assert PlanPosting(run_id="brn_1").body()


def test_the_rows_of_a_race_are_the_same_for_the_same_seed():
    logs = []
    for _ in range(2):
        stage, id = stage_with()
        _, log = interleave(stage.ports, {n: act(id) for n, act in CHARGES.items()}, 7)
        logs.append([(who, name) for who, name, _ in log])
    assert logs[0] == logs[1]
    assert replace(stage.ports) == stage.ports

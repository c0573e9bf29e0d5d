"""Posting: numbers, dates, credit and what happens when workers die, collide or are told twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.invoker import SimulatedCrash
from shared.contracts.messages import PostDrafts
from shared.domain.billing import scheduled
from shared.domain.contract import Charge, Contract
from shared.domain.customer import Pause, Switches
from shared.domain.errors import Refused
from shared.domain.invoice import Flag, Invoice, Line
from shared.domain.notice import Notice, notice_id
from shared.domain.payment import CreditBalance, Payment
from shared.domain.policy import CustomerClass
from shared.domain.runs import BillRun, Chunk, NumberSeries
from shared.domain.settings import BillRunSettings, Business, Settings
from shared.use_cases.bill_customer import RunOf, bill_customer
from shared.use_cases.create_invoice import create_invoice
from shared.use_cases.generate_drafts import generate_drafts
from shared.use_cases.post_invoices import (
    CHUNK_DRAFTS,
    finish_posting,
    post_chunk,
    post_invoice,
    post_now,
    start_posting,
    sweep_posting,
)
from tests.integration.stage import ALL_ON, NOW, TODAY, Behind, Meddling, Stage, conflicting

FLAG = (Flag("first_invoice", "first"),)


def drafts(stage, count, run_id="brn_1", flagged=(), **fields):
    return [
        stage.draft(bill_run_id=run_id, bill_on=TODAY, flags=FLAG if n in flagged else (), **fields)
        for n in range(count)
    ]


def run_of(stage, id="brn_1"):
    return stage.get(BillRun, id)


def gapless(count, prefix="INV-"):
    return [f"{prefix}{n:06d}" for n in range(1, count + 1)]


# ---- a run ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, CHUNK_DRAFTS - 1, CHUNK_DRAFTS, CHUNK_DRAFTS + 1, 205])
def test_a_completed_run_is_posted_in_chunks_with_numbers_that_have_no_gap(stage, count):
    stage.bill_run()
    drafts(stage, count)
    assert start_posting("brn_1", stage.ports).status == "posting"
    stage.deliver("post")
    assert (run_of(stage).status, stage.numbers()) == ("posted", gapless(count))
    assert run_of(stage).posted_at == NOW


@pytest.mark.parametrize("status", ["pending", "generating", "posted", "cancelled", "failed"])
def test_a_run_that_is_not_completed_cannot_be_posted(stage, status):
    stage.bill_run(status=status)
    with pytest.raises(Refused):
        start_posting("brn_1", stage.ports)


def test_starting_twice_begins_one_round(stage):
    stage.bill_run()
    drafts(stage, 3)
    start_posting("brn_1", stage.ports)
    start_posting("brn_1", stage.ports)
    stage.deliver("post")
    assert (run_of(stage).post_round, stage.numbers()) == (1, gapless(3))


def test_a_draft_that_cannot_be_posted_is_recorded_and_costs_nobody_a_number(stage):
    stage.bill_run()
    stage.customer("cus_lost", class_id="cls_gone")
    good = drafts(stage, 2)
    bad = drafts(stage, 1, customer_id="cus_lost")
    good += drafts(stage, 2)
    start_posting("brn_1", stage.ports)
    stage.deliver("post")

    assert run_of(stage).status == "completed"  # back to completed: something is left
    assert [stage.invoice(i).status for i in good] == ["posted"] * 4
    assert stage.invoice(bad[0]).status == "draft"
    assert stage.numbers() == gapless(4)
    [failure] = [f for c in stage.every(Chunk) for f in c.failures]
    assert (failure.customer_id, failure.invoice_id) == ("cus_lost", bad[0])
    assert "cls_gone" in failure.message

    stage.save(CustomerClass("cls_gone", "Found"))
    before = [stage.invoice(i) for i in good]
    start_posting("brn_1", stage.ports)
    stage.deliver("post")
    assert (run_of(stage).status, stage.numbers()) == ("posted", gapless(5))
    assert [stage.invoice(i) for i in good] == before  # a re-post touches only the drafts that remain


def test_whatever_is_wrong_with_one_draft_the_text_of_a_strange_error_is_kept_to_ourselves(stage):
    stage.bill_run()
    stage.klass(terms_days=10**7)  # past the end of the calendar
    drafts(stage, 1)
    start_posting("brn_1", stage.ports)
    stage.deliver("post")
    [failure] = [f for c in stage.every(Chunk) for f in c.failures]
    assert (failure.code, failure.message) == ("error", "could not be posted: OverflowError")


def test_the_gate_holds_flagged_drafts_for_a_person(stage):
    stage.bill_run()
    made = drafts(stage, 30, flagged={0, 7, 29})
    start_posting("brn_1", stage.ports, include_flagged=False)
    stage.deliver("post")
    assert run_of(stage).status == "completed"
    assert [n for n, i in enumerate(made) if stage.invoice(i).status == "draft"] == [0, 7, 29]
    assert stage.numbers() == gapless(27)

    start_posting("brn_1", stage.ports)
    stage.deliver("post")
    assert (run_of(stage).status, stage.numbers()) == ("posted", gapless(30))


def test_more_flagged_drafts_than_fit_a_page_hide_none_that_should_be_posted(stage):
    stage.bill_run()
    made = drafts(stage, 230, flagged=set(range(215)))
    start_posting("brn_1", stage.ports, include_flagged=False)
    stage.deliver("post")
    assert [stage.invoice(i).status for i in made[215:]] == ["posted"] * 15
    assert run_of(stage).status == "completed"


def test_a_reviewed_run_whose_last_draft_is_posted_by_hand_is_posted(stage):
    stage.bill_run()
    one, other = drafts(stage, 2)
    post_invoice(one, stage.ports)
    assert (run_of(stage).status, run_of(stage).something_posted) == ("completed", True)
    post_invoice(other, stage.ports)
    assert run_of(stage).status == "posted"


def test_a_draft_of_a_cancelled_run_cannot_be_posted(stage):
    stage.bill_run(status="cancelled")
    [id] = drafts(stage, 1)
    with pytest.raises(Refused, match="cancelled"):
        post_invoice(id, stage.ports)


def test_a_run_cancelled_between_reading_and_posting_stays_unposted(stage):
    stage.bill_run()
    [id] = drafts(stage, 1)
    cancel = lambda: stage.save(replace(run_of(stage), status="cancelled"))  # noqa: E731
    meddled = replace(stage.ports, store=Meddling(stage.store, 1, cancel))
    with pytest.raises(Refused, match="cancelled"):
        post_invoice(id, meddled)
    assert stage.invoice(id).status == "draft"


# ---- told twice, told late, told by many ----------------------------------------------------------------------


@pytest.mark.parametrize("latest_first", [False, True])
def test_every_message_delivered_twice_and_in_another_order_posts_once(stage, latest_first):
    stage.bill_run()
    stage.customer("cus_b")
    stage.save(CreditBalance("cus_b", "USD", 30_00))
    drafts(stage, 45)
    drafts(stage, 3, customer_id="cus_b")
    start_posting("brn_1", stage.ports)
    stage.deliver(twice=True, latest_first=latest_first)
    assert (run_of(stage).status, stage.numbers()) == ("posted", gapless(48))
    assert sum(i.residual_minor for i in stage.every(Invoice)) == 48 * 100_00 - 30_00
    assert len(stage.every(Notice)) == len(stage.mailer.accepted) == 48


def test_a_chunk_whose_worker_died_after_posting_is_followed_up_by_the_next_delivery(stage):
    stage.bill_run()
    stage.save(CreditBalance("cus_a", "USD", 30_00))
    [id] = drafts(stage, 1)
    start_posting("brn_1", stage.ports)
    stage.work("post", stage.queue.waiting.pop(0)[2])
    body = next(b for _, q, b in stage.queue.waiting if "post_drafts" in b)
    stage.queue.waiting.clear()

    def die():
        raise SimulatedCrash("before credit is applied")

    sick = Stage.__new__(Stage)
    sick.ports = replace(stage.ports, store=Meddling(stage.store, 2, die))
    with pytest.raises(SimulatedCrash):
        sick.work("post", body)
    assert (stage.invoice(id).status, stage.invoice(id).residual_minor) == ("posted", 100_00)

    stage.work("post", body)
    assert stage.invoice(id).residual_minor == 70_00
    assert run_of(stage).status == "posted"
    assert stage.queue.depth("document") == 1


def test_lost_messages_are_sent_again_by_the_sweep(stage):
    stage.bill_run()
    drafts(stage, 45)
    start_posting("brn_1", stage.ports)
    stage.queue.waiting.clear()  # the plan is lost
    assert sweep_posting(stage.ports) == 1
    stage.work("post", stage.queue.waiting.pop()[2])
    stage.queue.waiting.clear()  # and the chunks
    sweep_posting(stage.ports)
    stage.deliver("post")
    assert (run_of(stage).status, stage.numbers()) == ("posted", gapless(45))
    assert sweep_posting(stage.ports) == 0


@settings(max_examples=40)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=8))
def test_numbers_stay_unique_and_gapless_whoever_comes_in_between(interruptions):
    """Before some commits of one worker, another one posts a whole chunk."""
    stage = Stage()
    stage.settings()
    stage.customer()
    stage.bill_run()
    drafts(stage, 60)
    start_posting("brn_1", stage.ports)
    stage.work("post", stage.queue.waiting.pop(0)[2])
    bodies = [b for _, q, b in stage.queue.waiting if "post_drafts" in b]
    stage.queue.waiting.clear()

    def somebody_else():
        if bodies:
            stage.work("post", bodies.pop())

    first = Stage.__new__(Stage)
    for n in interruptions:
        if bodies:
            first.ports = replace(stage.ports, store=Meddling(stage.store, n, somebody_else))
            first.work("post", bodies.pop(0))
    stage.queue.waiting = [(NOW, "post", b) for b in bodies]
    stage.deliver("post")
    assert stage.numbers() == gapless(60)
    assert run_of(stage).status == "posted"


def test_a_series_that_many_want_is_tried_again_and_again(stage):
    id = stage.draft()
    ports = replace(stage.ports, store=conflicting(stage.store, 40))
    assert post_invoice(id, ports).number == "INV-000001"


def test_drafts_that_the_index_does_not_show_yet_are_posted_a_little_later(stage):
    behind = Behind(stage.store)
    stage.ports = replace(stage.ports, store=behind)
    stage.bill_run(status="generating")
    behind.freeze()
    made = drafts(stage, 3)
    stage.save(Chunk("brn_1", "generate", 0, ("cus_a",), done=True, drafts=3))
    stage.save(replace(run_of(stage), status="completed", chunks=1))
    start_posting("brn_1", stage.ports)
    stage.deliver("post")
    assert (run_of(stage).status, stage.numbers()) == ("posting", [])  # not posted: three drafts are known to exist
    behind.thaw()
    stage.advance(seconds=5)
    stage.deliver("post")
    assert run_of(stage).status == "posted"
    assert [stage.invoice(i).status for i in made] == ["posted"] * 3


def test_a_run_posts_the_drafts_of_a_worker_that_died_though_no_index_shows_them(stage):
    behind = Behind(stage.store)
    stage.ports = replace(stage.ports, store=behind)
    stage.settings(bill_run=BillRunSettings(gate="all"))
    charge = Charge("chg_1", "Support", "recurring", amount_minor=100_00, interval="month")
    stage.save(scheduled(Contract("con_1", "cus_a", "IT", "USD", TODAY, TODAY, TODAY.day, charges=(charge,))))
    stage.bill_run(status="generating", auto_post=True, chunks=1)
    stage.save(Chunk("brn_1", "generate", 0, ("cus_a",)))
    behind.freeze()
    bill_customer("cus_a", RunOf("brn_1", TODAY, stage.get(Settings, "settings")), stage.ports)  # … and no more
    assert generate_drafts("brn_1", 0, stage.ports).drafts == 1
    stage.deliver("post")
    assert (run_of(stage).status, stage.numbers()) == ("posting", [])  # not completed: a draft is known to exist
    behind.thaw()
    stage.advance(seconds=5)
    stage.deliver("post")
    assert (run_of(stage).status, stage.numbers()) == ("posted", ["INV-000001"])


def test_the_end_of_a_round_is_written_once_and_a_conflict_does_not_lose_it(stage):
    stage.bill_run(status="posting", post_round=1)
    finish_posting("brn_1", replace(stage.ports, store=conflicting(stage.store, 3)))
    assert run_of(stage).status == "posted"


def test_a_chunk_that_is_done_is_not_done_again(stage):
    stage.bill_run()
    drafts(stage, 1)
    start_posting("brn_1", stage.ports)
    stage.deliver("post")
    version = run_of(stage).version
    assert post_chunk("brn_1", 1, 0, stage.ports) is None
    assert run_of(stage).version == version


def test_an_admin_who_posts_a_run_sees_it_posted(stage):
    stage.bill_run()
    drafts(stage, 45)
    start_posting("brn_1", stage.ports)
    assert post_now("brn_1", stage.ports, chunks_max=10).status == "posted"
    stage.deliver("post")
    assert stage.numbers() == gapless(45)


# ---- dates ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("basis", "timezone", "now", "posted_on", "due_on"),
    [
        ("posted_on", "UTC", NOW, date(2026, 1, 31), date(2026, 3, 2)),  # 30 days after 31 January
        ("invoice_date", "UTC", NOW, date(2026, 1, 31), date(2026, 2, 19)),  # 30 days after 20 January
        ("posted_on", "Pacific/Auckland", NOW, date(2026, 2, 1), date(2026, 3, 3)),  # 1 February there already
        ("posted_on", "America/Los_Angeles", datetime(2026, 1, 31, 4, tzinfo=UTC), date(2026, 1, 30), date(2026, 3, 1)),
    ],
)
def test_it_is_posted_on_the_customer_s_date_and_due_after_the_terms(basis, timezone, now, posted_on, due_on):
    stage = Stage(now)
    stage.settings(due_date_basis=basis)
    stage.klass(terms_days=30)
    stage.customer(timezone=timezone)
    invoice = post_invoice(stage.draft(on=date(2026, 1, 20)), stage.ports)
    assert (invoice.posted_on, invoice.due_on) == (posted_on, due_on)


def test_a_run_early_in_the_business_s_day_posts_nobody_before_the_date_on_the_invoice():
    stage = Stage(datetime(2026, 1, 31, 4, tzinfo=UTC))  # still 30 January in Los Angeles
    stage.settings(business=Business(timezone="UTC"))
    stage.customer(timezone="America/Los_Angeles")
    assert post_invoice(stage.draft(on=date(2026, 1, 31)), stage.ports).posted_on == date(2026, 1, 31)


def test_terms_are_those_of_the_class_and_the_type():
    stage = Stage()
    stage.settings()
    stage.customer()
    due = [post_invoice(stage.draft(type=t), stage.ports).due_on for t in ("regular", "out_of_turn", "debit_memo")]
    assert due == [date(2026, 3, 2), date(2026, 2, 6), date(2026, 1, 31)]  # 30 days, 6 days, when posted


# ---- credit ---------------------------------------------------------------------------------------------------


def test_a_negative_total_becomes_credit_and_pays_the_oldest_first(stage):
    older = stage.posted(total=30_00, due_on=date(2026, 1, 10))
    newer = stage.posted(total=50_00, due_on=date(2026, 2, 10))
    negative = post_invoice(stage.draft(total=-45_00), stage.ports)
    assert (negative.residual_minor, negative.payment_status(TODAY)) == (0, "paid")
    assert [stage.invoice(i).residual_minor for i in (older, newer)] == [0, 35_00]
    [payment] = stage.every(Payment)
    assert (payment.method, payment.amount_minor) == ("credit", 45_00)
    assert stage.get(CreditBalance, "cus_a", "USD").amount_minor == 0


def test_credit_that_is_not_needed_is_kept_for_the_next_invoice(stage):
    post_invoice(stage.draft(total=-45_00), stage.ports)
    first = post_invoice(stage.draft(total=40_00), stage.ports)
    second = post_invoice(stage.draft(total=40_00), stage.ports)
    assert (first.residual_minor, second.residual_minor) == (0, 35_00)
    assert stage.get(CreditBalance, "cus_a", "USD").amount_minor == 0


def test_credit_pays_in_its_own_currency_only(stage):
    post_invoice(stage.draft(total=-45_00), stage.ports)
    assert post_invoice(stage.draft(total=40_00, currency="EUR"), stage.ports).residual_minor == 40_00


def test_credit_leaves_alone_what_is_being_charged(stage):
    id = stage.posted(total=30_00, due_on=date(2026, 1, 10))
    stage.save(stage.invoice(id).attempt_opened("pay_1"))
    other = stage.posted(total=50_00, due_on=date(2026, 2, 10))
    post_invoice(stage.draft(total=-45_00), stage.ports)
    assert [stage.invoice(i).residual_minor for i in (id, other)] == [30_00, 5_00]


def test_credit_enough_for_more_invoices_than_one_transaction_holds_pays_them_all(stage):
    ids = [stage.posted(total=1_00) for _ in range(95)]
    post_invoice(stage.draft(total=-95_00), stage.ports)
    assert [stage.invoice(i).residual_minor for i in ids] == [0] * 95
    assert stage.get(CreditBalance, "cus_a", "USD").amount_minor == 0


# ---- who is mailed --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("auto_email", "globally", "customer", "mailed"),
    [
        (True, False, {}, True),  # the run's own wish stands in for the global switch
        (False, True, {}, True),
        (None, True, {}, True),
        (None, False, {}, False),
        (False, False, {}, False),
        (True, True, {"automations": Switches(False)}, False),
        (True, True, {"automations": Switches(True, send_new_invoices=False)}, False),
        (True, True, {"pauses": (Pause("send_new_invoices", TODAY),)}, False),
        (True, True, {"pauses": (Pause("past_due"),)}, True),
        (True, True, {"email": None}, False),
        (True, True, {"email_problem": "bounced"}, False),
        (True, True, {"delivery": ("print",)}, False),
        (True, True, {"delivery": ("print", "email")}, True),
    ],
)
def test_a_run_s_invoice_is_mailed_if_the_run_or_the_global_switch_and_the_customer_say_so(
    auto_email, globally, customer, mailed
):
    stage = Stage()
    stage.settings(ALL_ON if globally else Settings())
    stage.customer(**customer)
    stage.bill_run(auto_post=True, auto_email=auto_email)
    [id] = drafts(stage, 1)
    start_posting("brn_1", stage.ports)
    stage.deliver("post")
    assert (stage.get(Notice, notice_id("cus_a", "invoice", id)) is not None) == mailed


@pytest.mark.parametrize(
    ("settings_say", "run_says", "mailed"),
    [
        ((True, True), (None, None), True),
        ((True, False), (None, None), False),
        ((False, True), (None, None), False),  # auto-e-mail requires auto-post
        ((True, True), (False, None), False),  # this run is posted by hand
        ((True, True), (None, False), False),
        ((False, False), (True, True), True),
    ],
)
def test_a_run_asks_for_mail_as_it_or_the_settings_say_and_only_if_it_posts_itself(settings_say, run_says, mailed):
    stage = Stage()
    stage.settings(Settings(bill_run=BillRunSettings(auto_post=settings_say[0], auto_email=settings_say[1])))
    stage.customer()
    stage.bill_run(auto_post=run_says[0], auto_email=run_says[1])
    drafts(stage, 1)
    start_posting("brn_1", stage.ports)
    stage.deliver("post")
    assert len(stage.every(Notice)) == mailed


@pytest.mark.parametrize(("globally", "mailed"), [(True, True), (False, False)])
def test_any_other_new_invoice_is_mailed_by_the_global_switch(globally, mailed):
    stage = Stage()
    stage.settings(ALL_ON if globally else Settings(bill_run=BillRunSettings(auto_post=True, auto_email=True)))
    stage.customer()
    post_invoice(stage.draft(), stage.ports)
    assert len(stage.every(Notice)) == mailed


def test_the_mail_goes_once_the_document_is_there(stage):
    post_invoice(stage.draft(), stage.ports)
    assert stage.queue.depth("notice") == 0
    stage.deliver("document")
    stage.deliver("notice")
    assert stage.mails() == [("cus_a@example.com", stage.mails()[0][1])]


# ---- from elsewhere -------------------------------------------------------------------------------------------

LINES = (Line("Work", 100_00, 100_00),)


def imported(**fields):
    return Invoice("inv_old", "cus_a", "USD", date(2025, 11, 3), **fields)


def test_an_imported_invoice_keeps_its_number_and_due_date_and_is_mailed(stage):
    done = create_invoice(imported(number="2025/17", due_on=date(2025, 12, 3)), LINES, True, stage.ports)
    assert (done.status, done.number, done.due_on, done.invoice_date) == (
        "posted", "2025/17", date(2025, 12, 3), date(2025, 11, 3),
    )  # fmt: skip
    assert len(stage.every(Notice)) == 1
    assert stage.get(NumberSeries, "series", "INV-") is None


def test_an_imported_number_of_our_own_form_is_never_given_again(stage):
    create_invoice(imported(number="INV-000002"), LINES, True, stage.ports)
    assert [post_invoice(stage.draft(), stage.ports).number for _ in range(2)] == ["INV-000001", "INV-000003"]


@pytest.mark.parametrize("number", ["2025/17", "INV-000001", "INV-000007"])
def test_a_number_is_taken_once(stage, number):
    post_invoice(stage.draft(), stage.ports)  # INV-000001
    if number != "INV-000001":
        create_invoice(imported(number=number), LINES, True, stage.ports)
    with pytest.raises(Refused, match="is taken"):
        create_invoice(replace(imported(number=number), id="inv_other"), LINES, True, stage.ports)


def test_creating_the_same_again_goes_on_where_it_stopped(stage):
    create_invoice(imported(number="2025/17"), LINES, False, stage.ports)  # and the worker died
    done = create_invoice(imported(number="2025/17"), LINES, True, stage.ports)
    again = create_invoice(imported(number="2025/17"), LINES, True, stage.ports)
    assert (done.status, again) == ("posted", done)


@pytest.mark.parametrize(
    ("other", "lines"),
    [({"invoice_date": TODAY}, LINES), ({"currency": "EUR"}, LINES), ({}, (Line("Else", 100_00, 100_00),)),
     ({"number": "2025/18"}, LINES)],
)  # fmt: skip
def test_an_id_is_not_taken_for_two_invoices(stage, other, lines):
    create_invoice(imported(number="2025/17"), LINES, True, stage.ports)
    with pytest.raises(Refused, match="is taken"):
        create_invoice(replace(imported(number="2025/17"), **other), lines, True, stage.ports)


def test_posting_a_posted_invoice_returns_it_and_a_void_one_is_refused(stage):
    id = stage.posted()
    assert post_invoice(id, stage.ports) == stage.invoice(id)
    stage.save(stage.invoice(id).voided(NOW))
    with pytest.raises(Refused, match="void"):
        post_invoice(id, stage.ports)


def test_message_of_an_unknown_round_changes_nothing(stage):
    stage.bill_run()
    drafts(stage, 1)
    stage.work("post", PostDrafts(run_id="brn_1", round=9, chunk=0).body())
    assert (run_of(stage).status, stage.numbers()) == ("completed", [])

"""Account summaries on the stores themselves: real ledgers, deaths and collisions, and what a quiet tick costs."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from shared.domain.account_summary import SummaryMark, SummarySchedule
from shared.domain.calendar import parse_cron
from shared.domain.errors import DomainError
from shared.domain.ids import SHARDS
from shared.domain.notice import Notice
from shared.domain.settings import AccountSummary, Automations, SendNewInvoices, Settings
from shared.use_cases.accounts import account_of
from shared.use_cases.adjust_invoice import adjust_invoice
from shared.use_cases.apply_credit import apply_credit
from shared.use_cases.record_payment import ManualPayment, record_payment
from shared.use_cases.refund_payment import refund_payment
from shared.use_cases.summarize_account import account_statement, said_of_account, summarize_account
from shared.use_cases.sweep_summaries import keep_schedule, sweep_summaries
from shared.use_cases.void_invoice import void_invoice
from tests.integration.stage import Stage

ON = Settings(
    automations=Automations(
        send_new_invoices=SendNewInvoices(),
        account_summary=AccountSummary(enabled=True, schedule="0 8 * * *", format="recent_transactions"),
    )
)


def summarizing():
    stage = Stage(datetime(2026, 2, 1, 7, tzinfo=UTC))
    stage.settings(ON)
    stage.klass()
    sweep_summaries(stage.ports)  # switched on: from now
    return stage


def summaries(stage):
    return sorted((n for n in stage.every(Notice) if n.kind == "account_summary"), key=lambda n: n.created_at)


# ---- ledgers ----------------------------------------------------------------------------------------------------

steps = st.lists(
    st.tuples(st.sampled_from(["bill", "pay", "credit", "void", "refund", "apply", "tomorrow"]), st.integers(0, 5)),
    min_size=4, max_size=24,
)  # fmt: skip


@examples(max_examples=40)
@given(steps)
def test_whatever_happens_each_summary_adds_up_begins_at_the_last_and_agrees_with_the_account(story):
    stage = summarizing()
    stage.customer()
    invoices, payments, told, seen = [], [], 0, 0
    last = 0
    for n, (step, which) in enumerate([*story, ("tomorrow", 0)]):
        try:
            act(stage, step, which, n, invoices, payments)
        except DomainError:
            pass  # not allowed just now: nothing happened
        found = summaries(stage)
        if len(found) > seen:
            seen, told = len(found), told + 1
            statement = account_statement(found[-1], stage.ports)
            balance = next((b for b in statement.balances if b.currency == "USD"), None)
            opening, closing = (balance.opening_minor, balance.closing_minor) if balance else (0, 0)
            assert opening == last
            assert opening + sum(m.amount_minor for m in statement.movements) == closing
            assert closing == account_of("cus_a", stage.ports).balance["USD"]
            last = closing


def act(stage, step, which, n, invoices, payments):
    stage.advance(seconds=1)
    if step == "bill":
        invoices.append(stage.posted(total=(which + 1) * 10_00))
    elif step == "pay":
        payments.append(
            record_payment(ManualPayment(f"pay_{n}", "cus_a", "USD", which * 7_00 + 1, "check"), stage.ports)
        )
    elif step == "credit" and invoices:
        adjust_invoice(invoices[which % len(invoices)], "credit", None, 3_00, "Sorry", stage.ports, f"adj_{n}")
    elif step == "void" and invoices:
        void_invoice(invoices[which % len(invoices)], stage.ports)
    elif step == "refund" and payments:
        refund_payment(payments[which % len(payments)].id, 1_00, stage.ports)
    elif step == "apply":
        apply_credit("cus_a", "USD", stage.ports)
    elif step == "tomorrow":
        stage.advance(days=1)
        sweep_summaries(stage.ports)
        stage.deliver("summary", twice=True)
    stage.queue.waiting.clear()


# ---- deaths and repetitions -------------------------------------------------------------------------------------


def test_missed_occurrences_collapse_into_the_latest(monkeypatch):
    stage = summarizing()
    stage.customer()
    stage.posted()
    stage.advance(days=9)
    assert sweep_summaries(stage.ports) == 1
    stage.deliver("summary")
    (notice,) = summaries(stage)
    assert notice.episode == "2026-02-09T08:00:00+00:00"
    assert sweep_summaries(stage.ports) == 0


def test_a_summary_sent_with_nothing_to_say_still_says_what_is_owed():
    stage = summarizing()
    customer = stage.customer(currency="JPY")
    empty = Notice("ntc_1", customer.id, "account_summary", customer.id, "2026-02-01T08:00:00+00:00", stage.clock.now())
    said = said_of_account(empty, customer, ON, stage.ports)
    assert (said["balances"], said["transactions"]) == ([{"currency": "JPY", "opening": "0", "closing": "0"}], [])


def test_a_sweep_that_dies_after_asking_asks_again_to_no_effect():
    stage = summarizing()
    stage.customer()
    stage.posted()
    stage.advance(hours=2)
    before = stage.store.snapshot()
    sweep_summaries(stage.ports)
    stage.store.restore(before)  # it never wrote down that it asked
    sweep_summaries(stage.ports)
    assert stage.queue.depth("summary") == 2 * SHARDS
    stage.deliver("summary", twice=True, latest_first=True)
    assert len(summaries(stage)) == 1


def test_a_customer_who_follows_another_schedule_meanwhile_is_left_to_that_one():
    stage = summarizing()
    stage.customer(account_summary_schedule="0 9 * * MON")
    stage.posted()
    assert summarize_account("cus_a", "|", stage.clock.now(), stage.ports) == "moved"


def test_a_summary_once_recorded_is_known():
    stage = summarizing()
    stage.customer()
    stage.posted()
    stage.advance(seconds=1)
    at = stage.clock.now()
    assert [summarize_account("cus_a", "|", at, stage.ports) for _ in range(2)] == ["recorded", "known"]
    assert stage.get(SummaryMark, "cus_a").notice_id == summaries(stage)[0].id


# ---- what it costs ----------------------------------------------------------------------------------------------


class Counting:
    """A store that counts calls."""

    def __init__(self, inner):
        self._inner, self.calls = inner, 0

    def __getattr__(self, name):
        def counted(*args, **options):
            self.calls += 1
            return getattr(self._inner, name)(*args, **options)

        return counted


@pytest.mark.parametrize("customers", [1, 400])
def test_a_tick_with_nothing_due_costs_three_reads_however_many_customers_there_are(customers):
    from dataclasses import replace

    stage = summarizing()
    for n in range(customers):
        customer = stage.customer(f"cus_{n}", account_summary_schedule=f"{n % 60} 9 * * MON", timezone="Asia/Tokyo")
        keep_schedule(customer, stage.ports)
    assert len(stage.every(SummarySchedule)) == 1 + min(customers, 60)
    counting = Counting(stage.store)
    assert sweep_summaries(replace(stage.ports, store=counting)) == 0
    assert counting.calls <= 4
    assert stage.queue.depth("summary") == 0


def test_a_schedule_by_the_minute_that_was_missed_for_a_month_is_read_through():
    stage = summarizing()
    stage.settings(replace_schedule("* * * * *"))
    mark = stage.get(SummarySchedule, "|")
    stage.save(mark.planned(stage.clock.now(), replace_schedule("* * * * *")))
    stage.customer()
    stage.posted()
    stage.advance(days=30)
    sweep_summaries(stage.ports)
    assert stage.get(SummarySchedule, "|").through == stage.clock.now()


def replace_schedule(schedule):
    parse_cron(schedule)
    return Settings(automations=Automations(account_summary=AccountSummary(enabled=True, schedule=schedule)))

"""Statements add up and agree with the account, and schedules look forward. PRODUCT 10."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.account_summary import Movement, SummarySchedule, statement, summarized_with
from shared.domain.customer import Customer, Switches
from shared.domain.settings import AccountSummary, Automations, Business, Settings

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
ACME = Customer("cus_1", "Acme", automations=Switches(enabled=True))

movements = st.lists(
    st.builds(
        Movement,
        at=st.integers(0, 90).map(lambda days: BEGIN + timedelta(days=days)),
        kind=st.sampled_from(["invoice", "payment", "refund", "void", "credit_memo"]),
        label=st.just(""),
        currency=st.sampled_from(["USD", "JPY"]),
        amount_minor=st.integers(-1_000, 1_000),
    ),
    max_size=30,
)
days = st.integers(0, 92).map(lambda d: BEGIN + timedelta(days=d))


def owed_after(history, before=None):
    sums = dict.fromkeys(("USD", "JPY"), 0)
    for m in history:
        if before is None or m.at < before:
            sums[m.currency] += m.amount_minor
    return sums


@given(movements, st.sets(days, min_size=1, max_size=6), st.integers(1, 40))
def test_each_statement_adds_up_and_begins_where_the_last_one_ended(history, ends, most):
    """However the time is cut, and whatever happens afterwards: what is owed at the end is what the ledger says."""
    owed, since = owed_after(history), None
    last = {"USD": 0, "JPY": 0}
    for end in sorted(ends):
        told = statement(owed, history, since, end, most)
        closing = {"USD": 0, "JPY": 0} | {b.currency: b.closing_minor for b in told.balances}
        opening = {"USD": 0, "JPY": 0} | {b.currency: b.opening_minor for b in told.balances}
        assert closing == owed_after(history, end)
        for currency in ("USD", "JPY"):
            moved = sum(m.amount_minor for m in told.movements if m.currency == currency)
            assert opening[currency] + moved == closing[currency]
        if sum(1 for m in history if (since is None or m.at >= since) and m.at < end) <= most:
            assert opening == last
        assert len(told.movements) <= most
        last, since = closing, end


@given(movements)
def test_nothing_to_say_is_no_movement_and_no_balance(history):
    told = statement(owed_after(history), history, BEGIN + timedelta(days=91), BEGIN + timedelta(days=92), 10)
    assert told.empty == (not any(owed_after(history).values()))


def settings(schedule="0 8 1 * *", timezone="UTC"):
    summary = AccountSummary(enabled=True, schedule=schedule)
    return Settings(business=Business(timezone=timezone), automations=Automations(account_summary=summary))


def test_a_schedule_of_one_s_own_counts_in_one_s_own_zone_and_else_the_business_s():
    shared = SummarySchedule("|", "", "", BEGIN)
    assert shared.planned(BEGIN, settings()).next_at == datetime(2026, 1, 1, 8, tzinfo=UTC)
    assert shared.planned(BEGIN, settings("0 8 2 * *", "Asia/Tokyo")).next_at == datetime(2026, 1, 1, 23, tzinfo=UTC)
    own = SummarySchedule("x", "30 9 * * MON", "America/New_York", BEGIN)
    assert own.planned(BEGIN, settings()).next_at == datetime(2026, 1, 5, 14, 30, tzinfo=UTC)


def test_customers_follow_a_schedule_only_with_their_own_switches_on():
    assert summarized_with(ACME) == "|"
    own = replace(ACME, account_summary_schedule="0 9 * * MON", timezone="UTC")
    assert summarized_with(own) == "0 9 * * MON|UTC"
    assert summarized_with(replace(ACME, automations=Switches())) is None
    assert summarized_with(replace(ACME, automations=Switches(enabled=True, account_summary=False))) is None

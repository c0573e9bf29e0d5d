"""Where a customer stands past due, and what that calls for: by example, and day by day against a naive model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.collection import CollectionState, seen_of
from shared.domain.collection_facts import Facts, chasable
from shared.domain.customer import Customer, Hold, Pause, Switches
from shared.domain.invoice import Invoice, InvoiceHold
from shared.domain.past_due import days_past_due, ended, evaluate, tier_of
from shared.domain.policy import DEFAULT_CLASS, Policy
from shared.domain.settings import Automations, PastDue, Settings

DAY = timedelta(days=1)
DUE = date(2026, 1, 31)
TIERS = PastDue().tiers
ALL_ON = Settings(automations=Automations(past_due=PastDue(enabled=True)))
ACME = Customer("cus_1", "Acme", "ap@acme.example", automations=Switches(enabled=True))
NOTHING = CollectionState("cus_1")


def invoice(due_on=DUE, residual=100_00, id="inv_1", **more):
    return Invoice(
        id, "cus_1", more.pop("currency", "USD"), due_on - 30 * DAY, status="posted", total_minor=residual,
        residual_minor=residual, due_on=due_on, **more,
    )  # fmt: skip


def facts(*open_invoices, state=NOTHING, paused=False, its_class=DEFAULT_CLASS, customer=ACME, settled_on=()):
    if paused:
        customer = customer.with_pause(Pause("past_due"))
    return Facts(customer, its_class, ALL_ON, open_invoices, state, settled_on)


def late_by(days):
    return DUE + days * DAY


@pytest.mark.parametrize(("days", "past"), [(-1, 0), (0, 0), (1, 1), (30, 30)])
def test_days_are_counted_from_the_due_date_which_is_still_on_time(days, past):
    assert days_past_due(DUE, late_by(days)) == past


@pytest.mark.parametrize(
    ("days", "tier"),
    [(-1, 0), (0, 0), (1, 1), (2, 1), (13, 1), (14, 2), (15, 2), (29, 2), (30, 3), (31, 3), (400, 3)],
)
def test_a_tier_starts_on_its_day(days, tier):
    result = evaluate(facts(invoice()), late_by(days))
    assert result.tier == tier
    assert (result.notify is not None) == (tier > 0)


@pytest.mark.parametrize(("told", "notified"), [(0, True), (1, True), (2, False), (3, False)])
def test_a_tier_is_told_once_and_a_lower_one_never_after_a_higher(told, notified):
    state = CollectionState("cus_1", episode_since=late_by(1), worst_tier=told, past_due_ids=("inv_1",))
    result = evaluate(facts(invoice(), state=state), late_by(14))
    assert (result.tier, result.notify is not None) == (2, notified)
    assert result.state.worst_tier == max(told, 2)


def test_a_tier_that_was_jumped_over_is_not_told_later():
    first = evaluate(facts(invoice()), late_by(40))
    assert (first.tier, first.state.worst_tier) == (3, 3)
    lower = evaluate(facts(invoice(late_by(25)), state=replace(first.state, past_due_ids=("inv_1",))), late_by(40))
    assert (lower.tier, lower.notify) == (2, None)


def test_paying_the_oldest_lowers_the_tier_within_the_same_episode():
    old, new = invoice(), invoice(late_by(19), id="inv_2")
    before = evaluate(facts(old, new), late_by(20))
    assert (before.tier, before.state.episode_since) == (2, late_by(1))
    after = evaluate(facts(new, state=before.state, settled_on=(late_by(20),)), late_by(21))
    assert (after.tier, after.notify, after.state.episode_since) == (1, None, late_by(1))


def test_paying_everything_and_falling_behind_again_starts_over():
    state = CollectionState("cus_1", episode_since=late_by(1), worst_tier=3, past_due_ids=("inv_1",))
    again = evaluate(facts(invoice(late_by(49), id="inv_2"), state=ended(state, late_by(40))), late_by(50))
    assert (again.tier, again.notify, again.state.episode_since) == (1, TIERS[0], late_by(50))


@pytest.mark.parametrize(
    ("settled", "since"),
    [
        (late_by(49), late_by(50)),  # paid the day before the next one fell past due: there was a moment with nothing
        (late_by(50), late_by(1)),  # paid on the very day: without a break
        (None, late_by(1)),  # not known to have been settled
    ],
)
def test_an_end_that_nobody_wrote_down_is_seen_from_when_things_were_settled(settled, since):
    state = CollectionState("cus_1", episode_since=late_by(1), worst_tier=3, past_due_ids=("inv_1",))
    result = evaluate(facts(invoice(late_by(49), id="inv_2"), state=state, settled_on=(settled,)), late_by(50))
    assert result.state.episode_since == since


@pytest.mark.parametrize(("settled", "since"), [(late_by(6), late_by(1)), (late_by(5), None)])
def test_a_day_that_is_looked_at_late_ends_no_episode_that_ended_after_it(settled, since):
    state = CollectionState("cus_1", episode_since=late_by(1), worst_tier=1, past_due_ids=("inv_1",))
    assert evaluate(facts(state=state, settled_on=(settled,)), late_by(5)).state.episode_since == since


def test_an_invoice_that_a_refund_reopens_begins_an_episode_of_its_own():
    state = ended(CollectionState("cus_1", episode_since=late_by(1), worst_tier=3), late_by(20))
    result = evaluate(facts(invoice(), state=state), late_by(40))  # its due date is long before
    assert (result.tier, result.notify, result.state.episode_since) == (3, TIERS[2], late_by(20))


def test_while_mail_is_off_nothing_is_told_and_nothing_counts_as_told():
    quiet = evaluate(facts(invoice(), paused=True), late_by(1))
    assert (quiet.tier, quiet.notify, quiet.state.worst_tier) == (1, None, 0)
    awake = evaluate(facts(invoice(), state=quiet.state), late_by(15))
    assert (awake.tier, awake.notify) == (2, TIERS[1])  # the tier of that day, no burst


@pytest.mark.parametrize(
    "held",
    [
        {"customer": replace(ACME, hold=Hold("dispute"))},
        {"customer": replace(ACME, hold=Hold("promise_to_pay", late_by(1)))},  # its last day
    ],
)
def test_a_hold_on_the_customer_leaves_nobody_to_chase(held):
    result = evaluate(facts(invoice(), **held), late_by(1))
    assert (result.tier, result.notify, result.state.episode_since) == (0, None, late_by(1))


def test_an_invoice_on_hold_is_left_out_and_comes_back_when_the_hold_ends():
    held = invoice(hold=InvoiceHold("dispute", late_by(14)))
    other = invoice(late_by(13), id="inv_2")
    assert evaluate(facts(held, other), late_by(14)).tier == 1
    assert evaluate(facts(held, other), late_by(15)).tier == 2


def test_an_invoice_whose_charge_is_under_way_is_not_chased():
    assert evaluate(facts(invoice(open_attempt_id="pay_1")), late_by(1)).notify is None


@pytest.mark.parametrize(("residual", "tier"), [(4_99, 0), (5_00, 0), (5_01, 1)])
def test_what_is_due_must_be_more_than_the_threshold_of_its_policy(residual, tier):
    its_class = replace(DEFAULT_CLASS, regular=Policy(collection_threshold="5.00"))
    assert evaluate(facts(invoice(residual=residual), its_class=its_class), late_by(1)).tier == tier


def test_the_threshold_is_compared_per_policy_and_currency_with_the_sum_past_due():
    its_class = replace(
        DEFAULT_CLASS, regular=Policy(collection_threshold="5.00"), out_of_turn=Policy(collection_threshold="1.00")
    )
    late = [
        invoice(residual=3_00, id="a"),
        invoice(residual=2_01, id="b"),  # 5.01 together
        invoice(residual=5_00, id="c", currency="EUR"),
        invoice(residual=1_01, id="d", type="out_of_turn"),
        invoice(residual=1_00, id="e", type="out_of_turn", currency="EUR"),
        invoice(late_by(1), residual=100_00, id="f"),  # not past due yet, so it does not count
    ]
    overdue = [i for i in late if i.payment_status(late_by(1)) == "overdue"]
    assert sorted(i.id for i in chasable(overdue, ACME, its_class, late_by(1))) == ["a", "b", "d"]


def test_no_tier_is_reached_without_an_invoice_to_chase():
    assert tier_of([], TIERS, DUE) == (0, None)


def test_the_next_day_with_something_to_do_is_the_start_of_the_next_tier():
    days = [evaluate(facts(invoice()), late_by(n)).state.next_on for n in (1, 13, 14, 29)]
    assert days == [late_by(14), late_by(14), late_by(30), late_by(30)]
    assert evaluate(facts(invoice()), late_by(30)).state.next_on == date.max


# ---- day by day -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Story:
    """Days are counted from 0. Payments are made at noon, the evaluation is in the afternoon."""

    due: tuple[int, ...]
    paid: tuple[int | None, ...]
    held_through: tuple[int | None, ...]
    paused: frozenset[int]


DAYS = 60


@st.composite
def stories(draw):
    due = tuple(draw(st.lists(st.integers(0, DAYS - 5), min_size=1, max_size=4)))
    paid = tuple(draw(st.none() | st.integers(0, DAYS)) for _ in due)
    held = tuple(draw(st.none() | st.integers(0, DAYS)) for _ in due)
    days = frozenset(range(draw(st.integers(0, DAYS))))
    return Story(due, paid, held, days)


def told_by_the_model(story):
    """(day, tier) of each notice, from the rules alone: no state but the worst tier told since the last moment at
    which nothing was past due."""
    notices, worst = [], 0
    for day in range(DAYS):
        open_before = [n for n, p in enumerate(story.paid) if p is None or p >= day]
        open_now = [n for n, p in enumerate(story.paid) if p is None or p > day]
        if not any(story.due[n] < day for n in open_before) or not any(story.due[n] < day for n in open_now):
            worst = 0
        chased = [day - story.due[n] for n in open_now if story.due[n] < day and not _held(story, n, day)]
        tier = sum(max(chased, default=0) >= t.from_days for t in TIERS)
        if tier > worst and day not in story.paused:
            notices.append((day, tier))
            worst = tier
    return notices


def _held(story, n, day):
    return story.held_through[n] is not None and day <= story.held_through[n]


def told_by_evaluation(story, daily):
    """The same from `evaluate`; unless `daily`, only on days for which the state or the oldest invoice call for it."""
    state, notices = NOTHING, []
    for day in range(DAYS):
        on = DUE + day * DAY
        open_now = [i for i in _invoices(story, day) if i.residual_minor]
        if day in story.paid and not any(i.payment_status(on) == "overdue" for i in open_now):
            state = ended(state, on)  # what refresh_episode does after a payment
        if not daily and not _called_for(state, open_now, on):
            continue
        settled = [i.settled_at for i in _invoices(story, day) if i.id in state.past_due_ids and not i.residual_minor]
        result = evaluate(
            facts(*open_now, state=state, customer=_customer(story), settled_on=[s.date() for s in settled]), on
        )
        state = result.state
        if result.notify is not None:
            notices.append((day, result.tier))
    return notices


def _customer(story):
    """Paused through the last day of the pause: a pause has no beginning, so it is set on the first of its days."""
    return ACME if not story.paused else ACME.with_pause(Pause("past_due", DUE + max(story.paused) * DAY))


def _called_for(state, open_now, on):
    """As the sweep decides from its two indexes alone."""
    late = any(i.due_on < on for i in open_now)
    if state.episode_since is None:
        return late
    seen = seen_of(sorted((str(i.due_on), i.id) for i in open_now))
    return not late or state.seen != seen or state.next_on <= on


def _invoices(story, day):
    for n, due in enumerate(story.due):
        through = story.held_through[n]
        hold = InvoiceHold("dispute", DUE + through * DAY) if through is not None else None
        one = invoice(DUE + due * DAY, id=f"inv_{n}", hold=hold)
        paid = story.paid[n]
        if paid is not None and paid <= day:
            at = datetime.combine(DUE + paid * DAY, datetime.min.time(), UTC) + timedelta(hours=12)
            one = one.paid(100_00, at)
        yield one


@settings(max_examples=150)
@given(stories())
def test_every_story_is_told_as_the_rules_say(story):
    assert told_by_evaluation(story, daily=True) == told_by_the_model(story)


@settings(max_examples=150)
@given(stories())
def test_looking_only_when_it_is_called_for_misses_nothing(story):
    assert told_by_evaluation(story, daily=False) == told_by_the_model(story)

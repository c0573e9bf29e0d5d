"""What holds of every evaluation: late or daily, asked when called for or each day, once or twice."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.customer import Hold, Pause, Promise, Switches
from shared.domain.invoice import InvoiceHold
from shared.domain.past_due import after, catch_up, evaluate, look_ahead, nothing_new, reminder_dates
from shared.domain.policy import CustomerClass, LateFee, Policy
from shared.domain.settings import Action, Tier, Trigger
from tests.unit.domain.collections_worlds import ACME, DAY, DUE, facts, invoice
from tests.unit.domain.collections_worlds import settings as settings_of

DAYS = 50
SOON = st.none() | st.integers(0, DAYS).map(lambda n: DUE + n * DAY)
SOME_DAYS = st.none() | st.integers(1, 30)
MONEY = st.sampled_from(["0.00", "3.00", "90.00"])


@st.composite
def policies(draw):
    fee = LateFee(
        draw(MONEY), Decimal(draw(st.integers(0, 5))), draw(st.integers(0, 12)),
        draw(st.sampled_from(["once", "monthly"])), draw(st.none() | st.just("7.00")),
    )  # fmt: skip
    return Policy(
        reminders_before_due=tuple(draw(st.sets(st.integers(0, 9), max_size=2))), late_fee=fee,
        collection_threshold=draw(MONEY), limit_after_days=draw(SOME_DAYS), suspend_after_days=draw(SOME_DAYS),
        terminate_after_days=draw(SOME_DAYS), step_notice_days=draw(st.sampled_from([0, 2, 5])),
        confirm_termination=draw(st.booleans()),
    )  # fmt: skip


@st.composite
def invoices(draw):
    hold = draw(st.none() | SOON.map(lambda through: InvoiceHold("dispute", through)))
    return invoice(
        DUE + draw(st.integers(-5, 30)) * DAY, draw(st.integers(1, 20)) * 10_00, draw(st.uuids().map(str)), hold=hold,
        type=draw(st.sampled_from(["regular", "out_of_turn", "debit_memo"])),
    )  # fmt: skip


@st.composite
def customers(draw):
    customer = replace(ACME, automations=Switches(enabled=draw(st.sampled_from([True, True, True, False]))))
    if (through := draw(st.none() | SOON.map(lambda d: Pause("past_due", d)))) is not None:
        customer = customer.with_pause(through)
    promised = draw(SOON)
    return replace(
        customer, hold=draw(st.none() | SOON.map(lambda d: Hold("dispute", d))),
        promise=Promise("prm_1", promised) if promised else None, automated_since=draw(SOON),
        email=draw(st.sampled_from([ACME.email, ACME.email, None])),
    )  # fmt: skip


ACTIONS = st.sampled_from(
    [Action("task", title="Call"), Action("late_fee", amount="4.00"), Action("suspend"), Action("send_template", "t")]
)


@st.composite
def worlds(draw):
    """Everything that an evaluation looks at, with nothing done yet."""
    tiers = tuple(
        Tier(days, f"past_due_{n}", draw(st.none() | st.integers(1, 6)), draw(st.none() | st.integers(1, 3)))
        for n, days in enumerate(sorted(draw(st.sets(st.integers(1, 40), min_size=1, max_size=3))), start=1)
    )
    days = draw(st.sets(st.integers(1, 40), max_size=3))
    triggers = [Trigger(n, tuple(draw(st.lists(ACTIONS, min_size=1, max_size=2)))) for n in days]
    its_class = CustomerClass("cls_1", "One", draw(policies()), draw(policies()))
    return facts(
        *draw(st.lists(invoices(), min_size=1, max_size=3)), its_class=its_class, customer=draw(customers()),
        settings=settings_of(*triggers, tiers=tiers),
    )  # fmt: skip


def effects(found):
    """What an evaluation calls for, without what it remembers."""
    return (
        found.on, found.notify and found.tier, found.repeat, found.reminders, found.fired,
        [(f.invoice.id, f.key, f.amount_minor) for f in found.fees],
        found.step_notice and (found.step_notice.step, found.step_notice.invoice.id, found.step_notice.effective_on),
        found.service, found.confirm is not None, found.unannounced and found.unannounced.step,
    )  # fmt: skip


def remarkable(found, before):
    """The effects of the days on which something is done; that a termination still waits is nothing new."""
    done = found.notify or found.reminders or found.fired or found.fees or found.step_notice or found.unannounced
    return [effects(found)] if done or found.service != before else []


def lived(world, called_for):
    """Day by day, looking only where `called_for` says so."""
    done, looked = [], None
    for n in range(DAYS):
        on = DUE + n * DAY
        if not called_for(world, looked, on):
            continue
        found, before = evaluate(world, on), world.state.step
        done += remarkable(found, before)
        world, looked = after(world, found, expecting=True), found
    return done


def daily(world, looked, on):
    return True


def as_the_sweep_decides(world, looked, on):
    """By the state's next date, by an invoice to be reminded of, and before there is a state."""
    if on in set(reminder_dates(world, on - DAY)):
        return True
    state = world.state
    if state.episode_since is None:
        return any(i.due_on < on for i in world.open)
    return state.next_on is None or state.next_on <= on


def as_the_worker_decides(world, looked, on):
    """Who is asked for every day, and looks closer only where something is new."""
    owed = sorted(world.open, key=lambda i: (i.due_on, i.invoice_date, i.id))
    customer = replace(world.customer, service=world.state.step)
    return not nothing_new(owed, world.state, customer, world.settings, world.its_class, on)


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_looking_only_when_it_is_called_for_misses_nothing(world):
    whole = lived(world, daily)
    assert lived(world, as_the_sweep_decides) == whole
    assert lived(world, as_the_worker_decides) == whole


@settings(max_examples=80, deadline=None)
@given(worlds())
def test_what_is_foreseen_is_what_comes_day_by_day(world):
    """The next step and the timeline look only at days on which something may change."""
    last = DUE + (DAYS - 1) * DAY
    foreseen = [(f, before) for f, before in look_ahead(world, DUE, 500) if f.on <= last]
    assert [e for found, before in foreseen for e in remarkable(found, before)] == lived(world, daily)


@settings(max_examples=150, deadline=None)
@given(worlds(), st.sets(st.integers(0, DAYS - 1)))
def test_missed_days_are_made_up_for_as_if_they_had_not_been_missed(world, lost):
    whole = [effects(found) for found in catch_up(world, DUE, DUE + (DAYS - 1) * DAY)]
    made_up, first = [], DUE
    for n in range(DAYS):
        if n in lost and n < DAYS - 1:
            continue
        on = DUE + n * DAY
        found = list(catch_up(world, first, on))
        made_up += [effects(f) for f in found]
        for each in found:
            world = after(world, each, expecting=False)
        first = on + DAY
    assert made_up == whole


@settings(max_examples=150, deadline=None)
@given(worlds(), st.integers(0, DAYS))
def test_evaluating_a_day_again_calls_for_nothing_more(world, days):
    on = DUE + days * DAY
    first = evaluate(world, on)
    world = after(world, first, expecting=False)
    again = evaluate(world, on)
    assert (again.fired, again.fees, again.step_notice, again.unannounced) == ((), (), None, None)
    assert again.service == first.service
    assert again.notify is None or again.repeat  # a repetition has its number, and so its own key
    assert again.state == first.state or again.state.next_on != first.state.next_on


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_what_is_done_keeps_to_the_rules(world):
    found = list(catch_up(world, DUE, DUE + (DAYS - 1) * DAY, expecting=True))
    told = [f.tier for f in found if f.notify and not f.repeat]
    assert told == sorted(set(told))  # each tier once, and never downwards
    charged = [(fee.invoice.id, fee.key) for f in found for fee in f.fees]
    assert len(charged) == len(set(charged))
    fired = [t.days for f in found for t in f.fired]
    assert len(fired) == len(set(fired))
    for each in found:
        held = world.customer.on_hold(each.on)
        assert not (held and (each.notify or each.fees or each.fired or each.step_notice or each.reminders))
        assert not (world.off(each.on) and (each.notify or each.reminders))

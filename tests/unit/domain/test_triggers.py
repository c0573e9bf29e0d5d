"""Past-due triggers at their bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.collection import CollectionState
from shared.domain.contract import Suspension
from shared.domain.customer import Hold, Pause, Promise, Switches
from shared.domain.invoice import InvoiceHold
from shared.domain.past_due import catch_up, evaluate, make_up
from shared.domain.settings import Action
from tests.unit.domain.collections_worlds import (
    ACME,
    DAY,
    DUE,
    IN_SERVICE,
    changed,
    facts,
    invoice,
    klass,
    late_by,
    settings,
    trigger,
)

MAIL = Action("send_template", template="past_due_2")
FEE = Action("late_fee", amount="25.00")
SUSPEND = Action("suspend")
EVENT = Action("emit_event", name="customer.escalated")
TASK = Action("task", title="Call")
ALL = (MAIL, FEE, SUSPEND, EVENT, TASK)
AT_14_AND_30 = settings(trigger(30, TASK), trigger(14, TASK))  # in any order


def fired(on, *invoices, with_settings=AT_14_AND_30, **more):
    return [f.days for f in evaluate(facts(*invoices, settings=with_settings, **more), on).fired]


def done(on, *invoices, **more):
    [found] = evaluate(facts(*invoices, settings=settings(trigger(14, *ALL)), **more), on).fired
    return [action.type for _, action in found.actions]


@pytest.mark.parametrize(("days", "expected"), [(13, []), (14, [14]), (15, []), (29, []), (30, [30]), (31, [])])
def test_a_trigger_fires_at_exactly_its_day(days, expected):
    assert fired(late_by(days), invoice()) == expected


def test_days_count_from_the_first_past_due_day_of_the_episode_whatever_is_open_now():
    state = CollectionState("cus_1", episode_since=late_by(1), past_due_ids=("inv_0",))
    younger = {"state": state, "settled_on": (late_by(12),)}
    assert fired(late_by(14), invoice(late_by(10)), **younger) == [14]
    assert fired(late_by(24), invoice(late_by(10)), **younger) == []


def test_one_that_fired_does_not_fire_again_in_the_episode():
    state = CollectionState("cus_1", episode_since=late_by(1), past_due_ids=("inv_1",), fired=(14,))
    assert fired(late_by(14), invoice(), state=state) == []


def test_missed_days_are_made_up_for_in_order():
    found = list(catch_up(facts(invoice(), settings=AT_14_AND_30), late_by(10), late_by(40)))
    assert [f.days for day in found for f in day.fired] == [14, 30]
    assert found[-1].state.fired == (14, 30)


@pytest.mark.parametrize(
    ("contracts", "fires"),
    [
        ((), False),
        ((IN_SERVICE,), True),
        ((replace(IN_SERVICE, end_date=late_by(14)),), False),  # the first day without service
        ((replace(IN_SERVICE, end_date=late_by(15)),), True),
        ((replace(IN_SERVICE, suspensions=(Suspension(late_by(2), None, True),)),), True),
        ((replace(IN_SERVICE, suspensions=(Suspension(late_by(2), None, False),)),), False),
        ((replace(IN_SERVICE, suspensions=(Suspension(late_by(2), late_by(14), False),)),), True),
    ],
)
def test_it_needs_a_contract_that_is_active_or_suspended_by_collections(contracts, fires):
    assert (fired(late_by(14), invoice(), contracts=contracts) == [14]) == fires


@pytest.mark.parametrize(
    "customer",
    [changed(automations=Switches(enabled=False)), changed(hold=Hold()), changed(automated_since=late_by(15))],
)
def test_it_is_passed_over_for_a_customer_switched_off_or_on_hold(customer):
    result = evaluate(facts(invoice(), settings=AT_14_AND_30, customer=customer), late_by(14))
    assert (result.fired, result.state.waiting) == ((), ())


def test_one_invoice_on_hold_beside_a_free_one_keeps_nothing_from_firing():
    held = invoice(hold=InvoiceHold())
    assert fired(late_by(14), held) == []
    assert fired(late_by(14), held, invoice(late_by(9), id="inv_2")) == [14]


def test_it_waits_while_nobody_knows_what_is_owed():
    state = evaluate(facts(invoice(open_attempt_id="pay_1"), settings=AT_14_AND_30), late_by(14)).state
    assert (state.waiting, state.next_on) == (("t14",), late_by(15))
    assert fired(late_by(16), invoice(), state=state) == [14]


def test_all_actions_are_done_where_nothing_is_against_them():
    assert done(late_by(14), invoice()) == ["send_template", "late_fee", "suspend", "emit_event", "task"]


def test_mail_needs_its_switches_and_the_other_actions_do_not():
    paused = ACME.with_pause(Pause("past_due"))
    assert done(late_by(14), invoice(), customer=paused) == ["late_fee", "suspend", "emit_event", "task"]


def test_a_promise_holds_notices_and_steps():
    promised = changed(promise=Promise("prm_1", late_by(14)))
    assert done(late_by(14), invoice(), customer=promised) == ["late_fee", "emit_event", "task"]


def test_below_the_threshold_no_notice_fee_or_step():
    assert done(late_by(14), invoice(), its_class=klass(collection_threshold="100.00")) == ["emit_event", "task"]


def test_its_fee_falls_on_the_oldest_invoice_that_is_no_fee_itself():
    memo, other = invoice(id="inv_0", late_fee="0", type="debit_memo"), invoice(late_by(3), id="inv_2")
    result = evaluate(facts(memo, other, settings=settings(trigger(14, FEE))), late_by(14))
    assert [(f.invoice.id, f.key, f.amount_minor) for f in result.fees] == [("inv_2", "t14.0", 25_00)]


@pytest.mark.parametrize(
    ("amount", "currency", "charged"),
    [("0.00", "USD", []), ("0.01", "USD", [1]), ("0.49", "JPY", []), ("0.50", "JPY", [1])],
)
def test_a_fee_that_comes_to_nothing_is_not_charged(amount, currency, charged):
    fee = Action("late_fee", amount=amount)
    result = evaluate(facts(invoice(currency=currency), settings=settings(trigger(14, fee))), late_by(14))
    assert [f.amount_minor for f in result.fees] == charged


def test_what_it_suspends_stays_so_until_the_episode_ends():
    with_suspend = settings(trigger(14, SUSPEND))
    result = evaluate(facts(invoice(), settings=with_suspend), late_by(14))
    assert result.service == "suspended"
    later = evaluate(facts(invoice(late_by(13)), settings=with_suspend, state=result.state), late_by(15))
    assert later.service == "suspended"
    over = evaluate(facts(state=later.state, settled_on=(late_by(16),)), late_by(16))
    assert (over.service, over.state.followed) == ("active", False)


def test_restored_by_hand_it_does_not_suspend_as_long_as_the_episode_runs():
    state = CollectionState("cus_1", episode_since=late_by(1), past_due_ids=("inv_1",), waived="suspended")
    result = evaluate(facts(invoice(), settings=settings(trigger(14, SUSPEND, TASK)), state=state), late_by(14))
    assert (result.service, [a.type for _, a in result.fired[0].actions]) == ("active", ["task"])


def test_a_message_put_aside_brings_the_triggers_of_its_own_days_and_nothing_else():
    state = CollectionState("cus_1", episode_since=late_by(1), past_due_ids=("inv_1",), assessed_on=late_by(20))
    found = list(make_up(facts(invoice(), settings=AT_14_AND_30, state=state), late_by(12), late_by(15)))
    assert [(f.on, f.notify, [t.days for t in f.fired]) for f in found] == [(late_by(14), None, [14])]
    assert found[0].state == replace(state, fired=(14,))
    assert list(make_up(facts(invoice(), settings=AT_14_AND_30, state=found[0].state), DUE, late_by(20))) == []


def test_a_threshold_of_no_days_never_fires():
    zero = settings(trigger(0, TASK))
    assert [f for n in range(40) for f in fired(DUE + n * DAY, invoice(), with_settings=zero)] == []

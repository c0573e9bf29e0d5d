"""Service steps at their bounds: days, notices, holds, thresholds, and what a person undid."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.collection import CollectionState, Warned
from shared.domain.customer import Hold, Promise, Switches
from shared.domain.invoice import InvoiceHold
from shared.domain.past_due import catch_up, evaluate
from tests.unit.domain.collections_worlds import changed, facts, invoice, klass, late_by

STEPS = klass(limit_after_days=5, suspend_after_days=10, terminate_after_days=20, confirm_termination=False)
NOTICED = klass(suspend_after_days=10, step_notice_days=3)


def running(**more):
    return CollectionState("cus_1", episode_since=late_by(1), past_due_ids=("inv_1",), **more)


def service(on, *invoices, its_class=STEPS, **more):
    return evaluate(facts(*invoices, its_class=its_class, **more), on).service


@pytest.mark.parametrize(
    ("days", "expected"),
    [(4, "active"), (5, "limited"), (9, "limited"), (10, "suspended"), (19, "suspended"), (20, "terminated")],
)
def test_a_step_comes_when_the_oldest_invoice_is_its_days_past_due(days, expected):
    assert service(late_by(days), invoice()) == expected


def test_each_type_of_invoice_follows_its_own_policy():
    its_class = replace(klass(), out_of_turn=STEPS.regular)
    assert service(late_by(10), invoice(), its_class=its_class) == "active"
    assert service(late_by(10), invoice(type="out_of_turn"), its_class=its_class) == "suspended"


@pytest.mark.parametrize(("days", "expected"), [(9, "limited"), (10, "suspended")])
def test_it_is_lifted_to_what_the_oldest_open_invoice_still_calls_for(days, expected):
    assert service(late_by(days), invoice(), state=running(step="suspended")) == expected


def test_everything_paid_restores_service_and_terminated_stays_so():
    assert service(late_by(12), state=running(step="suspended"), settled_on=(late_by(12),)) == "active"
    assert service(late_by(12), state=running(step="terminated"), settled_on=(late_by(12),)) == "terminated"
    assert service(late_by(12), invoice(), state=running(step="terminated")) == "terminated"


@pytest.mark.parametrize("step", ["active", "limited"])
@pytest.mark.parametrize(
    "frozen",
    [
        {"customer": changed(hold=Hold("dispute", late_by(12)))},
        {"customer": changed(promise=Promise("prm_1", late_by(12)))},
        {"invoices": (invoice(hold=InvoiceHold("dispute", late_by(12))),)},
    ],
)
def test_a_hold_or_promise_freezes_steps_and_lifts_none(frozen, step):
    frozen = dict(frozen)
    invoices = frozen.pop("invoices", (invoice(),))
    assert service(late_by(12), *invoices, state=running(step=step), **frozen) == step
    assert service(late_by(13), *invoices, state=running(step=step), **frozen) == "suspended"


def test_without_the_master_switch_no_step_comes_but_payment_lifts():
    off = changed(automations=Switches(enabled=False))
    assert service(late_by(12), invoice(), customer=off) == "active"
    assert service(late_by(4), invoice(), customer=off, state=running(step="limited")) == "active"


@pytest.mark.parametrize(("left", "expected"), [(10_00, "active"), (10_01, "suspended")])
def test_at_or_below_the_threshold_no_step_comes_and_those_taken_are_lifted(left, expected):
    its_class = klass(suspend_after_days=10, collection_threshold="10.00")
    for before in ("active", "suspended"):
        assert service(late_by(12), invoice(left=left), its_class=its_class, state=running(step=before)) == expected


@pytest.mark.parametrize(
    ("waived", "days", "expected"),
    [
        ("limited", 9, "active"),
        ("limited", 10, "suspended"),
        ("suspended", 19, "active"),
        ("suspended", 20, "terminated"),
    ],
)
def test_what_a_person_undid_comes_again_only_as_something_more_severe(waived, days, expected):
    assert service(late_by(days), invoice(), state=running(waived=waived)) == expected


def test_termination_waits_for_a_person_unless_the_class_says_otherwise():
    its_class = klass(suspend_after_days=10, terminate_after_days=20)
    result = evaluate(facts(invoice(), its_class=its_class), late_by(20))
    assert (result.service, result.confirm.id) == ("suspended", "inv_1")
    assert result.state.asked
    assert evaluate(facts(invoice(), its_class=STEPS), late_by(20)).confirm is None


# ---- notices --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "noticed"), [(6, None), (7, late_by(10)), (8, late_by(11)), (15, late_by(18))])
def test_its_notice_comes_so_many_days_before_and_never_says_too_early_a_day(days, noticed):
    notice = evaluate(facts(invoice(), its_class=NOTICED), late_by(days)).step_notice
    assert (notice.effective_on if notice else None) == noticed


@pytest.mark.parametrize(
    ("out", "days", "expected"),
    [
        (7, 9, "active"),
        (7, 10, "suspended"),
        (8, 10, "active"),
        (8, 11, "suspended"),
        (None, 30, "active"),  # recorded, but it has not gone out
    ],
)
def test_a_step_never_comes_before_its_notice_has_been_out_for_its_days(out, days, expected):
    since = None if out is None else late_by(out)
    found = service(late_by(days), invoice(), its_class=NOTICED, notices_out={("suspended", "inv_1"): since})
    assert found == expected


@pytest.mark.parametrize("days", [9, 10, 11, 30])
def test_a_step_whose_notice_reaches_nobody_waits_and_a_person_is_told_on_its_day(days):
    nobody = facts(invoice(), its_class=NOTICED, customer=changed(email=None))
    found = evaluate(nobody, late_by(days))
    assert found.service == "active"
    assert (found.unannounced.step if found.unannounced else None) == ("suspended" if days >= 10 else None)
    told = evaluate(replace(nobody, state=found.state), late_by(days))
    assert (told.unannounced, told.calls_for_something("active")) == (None, False)


def test_a_person_is_told_of_a_lost_notice_but_not_of_one_that_is_on_its_way():
    warned = running(warned=(Warned("suspended", "inv_1", "ntc_1"),))
    lost = facts(invoice(), its_class=NOTICED, state=warned)
    assert evaluate(lost, late_by(10)).unannounced.step == "suspended"
    under_way = replace(lost, notices_out={("suspended", "inv_1"): None})
    assert evaluate(under_way, late_by(10)).unannounced is None
    assert evaluate(facts(invoice(), its_class=NOTICED), late_by(10)).unannounced is None  # called for just now


def test_nobody_is_asked_about_a_step_that_is_not_to_come():
    for customer in (changed(email=None, hold=Hold()), changed(email=None, promise=Promise("prm_1", late_by(12)))):
        assert evaluate(facts(invoice(), its_class=NOTICED, customer=customer), late_by(11)).unannounced is None


def test_it_is_noticed_once():
    out = {("suspended", "inv_1"): late_by(7)}
    assert evaluate(facts(invoice(), its_class=NOTICED, notices_out=out), late_by(8)).step_notice is None


def test_nobody_is_given_notice_who_has_no_address_is_on_hold_or_has_promised():
    for customer in (changed(email=None), changed(hold=Hold()), changed(promise=Promise("prm_1", late_by(8)))):
        assert evaluate(facts(invoice(), its_class=NOTICED, customer=customer), late_by(8)).step_notice is None


def test_a_notice_never_comes_before_anything_is_past_due():
    its_class = klass(limit_after_days=1, step_notice_days=10)
    assert evaluate(facts(invoice(), its_class=its_class), late_by(0)).step_notice is None
    notice = evaluate(facts(invoice(), its_class=its_class), late_by(1)).step_notice
    assert (notice.step, notice.effective_on) == ("limited", late_by(11))


def test_of_two_steps_that_are_near_only_the_more_severe_is_told():
    its_class = klass(limit_after_days=9, suspend_after_days=10, step_notice_days=3)
    told = [evaluate(facts(invoice(), its_class=its_class), late_by(d)).step_notice for d in (6, 7)]
    assert [n.step for n in told] == ["limited", "suspended"]


def test_day_by_day_or_late_the_service_is_the_same_in_the_end():
    daily = list(catch_up(facts(invoice(), its_class=STEPS), late_by(1), late_by(15)))
    state = CollectionState("cus_1")
    for day in range(1, 16):
        state = evaluate(facts(invoice(), its_class=STEPS, state=state), late_by(day)).state
    late = evaluate(facts(invoice(), its_class=STEPS), late_by(15)).state
    assert daily[-1].state == state
    assert late.step == state.step == "suspended"

"""A customer pays invoices of his own accord: once per page that he was shown, whatever goes wrong. PRODUCT 7, 11."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infra.local.faults import FAULTS, Calls, NoFaults, OneFault, faulty
from infra.local.invoker import SimulatedCrash
from shared.domain.customer import Customer, Hold
from shared.domain.errors import Invalid, NotFound
from shared.domain.pay_link import Asked, Submission
from shared.domain.payment import Payment
from shared.ports import Conflict, Unavailable
from shared.use_cases.pay_invoices import INVOICES_MAX, WORK_MAX, pay_invoices, results_of
from shared.use_cases.reconcile_payments import reconcile_payments
from shared.use_cases.submissions import submission_id
from tests.integration.ledger import assert_balanced
from tests.integration.stage import TODAY, Meddling, Stage

PAGE = "a-page"


@pytest.fixture
def stage():
    return make()


def make(*outcomes):
    stage = Stage()
    stage.settings()
    stage.customer()
    stage.card("cus_a", *outcomes, id="pm_1")
    return stage


def ask(*ids, amount=100_00):
    return tuple(Asked(id, amount) for id in ids)


def pay(stage, asked, nonce=PAGE, method="pm_1", ports=None):
    customer = stage.get(Customer, "cus_a")
    return pay_invoices(customer, nonce, method, asked, ports or stage.ports)


def told(stage, submission):
    return [r.payment.status if r.payment else r.reason for r in results_of(submission, stage.ports)]


def charged(stage):
    return [c.invoice_id for c in stage.gateway.charges if c.status == "succeeded"]


def test_each_chosen_invoice_is_charged_for_what_is_left_and_the_others_are_not(stage):
    first, second, third = (stage.posted(due_on=TODAY) for _ in range(3))
    done = pay(stage, ask(first, third))
    assert told(stage, done) == ["succeeded", "succeeded"]
    assert [stage.invoice(i).residual_minor for i in (first, second, third)] == [0, 100_00, 0]
    assert {p.submission_id for p in stage.every(Payment)} == {done.id}
    assert_balanced(stage)


def test_a_second_submit_of_the_same_page_has_no_effect_and_sees_the_first_result(stage):
    first, second = stage.posted(due_on=TODAY), stage.posted(due_on=TODAY)
    done = pay(stage, ask(first))
    again = pay(stage, ask(second))  # even if it asks for something else
    assert again == done
    assert charged(stage) == [first]


def test_what_was_declined_is_not_tried_again_by_the_same_page_but_by_a_new_one():
    stage = make("declined:insufficient_funds", "succeeded")
    id = stage.posted(due_on=TODAY)
    assert told(stage, pay(stage, ask(id))) == ["declined"]
    assert told(stage, pay(stage, ask(id))) == ["declined"]
    assert told(stage, pay(stage, ask(id), nonce="another")) == ["succeeded"]


def test_a_hold_keeps_nobody_from_paying_of_his_own_accord():
    stage = Stage()
    stage.settings()
    stage.customer(hold=Hold("dispute"), service="terminated")
    stage.card("cus_a", id="pm_1")
    id = stage.posted(due_on=TODAY)
    assert told(stage, pay(stage, ask(id))) == ["succeeded"]


def test_an_open_attempt_does():
    stage = make("timeout_charged")
    id = stage.posted(due_on=TODAY)
    assert told(stage, pay(stage, ask(id))) == ["unknown"]
    assert told(stage, pay(stage, ask(id), nonce="another")) == ["attempt_open"]
    stage.advance(minutes=5)
    reconcile_payments(stage.ports)
    assert told(stage, stage.get(Submission, submission_id("cus_a", PAGE))) == ["succeeded"]
    assert charged(stage) == [id]


@pytest.mark.parametrize(
    ("shown", "becomes"), [(99_99, "amount_changed"), (100_00, "succeeded"), (100_01, "amount_changed")]
)
def test_never_is_another_amount_charged_than_was_shown(stage, shown, becomes):
    id = stage.posted(due_on=TODAY)
    assert told(stage, pay(stage, ask(id, amount=shown))) == [becomes]
    assert len(charged(stage)) == (becomes == "succeeded")


def test_a_card_at_its_limit_is_not_tried(stage):
    ids = [stage.posted(due_on=TODAY) for _ in range(16)]
    outcomes = told(stage, pay(stage, ask(*ids)))
    assert outcomes == ["succeeded"] * 15 + ["card_limit"]


@pytest.mark.parametrize("count", [0, INVOICES_MAX + 1])
def test_nothing_or_too_much_at_a_time_is_refused(stage, count):
    with pytest.raises(Invalid):
        pay(stage, ask(*(f"inv_{n}" for n in range(count))))
    assert stage.every(Submission) == []


def test_someone_else_s_invoices_and_cards_and_drafts_do_not_exist_here(stage):
    stage.customer("cus_b")
    stage.card("cus_b", id="pm_b")
    mine, other, draft = stage.posted(due_on=TODAY), stage.posted("cus_b", due_on=TODAY), stage.draft()
    for asked, method in ((ask(mine, other), "pm_1"), (ask(mine), "pm_b"), (ask(mine, draft), "pm_1")):
        with pytest.raises(NotFound):
            pay(stage, asked, method=method)
    assert stage.every(Submission) == []
    assert not stage.gateway.charges


def test_whose_links_were_revoked_since_the_page_was_read_pays_nothing(stage):
    id = stage.posted(due_on=TODAY)
    before = stage.get(Customer, "cus_a")
    stage.save(replace(before, pay_epoch=1))
    with pytest.raises(Conflict):
        pay_invoices(before, PAGE, "pm_1", ask(id), stage.ports)
    assert not stage.gateway.charges


def test_what_there_was_no_time_for_is_left_and_gone_on_with(stage):
    ids = [stage.posted(due_on=TODAY) for _ in range(3)]

    class Slow:
        def __getattr__(self, name):
            return getattr(stage.gateway, name)

        def charge(self, payment):
            stage.clock.move_to(stage.clock.now() + WORK_MAX / 2)
            return stage.gateway.charge(payment)

    slow = replace(stage.ports, gateway=Slow())
    assert told(stage, pay(stage, ask(*ids), ports=slow)) == ["succeeded", "succeeded", "left"]
    assert told(stage, pay(stage, ask(*ids), ports=slow)) == ["succeeded"] * 3
    assert charged(stage) == ids


def test_two_submits_at_once_of_one_page_charge_once(stage):
    id = stage.posted(due_on=TODAY)
    for nth in (1, 2, 3):  # the other comes before this commit
        nonce = f"page{nth}"
        id = stage.posted(due_on=TODAY)
        meddled = replace(stage.ports, store=Meddling(stage.store, nth, lambda n=nonce, i=id: pay(stage, ask(i), n)))
        assert told(stage, pay(stage, ask(id), nonce, ports=meddled)) == ["succeeded"]
        assert charged(stage).count(id) == 1


@pytest.mark.parametrize("outcome", ["succeeded", "timeout_charged", "error_500", "declined:insufficient_funds"])
def test_whatever_goes_wrong_with_any_call_the_page_charges_once(outcome):
    expected = swept(outcome, NoFaults())[0]
    calls = swept(outcome, NoFaults())[1].seen
    assert len(calls) > 10
    for call in calls:
        for kind in FAULTS:
            found, _ = swept(outcome, OneFault(call.number, kind))
            assert found == expected, f"{kind} at {call}"


def swept(outcome, plan):
    stage = make(outcome, "succeeded")
    id = stage.posted(due_on=TODAY)
    calls = Calls(plan)
    calls.begin("PayPageFunction")
    try:
        pay(stage, ask(id), ports=faulty(stage.ports, calls))
    except (SimulatedCrash, Unavailable, Conflict):
        pass
    pay(stage, ask(id))  # the browser sends it again
    for hours in (1, 2, 25):
        stage.advance(hours=hours)
        reconcile_payments(stage.ports)
    assert_balanced(stage)
    attempts = [p for p in stage.every(Payment) if p.method == "card"]
    assert len(attempts) == 1
    assert attempts[0].submission_id == submission_id("cus_a", PAGE)
    assert len(charged(stage)) == (stage.invoice(id).residual_minor == 0)
    return stage.invoice(id).open_attempt_id, calls

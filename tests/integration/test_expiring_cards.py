"""A card that expires before the next collection date: who is told, when, and how often. PRODUCT 7."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from shared.domain.autopay import Criterion
from shared.domain.contract import Charge, Contract
from shared.domain.customer import Customer, Switches
from shared.domain.notice import Notice
from shared.domain.payment import PaymentMethod
from shared.domain.policy import AutoCharge
from shared.domain.runs import PaymentRun
from shared.ports import Save
from shared.use_cases.autopay_rules import ListDraft, RuleDraft, put_list
from shared.use_cases.expiring_cards import expires_first
from shared.use_cases.payment_methods import add_method, remove_method
from shared.use_cases.payment_runs import plan_payment_runs, start_payment_run
from tests.integration.stage import Stage

START = datetime(2026, 1, 9, tzinfo=UTC)
EXPIRED = date(2026, 2, 1)  # the first day on which a card of January is no good


@pytest.fixture
def stage():
    made = Stage(START)
    made.settings()
    made.customer()
    return made


def card(stage, month=1, year=2026, id="pm_1", customer_id="cus_a"):
    return add_method(PaymentMethod(id, customer_id, f"tok_{id}", "visa", "4242", month, year), stage.ports).entity


def run(stage, on):
    """The scheduled run of that day, at 11:00."""
    stage.clock.move_to(datetime(on.year, on.month, on.day, 11, tzinfo=UTC))
    plan_payment_runs(stage.ports)
    stage.deliver("charge")
    assert all(r.status == "completed" for r in stage.every(PaymentRun))


def told(stage, customer_id="cus_a"):
    return [n for n in stage.every(Notice) if n.kind == "card_expiring" and n.customer_id == customer_id]


@pytest.mark.parametrize(
    ("due_on", "count"),
    [
        (date(2026, 1, 31), 0),  # the card is good through the last day of its month
        (EXPIRED, 1),
        (date(2026, 3, 15), 1),
    ],
)
def test_whoever_is_collected_after_the_card_expires_is_told_once(stage, due_on, count):
    card(stage)
    stage.posted(due_on=due_on)
    for day in (10, 11, 12):
        run(stage, date(2026, 1, day))
    assert len(told(stage)) == count


def test_the_mail_names_the_card_and_the_date(stage):
    card(stage)
    stage.posted(due_on=date(2026, 2, 9))
    run(stage, date(2026, 1, 10))
    stage.queue.waiting.clear()  # the hint is lost
    [notice] = told(stage)
    stage.work("notice", f'{{"kind":"send_notice","notice_id":"{notice.id}"}}')
    [mail] = [a.mail for a in stage.mailer.accepted]
    assert "visa" in mail.subject
    assert "4242" in mail.subject
    assert "01/2026" in mail.subject
    assert "2026-02-09" in mail.text


def test_it_is_the_next_date_that_counts(stage):
    """Another invoice is collected while the card is good; once that is paid, the later one is next."""
    card(stage)
    stage.posted(due_on=date(2026, 1, 12))
    stage.posted(due_on=date(2026, 2, 12))
    run(stage, date(2026, 1, 10))
    run(stage, date(2026, 1, 11))
    assert told(stage) == []
    run(stage, date(2026, 1, 12))  # cards are looked at before the charge of the day
    run(stage, date(2026, 1, 13))
    assert len(told(stage)) == 1


def test_a_retry_that_comes_after_the_card_expires_counts(stage):
    card(stage)
    id = stage.posted(due_on=date(2026, 1, 9))
    stage.save(replace(stage.invoice(id), next_attempt_on=EXPIRED))
    run(stage, date(2026, 1, 10))
    assert len(told(stage)) == 1


@pytest.mark.parametrize(("next_bill_on", "count"), [(date(2026, 1, 1), 0), (date(2026, 1, 2), 1), (None, 0)])
def test_what_a_contract_bills_next_counts_with_its_terms(stage, next_bill_on, count):
    stage.klass(terms_days=30)
    card(stage)
    charge = Charge("chg_1", "Support", "recurring", 100_00)
    contract = Contract(
        "con_1", "cus_a", "Managed IT", "USD", START.date(), START.date(), 1, charges=(charge,),
        next_bill_on=next_bill_on,
    )  # fmt: skip
    stage.save(contract)
    method, customer = stage.get(PaymentMethod, "cus_a", "pm_1"), stage.get(Customer, "cus_a")
    found = expires_first(method, customer, date(2026, 1, 1), stage.ports)
    assert found == (EXPIRED if count else None)


def test_a_card_that_expired_last_month_counts_when_something_new_comes(stage):
    card(stage)
    run(stage, date(2026, 1, 10))
    stage.clock.move_to(datetime(2026, 2, 3, tzinfo=UTC))
    stage.posted(due_on=date(2026, 3, 5))
    run(stage, date(2026, 2, 4))
    assert len(told(stage)) == 1


def test_a_card_that_expires_in_another_month_is_left_for_then(stage):
    card(stage, month=2)
    stage.posted(due_on=date(2026, 3, 5))
    run(stage, date(2026, 1, 10))
    assert told(stage) == []
    run(stage, EXPIRED)
    assert len(told(stage)) == 1


def test_each_card_and_each_expiry_has_its_own_notice(stage):
    stage.posted(due_on=date(2026, 3, 5))
    card(stage)
    run(stage, date(2026, 1, 10))
    remove_method("pm_1", stage.ports)
    card(stage, id="pm_2")
    run(stage, date(2026, 1, 11))
    assert {n.subject_id for n in told(stage)} == {"pm_1", "pm_2"}
    assert {n.episode for n in told(stage)} == {"2026-01"}


# ---- who is not told ------------------------------------------------------------------------------------------


def master_switch_off(stage):
    stage.save(replace(stage.get(Customer, "cus_a"), automations=Switches(enabled=False)))


def no_address(stage):
    stage.save(replace(stage.get(Customer, "cus_a"), email=None))


def older_card_pays(stage):
    card(stage, year=2030, id="pm_0")
    stage.advance(minutes=1)


def rules_name_another(stage):
    card(stage, year=2030, id="pm_0")
    _rules(stage, "pm_0")


def autopay_is_off(stage):
    put_list("cus_a", ListDraft(enabled=False, rules=()), stage.ports, lambda before: None)


def class_does_not_charge(stage):
    stage.klass(auto_charge=None)


def _rules(stage, method_id):
    rule = RuleDraft("apr_1", method_id, (Criterion("amount", "gte", ("0.01",)),))
    put_list("cus_a", ListDraft(rules=(rule,)), stage.ports, lambda before: None)


@pytest.mark.parametrize(
    "prepare",
    [master_switch_off, no_address, older_card_pays, rules_name_another, autopay_is_off, class_does_not_charge],
)
def test_whom_it_does_not_concern_is_not_told(stage, prepare):
    prepare(stage)
    card(stage)
    stage.posted(due_on=date(2026, 2, 9))
    run(stage, date(2026, 1, 10))
    assert told(stage) == []


def test_nobody_is_told_of_what_has_left_autopay_or_is_paid(stage):
    card(stage)
    id = stage.posted(due_on=date(2026, 2, 9))
    stage.save(replace(stage.invoice(id), autopay_ended=True))
    run(stage, date(2026, 1, 10))
    assert told(stage) == []


def test_a_rule_that_names_the_card_makes_it_count(stage):
    older_card_pays(stage)
    card(stage)
    _rules(stage, "pm_1")
    stage.posted(due_on=date(2026, 2, 9))
    run(stage, date(2026, 1, 10))
    assert [n.subject_id for n in told(stage)] == ["pm_1"]


def test_a_card_removed_before_the_mail_goes_is_not_spoken_of(stage):
    card(stage)
    stage.posted(due_on=date(2026, 2, 9))
    run(stage, date(2026, 1, 10))
    remove_method("pm_1", stage.ports)
    stage.deliver("notice")
    [notice] = told(stage)
    assert (notice.status, notice.reason) == ("suppressed", "card_removed")


def test_a_run_by_hand_tells_nobody(stage):
    card(stage)
    stage.posted(due_on=date(2026, 2, 9))
    start_payment_run(stage.ports)
    stage.deliver("charge")
    assert told(stage) == []


# ---- many, twice, and together --------------------------------------------------------------------------------


def test_any_number_of_cards_is_gone_through_page_by_page(stage):
    for n in range(250):
        stage.save(Customer(f"cus_{n:03d}", f"c{n}", email="a@example.com", automations=Switches(enabled=True)))
        stage.posted(f"cus_{n:03d}", due_on=date(2026, 2, 9))
        card(stage, id=f"pm_{n:03d}", customer_id=f"cus_{n:03d}")
    run(stage, date(2026, 1, 10))
    assert len({n.customer_id for n in stage.every(Notice) if n.kind == "card_expiring"}) == 250
    assert stage.queue.depth("notice") >= 250


def test_a_notice_that_somebody_records_meanwhile_stops_nothing(stage):
    card(stage)
    stage.posted(due_on=date(2026, 2, 9))
    stage.clock.move_to(datetime(2026, 1, 10, 11, tzinfo=UTC))
    plan_payment_runs(stage.ports)
    inner, once = stage.store.commit, []

    def commit(*changes):
        notices = [c for c in changes if isinstance(c, Save) and isinstance(c.entity, Notice)]
        if notices and not once:
            once.append(True)
            inner(Save(replace(notices[0].entity, created_at=stage.clock.now() - timedelta(minutes=1))))
        inner(*changes)

    stage.store.commit = commit
    stage.deliver("charge")
    assert once
    assert len(told(stage)) == 1
    assert {r.status for r in stage.every(PaymentRun)} == {"completed"}


def test_the_collection_date_is_that_of_the_class(stage):
    stage.klass(auto_charge=AutoCharge("day_of_month", day=31))
    card(stage)
    stage.posted(due_on=date(2026, 3, 9), on=date(2026, 1, 9))
    run(stage, date(2026, 1, 10))
    assert told(stage) == [], "it is collected on the 31st, when the card is still good"

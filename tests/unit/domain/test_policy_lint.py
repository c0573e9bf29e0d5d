"""What is saved although it is hardly meant, and what is not complained of. PRODUCT 12."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from shared.domain.policy import AutoCharge, CustomerClass, Policy
from shared.domain.policy_lint import lint_class, lint_rules, lint_schedule, lint_settings
from shared.domain.settings import (
    Automations,
    BillRunSettings,
    Business,
    PastDue,
    PaymentRunSettings,
    Retries,
    Settings,
    Tier,
    Trigger,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def said(settings, now=NOW):
    return [(w.field, w.code) for w in lint_settings(settings, now)]


def of_class(**policy):
    settings = policy.pop("settings", Settings())
    return [(w.field, w.code) for w in lint_class(CustomerClass("cls_1", "One", Policy(**policy)), settings)]


def billing(schedule, timezone="UTC"):
    return Settings(business=Business(timezone=timezone), bill_run=BillRunSettings(schedule=schedule))


def test_the_defaults_are_fine():
    assert said(Settings()) == []
    assert lint_class(CustomerClass("cls_1", "One"), Settings()) == []


@pytest.mark.parametrize(
    ("schedule", "timezone", "warned"),
    [
        ("30 2 * * *", "Europe/Berlin", True),  # 02:30 is skipped on 29 March
        ("0 2 * * *", "Europe/Berlin", True),
        ("59 1 * * *", "Europe/Berlin", False),
        ("0 3 * * *", "Europe/Berlin", False),
        ("30 1 * * *", "America/New_York", True),  # 01:30 comes twice on 1 November
        ("0 2,14 * * *", "Europe/Berlin", True),
        ("30 2 * * *", "UTC", False),
        ("30 2 1 * *", "Europe/Berlin", False),  # the clocks never change on the first
        ("0 * * * *", "Europe/Berlin", False),  # hourly: one more or less is no matter
        ("0 0 * * *", "Africa/Cairo", True),  # midnight itself is skipped
    ],
)
def test_a_time_that_the_clocks_skip_or_repeat_is_told(schedule, timezone, warned):
    expected = [("bill_run.schedule", "schedule_on_clock_change")] if warned else []
    assert said(billing(schedule, timezone)) == expected


def test_a_schedule_that_is_years_away_is_told():
    assert said(billing("0 4 29 2 *")) == [("bill_run.schedule", "schedule_never_fires")]
    assert said(billing("0 4 29 2 *"), datetime(2028, 1, 1, tzinfo=UTC)) == []


@pytest.mark.parametrize(("pays", "warned"), [("0 4 * * *", True), ("59 4 * * *", True), ("0 5 * * *", False)])
def test_a_payment_run_that_cannot_have_the_bill_runs_invoices_is_told(pays, warned):
    settings = Settings(
        bill_run=BillRunSettings(enabled=True),
        payment_run=PaymentRunSettings(enabled=True, schedule=pays, wait_for_bill_run=False),
    )
    code = [("payment_run.schedule", "payment_before_billing")] if warned else []
    assert said(settings) == code
    assert said(replace(settings, payment_run=replace(settings.payment_run, wait_for_bill_run=True))) == []


def test_chasing_before_charging_is_told():
    past_due = Automations(past_due=PastDue(enabled=True, schedule="0 9 * * *"))
    settings = Settings(payment_run=PaymentRunSettings(enabled=True), automations=past_due)
    assert said(settings) == [("automations.past_due.schedule", "chased_before_charged")]
    assert said(replace(settings, payment_run=PaymentRunSettings(enabled=True, schedule="0 9 * * *"))) == []


@pytest.mark.parametrize(("every", "warned"), [(12, False), (13, True), (14, True)])
def test_a_repetition_that_the_next_tier_comes_before_is_told(every, warned):
    tiers = (Tier(1, "past_due_1", every), Tier(14, "past_due_2"))
    found = said(Settings(automations=Automations(past_due=PastDue(tiers=tiers))))
    assert found == ([("automations.past_due.tiers[0].repeat_every_days", "reminded_after_tier")] if warned else [])


def test_triggers_out_of_order_are_told():
    found = said(Settings(automations=Automations(past_due=PastDue(triggers=(Trigger(30), Trigger(14))))))
    assert found == [("automations.past_due.triggers[1].days", "trigger_jumped_over")]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"limit_after_days": 10, "suspend_after_days": 20, "terminate_after_days": 60}, []),
        ({"limit_after_days": 20, "suspend_after_days": 20}, [("regular.suspend_after_days", "steps_out_of_order")]),
        ({"suspend_after_days": 30, "terminate_after_days": 29},
         [("regular.terminate_after_days", "steps_out_of_order")]),
        ({"suspend_after_days": 3}, [("regular.suspend_after_days", "step_before_notice")]),
        ({"suspend_after_days": 4}, []),
        ({"suspend_after_days": 1, "step_notice_days": 0}, []),
        ({"terminate_after_days": 15}, [("regular.terminate_after_days", "retry_after_step")]),  # 3 + 5 + 7 days
        ({"terminate_after_days": 16}, []),
        ({"terminate_after_days": 15, "auto_charge": None}, []),
        ({"terminate_after_days": 15, "auto_charge": AutoCharge("invoice_date"), "terms_days": 10}, []),
        ({"terminate_after_days": 15, "settings": Settings(retries=Retries((1,)))}, []),
        ({"terms_days": 5, "reminders_before_due": (6, 5)},
         [("regular.reminders_before_due", "reminder_after_posting")]),
    ],
)  # fmt: skip
def test_a_policy_that_contradicts_itself_is_told(policy, expected):
    assert of_class(**policy) == expected


def test_retries_that_outlast_service_are_told_where_they_are_set_too():
    ending = Policy(terminate_after_days=15)
    classes = [CustomerClass("cls_1", "Short", ending, ending), CustomerClass("cls_2", "Long")]
    (warned,) = lint_settings(Settings(), NOW, classes)
    assert (warned.field, warned.code) == ("retries.retry_days", "retry_after_step")
    assert "Short ends service 15 days past due" in warned.message
    assert lint_settings(Settings(retries=Retries((3, 5))), NOW, classes) == []


def test_rules_that_never_pay_are_told_with_the_way_out():
    found = lint_rules(["apr_a", "apr_b", "apr_c"], {"apr_a": None, "apr_b": "apr_a", "apr_c": None}, {"apr_c"})
    assert [(w.field, w.code) for w in found] == [("rules[1]", "rule_unreachable"), ("rules[2]", "rule_unreachable")]
    assert "apr_a always matches first" in found[0].message
    assert "no invoice can meet all its criteria" in found[1].message


def test_a_schedule_of_a_customer_s_own_is_looked_at_in_its_own_time_zone():
    assert lint_schedule("f", None, "UTC", NOW) == []
    assert lint_schedule("f", "30 2 * * *", "UTC", NOW) == []
    assert [w.code for w in lint_schedule("f", "30 2 * * *", "Europe/Berlin", NOW)] == ["schedule_on_clock_change"]

"""Which switch keeps an automation from acting for a customer: the table of PRODUCT 2."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from shared.domain.customer import Customer, Hold, Pause, Switches, why_off
from shared.domain.settings import AUTOMATIONS, AccountSummary, Automations, PastDue, SendNewInvoices, Settings

ON = date(2026, 3, 31)
ALL_ON = Settings(automations=Automations(SendNewInvoices(True), AccountSummary(True), PastDue(True)))
ACME = Customer("cus_1", "Acme", "ap@acme.example", automations=Switches(enabled=True))

everyone = pytest.mark.parametrize("automation", AUTOMATIONS)


@everyone
def test_it_acts_when_everything_is_on(automation):
    assert why_off(automation, ACME, ALL_ON, ON) is None


@everyone
def test_everything_is_off_by_default(automation):
    assert why_off(automation, ACME, Settings(), ON) == "global_off"
    assert why_off(automation, replace(ACME, automations=Switches()), ALL_ON, ON) == "customer_off"


@everyone
@pytest.mark.parametrize(("own", "reason"), [(None, None), (True, None), (False, "switch_off")])
def test_the_own_switch_inherits_and_can_only_turn_off(automation, own, reason):
    customer = replace(ACME, automations=replace(ACME.automations, **{automation: own}))
    assert why_off(automation, customer, ALL_ON, ON) == reason
    assert why_off(automation, customer, Settings(), ON) == "global_off"


@everyone
@pytest.mark.parametrize(
    ("through", "reason"),
    [(ON - timedelta(days=1), None), (ON, "paused"), (ON + timedelta(days=1), "paused"), (None, "paused")],
)
def test_a_pause_through_a_day_is_quiet_on_it_and_over_the_next(automation, through, reason):
    assert why_off(automation, ACME.with_pause(Pause(automation, through)), ALL_ON, ON) == reason


def test_a_pause_of_one_automation_leaves_the_others_alone():
    paused = ACME.with_pause(Pause("past_due"))
    assert [why_off(a, paused, ALL_ON, ON) for a in AUTOMATIONS] == [None, None, "paused"]


@pytest.mark.parametrize(("through", "reason"), [(ON, "on_hold"), (None, "on_hold"), (ON - timedelta(days=1), None)])
def test_a_hold_stops_collection_mail_only(through, reason):
    held = replace(ACME, hold=Hold("dispute", through))
    assert [why_off(a, held, ALL_ON, ON) for a in AUTOMATIONS] == [None, None, reason]


@pytest.mark.parametrize(
    "customer",
    [replace(ACME, email=None), replace(ACME, email=""), replace(ACME, email_problem="bounced"),
     replace(ACME, email_problem="complained")],
)  # fmt: skip
def test_without_a_usable_address_nothing_goes(customer):
    assert why_off("send_new_invoices", customer, ALL_ON, ON) == "no_address"


def test_a_run_that_asks_for_mail_stands_in_for_the_global_switch_alone():
    def off(customer):
        return why_off("send_new_invoices", customer, Settings(), ON, ignore_global=True)

    assert off(ACME) is None
    assert off(replace(ACME, automations=Switches())) == "customer_off"
    assert off(replace(ACME, automations=Switches(enabled=True, send_new_invoices=False))) == "switch_off"
    assert off(ACME.with_pause(Pause("send_new_invoices", ON))) == "paused"


def test_the_first_thing_that_turns_it_off_is_named():
    paused = replace(ACME, email=None).with_pause(Pause("past_due"))
    held = replace(paused, hold=Hold("other"))
    steps = (
        (Settings(), replace(held, automations=Switches(False, past_due=False)), "global_off"),
        (ALL_ON, replace(held, automations=Switches(False, past_due=False)), "customer_off"),
        (ALL_ON, replace(held, automations=Switches(True, past_due=False)), "switch_off"),
        (ALL_ON, held, "paused"),
        (ALL_ON, replace(held, pauses=()), "on_hold"),
        (ALL_ON, replace(held, pauses=(), hold=None), "no_address"),
    )
    for settings, customer, reason in steps:
        assert why_off("past_due", customer, settings, ON) == reason

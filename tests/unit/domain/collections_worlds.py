"""Builders of what collections look at, with every default in them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from shared.domain.collection import CollectionState
from shared.domain.collection_facts import Facts
from shared.domain.contract import Contract
from shared.domain.customer import Customer, Switches
from shared.domain.invoice import Invoice
from shared.domain.policy import CustomerClass, Policy
from shared.domain.settings import Automations, PastDue, Settings, Trigger

DAY = timedelta(days=1)
DUE = date(2026, 1, 31)
ACME = Customer("cus_1", "Acme", "ap@acme.example", automations=Switches(enabled=True))
NOTHING = CollectionState("cus_1")
IN_SERVICE = Contract("con_1", "cus_1", "IT", "USD", date(2025, 1, 1), date(2025, 1, 1), 1)


def late_by(days):
    return DUE + days * DAY


def invoice(due_on=DUE, residual=100_00, id="inv_1", **more):
    return Invoice(
        id, "cus_1", more.pop("currency", "USD"), due_on - 30 * DAY, status="posted", total_minor=residual,
        residual_minor=more.pop("left", residual), due_on=due_on, posted_on=due_on - 30 * DAY, **more,
    )  # fmt: skip


def klass(**policy):
    made = Policy(**{"reminders_before_due": (), "step_notice_days": 0, **policy})
    return CustomerClass("cls_1", "One", made, made)


def settings(*triggers, **past_due):
    return Settings(automations=Automations(past_due=PastDue(enabled=True, triggers=triggers, **past_due)))


def trigger(days, *actions):
    return Trigger(days, tuple(actions))


def facts(*open_invoices, state=NOTHING, its_class=None, customer=ACME, contracts=(IN_SERVICE,), **more):
    return Facts(
        customer, its_class or klass(), more.pop("settings", settings()), open_invoices, state, contracts=contracts,
        **more,
    )  # fmt: skip


def changed(customer=ACME, **fields):
    return replace(customer, **fields)

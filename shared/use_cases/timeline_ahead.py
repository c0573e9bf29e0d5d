"""What is planned for a customer, by the same functions that will do it, as entries of the timeline. PRODUCT 2, 9."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta

from shared.domain.account_summary import SummarySchedule, schedule_id, schedule_key
from shared.domain.collection_facts import Facts
from shared.domain.contract import Contract
from shared.domain.copies import replace
from shared.domain.customer import Customer, Service, why_off
from shared.domain.invoice import Invoice
from shared.domain.past_due import Evaluation, look_ahead
from shared.domain.settings import Action, Settings
from shared.domain.timeline_entry import Entry, money
from shared.domain.triggers import Fired
from shared.ports import Ports
from shared.use_cases.accounts import STEP_KINDS, looked_at_next, swept_on
from shared.use_cases.autopay_rules import choose_payer
from shared.use_cases.explain_invoice import explain_collection
from shared.use_cases.lookups import local_on
from shared.use_cases.timeline_past import named

A_DAY = timedelta(days=1)
LOOKS_AHEAD_MAX = 200  # days with a change in sight
AHEAD_MAX = timedelta(days=180)  # how far collections are looked ahead at
COLLECTIONS_MAX = 100  # open invoices, the oldest due first, whose collection is planned
STEP_WORDS: dict[Service, str] = {
    "limited": "Service is limited", "suspended": "Service is suspended", "terminated": "Service is terminated",
}  # fmt: skip


def planned(facts: Facts, contracts: Sequence[Contract], on: date, ports: Ports) -> Iterator[Entry]:
    """Everything that is to come as far as is known today, in no order."""
    yield from _bills(contracts, facts.settings, on)
    yield from _collections(facts, on, ports)
    yield from _steps(facts, on, looked_at_next(facts.customer, facts.settings, ports))
    yield from _ends(facts.customer, facts.open, on)
    yield from _summary(facts.customer, facts.settings, ports)


def _bills(contracts: Iterable[Contract], settings: Settings, on: date) -> Iterator[Entry]:
    by = "" if settings.bill_run.enabled else ", once somebody starts a bill run"
    for contract in contracts:
        if contract.next_bill_on is not None:
            words = f"Contract {contract.name} is billed{by}"
            yield Entry("bill", contract.id, words, on=max(contract.next_bill_on, on), planned=True)


def _collections(facts: Facts, on: date, ports: Ports) -> Iterator[Entry]:
    """When invoices fall due, and when each is charged automatically."""
    customer, settings = facts.customer, facts.settings
    for invoice in facts.open[:COLLECTIONS_MAX]:
        worth = (invoice.residual_minor, invoice.currency)
        if invoice.due_on is not None and invoice.due_on >= on:
            words = f"{named(invoice)} is due: {money(*worth)}"
            yield Entry("invoice_due", invoice.id, words, None, invoice.due_on, *worth, planned=True)
        step = explain_collection(invoice, customer, facts.its_class, settings, on, ports)
        if step.next_on is None or not settings.payment_run.enabled:
            continue
        if step.reason == "retry_scheduled":
            words = f"The charge for {named(invoice)} is tried again: {money(*worth)}"
            yield Entry("retry", invoice.id, words, None, step.next_on, *worth, planned=True)
        elif step.reason == "payment_run_due" or _has_payer(invoice, step.reason, step.next_on, ports):
            words = f"{named(invoice)} is charged: {money(*worth)}"
            yield Entry("collection", invoice.id, words, None, step.next_on, *worth, planned=True)


def _has_payer(invoice: Invoice, reason: str | None, on: date, ports: Ports) -> bool:
    return reason == "not_due" and choose_payer(invoice, ports, on).method is not None


# ---- collections ----------------------------------------------------------------------------------------------


def _steps(facts: Facts, on: date, first: date) -> Iterator[Entry]:
    """Reminders, tiers, triggers, fees, and service steps with their notices, if nothing is paid meanwhile."""
    asked = False
    for called_for, before in look_ahead(facts, first, LOOKS_AHEAD_MAX):
        if called_for.on > on + AHEAD_MAX:
            return
        found = replace(called_for, on=swept_on(called_for.on, facts.customer, facts.settings))
        yield from _told(found)
        yield from (_fired(fired, found) for fired in found.fired)
        for fee in found.fees:
            worth = (fee.amount_minor, fee.invoice.currency)
            words = f"A late fee of {money(*worth)} is charged on {named(fee.invoice)}"
            yield Entry("late_fee", fee.invoice.id, words, None, found.on, *worth, planned=True)
        yield from _served(found, before)
        if (waits := found.unannounced) is not None:
            words = f"Service is to be {waits.step}, but waits: notice of it reaches nobody; a person is asked"
            yield Entry("task", waits.invoice.id, words, on=found.on, planned=True)
        if found.confirm is not None and not asked:
            asked = True  # the question is called for again on each day, but asked once
            words = "Termination of service comes due and waits for a person's confirmation"
            yield Entry(STEP_KINDS["terminated"], found.state.customer_id, words, on=found.on, planned=True)


def _told(found: Evaluation) -> Iterator[Entry]:
    for invoice, days in found.reminders:
        words = f"A reminder is mailed: {named(invoice)} is due in {days} day{'' if days == 1 else 's'}"
        yield Entry("reminder", invoice.id, words, on=found.on, planned=True)
    if found.notify is not None and found.oldest is not None:
        words = f"Past-due notice {found.tier} is mailed" + (" again" if found.repeat else "")
        yield Entry(f"past_due_{found.tier}", found.oldest.id, words, on=found.on, planned=True)
    if found.step_notice is not None:
        step = found.step_notice
        words = f"Notice is mailed that service is to be {step.step}, not before {step.effective_on}"
        yield Entry("service_step", step.invoice.id, words, on=found.on, planned=True)


def _served(found: Evaluation, before: Service) -> Iterator[Entry]:
    if found.service != before and found.service in STEP_KINDS:
        kind = STEP_KINDS[found.service]
        yield Entry(kind, found.state.customer_id, STEP_WORDS[found.service], on=found.on, planned=True)


def _fired(fired: Fired, found: Evaluation) -> Entry:
    actions = ", ".join(_action(a) for _, a in fired.actions) or "nothing may be done"
    words = f"The trigger at {fired.days} past-due days fires: {actions}"
    return Entry("trigger", found.state.customer_id, words, on=found.on, planned=True)


def _action(action: Action) -> str:
    said = action.template or action.amount or action.name or action.title
    return action.type.replace("_", " ") + (f" {said}" if said else "")


# ---- ends, and the account summary ----------------------------------------------------------------------------


def _ends(customer: Customer, invoices: Iterable[Invoice], on: date) -> Iterator[Entry]:
    """The first days without a pause or hold, and the days promised."""
    for pause in customer.pauses:
        if pause.through is not None and pause.through >= on:
            yield _ending("pause_ends", customer.id, f"The pause ({pause.automation}) ends", pause.through)
    if customer.hold is not None and customer.hold.through is not None and customer.hold.through >= on:
        yield _ending("hold_ends", customer.id, f"The hold ({customer.hold.reason}) ends", customer.hold.through)
    for invoice in invoices:
        hold = invoice.hold
        if hold is not None and hold.through is not None and hold.through >= on:
            yield _ending("hold_ends", invoice.id, f"The hold on {named(invoice)} ({hold.reason}) ends", hold.through)
    promise = customer.promise
    if promise is not None and promise.through >= on:
        asked = promise.amount_minor is not None
        worth = (promise.amount_minor, customer.currency if asked else None)
        yield Entry("promise_due", promise.id, "Payment is promised by this day", None, promise.through, *worth, True)


def _ending(kind: str, subject_id: str, words: str, through: date) -> Entry:
    on = through + A_DAY if through < date.max else through
    return Entry(kind, subject_id, f"{words}: it goes through {through}", on=on, planned=True)


def _summary(customer: Customer, settings: Settings, ports: Ports) -> Iterator[Entry]:
    """The next occurrence of its schedule, if the switches and pauses let it go on that day."""
    key, now = schedule_key(customer), ports.clock.now()
    at = SummarySchedule(schedule_id(*key), *key, now).planned(now, settings).next_at
    if at is not None and why_off("account_summary", customer, settings, local_on(at, customer, settings)) is None:
        yield Entry("account_summary", customer.id, "The account summary is mailed", at=at, planned=True)

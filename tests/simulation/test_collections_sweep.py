"""An assessment, and service lifted by a payment, with every way that every call of theirs can go wrong.

The queue delivers the message again, the past-due job comes by, and the same is left behind as without the fault: each
notice, fee, step, task and event once, those on the bus at least once.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from shared.contracts.messages import AssessCustomers, PublishEvent, RefreshCustomer
from shared.domain.account_event import AccountEvent
from shared.domain.collection import CollectionState
from shared.domain.contract import Contract
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice
from shared.domain.outbox import OutboxEvent
from shared.domain.policy import CustomerClass, LateFee, Policy
from shared.domain.records import Owner
from shared.domain.settings import Action, Automations, PastDue, SendNewInvoices, Settings, Trigger
from shared.domain.task import Task
from shared.use_cases import assess_customer as assessing
from shared.use_cases import late_fees, outbox
from shared.use_cases.outbox import sweep_events
from shared.use_cases.record_payment import ManualPayment, record_payment
from shared.use_cases.sweep_notices import sweep_notices
from shared.use_cases.void_invoice import void_invoice
from tests.integration.stage import Stage
from tests.simulation import stage_sweep
from tests.simulation.stage_sweep import recovered, unprepared

DUE = date(2026, 1, 1)
DAY_14 = datetime(2026, 1, 15, 14, tzinfo=UTC)


def world_of():
    """A customer for whom day 14 brings all that a day can bring."""
    stage = Stage(DAY_14)
    actions = (
        Action("send_template", template="past_due_3"),
        Action("late_fee", amount="25.00"),
        Action("suspend"),
        Action("emit_event", name="customer.escalated"),
        Action("task", title="Call"),
    )
    past_due = PastDue(enabled=True, triggers=(Trigger(14, actions),))
    on = Automations(past_due=past_due, send_new_invoices=SendNewInvoices(True))
    stage.settings(Settings(automations=on))
    policy = Policy(
        late_fee=LateFee("5.00", grace_days=13), limit_after_days=3, terminate_after_days=17, step_notice_days=3
    )
    stage.save(CustomerClass("cls_standard", "Standard", policy, policy))
    stage.customer()
    stage.save(Contract("con_1", "cus_a", "IT", "USD", DUE, DUE, 1), Owner("con_1", "cus_a"))
    stage.posted("cus_a", due_on=DUE, on=DUE)
    return stage


def assess(stage):
    message = AssessCustomers(customer_ids=("cus_a",), occurred_at=DAY_14, after=DAY_14 - timedelta(days=1))
    stage.work("assess", message.body())


def calm(stage):
    """What is left in the queues, and the next tick."""
    for _ in range(2):  # a mail whose PDF is not there asks for it first
        stage.deliver()
        stage.advance(hours=1)
        sweep_events(stage.ports)
        sweep_notices(stage.ports)


def state_of(stage):
    events = list(stage.ports.bus.events)
    return {
        "notices": sorted((n.kind, n.step, n.status) for n in stage.every(Notice)),
        "invoices": sorted((i.type, i.total_minor, i.late_fee, i.late_fees) for i in stage.every(Invoice)),
        "statuses": sorted(i.status for i in stage.every(Invoice)),
        "numbers": sorted(i.number for i in stage.every(Invoice)),
        "tasks": sorted(t.kind for t in stage.every(Task)),
        "service": stage.get(Customer, "cus_a").service,
        "contract": stage.get(Contract, "cus_a", "con_1").status(stage.clock.now().date()),
        "fired": stage.get(CollectionState, "cus_a").fired,
        "told": sorted((e.kind, e.about) for e in stage.every(AccountEvent)),
        "left in the outbox": len(stage.every(OutboxEvent)),
        "events": sorted({(e.detail_type, str(e.detail["id"])) for e in events}),
    }


def swept(work, prepare=unprepared):
    def made():
        stage = world_of()
        prepare(stage)
        return stage

    return stage_sweep.swept(made, work, calm, state_of)


def test_a_day_that_brings_everything_brings_it_once_whatever_goes_wrong():
    expected, wrong = swept(assess)
    assert wrong == []
    assert [n[0] for n in expected["notices"]] == [
        "invoice", "invoice", "invoice", "past_due_2", "service_step", "template:past_due_3",
    ]  # fmt: skip
    assert [i[:3] for i in expected["invoices"]] == [
        ("debit_memo", 5_00, "0"), ("debit_memo", 25_00, "t14.1"), ("regular", 100_00, None),
    ]  # fmt: skip
    assert expected["numbers"] == ["DM-000001", "DM-000002", "INV-000001"]
    assert [e[0] for e in expected["events"]] == ["customer.escalated", "customer.suspended"]
    assert (expected["contract"], expected["left in the outbox"]) == ("suspended", 0)
    assert expected["told"][-3:] == [("service_suspended", ""), ("tier_entered", "2"), ("trigger_fired", "14")]


def paid(stage):
    """All of it, by a cheque; the message to look at the service waits."""
    recovered(stage, assess, calm)
    record_payment(ManualPayment("pay_1", "cus_a", "USD", 130_00, "check"), stage.ports)
    stage.queue.waiting = [m for m in stage.queue.waiting if m[1] != "assess"]


def refresh(stage):
    stage.work("assess", RefreshCustomer(customer_id="cus_a").body())


def test_service_is_restored_by_a_payment_whatever_goes_wrong():
    expected, wrong = swept(refresh, prepare=paid)
    assert wrong == []
    assert (expected["service"], expected["contract"]) == ("active", "active")
    assert [e[0] for e in expected["events"]] == ["customer.escalated", "customer.restored", "customer.suspended"]


def told(stage):
    """The events are stored, and the messages that announced them are lost."""
    assess(stage)
    stage.queue.waiting = [m for m in stage.queue.waiting if m[1] != "assess"]


def publish(stage):
    for event in sorted(stage.every(OutboxEvent), key=lambda e: e.id):
        stage.work("assess", PublishEvent(event_id=event.id).body())


def test_events_reach_the_bus_whatever_goes_wrong():
    expected, wrong = swept(publish, prepare=told)
    assert wrong == []
    assert len(expected["events"]) == 2


def void(stage):
    (invoice,) = (i for i in stage.every(Invoice) if i.type == "regular")
    void_invoice(invoice.id, stage.ports)


def owing_fees(stage):
    recovered(stage, assess, calm)


def owing():
    stage = world_of()
    owing_fees(stage)
    return stage


def test_an_invoice_is_voided_with_its_late_fees_or_not_at_all():
    expected, wrong = swept(void, prepare=owing_fees)
    assert wrong == []
    assert expected["statuses"] == ["void", "void", "void"]
    seen = set()
    for call in stage_sweep.calls_of(owing(), void):
        stage = owing()
        stage_sweep.with_calls(stage, void, stage_sweep.OneFault(call.number, "crash_after"))
        seen.add(tuple(i.status for i in stage.every(Invoice)))
    assert seen == {("posted",) * 3, ("void",) * 3}


# ---- the sweep is swept: bugs that it must find ---------------------------------------------------------------


def fees_with_ids_of_their_own(patch):
    made = []

    def id_of(*parts):
        made.append(parts)
        return f"inv_fee_{len(made)}"

    patch.setattr(late_fees, "fee_id", id_of)
    patch.setattr(late_fees, "replace", lambda entity, **fields: entity)  # … and not remembered by the invoice


def state_before_effects(patch):
    """The checkpoint is written before what it says was done."""
    changes = assessing._changes

    def first_the_state(plan, customer, before):
        return [c for c in changes(plan, customer, before) if isinstance(getattr(c, "entity", None), CollectionState)]

    patch.setattr(assessing, "_changes", first_the_state)


def removed_before_published(patch):
    publish = outbox.publish_event

    def publish_event(event_id, ports):
        event = ports.store.get(OutboxEvent, event_id)
        if event is not None:
            ports.store.commit(outbox.Remove(event))
            ports.bus.publish(event.detail_type, event.detail)
        return publish(event_id, ports)

    patch.setattr("functions.past_due.assess.publish_event", publish_event)


@pytest.mark.parametrize(
    ("bug", "work", "prepare"),
    [
        (fees_with_ids_of_their_own, assess, unprepared),
        (state_before_effects, assess, unprepared),
        (removed_before_published, publish, told),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_sweep_finds_a_planted_bug(bug, work, prepare, monkeypatch):
    healthy = swept(work, prepare)
    assert healthy[1] == []
    bug(monkeypatch)
    try:
        found = swept(work, prepare)
    except Exception as error:  # noqa: BLE001 - so wrong that it shows on the way
        found = {}, [str(error)]
    assert found[1] or found[0] != healthy[0]

"""What an evaluation calls for, as records: notices, tasks and events, each under its business key. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from shared.domain.collection import CollectionState, Warned, seen_of
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.ids import derive_id
from shared.domain.invoice import Invoice
from shared.domain.notice import BY_TRIGGER, Notice, notice_id
from shared.domain.outbox import OutboxEvent
from shared.domain.past_due import Evaluation
from shared.domain.service_steps import StepNotice, termination_task
from shared.domain.task import Task
from shared.ports import Ports
from shared.use_cases.outbox import new_event


def notices_called_for(
    found: Evaluation, customer: Customer, before: CollectionState, now: datetime
) -> Iterator[Notice]:
    episode = str(found.state.episode_since)
    for invoice, days in found.reminders:
        yield Notice(
            id=notice_id(customer.id, "reminder", invoice.id, str(days)), customer_id=customer.id, kind="reminder",
            subject_id=invoice.id, episode=str(days), created_at=now,
        )  # fmt: skip
    if found.notify is not None and found.oldest is not None:
        yield _tier_notice(found, found.oldest.id, customer, episode, now)
    for trigger in found.fired:
        for place, action in trigger.actions:
            if action.type == "send_template" and found.oldest is not None:
                kind, key = f"{BY_TRIGGER}{action.template}", f"{trigger.days}.{place}"
                yield Notice(
                    id=notice_id(customer.id, kind, key, episode), customer_id=customer.id, kind=kind,
                    subject_id=found.oldest.id, episode=episode, created_at=now, tier=found.tier or None,
                )  # fmt: skip
    if found.step_notice is not None:
        yield _step_notice(found.step_notice, customer, before, episode, now)


def _tier_notice(found: Evaluation, oldest_id: str, customer: Customer, episode: str, now: datetime) -> Notice:
    """Its key is (customer, kind, episode), so a tier is told once in an episode; a repetition has its number too."""
    kind = f"past_due_{found.tier}"
    key = episode if not found.repeat else f"{episode}+{found.repeat}"
    return Notice(
        id=notice_id(customer.id, kind, customer.id, key), customer_id=customer.id, kind=kind, tier=found.tier,
        subject_id=oldest_id, episode=episode, created_at=now,
    )  # fmt: skip


def _step_notice(
    called_for: StepNotice, customer: Customer, before: CollectionState, episode: str, now: datetime
) -> Notice:
    """One that was lost is told again under a further number."""
    step, invoice = called_for.step, called_for.invoice
    lost = sum(1 for w in before.warned if (w.step, w.invoice_id) == (step, invoice.id))
    key = f"{step}:{invoice.id}" + (f"+{lost}" if lost else "")
    return Notice(
        id=notice_id(customer.id, "service_step", key, episode), customer_id=customer.id, kind="service_step",
        subject_id=invoice.id, episode=episode, created_at=now, step=step,
    )  # fmt: skip


def with_warnings(state: CollectionState, notices: Sequence[Notice]) -> CollectionState:
    """The state that remembers the notices of steps; it has to be looked at again until they are out."""
    told = [Warned(n.step, n.subject_id, n.id) for n in notices if n.step is not None]
    return replace(state, warned=tuple(dict.fromkeys([*state.warned, *told]))) if told else state


def with_fees(state: CollectionState, open_invoices: Sequence[Invoice], memos: Sequence[Invoice]) -> CollectionState:
    """The state that knows of the fees posted with it: they fall past due the day after."""
    if not memos:
        return state
    seen = seen_of(sorted((str(i.due_on), i.id) for i in (*open_invoices, *memos)))
    late_on = min(i.due_on for i in memos if i.due_on is not None) + timedelta(days=1)
    return replace(state, seen=seen, next_on=min(state.next_on or late_on, late_on))


def tasks_called_for(found: Evaluation, customer: Customer, now: datetime) -> Iterator[Task]:
    episode = str(found.state.episode_since)
    for trigger in found.fired:
        for place, action in trigger.actions:
            if action.type == "task":
                id = derive_id("tsk_", "trigger", customer.id, episode, trigger.days, place)
                reason = f"{action.title}: {customer.id} has been past due for {trigger.days} days"
                yield Task(id, "past_due", reason, customer.id, now, customer.id)
    if found.confirm is not None:
        reason = f"service of {customer.id} is to be terminated: confirm it, or leave it as it is"
        yield Task(termination_task(customer.id, episode), "confirm_termination", reason, customer.id, now, customer.id)
    if (waits := found.unannounced) is not None:
        id = derive_id("tsk_", "unannounced", customer.id, episode, waits.step)
        reason = f"{customer.id} is to be {waits.step}, but notice of it reaches nobody: mend the address, or tell them"
        yield Task(id, "notice_undeliverable", reason, customer.id, now, customer.id)


def answered(before: CollectionState, after: CollectionState, ports: Ports) -> list[Task]:
    """The task that asked to confirm a termination, done: it is not called for any more, or it was confirmed."""
    if not before.asked or before.asked == after.asked:
        return []
    task = ports.store.get(Task, before.asked)
    return [replace(task, status="done", done_at=ports.clock.now())] if task and task.status == "open" else []


def events_called_for(found: Evaluation, customer: Customer, ports: Ports) -> Iterator[OutboxEvent]:
    episode = str(found.state.episode_since)
    for trigger in found.fired:
        for place, action in trigger.actions:
            if action.type == "emit_event":
                key = (episode, trigger.days, place)
                yield new_event(
                    action.name or "", customer.id, key, ports, days=trigger.days, episode=episode, on=str(found.on)
                )

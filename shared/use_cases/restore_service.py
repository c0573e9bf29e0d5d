"""Service given back, because what called for its restriction is paid or by hand; and ended for good. PRODUCT 9."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from shared.domain.collection import CollectionState
from shared.domain.collection_facts import Facts, above_threshold
from shared.domain.customer import Customer, Service
from shared.domain.errors import Refused
from shared.domain.past_due import evaluate, overdue
from shared.domain.service_steps import lifted
from shared.domain.task import Task
from shared.ports import Change, Conflict, Ports, Save, Unavailable
from shared.use_cases.change_service import contracts_of, service_event, serving, with_service
from shared.use_cases.collection_actions import termination_task
from shared.use_cases.collection_facts import facts_of, state_of
from shared.use_cases.lookups import CONFLICT_RETRIES, customer_of, settings_of, today
from shared.use_cases.outbox import announce


def refresh_service(customer_id: str, ports: Ports) -> Service:
    """Lift what is no longer called for, as of today; the service the customer has now."""
    for _ in range(CONFLICT_RETRIES):
        settings, customer = settings_of(ports), customer_of(ports, customer_id)
        state, on = state_of(customer, ports), today(ports, customer, settings)
        if state.step not in ("limited", "suspended"):
            return customer.service
        after = replace(state, step=_called_for(facts_of(customer, state, settings, on, ports), on))
        if after.step == state.step:
            return customer.service
        try:
            _commit(customer, state, after, on, "collections", ports)
        except Conflict:
            continue
        return after.step
    raise Unavailable(f"the service of {customer_id} kept changing")


def _called_for(facts: Facts, on: date) -> Service:
    late = overdue(facts, on)
    if not late:
        return "active"
    kept, by_trigger = above_threshold(late, facts.its_class), facts.state.suspended_by is not None
    return lifted(facts.state.step, kept, facts.its_class, by_trigger, on)


def restore_service(customer_id: str, by: str, ports: Ports) -> Customer:
    """Undo the service step by hand: it stays undone until the episode ends or a more severe step is reached."""
    for _ in range(CONFLICT_RETRIES):
        settings, customer = settings_of(ports), customer_of(ports, customer_id)
        state, on = state_of(customer, ports), today(ports, customer, settings)
        if state.step == "terminated":
            raise Refused("terminated", f"service of {customer_id} is terminated, which is final; make a new customer")
        if state.step == "active":
            return customer
        waived: Service = state.step if state.episode_since is not None else "active"
        after = replace(state, step="active", waived=waived, suspended_by=None, next_on=None)
        try:
            return _commit(customer, state, after, on, by, ports)
        except Conflict:
            continue
    raise Unavailable(f"the service of {customer_id} kept changing")


def terminate_service(customer_id: str, by: str, ports: Ports) -> Customer:
    """Confirm a termination that is due: final. Refused while none is."""
    for _ in range(CONFLICT_RETRIES):
        settings, customer = settings_of(ports), customer_of(ports, customer_id)
        state, on = state_of(customer, ports), today(ports, customer, settings)
        if state.step == "terminated":
            return customer
        if evaluate(facts_of(customer, state, settings, on, ports), on).confirm is None:
            raise Refused("not_due", f"termination of {customer_id} is not due; nothing waits for a confirmation")
        task = ports.store.get(Task, termination_task(customer_id, str(state.episode_since)))
        done = [replace(task, status="done", done_at=ports.clock.now())] if task and task.status == "open" else []
        after = replace(state, step="terminated", next_on=None)
        try:
            return _commit(customer, state, after, on, by, ports, *done)
        except Conflict:
            continue
    raise Unavailable(f"the service of {customer_id} kept changing")


def _commit(
    customer: Customer, before: CollectionState, after: CollectionState, on: date, by: str, ports: Ports, *beside: Task
) -> Customer:
    """Write down another service with its contracts and its event. Raises Conflict."""
    event = service_event(customer, before.step, after, on, ports, by)
    changed = serving(contracts_of(customer.id, ports), after.step, on)
    served = with_service(customer, after.step)
    changes: list[Change] = [Save(after), *map(Save, changed), *map(Save, beside)]
    changes += [Save(served)] if served != customer else []
    ports.store.commit(*changes, *([Save(event)] if event else []))
    announce(ports, *([event.id] if event else []))
    return replace(served, version=customer.version + (served != customer))

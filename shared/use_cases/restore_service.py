"""Service given back, because what called for its restriction is paid or by hand; and ended for good. PRODUCT 9."""

from __future__ import annotations

from datetime import date

from shared.domain import account_event
from shared.domain.collection import CollectionState
from shared.domain.collection_facts import Facts, above_threshold
from shared.domain.copies import replace
from shared.domain.customer import Customer, Service
from shared.domain.errors import Refused
from shared.domain.past_due import evaluate, overdue
from shared.domain.service_steps import lifted, reached
from shared.ports import Change, Conflict, Ports, Save, Unavailable
from shared.use_cases.card_tries import customer_charged_otherwise
from shared.use_cases.change_service import contracts_of, service_event, serving, with_service
from shared.use_cases.collection_actions import answered
from shared.use_cases.collection_facts import facts_of, state_of
from shared.use_cases.lookups import CONFLICT_RETRIES, customer_of, settings_of, today
from shared.use_cases.outbox import announce


def refresh_service(customer_id: str, ports: Ports) -> Service:
    """Lift what is no longer called for, as of today; the service the customer has now."""
    for _ in range(CONFLICT_RETRIES):
        settings, customer = settings_of(ports), customer_of(ports, customer_id)
        state, on = state_of(customer, ports), today(ports, customer, settings)
        if not state.unsettled:
            return customer.service
        after = _lifted(facts_of(customer, state, settings, on, ports), on)
        if after == state:
            return customer.service
        try:
            _commit(customer, state, after, on, "collections", ports)
        except Conflict:
            continue
        return after.step
    raise Unavailable(f"the service of {customer_id} kept changing")


def _lifted(facts: Facts, on: date) -> CollectionState:
    """The state with the step that is still called for, and with the question to a person only if it still stands."""
    late, state = overdue(facts, on), facts.state
    if not late:
        return replace(state, step="active", asked="")
    kept, by_trigger = above_threshold(late, facts.its_class), state.suspended_by is not None
    asks = reached(kept, facts.its_class, on) == "terminated"
    step = lifted(state.step, kept, facts.its_class, by_trigger, on)
    return replace(state, step=step, asked=state.asked if asks else "")


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
        after = replace(state, step="terminated", asked="", next_on=None)
        try:
            return _commit(customer, state, after, on, by, ports)
        except Conflict:
            continue
    raise Unavailable(f"the service of {customer_id} kept changing")


def _commit(
    customer: Customer, before: CollectionState, after: CollectionState, on: date, by: str, ports: Ports
) -> Customer:
    """Write down another service with its contracts, its event and the answered task. Raises Conflict."""
    event = service_event(customer, before.step, after, on, ports, by)
    changed = serving(contracts_of(customer.id, ports), after.step, on)
    served = with_service(customer, after.step)
    changes: list[Change] = [Save(after), *map(Save, changed), *map(Save, answered(before, after, ports))]
    changes += [Save(served)] if served != customer else []
    changes += customer_charged_otherwise(customer, served, ports)
    changes += map(Save, account_event.of_service(after, before.step, ports.clock.now()))
    ports.store.commit(*changes, *([Save(event)] if event else []))
    announce(ports, *([event.id] if event else []))
    return replace(served, version=customer.version + (served != customer))

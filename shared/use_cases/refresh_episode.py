"""A past-due episode ends the moment nothing is past due, even for an hour. PRODUCT 9."""

from __future__ import annotations

from shared.domain.collection import CollectionState
from shared.domain.past_due import ended
from shared.ports import Conflict, Ports, Save, Unavailable
from shared.use_cases.lookups import CONFLICT_RETRIES, customer_of, open_invoices, settings_of, today


def refresh_episode(customer_id: str, ports: Ports) -> bool:
    """End the running episode if nothing is past due any more; whether it did. Call after anything that settles."""
    for _ in range(CONFLICT_RETRIES):
        state = ports.store.get(CollectionState, customer_id)
        if state is None or state.episode_since is None:
            return False
        customer = customer_of(ports, customer_id)
        on = today(ports, customer, settings_of(ports))
        if any(i.payment_status(on) == "overdue" for i in open_invoices(ports, customer_id, state.past_due_ids)):
            return False
        try:
            ports.store.commit(Save(ended(state, on)))
        except Conflict:
            continue
        return True
    raise Unavailable(f"the collection state of {customer_id} kept changing")

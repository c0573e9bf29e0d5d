"""Having collections look again at a customer whose switches, holds, class or contracts changed. PRODUCT 2, 9."""

from __future__ import annotations

from shared.domain.collection import CollectionState
from shared.domain.copies import replace
from shared.ports import Change, Conflict, Ports, Save
from shared.use_cases.lookups import CONFLICT_RETRIES


def look_again(customer_id: str, ports: Ports) -> list[Change]:
    """The changes, for the transaction that changes the customer, that make the next sweep find him."""
    state = ports.store.get(CollectionState, customer_id)
    if state is None or not state.followed or state.next_on is None:
        return []
    return [Save(replace(state, next_on=None))]


def look_at_contracts(customer_id: str, ports: Ports) -> list[Change]:
    """The same where a contract changed, which only a suspension minds: it is to follow."""
    state = ports.store.get(CollectionState, customer_id)
    return look_again(customer_id, ports) if state is not None and state.step == "suspended" else []


def contract_came(customer_id: str, ports: Ports) -> None:
    """For a contract that has just been made, in a transaction of its own: one's conflict is not the other's.

    Who dies in between makes the contract again, and comes by here; at the latest it is found within four weeks.
    """
    for _ in range(CONFLICT_RETRIES):
        try:
            if changes := look_at_contracts(customer_id, ports):
                ports.store.commit(*changes)
        except Conflict:
            continue
        return

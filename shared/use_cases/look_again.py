"""Having collections look again at a customer whose switches, holds or class changed. PRODUCT 2, 9."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.collection import CollectionState
from shared.ports import Change, Ports, Save


def look_again(customer_id: str, ports: Ports) -> list[Change]:
    """The changes, for the transaction that changes the customer, that make the next sweep find him."""
    state = ports.store.get(CollectionState, customer_id)
    if state is None or not state.followed or state.next_on is None:
        return []
    return [Save(replace(state, next_on=None))]

"""Dated changes to a stored contract. What they credit and charge, the next bill run finds. PRODUCT 3."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from shared.domain import amend
from shared.domain.contract import Charge, Contract, Suspension
from shared.domain.copies import replace
from shared.domain.errors import Stale
from shared.ports import Conflict, Ports, Save, Unavailable
from shared.use_cases.contracts import contract_of
from shared.use_cases.look_again import look_at_contracts
from shared.use_cases.lookups import CONFLICT_RETRIES


def change_charge(
    contract_id: str, charge_id: str, effective_on: date, ports: Ports, *, amount_minor: int | None = None,
    quantity: Decimal | None = None, version: int | None = None,
) -> Contract:  # fmt: skip
    """Another amount or quantity from a day on; both sides are prorated."""
    return _changed(
        contract_id, lambda c: amend.charge_changed(c, charge_id, effective_on, amount_minor, quantity), ports, version
    )


def add_charge(
    contract_id: str, charge: Charge, effective_on: date, ports: Ports, *, version: int | None = None
) -> Contract:
    """A new charge from a day on."""
    return _changed(contract_id, lambda c: amend.charge_added(c, charge, effective_on), ports, version)


def suspend_contract(
    contract_id: str, on: date, ports: Ports, *,
    by_collections: bool = False, version: int | None = None, again: bool = False,
) -> Contract:  # fmt: skip
    """No service from a day on. Days suspended by collections are not credited.

    `again`: the same request may have done it already, and then that is its answer.
    """
    if again and any(s.suspended_on == on and s.resumed_on is None for s in _suspensions(contract_id, ports)):
        return contract_of(contract_id, ports)
    return _changed(contract_id, lambda c: amend.suspended(c, on, by_collections), ports, version)


def resume_contract(
    contract_id: str, on: date, ports: Ports, *, version: int | None = None, again: bool = False
) -> Contract:
    """Service again from a day on, billed from that day to the next anchor. `again` as in suspend_contract."""
    if again and all(s.resumed_on is not None for s in _suspensions(contract_id, ports)):
        return contract_of(contract_id, ports)
    return _changed(contract_id, lambda c: amend.resumed(c, on), ports, version)


def _suspensions(contract_id: str, ports: Ports) -> tuple[Suspension, ...]:
    return contract_of(contract_id, ports).suspensions


def end_contract(contract_id: str, on: date, ports: Ports, *, version: int | None = None) -> Contract:
    """The first day without service, for good."""
    return _changed(contract_id, lambda c: amend.ended(c, on), ports, version)


def _changed(contract_id: str, change: Callable[[Contract], Contract], ports: Ports, version: int | None) -> Contract:
    """The contract as changed. Raises Stale if it is not of the version the caller has seen, Invalid and Refused."""
    for _ in range(CONFLICT_RETRIES):
        before = contract_of(contract_id, ports)
        if version is not None and version != before.version:
            raise Stale(f"contract {contract_id} is at version {before.version}; read it again")
        after = change(before)
        if after == before:
            return before
        try:
            ports.store.commit(Save(after), *look_at_contracts(after.customer_id, ports))
        except Conflict:
            continue
        return replace(after, version=before.version + 1)
    raise Unavailable(f"contract {contract_id} kept changing")

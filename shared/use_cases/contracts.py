"""Creating and renaming contracts. What happens to them later is in change_contract. PRODUCT 3."""

from __future__ import annotations

from collections.abc import Callable

from shared.domain.billing import next_bill_on
from shared.domain.contract import Contract
from shared.domain.copies import replace
from shared.domain.errors import NotFound, Refused
from shared.domain.records import Owner
from shared.domain.usage import UsageMeter
from shared.ports import Conflict, Ports, Save, Unavailable
from shared.use_cases.creating import Created, create
from shared.use_cases.look_again import contract_came
from shared.use_cases.lookups import CONFLICT_RETRIES, customer_of


def create_contract(contract: Contract, ports: Ports) -> Created[Contract]:
    """A new contract, with the first day on which a bill run finds something to do on it. Refused once service is
    terminated: that is final, and nothing more is billed.
    """
    customer = customer_of(ports, contract.customer_id)
    if customer.service == "terminated" and ports.store.get(Owner, contract.id) is None:
        raise Refused("terminated", f"service of {customer.id} is terminated, which is final; make a new customer")
    dated = replace(contract, created_at=ports.clock.now(), next_bill_on=next_bill_on(contract))
    beside: list[object] = [Owner(contract.id, contract.customer_id)]
    if any(charge.type == "usage" for charge in contract.charges):
        beside.append(UsageMeter(contract.id))
    made = create(dated, ports, *beside, partition=contract.customer_id, sort=contract.id)
    contract_came(contract.customer_id, ports)
    return made


def rename_contract(contract_id: str, edit: Callable[[Contract], Contract], ports: Ports) -> Contract:
    """The contract as edited: its name only. `edit` is called again if someone else was faster; it may raise."""
    for _ in range(CONFLICT_RETRIES):
        before = contract_of(contract_id, ports)
        after = replace(before, name=edit(before).name)
        if after == before:
            return before
        try:
            ports.store.commit(Save(after))
        except Conflict:
            continue
        return replace(after, version=before.version + 1)
    raise Unavailable(f"contract {contract_id} kept changing")


def contract_of(contract_id: str, ports: Ports) -> Contract:
    owner = ports.store.get(Owner, contract_id)
    contract = ports.store.get(Contract, owner.customer_id, contract_id) if owner else None
    if contract is None:
        raise NotFound("contract", contract_id)
    return contract

"""Contracts of customers, and what changes about them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from functions.admin_api.calls import Answer, Call, expect
from functions.admin_api.listing import PAGING, Source, page_of, pairs
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_contracts import ContractBody, RenameBody, contract_json, read_contract
from shared.domain.contract import Contract
from shared.ports import Ports
from shared.use_cases.contracts import contract_of, create_contract, rename_contract
from shared.use_cases.lookups import customer_of, settings_of, today

router = new_router()


@endpoint(router, "GET", "/v1/customers/<customer_id>/contracts", filters=PAGING)
def list_contracts(call: Call[Any], customer_id: str) -> Answer:
    """A customer's contracts, by id."""
    on = _today(customer_id, call.ports)
    contracts: Source[Contract] = Source(
        lambda after, most: call.ports.store.list(Contract, customer_id, after=after, limit=most), lambda c: c.id
    )
    return page_of(call, [contracts], pairs, lambda found: [contract_json(c, on) for c in found])


@endpoint(router, "POST", "/v1/customers/<customer_id>/contracts", body=ContractBody, creates="con_")
def post_contract(call: Call[ContractBody], customer_id: str) -> Answer:
    """Create a contract with its charges."""
    customer = customer_of(call.ports, customer_id)
    contract = read_contract(call.body, call.ports.ids.new("con_"), customer_id, customer.currency)
    made = create_contract(contract, call.ports)
    return Answer(201 if made.fresh else 200, shown(made.entity, call.ports))


@endpoint(router, "GET", "/v1/contracts/<contract_id>")
def get_contract(call: Call[Any], contract_id: str) -> Answer:
    """One contract, with status and prices as they are today."""
    return Answer(200, shown(contract_of(contract_id, call.ports), call.ports))


@endpoint(router, "PATCH", "/v1/contracts/<contract_id>", body=RenameBody)
def patch_contract(call: Call[RenameBody], contract_id: str) -> Answer:
    """Rename a contract; everything else about it changes by dated changes."""

    def edit(before: Contract) -> Contract:
        expect(call, before.version)
        return replace(before, name=call.body.name)

    return Answer(200, shown(rename_contract(contract_id, edit, call.ports), call.ports))


def shown(contract: Contract, ports: Ports) -> dict[str, Any]:
    return contract_json(contract, _today(contract.customer_id, ports))


def _today(customer_id: str, ports: Ports) -> date:
    return today(ports, customer_of(ports, customer_id), settings_of(ports))

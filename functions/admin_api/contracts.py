"""Contracts of customers, and what changes about them."""

from __future__ import annotations

from datetime import date
from typing import Any

from functions.admin_api.calls import Answer, Call, expect
from functions.admin_api.listing import PAGING, Source, page_of, pairs
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_contracts import (
    ContractBody,
    ContractChangeBody,
    OnBody,
    RenameBody,
    contract_json,
    read_charge,
    read_contract,
    read_minor,
)
from shared.contracts.api_fields import Findings
from shared.domain.contract import Contract
from shared.domain.copies import replace
from shared.ports import Ports
from shared.use_cases.change_contract import (
    add_charge,
    change_charge,
    end_contract,
    resume_contract,
    suspend_contract,
)
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


@endpoint(router, "POST", "/v1/contracts/<contract_id>/changes", body=ContractChangeBody)
def change_contract(call: Call[ContractChangeBody], contract_id: str) -> Answer:
    """Change a charge's amount or quantity, or add a charge, from a date on; both sides are prorated."""
    body, ports, found = call.body, call.ports, Findings()
    currency = contract_of(contract_id, ports).currency
    if (body.charge_id is None) == (body.add is None):
        found.add("charge_id", "give either charge_id, with an amount or quantity, or add")
    if body.add is not None and (body.amount is not None or body.quantity is not None):
        found.add("amount" if body.amount is not None else "quantity", "belongs to the charge that is added")
    if body.add is None and body.amount is None and body.quantity is None:
        found.add("amount", "or quantity is required: what is to change?")
    found.done()
    if body.add is not None:
        charge = read_charge("add", body.add, body.add.id or ports.ids.new("chg_"), currency, found)
        found.done()
        return _changed(add_charge(contract_id, charge, body.effective_on, ports, version=call.if_match), ports)
    amount = read_minor("amount", body.amount, currency, found) if body.amount is not None else None
    found.done()
    changed = change_charge(
        contract_id, body.charge_id or "", body.effective_on, ports, amount_minor=amount, quantity=body.quantity,
        version=call.if_match,
    )  # fmt: skip
    return _changed(changed, ports)


@endpoint(router, "POST", "/v1/contracts/<contract_id>/suspend", body=OnBody)
def suspend(call: Call[OnBody], contract_id: str) -> Answer:
    """No service from a date on."""
    again = call.tried_since is not None
    done = suspend_contract(contract_id, call.body.on, call.ports, version=call.if_match, again=again)
    return _changed(done, call.ports)


@endpoint(router, "POST", "/v1/contracts/<contract_id>/resume", body=OnBody)
def resume(call: Call[OnBody], contract_id: str) -> Answer:
    """Service again from a date on."""
    again = call.tried_since is not None
    done = resume_contract(contract_id, call.body.on, call.ports, version=call.if_match, again=again)
    return _changed(done, call.ports)


@endpoint(router, "POST", "/v1/contracts/<contract_id>/end", body=OnBody)
def end(call: Call[OnBody], contract_id: str) -> Answer:
    """End a contract: the date is the first without service."""
    return _changed(end_contract(contract_id, call.body.on, call.ports, version=call.if_match), call.ports)


def _changed(contract: Contract, ports: Ports) -> Answer:
    return Answer(200, shown(contract, ports))


def shown(contract: Contract, ports: Ports) -> dict[str, Any]:
    return contract_json(contract, _today(contract.customer_id, ports))


def _today(customer_id: str, ports: Ports) -> date:
    return today(ports, customer_of(ports, customer_id), settings_of(ports))

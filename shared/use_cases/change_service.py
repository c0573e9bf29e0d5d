"""Restricting and restoring a customer's service, with its contracts and the event that tells of it. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from shared.domain import amend
from shared.domain.collection import CollectionState
from shared.domain.collection_facts import in_service_from, suspended_by_collections
from shared.domain.contract import Contract
from shared.domain.copies import replace
from shared.domain.customer import Customer, Service
from shared.domain.errors import DomainError
from shared.domain.outbox import OutboxEvent
from shared.ports import PAGE_LIMIT, Ports
from shared.use_cases.outbox import new_event

CONTRACTS_PER_COMMIT = 25  # contracts changed with one step; the rest follow in the next assessments
CONTRACT_PAGES_MAX = 50
EVENT_OF: dict[Service, str] = {
    "active": "customer.restored", "limited": "customer.limited", "suspended": "customer.suspended",
    "terminated": "customer.terminated",
}  # fmt: skip


def contracts_of(customer_id: str, ports: Ports) -> list[Contract]:
    """All contracts of a customer."""
    found: list[Contract] = []
    after: str | None = None
    for _ in range(CONTRACT_PAGES_MAX):
        page = ports.store.list(Contract, customer_id, after=after, limit=PAGE_LIMIT)
        found += page.items
        after = page.cursor
        if after is None:
            break
    return found


def serving(contracts: Iterable[Contract], service: Service, on: date) -> list[Contract]:
    """The contracts that have to change for the customer's service to be this one from a day on, as changed.

    A contract that cannot be changed, because what was billed of it is too long ago, stays as it is.
    """
    changed = (_as_served(c, service, on) for c in contracts)
    return [c for c in changed if c is not None][:CONTRACTS_PER_COMMIT]


def _as_served(contract: Contract, service: Service, on: date) -> Contract | None:
    status = contract.status(on)
    try:
        if service == "terminated" and status != "ended":
            return amend.ended(contract, max(on, contract.start_date))
        if service == "suspended" and status == "active" and on >= in_service_from(contract):
            return amend.suspended(contract, on, by_collections=True)
        if service in ("active", "limited") and suspended_by_collections(contract, on):
            return amend.resumed(contract, on)
    except DomainError:
        return None
    return None


def service_event(
    customer: Customer, before: Service, state: CollectionState, on: date, ports: Ports, by: str = "collections"
) -> OutboxEvent | None:
    """The event of a change from `before` to `state.step`; None if there was none."""
    if state.step == before:
        return None
    key = (state.version, str(on))
    return new_event(
        EVENT_OF[state.step], customer.id, key, ports,
        service=state.step, before=before, on=str(on), by=by,
        episode=str(state.episode_since) if state.episode_since else None,
    )  # fmt: skip


def with_service(customer: Customer, service: Service) -> Customer:
    return customer if customer.service == service else replace(customer, service=service)

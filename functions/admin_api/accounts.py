"""How customers stand: one account, and everyone who is past due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from functions.admin_api.calls import Answer, Call, boolean
from functions.admin_api.listing import PAGING, Source, indexed, page_of, pairs
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_accounts import account_json, statement_json, step_json
from shared.contracts.api_collections import promise_json
from shared.contracts.api_fields import day
from shared.contracts.api_payments import money_json
from shared.contracts.api_timeline import entry_json
from shared.domain.collection import CollectionState
from shared.domain.customer import Customer
from shared.domain.errors import NotFound
from shared.domain.ids import shard_of
from shared.domain.invoice import Invoice
from shared.domain.timeline_entry import Entry
from shared.ports import INVOICES_OPEN, Page, Ports
from shared.ports import Entry as Found
from shared.use_cases.accounts import Account, account_of
from shared.use_cases.lookups import customer_of, settings_of, shards
from shared.use_cases.summarize_account import customer_statement
from shared.use_cases.timeline import timeline_of

router = new_router()

EASTMOST: Final = timedelta(hours=14)  # no local date is further ahead of UTC


@endpoint(router, "GET", "/v1/customers/<customer_id>/account")
def get_account(call: Call[Any], customer_id: str) -> Answer:
    """What a customer owes, what of it is past due, and what collections do next."""
    account = account_of(customer_id, call.ports)
    shown = account_json(
        balance=account.balance, credit=account.credit, past_due=account.past_due, since=account.since,
        days=account.days, tier=account.tier, service=account.service, next_step=_step(account),
        promise=_promise(account, call.ports), stops=account.stops,
    )  # fmt: skip
    return Answer(200, shown)


@endpoint(router, "GET", "/v1/customers/<customer_id>/statement", filters={"from": day, "to": day})
def get_statement(call: Call[Any], customer_id: str) -> Answer:
    """Everything that changed what a customer owes, by currency; `from` and `to` are the first and the last day."""
    first, last = call.query.get("from"), call.query.get("to")
    told = customer_statement(customer_id, first, last, call.ports)
    return Answer(200, statement_json(told, customer_of(call.ports, customer_id), settings_of(call.ports), first))


@endpoint(router, "GET", "/v1/customers/<customer_id>/timeline", filters={**PAGING, "planned": boolean})
def get_timeline(call: Call[Any], customer_id: str) -> Answer:
    """Everything that happened to a customer and is planned, in order."""
    wanted: bool | None = call.query.get("planned")
    customer_of(call.ports, customer_id)

    def fetch(after: str | None, most: int) -> Page[Entry]:
        return Page(tuple(e for e in timeline_of(customer_id, call.ports) if wanted in (None, e.planned)))

    source = Source(fetch, lambda entry: entry.place)
    return page_of(call, [source], pairs, lambda found: [entry_json(e) for e in found])


@endpoint(router, "GET", "/v1/past-due", filters=PAGING)
def list_past_due(call: Call[Any]) -> Answer:
    """Everyone with anything past due: days, tier, amounts and the next step."""
    latest = str((call.ports.clock.now() + EASTMOST).date())

    def keep(found: Sequence[Found]) -> list[tuple[Found, Account]]:
        late = [e for e in _first_of_each(found, call.ports) if e.at.split("#")[1] < latest]
        _read_together(found, late, call.ports)
        accounts = [(e, _account(e.at.split("#")[0], call.ports)) for e in late]
        return [(e, a) for e, a in accounts if a is not None and a.since is not None]

    sources = indexed(call.ports, INVOICES_OPEN, *shards())
    return page_of(call, sources, keep, lambda found: [_past_due(a) for a in found])


def _read_together(found: Sequence[Found], late: Sequence[Found], ports: Ports) -> None:
    """What is read of each customer below is known from here on: three calls instead of three for each."""
    owners = {(e.at.split("#")[0], ""): None for e in late}
    ports.store.get_many(Customer, list(owners))
    ports.store.get_many(CollectionState, list(owners))
    ports.store.get_many(Invoice, [e.key for e in found if (e.at.split("#")[0], "") in owners])


def _account(customer_id: str, ports: Ports) -> Account | None:
    try:
        return account_of(customer_id, ports)
    except NotFound:
        return None


def _first_of_each(found: Sequence[Found], ports: Ports) -> list[Found]:
    """The entry of each customer's oldest invoice. The page's first customer may have begun on the page before."""
    first: dict[str, Found] = {}
    for entry in found:
        first.setdefault(entry.at.split("#")[0], entry)
    if found:
        owner = found[0].at.split("#")[0]
        begins = ports.store.find(INVOICES_OPEN, str(shard_of(owner)), prefix=f"{owner}#", limit=1).items
        if not begins or begins[0].key != found[0].key:
            del first[owner]
    return list(first.values())


def _past_due(account: Account) -> dict[str, Any]:
    return {
        "customer_id": account.customer_id,
        "days": account.oldest_days,
        "tier": account.tier,
        "amounts": money_json({c: amount for c, amount in account.past_due.items() if amount}),
        "next_step": _step(account),
    }


def _promise(account: Account, ports: Ports) -> dict[str, Any] | None:
    customer = customer_of(ports, account.customer_id)
    return promise_json(customer.promise, customer, account.promise) if customer.promise else None


def _step(account: Account) -> dict[str, Any] | None:
    return step_json(account.next_step.kind, account.next_step.on) if account.next_step else None

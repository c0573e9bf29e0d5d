"""Customers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from functions.admin_api.calls import Answer, Call, boolean, expect
from functions.admin_api.listing import PAGING, indexed, page_of, stored
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_customers import CustomerBody, customer_json, customer_tree, read_customer
from shared.contracts.api_effects import effects_json
from shared.contracts.api_fields import NAME_CHARS_MAX, name, read_body, refuse
from shared.contracts.api_json import merge_patch
from shared.contracts.api_warnings import warnings_json
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.policy_lint import lint_schedule
from shared.ports import CUSTOMERS, Entry, Ports
from shared.use_cases.customers import change_customer, create_customer, named_by
from shared.use_cases.lookups import customer_of, settings_of, shards
from shared.use_cases.preview_class import preview_customer

router = new_router()

READ_AHEAD: Final = 1_000  # index entries: what does not match costs no read of its own
IN_INDEX_MAX: Final = 100  # characters of a name that the index of customers keeps


def search(value: str) -> str:
    if len(value) > NAME_CHARS_MAX:
        raise ValueError(f"must have at most {NAME_CHARS_MAX} characters")
    return value.strip().lower()


@endpoint(router, "GET", "/v1/customers", filters={**PAGING, "query": search, "external_id": name})
def list_customers(call: Call[Any]) -> Answer:
    """Customers whose name, e-mail or id contains the query, or that another system knows by the external id."""
    wanted: str = call.query.get("query", "")
    if "external_id" in call.query:
        return _with_external_id(call, call.query["external_id"], wanted)

    def keep(found: Sequence[Entry]) -> list[tuple[Entry, Customer]]:
        likely = [e for e in found if wanted in e.at or _cut_short(e.at)]
        return [(e, c) for e, c in stored(call.ports, Customer, likely) if matches(c, wanted)]

    sources = indexed(call.ports, CUSTOMERS, *shards())
    return page_of(
        call, sources, keep, lambda found: [customer_json(c) for c in found], ahead=READ_AHEAD if wanted else 0
    )


def _with_external_id(call: Call[Any], external_id: str, wanted: str) -> Answer:
    """The one customer that has it, if its other filters let it through."""
    id = named_by(external_id, call.ports)
    found = call.ports.store.get_many(Customer, [(id, "")]) if id is not None else []
    items = [customer_json(c) for c in found if c.external_id == external_id and matches(c, wanted)]
    return Answer(200, {"items": items, "next_cursor": None})


def _cut_short(at: str) -> bool:
    """Whether the index may have only the beginning of the name: then the customer itself must be asked."""
    return len(at.rsplit("|", 2)[0]) >= IN_INDEX_MAX


def matches(customer: Customer, wanted: str) -> bool:
    return any(wanted in text.lower() for text in (customer.name, customer.email or "", customer.id))


@endpoint(router, "POST", "/v1/customers", body=CustomerBody, creates="cus_")
def post_customer(call: Call[CustomerBody]) -> Answer:
    """Create a customer; every automation towards it is off until switched on."""
    _no_version(call)
    currency = call.body.currency or settings_of(call.ports).business.currency
    blank = Customer(id=call.ports.ids.new("cus_"), name=call.body.name, currency=currency)
    made = create_customer(read_customer(call.body, blank), call.ports)
    return Answer(201 if made.fresh else 200, _saved(made.entity, call.ports))


@endpoint(router, "GET", "/v1/customers/<customer_id>")
def get_customer(call: Call[Any], customer_id: str) -> Answer:
    """One customer."""
    return Answer(200, customer_json(customer_of(call.ports, customer_id)))


@endpoint(router, "PATCH", "/v1/customers/<customer_id>", body=CustomerBody, merges=True, filters={"dry_run": boolean})
def patch_customer(call: Call[Any], customer_id: str) -> Answer:
    """Change a customer by a JSON merge patch; a dry run only answers what that would do by tomorrow."""
    patch = {key: value for key, value in call.raw.items() if key not in ("id", "version")}
    if call.raw.get("id", customer_id) != customer_id:
        refuse("id", "cannot be changed")

    def edit(before: Customer) -> Customer:
        expect(call, before.version)
        body = read_body(CustomerBody, merge_patch(customer_tree(before), patch))
        after = read_customer(body, before)
        return after if "email" not in patch else _reachable_again(after)

    if call.query.get("dry_run", False):
        return Answer(200, effects_json(preview_customer(customer_id, edit, call.ports)))
    return Answer(200, _saved(change_customer(customer_id, edit, call.ports), call.ports))


def _saved(customer: Customer, ports: Ports) -> dict[str, Any]:
    """With what is hardly meant of a schedule of its own, if anything is."""
    schedule = customer.account_summary_schedule
    if schedule is None:
        return customer_json(customer)
    zone = customer.zone(settings_of(ports))
    warned = lint_schedule("account_summary_schedule", schedule, zone, ports.clock.now())
    return {**customer_json(customer), **warnings_json(warned)}


def _reachable_again(customer: Customer) -> Customer:
    """Whoever gives the address vouches for it, also for one that bounced before."""
    return replace(customer, email_problem=None)


def _no_version(call: Call[CustomerBody]) -> None:
    if call.body.version is not None:
        refuse("version", "is given by Paidup")

"""Creating and changing customers. PRODUCT 2, 9."""

from __future__ import annotations

from collections.abc import Callable

from shared.domain import account_event
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.errors import Invalid, NotFound, Refused
from shared.domain.records import Owner, external_key
from shared.ports import Change, Conflict, Ports, Remove, Save, Unavailable
from shared.use_cases.card_tries import customer_charged_otherwise
from shared.use_cases.creating import Created, create
from shared.use_cases.look_again import look_again
from shared.use_cases.lookups import CONFLICT_RETRIES, class_of, customer_of, settings_of, today
from shared.use_cases.sweep_summaries import keep_schedule

# What decides about a customer's collections; a change of any of these makes them look again.
DECIDE = ("automations", "pauses", "hold", "promise", "email", "email_problem", "class_id", "timezone", "service")

Edit = Callable[[Customer], Customer]


def create_customer(customer: Customer, ports: Ports) -> Created[Customer]:
    """A new customer; every automation towards it is off until switched on. Its class must exist.

    Refused if its id has other values already, or its external id is another customer's.
    """
    _check_class(customer, ports)
    keep_schedule(customer, ports)
    named = _named(customer, ports)
    try:
        return create(replace(customer, created_at=ports.clock.now()), ports, *named, partition=customer.id)
    except Refused:
        _named(customer, ports)  # the external id was taken meanwhile, rather than the id
        raise


def change_customer(customer_id: str, edit: Edit, ports: Ports) -> Customer:
    """The customer as edited. `edit` is called again with what is there if someone else was faster; it may raise."""
    for _ in range(CONFLICT_RETRIES):
        before = customer_of(ports, customer_id)
        after = edited(before, edit, ports)
        if after == before:
            return before
        keep_schedule(after, ports)
        again = look_again(customer_id, ports) if _collected_otherwise(before, after) else []
        try:
            happened = account_event.of_customer(before, after, ports.clock.now())
            again += customer_charged_otherwise(before, after, ports)
            ports.store.commit(Save(after), *again, *_renamed(before, after, ports), *map(Save, happened))
        except Conflict:
            continue
        return replace(after, version=before.version + 1)
    raise Unavailable(f"customer {customer_id} kept changing")


def edited(before: Customer, edit: Edit, ports: Ports) -> Customer:
    """The customer as it would be saved. Its class must exist."""
    after = edit(before)
    if after.class_id != before.class_id:
        _check_class(after, ports)
    if after.automations.enabled and not before.automations.enabled:
        after = replace(after, automated_since=today(ports, after, settings_of(ports)))
    return after


def _collected_otherwise(before: Customer, after: Customer) -> bool:
    """Whether collections may have other things to do: not only at the date they last expected."""
    return any(getattr(before, name) != getattr(after, name) for name in DECIDE)


def named_by(external_id: str, ports: Ports) -> str | None:
    """The id of the customer that another system knows by this id."""
    owner = ports.store.get(Owner, external_key(external_id))
    return owner.customer_id if owner else None


def name_freed(customer: Customer, ports: Ports) -> list[Change]:
    """Lets go of the customer's external id, for others to have."""
    owner = ports.store.get(Owner, external_key(customer.external_id)) if customer.external_id is not None else None
    return [Remove(owner)] if owner is not None and owner.customer_id == customer.id else []


def _renamed(before: Customer, after: Customer, ports: Ports) -> list[Change]:
    if after.external_id == before.external_id:
        return []
    return [*name_freed(before, ports), *map(Save, _named(after, ports))]


def _named(customer: Customer, ports: Ports) -> list[Owner]:
    """The record that keeps an external id with one customer. Refused if it is with another one."""
    if customer.external_id is None:
        return []
    holder = named_by(customer.external_id, ports)
    if holder is not None and holder != customer.id:
        raise Refused("external_id_taken", f"the external_id {customer.external_id!r} is that of customer {holder}")
    return [Owner(external_key(customer.external_id), customer.id)]


def _check_class(customer: Customer, ports: Ports) -> None:
    try:
        class_of(ports, customer.class_id)
    except NotFound:
        raise Invalid("class_id", f"there is no customer class {customer.class_id!r}") from None

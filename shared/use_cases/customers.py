"""Creating and changing customers. PRODUCT 2, 9."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from shared.domain.customer import Customer
from shared.domain.errors import Invalid, NotFound
from shared.ports import Conflict, Ports, Save, Unavailable
from shared.use_cases.creating import Created, create
from shared.use_cases.lookups import CONFLICT_RETRIES, class_of, customer_of

Edit = Callable[[Customer], Customer]


def create_customer(customer: Customer, ports: Ports) -> Created[Customer]:
    """A new customer; every automation towards it is off until switched on. Its class must exist."""
    _check_class(customer, ports)
    return create(replace(customer, created_at=ports.clock.now()), ports, partition=customer.id)


def change_customer(customer_id: str, edit: Edit, ports: Ports) -> Customer:
    """The customer as edited. `edit` is called again with what is there if someone else was faster; it may raise."""
    for _ in range(CONFLICT_RETRIES):
        before = customer_of(ports, customer_id)
        after = edit(before)
        if after == before:
            return before
        if after.class_id != before.class_id:
            _check_class(after, ports)
        try:
            ports.store.commit(Save(after))
        except Conflict:
            continue
        return replace(after, version=before.version + 1)
    raise Unavailable(f"customer {customer_id} kept changing")


def _check_class(customer: Customer, ports: Ports) -> None:
    try:
        class_of(ports, customer.class_id)
    except NotFound:
        raise Invalid("class_id", f"there is no customer class {customer.class_id!r}") from None

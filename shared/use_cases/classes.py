"""Customer classes: creating them and replacing their policies. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from shared.domain.copies import replace
from shared.domain.errors import NotFound
from shared.domain.policy import CustomerClass
from shared.ports import Conflict, Ports, Save, Unavailable
from shared.use_cases.creating import Created, create
from shared.use_cases.lookups import CONFLICT_RETRIES, class_of

CLASSES_MAX: Final = 200


def create_class(new: CustomerClass, ports: Ports) -> Created[CustomerClass]:
    return create(replace(new, created_at=ports.clock.now()), ports, partition="classes", sort=new.id)


def put_class(
    class_id: str, edit: Callable[[CustomerClass | None], CustomerClass], ports: Ports
) -> Created[CustomerClass]:
    """Replace a class, or make it if there is none. `edit` is given what is there and may raise.

    Policies are read when they are applied, so a change counts for everything from now on; due dates that invoices
    were posted with stay.
    """
    for _ in range(CONFLICT_RETRIES):
        before = found_class(class_id, ports)
        after = edit(before)
        if before == after:
            return Created(after, fresh=False)
        if before is None or before.created_at is None:
            after = replace(after, created_at=ports.clock.now())
        try:
            ports.store.commit(Save(after))
        except Conflict:
            continue
        return Created(replace(after, version=after.version + 1), fresh=before is None)
    raise Unavailable(f"the class {class_id} kept changing")


def found_class(class_id: str, ports: Ports) -> CustomerClass | None:
    """The class, or None if nobody has made it."""
    try:
        return class_of(ports, class_id)
    except NotFound:
        return None


def classes_of(ports: Ports) -> tuple[CustomerClass, ...]:
    """The first CLASSES_MAX of them, which is more than anybody has."""
    return ports.store.list(CustomerClass, "classes", limit=CLASSES_MAX).items

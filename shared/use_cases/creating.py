"""Making a record whose id the caller may have chosen: twice the same is once, and another one is refused."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from shared.domain.copies import replace
from shared.domain.errors import Refused
from shared.domain.values import dataclass
from shared.ports import Conflict, Ports, Save

E = TypeVar("E")


@dataclass(frozen=True, slots=True)
class Created(Generic[E]):
    """The stored record; `fresh` is False if it was there already, made from the same values."""

    entity: E
    fresh: bool


def create(entity: E, ports: Ports, *beside: object, partition: str, sort: str = "") -> Created[E]:
    """Save a new record with those beside it in one transaction. Refused if its id has other values already."""
    try:
        ports.store.commit(Save(entity), *map(Save, beside))
    except Conflict:
        stored = ports.store.get(type(entity), partition, sort)
        if stored is None or not _same(entity, stored):
            raise Refused("id_taken", f"the id {sort or partition} is taken: choose another") from None
        return Created(stored, fresh=False)
    return Created(_at(entity, 1), fresh=True)


def _same(new: Any, stored: Any) -> bool:
    return bool(replace(stored, version=new.version, created_at=new.created_at) == new)


def _at(entity: Any, version: int) -> Any:
    return replace(entity, version=version)

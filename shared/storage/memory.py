"""The store in memory: the same answers as DynamoDB's, for the local cloud, rehearsals and tests.

One thread at a time. Entities are immutable, so they are kept and handed out as they are, never copied.
"""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from shared.domain.values import dataclass
from shared.ports import PAGE_LIMIT, Change, Check, Conflict, Entry, Index, Key, Page, Remove, Save
from shared.storage.records import (
    SORT_BYTES_MAX,
    Place,
    check_within,
    decode_cursor,
    encode_cursor,
    keys_of,
    kind_of,
    places_of,
    with_version,
)
from shared.storage.schema import KINDS, Kind

E = TypeVar("E")

LAST_CHARACTER = chr(sys.maxunicode)
RECALLED_MAX = 1_000  # commits remembered, to recognise one that is repeated after its answer was lost

_Key = tuple[str, str]  # partition, sort
_Places = tuple[Place, ...]  # one for each index
_Row = tuple[Any, _Places, int]  # the entity, its place in each index, the number of its commit
_Positions = list[int]
_Writes = list[tuple["_Table", _Key, _Row | None, _Row | None]]  # what is there, and what is to be; None: nothing

_ALONE = next(field.default for field in fields(Kind) if field.name == "sort")


_Contents = tuple[dict[_Key, _Row], dict[str, list[str]], tuple[dict[str, list[Entry]], ...]]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    tables: dict[type[Any], _Contents]
    number: int
    recalled: dict[int, tuple[Change, ...]]


class _Table:
    """The records of one kind.

    Order is kept in plain sorted lists: up to some 100,000 entries in one partition, moving their tail costs
    less than a balanced structure does, and most records arrive in order anyway.
    """

    __slots__ = ("alone", "indexes", "kind", "nowhere", "orders", "rows")

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.alone = kind.sort is _ALONE  # one record per partition: nothing to keep in order
        self.rows: dict[_Key, _Row] = {}
        self.orders: dict[str, list[str]] = {}
        self.indexes: tuple[dict[str, list[Entry]], ...] = tuple({} for _ in kind.indexes)
        self.nowhere: _Places = (None,) * len(kind.indexes)

    def put(self, key: _Key, old: _Row | None, new: _Row | None) -> None:
        """`old` is what is there now. None: nothing is, or is to be; both, if what was never there is removed."""
        if new is not None:
            self.rows[key] = new
            if old is None and not self.alone:
                insort(self.orders.setdefault(key[0], []), key[1])
        elif old is not None:
            del self.rows[key]
            if not self.alone:
                _drop_from(self.orders, key[0], key[1])
        before, after = old[1] if old else self.nowhere, new[1] if new else self.nowhere
        if before != after:
            self._move(key, before, after)

    def _move(self, key: _Key, before: _Places, after: _Places) -> None:
        for index, old, new in zip(self.indexes, before, after, strict=True):
            if old == new:
                continue
            if old is not None:
                _drop_from(index, old[0], (old[1], *key))
            if new is not None:
                insort(index.setdefault(new[0], []), Entry(new[1], key[0], key[1]))

    def copied(self) -> _Contents:
        return (
            self.rows.copy(),
            {partition: order.copy() for partition, order in self.orders.items()},
            tuple({partition: found.copy() for partition, found in index.items()} for index in self.indexes),
        )


def _drop_from(lists: dict[str, list[Any]], partition: str, value: Any) -> None:
    ordered = lists[partition]
    del ordered[bisect_left(ordered, value)]
    if not ordered:
        del lists[partition]


class MemoryStore:
    """Implements shared.ports.Store."""

    def __init__(self) -> None:
        self._tables = {kind.entity: _Table(kind) for kind in KINDS}
        self._indexes = {
            rule.index: (self._tables[kind.entity], position)
            for kind in KINDS
            for position, rule in enumerate(kind.indexes)
        }
        self._number = 0
        self._recalled: dict[int, tuple[Change, ...]] = {}

    # ---- reading --------------------------------------------------------------------------------

    def get(self, kind: type[E], partition: str, sort: str = "") -> E | None:
        table = self._tables.get(kind)
        row = (table or self._table(kind)).rows.get((partition, sort))
        return None if row is None else row[0]

    def get_many(self, kind: type[E], keys: Sequence[tuple[str, str]]) -> list[E]:
        rows = self._table(kind).rows
        found = [rows.get(key) for key in keys]
        return [row[0] for row in found if row is not None]

    def get_all(self, keys: Sequence[Key]) -> list[Any]:
        return [self.get(*key) for key in keys]

    def list(
        self, kind: type[E], partition: str, prefix: str = "",
        after: str | None = None, limit: int = PAGE_LIMIT,
    ) -> Page[E]:  # fmt: skip
        _check_limit(limit)
        table = self._table(kind)
        if table.alone:
            row = table.rows.get((partition, ""))
            return Page((row[0],) if row is not None and not prefix and after is None else ())
        order = table.orders.get(partition, [])
        start = bisect_left(order, prefix)
        if after is not None:
            (sort,) = decode_cursor(after, 1)
            check_within(sort, prefix, None)
            start = bisect_right(order, sort)
        page = order[start : start + limit + 1]
        if prefix and page and not page[-1].startswith(prefix):
            page = [sort for sort in page if sort.startswith(prefix)]
        items = tuple([table.rows[partition, sort][0] for sort in page[:limit]])
        return Page(items, encode_cursor(page[limit - 1]) if len(page) > limit else None)

    def find(
        self, index: Index[E], partition: str, *, prefix: str = "", last: str | None = None,
        after: str | None = None, limit: int = PAGE_LIMIT, reverse: bool = False,
    ) -> Page[Entry]:  # fmt: skip
        _check_limit(limit)
        if prefix and last is not None:
            raise ValueError("find by prefix or up to a last value, not both")
        table, position = self._indexes[index]
        found = table.indexes[position].get(partition, [])
        low = bisect_left(found, (prefix,)) if prefix else 0
        high = len(found)
        if prefix:
            high = bisect_left(found, (_behind(prefix),), low)
        elif last is not None:
            high = bisect_left(found, (last + "\0",), low)
        if after is not None:
            place = decode_cursor(after, 3)
            check_within(place[0], prefix, last)
            low, high = (low, bisect_left(found, place)) if reverse else (bisect_right(found, place), high)
        page = found[low : min(high, low + limit + 1)]
        if reverse:
            page = found[max(low, high - limit - 1) : high][::-1]
        cursor = encode_cursor(*page[limit - 1]) if len(page) > limit else None
        return Page(tuple(page[:limit]), cursor)

    # ---- writing --------------------------------------------------------------------------------

    def commit(self, *changes: Save[E] | Remove[E] | Check[E]) -> None:
        asked: tuple[Any, ...] = changes
        keys = keys_of(asked)
        failed: _Positions = []
        writes: _Writes = []
        for change, located in zip(asked, keys, strict=True):
            cls, partition, sort = located
            table, key, entity = self._tables[cls], (partition, sort), change.entity
            row, version = table.rows.get(key), entity.version
            if (0 if row is None else row[0].version) != version:
                failed.append(keys.index(located))
            elif isinstance(change, Save):
                stored = (with_version(entity, version + 1), places_of(table.kind, entity), self._number + 1)
                writes.append((table, key, row, stored))
            elif isinstance(change, Remove):
                writes.append((table, key, row, None))
        if not failed:
            self._apply(asked, writes)
        elif not self._landed_before(asked, keys, failed):
            raise Conflict(tuple(failed))

    def _apply(self, changes: tuple[Change, ...], writes: _Writes) -> None:
        self._number += 1
        self._recalled[self._number] = changes
        self._recalled.pop(self._number - RECALLED_MAX, None)
        for table, key, old, new in writes:
            table.put(key, old, new)

    def _landed_before(self, changes: tuple[Change, ...], keys: Sequence[Key], failed: Sequence[int]) -> bool:
        """Whether a record that is in the way was written by the very same transaction."""
        for position in failed:
            cls, partition, sort = keys[position]
            row = self._tables[cls].rows.get((partition, sort))
            if row is None or not isinstance(changes[position], Save):
                continue
            if self._recalled.get(row[2]) == changes:
                return True
        return False

    # ---- rehearsals and tests -------------------------------------------------------------------

    def load(self, entities: Iterable[Any]) -> None:
        """Put entities of another store here, each at the version that it has there."""
        for entity in entities:
            kind = kind_of(type(entity))
            table = self._tables[kind.entity]
            key = (kind.partition(entity), kind.sort(entity))
            table.put(key, table.rows.get(key), (entity, places_of(kind, entity), self._number))

    def snapshot(self) -> _Snapshot:
        """All there is, to `restore` any number of times. Costs a copy of the keys, none of the entities."""
        tables = {cls: table.copied() for cls, table in self._tables.items()}
        return _Snapshot(tables, self._number, self._recalled.copy())

    def restore(self, snapshot: _Snapshot) -> None:
        """As it was when the snapshot was taken; also a snapshot of another MemoryStore."""
        self._number = snapshot.number
        self._recalled = snapshot.recalled.copy()
        for cls, (rows, orders, indexes) in snapshot.tables.items():
            table = self._tables[cls]
            table.rows, table.orders, table.indexes = rows, orders, indexes
            table.rows, table.orders, table.indexes = table.copied()

    def dump(self) -> dict[str, dict[tuple[str, str], Any]]:
        """Every entity by kind and key, at version 0: equal for worlds that only came to be differently."""
        return {
            cls.__name__: {key: with_version(table.rows[key][0], 0) for key in sorted(table.rows)}
            for cls, table in self._tables.items()
            if table.rows
        }

    def _table(self, cls: type[Any]) -> _Table:
        return self._tables[kind_of(cls).entity]


def _behind(prefix: str) -> str:
    """The first text after all those that start with a prefix."""
    begun = prefix.rstrip(LAST_CHARACTER)
    return begun[:-1] + chr(ord(begun[-1]) + 1) if begun else prefix + LAST_CHARACTER * (SORT_BYTES_MAX + 1)


def _check_limit(limit: int) -> None:
    if limit < 1:
        raise ValueError(f"a page of {limit} records")

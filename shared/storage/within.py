"""What a store that wraps another one reads of it unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from shared.ports import PAGE_LIMIT, Entry, Index, Key, Page, Store

E = TypeVar("E")


class StoreWithin:
    """The reading half of shared.ports.Store, as the store within answers it."""

    def __init__(self, inner: Store) -> None:
        self._inner = inner

    def get(self, kind: type[E], partition: str, sort: str = "") -> E | None:
        return self._inner.get(kind, partition, sort)

    def get_many(self, kind: type[E], keys: Sequence[tuple[str, str]]) -> list[E]:
        return self._inner.get_many(kind, keys)

    def get_all(self, keys: Sequence[Key]) -> list[Any]:
        return self._inner.get_all(keys)

    def list(
        self, kind: type[E], partition: str, prefix: str = "", after: str | None = None, limit: int = PAGE_LIMIT
    ) -> Page[E]:
        return self._inner.list(kind, partition, prefix, after, limit)

    def find(
        self, index: Index[E], partition: str, *, prefix: str = "", last: str | None = None,
        after: str | None = None, limit: int = PAGE_LIMIT, reverse: bool = False,
    ) -> Page[Entry]:  # fmt: skip
        return self._inner.find(index, partition, prefix=prefix, last=last, after=after, limit=limit, reverse=reverse)

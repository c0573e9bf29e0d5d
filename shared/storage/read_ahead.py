"""A store for one batch of work: what is known to be needed is read in a few calls, and these records not again.

What it answers of them may be as old as the batch, some seconds. That changes nothing for who writes under a condition:
a record that has changed since is a conflict, after which everything is forgotten and read again. Who decides *not* to
write because of what others may be doing at this moment has to read `afresh`. Any other record is read as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from shared.ports import Change, Check, Commit, CommitsEach, Failures, Key, LooksAhead, Remove, Save, Store
from shared.storage.records import commit_each, keys_of, with_version
from shared.storage.within import StoreWithin

E = TypeVar("E")

KNOWN_MAX = 10_000  # records remembered; what is more is read when it is needed


class ReadAhead(StoreWithin, LooksAhead, CommitsEach):
    """Implements shared.ports.Store."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self._known: dict[Key, Any] = {}  # None for what is known not to be there

    def ahead(self, keys: Sequence[Key]) -> None:
        unknown = [key for key in dict.fromkeys(keys) if key not in self._known]
        if unknown and len(self._known) + len(unknown) <= KNOWN_MAX:
            self._known.update(zip(unknown, self._inner.get_all(unknown), strict=True))

    def knows(self, keys: Sequence[Key]) -> bool:
        return all(key in self._known for key in keys)

    @property
    def afresh(self) -> Store:
        return self._inner

    # ---- reading --------------------------------------------------------------------------------

    def get(self, kind: type[E], partition: str, sort: str = "") -> E | None:
        key = (kind, partition, sort)
        return cast(E | None, self._known[key]) if key in self._known else self._inner.get(kind, partition, sort)

    def get_many(self, kind: type[E], keys: Sequence[tuple[str, str]]) -> list[E]:
        return [found for found in self.get_all([(kind, *key) for key in keys]) if found is not None]

    def get_all(self, keys: Sequence[Key]) -> list[Any]:
        unknown = [key for key in keys if key not in self._known]
        found = dict(zip(unknown, self._inner.get_all(unknown), strict=True)) if unknown else {}
        return [self._known[key] if key in self._known else found[key] for key in keys]

    # ---- writing --------------------------------------------------------------------------------

    def commit(self, *changes: Save[E] | Remove[E] | Check[E]) -> None:
        plain = cast(tuple[Change, ...], changes)
        try:
            self._inner.commit(*plain)
        except Exception:
            self._known.clear()
            raise
        self._wrote(plain)

    def commit_each(self, commits: Sequence[Commit]) -> Failures:
        failures = commit_each(self._inner, commits)
        if any(failures):
            self._known.clear()
        for commit, failure in zip(commits, failures, strict=True):
            if failure is None:
                self._wrote(commit)
        return failures

    def _wrote(self, commit: Commit) -> None:
        for change, key in zip(commit, keys_of(commit), strict=True):
            if key in self._known and not isinstance(change, Check):
                entity: Any = change.entity
                self._known[key] = with_version(entity, entity.version + 1) if isinstance(change, Save) else None


class Remembering(ReadAhead):
    """The same for a request that only reads: whatever record it has read once, it need not ask for again."""

    def get(self, kind: type[E], partition: str, sort: str = "") -> E | None:
        key = (kind, partition, sort)
        if key not in self._known and len(self._known) < KNOWN_MAX:
            self._known[key] = self._inner.get(kind, partition, sort)
        return super().get(kind, partition, sort)

    def get_all(self, keys: Sequence[Key]) -> list[Any]:
        self.ahead(keys)
        return super().get_all(keys)

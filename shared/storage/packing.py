"""Transactions that have nothing to do with each other, packed into one: fewer calls, and a check that several of them
make is made once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Any

from shared.domain.values import dataclass
from shared.ports import TRANSACTION_MAX, Check, Commit, Key

PACK_BYTES_MAX = 2 * 1024 * 1024  # of bodies: half of what DynamoDB takes, since checked items count too

Request = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Part:
    """One transaction, ready to be written. `position` says whose it is."""

    position: int
    changes: Commit
    keys: Sequence[Key]
    tx: bytes
    requests: Sequence[Request]
    size: int


@dataclass(slots=True)
class Pack:
    """Parts that can be written together: no record is changed by one and named by another."""

    parts: list[Part] = field(default_factory=list)
    checks: dict[Key, int] = field(default_factory=dict)  # with the version that is checked
    changed: set[Key] = field(default_factory=set)
    size: int = 0

    def holds(self, part: Part) -> bool:
        """Whether there is room for it, and nothing in its way."""
        if not self.parts:
            return True
        new = sum(key not in self.checks for key in part.keys)
        if len(self.checks) + len(self.changed) + new > TRANSACTION_MAX or self.size + part.size > PACK_BYTES_MAX:
            return False
        return all(
            key not in self.changed and (key not in self.checks or self._same(key, change))
            for key, change in zip(part.keys, part.changes, strict=True)
        )

    def _same(self, key: Key, change: Any) -> bool:
        return isinstance(change, Check) and self.checks[key] == change.entity.version

    def add(self, part: Part) -> None:
        self.parts.append(part)
        self.size += part.size
        for key, change in zip(part.keys, part.changes, strict=True):
            if isinstance(change, Check):
                self.checks[key] = change.entity.version
            else:
                self.changed.add(key)


def places_of(parts: Sequence[Part]) -> dict[Key, int]:
    """Where each record stands among the requests of these parts."""
    places: dict[Key, int] = {}
    for part in parts:
        for key in part.keys:
            places.setdefault(key, len(places))
    return places


def requests_of(parts: Sequence[Part]) -> list[Request]:
    """One request for each record, in the order of `places_of`."""
    requests: dict[Key, Request] = {}
    for part in parts:
        for key, request in zip(part.keys, part.requests, strict=True):
            requests.setdefault(key, request)
    return list(requests.values())

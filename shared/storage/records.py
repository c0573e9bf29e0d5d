"""What both stores agree on: a change's key, the next version of an entity, and the cursors of pages."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Any

from shared.domain.audit import AuditEntry, AuditHead
from shared.domain.copies import Copying, copying
from shared.domain.errors import Invalid
from shared.ports import COMMIT_MAX, Change, Commit, CommitsEach, Failures, Key, Store
from shared.storage.schema import KIND_OF, Kind

Place = tuple[str, str] | None  # partition and sort value in one index; None: not in it
_to_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_AUDIT = (AuditEntry, AuditHead)  # COMMIT_MAX leaves room for one of each

PARTITION_BYTES_MAX = 2048  # DynamoDB's limits on keys
SORT_BYTES_MAX = 1024
KEY_CHARS_SURE = 200  # so short a key needs no counting of bytes
SORT_CHARS_SURE = 150  # with whatever the kind puts before it


@cache
def _versioning(cls: Any) -> Copying:
    if fields(cls)[-1].name != "version":
        raise TypeError(f"{cls.__name__}: `version` must be its last field")
    return copying(cls, ("version",))


def with_version(entity: Any, version: int) -> Any:
    """The entity as it is stored at a version."""
    cls: Any = type(entity)
    return _versioning(cls)(entity, version)


def kind_of(cls: type[Any]) -> Kind:
    kind = KIND_OF.get(cls)
    if kind is None:
        raise TypeError(f"{cls.__name__} is not stored: shared/storage/schema.py does not name it")
    return kind


def keys_of(changes: tuple[Change, ...]) -> list[Key]:
    """The key of each change. Refuses what DynamoDB does: too many, two of one record, bad keys."""
    if len(changes) > COMMIT_MAX and sum(type(c.entity) not in _AUDIT for c in changes) > COMMIT_MAX:
        raise ValueError(f"{len(changes)} changes in one transaction; at most {COMMIT_MAX} fit")
    keys = [_key(change.entity) for change in changes]
    if len(keys) > 1 and len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"one transaction changes {twice[0].__name__} {twice[1]} {twice[2]} twice")
    return keys


def _key(entity: Any) -> Key:
    cls = type(entity)
    kind = KIND_OF.get(cls) or kind_of(cls)
    partition = kind.partition(entity)
    sort = kind.sort(entity)
    if not partition or len(partition) > KEY_CHARS_SURE or len(sort) > SORT_CHARS_SURE:
        _check_key(cls, partition, kind.prefix + sort)
    return (cls, partition, sort)


def commit_each(store: Store, commits: Sequence[Commit]) -> Failures:
    """As CommitsEach says; one by one where the store knows no better."""
    if isinstance(store, CommitsEach):
        return store.commit_each(commits)
    return [commit_alone(store, commit) for commit in commits]


def commit_alone(store: Store, commit: Commit) -> Exception | None:
    """What `commit` raises, as a value."""
    try:
        store.commit(*commit)
    except Exception as error:  # noqa: BLE001 - raised where it was asked for
        return error
    return None


def places_of(kind: Kind, entity: Any) -> tuple[Place, ...]:
    """Where an entity is found in each index of its kind."""
    places: list[Place] = []
    for rule in kind.indexes:
        partition = rule.partition(entity)
        if partition is None:
            places.append(None)
            continue
        sort = rule.sort(entity)
        if not partition or len(partition) > KEY_CHARS_SURE or len(sort) > KEY_CHARS_SURE:
            _check_key(type(entity), partition, sort)
        places.append((partition, sort))
    return tuple(places)


def _check_key(cls: type[Any], partition: str, sort: str) -> None:
    if not partition:
        raise ValueError(f"{cls.__name__} with an empty key")
    if len(partition.encode()) > PARTITION_BYTES_MAX or len(sort.encode()) > SORT_BYTES_MAX:
        raise ValueError(f"{cls.__name__} {partition[:40]}… has a key longer than DynamoDB takes")


def encode_cursor(*parts: str) -> str:
    """An opaque text of the place after which the next page starts. It never names the partition."""
    text = _to_json(parts)
    return base64.urlsafe_b64encode(text.encode()).decode()


def decode_cursor(cursor: str, count: int) -> tuple[str, ...]:
    """Its `count` parts. Cursors travel to clients and back and may be anything: raises Invalid."""
    try:
        parts = json.loads(base64.b64decode(cursor, altchars=b"-_", validate=True))
        parts_utf8 = [part.encode() for part in parts] if isinstance(parts, list) else []
    except (ValueError, binascii.Error, AttributeError, RecursionError) as error:
        raise _no_cursor() from error
    if len(parts_utf8) != count:
        raise _no_cursor()
    return tuple(parts)


def check_within(cursor_sort: str, prefix: str, last: str | None) -> None:
    """A cursor of another question is refused rather than answered with a page of it."""
    if not cursor_sort.startswith(prefix) or (last is not None and cursor_sort > last):
        raise _no_cursor()


def _no_cursor() -> Invalid:
    return Invalid("cursor", "is not of this list: use next_cursor of its last page, or start without one")

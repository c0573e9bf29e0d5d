"""The audit log: who changed what, in chains of hashes that show what was tampered with. PRODUCT 12.

Each entry carries the hash of the one before it in its shard, and what it knew of the head of another shard: who cuts
off the end of one chain, and its head with it, is given away by the others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import field, fields
from datetime import datetime
from typing import Any, Final

from shared.domain.ids import SHARDS, shard_of
from shared.domain.values import dataclass

SEQ_DIGITS: Final = 10
VALUE_CHARS_MAX: Final = 1_000  # of a value as JSON; of longer ones the digest is kept
DIGEST_CHARS: Final = 32
FIRST_VERSION: Final = 1  # an entry is written once: at any other version it was rewritten


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field before and after, as JSON values. `hidden`: it changed, and its content is nobody's business here."""

    name: str
    before: object = None
    after: object = None
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class RecordChange:
    """One record that a transaction wrote: its versions before and after, 0 where it was not there."""

    kind: str
    key: str
    before: int
    after: int
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True)
class Witnessed:
    """The head of another shard, as it was when an entry was written."""

    shard: int
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class AuditedRequest:
    """Who asks for what. `action` is method and route, `subjects` the ids in the request's path."""

    by: str
    role: str
    action: str
    request_id: str
    subjects: tuple[str, ...] = ()

    @property
    def shard(self) -> int:
        return shard_of(self.request_id)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One transaction of a request. `seq` counts from 1 in its shard, without gaps."""

    shard: int
    seq: int
    at: datetime
    by: str
    role: str
    action: str
    request_id: str
    subjects: tuple[str, ...] = ()
    changes: tuple[RecordChange, ...] = ()
    witnessed: Witnessed | None = None
    previous: str = ""  # the hash of the entry before; empty for the first
    hash: str = ""
    version: int = 0

    @property
    def id(self) -> str:
        return entry_id(self.shard, self.seq)


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The end of a shard's chain: the last entry's number and hash. Everyone who appends changes it."""

    shard: int
    seq: int = 0
    hash: str = ""
    version: int = 0


def seq_key(seq: int) -> str:
    """Numbers as texts of the same order."""
    return f"{seq:0{SEQ_DIGITS}d}"


def entry_id(shard: int, seq: int) -> str:
    return f"aud_{shard}_{seq_key(seq)}"


def head_id(shard: int) -> str:
    return f"aud_{shard}_head"


def hash_of(entry: AuditEntry) -> str:
    """SHA-256 over the previous hash and the canonical JSON of all the rest."""
    content = {
        **{name: getattr(entry, name) for name in _HASHED},
        "at": entry.at.isoformat(),
        "changes": [{**_plain(change), "fields": [_plain(f) for f in change.fields]} for change in entry.changes],
        "witnessed": None if entry.witnessed is None else _plain(entry.witnessed),
    }
    text = json.dumps(content, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(f"{entry.previous}\n{text}".encode()).hexdigest()


_HASHED: Final = tuple(f.name for f in fields(AuditEntry) if f.name not in ("hash", "version"))


def _plain(part: RecordChange | FieldChange | Witnessed) -> dict[str, Any]:
    """Its fields by name; `asdict` would copy every value on the way."""
    return {name: getattr(part, name) for name in part.__slots__}


def witness_of(head: AuditHead) -> int:
    """Whose head the next entry of this shard bears witness to: each of the others in its turn."""
    return (head.shard + 1 + head.seq % (SHARDS - 1)) % SHARDS


def changed_fields(
    before: Mapping[str, Any], after: Mapping[str, Any], shown: frozenset[str] | None = None
) -> Iterator[FieldChange]:
    """The fields in which two trees differ, nested ones with dots. Of those not `shown` (None: all) only the name."""
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if shown is not None and name not in shown:
            yield FieldChange(name, hidden=True)
        elif isinstance(old, dict) and isinstance(new, dict):
            for inner in changed_fields(old, new):
                yield FieldChange(f"{name}.{inner.name}", inner.before, inner.after)
        else:
            yield FieldChange(name, _kept(old), _kept(new))


def _kept(value: Any) -> Any:
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    if len(text) <= VALUE_CHARS_MAX:
        return value
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:DIGEST_CHARS]}"


# ---- verification ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class ChainCheck:
    """Walks one shard's chain in order of `seq` and remembers the first entry that is not as it was written.

    `claims` are the latest heads that its entries bear witness to, by shard.
    """

    shard: int
    seq: int = 0
    hash: str = ""
    first_bad: str | None = None
    claims: dict[int, Witnessed] = field(default_factory=dict)

    def follow(self, entry: AuditEntry) -> None:
        if entry.seq != self.seq + 1:
            self.blame(entry_id(self.shard, self.seq + 1))
        elif not self._is_next(entry):
            self.blame(entry.id)
        self.seq, self.hash = max(entry.seq, self.seq + 1), entry.hash
        seen = entry.witnessed
        if seen is not None and (seen.shard not in self.claims or self.claims[seen.shard].seq < seen.seq):
            self.claims[seen.shard] = seen

    def _is_next(self, entry: AuditEntry) -> bool:
        return (
            entry.shard == self.shard
            and entry.version == FIRST_VERSION
            and entry.previous == self.hash
            and entry.hash == hash_of(entry)
        )

    def blame(self, id: str) -> None:
        self.first_bad = self.first_bad or id

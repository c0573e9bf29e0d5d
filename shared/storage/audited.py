"""A store that writes down who changed what, in the same transaction as the change. PRODUCT 12.

To each commit two changes are added: an entry of the audit log, and the head of its shard's chain. Another request may
append to the same shard at the same moment; then only the head conflicts, and the commit is made again after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, TypeVar, cast

import msgspec

from shared.domain.audit import (
    AuditedRequest,
    AuditEntry,
    AuditHead,
    FieldChange,
    RecordChange,
    Witnessed,
    changed_fields,
    hash_of,
    witness_of,
)
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.policy import CustomerClass
from shared.domain.records import Answered, untold_key
from shared.domain.settings import Settings, SettingsGate
from shared.domain.template import StoredTemplate
from shared.domain.webhook import WebhookEndpoint
from shared.ports import (
    COMMIT_MAX,
    Change,
    Check,
    Clock,
    Conflict,
    Remove,
    Save,
    Store,
    Throttled,
    Unavailable,
)
from shared.storage.records import keys_of, kind_of
from shared.storage.within import StoreWithin

E = TypeVar("E")

HEAD_ATTEMPTS_MAX: Final = 10  # for one commit that others of its shard come before

# What is told of a change beside the versions: the fields whose values are told, None for all. The others of these
# kinds are named only: a customer's name and address do not belong into a log that nothing is ever erased from.
TOLD: Final[dict[type[Any], frozenset[str] | None]] = {
    Settings: None,
    CustomerClass: None,
    StoredTemplate: None,
    WebhookEndpoint: frozenset({"url", "events", "disabled_at", "disabled_because"}),  # never its secrets
    Customer: frozenset({
        "account_summary_schedule", "automated_since", "automations", "class_id", "currency", "delivery",
        "email_problem", "erased_at", "hold", "pauses", "service", "tax_rate_percent", "timezone",
    }),
}  # fmt: skip
BEFORE_FIRST: Final[dict[type[Any], Any]] = {Settings: Settings()}  # what counts as long as nothing is stored
NOT_FIELDS: Final = ("id", "version", "created_at")
_SUBJECT: Final = re.compile(r"[a-z]{2,3}_[A-Za-z0-9_-]+")
_UNTOLD: Final = (Answered, SettingsGate)  # answers kept to be repeated, and copies of a version
_Audit = tuple[Save[AuditEntry], Save[AuditHead]]


class AuditedStore(StoreWithin):
    """Implements shared.ports.Store for one request: reads as the store within, writes with an entry for each commit.

    What only keeps an answer to repeat it is no change of anything, and is not told.
    """

    def __init__(self, inner: Store, request: AuditedRequest, clock: Clock) -> None:
        super().__init__(inner)
        self._request = request
        self._clock = clock
        self._unanswered: tuple[tuple[Change, ...], _Audit] | None = None

    def commit(self, *changes: Save[E] | Remove[E] | Check[E]) -> None:
        plain = cast(tuple[Change, ...], changes)
        if all(isinstance(c, Check) or isinstance(c.entity, Answered) for c in plain):
            self._inner.commit(*plain)
            return
        if len(plain) > COMMIT_MAX:
            raise ValueError(f"{len(plain)} changes in one transaction; at most {COMMIT_MAX} fit")
        tried = self._tried_before(plain)
        for _ in range(HEAD_ATTEMPTS_MAX):
            audit = tried or self._audit(plain)
            tried = None
            try:
                self._inner.commit(*plain, *audit)
                return
            except Unavailable:
                self._unanswered = (plain, audit)
                raise
            except Conflict as conflict:
                theirs = tuple(n for n in conflict.failed if n < len(plain))
                if theirs:
                    raise Conflict(theirs) from conflict
        raise Throttled("the audit log: others came first each time")

    def _tried_before(self, changes: tuple[Change, ...]) -> _Audit | None:
        """What was to be written beside these very changes when the answer was lost: the store recognises it."""
        unanswered, self._unanswered = self._unanswered, None
        return unanswered[1] if unanswered is not None and unanswered[0] == changes else None

    def _audit(self, changes: tuple[Change, ...]) -> _Audit:
        shard = self._request.shard
        head = self._inner.get(AuditHead, str(shard)) or AuditHead(shard)
        other = self._inner.get(AuditHead, str(witness_of(head)))
        entry = AuditEntry(
            shard=shard,
            seq=head.seq + 1,
            at=self._clock.now(),
            by=self._request.by,
            role=self._request.role,
            action=self._request.action,
            request_id=self._request.request_id,
            subjects=tuple(dict.fromkeys([*self._request.subjects, *_subjects(changes)])),
            changes=tuple(self._told(changes)),
            witnessed=Witnessed(other.shard, other.seq, other.hash) if other else None,
            previous=head.hash,
        )
        entry = replace(entry, hash=hash_of(entry))
        return Save(entry), Save(replace(head, seq=entry.seq, hash=entry.hash))

    def _told(self, changes: tuple[Change, ...]) -> Iterator[RecordChange]:
        for change, (cls, partition, sort) in zip(changes, keys_of(changes), strict=True):
            if isinstance(change, Check) or cls in _UNTOLD:
                continue
            version: int = change.entity.version
            key = untold_key(partition) or (f"{partition}/{sort}" if sort else partition)
            after = version + 1 if isinstance(change, Save) else 0
            fields = tuple(self._fields(change, (partition, sort))) if cls in TOLD else ()
            yield RecordChange(cls.__name__, key, version, after, fields)

    def _fields(self, change: Save[Any] | Remove[Any], key: tuple[str, str]) -> Iterator[FieldChange]:
        cls = type(change.entity)
        before = self._inner.get(cls, *key) if change.entity.version else BEFORE_FIRST.get(cls)
        after = change.entity if isinstance(change, Save) else None
        return changed_fields(_tree(before), _tree(after), TOLD[cls])


def _tree(entity: Any) -> dict[str, Any]:
    if entity is None:
        return {}
    tree: dict[str, Any] = msgspec.to_builtins(entity)
    return {name: value for name, value in tree.items() if name not in NOT_FIELDS}


def _subjects(changes: tuple[Change, ...]) -> Iterator[str]:
    """The ids of what is changed, and of the customers that it belongs to, as the API names them."""
    for change in changes:
        if isinstance(change, Check) or isinstance(change.entity, _UNTOLD):
            continue
        kind = kind_of(type(change.entity))
        sort, partition = kind.sort(change.entity), kind.partition(change.entity)
        if isinstance(change.entity, Settings | StoredTemplate):
            yield sort or partition
        customer_id = getattr(change.entity, "customer_id", None)
        yield from (id for id in (sort, partition, customer_id) if id and _SUBJECT.fullmatch(id))

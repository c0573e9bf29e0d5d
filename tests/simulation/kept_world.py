"""A world in memory to go back to, and what is to be said of it when it is compared with another."""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from infra.local.cloud import LocalCloud
from shared.domain.account_event import AccountEvent
from shared.domain.audit import AuditEntry, AuditHead
from shared.domain.card import CardTries, CardUse
from shared.domain.console_session import ConsoleSession
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice
from shared.domain.outbox import OutboxEvent
from shared.domain.pay_link import PayLink, Submission
from shared.domain.payment import Payment
from shared.domain.records import Answered, FailedMessage, HeardEvent
from shared.domain.runs import BillRun, Chunk, PaymentRun
from shared.domain.task import Task
from shared.domain.webhook import WebhookDelivery
from shared.ports import Change, Remove, Save
from shared.storage.memory import MemoryStore
from shared.use_cases.send_notice import AT_MOST_ONCE


class Kept:
    """A world as it is now, to go back to any number of times."""

    def __init__(self, cloud: LocalCloud) -> None:
        inner = cloud._backend.ports
        self._cloud, self._store = cloud, store_of(cloud)
        self._things = [
            cloud.clock, cloud._backend.broker, cloud.gateway, cloud.mail, cloud.bus, cloud.pace,
            inner.ids, inner.mailer, inner.bus, inner.files,
        ]  # fmt: skip
        stays = (cloud, cloud.wiring, inner, *self._things, *cloud.wiring.queues.values())
        self._same = {id(thing): thing for thing in stays}
        self._snapshot = self._store.snapshot()
        self._attributes = self._copied([vars(thing) for thing in self._things])
        self._ticks = [armed.next_at for armed in cloud.engine._rules]
        self._retries = list(cloud.engine._retries)

    def restore(self) -> None:
        self._store.restore(self._snapshot)
        for thing, kept in zip(self._things, self._copied(self._attributes), strict=True):
            vars(thing).update(kept)
        for armed, next_at in zip(self._cloud.engine._rules, self._ticks, strict=True):
            armed.next_at = next_at
        self._cloud.engine._retries[:] = self._retries

    def _copied(self, attributes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return copy.deepcopy(attributes, dict(self._same))


def store_of(cloud: LocalCloud) -> MemoryStore:
    store = cloud.ports.store
    assert isinstance(store, MemoryStore)
    return store


def entities(cloud: LocalCloud) -> Iterator[Any]:
    for found in store_of(cloud).dump().values():
        yield from found.values()


# ---- what a world is, in words -------------------------------------------------------------------------------

_MADE = re.compile(r"(?<![a-z0-9])[a-z2-7]{20}(?![a-z0-9])")  # of an id that depends on the way there: see derive_id
_INSTANT = re.compile(r"datetime\.datetime\([^()]*\)|\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(?:Z|\+00:00)")
_DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
_ON = re.compile(r"""(["']on["']: ?)["'][-\d]+["']""")  # the day on which service was lifted, in an event
_COUNTS = re.compile(r"""(["']counts["']: ?)\{[^}]*\}""")  # as they were when a run ended: what was unknown then


def told(cloud: LocalCloud, *, exactly: bool) -> Counter[str]:
    """All that is stored and all that went out, but for instants, and for ids that depend on the way there.

    If not `exactly`, without what tells of the way there, and each mail and event that may come twice once.
    """
    lines: Counter[str] = Counter()
    once: set[str] = set()
    say: Callable[[str], str] = plain if exactly else at_rest
    for entity in entities(cloud):
        kept = entity if exactly else _essence(entity)
        if isinstance(kept, PayLink) and not exactly:
            once.add(say(repr(kept)))
        elif kept is not None:
            lines[say(repr(kept))] += 1
    lines.update(say(repr(charge)) for charge in cloud.gateway.charges)
    for sent in cloud.mail.sent:
        notice = cloud.ports.store.get(Notice, sent.mail.notice_id)
        line = say(f"mail {sent.mail.notice_id} to {sent.mail.to}: {sent.mail.subject}")
        if exactly or (notice is not None and notice.kind in AT_MOST_ONCE):
            lines[line] += 1
        else:
            once.add(line)
    once.update(say(f"event {event.detail_type} {event.detail}") for event in cloud.bus.published)
    lines.update(say(f"file {key}") for key in cloud._backend.ports.files.files)
    for name, depth in cloud.engine.broker.depths().items():
        lines[f"in {name}"] += depth
    return +lines + Counter(once)


def plain(text: str) -> str:
    return _DIGEST.sub("digest", _INSTANT.sub("instant", _MADE.sub("*", text)))


def at_rest(text: str) -> str:
    return _COUNTS.sub(r"\1some", _ON.sub(r"\1day", plain(text)))


# What tells only of the way there: how often something was tried, in which order, by which of two runs.
_OF_THE_WAY: dict[type[Any], dict[str, Any]] = {
    Payment: {"attempt": None, "run_id": None, "submission_id": None, "checks": 0},
    Invoice: {"attempts": 0},
    PaymentRun: {"chunks": 0},
    AccountEvent: {"seq": 0},
    WebhookDelivery: {"attempts": 0, "tried": 0},
    Notice: {"attempts": 0},
    Customer: {"pay_epoch": 0},
    PayLink: {"epoch": 0},
}
_BOOKKEEPING = (
    ConsoleSession,
    Answered,
    AuditEntry,
    AuditHead,
    CardTries,
    CardUse,
    HeardEvent,
    FailedMessage,
    Submission,
)


def _essence(entity: Any) -> Any:
    """Without what tells of the way there; None for what is only about it."""
    if isinstance(entity, _BOOKKEEPING):
        return None
    if isinstance(entity, Payment) and entity.status == "failed":
        return None  # provably not processed, and tried again
    if isinstance(entity, Task) and entity.kind == "mail_stuck":
        return None  # it is asked for as long as something waits
    if isinstance(entity, Chunk) and entity.phase == "charge":
        return None  # which of two runs was first at an invoice
    return replace(entity, **_OF_THE_WAY.get(type(entity), {}))


# ---- a world at rest -----------------------------------------------------------------------------------------


def bring_to_rest(cloud: LocalCloud, but_for: str) -> None:
    """Nothing is under way any more, except for what these words name: else what is healed is lost in what happens."""
    store = store_of(cloud)
    for found in store.dump().values():
        for key, entity in found.items():
            name = entity.run_id if isinstance(entity, Chunk) else getattr(entity, "id", None)
            if (name is None or name not in but_for) and (changes := _ended(store.get(type(entity), *key), store)):
                store.commit(*changes)


def _ended(found: Any, store: MemoryStore) -> list[Change]:
    match found:
        case BillRun(status="pending" | "generating" | "posting"):
            return [Save(replace(found, status="cancelled", cursor=None, post_cursor=None))]
        case PaymentRun(status="pending" | "waiting" | "collecting"):
            return [Save(replace(found, status="completed", cursor=None))]
        case Payment(unresolved=True):
            invoice = store.get(Invoice, found.invoice_id or "")
            assert invoice is not None
            ended = replace(found, status="failed", code="not_processed", next_check_at=None)
            return [Save(ended), Save(invoice.attempt_closed())]
        case Notice(status="pending"):
            return [Save(replace(found, status="suppressed", reason="paid"))]
        case WebhookDelivery(outcome="pending"):
            return [Save(replace(found, outcome="cancelled"))]
        case Chunk(done=False) | OutboxEvent():
            return [Remove(found)]
    return []

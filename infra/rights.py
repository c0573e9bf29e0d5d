"""What each function asks of AWS, held against its role: ports that refuse what the template does not allow.

On AWS a right that is missing shows when the call is first made, perhaps months after a deployment. Here it shows in
whichever test makes the call, on either backend.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeVar

from infra.wiring import Wiring
from shared.domain.payment import ChargeOutcome, GivenBack, Payment
from shared.ports import (
    PAGE_LIMIT,
    Bus,
    CardSetup,
    Check,
    DeadLetterQueue,
    DeadLetters,
    DeadMessage,
    Entry,
    Files,
    Gateway,
    GatewayEvent,
    Index,
    Key,
    Mail,
    Mailer,
    Pace,
    Page,
    Ports,
    Queue,
    QueueName,
    Remove,
    Save,
    SavedCard,
    Store,
)
from shared.storage.schema import KIND_OF

E = TypeVar("E")

# A transaction needs the right to each of its parts, and no right of its own.
WRITES = {Save: "dynamodb:PutItem", Remove: "dynamodb:DeleteItem", Check: "dynamodb:ConditionCheckItem"}


class AccessDenied(Exception):
    """A function's role does not allow what it tried."""


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """One kind of thing a function did. `resource` is an ARN."""

    function: str
    action: str
    resource: str

    def __str__(self) -> str:
        return f"{self.function} {self.action} on {self.resource}"


@dataclass(slots=True)
class Rights:
    """Knows which function runs, remembers what it used, and refuses what its role does not allow.

    Calls outside any function, such as a test's own, are let through.
    """

    wiring: Wiring
    used: set[Use] = field(default_factory=set)
    denied: set[Use] = field(default_factory=set)
    _running: list[str] = field(default_factory=list)  # a simulation lets one begin while another has not ended
    _known: set[tuple[str, str, str]] = field(default_factory=set)  # those used, for a quick look

    def begin(self, function: str) -> None:
        """An invocation of `function` (its logical id) begins."""
        self._running.append(function)

    def end(self) -> None:
        """The one that began last has ended."""
        self._running.pop()

    def need(self, action: str, *resources: str) -> None:
        """Raises AccessDenied unless the running function may do this to every one of the resources."""
        if not self._running:
            return
        function = self._running[-1]
        for resource in resources:
            known = (function, action, resource)
            if known in self._known:
                continue
            use = Use(*known)
            if not self.wiring.functions[function].may(action, resource):
                self.denied.add(use)
                raise AccessDenied(str(use))
            self.used.add(use)
            self._known.add(known)


def guarded(ports: Ports, rights: Rights) -> Ports:
    """The same ports, each call of which first asks whether the running function may make it."""
    arns = _Arns(rights.wiring)
    return replace(
        ports,
        store=_GuardedStore(ports.store, rights, arns),
        queue=_GuardedQueue(ports.queue, rights, arns),
        dead_letters=_GuardedDeadLetters(ports.dead_letters, rights, arns),
        gateway=_GuardedGateway(ports.gateway, rights, arns),
        mailer=_GuardedMailer(ports.mailer, rights, arns),
        pace=_GuardedPace(ports.pace, rights),
        files=_GuardedFiles(ports.files, rights, arns),
        bus=_GuardedBus(ports.bus, rights, arns),
    )


class _Arns:
    """The ARNs of what stands behind the ports."""

    def __init__(self, wiring: Wiring) -> None:
        tables = {table.id: table.arn for table in wiring.tables.values()}
        self._tables = {kind: tables[f"{stored.table.capitalize()}Table"] for kind, stored in KIND_OF.items()}
        self.queues = {queue.label: queue.arn for queue in wiring.queues.values()}
        of = wiring.template.of
        self.mail = [r.arn for kind in ("EmailIdentity", "ConfigurationSet") for r in of(f"AWS::SES::{kind}")]
        (self.bucket,) = (r.arn for r in of("AWS::S3::Bucket"))
        (self.bus,) = (r.arn for r in of("AWS::Events::EventBus"))
        (self.secret,) = (r.arn for r in of("AWS::SecretsManager::Secret"))
        self.index = cache(self._index)

    def table(self, kind: type[object]) -> str:
        return self._tables[kind]

    def _index(self, index: Index[object]) -> str:
        return f"{self._tables[index.entity]}/index/{index.name}"


class _GuardedStore:
    def __init__(self, inner: Store, rights: Rights, arns: _Arns) -> None:
        self._inner, self._rights, self._arns = inner, rights, arns

    def get(self, kind: type[E], partition: str, sort: str = "") -> E | None:
        self._rights.need("dynamodb:GetItem", self._arns.table(kind))
        return self._inner.get(kind, partition, sort)

    def get_many(self, kind: type[E], keys: Sequence[tuple[str, str]]) -> list[E]:
        if keys:
            self._rights.need("dynamodb:BatchGetItem", self._arns.table(kind))
        return self._inner.get_many(kind, keys)

    def get_all(self, keys: Sequence[Key]) -> list[Any]:
        for kind, _, _ in keys:
            self._rights.need("dynamodb:BatchGetItem", self._arns.table(kind))
        return self._inner.get_all(keys)

    def list(
        self, kind: type[E], partition: str, prefix: str = "", after: str | None = None, limit: int = PAGE_LIMIT
    ) -> Page[E]:
        self._rights.need("dynamodb:Query", self._arns.table(kind))
        return self._inner.list(kind, partition, prefix, after, limit)

    def find(
        self, index: Index[E], partition: str, *, prefix: str = "", last: str | None = None,
        after: str | None = None, limit: int = PAGE_LIMIT, reverse: bool = False,
    ) -> Page[Entry]:  # fmt: skip
        self._rights.need("dynamodb:Query", self._arns.index(index))
        return self._inner.find(index, partition, prefix=prefix, last=last, after=after, limit=limit, reverse=reverse)

    def commit(self, *changes: Save[E] | Remove[E] | Check[E]) -> None:
        for change in changes:
            self._rights.need(WRITES[type(change)], self._arns.table(type(change.entity)))
        self._inner.commit(*changes)


class _GuardedQueue:
    def __init__(self, inner: Queue, rights: Rights, arns: _Arns) -> None:
        self._inner, self._rights, self._arns = inner, rights, arns

    def send(self, queue: QueueName, bodies: Sequence[str], delay_seconds: int = 0) -> None:
        if bodies:
            self._rights.need("sqs:SendMessage", self._arns.queues[queue])
        self._inner.send(queue, bodies, delay_seconds)


class _GuardedDeadLetters:
    """Looking for messages is one right, and taking one that was found takes others."""

    def __init__(self, inner: DeadLetters, rights: Rights, arns: _Arns) -> None:
        self._inner, self._rights, self._arns = inner, rights, arns

    def waiting(self, queue: DeadLetterQueue, most: int) -> list[DeadMessage]:
        self._rights.need("sqs:GetQueueAttributes", self._dlq(queue))
        found = self._inner.waiting(queue, most)
        for action in ("sqs:ReceiveMessage", "sqs:ChangeMessageVisibility") if found else ():
            self._rights.need(action, self._dlq(queue))
        return found

    def redrive(self, queue: DeadLetterQueue, id: str) -> bool:
        self._rights.need("sqs:GetQueueAttributes", self._dlq(queue))
        found = self._inner.redrive(queue, id)
        for action in ("sqs:ReceiveMessage", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage") if found else ():
            self._rights.need(action, self._dlq(queue))
        if found and queue != "ticks":
            self._rights.need("sqs:SendMessage", self._arns.queues[queue])
        return found

    def _dlq(self, queue: DeadLetterQueue) -> str:
        return self._arns.queues[f"{queue}_dlq"]


class _GuardedGateway:
    """The simulated gateway stands in for one that is spoken to with a secret key."""

    def __init__(self, inner: Gateway, rights: Rights, arns: _Arns) -> None:
        self._inner, self._rights, self._arns = inner, rights, arns

    def charge(self, payment: Payment) -> ChargeOutcome:
        self._key()
        return self._inner.charge(payment)

    def look_up(self, payment: Payment) -> ChargeOutcome:
        self._key()
        return self._inner.look_up(payment)

    def refund(self, payment: Payment, amount_minor: int, key: str) -> ChargeOutcome:
        self._key()
        return self._inner.refund(payment, amount_minor, key)

    def hear(self, body: bytes, signature: str) -> GatewayEvent:
        self._key()
        return self._inner.hear(body, signature)

    def attempt_of(self, reference: str) -> str | None:
        self._key()
        return self._inner.attempt_of(reference)

    def given_back(self, payment: Payment) -> GivenBack:
        self._key()
        return self._inner.given_back(payment)

    def start_card(self, customer_id: str, key: str, tokens: Sequence[str] = ()) -> CardSetup:
        self._key()
        return self._inner.start_card(customer_id, key, tokens)

    def finish_card(self, reference: str, customer_id: str) -> SavedCard | None:
        self._key()
        return self._inner.finish_card(reference, customer_id)

    def token_problem(self, token: str) -> str | None:
        return self._inner.token_problem(token)

    def _key(self) -> None:
        self._rights.need("secretsmanager:GetSecretValue", self._arns.secret)


class _GuardedMailer:
    def __init__(self, inner: Mailer, rights: Rights, arns: _Arns) -> None:
        self._inner, self._rights, self._arns = inner, rights, arns

    def send(self, mail: Mail) -> str:
        for action in ("ses:SendEmail", "ses:SendRawEmail"):  # SES v2 asks for both once a mail comes as MIME
            self._rights.need(action, *self._arns.mail)
        return self._inner.send(mail)


class _GuardedPace:
    def __init__(self, inner: Pace, rights: Rights) -> None:
        self._inner, self._rights = inner, rights

    def wait(self) -> None:
        self._rights.need("ses:GetAccount", "*")  # there is but one, and it has no ARN
        self._inner.wait()


class _GuardedFiles:
    def __init__(self, inner: Files, rights: Rights, arns: _Arns) -> None:
        self._inner, self._rights, self._arns = inner, rights, arns

    def read(self, key: str) -> bytes | None:
        self._rights.need("s3:GetObject", self._object(key))
        self._rights.need("s3:ListBucket", self._arns.bucket)  # without it a missing file is "access denied"
        return self._inner.read(key)

    def write_once(self, key: str, content: bytes, media_type: str) -> bool:
        self._rights.need("s3:PutObject", self._object(key))
        return self._inner.write_once(key, content, media_type)

    def _object(self, key: str) -> str:
        folder = key.rpartition("/")[0]
        return f"{self._arns.bucket}/{folder}/*"  # one use per folder, not per file


class _GuardedBus:
    def __init__(self, inner: Bus, rights: Rights, arns: _Arns) -> None:
        self._inner, self._rights, self._arns = inner, rights, arns

    def publish(self, detail_type: str, detail: dict[str, object]) -> None:
        self._rights.need("events:PutEvents", self._arns.bus)
        self._inner.publish(detail_type, detail)


def granted(wiring: Wiring, actions: Iterable[str]) -> set[Use]:
    """Every right that the roles give, of these actions: to see which of them nothing uses."""
    wanted = frozenset(actions)
    return {
        Use(function.id, action, resource)
        for function in wiring.functions.values()
        for grant in function.grants
        for action in grant.actions
        for resource in grant.resources
        if action in wanted
    }

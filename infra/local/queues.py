"""SQS as far as Paidup relies on it, in memory: delays, visibility, receive counts and dead letters."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from infra.wiring import Queue as Spec
from shared.ports import DeadLetterQueue, DeadMessage, QueueName

DELAY_SECONDS_MAX = 900
BODY_BYTES_MAX = 262_144


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message as a worker receives it. `receipt` is for deleting it."""

    message_id: str
    receipt: str
    body: str
    receives: int
    sent_at: datetime


class Broker(Protocol):
    """What the local cloud needs from its queues, whoever keeps them."""

    def receive(self, queue: str, most: int) -> list[Delivery]:
        """Up to `most` messages that are visible now; each is hidden for the visibility timeout."""

    def delete(self, queue: str, deliveries: Sequence[Delivery]) -> None: ...

    def put(self, queue: str, bodies: Iterable[str], delay_seconds: int = 0) -> None: ...

    def is_ready(self, queue: str) -> bool:
        """Whether anything is visible now. Cheap: asked far more often than answered yes."""

    def next_at(self) -> datetime | None:
        """The earliest later instant at which a hidden or delayed message becomes visible."""

    def depths(self) -> dict[str, int]:
        """Messages per queue, visible or not."""

    def bodies(self, queue: str) -> list[str]:
        """The texts in a queue, oldest first, without receiving them."""


@dataclass(slots=True)
class _Message:
    number: int  # in the order of sending, over all queues
    body: str
    sent_at: datetime
    receives: int = 0


@dataclass(slots=True)
class _Queue:
    spec: Spec
    messages: dict[int, _Message] = field(default_factory=dict)
    ready: list[int] = field(default_factory=list)  # heap: what is visible, oldest message first
    hidden: list[tuple[datetime, int]] = field(default_factory=list)  # heap: delayed or in flight, by when visible

    def wake(self, now: datetime) -> None:
        while self.hidden and self.hidden[0][0] <= now:
            _, number = heapq.heappop(self.hidden)
            if number in self.messages:
                heapq.heappush(self.ready, number)

    def next_at(self) -> datetime | None:
        while self.hidden and self.hidden[0][1] not in self.messages:
            heapq.heappop(self.hidden)
        return self.hidden[0][0] if self.hidden else None


class MemoryQueues:
    """The memory backend's Broker. The order is that of sending, as moto's is: SQS itself promises none."""

    def __init__(self, specs: Iterable[Spec], now: Callable[[], datetime]) -> None:
        self._queues = {spec.name: _Queue(spec) for spec in specs}
        self._now = now
        self._sent = 0

    def put(self, queue: str, bodies: Iterable[str], delay_seconds: int = 0) -> None:
        into = self._queues[queue]
        now = self._now()
        visible_at = now + timedelta(seconds=delay_seconds or into.spec.delay_seconds)
        for body in bodies:
            self._sent += 1
            self._store(into, _Message(self._sent, body, now), visible_at)

    def receive(self, queue: str, most: int) -> list[Delivery]:
        source = self._queues[queue]
        now = self._now()
        source.wake(now)
        hidden_until = now + timedelta(seconds=source.spec.visibility_seconds)
        received: list[Delivery] = []
        while source.ready and len(received) < most:
            message = source.messages.get(heapq.heappop(source.ready))
            if message is None:
                continue
            if source.spec.dlq and message.receives >= (source.spec.max_receives or 0):
                self._bury(source, message, now)
                continue
            message.receives += 1
            heapq.heappush(source.hidden, (hidden_until, message.number))
            name = f"{message.number:012d}"
            received.append(Delivery(name, name, message.body, message.receives, message.sent_at))
        return received

    def delete(self, queue: str, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._queues[queue].messages.pop(int(delivery.receipt), None)

    def waiting(self, queue: str) -> list[Delivery]:
        """What is in a queue, oldest first, without receiving it."""
        found = sorted(self._queues[queue].messages.items())
        return [Delivery(f"{n:012d}", f"{n:012d}", m.body, m.receives, m.sent_at) for n, m in found]

    def is_ready(self, queue: str) -> bool:
        source = self._queues[queue]
        if source.hidden:
            source.wake(self._now())
        return bool(source.ready)

    def next_at(self) -> datetime | None:
        return min((at for queue in self._queues.values() if (at := queue.next_at())), default=None)

    def depths(self) -> dict[str, int]:
        return {name: len(queue.messages) for name, queue in self._queues.items()}

    def bodies(self, queue: str) -> list[str]:
        return [message.body for _, message in sorted(self._queues[queue].messages.items())]

    def _store(self, queue: _Queue, message: _Message, visible_at: datetime) -> None:
        queue.messages[message.number] = message
        if visible_at > self._now():
            heapq.heappush(queue.hidden, (visible_at, message.number))
        else:
            heapq.heappush(queue.ready, message.number)

    def _bury(self, source: _Queue, message: _Message, now: datetime) -> None:
        del source.messages[message.number]
        message.receives = 0
        self._store(self._queues[str(source.spec.dlq)], message, now)


class MemoryDeadLetters:
    """The DeadLetters port over the memory broker: `names` says which queue each label is."""

    def __init__(self, broker: MemoryQueues, names: Mapping[str, str]) -> None:
        self._broker = broker
        self._names = names

    def waiting(self, queue: DeadLetterQueue, most: int) -> list[DeadMessage]:
        found = self._broker.waiting(self._names[f"{queue}_dlq"])
        return [DeadMessage(d.message_id, d.body, d.sent_at) for d in found[:most]]

    def redrive(self, queue: DeadLetterQueue, id: str) -> bool:
        dead = self._names[f"{queue}_dlq"]
        found = [d for d in self._broker.waiting(dead) if d.message_id == id]
        if queue != "ticks":
            self._broker.put(self._names[queue], [d.body for d in found])
        self._broker.delete(dead, found)
        return bool(found)


class MemoryQueue:
    """The Queue port over a broker: `names` says which of the template's queues each of the port's is."""

    def __init__(self, broker: Broker, names: Mapping[str, str]) -> None:
        self._broker = broker
        self._names = names

    def send(self, queue: QueueName, bodies: Sequence[str], delay_seconds: int = 0) -> None:
        if not 0 <= delay_seconds <= DELAY_SECONDS_MAX:
            raise ValueError(f"a delay is 0–{DELAY_SECONDS_MAX} s, not {delay_seconds}")
        for body in bodies:
            if len(body.encode()) > BODY_BYTES_MAX:
                raise ValueError(f"a message is at most {BODY_BYTES_MAX} bytes")
        self._broker.put(self._names[queue], bodies, delay_seconds)

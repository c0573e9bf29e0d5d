"""Messages that no worker could handle: seen with the reason, and put back once it is mended. PRODUCT 12."""

from __future__ import annotations

from typing import Final, get_args

from shared.domain.dead_letter import DeadLetter, redacted
from shared.domain.errors import NotFound
from shared.domain.records import FailedMessage
from shared.ports import Conflict, DeadLetterQueue, DeadMessage, Ports, Remove

QUEUES: Final[tuple[DeadLetterQueue, ...]] = get_args(DeadLetterQueue)
SHOWN_MAX: Final = 1_000  # of one queue; further ones show when these are dealt with
ATTEMPTS: Final = 5  # of every queue; a worker that could not say why could not count either
TICK_ATTEMPTS: Final = 3
UNTOLD: Final = "its worker could not say why: it died, ran out of time, or the database was away"
TICK: Final = "a scheduled job failed each time; later ticks did what it left undone"


def dead_letters(queue: DeadLetterQueue, ports: Ports) -> list[DeadLetter]:
    """What one queue's worker could not handle, oldest first; at most SHOWN_MAX."""
    waiting = ports.dead_letters.waiting(queue, SHOWN_MAX)
    told = {f.id: f for f in ports.store.get_many(FailedMessage, [(m.id, "") for m in waiting])}
    waiting.sort(key=lambda message: (message.sent_at, message.id))
    return [_letter(queue, message, told.get(message.id)) for message in waiting]


def redrive(id: str, ports: Ports) -> str:
    """Put a dead letter back on its queue: the queue's name. NotFound if it is not there, or has been put back."""
    name, _, message_id = id.partition("-")
    queue = next((known for known in QUEUES if known == name), None)
    if queue is None or not ports.dead_letters.redrive(queue, message_id):
        raise NotFound("dead letter", id)
    told = ports.store.get(FailedMessage, message_id)
    if told is not None:
        try:
            ports.store.commit(Remove(told))
        except Conflict:
            pass  # somebody else put it back as well
    return queue


def _letter(queue: DeadLetterQueue, message: DeadMessage, told: FailedMessage | None) -> DeadLetter:
    tick = queue == "ticks"
    return DeadLetter(
        id=f"{queue}-{message.id}",
        queue=queue,
        reason=told.reason if told else TICK if tick else UNTOLD,
        body=redacted(message.body),
        failed_at=told.failed_at if told else message.sent_at,
        sent_at=message.sent_at,
        attempts=told.attempts if told else TICK_ATTEMPTS if tick else ATTEMPTS,
    )

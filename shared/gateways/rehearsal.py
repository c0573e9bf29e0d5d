"""The world of a rehearsal: everything outside is a note in memory, and nothing here can reach anything else."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from shared.domain.ids import derive_id
from shared.domain.values import dataclass
from shared.ports import DeadLetterQueue, DeadMessage, Mail, QueueName

DOCUMENT = b"%PDF-1.7 rehearsed"  # stands for every document: nothing is typeset
SUBJECTS_MAX: Final = 1_000  # mails that are written whatever they are: as many as an answer lists
WRITTEN_OF_KIND: Final = 10


class SetClock:
    """Stands still until it is set."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def set(self, instant: datetime) -> None:
        self._now = max(self._now, instant)


class RehearsedIds:
    """The n-th id is the same in every rehearsal, and none that anybody else makes."""

    def __init__(self) -> None:
        self._made = 0
        self._own = derive_id("", "rehearsal")

    def new(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}{self._own}{self._made}"


@dataclass(slots=True)
class Message:
    """`number` counts over all queues, in the order of sending."""

    number: int
    body: str
    sent_at: datetime
    receives: int = 0


class WaitingQueue:
    """Implements shared.ports.Queue. The messages of queues that nobody serves are dropped."""

    def __init__(self, clock: SetClock, served: frozenset[str]) -> None:
        self._clock = clock
        self._served = served
        self._sent = 0
        self._waiting: dict[str, list[tuple[datetime, int, Message]]] = {name: [] for name in served}  # heaps

    def send(self, queue: QueueName, bodies: Sequence[str], delay_seconds: int = 0) -> None:
        if queue not in self._served:
            return
        now = self._clock.now()
        for body in bodies:
            self._sent += 1
            message = Message(self._sent, body, now)
            heapq.heappush(self._waiting[queue], (now + timedelta(seconds=delay_seconds), self._sent, message))

    def take(self, queue: str, most: int) -> list[Message]:
        """Up to `most` messages that are visible now; who cannot do their work puts them back."""
        waiting, now = self._waiting[queue], self._clock.now()
        taken: list[Message] = []
        while waiting and waiting[0][0] <= now and len(taken) < most:
            message = heapq.heappop(waiting)[2]
            message.receives += 1
            taken.append(message)
        return taken

    def put_back(self, queue: str, message: Message, visible_at: datetime) -> None:
        heapq.heappush(self._waiting[queue], (visible_at, message.number, message))

    def next_at(self) -> datetime | None:
        """When the next message becomes visible."""
        return min((waiting[0][0] for waiting in self._waiting.values() if waiting), default=None)


@dataclass(frozen=True, slots=True)
class Noted:
    """A mail that would have gone out. Its text is not kept; a subject of None was not written."""

    notice_id: str
    to: str
    subject: str | None
    at: datetime


class NotingMailer:
    """Implements shared.ports.Mailer."""

    def __init__(self, clock: SetClock) -> None:
        self._clock = clock
        self.noted: list[Noted] = []
        self._written: Counter[str] = Counter()

    def words_wanted(self, kind: str) -> bool:
        """Words are a third of a mail's work: the first mails are written, whose subjects are shown, and of each kind
        enough to find a template that fails."""
        if len(self.noted) >= SUBJECTS_MAX and self._written[kind] >= WRITTEN_OF_KIND:
            return False
        self._written[kind] += 1
        return True

    def send(self, mail: Mail) -> str:
        self.noted.append(Noted(mail.notice_id, mail.to, mail.subject or None, self._clock.now()))
        return f"rehearsed-{len(self.noted)}"


class RehearsedFiles:
    """Implements shared.ports.Files. Every document is there already, and none is kept."""

    def read(self, key: str) -> bytes | None:
        return DOCUMENT

    def write_once(self, key: str, content: bytes, media_type: str) -> bool:
        return False


class NotingBus:
    """Implements shared.ports.Bus. What is said on it is told by the records that it is said of."""

    def __init__(self) -> None:
        self.published = 0

    def publish(self, detail_type: str, detail: dict[str, object]) -> None:
        self.published += 1


class NoDeadLetters:
    """Implements shared.ports.DeadLetters: those of the live queues are none of a rehearsal's business."""

    def waiting(self, queue: DeadLetterQueue, most: int) -> list[DeadMessage]:
        return []

    def redrive(self, queue: DeadLetterQueue, id: str) -> bool:
        return False

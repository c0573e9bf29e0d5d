"""Files, events and mail in memory, with the answers that S3, EventBridge and SES give."""

from __future__ import annotations

import json
from typing import Literal, get_args

from shared.domain.ids import derive_id
from shared.domain.values import dataclass
from shared.gateways.mime import check
from shared.ports import Mail, Throttled, WebhookAnswer, WebhookMessage

MailOutcome = Literal["delivered", "bounce", "soft_bounce", "auto_reply", "reject", "complaint", "throttle"]
MAIL_OUTCOMES: tuple[MailOutcome, ...] = get_args(MailOutcome)


class MemoryFiles:
    """Implements shared.ports.Files."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, str]] = {}  # content and media type

    def read(self, key: str) -> bytes | None:
        found = self.files.get(key)
        return None if found is None else found[0]

    def write_once(self, key: str, content: bytes, media_type: str) -> bool:
        new = key not in self.files
        self.files.setdefault(key, (content, media_type))
        return new


@dataclass(frozen=True, slots=True)
class Event:
    detail_type: str
    detail: dict[str, object]


class MemoryBus:
    """Implements shared.ports.Bus. `events` hold what subscribers would read: the detail after JSON."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def publish(self, detail_type: str, detail: dict[str, object]) -> None:
        self.events.append(Event(detail_type, json.loads(json.dumps(detail))))


@dataclass(frozen=True, slots=True)
class Accepted:
    """A mail that was taken, and what becomes of it."""

    message_id: str
    mail: Mail
    outcome: MailOutcome


class MemoryWebhookSender:
    """Implements shared.ports.WebhookSender. What endpoints answer is told beforehand; by default 200."""

    def __init__(self) -> None:
        self.sent: list[WebhookMessage] = []
        self._answers: dict[str, list[WebhookAnswer]] = {}
        self._secrets = 0

    def behave(self, url: str, *answers: WebhookAnswer) -> None:
        """The next answers of this URL; the last one repeats."""
        self._answers[url] = list(answers)

    def new_secret(self) -> str:
        self._secrets += 1
        return f"whsec_{self._secrets:04d}"

    def refuses(self, url: str) -> str | None:
        return None if url.startswith("https://") else "must be an https URL"

    def send(self, message: WebhookMessage) -> WebhookAnswer:
        self.sent.append(message)
        told = self._answers.get(message.url, [WebhookAnswer(200)])
        return told.pop(0) if len(told) > 1 else told[0]


class MemoryMailer:
    """Implements shared.ports.Mailer. What becomes of mail to an address is told beforehand."""

    def __init__(self) -> None:
        self.accepted: list[Accepted] = []
        self._outcomes: dict[str, MailOutcome] = {}

    def behave(self, address: str, outcome: MailOutcome) -> None:
        if outcome not in MAIL_OUTCOMES:
            raise ValueError(f"{outcome!r} is none of {', '.join(MAIL_OUTCOMES)}")
        self._outcomes[address.lower()] = outcome

    def send(self, mail: Mail) -> str:
        check(mail)
        outcome = self._outcomes.get(mail.to.lower(), "delivered")
        if outcome == "throttle":
            raise Throttled("mail is throttled")
        message_id = derive_id("mail-", mail.notice_id, len(self.accepted))
        self.accepted.append(Accepted(message_id, mail, outcome))
        return message_id

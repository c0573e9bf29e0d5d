"""The world outside Paidup as the local cloud lets it be seen and steered: mail and the event bus.

Each wraps an adapter from within, so that what happened is known even when its answer is lost on the way back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from infra.local.events import Event, mail_feedback
from shared.ports import Bus, Clock, Mail, Mailer, Unavailable

MailOutcome = Literal["delivered", "bounce", "complaint", "throttle"]
MAIL_OUTCOMES: tuple[MailOutcome, ...] = get_args(MailOutcome)
SOURCE = "paidup"

# What SES says of the outcomes that it comes to know only after it has taken the mail.
_FEEDBACK: dict[MailOutcome, tuple[str, Callable[[str], Event]]] = {
    "bounce": (
        "Bounce",
        lambda to: {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [{"emailAddress": to, "action": "failed", "status": "5.1.1"}],
        },
    ),
    "complaint": (
        "Complaint",
        lambda to: {"complaintFeedbackType": "abuse", "complainedRecipients": [{"emailAddress": to}]},
    ),
}


@dataclass(frozen=True, slots=True)
class Sent:
    """A mail that the provider accepted."""

    number: int  # from 1, in the order of acceptance
    message_id: str
    mail: Mail
    at: datetime


class Post:
    """The Mailer port, in front of the backend's own: remembers what was accepted, and does as addresses are told."""

    def __init__(self, inner: Mailer, clock: Clock, feedback: Callable[[str], None]) -> None:
        self._inner = inner
        self._clock = clock
        self._feedback = feedback
        self._outcomes: dict[str, MailOutcome] = {}
        self.sent: list[Sent] = []

    def behave(self, address: str, outcome: MailOutcome) -> None:
        """What becomes of mail to this address from now on."""
        self._outcomes[address.lower()] = outcome

    def send(self, mail: Mail) -> str:
        outcome = self._outcomes.get(mail.to.lower(), "delivered")
        if outcome == "throttle":
            raise Unavailable("Maximum sending rate exceeded.")
        message_id = self._inner.send(mail)
        at = self._clock.now()
        self.sent.append(Sent(len(self.sent) + 1, message_id, mail, at))
        if outcome in _FEEDBACK:
            kind, detail = _FEEDBACK[outcome]
            tags = {"notice_id": mail.notice_id}
            self._feedback(mail_feedback(kind, detail(mail.to), message_id, mail.to, tags, at))
        return message_id


@dataclass(frozen=True, slots=True)
class Published:
    detail_type: str
    detail: dict[str, object]
    at: datetime
    source: str = SOURCE


class RecordedBus:
    """The Bus port, in front of the backend's own: remembers what was published."""

    def __init__(self, inner: Bus, clock: Clock) -> None:
        self._inner = inner
        self._clock = clock
        self.published: list[Published] = []

    def publish(self, detail_type: str, detail: dict[str, object]) -> None:
        self._inner.publish(detail_type, detail)
        self.published.append(Published(detail_type, detail, self._clock.now()))

"""The world outside Paidup as the local cloud lets it be seen and steered: mail and the event bus.

Each wraps an adapter from within, so that what happened is known even when its answer is lost on the way back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from infra.local.events import Event, mail_feedback
from shared.gateways.memory import MailOutcome
from shared.ports import Bus, Clock, Mail, Mailer, Throttled

SOURCE = "paidup"

# What SES says of a mail that it has taken, in order.
_FEEDBACK: dict[MailOutcome, tuple[str, ...]] = {
    "delivered": ("Send", "Delivery"),
    "bounce": ("Send", "Bounce"),
    "complaint": ("Send", "Delivery", "Complaint"),
}
_DETAIL: dict[str, Callable[[str], Event]] = {
    "Send": lambda to: {},
    "Delivery": lambda to: {"recipients": [to], "smtpResponse": "250 ok", "processingTimeMillis": 0},
    "Bounce": lambda to: {
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "bouncedRecipients": [{"emailAddress": to, "action": "failed", "status": "5.1.1"}],
    },
    "Complaint": lambda to: {
        "complaintFeedbackType": "abuse",
        "complainedRecipients": [{"emailAddress": to}],
    },
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
            raise Throttled("Maximum sending rate exceeded.")
        message_id = self._inner.send(mail)
        at = self._clock.now()
        self.sent.append(Sent(len(self.sent) + 1, message_id, mail, at))
        tags = {"notice_id": mail.notice_id}
        for kind in _FEEDBACK[outcome]:
            self._feedback(mail_feedback(kind, _DETAIL[kind](mail.to), message_id, mail.to, tags, at))
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
        seen = json.loads(json.dumps(detail))  # as subscribers read it
        self.published.append(Published(detail_type, seen, self._clock.now()))

"""The world outside Paidup as the local cloud lets it be seen and steered: mail and the event bus.

Each wraps an adapter from within, so that what happened is known even when its answer is lost on the way back.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from infra.local.events import Event, mail_feedback
from shared.gateways.mail_pace import MailAccount
from shared.gateways.memory import MailOutcome
from shared.gateways.mime import address_of
from shared.gateways.ses import IN_SANDBOX
from shared.ports import Bus, Clock, Mail, Mailer, MailRefused, SenderRefused, Throttled

SOURCE = "paidup"
ROUNDING = 1e-6

# What SES says of a mail that it has taken, in order.
_FEEDBACK: dict[MailOutcome, tuple[str, ...]] = {
    "delivered": ("Send", "Delivery"),
    "bounce": ("Send", "Bounce"),
    "soft_bounce": ("Send", "SoftBounce"),
    "auto_reply": ("Send", "Delivery", "SoftBounce"),
    "reject": ("Send", "Reject"),
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
    "SoftBounce": lambda to: {
        "bounceType": "Transient",
        "bounceSubType": "MailboxFull",
        "bouncedRecipients": [{"emailAddress": to, "action": "failed", "status": "4.2.2"}],
    },
    "Reject": lambda to: {"reason": "Bad content"},
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


DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class MailLimits:
    """What the mail service allows this account, and turns away beyond it. None: no limit."""

    max_send_rate: float | None = None  # mails a second, and as many at once
    max_24_hour_send: int | None = None
    sandbox: bool = False  # only verified addresses get mail
    verified: tuple[str, ...] = ()
    sender_verified: bool = True
    sending_enabled: bool = True


class Post:
    """The Mailer port, in front of the backend's own: remembers what was accepted, and does as addresses are told."""

    def __init__(self, inner: Mailer, clock: Clock, feedback: Callable[[str], None]) -> None:
        self._inner = inner
        self._clock = clock
        self._feedback = feedback
        self._outcomes: dict[str, MailOutcome] = {}
        self.sent: list[Sent] = []
        self.limits = MailLimits()
        self.turned_away = 0  # mails beyond the limits
        self._tokens = 0.0  # mails that may go at once, as of the last
        self._as_of: datetime | None = None

    def behave(self, address: str, outcome: MailOutcome) -> None:
        """What becomes of mail to this address from now on."""
        self._outcomes[address.lower()] = outcome

    def send(self, mail: Mail) -> str:
        outcome = self._outcomes.get(mail.to.lower(), "delivered")
        if outcome == "throttle":
            raise Throttled("Maximum sending rate exceeded.")
        self._admit(mail)
        message_id = self._inner.send(mail)
        at = self._clock.now()
        self.sent.append(Sent(len(self.sent) + 1, message_id, mail, at))
        tags = {"notice_id": mail.notice_id}
        for kind in _FEEDBACK[outcome]:
            self._feedback(
                mail_feedback(kind.removeprefix("Soft"), _DETAIL[kind](mail.to), message_id, mail.to, tags, at)
            )
        return message_id

    def account(self) -> MailAccount:
        """What the service says when it is asked for the account's quota."""
        limits = self.limits
        left = None if limits.max_24_hour_send is None else limits.max_24_hour_send - self._sent_lately()
        paused = None if limits.sending_enabled else "SES: sending is paused for this account"
        return MailAccount(limits.max_send_rate, left, limits.max_24_hour_send, limits.sandbox, paused)

    def _admit(self, mail: Mail) -> None:
        """Turn away what is beyond the limits, as SES does: a bucket that a second fills, and a window of 24 hours."""
        limits, now = self.limits, self._clock.now()
        if not limits.sender_verified:
            raise SenderRefused(f"SES: Email address is not verified. (sending as {mail.sender})")
        if limits.sandbox and address_of(mail.to) not in limits.verified:
            raise MailRefused(f"SES: Email address is not verified.; {IN_SANDBOX}")
        if not limits.sending_enabled or self._sent_lately() >= (limits.max_24_hour_send or self._sent_lately() + 1):
            self.turned_away += 1
            raise Throttled("Daily message quota exceeded.")
        if limits.max_send_rate is None:
            return
        since = (now - self._as_of).total_seconds() if self._as_of is not None else 1.0
        self._tokens, self._as_of = min(limits.max_send_rate, self._tokens + since * limits.max_send_rate), now
        if self._tokens < 1 - ROUNDING:
            self.turned_away += 1
            raise Throttled("Maximum sending rate exceeded.")
        self._tokens -= 1

    def _sent_lately(self) -> int:
        since = self._clock.now() - DAY
        return sum(1 for _ in takewhile(lambda s: s.at > since, reversed(self.sent)))


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

"""Webhook endpoints of the company's other systems, and the delivery of events to them. PRODUCT 9.

At least once, each with the event's id: a receiver goes by that. A delivery that fails is tried again, waiting twice as
long each time; an endpoint that says it is gone, or at which one delivery after another is given up, is disabled.
"""

from __future__ import annotations

from dataclasses import field
from datetime import datetime, timedelta
from typing import Final, Literal, get_args

from shared.domain.copies import replace
from shared.domain.ids import derive_id
from shared.domain.values import dataclass

ALL_EVENTS: Final = "*"
SERVICE_EVENTS: Final = ("customer.limited", "customer.suspended", "customer.terminated", "customer.restored")
MoneyEvent = Literal["invoice.posted", "invoice.voided", "payment.succeeded", "payment.failed", "payment.refunded"]
MONEY_EVENTS: Final[tuple[MoneyEvent, ...]] = get_args(MoneyEvent)
RunEvent = Literal["bill_run.completed", "bill_run.posted", "payment_run.completed"]
RUN_EVENTS: Final[tuple[RunEvent, ...]] = get_args(RunEvent)
BACKOFF_FIRST: Final = timedelta(minutes=1)
BACKOFF_MAX: Final = timedelta(hours=24)
ATTEMPTS_MAX: Final = 14  # the last one three and a half days after the first
GIVEN_UP_IN_A_ROW_MAX: Final = 3  # deliveries, after which the endpoint is disabled
SECRETS_MAX: Final = 3  # with which a message is signed at the same time
DELIVERY_KEPT: Final = timedelta(days=90)
GONE: Final = 410

Outcome = Literal["pending", "delivered", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """What deliveries are signed with, until `expires_at`; the newest one has no end."""

    secret: str = field(repr=False)
    created_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """Where events are told to. `secrets` are the newest first; `given_up` counts deliveries in a row."""

    id: str
    url: str
    events: tuple[str, ...]
    secrets: tuple[WebhookSecret, ...] = field(default=(), repr=False)
    given_up: int = 0
    disabled_at: datetime | None = None
    disabled_because: str | None = None
    created_at: datetime | None = None
    version: int = 0

    def hears(self, event_type: str) -> bool:
        """Whether an event of this type is delivered to it."""
        return self.disabled_at is None and (ALL_EVENTS in self.events or event_type in self.events)

    def signing(self, now: datetime) -> tuple[str, ...]:
        """The secrets that a message is signed with now."""
        return tuple(s.secret for s in self.secrets if s.expires_at is None or now < s.expires_at)

    def rotated(self, secret: str, now: datetime, grace: timedelta) -> WebhookEndpoint:
        """With a new secret; those before it stay valid for `grace` at most."""
        alive = [s for s in self.secrets if s.expires_at is None or now < s.expires_at]
        ending = [replace(s, expires_at=min(s.expires_at or now + grace, now + grace)) for s in alive if grace]
        return replace(self, secrets=(WebhookSecret(secret, now), *ending[: SECRETS_MAX - 1]))

    def disabled(self, now: datetime, because: str) -> WebhookEndpoint:
        return replace(self, disabled_at=now, disabled_because=because)

    def enabled(self) -> WebhookEndpoint:
        return replace(self, disabled_at=None, disabled_because=None, given_up=0)


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One event to one endpoint. `body` is sent as it stands, the same bytes each time."""

    id: str
    endpoint_id: str
    event_id: str
    event_type: str
    body: str
    created_at: datetime
    next_at: datetime | None
    attempts: int = 0
    tried: int = 0  # attempts since it was last asked for: what the wait grows with
    outcome: Outcome = "pending"
    last_at: datetime | None = None
    last_status: int | None = None  # of HTTP; None where there was no answer
    last_error: str | None = None
    settled_at: datetime | None = None
    version: int = 0

    @property
    def expires_at(self) -> datetime:
        """When the record may be forgotten."""
        return (self.settled_at or self.last_at or self.created_at) + DELIVERY_KEPT

    def attempted(self, now: datetime, status: int | None, error: str | None) -> WebhookDelivery:
        """After one more attempt: delivered by a 2xx, else to be tried again, or given up after ATTEMPTS_MAX."""
        after = replace(
            self, attempts=self.attempts + 1, tried=self.tried + 1, last_at=now, last_status=status, last_error=error
        )
        if status is not None and 200 <= status < 300:
            return after.settled("delivered", now)
        if status == GONE or after.tried >= ATTEMPTS_MAX:
            return after.settled("failed", now)
        return replace(after, next_at=now + wait_after(after.tried))

    def settled(self, outcome: Outcome, now: datetime) -> WebhookDelivery:
        return replace(self, outcome=outcome, next_at=None, settled_at=now)

    def asked_again(self, now: datetime) -> WebhookDelivery:
        """Pending anew, whatever came of it before."""
        return replace(self, outcome="pending", next_at=now, tried=0, settled_at=None)


def delivery_id(event_id: str, endpoint_id: str) -> str:
    """There is one delivery of an event to an endpoint."""
    return derive_id("whd_", event_id, endpoint_id)


def wait_after(tried: int) -> timedelta:
    """How long to wait after so many failed attempts (from 1): a minute, doubled each time, at most a day."""
    return min(BACKOFF_FIRST * (1 << (tried - 1)), BACKOFF_MAX)

"""Small records that belong to the system rather than to the business."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

from shared.domain.values import dataclass

_EXTERNAL: Final = "external/"
_DIGEST_CHARS: Final = 32


@dataclass(frozen=True, slots=True)
class Owner:
    """Which customer a contract, payment method or external id belongs to: finds it, and keeps that id unique."""

    id: str
    customer_id: str
    version: int = 0


def external_key(external_id: str) -> str:
    """The id of the Owner that says whose external id this is."""
    return f"{_EXTERNAL}{external_id}"


def untold_key(id: str) -> str | None:
    """What a log that nothing is ever erased from calls the Owner of an external id; None for any other id."""
    if not id.startswith(_EXTERNAL):
        return None
    return f"{_EXTERNAL}sha256:{hashlib.sha256(id.encode()).hexdigest()[:_DIGEST_CHARS]}"


@dataclass(frozen=True, slots=True)
class Answered:
    """What a POST with an Idempotency-Key was answered, for 24 hours. `fingerprint` is the digest of its body.

    `uses` counts the requests answered under this key before: each is one of its own, once its time has run out.
    `began_at` is when it was first tried, of a request that has not been answered yet.
    """

    key: str
    fingerprint: str
    status: int
    body: str
    expires_at: datetime
    uses: int = 0
    began_at: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class FailedMessage:
    """Why a message went to the dead letters, by the queue's id of it: the message itself cannot say."""

    id: str
    reason: str
    attempts: int
    failed_at: datetime
    expires_at: datetime
    version: int = 0


@dataclass(frozen=True, slots=True)
class HeardEvent:
    """An event of the payment gateway that has been acted on, by the gateway's id of it, while it may be told again."""

    id: str
    expires_at: datetime
    version: int = 0

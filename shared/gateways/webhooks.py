"""Webhooks of the gateway: how they are signed, and what is taken from them. Stripe's scheme and shapes.

Our own webhooks are signed in the same way, under a header of their own.

The header `Stripe-Signature` holds `t=<seconds>,v1=<HMAC-SHA256 of "<t>.<body>", in hex>`, with a v1 per secret while
a secret is being replaced. Source: https://docs.stripe.com/webhooks/signature. Checked here and not by the SDK, which
takes the time from the machine and would be imported for every forged request.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from shared.ports import Forged, GatewayEvent

ATTEMPT: Final = "paidup_attempt"  # the attempt's id in the metadata of what was made for it
SUCCEEDED: Final = frozenset({"payment_intent.succeeded", "charge.succeeded"})
REVERSALS: Final = ("charge.refund", "charge.dispute.", "refund.")  # how events on money that goes back begin
TOLERANCE_SECONDS: Final = 300  # a message older than this may be one that somebody recorded
SCHEME: Final = "v1"
HEADER_CHARS_MAX: Final = 2_000

_SECONDS = re.compile(r"[0-9]{1,12}")
_EVENT_ID = re.compile(r"evt_[A-Za-z0-9_]{1,120}")
_INTENT_ID = re.compile(r"pi_[A-Za-z0-9_]{1,120}")
_ATTEMPT_ID = re.compile(r"pay_[A-Za-z0-9_-]{1,64}")


def sign(body: bytes, secrets: str | Iterable[str], at: datetime) -> str:
    """The header for this body, signed with one secret or with each of several."""
    seconds = int(at.timestamp())
    signatures = [_digest(body, secret, seconds) for secret in ([secrets] if isinstance(secrets, str) else secrets)]
    return ",".join([f"t={seconds}", *(f"{SCHEME}={signature}" for signature in signatures)])


def verify(body: bytes, header: str, secret: str, now: datetime) -> None:
    """Raises Forged unless the header fits these very bytes and is at most TOLERANCE_SECONDS from now."""
    if not secret:
        raise Forged("no signing secret is configured, so no message can be believed")
    seconds, signatures = _read(header)
    expected = _digest(body, secret, seconds)
    if not any(hmac.compare_digest(expected, signature) for signature in signatures):
        raise Forged("the signature does not fit the message")
    if abs(int(now.timestamp()) - seconds) > TOLERANCE_SECONDS:
        raise Forged(f"the signature is not from the last {TOLERANCE_SECONDS} seconds")


def read_event(body: bytes) -> GatewayEvent:
    """The event in a message that has been verified. Raises Forged if it is no event at all."""
    try:
        event = json.loads(body)
    except ValueError:
        event = None
    id = event.get("id") if isinstance(event, dict) else None
    if not isinstance(id, str) or not _EVENT_ID.fullmatch(id):
        raise Forged("the message is no event")
    attempt = _like(_ATTEMPT_ID, _inside(event, "data", "object", "metadata", ATTEMPT))
    reference = _like(_INTENT_ID, _inside(event, "data", "object", "payment_intent"))
    kind = str(event.get("type"))
    reversal = kind.startswith(REVERSALS)
    return GatewayEvent(
        id, attempt, succeeded=kind in SUCCEEDED, reversal=reversal, reference=reference if reversal else None
    )


def _like(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _inside(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _digest(body: bytes, secret: str, seconds: int) -> str:
    return hmac.new(secret.encode(), b"%d." % seconds + body, hashlib.sha256).hexdigest()


def _read(header: str) -> tuple[int, list[str]]:
    readable = len(header) <= HEADER_CHARS_MAX and header.isascii()
    items = [item.strip().partition("=") for item in header.split(",")] if readable else []
    times = [value for name, _, value in items if name == "t"]
    signatures = [value for name, _, value in items if name == SCHEME]
    if len(times) != 1 or not _SECONDS.fullmatch(times[0]) or not signatures:
        raise Forged("the signature is missing or cannot be read")
    return int(times[0]), signatures

"""Pay links: what lets a customer in without a password, and what was submitted from the page behind one. PRODUCT 11.

The token in a link is at least 128 random bits. Only its digest is stored, so nobody who reads the store can make a
link of it; being random, it needs neither salt nor stretching. Every form of the page carries a one-time value, made
from the token, that says what the page showed: opening a page stores nothing, and submitting one twice has one effect.

NoEntry    the link does not open: unknown, revoked or expired
StalePage  what was submitted is not of a page that may still be submitted
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

from shared.domain.errors import DomainError
from shared.domain.values import dataclass

PAGE_LIFE = timedelta(hours=24)  # how long a page may lie open before it is submitted
KEPT_EXPIRED = timedelta(days=730)  # how long an expired link still offers a fresh one: paper lives longer than a link
KEPT_SUBMITTED = timedelta(days=60)
MARK_CHARS = 8
MAC_CHARS = 32  # 128 bits
ONCE_CHARS_MAX = 4_000

PageName = Literal["account", "cards", "autopay"]
Closed = Literal["unknown", "revoked", "expired"]

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ONCE = re.compile(r"([A-Za-z0-9_-]{1,64})\.([0-9]{1,12})\.((?:[0-9a-f]{8})*)\.([0-9a-f]{32})")


class NoEntry(DomainError):
    """The link does not open. `customer_id` is known only where the link was once good."""

    def __init__(self, reason: Closed, customer_id: str = "") -> None:
        super().__init__(f"this link is {reason}")
        self.reason: Closed = reason
        self.customer_id = customer_id


class StalePage(DomainError):
    """A form without the value of its page, or with one that is forged, of another page, or too old."""


@dataclass(frozen=True, slots=True)
class PayLink:
    """A link to one customer's page, by the digest of its token.

    It is good before `expires_at`, and as long as the customer's `pay_epoch` is still that of the link.
    """

    digest: str
    customer_id: str
    epoch: int
    expires_at: datetime
    version: int = 0


@dataclass(frozen=True, slots=True)
class Asked:
    """One invoice that a customer chose to pay, for the amount that the page showed."""

    invoice_id: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class NotPaid:
    """An invoice that was chosen and not charged; `reason` is one of pay_invoices."""

    invoice_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Submission:
    """A form that was submitted: it exists once per page that was shown, which makes the page's value one-time.

    For a payment, `asked` is what to charge to which method. Each of them is charged at most once for this submission;
    `done` once all of them have been tried, with those that were not charged in `not_paid`.
    """

    id: str
    customer_id: str
    made_at: datetime
    expires_at: datetime  # may be forgotten then
    payment_method_id: str = ""
    asked: tuple[Asked, ...] = ()
    not_paid: tuple[NotPaid, ...] = ()
    done: bool = False
    version: int = 0


@dataclass(frozen=True, slots=True)
class Once:
    """What a form's one-time value says: which page it is of, and marks of what that page showed."""

    nonce: str
    marks: frozenset[str]


def digest_of(token: str) -> str:
    """What is stored of a token. Anything that cannot be a token has the digest of nothing that is stored."""
    return hashlib.sha256(token.encode()).hexdigest() if _TOKEN.fullmatch(token) else "none"


def mark_of(*facts: object) -> str:
    """A short digest of facts that a page showed: enough to notice that they changed."""
    return hashlib.sha256("\x1f".join(map(str, facts)).encode()).hexdigest()[:MARK_CHARS]


def once_of(token: str, page: PageName, nonce: str, now: datetime, marks: Iterable[str] = ()) -> str:
    """The value for the hidden field of a page's forms. Only who has the token can make one, so no other site can."""
    said = f"{nonce}.{int((now + PAGE_LIFE).timestamp())}.{''.join(marks)}"
    return f"{said}.{_mac(token, page, said)}"


def read_once(token: str, page: PageName, value: str, now: datetime) -> Once:
    """Raises StalePage unless the value is of this page, as this link showed it in the last PAGE_LIFE."""
    match = _ONCE.fullmatch(value) if len(value) <= ONCE_CHARS_MAX else None
    if match is None:
        raise StalePage("the form did not come from this page")
    nonce, until, marks, mac = match.groups()
    if not hmac.compare_digest(mac, _mac(token, page, f"{nonce}.{until}.{marks}")):
        raise StalePage("the form did not come from this page")
    if now.timestamp() >= int(until):
        raise StalePage("the page was open for too long")
    return Once(nonce, frozenset(marks[at : at + MARK_CHARS] for at in range(0, len(marks), MARK_CHARS)))


def _mac(token: str, page: PageName, said: str) -> str:
    return hmac.new(token.encode(), f"{page}.{said}".encode(), hashlib.sha256).hexdigest()[:MAC_CHARS]

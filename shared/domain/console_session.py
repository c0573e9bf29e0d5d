"""Who is signed in to the console. The token is in the browser's cookie; only its digest is stored. PRODUCT 12.

Every form of a page carries a value made from the token, so that no other site can submit one (QUALITY "Security").
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime, timedelta
from typing import Final

from shared.domain.values import dataclass

SESSION_LIFE: Final = timedelta(hours=8)  # a day at work
FORM_CHARS: Final = 32  # 128 bits

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True, slots=True)
class ConsoleSession:
    """One person in one browser, until `expires_at` or until they sign out."""

    digest: str
    by: str
    role: str | None  # None: signed in, but in none of the groups
    expires_at: datetime
    version: int = 0


def session_digest(token: str) -> str:
    """What is stored of a token. Anything that cannot be one has the digest of nothing that is stored."""
    return hashlib.sha256(f"console:{token}".encode()).hexdigest() if _TOKEN.fullmatch(token) else "none"


def form_value(token: str) -> str:
    """What the forms of this session carry. Who does not have the cookie cannot make it."""
    return hmac.new(token.encode(), b"console form", hashlib.sha256).hexdigest()[:FORM_CHARS]


def is_form_of(token: str, value: str) -> bool:
    return hmac.compare_digest(form_value(token).encode(), value.encode())

"""The machine's clock and its randomness."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime

ID_BYTES = 16  # 128 bits: ids may serve as secrets


class SystemClock:
    """Implements shared.ports.Clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class RandomIds:
    """Implements shared.ports.Ids."""

    def new(self, prefix: str) -> str:
        return prefix + base64.b32encode(secrets.token_bytes(ID_BYTES)).decode().rstrip("=").lower()

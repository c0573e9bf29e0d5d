"""A task: something that needs a person, with the reason. PRODUCT 7, 12."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from shared.domain.values import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    id: str
    kind: str
    reason: str
    subject_id: str
    created_at: datetime
    customer_id: str | None = None
    status: Literal["open", "done"] = "open"
    done_at: datetime | None = None
    version: int = 0

"""Events that wait to be put on the bus: stored in the transaction that they tell of. PRODUCT 9."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime

from shared.domain.values import dataclass


@dataclass(frozen=True, slots=True)
class OutboxEvent:
    """Removed once the bus has it; told at least once. `id` is in the detail: a reader can tell twice from two."""

    id: str
    detail_type: str
    created_at: datetime
    detail: dict[str, object] = field(default_factory=dict)
    version: int = 0

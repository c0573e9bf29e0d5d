"""The decision record of an invoice, shown. API.md "Shapes"."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from shared.contracts.api_fields import iso, rfc3339


def step_json(done: bool, reason: str | None, at: datetime | None, next_on: date | None) -> dict[str, Any]:
    return {"done": done, "reason": reason, "at": rfc3339(at), "next_on": iso(next_on)}

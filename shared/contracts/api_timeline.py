"""Timelines of customers, shown. API.md "Resources"."""

from __future__ import annotations

from typing import Any

from shared.contracts.api_fields import iso, rfc3339
from shared.domain.money import format_minor
from shared.domain.timeline_entry import Entry


def entry_json(entry: Entry) -> dict[str, Any]:
    """With `at` (an instant) or `on` (a local date), and an amount where there is one."""
    shown: dict[str, Any] = {"at": rfc3339(entry.at)} if entry.at is not None else {"on": iso(entry.on)}
    shown |= {"kind": entry.kind, "subject_id": entry.subject_id, "message": entry.message}
    if entry.amount_minor is not None and entry.currency is not None:
        shown |= {"amount": format_minor(entry.amount_minor, entry.currency), "currency": entry.currency}
    return {**shown, "planned": entry.planned}

"""The audit log, shown. PRODUCT 12."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from shared.contracts.api_fields import day, instant, rfc3339
from shared.domain.audit import AuditEntry, FieldChange, RecordChange
from shared.domain.calendar import start_of_day
from shared.domain.values import dataclass

NEXT = timedelta(microseconds=1)  # what instants are kept in


@dataclass(frozen=True, slots=True)
class Moment:
    """A date or an instant, as a filter gives it."""

    at: date | datetime

    def start(self, timezone: str) -> datetime:
        """Its first instant."""
        return self.at if isinstance(self.at, datetime) else start_of_day(self.at, timezone)

    def end(self, timezone: str) -> datetime:
        """The first instant after it: filters include what they name."""
        return self.at + NEXT if isinstance(self.at, datetime) else start_of_day(self.at + timedelta(days=1), timezone)

    def __str__(self) -> str:
        return self.at.isoformat()


def moment(value: str) -> Moment:
    """Of a text: YYYY-MM-DD, a day in the business's time zone, or an instant of RFC 3339."""
    try:
        return Moment(instant(value) if "T" in value.upper() else day(value))
    except ValueError as wrong:
        raise ValueError(f"{wrong} (a date or an instant)") from None


def entry_json(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": rfc3339(entry.at),
        "by": entry.by,
        "role": entry.role,
        "action": entry.action,
        "subject_ids": list(entry.subjects),
        "request_id": entry.request_id,
        "changes": [_change_json(change) for change in entry.changes],
        "shard": entry.shard,
        "seq": entry.seq,
        "previous_hash": entry.previous or None,
        "hash": entry.hash,
    }


def _change_json(change: RecordChange) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "key": change.key,
        "version_before": change.before,
        "version_after": change.after,
        "fields": [_field_json(field) for field in change.fields],
    }


def _field_json(field: FieldChange) -> dict[str, Any]:
    if field.hidden:
        return {"field": field.name, "hidden": True}
    return {"field": field.name, "before": field.before, "after": field.after}

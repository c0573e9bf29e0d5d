"""Usage records, read, and the report on them. API.md "Resources", PRODUCT 3."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, WithJsonSchema

from shared.contracts.api_fields import AnyId, Body, Instant, Name, SignedQuantity, plain, rfc3339
from shared.domain.usage import UsageRecord

RECORDS_MAX: Final = 500
_RECORD_ID: Final = re.compile(r"[\x21-\x7e]{1,100}")


def record_id(value: object) -> str:
    """The sender's own id of a record: any printable characters."""
    if not isinstance(value, str) or not _RECORD_ID.fullmatch(value):
        raise ValueError("must be 1 to 100 printable characters without spaces")
    return value


RecordId = Annotated[str, BeforeValidator(record_id), WithJsonSchema({"type": "string", "maxLength": 100})]


class UsageRecordBody(Body):
    """What a record says is judged record by record; only its form is judged here."""

    id: RecordId
    contract_id: AnyId
    metric: Name
    quantity: SignedQuantity
    occurred_at: Instant


class UsageBody(Body):
    records: Annotated[list[UsageRecordBody], Field(max_length=RECORDS_MAX)]


def read_usage(body: UsageBody) -> list[UsageRecord]:
    return [read_record(record) for record in body.records]


def read_record(body: UsageRecordBody) -> UsageRecord:
    return UsageRecord(body.id, body.contract_id, body.metric, body.quantity, body.occurred_at)


def usage_json(record: UsageRecord) -> dict[str, Any]:
    return {
        "id": record.id, "contract_id": record.contract_id, "metric": record.metric,
        "quantity": plain(record.quantity), "occurred_at": rfc3339(record.occurred_at),
    }  # fmt: skip


def rejected_json(record_id: str, message: str) -> dict[str, Any]:
    return {"id": record_id, "message": message}

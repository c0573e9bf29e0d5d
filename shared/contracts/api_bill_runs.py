"""Bill runs, read and shown. API.md "Shapes", PRODUCT 4, 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import Field

from shared.contracts.api_fields import BillRunId, Body, ClassId, CustomerId, Day, iso, rfc3339
from shared.contracts.api_payments import money_json
from shared.domain.runs import BillRun, Failure

CUSTOMERS_MAX: Final = 1_000  # named in one request


class BillRunBody(Body):
    """An ad hoc run; what is left out is as usual: today, everybody, as the settings say."""

    id: BillRunId | None = None
    as_of: Day | None = None
    customer_ids: Annotated[list[CustomerId], Field(min_length=1, max_length=CUSTOMERS_MAX)] | None = None
    class_id: ClassId | None = None
    auto_post: bool | None = None
    auto_email: bool | None = None
    dry_run: bool = False


def bill_run_json(
    run: BillRun,
    counts: Mapping[str, int],
    totals_minor: Mapping[str, int],
    failures: Sequence[Failure],
    flags: Mapping[str, int],
) -> dict[str, Any]:
    return {
        "id": run.id,
        "status": run.status,
        "as_of": iso(run.as_of),
        "scheduled_for": rfc3339(run.scheduled_for),
        "customer_ids": list(run.customer_ids) if run.customer_ids is not None else None,
        "class_id": run.class_id,
        "auto_post": run.auto_post,
        "auto_email": run.auto_email,
        **summary_json(counts, totals_minor, failures, flags),
        "reason": run.reason,
        "created_at": rfc3339(run.created_at),
        "created_by": run.created_by,
        "completed_at": rfc3339(run.completed_at),
        "posted_at": rfc3339(run.posted_at),
        "version": run.version,
    }


def summary_json(
    counts: Mapping[str, int], totals_minor: Mapping[str, int], failures: Sequence[Failure], flags: Mapping[str, int]
) -> dict[str, Any]:
    return {
        "counts": dict(counts),
        "totals": money_json(totals_minor),
        "failures": [{"customer_id": f.customer_id, "code": f.code, "message": f.message} for f in failures],
        "flags": dict(flags),
    }

"""Bill runs, read and shown. API.md "Shapes", PRODUCT 4, 5."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Protocol

from pydantic import Field

from shared.contracts.api_fields import BillRunId, Body, ClassId, CustomerId, Day, Text, iso, rfc3339
from shared.contracts.api_payments import money_json
from shared.domain.money import format_minor, round_half_up
from shared.domain.review import CONFIDENCE, Candidate, Proven, Sample, Verdict, Word
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


# ---- review -----------------------------------------------------------------------------------------------------


class Review(Protocol):
    """What a review came to (shared/use_cases/review_run.py)."""

    @property
    def sample(self) -> Sample: ...
    @property
    def verdicts(self) -> Mapping[str, Verdict]: ...
    @property
    def proven(self) -> Proven: ...


class VerdictBody(Body):
    """What a person found of an invoice of the sample."""

    verdict: Word
    note: Text | None = None


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    return {
        "invoice_id": verdict.invoice_id, "verdict": verdict.word, "note": verdict.note, "by": verdict.by,
        "at": rfc3339(verdict.at),
    }  # fmt: skip


def review_json(run_id: str, review: Review) -> dict[str, Any]:
    """The sample in the order to go by, and the share of wrong ones among the unreviewed, rounded up."""
    found = review.proven
    return {
        "bill_run_id": run_id, "population": found.population, "reviewed": found.reviewed, "wrong": found.wrong,
        "unreviewed": found.unreviewed,
        "bound": {
            "wrong_at_most": found.wrong_at_most, "percent": _percent(found.wrong_at_most, found.unreviewed),
            "confidence_percent": str(CONFIDENCE * 100),
        },
        "items": [
            _item(stratum, each, review) for stratum, those in review.sample.chosen.items() for each in those
        ],
    }  # fmt: skip


def _percent(part: int, whole: int) -> str:
    """With two decimals, rounded up: what is proven must not look better than it is."""
    return format_minor(-(-part * 10_000 // whole) if whole else 0, "USD")


def _item(stratum: str, each: Candidate, review: Review) -> dict[str, Any]:
    verdict, apart = review.verdicts.get(each.id), each.variance
    tenths = round_half_up(apart.deviations * 10) if apart else None
    return {
        "invoice_id": each.id, "customer_id": each.customer_id, "currency": each.currency,
        "total": format_minor(each.total_minor, each.currency), "stratum": stratum,
        "variance": {
            "median": format_minor(apart.median_minor, each.currency), "invoices": apart.invoices,
            "deviations": f"{tenths // 10}.{tenths % 10}",
        } if apart and tenths is not None else None,
        "verdict": verdict.word if verdict else None, "note": verdict.note if verdict else None,
    }  # fmt: skip

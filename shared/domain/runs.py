"""Runs: one record per scheduled occurrence or ad hoc request, and its chunks of work. PRODUCT 4, 7."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

BillRunStatus = Literal["pending", "generating", "completed", "posting", "posted", "cancelled", "failed"]
PaymentRunStatus = Literal["pending", "waiting", "collecting", "completed", "failed"]
Job = Literal["bill_run", "payment_run", "past_due", "account_summary"]
OutcomeWord = Literal["succeeded", "declined", "failed", "unknown", "skipped"]
Phase = Literal["generate", "post", "charge"]


@dataclass(frozen=True, slots=True)
class BillRun:
    """`cursor` is where the selection of customers goes on; None once all chunks are recorded."""

    id: str
    as_of: date
    status: BillRunStatus = "pending"
    scheduled_for: datetime | None = None  # None: ad hoc
    customer_ids: tuple[str, ...] | None = None
    class_id: str | None = None
    auto_post: bool | None = None  # None: as the settings say when the run completes
    auto_email: bool | None = None
    cursor: str | None = ""
    chunks: int = 0  # generation chunks recorded so far
    post_round: int = 0  # counts postings asked for, so that each has its own chunks
    post_cursor: str | None = None  # where the planning of the current round goes on
    post_chunks: int = 0
    post_all: bool = True  # the current round also posts flagged drafts
    reason: str | None = None  # why failed or cancelled
    created_at: datetime | None = None
    created_by: str | None = None
    completed_at: datetime | None = None
    posted_at: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    customer_id: str
    code: str
    message: str
    invoice_id: str | None = None  # set when a draft could not be posted


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a payment run did about one invoice: a payment's outcome, or `skipped` with the reason."""

    invoice_id: str
    outcome: OutcomeWord
    reason: str | None = None
    payment_id: str | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """A bounded piece of a run's work. Open and done chunks have different keys, so that "is any open?" is one read.

    `subjects` are customer ids (generate) or invoice ids (post, charge). `round` tells postings of one run apart.
    """

    run_id: str
    phase: Phase
    number: int
    subjects: tuple[str, ...]
    done: bool = False
    round: int = 0
    failures: tuple[Failure, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    version: int = 0


@dataclass(frozen=True, slots=True)
class PaymentRun:
    id: str
    as_of: date
    occurred_at: datetime  # the due occurrence, or the request: each customer's local date comes from it
    status: PaymentRunStatus = "pending"
    scheduled_for: datetime | None = None
    customer_ids: tuple[str, ...] | None = None
    cursor: str | None = ""
    chunks: int = 0
    reason: str | None = None
    created_at: datetime | None = None
    created_by: str | None = None
    completed_at: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Watermark:
    """Up to which instant a job's schedule has been looked at, and the sweep under way if it needs several steps."""

    job: Job
    through: datetime
    occurrence: datetime | None = None
    cursor: str | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class NumberSeries:
    """The last number used in a series; numbers are taken in the transaction that posts, so there are no gaps."""

    name: str
    prefix: str
    last: int = 0
    version: int = 0

    def number(self, value: int) -> str:
        return f"{self.prefix}{value:06d}"

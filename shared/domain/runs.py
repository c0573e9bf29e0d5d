"""Runs: one record per scheduled occurrence or ad hoc request, and its chunks of work. PRODUCT 4, 7."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from shared.domain.copies import replace
from shared.domain.errors import Refused
from shared.domain.settings import BillRunSettings
from shared.domain.values import dataclass

BillRunStatus = Literal["pending", "generating", "completed", "posting", "posted", "cancelled", "failed"]
PaymentRunStatus = Literal["pending", "waiting", "collecting", "completed", "failed"]
Job = Literal["bill_run", "payment_run", "past_due", "account_summary"]
OutcomeWord = Literal["succeeded", "declined", "failed", "unknown", "skipped"]
Phase = Literal["generate", "post", "charge"]

ROUNDS_MAX = 50  # postings of one run; each but the last must have posted something
TAKEN_MAX = 1_000  # stretches of imported numbers ahead of a series
NUMBER_DIGITS_MAX = 15


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
    something_posted: bool = False  # set in the transaction that posts the first invoice: no way back from there
    reason: str | None = None  # why failed or cancelled
    created_at: datetime | None = None
    created_by: str | None = None
    completed_at: datetime | None = None
    posted_at: datetime | None = None
    version: int = 0

    def posting(self, include_flagged: bool) -> BillRun:
        """A round of posting begins: what is still a draft is posted, the flagged ones too or not. PRODUCT 4, 5."""
        if self.status != "completed":
            raise Refused("not_completed", f"bill run {self.id} is {self.status}; only a completed run can be posted")
        if self.post_round >= ROUNDS_MAX:
            raise Refused("too_many_rounds", f"bill run {self.id} was posted {ROUNDS_MAX} times; post the rest singly")
        return self.next_round(include_flagged)

    def mails(self, chosen: BillRunSettings) -> bool:
        """Whether the run itself asks for mail; one that does not post itself only if told to. PRODUCT 5."""
        auto_post = chosen.auto_post if self.auto_post is None else self.auto_post
        return auto_post and chosen.auto_email if self.auto_email is None else self.auto_email

    def next_round(self, include_flagged: bool) -> BillRun:
        return replace(
            self, status="posting", post_round=self.post_round + 1, post_cursor="", post_chunks=0,
            post_all=include_flagged,
        )  # fmt: skip


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
    drafts: int = 0  # generate: made of it, also by a worker that died before it was done
    version: int = 0


@dataclass(frozen=True, slots=True)
class PrintPart:
    """A part (from 1) of what of a bill run goes out on paper: its invoices in the order they are printed in.

    One without invoices says that at that instant nothing waited to be printed as this part.
    """

    run_id: str
    number: int
    invoice_ids: tuple[str, ...]
    made_at: datetime
    followed: bool = False  # others were written down after it at once
    version: int = 0


def part_sort(number: int) -> str:
    """Where a part stands among those of its run."""
    return f"{number:04d}"


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
    """The last number used in a series; numbers are taken in the transaction that posts, so there are no gaps.

    `taken` are stretches (first, last) ahead of it that imported invoices brought with them: they are passed over.
    """

    name: str
    prefix: str
    last: int = 0
    taken: tuple[tuple[int, int], ...] = ()
    version: int = 0

    def number(self, value: int) -> str:
        return f"{self.prefix}{value:06d}"

    def next(self) -> NumberSeries:
        """The series with its next number used: `last` is that number."""
        value = self.last + 1
        for first, last in self.taken:  # ascending
            if first <= value <= last:
                value = last + 1
        return replace(self, last=value, taken=tuple(t for t in self.taken if t[1] > value))

    def value(self, number: str) -> int | None:
        """Which number of this series that is; None if it is none of it."""
        digits = number.removeprefix(self.prefix)
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= NUMBER_DIGITS_MAX):
            return None
        return int(digits) if self.number(int(digits)) == number and int(digits) > 0 else None

    def reserved(self, value: int) -> NumberSeries:
        """The series with a number taken by an imported invoice. Refused if it is used or taken."""
        if value <= self.last or any(first <= value <= last for first, last in self.taken):
            raise Refused("number_taken", f"the number {self.number(value)} is taken; give another, or none")
        taken = _joined(sorted([*self.taken, (value, value)]))
        if len(taken) > TAKEN_MAX:
            raise Refused("too_many_numbers", f"too many gaps after {self.number(self.last)}; import numbers in order")
        return replace(self, taken=taken)


def _joined(stretches: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Neighbours become one."""
    joined: list[tuple[int, int]] = []
    for first, last in stretches:
        if joined and joined[-1][1] + 1 == first:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return tuple(joined)

"""Invoices: draft, posted, void; what is left to pay on them. PRODUCT 4, 5, 9."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from shared.domain.copies import replace
from shared.domain.errors import Refused
from shared.domain.money import percent_of
from shared.domain.values import dataclass

InvoiceType = Literal["regular", "out_of_turn", "debit_memo", "credit_memo"]
InvoiceStatus = Literal["draft", "posted", "void"]
PaymentStatus = Literal["unpaid", "partially_paid", "paid", "overdue"]
FlagCode = Literal[
    "total_changed", "zero_total", "negative_total", "first_invoice", "expected_usage_missing", "no_email",
    "unusual_lines", "late_usage",
]  # fmt: skip

LINES_MAX = 10_000
LINES_PER_PART = 300  # lines per stored record, so that each stays far below DynamoDB's 400 KB
LINES_WITHIN_MAX, NAMES_WITHIN_MAX = 6, 160  # lines, and characters of their names: a kilobyte holds them and the rest


@dataclass(frozen=True, slots=True)
class Line:
    """One line. The service period is half-open; `amount_minor` is negative on a credit."""

    name: str
    amount_minor: int
    unit_amount_minor: int | None = None
    quantity: Decimal = Decimal(1)
    contract_id: str | None = None
    charge_id: str | None = None
    service_start: date | None = None
    service_end: date | None = None
    taxable: bool = True


@dataclass(frozen=True, slots=True)
class Flag:
    code: FlagCode
    message: str


@dataclass(frozen=True, slots=True)
class InvoiceHold:
    """A hold on one invoice through a date (inclusive, the customer's local date), or until lifted."""

    reason: Literal["dispute", "promise_to_pay", "other"] = "other"
    through: date | None = None

    def covers(self, on: date) -> bool:
        return self.through is None or on <= self.through


@dataclass(frozen=True, slots=True)
class InvoiceLines:
    """A stored part of an invoice's lines, LINES_PER_PART at most. Parts count from 0."""

    invoice_id: str
    part: int
    lines: tuple[Line, ...]
    version: int = 0


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice, with its `lines` where they are few. More are stored beside it: most that happens needs only this.

    A draft has no number, posting or due date. A credit memo has a negative total and residual 0. Posted invoices
    never change but for residual, hold and collection: only `void`, while nothing is paid.
    """

    id: str
    customer_id: str
    currency: str
    invoice_date: date
    type: InvoiceType = "regular"
    status: InvoiceStatus = "draft"
    subtotal_minor: int = 0
    tax_rate_percent: Decimal = Decimal(0)
    tax_minor: int = 0
    total_minor: int = 0
    residual_minor: int = 0  # what is left to pay; 0 on drafts, void invoices and credits
    line_count: int = 0
    bill_run_id: str | None = None
    bill_on: date | None = None  # the bill date its lines fell due on
    contract_ids: tuple[str, ...] = ()  # the contracts on it, in order: what the spot check compares by
    flags: tuple[Flag, ...] = ()
    earlier_minor: tuple[int, ...] = ()  # totals of the invoices of the same contracts before it, latest first
    number: str | None = None
    posted_on: date | None = None
    posted_at: datetime | None = None
    due_on: date | None = None
    settled_at: datetime | None = None  # when the residual last reached 0
    voided_at: datetime | None = None
    hold: InvoiceHold | None = None
    attempts: int = 0  # payment attempts ever opened: the last one's ordinal
    open_attempt_id: str | None = None  # a pending or unknown attempt: no other may be opened
    next_attempt_on: date | None = None  # a retry after a soft decline, on this local date
    retries: int = 0  # soft declines since collection began: the index into retry_days
    autopay_ended: bool = False  # no automatic attempt any more: hard decline, schedule used up, or refunded
    credited_minor: int = 0  # taken back by credit memos so far
    refunded_minor: int = 0  # given back by refunds so far: no new card brings it back into autopay
    late_fees: tuple[str, ...] = ()  # the occurrences of late fees charged on it, see late_fees.py
    late_fee: str | None = None  # on a late fee: which occurrence of its invoice's
    adjusts_invoice_id: str | None = None  # on a memo: the invoice it adjusts
    reason: str | None = None  # on a memo: why
    created_at: datetime | None = None
    lines: tuple[Line, ...] = ()  # all of them, or none: see lines_of in shared/use_cases/lookups.py
    version: int = 0

    def payment_status(self, on: date) -> PaymentStatus | None:
        """None unless posted. Overdue from the day after the due date; the due date itself is still on time."""
        if self.status != "posted":
            return None
        if self.residual_minor == 0:
            return "paid"
        if self.due_on is not None and on > self.due_on:
            return "overdue"
        return "partially_paid" if self.residual_minor < self.total_minor else "unpaid"

    def collectable(self) -> bool:
        return self.status == "posted" and self.residual_minor > 0

    def posted(self, number: str, posted_on: date, posted_at: datetime, due_on: date) -> Invoice:
        """A numbered, owed invoice; a total of zero or less leaves nothing to pay."""
        if self.status != "draft":
            raise Refused("not_draft", f"invoice {self.id} is {self.status}; only a draft can be posted")
        residual = max(self.total_minor, 0)
        return replace(
            self, status="posted", number=number, posted_on=posted_on, posted_at=posted_at, due_on=due_on,
            residual_minor=residual, settled_at=None if residual else posted_at,
        )  # fmt: skip

    def voided(self, at: datetime) -> Invoice:
        """Only while nothing is paid on it and no charge is under way. PRODUCT 4."""
        if self.status != "posted":
            instead = "cancel its bill run" if self.bill_run_id else "change its lines"
            raise Refused("not_posted", f"invoice {self.id} is a draft, with nothing to void: {instead} instead")
        if self.open_attempt_id is not None:
            raise Refused("attempt_open", f"invoice {self.number} has a payment under way; wait for its outcome")
        if self.residual_minor != max(self.total_minor, 0):
            raise Refused("paid", f"something is paid on invoice {self.number}; refund it, or issue a credit memo")
        return replace(self, status="void", residual_minor=0, voided_at=at, next_attempt_on=None)

    def paid(self, amount_minor: int, at: datetime) -> Invoice:
        """The residual less an allocation of at most the residual."""
        if not 0 < amount_minor <= self.residual_minor:
            raise Refused(
                "too_much", f"{amount_minor} is not between 1 and the residual of {self.id}, {self.residual_minor}"
            )
        residual = self.residual_minor - amount_minor
        if residual:
            return replace(self, residual_minor=residual)
        return replace(self, residual_minor=0, settled_at=at, next_attempt_on=None, retries=0)

    def reopened(self, amount_minor: int) -> Invoice:
        """What a refund gives back is owed again, with the original due date, outside autopay. PRODUCT 7."""
        if not 0 < amount_minor <= self.total_minor - self.residual_minor:
            raise Refused("too_much", f"{amount_minor} is more than was paid on {self.id}")
        return replace(
            self, residual_minor=self.residual_minor + amount_minor, refunded_minor=self.refunded_minor + amount_minor,
            settled_at=None, autopay_ended=True, next_attempt_on=None,
        )  # fmt: skip

    def attempt_opened(self, attempt_id: str) -> Invoice:
        return replace(self, attempts=self.attempts + 1, open_attempt_id=attempt_id)

    def attempt_closed(self) -> Invoice:
        return replace(self, open_attempt_id=None)

    def on_hold(self, on: date) -> bool:
        return self.hold is not None and self.hold.covers(on)


def totalled(invoice: Invoice, lines: Iterable[Line]) -> Invoice:
    """The invoice with the sums of these lines: tax is computed on the taxed sum and rounded once. PRODUCT 3."""
    lines = tuple(lines)
    subtotal = sum(line.amount_minor for line in lines)
    taxed = sum(line.amount_minor for line in lines if line.taxable)
    tax = percent_of(taxed, invoice.tax_rate_percent)
    contracts = tuple(sorted({line.contract_id for line in lines if line.contract_id}))
    return replace(
        invoice, subtotal_minor=subtotal, tax_minor=tax, total_minor=subtotal + tax, line_count=len(lines),
        contract_ids=contracts, lines=lines if few(lines) else (),
    )  # fmt: skip


def few(lines: Sequence[Line]) -> bool:
    """Whether the invoice itself holds them: one write less for each invoice, and none of its later writes dearer."""
    return len(lines) <= LINES_WITHIN_MAX and sum(len(line.name) for line in lines) <= NAMES_WITHIN_MAX


def parts(invoice_id: str, lines: tuple[Line, ...]) -> tuple[InvoiceLines, ...]:
    """The lines as records of their own; none where the invoice holds them."""
    if few(lines):
        return ()
    starts = range(0, len(lines), LINES_PER_PART)
    return tuple(InvoiceLines(invoice_id, n, lines[at : at + LINES_PER_PART]) for n, at in enumerate(starts))


def part_keys(invoice: Invoice) -> list[tuple[str, str]]:
    """Where the invoice's lines are stored beside it."""
    count = 0 if invoice.lines else -(-invoice.line_count // LINES_PER_PART)
    return [(invoice.id, f"{n:04d}") for n in range(count)]

"""What the API answers of runs, payments, mail and the system itself, as types. See api_answers.py."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from shared.contracts.api_answers import AllocationAnswer, Counts, MoneyByCurrency, PreviewedInvoice
from shared.contracts.api_fields import Currency, Day, Instant, Money
from shared.domain.notice import NoticeStatus
from shared.domain.payment import Method, PaymentState, RefundState
from shared.domain.runs import BillRunStatus, PaymentRunStatus
from shared.domain.webhook import Outcome

# ---- runs -------------------------------------------------------------------------------------------------------


class FailureAnswer(TypedDict):
    customer_id: str
    code: str
    message: str


class BillRunAnswer(TypedDict):
    id: str
    status: BillRunStatus
    as_of: Day
    scheduled_for: Instant | None
    customer_ids: list[str] | None
    class_id: str | None
    auto_post: bool | None
    auto_email: bool | None
    counts: Counts
    totals: MoneyByCurrency
    failures: list[FailureAnswer]
    flags: Counts
    reason: str | None
    created_at: Instant
    created_by: str | None
    completed_at: Instant | None
    posted_at: Instant | None
    version: int


class VarianceAnswer(TypedDict):
    median: Money
    invoices: int
    deviations: str


class SampledAnswer(TypedDict):
    invoice_id: str
    customer_id: str
    currency: Currency
    total: Money
    stratum: Literal["outlier", "large", "small"]
    variance: VarianceAnswer | None
    verdict: Literal["right", "wrong"] | None
    note: str | None


class BoundAnswer(TypedDict):
    wrong_at_most: int
    percent: str
    confidence_percent: str


class ReviewAnswer(TypedDict):
    bill_run_id: str
    population: int
    reviewed: int
    wrong: int
    unreviewed: int
    bound: BoundAnswer
    items: list[SampledAnswer]


class VerdictAnswer(TypedDict):
    invoice_id: str
    verdict: Literal["right", "wrong"]
    note: str | None
    by: str | None
    at: Instant | None


class BillRunPreviewAnswer(TypedDict):
    id: None
    status: Literal["preview"]
    as_of: Day
    counts: Counts
    totals: MoneyByCurrency
    failures: list[FailureAnswer]
    flags: Counts
    invoices: list[PreviewedInvoice]
    partial: bool


class SkippedAnswer(TypedDict):
    invoice_id: str
    reason: str | None


class PaymentRunAnswer(TypedDict):
    id: str
    status: PaymentRunStatus
    as_of: Day
    scheduled_for: Instant | None
    customer_ids: list[str] | None
    counts: Counts
    collected: MoneyByCurrency
    reason: str | None
    created_at: Instant
    created_by: str | None
    completed_at: Instant | None
    version: int


class OnePaymentRunAnswer(PaymentRunAnswer):
    skipped: list[SkippedAnswer]


# ---- payments ---------------------------------------------------------------------------------------------------


class RefundAnswer(TypedDict):
    id: str
    amount: Money
    status: RefundState
    code: str | None
    at: Instant | None
    by: str | None
    from_credit: Money
    reopened: list[AllocationAnswer]


class PaymentAnswer(TypedDict):
    id: str
    customer_id: str
    invoice_id: str | None
    payment_method_id: str | None
    autopay_rule_id: str | None
    method: Method
    amount: Money
    currency: Currency
    status: PaymentState
    code: str | None
    hard: bool | None
    attempt: int | None
    at: Instant
    next_attempt_on: Day | None
    refunded: Money
    refunds: list[RefundAnswer]
    reference: str | None
    allocations: list[AllocationAnswer]
    credited: Money
    payment_run_id: str | None
    version: int


# ---- mail -------------------------------------------------------------------------------------------------------


class NoticeAnswer(TypedDict):
    id: str
    customer_id: str
    kind: str
    status: NoticeStatus
    reason: str | None
    subject_id: str
    tier: int | None
    episode: str | None
    bill_run_id: str | None
    created_at: Instant
    sent_at: Instant | None
    delivered_at: Instant | None
    to: str | None
    version: int


class TemplateAnswer(TypedDict):
    name: str
    subject: str
    text: str
    html: str
    version: int
    customised: bool


class MailAnswer(TypedDict):
    subject: str
    text: str
    html: str


# ---- the rest ---------------------------------------------------------------------------------------------------


class SettingsChangeAnswer(TypedDict):
    version: int
    changed_at: Instant
    changed_by: str
    before: dict[str, Any]
    after: dict[str, Any]


class TaskAnswer(TypedDict):
    id: str
    kind: str
    reason: str
    subject_id: str
    customer_id: str | None
    link: str | None
    status: Literal["open", "done"]
    created_at: Instant
    done_at: Instant | None
    version: int


class SecretDates(TypedDict):
    created_at: Instant
    expires_at: Instant | None


class WebhookEndpointAnswer(TypedDict):
    id: str
    url: str
    events: list[str]
    secrets: list[SecretDates]
    secret: NotRequired[str]
    created_at: Instant
    disabled_at: Instant | None
    disabled_because: str | None
    version: int


class DeliveryOfEventAnswer(TypedDict):
    id: str
    endpoint_id: str
    event_id: str
    event_type: str
    outcome: Outcome
    attempts: int
    last_at: Instant | None
    last_status: int | None
    last_error: str | None
    next_at: Instant | None
    created_at: Instant
    settled_at: Instant | None
    version: int


class AuditedFieldAnswer(TypedDict):
    field: str
    before: NotRequired[Any]
    after: NotRequired[Any]
    hidden: NotRequired[Literal[True]]


class AuditedChangeAnswer(TypedDict):
    kind: str
    key: str
    version_before: int
    version_after: int
    fields: list[AuditedFieldAnswer]


class AuditEntryAnswer(TypedDict):
    id: str
    at: Instant
    by: str
    role: str
    action: str
    subject_ids: list[str]
    request_id: str
    changes: list[AuditedChangeAnswer]
    shard: int
    seq: int
    previous_hash: str | None
    hash: str


class VerifiedAnswer(TypedDict):
    valid: bool
    entries: int
    first_bad: str | None
    next_cursor: NotRequired[str]


class RowErrorAnswer(TypedDict):
    row: int
    field: str
    message: str


class ImportAnswer(TypedDict):
    loaded: int
    updated: int
    unchanged: int
    errors: list[RowErrorAnswer]


class DeadLetterAnswer(TypedDict):
    id: str
    queue: str
    reason: str | None
    body: Any
    failed_at: Instant | None
    attempts: int


class RedrivenAnswer(TypedDict):
    id: str
    queue: str
    status: Literal["redriven"]


# ---- reports ----------------------------------------------------------------------------------------------------


class AgedAnswer(TypedDict):
    current: Money
    d1_30: Money
    d31_60: Money
    d61_90: Money
    d90_plus: Money
    total: Money
    credit: Money


class AgedCustomerAnswer(TypedDict):
    customer_id: str
    name: str
    amounts: dict[str, AgedAnswer]


class AgedReceivablesAnswer(TypedDict):
    as_of: Day
    totals: dict[str, AgedAnswer]
    items: NotRequired[list[AgedCustomerAnswer]]


class DsoFigures(TypedDict):
    receivables: Money
    current: Money
    credit_sales: Money
    dso: Money | None
    best_possible_dso: Money | None
    average_days_delinquent: Money | None


class DsoAnswer(TypedDict):
    as_of: Day
    days: int
    totals: dict[str, DsoFigures]


class EffectivenessFigures(TypedDict):
    beginning: Money
    credit_sales: Money
    ending: Money
    ending_current: Money
    cei: Money | None


EffectivenessPeriod = TypedDict(
    "EffectivenessPeriod", {"from": Day, "through": Day, "totals": dict[str, EffectivenessFigures]}
)


class EffectivenessAnswer(TypedDict):
    as_of: Day
    days: int
    periods: list[EffectivenessPeriod]


CashSlice = TypedDict("CashSlice", {"from": Day, "through": Day, "expected": MoneyByCurrency})


class OutlookAnswer(TypedDict):
    expected: Money
    beyond: Money
    unscheduled: Money
    total: Money


class ExpectedAnswer(TypedDict):
    customer_id: str
    name: str
    invoice_id: str
    number: str | None
    currency: Currency
    amount: Money
    due_on: Day | None
    expected_on: Day | None
    method: str


class CashForecastAnswer(TypedDict):
    as_of: Day
    through: Day
    days: int
    by: Literal["day", "week"]
    totals: dict[str, OutlookAnswer]
    periods: list[CashSlice]
    items: NotRequired[list[ExpectedAnswer]]


class BillRunOfReport(BillRunAnswer):
    kind: Literal["bill_run"]


class PaymentRunOfReport(PaymentRunAnswer):
    kind: Literal["payment_run"]


RunsAnswer = TypedDict(
    "RunsAnswer",
    {"as_of": Day, "from": Day, "through": Day, "items": list[BillRunOfReport | PaymentRunOfReport]},
)

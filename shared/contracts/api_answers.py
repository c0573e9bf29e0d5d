"""What the API answers, as types that its OpenAPI document is made from. API.md "Shapes".

A test holds the answers of every route against them: neither may say less or more than the other.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict  # the one that pydantic takes on 3.11 too

from shared.contracts.api_fields import Currency, Day, Instant, Money
from shared.domain.account_summary import MovementKind
from shared.domain.autopay import CriterionType, Operator, Result
from shared.domain.calendar import Interval
from shared.domain.contract import ChargeType, ContractStatus, TierMode, Timing
from shared.domain.customer import HoldReason, OffReason, Service
from shared.domain.invoice import FlagCode, InvoiceStatus, InvoiceType, PaymentStatus
from shared.domain.notice import NoticeStatus
from shared.domain.promises import PromiseStatus
from shared.domain.settings import Automation

MoneyByCurrency = dict[str, Money]
Counts = dict[str, int]


class HealthAnswer(TypedDict):
    status: Literal["ok"]
    version: str


# ---- customers and their accounts -------------------------------------------------------------------------------


class HoldAnswer(TypedDict):
    reason: HoldReason
    through: Day | None


class PauseAnswer(TypedDict):
    automation: Automation
    through: Day | None


class AutomationAnswer(TypedDict):
    effective: bool
    reason: OffReason | None
    until: NotRequired[Day | None]


class AutomationsAnswer(TypedDict):
    send_new_invoices: AutomationAnswer
    account_summary: AutomationAnswer
    past_due: AutomationAnswer


class PromiseAnswer(TypedDict):
    id: str
    customer_id: str
    date: Day
    amount: Money | None
    currency: Currency
    status: PromiseStatus | None
    made_at: Instant | None
    made_by: str


class StepAnswer(TypedDict):
    kind: str
    on: Day


class StopAnswer(TypedDict):
    kind: str
    subject_id: str
    reason: str | None
    through: Day | None


class EpisodeAnswer(TypedDict):
    since: Day
    days: int


class AccountAnswer(TypedDict):
    balance: MoneyByCurrency
    credit: MoneyByCurrency
    past_due: MoneyByCurrency
    episode: EpisodeAnswer | None
    tier: int
    service: Service
    next_step: StepAnswer | None
    promise: PromiseAnswer | None
    stopped_by: list[StopAnswer]


class AllocationAnswer(TypedDict):
    invoice_id: str
    amount: Money


class MovementAnswer(TypedDict):
    at: Instant
    on: Day
    kind: MovementKind
    id: str
    number: str | None
    reference: str | None
    amount: Money
    balance: Money
    applied: list[AllocationAnswer]


class LedgerAnswer(TypedDict):
    opening_balance: Money
    entries: list[MovementAnswer]
    closing_balance: Money


StatementAnswer = TypedDict(
    "StatementAnswer",
    {"customer_id": str, "from": Day | None, "to": Day, "currencies": dict[str, LedgerAnswer]},
)


class TimelineAnswer(TypedDict):
    at: NotRequired[Instant]
    on: NotRequired[Day]
    kind: str
    subject_id: str
    message: str
    amount: NotRequired[Money]
    currency: NotRequired[Currency]
    planned: bool


class PastDueAnswer(TypedDict):
    customer_id: str
    days: int
    tier: int
    amounts: MoneyByCurrency
    next_step: StepAnswer | None


class PayLinkAnswer(TypedDict):
    url: str
    expires_at: Instant


class NamedEffect(TypedDict):
    count: int
    customer_ids: list[str]


class PolicyEffectsAnswer(TypedDict):
    customers: int
    open_invoices: int
    complete: bool
    would: dict[str, NamedEffect]
    would_not: dict[str, NamedEffect]


class WarningAnswer(TypedDict):
    field: str
    code: str
    message: str


class PolicyPreviewAnswer(TypedDict):
    effects: PolicyEffectsAnswer
    warnings: NotRequired[list[WarningAnswer]]


# ---- contracts and usage ----------------------------------------------------------------------------------------


class ChangeAnswer(TypedDict):
    effective_on: Day
    amount: Money | None
    quantity: str | None


class PriceTierAnswer(TypedDict):
    up_to: str | None
    unit_amount: Money


class ChargeAnswer(TypedDict):
    id: str
    name: str
    type: ChargeType
    amount: NotRequired[Money]
    quantity: NotRequired[str]
    on: NotRequired[Day]
    interval: NotRequired[Interval]
    interval_count: NotRequired[int]
    timing: NotRequired[Timing]
    prorate: NotRequired[bool]
    changes: NotRequired[list[ChangeAnswer]]
    metric: NotRequired[str]
    unit_amount: NotRequired[Money]
    tier_mode: NotRequired[TierMode]
    tiers: NotRequired[list[PriceTierAnswer]]
    included_quantity: NotRequired[str]
    expected: NotRequired[bool]
    starts_on: NotRequired[Day]
    taxable: NotRequired[bool]


class ContractAnswer(TypedDict):
    id: str
    customer_id: str
    name: str
    currency: Currency
    start_date: Day
    end_date: Day | None
    billing_starts_on: Day
    bill_cycle_day: int
    anchor_month: int | None
    status: ContractStatus
    charges: list[ChargeAnswer]
    version: int


class RejectedAnswer(TypedDict):
    id: str
    message: str


class UsageAnswer(TypedDict):
    accepted: int
    duplicate: int
    rejected: list[RejectedAnswer]


# ---- cards and rules --------------------------------------------------------------------------------------------


class PaymentMethodAnswer(TypedDict):
    id: str
    customer_id: str
    token: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    version: int


class CriterionAnswer(TypedDict):
    type: CriterionType
    operator: Operator
    values: list[Any]


class RuleAnswer(TypedDict):
    id: str
    payment_method_id: str
    disabled: bool
    locked: bool
    criteria: list[CriterionAnswer]
    invalid: bool
    removed: list[str]
    shadowed_by: str | None


class AutopayAnswer(TypedDict):
    customer_id: str
    currency: Currency
    enabled: bool
    fall_through_on_decline: bool
    rules: list[RuleAnswer]
    version: int
    warnings: NotRequired[list[WarningAnswer]]


class ChangedRuleAnswer(RuleAnswer):
    customer_id: str
    version: int


# ---- invoices ---------------------------------------------------------------------------------------------------


class LineAnswer(TypedDict):
    name: str
    contract_id: str | None
    charge_id: str | None
    service_start: Day | None
    service_end: Day | None
    quantity: str
    unit_amount: Money | None
    amount: Money
    taxable: bool


class FlagAnswer(TypedDict):
    code: FlagCode
    message: str


class DeliveryAnswer(TypedDict):
    status: NoticeStatus
    at: Instant | None


class InvoiceAnswer(TypedDict):
    id: str
    number: str | None
    customer_id: str
    type: InvoiceType
    status: InvoiceStatus
    payment_status: PaymentStatus | None
    invoice_date: Day
    posted_on: Day | None
    due_on: Day | None
    currency: Currency
    lines: list[LineAnswer]
    subtotal: Money
    tax: Money
    total: Money
    residual: Money
    bill_run_id: str | None
    flags: list[FlagAnswer]
    delivery: DeliveryAnswer | None
    hold: HoldAnswer | None
    adjusts_invoice_id: str | None
    reason: str | None
    version: int


class PreviewedInvoice(InvoiceAnswer):
    id: None  # type: ignore[misc]


class AdjustmentAnswer(TypedDict):
    id: str
    kind: Literal["credit", "debit"]
    invoice_id: str
    amount: Money
    currency: Currency
    reason: str
    memo: InvoiceAnswer


class DecisionAnswer(TypedDict):
    done: bool
    reason: str | None
    at: Instant | None
    next_on: Day | None


class ChasedAnswer(DecisionAnswer):
    stopped_by: list[StopAnswer]


class VerdictAnswer(CriterionAnswer):
    actual: Any
    holds: bool


class RuleResultAnswer(TypedDict):
    rule_id: str
    payment_method_id: str
    result: Result
    criteria: list[VerdictAnswer]


class ExplanationAnswer(TypedDict):
    billed: DecisionAnswer
    posted: DecisionAnswer
    mailed: DecisionAnswer
    collected: DecisionAnswer
    chased: ChasedAnswer
    autopay: list[RuleResultAnswer]

"""Payment methods and payments: an attempt is stored before the gateway hears of it. PRODUCT 7."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from shared.domain.ids import derive_id

PaymentState = Literal["pending", "succeeded", "declined", "failed", "unknown", "refunded"]
Method = Literal["card", "check", "transfer", "cash", "other", "credit"]


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """A gateway token; no card number ever reaches Paidup. Methods are used oldest first (`ordinal`)."""

    id: str
    customer_id: str
    token: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    created_at: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Allocation:
    invoice_id: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Payment:
    """One attempt on a card, one manual payment, or one application of credit.

    An attempt's id is derived from (invoice, ordinal), and is also the idempotency key at the gateway. `allocations`
    are what it paid; what it brought beyond them became the customer's credit. The fields of `outcome` come from
    the gateway: `gateway_id`, `code` and `hard` (never try this method again for it).
    """

    id: str
    customer_id: str
    currency: str
    amount_minor: int
    method: Method
    status: PaymentState
    at: datetime
    invoice_id: str | None = None
    payment_method_id: str | None = None
    token: str | None = None
    attempt: int | None = None
    run_id: str | None = None
    rule_id: str | None = None  # the autopay rule that chose the method
    ignored_rule_ids: tuple[str, ...] = ()  # later rules that matched too
    falls_through: bool = False  # if declined, one of them is tried next
    gateway_id: str | None = None
    code: str | None = None
    hard: bool | None = None
    next_attempt_on: date | None = None
    next_check_at: datetime | None = None  # when to ask the gateway about a pending or unknown attempt
    checks: int = 0
    reference: str | None = None
    allocations: tuple[Allocation, ...] = ()
    credited_minor: int = 0
    refunded_minor: int = 0
    version: int = 0

    @property
    def unresolved(self) -> bool:
        return self.status in ("pending", "unknown")


def attempt_id(invoice_id: str, ordinal: int) -> str:
    """Derived from (invoice, ordinal): the database allows each once, and the gateway takes it as idempotency key."""
    return derive_id("pay_", invoice_id, ordinal)


@dataclass(frozen=True, slots=True)
class ChargeOutcome:
    """What the gateway said of one attempt. `failed` is provably not processed; `unknown` may have been."""

    status: Literal["succeeded", "declined", "failed", "unknown"]
    gateway_id: str | None = None
    code: str | None = None
    hard: bool = False


@dataclass(frozen=True, slots=True)
class CreditBalance:
    """A customer's credit in one currency, from credit memos and overpayments; never negative."""

    customer_id: str
    currency: str
    amount_minor: int = 0
    version: int = 0

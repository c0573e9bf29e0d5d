"""Payment methods and payments: an attempt is stored before the gateway hears of it. PRODUCT 7."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Literal

from shared.domain.copies import replace
from shared.domain.ids import derive_id
from shared.domain.values import dataclass

RefundState = Literal["pending", "unknown", "succeeded", "declined", "failed"]
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
class Refund:
    """Part or all of a payment given back; its ordinal, from 1, is its place among the payment's refunds.

    `credit_minor` was taken out of the customer's credit when the refund was opened, `reopened` is owed again once it
    has succeeded; together they are its amount. Stored before the gateway hears of it, like an attempt.
    """

    id: str
    ordinal: int
    amount_minor: int
    status: RefundState
    at: datetime
    by: str | None = None
    credit_minor: int = 0
    reopened: tuple[Allocation, ...] = ()
    gateway_id: str | None = None
    code: str | None = None
    checks: int = 0
    settled_at: datetime | None = None  # when it was found to have succeeded, if not at `at`

    @property
    def open(self) -> bool:
        return self.status in ("pending", "unknown")


@dataclass(frozen=True, slots=True)
class Payment:
    """One attempt on a card, one manual payment, or one application of credit.

    An attempt's id is derived from (invoice, ordinal), and is also the idempotency key at the gateway. `allocations`
    are what it paid; what it brought beyond them became the customer's credit. The fields of `outcome` come from
    the gateway: `gateway_id`, `code` and `hard` (never try this method again for it). What refunds gave back is told
    by `refunds`; `allocations` and `credited_minor` stay as they were.
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
    submission_id: str | None = None  # what a customer submitted from his own page: he pays of his own accord
    rule_id: str | None = None  # the autopay rule that chose the method
    ignored_rule_ids: tuple[str, ...] = ()  # later rules that matched too
    falls_through: bool = False  # if declined, one of them is tried next
    gateway_id: str | None = None
    code: str | None = None
    hard: bool | None = None
    next_attempt_on: date | None = None
    next_check_at: datetime | None = None  # when to ask the gateway about a pending or unknown attempt, or refund
    checks: int = 0
    reference: str | None = None
    allocations: tuple[Allocation, ...] = ()
    credited_minor: int = 0
    refunded_minor: int = 0
    settled_at: datetime | None = None  # when it was found to have succeeded, if not at `at`
    refunds: tuple[Refund, ...] = ()  # in the order of their ordinals; at most the last is open
    version: int = 0

    @property
    def unresolved(self) -> bool:
        return self.status in ("pending", "unknown")

    @property
    def open_refund(self) -> Refund | None:
        """The refund whose outcome is not known: no other may be opened."""
        return self.refunds[-1] if self.refunds and self.refunds[-1].open else None

    @property
    def awaited(self) -> bool:
        """Whether the gateway has yet to say something."""
        return self.unresolved or self.open_refund is not None

    @property
    def changed_at(self) -> datetime:
        """When it last moved money: when it was made, settled, or a refund of it was opened or settled."""
        refunds = (r.settled_at or r.at for r in self.refunds)
        return max(self.at, self.settled_at or self.at, *refunds)

    @property
    def credit_left_minor(self) -> int:
        """What it brought as credit, less what refunds have taken of that."""
        return self.credited_minor - sum(r.credit_minor for r in self._counted())

    def allocations_left(self) -> tuple[Allocation, ...]:
        """What of it still pays which invoice."""
        back: dict[str, int] = {}
        for part in (p for r in self._counted() for p in r.reopened):
            back[part.invoice_id] = back.get(part.invoice_id, 0) + part.amount_minor
        left = (replace(a, amount_minor=a.amount_minor - back.get(a.invoice_id, 0)) for a in self.allocations)
        return tuple(a for a in left if a.amount_minor)

    def _counted(self) -> Iterator[Refund]:
        return (r for r in self.refunds if r.open or r.status == "succeeded")

    def refund_opened(self, refund: Refund, next_check_at: datetime | None) -> Payment:
        return replace(self, refunds=(*self.refunds, refund), next_check_at=next_check_at)

    def refund_now(self, refund: Refund, next_check_at: datetime | None = None) -> Payment:
        """With its open refund as it has become; what has succeeded counts as given back."""
        back = self.refunded_minor + (refund.amount_minor if refund.status == "succeeded" else 0)
        status: PaymentState = "refunded" if back == self.amount_minor else self.status
        refunds = (*self.refunds[:-1], refund)
        return replace(self, refunds=refunds, refunded_minor=back, status=status, next_check_at=next_check_at)


def attempt_id(invoice_id: str, ordinal: int) -> str:
    """Derived from (invoice, ordinal): the database allows each once, and the gateway takes it as idempotency key."""
    return derive_id("pay_", invoice_id, ordinal)


def refund_key(payment_id: str, ordinal: int) -> str:
    """The idempotency key of a refund at the gateway: another one each time, also after one that was declined."""
    return derive_id("ref_", payment_id, ordinal)


@dataclass(frozen=True, slots=True)
class ChargeOutcome:
    """What the gateway said of one attempt or refund. `failed` is provably not processed; `unknown` may have been."""

    status: Literal["succeeded", "declined", "failed", "unknown"]
    gateway_id: str | None = None
    code: str | None = None
    hard: bool = False


@dataclass(frozen=True, slots=True)
class GatewayRefund:
    """A refund as the gateway keeps it. `key` is ours; None: it was made at the gateway itself, by a person."""

    id: str
    amount_minor: int
    key: str | None = None
    succeeded: bool = True


@dataclass(frozen=True, slots=True)
class GatewayDispute:
    """A payer's objection to a charge. Once it is lost the money is back with the payer."""

    id: str
    amount_minor: int
    status: Literal["open", "won", "lost"]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What the gateway says went back of one charge, or may still do so."""

    refunds: tuple[GatewayRefund, ...] = ()
    disputes: tuple[GatewayDispute, ...] = ()


@dataclass(frozen=True, slots=True)
class CreditBalance:
    """A customer's credit in one currency, from credit memos and overpayments; never negative."""

    customer_id: str
    currency: str
    amount_minor: int = 0
    version: int = 0

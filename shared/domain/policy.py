"""Customer classes: where collection policy lives, and nowhere else. PRODUCT 9."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from shared.domain.invoice import InvoiceType
from shared.domain.values import dataclass


@dataclass(frozen=True, slots=True)
class AutoCharge:
    """When an invoice is collected automatically: a date of its own ± days, or the next fixed day of the month."""

    on: Literal["due_on", "invoice_date", "day_of_month"] = "due_on"
    offset_days: int = 0
    day: int | None = None


@dataclass(frozen=True, slots=True)
class LateFee:
    amount: str = "0.00"  # decimal string in each customer's own currency: a class serves several currencies
    percent: Decimal = Decimal(0)
    grace_days: int = 0
    repeat: Literal["once", "monthly"] = "once"
    cap: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """How one type of invoice is collected. `collection_threshold` is a decimal string in the customer's currency."""

    terms_days: int = 30
    auto_charge: AutoCharge | None = AutoCharge()
    reminders_before_due: tuple[int, ...] = (7, 1)
    collection_threshold: str = "0.00"
    late_fee: LateFee = LateFee()
    limit_after_days: int | None = None
    suspend_after_days: int | None = None
    terminate_after_days: int | None = None
    step_notice_days: int = 3
    confirm_termination: bool = True


@dataclass(frozen=True, slots=True)
class CustomerClass:
    id: str
    name: str
    regular: Policy = Policy()
    out_of_turn: Policy = Policy(terms_days=6)
    created_at: datetime | None = None
    version: int = 0

    def policy(self, type: InvoiceType) -> Policy:
        """Everything that is not out of turn follows the regular policy."""
        return self.out_of_turn if type == "out_of_turn" else self.regular


DEFAULT_CLASS_ID = "cls_standard"
DEFAULT_CLASS = CustomerClass(id=DEFAULT_CLASS_ID, name="Standard")

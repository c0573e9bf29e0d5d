"""Contracts and their charges, with what has been billed of them. PRODUCT 3.

`end_date`, `suspended_on` and every period's end are the first day *without* service.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from shared.domain.calendar import Interval
from shared.domain.values import dataclass

ChargeType = Literal["recurring", "usage", "one_time"]
Timing = Literal["advance", "arrears"]
TierMode = Literal["graduated", "volume"]
ContractStatus = Literal["active", "suspended", "ended"]

PERIODS_KEPT = 14  # billed periods remembered per charge: the 12 a run may catch up, the current and the next
CHARGES_MAX = 500
CHANGES_MAX = 50  # dated changes per charge


@dataclass(frozen=True, slots=True)
class PriceTier:
    """Units up to and including `up_to` (None: all the rest) cost this much each."""

    up_to: Decimal | None
    unit_amount_minor: int


@dataclass(frozen=True, slots=True)
class Change:
    """From `effective_on` (inclusive) the charge has this amount and quantity; None keeps what was."""

    effective_on: date
    amount_minor: int | None = None
    quantity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """One priced item of a contract. Which fields count depends on `type`."""

    id: str
    name: str
    type: ChargeType
    amount_minor: int = 0  # recurring: per unit and interval; one_time: the amount
    quantity: Decimal = Decimal(1)
    interval: Interval = "month"
    interval_count: int = 1
    timing: Timing = "advance"  # usage is always arrears
    prorate: bool = True
    taxable: bool = True
    metric: str | None = None
    unit_amount_minor: int | None = None
    tier_mode: TierMode | None = None
    tiers: tuple[PriceTier, ...] = ()
    included_quantity: Decimal = Decimal(0)
    expected: bool = False
    on: date | None = None  # one_time
    starts_on: date | None = None  # added to the contract later: in service from this day
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Suspension:
    """No service from `suspended_on` until `resumed_on`; days suspended by collections are not credited."""

    suspended_on: date
    resumed_on: date | None = None
    by_collections: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a period at one price. `amount_minor` is what it costs, rounded once."""

    start: date
    end: date
    unit_amount_minor: int
    quantity: Decimal
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Billing:
    """One invoice's word on a period: the segments as they stood when that invoice was made."""

    invoice_id: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class BilledPeriod:
    """A period that has been billed, oldest billing first; the last one says what is billed now.

    The lines of all its invoices add up to the total of the last billing's segments. For usage, the segment's
    quantity is the usage that was billed.
    """

    start: date
    end: date
    billings: tuple[Billing, ...]

    @property
    def segments(self) -> tuple[Segment, ...]:
        return self.billings[-1].segments


@dataclass(frozen=True, slots=True)
class ChargeProgress:
    """How far a charge has been billed: every period before `billed_through`, less those `reopened` by a void.

    `periods` keeps the last PERIODS_KEPT billed ones in order, so that later changes can be compared with them. Each is
    a BilledPeriod written on one line (see progress.py): most are never looked at again, and whole they would make up
    nine tenths of a contract. `unsettled` are the starts of those that are not billed as they should be, now or from a
    date on; it follows from the rest of the contract and is kept so that a run need not look.
    """

    charge_id: str
    billed_through: date | None = None
    periods: tuple[str, ...] = ()
    reopened: tuple[tuple[date, date], ...] = ()
    unsettled: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class Contract:
    id: str
    customer_id: str
    name: str
    currency: str
    start_date: date
    billing_starts_on: date
    bill_cycle_day: int
    end_date: date | None = None
    anchor_month: int | None = None
    charges: tuple[Charge, ...] = ()
    suspensions: tuple[Suspension, ...] = ()
    progress: tuple[ChargeProgress, ...] = ()
    late_usage: tuple[tuple[str, date], ...] = ()  # (charge id, period start) billed before all its usage had come
    next_bill_on: date | None = None  # the first day on which a bill run finds something to do; None: never
    created_at: datetime | None = None
    version: int = 0

    def status(self, on: date) -> ContractStatus:
        if self.end_date is not None and self.end_date <= on:
            return "ended"
        return "suspended" if self.suspended(on) else "active"

    def suspended(self, on: date) -> bool:
        return any(s.suspended_on <= on and (s.resumed_on is None or on < s.resumed_on) for s in self.suspensions)

    def charge(self, charge_id: str) -> Charge | None:
        return next((c for c in self.charges if c.id == charge_id), None)

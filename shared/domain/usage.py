"""Metered usage: each record once, summed per local day. PRODUCT 3."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from shared.domain.values import dataclass


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """One delivered record; its id is unique within the contract."""

    id: str
    contract_id: str
    metric: str
    quantity: Decimal
    occurred_at: datetime
    version: int = 0


@dataclass(frozen=True, slots=True)
class UsageDay:
    """The sum of a contract's records of one metric on one local date of the customer."""

    contract_id: str
    metric: str
    on: date
    quantity: Decimal = Decimal(0)
    records: int = 0
    version: int = 0


@dataclass(frozen=True, slots=True)
class UsageMeter:
    """Guards a contract's usage: whoever adds usage and whoever bills it both rewrite this record.

    Read it before the contract and before the days; then neither can miss what the other did in between.
    """

    contract_id: str
    version: int = 0

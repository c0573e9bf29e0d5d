"""The figures of receivables: ageing, days sales outstanding, collection effectiveness. PRODUCT 12.

Amounts are minor units of one currency, days whole days. Ratios are exact fractions until they are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

from shared.domain.money import round_half_up
from shared.domain.values import dataclass

Bucket = Literal["current", "d1_30", "d31_60", "d61_90", "d90_plus"]
BUCKETS: Final[tuple[Bucket, ...]] = ("current", "d1_30", "d31_60", "d61_90", "d90_plus")
_FROM_DAYS: Final[tuple[tuple[int, Bucket], ...]] = ((91, "d90_plus"), (61, "d61_90"), (31, "d31_60"), (1, "d1_30"))
PLACES: Final = 2  # decimals of days and percentages


def bucket_of(due_on: date | None, as_of: date) -> Bucket:
    """By days past due: the due date itself is still current, the day after it is day 1, and day 91 is over 90."""
    late = (as_of - due_on).days if due_on else 0
    return next((bucket for first, bucket in _FROM_DAYS if late >= first), "current")


@dataclass(slots=True)
class Aged:
    """What is owed in one currency by bucket, and credit beside it: credit never makes an invoice younger."""

    owed_minor: dict[Bucket, int] = field(default_factory=lambda: dict.fromkeys(BUCKETS, 0))
    credit_minor: int = 0

    @property
    def total_minor(self) -> int:
        """What is left to pay on invoices, before credit."""
        return sum(self.owed_minor.values())

    def add(self, other: Aged) -> None:
        for bucket, minor in other.owed_minor.items():
            self.owed_minor[bucket] += minor
        self.credit_minor += other.credit_minor


def summed(parts: Iterable[Mapping[str, Aged]]) -> dict[str, Aged]:
    """The sums by currency."""
    totals: dict[str, Aged] = {}
    for part in parts:
        for currency, aged in part.items():
            totals.setdefault(currency, Aged()).add(aged)
    return dict(sorted(totals.items()))


@dataclass(frozen=True, slots=True)
class Period:
    """One currency's receivables at the ends of a period, and what was sold within it, all in minor units.

    `credit_sales_minor` is what was invoiced, tax included, net of credit memos and voids. `ending_current_minor` is
    the part of the ending receivables that is not past due.
    """

    days: int
    beginning_minor: int
    credit_sales_minor: int
    ending_minor: int
    ending_current_minor: int

    @property
    def dso(self) -> Fraction | None:
        """Days sales outstanding: receivables at the end ÷ credit sales of the period × its days.

        The standard formula of the Credit Research Foundation. None without sales.
        """
        return self._days_of(self.ending_minor)

    @property
    def best_possible_dso(self) -> Fraction | None:
        """The same of what is not past due: what the terms alone would give."""
        return self._days_of(self.ending_current_minor)

    @property
    def average_days_delinquent(self) -> Fraction | None:
        """DSO less best possible DSO: the days that lateness adds."""
        return self._days_of(self.ending_minor - self.ending_current_minor)

    @property
    def cei(self) -> Fraction | None:
        """Collection effectiveness index in per cent: (beginning receivables + credit sales - ending receivables)
        ÷ (beginning receivables + credit sales - ending receivables not past due) × 100.

        The standard formula of the Credit Research Foundation: of what could be collected, how much was. 100 when
        nothing is past due at the end; None when there was nothing to collect.
        """
        available = self.beginning_minor + self.credit_sales_minor
        if available - self.ending_current_minor <= 0:
            return None
        return Fraction((available - self.ending_minor) * 100, available - self.ending_current_minor)

    def _days_of(self, minor: int) -> Fraction | None:
        return Fraction(minor * self.days, self.credit_sales_minor) if self.credit_sales_minor > 0 else None


def written(value: Fraction | None) -> str | None:
    """A figure with PLACES decimals, half up; None stays None."""
    if value is None:
        return None
    return str(Decimal(round_half_up(value * 10**PLACES)).scaleb(-PLACES))

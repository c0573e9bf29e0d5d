"""Reading metered usage: the sums per day, a month at a time. PRODUCT 3."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from shared.domain.metering import Used
from shared.domain.usage import UsageDay
from shared.ports import Ports

DAYS_MAX = 31  # of one month


@dataclass(slots=True)
class StoredUsage:
    """Looks usage up in the store; what was read once is not read again."""

    ports: Ports
    _known: dict[tuple[str, str, str], tuple[UsageDay, ...]] = field(default_factory=dict)

    def __call__(self, contract_id: str, metric: str, start: date, end: date) -> Used:
        days = [d for m in _months(start, end) for d in self._month(contract_id, metric, m) if start <= d.on < end]
        return Used(sum((d.quantity for d in days), Decimal(0)), sum(d.records for d in days))

    def _month(self, contract_id: str, metric: str, month: str) -> tuple[UsageDay, ...]:
        key = (contract_id, metric, month)
        if key not in self._known:
            page = self.ports.store.list(UsageDay, contract_id, f"{metric}#{month}-", limit=DAYS_MAX)
            self._known[key] = page.items
        return self._known[key]


def _months(start: date, end: date) -> Iterator[str]:
    """The months that the days from `start` to before `end` lie in, as they stand in keys."""
    for number in range(start.year * 12 + start.month - 1, end.year * 12 + end.month):
        year, month = divmod(number, 12)
        yield f"{year:04d}-{month + 1:02d}"

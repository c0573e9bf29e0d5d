"""What counts for a card, whatever invoices it pays: how often it was tried, and until when it is good. PRODUCT 7."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import replace
from datetime import date, datetime, timedelta

from shared.domain.payment import PaymentMethod
from shared.domain.values import dataclass

WINDOW = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class CardUse:
    """When a customer's card was tried of late. It is the token's, so that adding a card anew begins no new count."""

    customer_id: str
    token: str
    tried_at: tuple[datetime, ...] = ()
    claim: str | None = None  # of the last attempt alone: two of the same instant are not taken for one
    version: int = 0

    def recent(self, now: datetime) -> tuple[datetime, ...]:
        """The attempts of the 30 days up to now; one of exactly 30 days ago is none of them."""
        return tuple(at for at in self.tried_at if now - at < WINDOW)

    def at_limit(self, now: datetime, most: int) -> bool:
        return len(self.recent(now)) >= most

    def tried(self, now: datetime, claim: str) -> CardUse:
        return replace(self, tried_at=(*self.recent(now), now), claim=claim)

    def not_tried(self, at: datetime) -> CardUse:
        """Without an attempt that the gateway provably did not process: it never reached the card."""
        left = list(self.tried_at)
        if at in left:
            left.remove(at)
        return replace(self, tried_at=tuple(left))


def good_through(method: PaymentMethod) -> date:
    """The last day of the month that is printed on the card."""
    return date(method.exp_year, method.exp_month, monthrange(method.exp_year, method.exp_month)[1])

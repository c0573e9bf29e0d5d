"""What counts for a card, whatever invoices it pays: how often it was tried, and until when it is good. PRODUCT 7."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime, timedelta

from shared.domain.copies import replace
from shared.domain.payment import PaymentMethod
from shared.domain.values import dataclass

WINDOW = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class CardUse:
    """When one card was tried, as it was kept in a record of its own: read still, and written no more."""

    customer_id: str
    token: str
    tried_at: tuple[datetime, ...] = ()
    claim: str | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class TriedCard:
    """It is the token's, so that adding a card anew begins no new count."""

    token: str
    at: tuple[datetime, ...]


@dataclass(frozen=True, slots=True)
class CardTries:
    """When a customer's cards were tried of late.

    Every attempt changes this record, and so does whatever forbids attempts on the customer or takes a card away, in
    its own transaction. So an attempt that goes by what was so before fails, without checking any of that itself.
    """

    customer_id: str
    since: datetime  # what was tried before is told by a CardUse
    cards: tuple[TriedCard, ...] = ()
    claim: str | None = None  # of the last change alone: two of the same instant are not taken for one
    version: int = 0

    def recent(self, token: str, now: datetime) -> tuple[datetime, ...]:
        """A card's attempts of the 30 days up to now; one of exactly 30 days ago is none of them."""
        return tuple(at for card in self.cards if card.token == token for at in card.at if now - at < WINDOW)

    def knows(self, token: str, now: datetime) -> bool:
        """Whether nothing of a card can have been written down elsewhere in the last 30 days."""
        return now - self.since >= WINDOW or any(card.token == token for card in self.cards)

    def at_limit(self, token: str, now: datetime, most: int) -> bool:
        return len(self.recent(token, now)) >= most

    def tried(self, token: str, now: datetime, claim: str) -> CardTries:
        return self._with(token, (*self.recent(token, now), now), claim)

    def not_tried(self, token: str, at: datetime) -> CardTries:
        """Without an attempt that the gateway provably did not process: it never reached the card."""
        left = [tried for card in self.cards if card.token == token for tried in card.at]
        if at in left:
            left.remove(at)
        return self._with(token, tuple(left), self.claim)

    def known_before(self, token: str, at: tuple[datetime, ...]) -> CardTries:
        return self._with(token, at, self.claim)

    def changed(self, claim: str) -> CardTries:
        """As it is, but under a version of its own: who forbids attempts."""
        return replace(self, claim=claim)

    def _with(self, token: str, at: tuple[datetime, ...], claim: str | None) -> CardTries:
        """Cards that were not tried for 30 days before this attempt are forgotten."""
        others = (card for card in self.cards if card.token != token and (not at or max(at) - max(card.at) < WINDOW))
        cards = (*others, *([TriedCard(token, at)] if at else []))
        return replace(self, cards=cards, claim=claim)


def good_through(method: PaymentMethod) -> date:
    """The last day of the month that is printed on the card."""
    return date(method.exp_year, method.exp_month, monthrange(method.exp_year, method.exp_month)[1])

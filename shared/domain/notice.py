"""A notice: one mail to one customer, recorded with the change that calls for it. PRODUCT 1, 2, 6, 9."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from shared.domain.copies import replace
from shared.domain.customer import Service
from shared.domain.ids import derive_id
from shared.domain.values import dataclass

BY_TRIGGER = "template:"  # begins the kind of a notice that a trigger sends
AGAIN_KEPT: Final = 3  # mails of one invoice that may be under way at once and are still found

NoticeStatus = Literal["pending", "sent", "suppressed", "failed", "bounced"]


@dataclass(frozen=True, slots=True)
class Notice:
    """Business key (customer, kind, subject, episode): its id is derived from it, so it exists once.

    What it says is looked up when it is sent, never stored. `claimed_at` is set by the sender before it calls the
    mail service; `sent_at` after. `by_hand` needs no switch at all.
    """

    id: str
    customer_id: str
    kind: str
    subject_id: str
    episode: str
    created_at: datetime
    status: NoticeStatus = "pending"
    reason: str | None = None  # why suppressed or failed
    tier: int | None = None
    step: Service | None = None  # on a service_step: which one it tells of
    bill_run_id: str | None = None
    by_run: bool = False  # asked for by a run's auto_email: stands in for the global switch
    by_hand: bool = False
    asked: str | None = None  # which request it was last asked for by hand by: the same again asks for nothing more
    claimed_at: datetime | None = None
    claim: str | None = None  # of its sender alone: two that claim at the same instant are not taken for one
    attempts: int = 0
    retry_at: datetime | None = None  # pending, but not before this instant: the mail service asked for patience
    sent_at: datetime | None = None
    to: str | None = None
    message_id: str | None = None
    delivered_at: datetime | None = None  # taken by the recipient's server, as the mail service tells
    since_at: datetime | None = None  # account_summary: the period it tells of, without its end
    through_at: datetime | None = None
    again_ids: tuple[str, ...] = ()  # on an invoice's own: the last mails of it that were asked for by hand afterwards
    version: int = 0

    @property
    def unclaimed(self) -> bool:
        """Whether it is still to be sent, and nobody has begun to."""
        return self.status == "pending" and self.claimed_at is None

    def followed_by(self, notice_id: str) -> Notice:
        """An invoice's own mail, when another was asked for: that one tells of its delivery as soon as it went out."""
        return replace(self, again_ids=(*self.again_ids, notice_id)[-AGAIN_KEPT:])


def notice_id(customer_id: str, kind: str, subject_id: str, episode: str = "") -> str:
    return derive_id("ntc_", customer_id, kind, subject_id, episode)

"""What collections remember of a customer between two evaluations. PRODUCT 9."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class CollectionState:
    """`episode_since` is the first past-due day of the running episode, None while nothing is past due.

    `worst_tier` is the most severe tier whose notice was recorded in this episode: lower ones are not sent again.
    `next_on` is the first local date on which an evaluation can find something to do, as far as is known from
    `oldest_due_on` and the settings of `settings_version`. `ended_on` is the day the last episode ended on.
    """

    customer_id: str
    episode_since: date | None = None
    worst_tier: int = 0
    assessed_on: date | None = None
    past_due_ids: tuple[str, ...] = ()
    oldest_due_on: date | None = None
    settings_version: int = 0
    next_on: date | None = None
    ended_on: date | None = None
    version: int = 0

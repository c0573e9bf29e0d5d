"""What collections remember of a customer between two evaluations. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from zlib import crc32

from shared.domain.customer import Service
from shared.domain.values import dataclass


@dataclass(frozen=True, slots=True)
class Warned:
    """The notice of a service step was recorded, because of that invoice."""

    step: Service
    invoice_id: str
    notice_id: str


@dataclass(frozen=True, slots=True)
class CollectionState:
    """What was done in the running episode; everything else is derived from the facts.

    `episode_since` is its first past-due day, None while nothing is past due. `worst_tier` is the most severe tier
    whose notice was recorded, on `told_on`: lower ones are not sent again. `fired` are the thresholds of triggers that
    fired, `suspended_by` the one that suspended. `waived` is the service step that was undone by hand: it and milder
    ones stay undone. `waiting` are late fees ("invoice#occurrence") and triggers ("t14") whose day came during a hold
    or while a charge was under way. `step` is the service that collections gave the customer, `asked` the task that
    asks a person to confirm a termination; those two outlive the episode until they are looked at.

    `unannounced` are the steps of which a person was told that their notice reaches nobody.

    `next_on` is the first local date on which an evaluation can find something to do, as long as `seen` (a digest of
    the open invoices), the settings and the class stay what they were; None: look again. `ended_on` is the day the
    last episode ended on.
    """

    customer_id: str
    episode_since: date | None = None
    worst_tier: int = 0
    told_on: date | None = None
    assessed_on: date | None = None
    past_due_ids: tuple[str, ...] = ()
    fired: tuple[int, ...] = ()
    suspended_by: int | None = None
    warned: tuple[Warned, ...] = ()
    waived: Service = "active"
    waiting: tuple[str, ...] = ()
    step: Service = "active"
    asked: str = ""
    seen: str = ""
    settings_version: int = 0
    class_id: str = ""
    class_version: int = 0
    next_on: date | None = None
    ended_on: date | None = None
    unannounced: tuple[Service, ...] = ()
    version: int = 0

    @property
    def followed(self) -> bool:
        """Whether the sweep looks after it: an episode runs, or what it left behind is still to be cleared away."""
        return self.episode_since is not None or self.unsettled

    @property
    def unsettled(self) -> bool:
        """Whether something is in force that a payment may lift."""
        return self.step in ("limited", "suspended") or bool(self.asked)

    @property
    def rules(self) -> tuple[int, str, int]:
        """The settings and class it was evaluated under."""
        return self.settings_version, self.class_id, self.class_version


def seen_of(open_invoices: Iterable[tuple[str, str]]) -> str:
    """A digest of which invoices are open: their due dates and ids, in that order."""
    digest = 0
    for due_on, id in open_invoices:
        digest = crc32(f"{due_on}#{id};".encode(), digest)
    return f"{digest:08x}"

"""What happened to an account and left no other record: for its timeline. PRODUCT 2, 9.

Nothing is decided by these; they are written once, in the transaction that they tell of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import Literal

from shared.domain.autopay import AutopayList
from shared.domain.collection import CollectionState
from shared.domain.customer import Customer, Hold, Promise, Service
from shared.domain.invoice import Invoice, InvoiceHold
from shared.domain.past_due import Evaluation
from shared.domain.values import dataclass

AccountEventKind = Literal[
    "pause_set", "pause_lifted", "hold_set", "hold_lifted", "promise_made", "promise_withdrawn", "class_changed",
    "autopay_changed", "automations_on", "automations_off", "episode_began", "episode_ended", "tier_entered",
    "trigger_fired", "service_limited", "service_suspended", "service_terminated", "service_restored",
]  # fmt: skip
SERVICE_EVENT: dict[Service, AccountEventKind] = {
    "active": "service_restored", "limited": "service_limited", "suspended": "service_suspended",
    "terminated": "service_terminated",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """One entry, at an instant or, for what follows from a local date, on that date.

    `seq` is the version of the record that changed with it: what happens at one instant keeps its order. `about` says
    which one: the automation, the hold's reason, the class, the tier, the trigger's days. No personal data.
    """

    customer_id: str
    kind: AccountEventKind
    subject_id: str
    seq: int
    at: datetime | None = None
    on: date | None = None
    about: str = ""
    before: str = ""  # the class that was left
    through: date | None = None  # how far a pause, hold or promise reaches
    amount_minor: int | None = None
    currency: str | None = None
    version: int = 0

    @property
    def when(self) -> str:
        """What it is sorted by, and shown as."""
        return instant_text(self.at) if self.at is not None else str(self.on)

    @property
    def order(self) -> str:
        """Among what carries the same time; one change may end an episode and begin the next."""
        return f"{self.seq:08d}{'0' if self.kind == 'episode_ended' else '1'}"

    @property
    def place(self) -> str:
        return f"{self.when}#{self.order}#{self.kind}#{self.subject_id}#{self.about}"


def instant_text(at: datetime) -> str:
    """In UTC with microseconds, so that texts sort as the instants do."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# ---- what a change tells --------------------------------------------------------------------------------------


def of_customer(before: Customer, after: Customer, at: datetime) -> Iterator[AccountEvent]:
    """What was set, lifted or chosen otherwise between two versions of a customer."""
    id, seq = after.id, after.version
    for pause in after.pauses:
        if pause != before.pause(pause.automation):
            yield AccountEvent(id, "pause_set", id, seq, at, about=pause.automation, through=pause.through)
    for pause in before.pauses:
        if after.pause(pause.automation) is None:
            yield AccountEvent(id, "pause_lifted", id, seq, at, about=pause.automation)
    yield from _of_hold(id, id, seq, before.hold, after.hold, at)
    yield from _of_promise(after, before.promise, after.promise, at)
    if after.class_id != before.class_id:
        yield AccountEvent(id, "class_changed", id, seq, at, about=after.class_id, before=before.class_id)
    if after.automations.enabled != before.automations.enabled:
        yield AccountEvent(id, "automations_on" if after.automations.enabled else "automations_off", id, seq, at)


def of_invoice_hold(invoice: Invoice, hold: InvoiceHold | None, at: datetime) -> Iterator[AccountEvent]:
    """What putting an invoice on hold, or letting it go on, tells."""
    yield from _of_hold(invoice.customer_id, invoice.id, invoice.version, invoice.hold, hold, at)


def of_autopay(after: AutopayList, at: datetime) -> AccountEvent:
    """That the rules were saved."""
    rules = f"{len(after.rules)}" if after.enabled else "off"
    return AccountEvent(after.customer_id, "autopay_changed", after.customer_id, after.version, at, about=rules)


def _of_hold(
    customer_id: str, subject_id: str, seq: int, before: Hold | InvoiceHold | None, after: Hold | InvoiceHold | None,
    at: datetime,
) -> Iterator[AccountEvent]:  # fmt: skip
    if before == after:
        return
    if after is not None:
        yield AccountEvent(
            customer_id, "hold_set", subject_id, seq, at, about=after.reason, through=after.through
        )  # fmt: skip
    elif before is not None:
        yield AccountEvent(customer_id, "hold_lifted", subject_id, seq, at, about=before.reason)


def _of_promise(
    customer: Customer, before: Promise | None, after: Promise | None, at: datetime
) -> Iterator[AccountEvent]:
    if after is not None and after != before:
        yield AccountEvent(
            customer.id, "promise_made", after.id, customer.version, at, through=after.through,
            amount_minor=after.amount_minor, currency=customer.currency,
        )  # fmt: skip
    elif after is None and before is not None:
        yield AccountEvent(customer.id, "promise_withdrawn", before.id, customer.version, at)


def of_evaluations(before: CollectionState, found: Iterable[Evaluation]) -> Iterator[AccountEvent]:
    """What the evaluations of a customer's days tell, the earliest first; service is told by of_service."""
    id, seq = before.customer_id, before.version
    since = before.episode_since
    for day in found:
        now = day.state.episode_since
        if since is not None and now != since:
            yield AccountEvent(id, "episode_ended", id, seq, on=day.state.ended_on or day.on, about=str(since))
        if now is not None and now != since:
            yield AccountEvent(id, "episode_began", id, seq, on=now)
        since = now
        if day.notify is not None and not day.repeat:
            yield AccountEvent(id, "tier_entered", id, seq, on=day.on, about=str(day.tier))
        for fired in day.fired:
            yield AccountEvent(id, "trigger_fired", id, seq, on=day.on, about=str(fired.days))


def of_service(state: CollectionState, before: Service, at: datetime) -> Iterator[AccountEvent]:
    """That service was restricted, given back or ended; nothing if it is as before."""
    if state.step != before:
        kind = SERVICE_EVENT[state.step]
        yield AccountEvent(state.customer_id, kind, state.customer_id, state.version, at, before=before)


def of_episode_end(state: CollectionState, at: datetime) -> AccountEvent:
    """That the running episode ended with a payment."""
    id = state.customer_id
    return AccountEvent(id, "episode_ended", id, state.version, at, about=str(state.episode_since))

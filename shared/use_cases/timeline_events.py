"""Account events as entries of the timeline, with what follows from them: pauses, holds and promises that ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from shared.domain.account_event import AccountEvent
from shared.domain.collection_facts import due
from shared.domain.customer import Customer, OffReason
from shared.domain.past_due import Evaluation
from shared.domain.payment import Payment
from shared.domain.promises import kept_on, status_of
from shared.domain.settings import Settings, Tier
from shared.domain.timeline_entry import Entry, money
from shared.domain.values import dataclass
from shared.use_cases.lookups import local_on
from shared.use_cases.promises import received_since

A_DAY = timedelta(days=1)
SET = {"pause_set": ("pause_set", "pause_lifted"), "hold_set": ("hold_set", "hold_lifted")}
AUTOMATIONS = {
    "send_new_invoices": "Mail of new invoices", "account_summary": "The account summary", "past_due": "Past-due mail",
}  # fmt: skip
ENDINGS = ("episode_ended", "service_restored")
AFTER_MONEY = "75"  # the rank of what a payment brings about
ENDED = {"pause_set": ("pause_ended", "The pause ({about})"), "hold_set": ("hold_ended", "The hold ({about})")}
WORDS = {
    "pause_lifted": "The pause ({about}) was lifted", "hold_lifted": "The hold ({about}) was lifted",
    "promise_withdrawn": "The promise to pay was withdrawn", "automations_on": "The master switch was turned on",
    "automations_off": "The master switch was turned off", "episode_began": "A past-due episode began",
    "episode_ended": "Nothing is past due any more: the episode ended", "tier_entered": "Past-due tier {about} began",
    "trigger_fired": "The trigger at {about} past-due days fired", "service_limited": "Service was limited",
    "service_suspended": "Service was suspended", "service_terminated": "Service was terminated, for good",
    "service_restored": "Service was restored",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """What the entries of events are made from. `events` are in order."""

    customer: Customer
    settings: Settings
    events: Sequence[AccountEvent]
    payments: Sequence[Payment]
    on: date  # today at the customer
    late: bool  # whether something is past due today


def of_events(known: Known) -> Iterator[Entry]:
    for place, event in enumerate(known.events):
        rank = AFTER_MONEY if event.kind in ENDINGS else "5"
        yield Entry(
            event.kind, event.subject_id, _words(event), event.at, event.on, event.amount_minor,
            event.currency if event.amount_minor is not None else None, rank=f"{rank}{event.order}",
        )  # fmt: skip
        later = known.events[place + 1 :]
        if event.kind in SET:
            yield from _ended(event, later, known)
        elif event.kind == "promise_made":
            yield from _outcome(event, later, known)


def of_today(known: Known, found: Evaluation, off: OffReason | None, tiers: Sequence[Tier]) -> Iterator[Entry]:
    """The running episode and its tier, as far as no event tells: where nothing is switched on, nobody looks."""
    since, id = found.state.episode_since, known.customer.id
    if not known.late or since is None:
        return
    if not _changes(known) or _changes(known)[-1].kind != "episode_began":
        yield Entry("episode_began", id, WORDS["episode_began"], on=since)
    told = {e.about for e in known.events if e.kind == "tier_entered" and e.on is not None and e.on >= since}
    if found.tier and off is not None and str(found.tier) not in told and found.oldest is not None:
        begun = max(since, due(found.oldest) + timedelta(days=tiers[found.tier - 1].from_days))
        words = f"{WORDS['tier_entered'].format(about=found.tier)}; nobody is told of it: {off.replace('_', ' ')}"
        yield Entry("tier_entered", id, words, on=begun)


def _words(event: AccountEvent) -> str:
    through = f"through {event.through}" if event.through else "until further notice"
    if event.kind == "pause_set":
        return f"{AUTOMATIONS.get(event.about, event.about)} was paused {through}"
    if event.kind == "hold_set":
        return f"Collection was put on hold ({event.about}) {through}"
    if event.kind == "promise_made":
        amount = "all that is past due"
        if event.amount_minor is not None and event.currency is not None:
            amount = money(event.amount_minor, event.currency)
        return f"A promise was made to pay {amount} by {event.through}"
    if event.kind == "class_changed":
        return f"The customer class was changed from {event.before} to {event.about}"
    if event.kind == "autopay_changed":
        count = "" if event.about == "off" else f": {event.about} in all"
        return "Autopay was switched off" if event.about == "off" else f"The autopay rules were changed{count}"
    return WORDS[event.kind].format(about=event.about)


def _ended(event: AccountEvent, later: Sequence[AccountEvent], known: Known) -> Iterator[Entry]:
    """A pause or hold that ran out by itself: it was neither replaced nor lifted before."""
    if event.through is None or event.through >= known.on:
        return
    for other in later:
        same = other.subject_id == event.subject_id and (event.kind == "hold_set" or other.about == event.about)
        if same and other.kind in SET[event.kind] and _day(other, known) <= event.through:
            return
    kind, what = ENDED[event.kind]
    words = f"{what.format(about=event.about)} ended: it went through {event.through}"
    yield Entry(kind, event.subject_id, words, on=event.through + A_DAY)


def _outcome(event: AccountEvent, later: Sequence[AccountEvent], known: Known) -> Iterator[Entry]:
    """Whether the promise was kept or broken, unless another took its place or it was withdrawn before."""
    if event.through is None or event.at is None:
        return
    made_on, end = local_on(event.at, known.customer, known.settings), known.on
    taken = next((o for o in later if o.kind in ("promise_made", "promise_withdrawn")), None)
    if taken is not None:
        end = min(end, _day(taken, known))
    received = received_since(event.at, known.customer, known.settings, known.payments)
    cleared = [_day(o, known) for o in later if o.kind == "episode_ended"]
    kept = kept_on(made_on, event.through, event.amount_minor, received, cleared)
    if kept is not None and kept <= end:
        yield Entry("promise_kept", event.subject_id, "The promise to pay was kept", on=kept, rank="8")
        return
    if taken is not None and _day(taken, known) <= event.through:
        return
    late = _running(known, event.through + A_DAY)
    if status_of(None, event.through, event.amount_minor, known.on, owing=True, late=late) == "broken":
        words = f"The promise to pay by {event.through} was broken"
        yield Entry("promise_broken", event.subject_id, words, on=event.through + A_DAY)


def _running(known: Known, on: date) -> bool:
    """Whether something was past due on a day; as today, where episodes were not noted yet."""
    before = [e.kind for e in _changes(known) if _day(e, known) <= on]
    return before[-1] == "episode_began" if before else known.late and not _changes(known)


def _changes(known: Known) -> list[AccountEvent]:
    """Beginnings and ends of episodes in the order in which they were written."""
    return sorted((e for e in known.events if e.kind in ("episode_began", "episode_ended")), key=lambda e: e.order)


def _day(event: AccountEvent, known: Known) -> date:
    return event.on or (local_on(event.at, known.customer, known.settings) if event.at else date.max)

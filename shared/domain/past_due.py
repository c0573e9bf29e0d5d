"""What collections do about a customer, from facts and a date: derived each time, never counted up. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from shared.domain.collection import CollectionState
from shared.domain.customer import Customer, OffReason
from shared.domain.invoice import Invoice
from shared.domain.money import minor_in
from shared.domain.policy import CustomerClass
from shared.domain.settings import Tier

ONE_DAY = timedelta(days=1)
PAST_DUE_IDS_KEPT = 200  # invoices remembered between two evaluations


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything an evaluation looks at. `open` are the posted invoices with something left to pay."""

    customer: Customer
    its_class: CustomerClass
    tiers: Sequence[Tier]
    open: Sequence[Invoice]
    state: CollectionState
    off: OffReason | None  # why past-due mail may not go, if it may not
    settled_on: Sequence[date | None] = ()  # when those past due at the last evaluation were settled; None: were not
    settings_version: int = 0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The tier the customer is in (0: none), the tier whose notice is called for now, and what to remember."""

    tier: int
    notify: Tier | None
    oldest: Invoice | None
    state: CollectionState


def days_past_due(due_on: date, on: date) -> int:
    """0 on the due date itself, which is still on time."""
    return max((on - due_on).days, 0)


def evaluate(facts: Facts, on: date) -> Evaluation:
    """Where the customer stands on a local date and what that calls for, most severe first."""
    late = sorted((i for i in facts.open if i.payment_status(on) == "overdue"), key=_due)
    if not late:
        later = any(end is not None and end > on for end in facts.settled_on)  # a day that is looked at late
        return Evaluation(0, None, None, replace(facts.state if later else ended(facts.state, on), assessed_on=on))
    chased = chasable(late, facts.customer, facts.its_class, on)
    number, tier = tier_of(chased, facts.tiers, on)
    since = _episode_since(late, facts)
    worst = facts.state.worst_tier if since == facts.state.episode_since else 0
    notify = tier if tier is not None and number > worst and facts.off is None else None
    state = replace(
        facts.state, episode_since=since, worst_tier=number if notify else worst, assessed_on=on,
        past_due_ids=tuple(i.id for i in late[:PAST_DUE_IDS_KEPT]), oldest_due_on=min(map(_due, facts.open)),
        settings_version=facts.settings_version, next_on=_next_on(facts, late, chased, on),
    )  # fmt: skip
    return Evaluation(number, notify, chased[0] if chased else None, state)


def tier_of(chased: Sequence[Invoice], tiers: Sequence[Tier], on: date) -> tuple[int, Tier | None]:
    """The most severe tier the oldest invoice has reached, and its number from 1; (0, None) while there is none."""
    oldest = max((days_past_due(_due(i), on) for i in chased), default=0)
    reached = [(n, t) for n, t in enumerate(tiers, start=1) if 0 < t.from_days <= oldest]
    return max(reached, key=lambda r: r[1].from_days, default=(0, None))


def chasable(late: Iterable[Invoice], customer: Customer, its_class: CustomerClass, on: date) -> list[Invoice]:
    """The overdue invoices that are chased: not on hold, and more in sum than their policy's threshold.

    The threshold is compared with what is past due under that policy, per currency. An invoice whose charge is under
    way or unknown is left alone: it may be paid.
    """
    free = [i for i in late if not i.on_hold(on) and not customer.on_hold(on) and i.open_attempt_id is None]
    groups: dict[tuple[str, str], list[Invoice]] = {}
    for invoice in free:
        groups.setdefault((_policy_name(invoice), invoice.currency), []).append(invoice)
    chased: list[Invoice] = []
    for (_, currency), invoices in groups.items():
        threshold = minor_in(its_class.policy(invoices[0].type).collection_threshold, currency)
        if sum(i.residual_minor for i in invoices) > threshold:
            chased.extend(invoices)
    return sorted(chased, key=_due)


def _policy_name(invoice: Invoice) -> str:
    return "out_of_turn" if invoice.type == "out_of_turn" else "regular"


def _due(invoice: Invoice) -> date:
    return invoice.due_on or date.max


def ended(state: CollectionState, on: date) -> CollectionState:
    """The state with no episode: falling behind again starts over from day 1."""
    if state.episode_since is None:
        return state
    return replace(
        state, episode_since=None, worst_tier=0, past_due_ids=(), oldest_due_on=None, next_on=None, ended_on=on
    )


def _episode_since(late: Sequence[Invoice], facts: Facts) -> date:
    """The first day of the running episode: kept while something was past due without a break since the last look.

    Everything known to be past due then may have been settled before the invoices that are late now fell past due:
    then there was a moment with nothing past due, and a new episode began.
    """
    begun = max(_due(late[0]) + ONE_DAY, facts.state.ended_on or date.min)  # a refund may reopen an old invoice
    since = facts.state.episode_since
    if since is None:
        return begun
    known = set(facts.state.past_due_ids)
    broken = not known & {i.id for i in late} and all(end is not None and end < begun for end in facts.settled_on)
    return begun if broken else since


def _next_on(facts: Facts, late: Sequence[Invoice], chased: Sequence[Invoice], on: date) -> date:
    """The first date on which another evaluation can find something to do, as far as is known now."""
    if facts.off is not None or len(chased) < len(late) or not chased:
        return on + ONE_DAY  # switches, holds and thresholds may lift any day
    ahead = [_due(chased[0]) + timedelta(days=t.from_days) for t in facts.tiers]
    return min((d for d in ahead if d > on), default=date.max)

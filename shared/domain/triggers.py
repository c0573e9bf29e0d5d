"""Past-due triggers: at exactly so many days of continuous past-due status, once per episode. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from shared.domain.collection import CollectionState
from shared.domain.collection_facts import Facts, under_way
from shared.domain.invoice import Invoice
from shared.domain.late_fees import Fee, credited_share, is_fee
from shared.domain.money import minor_in
from shared.domain.service_steps import severity
from shared.domain.settings import Action, Trigger
from shared.domain.values import dataclass


@dataclass(frozen=True, slots=True)
class Fired:
    """A trigger that fires, with those of its actions that may be done, each with its place in the list."""

    days: int
    actions: tuple[tuple[int, Action], ...]

    @property
    def suspends(self) -> bool:
        return any(action.type == "suspend" for _, action in self.actions)


def waits(days: int) -> str:
    """How a trigger is remembered whose day came while nobody knew what was owed."""
    return f"t{days}"


def firing(
    facts: Facts, state: CollectionState, late: Sequence[Invoice], chased: Sequence[Invoice], on: date
) -> tuple[list[Fired], list[str]]:
    """The triggers that fire on a day of the episode, the lowest threshold first, and those that have to wait.

    Days count from 1, the day after the due date that began the episode. A trigger whose day comes while the customer
    is on hold, switched off or without a contract in force is passed over for good.
    """
    if state.episode_since is None or not facts.customer.automated(on):
        return [], []
    day = (on - state.episode_since).days + 1
    due = [t for t in _with_actions(facts, state) if t.days == day or waits(t.days) in state.waiting]
    if not due or not facts.served(on):
        return [], []
    if under_way(late, facts, on):
        return [], [waits(t.days) for t in due]
    if all(facts.held(i, on) for i in late):
        return [], []
    return [Fired(t.days, tuple(_allowed(t, facts, state, chased, on))) for t in due], []


def _with_actions(facts: Facts, state: CollectionState) -> list[Trigger]:
    found = facts.settings.automations.past_due.triggers
    return sorted((t for t in found if t.actions and t.days not in state.fired), key=lambda t: t.days)


def _allowed(
    trigger: Trigger, facts: Facts, state: CollectionState, chased: Sequence[Invoice], on: date
) -> Iterator[tuple[int, Action]]:
    """Mail needs its switches. Below the threshold no notice, fee or step; during a promise no notice or step."""
    for place, action in enumerate(trigger.actions):
        if action.type == "send_template" and (not chased or facts.off(on) is not None):
            continue
        if action.type == "late_fee" and _owed(chased) is None:
            continue
        if action.type == "suspend" and (not chased or facts.customer.promised(on) or _spared(state)):
            continue
        yield place, action


def _spared(state: CollectionState) -> bool:
    """Whether service was restored by hand after a step as severe, or is as restricted already."""
    return max(severity(state.waived), severity(state.step)) >= severity("suspended")


def trigger_fees(fired: Sequence[Fired], chased: Sequence[Invoice]) -> list[Fee]:
    """The fees that triggers add to the oldest invoice that is chased, its own fees left out. None of nothing."""
    invoice = _owed(chased)
    if invoice is None:
        return []
    found = []
    for trigger in fired:
        for place, action in trigger.actions:
            key = f"t{trigger.days}.{place}"
            if action.type == "late_fee" and key not in invoice.late_fees:
                whole = minor_in(action.amount or "0", invoice.currency)
                found.append(Fee(invoice, key, whole - credited_share(whole, invoice)))
    return [fee for fee in found if fee.amount_minor > 0]


def _owed(chased: Sequence[Invoice]) -> Invoice | None:
    return next((i for i in chased if not is_fee(i)), None)


def trigger_dates(facts: Facts, state: CollectionState) -> Iterator[date]:
    """The days on which the triggers that have not fired come, past ones too."""
    if state.episode_since is not None:
        yield from (state.episode_since + timedelta(days=t.days - 1) for t in _with_actions(facts, state) if t.days)

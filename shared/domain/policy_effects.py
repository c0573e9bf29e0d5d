"""What another policy would do to a customer: the same evaluation under both, compared. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from datetime import date
from typing import Final

from shared.domain.collection_facts import Facts
from shared.domain.past_due import Evaluation, catch_up
from shared.domain.values import dataclass

EFFECTS: Final = ("noticed", "charged_fee", "limited", "suspended", "terminated", "asked_to_terminate")


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is done about a customer through a date, by effect: noticed, charged a fee, and the service then."""

    effects: frozenset[str]
    fees_minor: int = 0


@dataclass(slots=True)
class Difference:
    """Who is affected by an effect under the one rule and not under the other."""

    would: dict[str, list[str]] = field(default_factory=lambda: {effect: [] for effect in EFFECTS})
    would_not: dict[str, list[str]] = field(default_factory=lambda: {effect: [] for effect in EFFECTS})

    def add(self, customer_id: str, before: Outlook, after: Outlook) -> None:
        """Another amount of fees counts as both: one that would not be charged, and one that would."""
        changed = before.fees_minor != after.fees_minor
        for effect in EFFECTS:
            was, will = effect in before.effects, effect in after.effects
            if will and (not was or (effect == "charged_fee" and changed)):
                self.would[effect].append(customer_id)
            if was and (not will or (effect == "charged_fee" and changed)):
                self.would_not[effect].append(customer_id)


@dataclass(slots=True)
class PolicyEffects:
    """Whom a change affects: the customers with something open, their open invoices, and what differs by tomorrow.

    `complete` is False if there were more than are compared.
    """

    customers: int = 0
    open_invoices: int = 0
    complete: bool = True
    difference: Difference = field(default_factory=Difference)


def outlook(facts: Facts, first: date, last: date) -> Outlook:
    """What the days from `first` through `last` bring under the facts' class."""
    return _outlook(list(catch_up(facts, first, last)))


def _outlook(found: Sequence[Evaluation]) -> Outlook:
    effects: set[str] = set()
    effects.add(found[-1].service)
    for day in found:
        if day.notify or day.reminders or day.step_notice or _mails(day):
            effects.add("noticed")
        if day.fees:
            effects.add("charged_fee")
        if day.confirm is not None:
            effects.add("asked_to_terminate")
    return Outlook(frozenset(effects), sum(fee.amount_minor for day in found for fee in day.fees))


def _mails(day: Evaluation) -> bool:
    return any(action.type == "send_template" for fired in day.fired for _, action in fired.actions)

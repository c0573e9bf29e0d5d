"""How often a customer's cards were tried, and keeping attempts off that are forbidden at this moment. PRODUCT 2, 7."""

from __future__ import annotations

from shared.domain.card import WINDOW, CardTries, CardUse
from shared.domain.customer import Customer
from shared.ports import Change, Conflict, Ports, Save

DECIDE = ("hold", "service", "class_id", "timezone", "erased_at")  # of a customer, whether and when he is charged


def tries_of(customer_id: str, ports: Ports) -> CardTries:
    """To be read before the customer, his holds and cards: what forbids an attempt from then on changes it."""
    return ports.store.get(CardTries, customer_id) or CardTries(customer_id, ports.clock.now())


def with_card(tries: CardTries, token: str, ports: Ports) -> CardTries:
    """With what is told of this card by a record of an earlier version."""
    if tries.knows(token, ports.clock.now()):
        return tries
    before = ports.store.get(CardUse, tries.customer_id, token)
    return tries.known_before(token, before.tried_at) if before is not None else tries


def begin_tries(customer_id: str, ports: Ports) -> None:
    """For a customer of whose cards nothing is told elsewhere: then no attempt has to look there."""
    if ports.store.get(CardTries, customer_id) is None and not ports.store.list(CardUse, customer_id, limit=1).items:
        try:
            ports.store.commit(Save(CardTries(customer_id, ports.clock.now() - WINDOW)))
        except Conflict:
            pass  # another card's worker was faster


def customer_charged_otherwise(before: Customer, after: Customer, ports: Ports) -> list[Change]:
    """To be written with a changed customer: no attempt goes by what was so before."""
    changed = any(getattr(before, name) != getattr(after, name) for name in DECIDE)
    return attempts_kept_off(before.id, ports) if changed else []


def attempts_kept_off(customer_id: str, ports: Ports) -> list[Change]:
    """To be written with what forbids attempts: those that are about to be stored fail, and look again."""
    return [Save(tries_of(customer_id, ports).changed(ports.ids.new("")))]

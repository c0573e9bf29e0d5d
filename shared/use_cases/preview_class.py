"""What a change of a customer class would do by tomorrow, before it is saved; nothing is written. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import groupby, islice

from shared import ports as p
from shared.domain.calendar import parse_cron
from shared.domain.collection_facts import Facts
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.policy import CustomerClass
from shared.domain.policy_effects import PolicyEffects, outlook
from shared.domain.runs import Watermark
from shared.domain.settings import Settings
from shared.ports import Ports
from shared.use_cases.classes import found_class
from shared.use_cases.collection_facts import facts_of, state_of
from shared.use_cases.customers import Edit, edited
from shared.use_cases.lookups import class_of, customer_of, entries, local_on, settings_of, shards, today

CUSTOMERS_MAX = 2_000  # customers with something open whose evaluations are compared
LOOKED_AT_MAX = 50_000  # customers with something open of any class
ENTRIES_MAX = 1_000_000  # open invoices in one shard
BATCH = 100  # customers read at a time
A_DAY = timedelta(days=1)


def preview_class(class_id: str, edit: Callable[[CustomerClass | None], CustomerClass], ports: Ports) -> PolicyEffects:
    """The class as edited against the class as it is, for its customers. `edit` may raise."""
    before, effects = found_class(class_id, ports), PolicyEffects()
    after = edit(before)
    if before is None:
        return effects
    settings = settings_of(ports)
    for seen, customer in enumerate(_customers_owing(ports)):
        its = customer.class_id == class_id
        if seen >= LOOKED_AT_MAX or (its and effects.customers >= CUSTOMERS_MAX):
            effects.complete = False
            break
        if its:
            # as saved it is another version, so that collections look at everyone of the class again
            _compare(customer, customer, before, replace(after, version=before.version + 1), settings, effects, ports)
    return effects


def preview_customer(customer_id: str, edit: Edit, ports: Ports) -> PolicyEffects:
    """The customer as edited, perhaps in another class, against the customer as it is. `edit` may raise."""
    before, settings, effects = customer_of(ports, customer_id), settings_of(ports), PolicyEffects()
    after = edited(before, edit, ports)
    classes = class_of(ports, before.class_id), class_of(ports, after.class_id)
    _compare(before, after, *classes, settings, effects, ports)
    return effects


def _compare(
    before: Customer, after: Customer, was: CustomerClass, will_be: CustomerClass, settings: Settings,
    effects: PolicyEffects, ports: Ports,
) -> None:  # fmt: skip
    first, last = _days(before, settings, ports)
    state = state_of(before, ports)
    now = facts_of(before, state, settings, last, ports, its_class=was)
    if not now.open:
        return
    then: Facts = facts_of(after, state, settings, last, ports, its_class=will_be)
    effects.customers += 1
    effects.open_invoices += len(now.open)
    effects.difference.add(before.id, outlook(now, first, last), outlook(then, first, last))


def _days(customer: Customer, settings: Settings, ports: Ports) -> tuple[date, date]:
    """From today, unless its job is done, through tomorrow."""
    on, mark = today(ports, customer, settings), ports.store.get(Watermark, "watermarks", "past_due")
    if mark is None:
        return on, on + A_DAY
    cron, now = parse_cron(settings.automations.past_due.schedule), ports.clock.now()
    due = cron.next_after(max(mark.through, now - A_DAY), settings.business.timezone)
    return (on if local_on(due, customer, settings) <= on else on + A_DAY), on + A_DAY


def _customers_owing(ports: Ports) -> Iterator[Customer]:
    """Everyone with an open invoice, found in the index and read from the store."""
    for shard in shards():
        found = entries(ports, p.INVOICES_OPEN, shard, most=ENTRIES_MAX)
        ids = (customer_id for customer_id, _ in groupby(found, key=lambda e: e.at.split("#")[0]))
        while batch := [(id, "") for id in islice(ids, BATCH)]:
            yield from ports.store.get_many(Customer, batch)

"""Re-evaluate one customer past due: state and notice in one transaction. PRODUCT 9."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime

from shared.domain.collection import CollectionState
from shared.domain.customer import Customer, why_off
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice, notice_id
from shared.domain.past_due import Evaluation, Facts, evaluate
from shared.domain.settings import Settings
from shared.ports import Check, Conflict, Ports, Save, Unavailable
from shared.use_cases.lookups import CONFLICT_RETRIES, class_of, customer_of, local_on, open_invoices, settings_of
from shared.use_cases.notices import hint


@dataclass(frozen=True, slots=True)
class Assessed:
    """The tier the customer is in, and the kind of notice that was recorded, if one was."""

    tier: int = 0
    notice: str | None = None
    skipped: bool = False  # the same or a later day was assessed before


def assess_customer(customer_id: str, occurred_at: datetime, ports: Ports) -> Assessed:
    """Evaluate as of the customer's local date at the occurrence that was due, and record what that calls for."""
    for _ in range(CONFLICT_RETRIES):
        settings, customer = settings_of(ports), customer_of(ports, customer_id)
        on = local_on(occurred_at, customer, settings)
        state = ports.store.get(CollectionState, customer_id) or CollectionState(customer_id)
        if state.assessed_on is not None and on < state.assessed_on:
            return Assessed(skipped=True)
        result = evaluate(facts_of(customer, state, settings, on, ports), on)
        notice = _notice(result, customer, ports.clock.now())
        try:
            _record(result, state, notice, customer, ports)
        except Conflict:
            continue
        return Assessed(result.tier, notice.kind if notice else None)
    raise Unavailable(f"the collection state of {customer_id} kept changing")


def facts_of(customer: Customer, state: CollectionState, settings: Settings, on: date, ports: Ports) -> Facts:
    """What an evaluation needs to know of a customer."""
    found = open_invoices(ports, customer.id, also=state.past_due_ids)
    still = {i.id for i in found}
    gone = ports.store.get_many(Invoice, [(i, "") for i in state.past_due_ids if i not in still])
    ends = (i.settled_at or i.voided_at for i in gone)
    return Facts(
        customer=customer, its_class=class_of(ports, customer.class_id), open=found, state=state,
        tiers=settings.automations.past_due.tiers, off=why_off("past_due", customer, settings, on),
        settled_on=tuple(local_on(at, customer, settings) if at else None for at in ends),
        settings_version=settings.version,
    )  # fmt: skip


def _record(
    result: Evaluation, state: CollectionState, notice: Notice | None, customer: Customer, ports: Ports
) -> None:
    if notice is None and replace(result.state, assessed_on=state.assessed_on) == state:
        return  # nothing to remember: evaluating an earlier day after this one would find nothing either
    if notice is None:
        ports.store.commit(Save(result.state))
        return
    if ports.store.get(Notice, notice.id) is not None:  # recorded in an episode that began on the same day
        ports.store.commit(Save(result.state))
        return
    ports.store.commit(Save(result.state), Save(notice), Check(customer))
    hint(ports, notice.id)


def _notice(result: Evaluation, customer: Customer, now: datetime) -> Notice | None:
    """The tier's notice: its key is (customer, kind, episode), so a tier is told once in an episode."""
    if result.notify is None or result.oldest is None:
        return None
    kind, episode = f"past_due_{result.tier}", str(result.state.episode_since)
    return Notice(
        id=notice_id(customer.id, kind, customer.id, episode), customer_id=customer.id, kind=kind, tier=result.tier,
        subject_id=result.oldest.id, episode=episode, created_at=now,
    )  # fmt: skip

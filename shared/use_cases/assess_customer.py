"""Re-evaluate one customer: notices, fees, steps, tasks and events, in one transaction with the state. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import TypeVar

from shared.domain import account_event
from shared.domain.account_event import AccountEvent
from shared.domain.collection import CollectionState
from shared.domain.collection_facts import Facts
from shared.domain.contract import Contract
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.late_fees import Fee
from shared.domain.notice import Notice
from shared.domain.outbox import OutboxEvent
from shared.domain.past_due import Evaluation, catch_up, make_up, nothing_new, overdue
from shared.domain.settings import Settings
from shared.domain.task import Task
from shared.domain.values import dataclass
from shared.ports import COMMIT_MAX, Change, Check, Conflict, Ports, Save, Unavailable
from shared.use_cases.card_tries import customer_charged_otherwise
from shared.use_cases.change_service import contracts_of, service_event, serving, with_service
from shared.use_cases.collection_actions import (
    answered,
    events_called_for,
    notices_called_for,
    tasks_called_for,
    with_fees,
    with_warnings,
)
from shared.use_cases.collection_facts import facts_of, state_of
from shared.use_cases.late_fees import FEES_PER_COMMIT, PostedFees, fees_posted, follow_up, post_fees
from shared.use_cases.lookups import class_of, customer_of, local_on, open_invoices, settings_of
from shared.use_cases.notices import hint
from shared.use_cases.outbox import announce
from shared.use_cases.post_invoices import posted_lately

ASSESS_RETRIES = 32  # all fees share a number series
MISSED_DAYS_MAX = 400  # further back nothing is made up for
ONE_DAY = timedelta(days=1)


AHEAD_PER_COMMIT = COMMIT_MAX - 1
OWED_CHECKED_MAX = 10  # overdue invoices that must not change while a step is taken
N = TypeVar("N", Notice, Task)
X = TypeVar("X")


@dataclass(frozen=True, slots=True)
class Assessed:
    """The kind of past-due notice that was recorded, and what else was done."""

    notice: str | None = None
    skipped: bool = False  # a later day was assessed before
    notices: tuple[str, ...] = ()
    fees: int = 0
    service: str | None = None  # the service it was changed to


@dataclass(frozen=True, slots=True)
class _Plan:
    """What an assessment writes. `fees` holds at most FEES_PER_COMMIT."""

    state: CollectionState
    customer: Customer
    notices: tuple[Notice, ...]
    tasks: tuple[Task, ...]
    events: tuple[OutboxEvent, ...]
    fees: PostedFees
    contracts: tuple[Contract, ...]
    happened: tuple[AccountEvent, ...]


def assess_customer(customer_id: str, occurred_at: datetime, ports: Ports, after: datetime | None = None) -> Assessed:
    """Evaluate as of the customer's local date at the occurrence that was due, and record what that calls for.

    Days after the one of `after` were missed and are made up for first, each as of its own date. So are those since
    the state called for another look, while settings and class stayed what they were. A message that comes after later
    days were evaluated brings only what belongs to its own days.
    """
    for _ in range(ASSESS_RETRIES):
        settings, customer = settings_of(ports), customer_of(ports, customer_id)
        on, state = local_on(occurred_at, customer, settings), state_of(customer, ports)
        missed = local_on(after, customer, settings) if after else None
        owed = open_invoices(ports, customer_id, also=state.past_due_ids)
        its_class = class_of(ports, customer.class_id)
        _follow_up_fees(owed, ports)
        if (missed is None or missed + ONE_DAY >= on) and nothing_new(owed, state, customer, settings, its_class, on):
            return Assessed()
        facts = facts_of(customer, state, settings, on, ports, its_class=its_class, found=owed)
        if state.assessed_on is not None and on < state.assessed_on:
            found = list(make_up(facts, on if missed is None else min(missed + ONE_DAY, on), on))
            if not found:
                return Assessed(skipped=True)
        else:
            found = list(catch_up(facts, _first(facts, missed, on), on))
        try:
            done = _apply(found, facts, ports)
        except Conflict:
            continue
        if done is not None:
            return done
    raise Unavailable(f"what is owed by {customer_id} kept changing")


def _follow_up_fees(owed: Sequence[Invoice], ports: Ports) -> None:
    """Who posted them may have died before."""
    if left := [i for i in owed if i.late_fee is not None and posted_lately(i, ports)]:
        follow_up(left, ports)


def _first(facts: Facts, missed: date | None, on: date) -> date:
    """The first day to evaluate: what was missed begins where the last look, or the last sweep, ended."""
    first, state = on if missed is None else min(missed + ONE_DAY, on), facts.state
    if state.next_on is not None and state.rules == facts.rules:
        first = min(first, state.next_on)
    if state.assessed_on is not None:
        first = max(first, state.assessed_on)
    return max(first, on - timedelta(days=MISSED_DAYS_MAX))


def _apply(found: Sequence[Evaluation], facts: Facts, ports: Ports) -> Assessed | None:
    """Write down what the evaluations of a customer's days call for; None if there were too many fees for one go."""
    if _nothing_to_do(found, facts):
        return Assessed()
    fees = [fee for f in found for fee in f.fees]
    if len(fees) > FEES_PER_COMMIT:
        _charge_first(fees[:FEES_PER_COMMIT], facts.customer, facts.settings, ports)
        return None
    plan = _plan(found, fees, facts, ports)
    ahead, changes = _changes(plan, facts, ports)
    for chunk in batched(ahead, AHEAD_PER_COMMIT):
        ports.store.commit(*map(Save, chunk), Check(facts.customer))
    if changes:
        ports.store.commit(*changes)
    fees_posted(plan.fees, ports)  # before the mail: it says what is owed after credit has paid
    hint(ports, *(n.id for n in plan.notices))
    announce(ports, *(e.id for e in plan.events))
    kinds = tuple(n.kind for n in plan.notices)
    told = [k for k in kinds if k.startswith("past_due_")]
    changed = plan.state.step if plan.state.step != facts.state.step else None
    return Assessed(told[-1] if told else None, False, kinds, len(fees), changed)


def _nothing_to_do(found: Sequence[Evaluation], facts: Facts) -> bool:
    """Neither to be done nor to be remembered: so it is on most days for those who are only reminded, or suspended."""
    before, last = facts.state, found[-1]
    if any(f.calls_for_something(before.step) for f in found) or facts.customer.service != before.step or before.asked:
        return False
    if last.state != before and replace(last.state, assessed_on=before.assessed_on) != before:
        return False
    return before.step != "suspended" or not serving(facts.contracts, "suspended", last.on)


def _charge_first(fees: Sequence[Fee], customer: Customer, settings: Settings, ports: Ports) -> None:
    """More fees than a transaction holds: the invoices remember those that are charged, so that the rest follows."""
    posted = post_fees(fees, customer, settings, ports)
    ports.store.commit(*posted.changes, Check(customer))
    fees_posted(posted, ports)


def _plan(found: Sequence[Evaluation], fees: Sequence[Fee], facts: Facts, ports: Ports) -> _Plan:
    last, before, customer, now = found[-1], facts.state, facts.customer, ports.clock.now()
    notices = [n for f in found for n in notices_called_for(f, customer, before, now)]
    asked = _new(Task, (t for f in found for t in tasks_called_for(f, customer, now)), ports)
    told = [e for f in found for e in events_called_for(f, customer, ports)]
    served = last.state if last.state.version == before.version else replace(last.state, version=before.version)
    changed = service_event(customer, before.step, served, last.on, ports)
    moved = before.step != last.state.step or last.state.step == "suspended"
    known = facts.contracts or (contracts_of(customer.id, ports) if moved else ())
    contracts = serving(known, last.state.step, last.on) if moved else []
    posted = post_fees(fees, customer, facts.settings, ports)
    happened = (*account_event.of_evaluations(before, found), *account_event.of_service(served, before.step, now))
    return _Plan(
        state=with_fees(with_warnings(last.state, notices), facts.open, posted.memos),
        customer=with_service(customer, last.state.step), notices=tuple(_new(Notice, notices, ports)),
        tasks=(*asked, *answered(before, last.state, ports)), events=(*told, *([changed] if changed else [])),
        fees=posted, contracts=tuple(contracts), happened=happened,
    )  # fmt: skip


def _new(kind: type[N], called_for: Iterable[N], ports: Ports) -> list[N]:
    """Those that are not there yet: what was recorded in an episode that began on the same day stays as it is."""
    wanted = {entity.id: entity for entity in called_for}
    there = {e.id for e in ports.store.get_many(kind, [(i, "") for i in wanted])} if wanted else set()
    return [entity for id, entity in wanted.items() if id not in there]


def _changes(plan: _Plan, facts: Facts, ports: Ports) -> tuple[list[Notice | Task | OutboxEvent], list[Change]]:
    """What goes ahead of the transaction because it holds no more, and the transaction.

    Nothing if there is nothing to remember: evaluating an earlier day after this one would find nothing either.
    Whatever goes ahead has its key, so that dying in between makes nothing twice.
    """
    before, customer = facts.state, facts.customer
    made: list[Notice | Task | OutboxEvent] = [*plan.notices, *plan.tasks, *plan.events]
    done = bool(made or plan.contracts or plan.fees.changes or plan.customer != customer)
    if not done and replace(plan.state, assessed_on=before.assessed_on) == before:
        return [], []
    about = Save(plan.customer) if plan.customer != customer else Check(customer)
    others: list[Change] = [Save(plan.state), *([about] if done else []), *_owed(plan, facts)]
    others += map(Save, (*plan.contracts, *plan.happened))
    others += customer_charged_otherwise(customer, plan.customer, ports)
    room = COMMIT_MAX - len(others) - len(plan.fees.changes)
    surplus = max(len(made) - room, 0)
    return made[:surplus], [*others, *map(Save, made[surplus:]), *plan.fees.changes]


def _owed(plan: _Plan, facts: Facts) -> list[Change]:
    """The oldest invoices must still be as they were read: who pays at this moment is not restricted, nor talked about.

    Mail looks again when it is sent, and a fee has its invoice in the transaction anyway.
    """
    acts = plan.events or plan.tasks or plan.customer != facts.customer
    charged = {c.entity.id for c in plan.fees.changes if isinstance(c.entity, Invoice)}
    late = overdue(facts, plan.state.assessed_on or date.min) if acts else []
    checks: list[Change] = [Check(i) for i in late if i.id not in charged]
    return checks[:OWED_CHECKED_MAX]


def batched(items: Sequence[X], size: int) -> Iterator[Sequence[X]]:
    return (items[at : at + size] for at in range(0, len(items), size))

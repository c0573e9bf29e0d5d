"""How a customer stands: what is owed, what is past due, and what happens next. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta

from shared.domain.calendar import parse_cron, start_of_day
from shared.domain.collection_facts import Facts
from shared.domain.customer import Customer, Service
from shared.domain.invoice import Invoice
from shared.domain.past_due import Evaluation, days_past_due, evaluate, look_ahead
from shared.domain.payment import CreditBalance
from shared.domain.promises import PromiseStatus
from shared.domain.runs import Watermark
from shared.domain.settings import Settings
from shared.domain.stops import Stop, stops_of
from shared.domain.values import dataclass
from shared.ports import Ports
from shared.use_cases.collection_facts import facts_of, state_of
from shared.use_cases.lookups import customer_of, local_on, settings_of, today
from shared.use_cases.promises import promise_status

LOOKS_AHEAD_MAX = 40  # days with a change in sight that are tried for the next step
STEP_KINDS: dict[Service, str] = {"limited": "limit", "suspended": "suspend", "terminated": "terminate"}

Sums = dict[str, int]  # minor units by currency


@dataclass(frozen=True, slots=True)
class NextStep:
    """What collections do next, as far as is known today: `on` is a local date of the customer."""

    kind: str
    on: date


@dataclass(frozen=True, slots=True)
class Account:
    """Amounts in minor units by currency. `balance` is what is owed net of credit: positive means owed.

    `days` counts the episode's days with today, `oldest_days` is the age past due of the oldest open invoice.
    """

    customer_id: str
    balance: Sums
    credit: Sums
    past_due: Sums
    since: date | None
    days: int
    oldest_days: int
    tier: int
    service: Service
    next_step: NextStep | None
    promise: PromiseStatus | None = None
    stops: tuple[Stop, ...] = ()


def account_of(customer_id: str, ports: Ports) -> Account:
    """Derived from the open invoices and the facts of the running episode, as of the customer's local date."""
    settings, customer = settings_of(ports), customer_of(ports, customer_id)
    on = today(ports, customer, settings)
    state = state_of(customer, ports)
    facts = facts_of(customer, state, settings, on, ports, ahead=True)
    result = evaluate(facts, on)
    owed, credit = _sums(facts.open), _credit(customer_id, ports)
    late = [i for i in facts.open if i.payment_status(on) == "overdue"]
    since = result.state.episode_since if late else None
    return Account(
        customer_id=customer_id,
        balance={c: owed.get(c, 0) - credit.get(c, 0) for c in sorted({*owed, *credit, customer.currency})},
        credit={c: credit.get(c, 0) for c in sorted({*owed, *credit, customer.currency})},
        past_due={**dict.fromkeys(sorted({*owed, *credit, customer.currency}), 0), **_sums(late)},
        since=since,
        days=(on - since).days + 1 if since else 0,
        oldest_days=max((days_past_due(i.due_on or on, on) for i in late), default=0),
        tier=result.tier,
        service=customer.service,
        next_step=_next_step(facts, result, looked_at_next(customer, settings, ports)),
        stops=tuple(stops_of(customer, facts.open, on)),
        promise=promise_status(customer, facts.open, state.ended_on, settings, on, ports),
    )


def looked_at_next(customer: Customer, settings: Settings, ports: Ports) -> date:
    """The customer's local date that collections look at next: today, or tomorrow once today's sweeps are over."""
    on = today(ports, customer, settings)
    mark = ports.store.get(Watermark, "watermarks", "past_due")
    if mark is None or local_on(mark.through, customer, settings) < on:
        return on
    schedule = parse_cron(settings.automations.past_due.schedule)
    next_at = schedule.next_after(mark.through, settings.business.timezone)
    return on if local_on(next_at, customer, settings) <= on else on + timedelta(days=1)


def swept_on(on: date, customer: Customer, settings: Settings) -> date:
    """The customer's local date of the first sweep on a date or after it: where none comes on weekends, the Monday."""
    at = start_of_day(on, customer.zone(settings)) - timedelta(microseconds=1)
    schedule = parse_cron(settings.automations.past_due.schedule)
    return local_on(schedule.next_after(at, settings.business.timezone), customer, settings)


def _sums(invoices: Iterable[Invoice]) -> Sums:
    sums: Sums = {}
    for invoice in invoices:
        sums[invoice.currency] = sums.get(invoice.currency, 0) + invoice.residual_minor
    return sums


def _credit(customer_id: str, ports: Ports) -> Sums:
    return {c.currency: c.amount_minor for c in ports.store.list(CreditBalance, customer_id).items if c.amount_minor}


def _next_step(facts: Facts, now: Evaluation, first: date) -> NextStep | None:
    """The first thing that collections will do if nothing changes, and its day; None while nothing is in sight."""
    if now.confirm is not None:
        return NextStep(STEP_KINDS["terminated"], now.on)  # asked or not, it waits for a person, not for a sweep
    for found, before in look_ahead(facts, first, LOOKS_AHEAD_MAX):
        if (kind := _kind(found, before)) is not None:
            return NextStep(kind, swept_on(found.on, facts.customer, facts.settings))
    return None


def _kind(found: Evaluation, before: Service) -> str | None:
    """What an evaluation does, the most severe first. A termination that waits for a person is a step as well."""
    if found.service != before and found.service in STEP_KINDS:
        return STEP_KINDS[found.service]
    if found.confirm is not None:
        return STEP_KINDS["terminated"]
    if found.step_notice is not None:
        return "service_step"
    if found.notify is not None:
        return f"past_due_{found.tier}"
    for trigger in found.fired:
        for _, action in trigger.actions:
            return f"template:{action.template}" if action.type == "send_template" else action.type
    if found.fees:
        return "late_fee"
    return "reminder" if found.reminders else None

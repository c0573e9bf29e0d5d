"""How a customer stands: what is owed, what is past due, and what happens next. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from shared.domain.collection import CollectionState
from shared.domain.customer import Customer, Service
from shared.domain.invoice import Invoice
from shared.domain.past_due import Evaluation, Facts, chasable, days_past_due, evaluate, tier_of
from shared.domain.payment import CreditBalance
from shared.domain.settings import Settings
from shared.ports import Ports
from shared.use_cases.assess_customer import facts_of
from shared.use_cases.lookups import customer_of, settings_of, today

ONE_DAY = timedelta(days=1)
PASSING = ("paused", "on_hold")  # reasons for silence that may have an end

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


def account_of(customer_id: str, ports: Ports) -> Account:
    """Derived from the open invoices and the facts of the running episode, as of the customer's local date."""
    settings, customer = settings_of(ports), customer_of(ports, customer_id)
    on = today(ports, customer, settings)
    state = ports.store.get(CollectionState, customer_id) or CollectionState(customer_id)
    facts = facts_of(customer, state, settings, on, ports)
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
        next_step=_next_step(facts, result, late, customer, settings, on),
    )


def _sums(invoices: Iterable[Invoice]) -> Sums:
    sums: Sums = {}
    for invoice in invoices:
        sums[invoice.currency] = sums.get(invoice.currency, 0) + invoice.residual_minor
    return sums


def _credit(customer_id: str, ports: Ports) -> Sums:
    return {c.currency: c.amount_minor for c in ports.store.list(CreditBalance, customer_id).items if c.amount_minor}


def _next_step(
    facts: Facts, result: Evaluation, late: list[Invoice], customer: Customer, settings: Settings, on: date
) -> NextStep | None:
    """The next past-due notice: the one called for now, or that of the next tier. None while mail is switched off."""
    quiet_until = _quiet_until(facts, customer) if facts.off else on - ONE_DAY
    if not late or quiet_until is None:
        return None
    start = max(on, quiet_until + ONE_DAY)
    chased = chasable(late, customer, facts.its_class, start)
    if not chased:
        return None
    before = facts.state.worst_tier if result.state.episode_since == facts.state.episode_since else 0
    number, _ = tier_of(chased, facts.tiers, start)
    if number > before:
        return NextStep(f"past_due_{number}", start)
    due_on = min(i.due_on or on for i in chased)
    ahead = [(due_on + timedelta(days=t.from_days), n) for n, t in enumerate(facts.tiers, start=1) if n > before]
    coming = min((a for a in ahead if a[0] > start), default=None)
    return NextStep(f"past_due_{coming[1]}", coming[0]) if coming else None


def _quiet_until(facts: Facts, customer: Customer) -> date | None:
    """The last day of the pause or hold that keeps past-due mail quiet; None if no end is known."""
    if facts.off not in PASSING:
        return None
    stop = customer.pause("past_due") if facts.off == "paused" else customer.hold
    return stop.through if stop else None

"""What collections do about a customer, from facts and a date: derived each time, never counted up. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from shared.domain.collection import CollectionState, seen_of
from shared.domain.collection_facts import Facts, above_threshold, chasable, due, next_in_service
from shared.domain.copies import replace
from shared.domain.customer import Customer, Service
from shared.domain.fee_plan import fee_dates, fees_due
from shared.domain.invoice import Invoice
from shared.domain.late_fees import Fee, is_fee
from shared.domain.money import minor_in
from shared.domain.policy import CustomerClass
from shared.domain.service_steps import (
    StepNotice,
    lifted,
    raised,
    reached,
    severity,
    step_dates,
    termination_task,
    unannounced,
    warning,
)
from shared.domain.settings import Settings, Tier
from shared.domain.triggers import Fired, firing, trigger_dates, trigger_fees
from shared.domain.values import dataclass

ONE_DAY = timedelta(days=1)
PAST_DUE_IDS_KEPT = 200  # invoices remembered between two evaluations
LASTING = ("global_off", "customer_off", "switch_off", "no_address")  # reasons for silence that no date ends


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is due on a local date, and what to remember.

    `tier` is the one the customer is in (0: none), `notify` the one whose notice is called for now; `repeat` counts
    its repetitions, 0 for the notice itself. `reminders` are invoices with the days left until they are due.
    `service` is what the customer gets from now on; `confirm`, the invoice for which termination waits for a person.
    """

    on: date
    tier: int
    notify: Tier | None
    oldest: Invoice | None
    state: CollectionState
    repeat: int = 0
    reminders: tuple[tuple[Invoice, int], ...] = ()
    fired: tuple[Fired, ...] = ()
    fees: tuple[Fee, ...] = ()
    step_notice: StepNotice | None = None
    service: Service = "active"
    confirm: Invoice | None = None
    unannounced: StepNotice | None = None  # a step that has come but waits: nobody can be given notice of it

    def calls_for_something(self, before: Service) -> bool:
        return bool(
            self.notify or self.reminders or self.fired or self.fees or self.step_notice or self.confirm
            or self.unannounced
        ) or self.service != before  # fmt: skip


def days_past_due(due_on: date, on: date) -> int:
    """0 on the due date itself, which is still on time."""
    return max((on - due_on).days, 0)


def evaluate(facts: Facts, on: date) -> Evaluation:
    """Everything due on a local date, most severe first."""
    late = overdue(facts, on)
    reminders = tuple(due_reminders(facts, on))
    if not late:
        return _nothing_late(facts, reminders, on)
    chased = chasable(late, facts.customer, facts.its_class, on)
    number, tier = tier_of(chased, facts.settings.automations.past_due.tiers, on)
    state = _running(late, facts)
    repeat = _telling(number, tier, state, facts, on)
    told = tier if repeat is not None else None
    if told is not None and not repeat:
        state = replace(state, worst_tier=number, told_on=on)
    fired, triggers_waiting = firing(facts, state, late, chased, on)
    fees, fees_waiting = fees_due(facts, late, chased, on)
    state = replace(
        state, fired=(*state.fired, *(f.days for f in fired)), waiting=(*fees_waiting, *triggers_waiting),
        suspended_by=next((f.days for f in fired if f.suspends), state.suspended_by),
    )  # fmt: skip
    return _with_steps(
        Evaluation(
            on, number, told, chased[0] if chased else None, state, repeat or 0, reminders, tuple(fired),
            (*fees, *trigger_fees(fired, chased)),
        ), facts, late, chased,
    )  # fmt: skip


def nothing_new(
    owed: Sequence[Invoice], state: CollectionState, customer: Customer, settings: Settings, its_class: CustomerClass,
    on: date,
) -> bool:  # fmt: skip
    """Whether that one day calls for nothing, told without evaluating it, by what the sweep goes by. `owed`, the open
    invoices, begin with the oldest due.

    The sweep goes by the latest date there is anywhere: most customers it asks for a day before they have anything new.
    """
    if state.asked or customer.service != state.step:
        return False
    if state.assessed_on is not None and on < state.assessed_on:
        return False
    if any((due(i) - on).days in its_class.policy(i.type).reminders_before_due for i in owed):
        return False
    late = bool(owed) and owed[0].payment_status(on) == "overdue"
    if not late or not state.followed:
        return not late and not state.followed
    same = state.rules == (settings.version, its_class.id, its_class.version) and state.seen == _seen(owed)
    return same and state.next_on is not None and state.next_on > on


def _seen(owed: Sequence[Invoice]) -> str:
    return seen_of(sorted((str(i.due_on), i.id) for i in owed))


def _nothing_late(facts: Facts, reminders: tuple[tuple[Invoice, int], ...], on: date) -> Evaluation:
    """Nothing is past due: the episode is over, unless something was on that day and has been settled since."""
    if any(end is not None and end > on for end in facts.settled_on):
        return Evaluation(on, 0, None, None, facts.state, reminders=reminders, service=facts.state.step)
    service: Service = "terminated" if facts.state.step == "terminated" else "active"
    state = replace(ended(facts.state, on), step=service, asked="", assessed_on=on)
    return Evaluation(on, 0, None, None, state, reminders=reminders, service=service)


def _with_steps(found: Evaluation, facts: Facts, late: Sequence[Invoice], chased: Sequence[Invoice]) -> Evaluation:
    """The evaluation with the service steps in it, and with what to remember complete."""
    state, on = found.state, found.on
    kept = above_threshold(late, facts.its_class)
    service = lifted(state.step, kept, facts.its_class, state.suspended_by is not None, on)
    if any(f.suspends for f in found.fired) and severity(service) < severity("suspended"):
        service = "suspended"
    confirm, notice, unheard = None, None, None
    if facts.customer.automated(on) and not facts.customer.promised(on) and service != "terminated":
        up = raised(service, chased, facts.its_class, facts.notices_out, state.waived, on)
        service, confirm = up.service, up.confirm
        if facts.customer.mailable():
            notice = warning(service, chased, facts.its_class, facts.notices_out, state.waived, on)
        unheard = _unheard(facts, state, service, chased, on)
    asked = state.asked if reached(kept, facts.its_class, on) == "terminated" else ""
    if confirm is not None:
        asked = termination_task(facts.customer.id, str(state.episode_since))
    if unheard is not None:
        state = replace(state, unannounced=(*state.unannounced, unheard.step))
    state = replace(
        state, step=service, asked=asked, assessed_on=on, past_due_ids=tuple(i.id for i in late[:PAST_DUE_IDS_KEPT]),
        seen=_seen(facts.open), settings_version=facts.settings.version,
        class_id=facts.its_class.id, class_version=facts.its_class.version,
    )  # fmt: skip
    ahead = on + ONE_DAY if notice else next_on(replace(facts, state=state), late, chased, on)
    state = replace(state, next_on=ahead)
    return replace(found, state=state, service=service, confirm=confirm, step_notice=notice, unannounced=unheard)


def _unheard(
    facts: Facts, state: CollectionState, service: Service, chased: Sequence[Invoice], on: date
) -> StepNotice | None:
    """The step that waits because there is no address, or because its notice was lost; told once in an episode."""
    found = unannounced(service, chased, facts.its_class, facts.notices_out, state.waived, on)
    if found is None or found.step in state.unannounced:
        return None
    lost = any((w.step, w.invoice_id) == (found.step, found.invoice.id) for w in state.warned)
    return found if lost or not facts.customer.mailable() else None


# ---- tiers and reminders --------------------------------------------------------------------------------------


def overdue(facts: Facts, on: date) -> list[Invoice]:
    return sorted((i for i in facts.open if i.payment_status(on) == "overdue"), key=due)


def tier_of(chased: Sequence[Invoice], tiers: Sequence[Tier], on: date) -> tuple[int, Tier | None]:
    """The most severe tier the oldest invoice has reached, and its number from 1; (0, None) while there is none."""
    oldest = max((days_past_due(due(i), on) for i in chased), default=0)
    reached = [(n, t) for n, t in enumerate(tiers, start=1) if 0 < t.from_days <= oldest]
    return max(reached, key=lambda r: r[1].from_days, default=(0, None))


def _telling(number: int, tier: Tier | None, state: CollectionState, facts: Facts, on: date) -> int | None:
    """Whether the tier's notice is called for: 0 on entering it, then 1, 2, … where it repeats; None if not."""
    if tier is None or facts.off(on) is not None or number < state.worst_tier:
        return None
    if number > state.worst_tier:
        return 0
    if tier.repeat_every_days is None or state.told_on is None:
        return None
    times, rest = divmod((on - state.told_on).days, tier.repeat_every_days)
    within = times > 0 and (tier.repeat_max is None or times <= tier.repeat_max)
    return times if within and rest == 0 else None


def due_reminders(facts: Facts, on: date) -> Iterator[tuple[Invoice, int]]:
    """The open invoices that are due in as many days as their policy reminds at."""
    if facts.off(on) is not None:
        return
    for invoice in facts.open:
        policy = facts.its_class.policy(invoice.type)
        days = (due(invoice) - on).days
        if days not in policy.reminders_before_due or invoice.posted_on is None or invoice.posted_on > on:
            continue
        small = invoice.residual_minor <= minor_in(policy.collection_threshold, invoice.currency)
        if not small and not is_fee(invoice) and not facts.held(invoice, on) and invoice.open_attempt_id is None:
            yield invoice, days


def reminder_dates(facts: Facts, on: date) -> Iterator[date]:
    """The days after a date on which open invoices are reminded of, whatever the switches say."""
    for invoice in facts.open:
        days = facts.its_class.policy(invoice.type).reminders_before_due
        yield from (d for n in days if (d := due(invoice) - timedelta(days=n)) > on)


# ---- episodes -------------------------------------------------------------------------------------------------


def ended(state: CollectionState, on: date) -> CollectionState:
    """The state with no episode: falling behind again starts over from day 1. Service is lifted by who calls this."""
    if state.episode_since is None:
        return state
    return CollectionState(
        state.customer_id, assessed_on=state.assessed_on, step=state.step, asked=state.asked, ended_on=on,
        version=state.version,
    )  # fmt: skip


def _running(late: Sequence[Invoice], facts: Facts) -> CollectionState:
    """The state of the episode that runs now: the one remembered, or a new one."""
    since = _episode_since(late, facts)
    if since == facts.state.episode_since:
        return facts.state
    return replace(ended(facts.state, since), episode_since=since)


def _episode_since(late: Sequence[Invoice], facts: Facts) -> date:
    """The first day of the running episode: kept while something was past due without a break since the last look.

    Everything known to be past due then may have been settled before the invoices that are late now fell past due:
    then there was a moment with nothing past due, and a new episode began.
    """
    begun = max(due(late[0]) + ONE_DAY, facts.state.ended_on or date.min)  # a refund may reopen an old invoice
    since = facts.state.episode_since
    if since is None:
        return begun
    known = set(facts.state.past_due_ids)
    broken = not known & {i.id for i in late} and all(end is not None and end < begun for end in facts.settled_on)
    return begun if broken else since


# ---- ahead ----------------------------------------------------------------------------------------------------


def next_on(facts: Facts, late: Sequence[Invoice], chased: Sequence[Invoice], on: date) -> date:
    """The first date on which another evaluation can find something to do, as far as is known now.

    Whatever else changes it (invoices, settings, the class, the customer's own switches and contracts) makes the sweep
    look again.
    """
    if any(i.open_attempt_id for i in late) or None in facts.notices_out.values():
        return on + ONE_DAY
    if facts.state.waiting and not any(facts.held(i, on) for i in late):
        return on + ONE_DAY
    ahead = min((d for d in _dates(facts, late, chased, on) if d > on), default=date.max)
    return min(ahead, next_in_service(facts.contracts, on)) if facts.state.step == "suspended" else ahead


def _dates(facts: Facts, late: Sequence[Invoice], chased: Sequence[Invoice], on: date) -> Iterator[date]:
    """Every day on which something may be called for, and some on which nothing is."""
    state, customer = facts.state, facts.customer
    yield from (due(i) + ONE_DAY for i in facts.open if due(i) >= on)
    for hold in (customer.hold, customer.promise, customer.pause("past_due"), *(i.hold for i in late)):
        if hold is not None and hold.through is not None and hold.through < date.max:
            yield hold.through + ONE_DAY
    if customer.automated_since is not None:
        yield customer.automated_since
    if facts.off(on) not in LASTING and chased:
        yield from _tier_dates(facts, chased, on)
    if customer.automations.enabled:
        yield from trigger_dates(facts, state)
        yield from fee_dates(facts, late, on)
        yield from step_dates(state.step, late, facts.its_class, facts.notices_out, state.waived)


def _tier_dates(facts: Facts, chased: Sequence[Invoice], on: date) -> Iterator[date]:
    tiers, state = facts.settings.automations.past_due.tiers, facts.state
    yield from (due(chased[0]) + timedelta(days=t.from_days) for t in tiers)
    number, tier = tier_of(chased, tiers, on)
    if tier is None or tier.repeat_every_days is None or state.told_on is None or number != state.worst_tier:
        return
    times = (on - state.told_on).days // tier.repeat_every_days + 1
    if tier.repeat_max is None or times <= tier.repeat_max:
        yield state.told_on + timedelta(days=times * tier.repeat_every_days)


def look_ahead(facts: Facts, on: date, most: int) -> Iterator[tuple[Evaluation, Service]]:
    """What collections will do from a date on if nothing changes, each with the service before it, in order.

    At most so many days with a change in sight are tried. Notices of steps are taken to go out on the day they are
    called for.
    """
    before, day = facts.state.step, on
    for _ in range(most):
        found = evaluate(facts, day)
        if found.calls_for_something(before):
            yield found, before
        facts, before = after(facts, found, expecting=True), found.service
        day = min((d for d in _changes(facts, day) if day < d < date.max), default=date.max)
        if day == date.max:
            return


def _changes(facts: Facts, on: date) -> Iterator[date]:
    """The days on which something may be called for, if nothing that is under way now has an end."""
    late = overdue(facts, on)
    yield from _dates(facts, late, chasable(late, facts.customer, facts.its_class, on), on)
    yield from reminder_dates(facts, on)


# ---- several days ---------------------------------------------------------------------------------------------


def catch_up(facts: Facts, first: date, last: date, *, expecting: bool = False) -> Iterator[Evaluation]:
    """The evaluations of each day from `first` through `last`, in order: missed days are made up for one by one.

    `expecting` looks ahead: notices of steps are taken to go out on the day they are called for.
    """
    day = first
    while day <= last:
        found = evaluate(facts, day)
        yield found
        day += ONE_DAY
        if day <= last:
            facts = after(facts, found, expecting)


def make_up(facts: Facts, first: date, last: date) -> Iterator[Evaluation]:
    """What days before the last evaluation call for that comes on an exact day: fees and triggers that are not done.

    For a message that was put aside and comes after later days were evaluated. What follows the day's standing (tiers,
    steps, reminders) belongs to the latest day alone.
    """
    day = first
    while day <= last:
        found, before = evaluate(facts, day), facts.state
        if found.state.episode_since == before.episode_since and (found.fired or found.fees):
            suspends = any(f.suspends for f in found.fired) and severity(before.step) < severity("suspended")
            step: Service = "suspended" if suspends else before.step
            state = replace(before, fired=found.state.fired, suspended_by=found.state.suspended_by, step=step)
            kept = Evaluation(
                day, found.tier, None, found.oldest, state, fired=found.fired, fees=found.fees, service=step
            )
            yield kept
            facts = after(facts, kept, expecting=False)
        day += ONE_DAY


def after(facts: Facts, found: Evaluation, expecting: bool) -> Facts:
    """The facts as they are once what an evaluation calls for is done."""
    out, charged = dict(facts.notices_out), dict(facts.charged)
    if found.step_notice is not None:
        key = (found.step_notice.step, found.step_notice.invoice.id)
        out[key] = found.on if expecting else None
    for fee in found.fees:
        charged[fee.invoice.id] = charged.get(fee.invoice.id, 0) + fee.amount_minor
    keys = {fee.invoice.id: tuple(f.key for f in found.fees if f.invoice.id == fee.invoice.id) for fee in found.fees}
    invoices = [replace(i, late_fees=(*i.late_fees, *keys[i.id])) if i.id in keys else i for i in facts.open]
    return replace(facts, state=found.state, open=invoices, notices_out=out, charged=charged)

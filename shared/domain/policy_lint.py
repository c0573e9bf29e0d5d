"""Settings and policies that can be saved and are hardly meant: what somebody should look at again. PRODUCT 12.

Nothing here refuses anything. Each warning names the field, what happens because of it, and the way out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Final, Literal

from shared.domain.calendar import NeverAgain, parse_cron, zone
from shared.domain.policy import CustomerClass, Policy
from shared.domain.settings import Settings
from shared.domain.values import dataclass

Code = Literal[
    "schedule_never_fires", "schedule_on_clock_change", "payment_before_billing", "chased_before_charged",
    "reminded_after_tier", "trigger_jumped_over", "steps_out_of_order", "step_before_notice", "retry_after_step",
    "reminder_after_posting", "rule_unreachable",
]  # fmt: skip

NOON: Final = time(12)
A_DAY: Final = timedelta(days=1)
A_YEAR: Final = timedelta(days=366)
OCCURRENCES_MAX: Final = 1_000
BILLING_TAKES: Final = timedelta(hours=1)  # a million invoices are posted in about that


@dataclass(frozen=True, slots=True)
class Warned:
    """One thing to look at again; `field` as in the body that was saved."""

    field: str
    code: Code
    message: str


def lint_settings(settings: Settings, now: datetime, classes: Iterable[CustomerClass] = ()) -> list[Warned]:
    """What of the settings contradicts itself, in the year from now on, or the policies of these classes."""
    found = [*_schedules(settings, now)]
    if settings.payment_run.enabled and settings.bill_run.enabled:
        found += _payment_before_billing(settings, now)
    if settings.payment_run.enabled:
        found += _chased_first(settings, now)
    found += _tiers(settings)
    found += _triggers(settings)
    found += (w for its_class in classes for w in _retried_too_long(its_class, settings))
    return found


def lint_rules(rules: Sequence[str], shadows: Mapping[str, str | None], impossible: Collection[str]) -> list[Warned]:
    """Autopay rules, by id in their order, that never pay anything."""
    found = []
    for n, id in enumerate(rules):
        if id in impossible:
            message = "never pays: no invoice can meet all its criteria; take one away"
        elif (first := shadows.get(id)) is not None:
            message = f"never pays: {first} always matches first; put it before that one"
        else:
            continue
        found.append(Warned(f"rules[{n}]", "rule_unreachable", message))
    return found


def lint_schedule(field: str, schedule: str | None, timezone: str, now: datetime) -> list[Warned]:
    """A schedule of a customer's own."""
    return [] if schedule is None else [*_schedule(field, schedule, timezone, now)]


def lint_class(its_class: CustomerClass, settings: Settings) -> list[Warned]:
    """What of a class contradicts itself, or the settings that it works with."""
    policies = (("regular", its_class.regular), ("out_of_turn", its_class.out_of_turn))
    return [w for at, policy in policies for w in _policy(at, policy, settings)]


# ---- schedules --------------------------------------------------------------------------------------------------


def _schedules(settings: Settings, now: datetime) -> Iterator[Warned]:
    timezone = settings.business.timezone
    for field, schedule in (
        ("bill_run.schedule", settings.bill_run.schedule),
        ("payment_run.schedule", settings.payment_run.schedule),
        ("automations.past_due.schedule", settings.automations.past_due.schedule),
        ("automations.account_summary.schedule", settings.automations.account_summary.schedule),
    ):
        yield from _schedule(field, schedule, timezone, now)


def _schedule(field: str, schedule: str, timezone: str, now: datetime) -> Iterator[Warned]:
    cron = parse_cron(schedule)
    try:
        first = cron.next_after(now, timezone)
    except NeverAgain:
        yield Warned(field, "schedule_never_fires", "does not fire any more: give another schedule")
        return
    if first - now > A_YEAR:
        message = f"does not fire before {first.date()}: is that meant?"
        yield Warned(field, "schedule_never_fires", message)
    if (on := _clock_change(schedule, timezone, now)) is not None:
        message = f"names a time that the clocks of {timezone} skip or repeat on {on}: it fires once"
        yield Warned(field, "schedule_on_clock_change", message)


def _clock_change(schedule: str, timezone: str, now: datetime) -> str | None:
    """The next date on which the clocks move an occurrence, or repeat its hour; of a schedule with hours of its own."""
    minute, hours, *_ = schedule.split()
    named = hours.split(",")
    if not minute.isdigit() or not all(hour.isdigit() for hour in named):
        return None  # of many times a day, one that moves makes no difference
    tz, cron = zone(timezone), parse_cron(schedule)
    for noon in _changes(timezone, now.astimezone(tz).date()):
        for at in cron.between(noon - A_DAY, noon + A_DAY // 2, timezone, OCCURRENCES_MAX):
            local = at.astimezone(tz)
            repeated = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
            if repeated or (local.minute, str(local.hour)) not in {(int(minute), str(int(h))) for h in named}:
                return str(local.date())
    return None


@lru_cache(maxsize=16)  # a year's days are walked once for the four schedules of a patch
def _changes(timezone: str, today: date) -> tuple[datetime, ...]:
    """The noons of the coming year before which the clocks were changed within a day."""
    tz = zone(timezone)
    noons = [datetime.combine(today, NOON, tz) + n * A_DAY for n in range(A_YEAR.days + 1)]
    return tuple(noon for before, noon in pairwise(noons) if before.utcoffset() != noon.utcoffset())


def _payment_before_billing(settings: Settings, now: datetime) -> Iterator[Warned]:
    """A payment run within an hour after a bill run: it would wait, or charge what was there before."""
    if settings.payment_run.wait_for_bill_run:
        return
    timezone = settings.business.timezone
    bills = _occurrences(settings.bill_run.schedule, timezone, now)
    pays = _occurrences(settings.payment_run.schedule, timezone, now)
    close = next((p for b in bills for p in pays if timedelta(0) <= p - b < BILLING_TAKES), None)
    if close is not None:
        message = (
            f"is due on {close.date()} before its bill run can have finished, and does not wait for it: leave an hour "
            "between them, or set wait_for_bill_run"
        )
        yield Warned("payment_run.schedule", "payment_before_billing", message)


def _chased_first(settings: Settings, now: datetime) -> Iterator[Warned]:
    """On no day does the payment run come before the past-due job, so whoever would pay by card is chased first."""
    past_due = settings.automations.past_due
    if not past_due.enabled:
        return
    timezone = settings.business.timezone
    chases = _occurrences(past_due.schedule, timezone, now)
    days = {p.astimezone(zone(timezone)).date(): p for p in _occurrences(settings.payment_run.schedule, timezone, now)}
    later = [c for c in chases if (p := days.get(c.astimezone(zone(timezone)).date())) is not None and p > c]
    if later:
        message = f"runs on {later[0].date()} before that day's payment run: they are chased before they are charged"
        yield Warned("automations.past_due.schedule", "chased_before_charged", message)


def _occurrences(schedule: str, timezone: str, now: datetime) -> tuple[datetime, ...]:
    return parse_cron(schedule).between(now, now + timedelta(days=62), timezone, OCCURRENCES_MAX)


# ---- tiers and triggers -----------------------------------------------------------------------------------------


def _tiers(settings: Settings) -> Iterator[Warned]:
    for n, (tier, later) in enumerate(pairwise(settings.automations.past_due.tiers)):
        every = tier.repeat_every_days
        if every is not None and every >= later.from_days - tier.from_days:
            message = f"is never repeated: the next tier begins {later.from_days - tier.from_days} days later"
            yield Warned(
                f"automations.past_due.tiers[{n}].repeat_every_days", "reminded_after_tier", message
            )  # fmt: skip


def _triggers(settings: Settings) -> Iterator[Warned]:
    days = [t.days for t in settings.automations.past_due.triggers]
    for n, (before, after) in enumerate(pairwise(days), start=1):
        if after < before:
            message = f"stands behind one of {before} days: triggers fire by their days, whatever their order here"
            yield Warned(f"automations.past_due.triggers[{n}].days", "trigger_jumped_over", message)


# ---- classes ----------------------------------------------------------------------------------------------------


def _policy(at: str, policy: Policy, settings: Settings) -> Iterator[Warned]:
    yield from _steps(at, policy)
    yield from _retries(at, policy, settings)
    chosen = policy.reminders_before_due if policy.reminders_before_due != Policy().reminders_before_due else ()
    for days in chosen:
        if days > policy.terms_days:
            message = f"has one {days} days before an invoice is due that is given {policy.terms_days}: it never goes"
            yield Warned(f"{at}.reminders_before_due", "reminder_after_posting", message)


def _steps(at: str, policy: Policy) -> Iterator[Warned]:
    """The milder step is to come first, and none before its notice has been out for its days."""
    named = (
        ("limit_after_days", policy.limit_after_days), ("suspend_after_days", policy.suspend_after_days),
        ("terminate_after_days", policy.terminate_after_days),
    )  # fmt: skip
    given: Sequence[tuple[str, int]] = [(name, days) for name, days in named if days is not None]
    for (milder, first), (severer, second) in pairwise(given):
        if second <= first:
            message = f"is not after {milder} ({first}): the milder step never comes"
            yield Warned(f"{at}.{severer}", "steps_out_of_order", message)
    for name, days in given:
        if days <= policy.step_notice_days:
            message = (
                f"comes {days} days past due, but its notice must be out for {policy.step_notice_days}: the step comes "
                "later than it says"
            )
            yield Warned(f"{at}.{name}", "step_before_notice", message)


def _retried_until(policy: Policy, settings: Settings) -> int | None:
    """Days past due of the last retry of a card that is charged when due, if service ends by then."""
    rule, last = policy.auto_charge, policy.terminate_after_days
    if rule is None or last is None or rule.on == "day_of_month":
        return None
    first = rule.offset_days if rule.on == "due_on" else rule.offset_days - policy.terms_days
    ends = first + sum(settings.retries.retry_days)
    return ends if ends >= last else None


def _retried_too_long(its_class: CustomerClass, settings: Settings) -> Iterator[Warned]:
    """The same contradiction as a class is warned of, said where the other half of it is set."""
    for policy in dict.fromkeys((its_class.regular, its_class.out_of_turn)):
        if (ends := _retried_until(policy, settings)) is not None:
            message = (
                f"try a declined card until day {ends}, but {its_class.name} ends service "
                f"{policy.terminate_after_days} days past due: shorten them"
            )
            yield Warned("retries.retry_days", "retry_after_step", message)


def _retries(at: str, policy: Policy, settings: Settings) -> Iterator[Warned]:
    """Retries that go on when service has ended."""
    last, ends = policy.terminate_after_days, _retried_until(policy, settings)
    if ends is not None:
        message = f"ends service {last} days past due, while a declined card is tried until day {ends}: shorten that"
        yield Warned(f"{at}.terminate_after_days", "retry_after_step", message)

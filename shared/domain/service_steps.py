"""Service steps: when an unpaid customer is limited, suspended and terminated, and when that is lifted. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from shared.domain.customer import Service
from shared.domain.ids import derive_id
from shared.domain.invoice import Invoice
from shared.domain.policy import CustomerClass, Policy
from shared.domain.values import dataclass

SERVICES: Final[tuple[Service, ...]] = ("active", "limited", "suspended", "terminated")  # the mildest first
STEPS: Final[tuple[Service, ...]] = ("terminated", "suspended", "limited")  # the most severe first

# Since when a step's notice is out, by step and invoice; None: it is recorded, but has not gone out yet.
NoticesOut = Mapping[tuple[Service, str], date | None]


@dataclass(frozen=True, slots=True)
class StepNotice:
    """Tell the customer of a step that comes because of this invoice, not before `effective_on`."""

    step: Service
    invoice: Invoice
    effective_on: date


@dataclass(frozen=True, slots=True)
class Raised:
    """The service after what is due now. `confirm`: a termination is due and waits for a person."""

    service: Service
    confirm: Invoice | None = None


def termination_task(customer_id: str, episode: str) -> str:
    """The id of the task that asks a person to confirm a termination: one in an episode."""
    return derive_id("tsk_", "terminate", customer_id, episode)


def severity(service: Service) -> int:
    return SERVICES.index(service)


def days_of(policy: Policy, step: Service) -> int | None:
    """How many days past due (inclusive) an invoice is when the step comes."""
    if step == "limited":
        return policy.limit_after_days
    return policy.suspend_after_days if step == "suspended" else policy.terminate_after_days


def step_date(invoice: Invoice, its_class: CustomerClass, step: Service) -> date | None:
    """The day on which the invoice calls for the step; None if its policy has no such step."""
    days = days_of(its_class.policy(invoice.type), step)
    return None if days is None or invoice.due_on is None else invoice.due_on + timedelta(days=days)


def reached(invoices: Iterable[Invoice], its_class: CustomerClass, on: date) -> Service:
    """The most severe step that some invoice is at or past the days of."""
    invoices = list(invoices)
    for step in STEPS:
        if any((at := step_date(i, its_class, step)) is not None and at <= on for i in invoices):
            return step
    return "active"


def lifted(service: Service, kept: Sequence[Invoice], its_class: CustomerClass, suspended: bool, on: date) -> Service:
    """The service as far as the facts still call for it. Termination is final.

    `kept` are the overdue invoices with those on hold: a hold lifts nothing. `suspended`: a trigger suspended the
    customer in the running episode.
    """
    if service == "terminated":
        return service
    called_for = max(severity(reached(kept, its_class, on)), severity("suspended") if suspended else 0)
    return SERVICES[min(severity(service), called_for)]


def raised(
    service: Service, chased: Sequence[Invoice], its_class: CustomerClass, out: NoticesOut, waived: Service, on: date
) -> Raised:
    """The most severe step that has come, and whose notice has been out for its days.

    What was undone by hand (`waived`), and what is milder, does not come again.
    """
    confirm: Invoice | None = None
    for step in _more_severe(service, waived):
        ready = next((i for i in chased if _ready(i, its_class, step, out, on)), None)
        if ready is None:
            continue
        if step != "terminated" or not its_class.policy(ready.type).confirm_termination:
            return Raised(step, confirm)
        confirm = ready
    return Raised(service, confirm)


def warning(
    service: Service, chased: Sequence[Invoice], its_class: CustomerClass, out: NoticesOut, waived: Service, on: date
) -> StepNotice | None:
    """The notice called for: of the most severe step that is near enough. One that was jumped over is not sent."""
    for step in _more_severe(service, waived):
        near = [i for i in chased if (window := _window(i, its_class, step)) is not None and window[0] <= on]
        if not near:
            continue
        if any((step, i.id) in out for i in near):
            return None
        first = min(near, key=lambda i: _window(i, its_class, step) or (date.max, date.max))
        at = step_date(first, its_class, step) or on
        return StepNotice(step, first, max(at, on + timedelta(days=its_class.policy(first.type).step_notice_days)))
    return None


def unannounced(
    service: Service, chased: Sequence[Invoice], its_class: CustomerClass, out: NoticesOut, waived: Service, on: date
) -> StepNotice | None:
    """The most severe step whose day has come while no notice of it is out, not even on its way."""
    for step in _more_severe(service, waived):
        for invoice in chased:
            window = _window(invoice, its_class, step)
            if window is not None and window[1] <= on:
                return None if any((step, i.id) in out for i in chased) else StepNotice(step, invoice, window[1])
    return None


def step_dates(
    service: Service, late: Iterable[Invoice], its_class: CustomerClass, out: NoticesOut, waived: Service
) -> Iterator[date]:
    """The days on which a step or its notice may come, in any order; past ones too."""
    steps = list(_more_severe(service, waived))
    for invoice in late:
        for step in steps:
            if (at := step_date(invoice, its_class, step)) is None:
                continue
            yield at
            if (window := _window(invoice, its_class, step)) is not None:
                yield window[0]
            if (since := out.get((step, invoice.id))) is not None:
                yield since + timedelta(days=its_class.policy(invoice.type).step_notice_days)


def _more_severe(service: Service, waived: Service) -> Iterator[Service]:
    least = max(severity(service), severity(waived))
    return (step for step in STEPS if severity(step) > least)


def _window(invoice: Invoice, its_class: CustomerClass, step: Service) -> tuple[date, date] | None:
    """From when the notice may go, and the day of the step; None if the policy has no such step or no notice."""
    at, notice_days = step_date(invoice, its_class, step), its_class.policy(invoice.type).step_notice_days
    return None if at is None or notice_days == 0 else (at - timedelta(days=notice_days), at)


def _ready(invoice: Invoice, its_class: CustomerClass, step: Service, out: NoticesOut, on: date) -> bool:
    at, notice_days = step_date(invoice, its_class, step), its_class.policy(invoice.type).step_notice_days
    if at is None or at > on:
        return False
    since = out.get((step, invoice.id))
    return notice_days == 0 or (since is not None and since + timedelta(days=notice_days) <= on)

"""Account summaries: schedules that customers share, and statements whose sums agree with the account. PRODUCT 10."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, get_args

from shared.domain.calendar import NeverAgain, parse_cron
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.payment import Allocation, Payment
from shared.domain.settings import Settings
from shared.domain.values import dataclass

MovementKind = Literal["invoice", "debit_memo", "credit_memo", "payment", "credit_applied", "refund", "void"]
ORDER: tuple[MovementKind, ...] = get_args(MovementKind)  # of what happened at one instant
GLOBAL = ""  # in place of an own schedule or time zone: the business's


@dataclass(frozen=True, slots=True)
class SummarySchedule:
    """One schedule in one time zone, and how far it has been followed: all customers who have both share it.

    `schedule` and `timezone` are GLOBAL where the business's apply. `next_at` is its next occurrence after `through`;
    None if there is none.
    """

    id: str
    schedule: str
    timezone: str
    through: datetime
    next_at: datetime | None = None
    version: int = 0

    def planned(self, through: datetime, settings: Settings) -> SummarySchedule:
        """The same, followed through an instant, with its next occurrence under these settings."""
        cron = parse_cron(self.schedule or settings.automations.account_summary.schedule)
        try:
            next_at = cron.next_after(through, self.timezone or settings.business.timezone)
        except NeverAgain:
            next_at = None
        return replace(self, through=through, next_at=next_at)


def schedule_key(customer: Customer) -> tuple[str, str]:
    """The customer's schedule and time zone."""
    return customer.account_summary_schedule or GLOBAL, customer.timezone or GLOBAL


def schedule_id(schedule: str, timezone: str) -> str:
    return f"{schedule}|{timezone}"


def summarized_with(customer: Customer) -> str | None:
    """The id of the schedule that the customer's summaries follow; None while its own switches are off."""
    switches = customer.automations
    if not switches.enabled or switches.account_summary is False:
        return None
    return schedule_id(*schedule_key(customer))


@dataclass(frozen=True, slots=True)
class SummaryMark:
    """The last summary recorded for a customer: the next one's transactions begin where its own end."""

    customer_id: str
    notice_id: str
    since_at: datetime | None
    through_at: datetime
    version: int = 0


# ---- statements -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Movement:
    """Something that changed what a customer owes: positive is owed more. `label` names the document, if any.

    Credit that is applied changes nothing by itself: what it pays is in `applied`, as what a payment pays is.
    """

    at: datetime
    kind: MovementKind
    label: str
    currency: str
    amount_minor: int
    id: str = ""  # of the invoice or the payment
    reference: str | None = None  # of a payment: the number of the cheque, say
    applied: tuple[Allocation, ...] = ()


@dataclass(frozen=True, slots=True)
class Balance:
    """What was owed net of credit in one currency, before and after the movements of a statement."""

    currency: str
    opening_minor: int
    closing_minor: int


@dataclass(frozen=True, slots=True)
class Statement:
    """`since_at` (inclusive) to `through_at` (exclusive); `movements` are those in between, in order."""

    since_at: datetime | None
    through_at: datetime
    movements: tuple[Movement, ...]
    balances: tuple[Balance, ...]

    @property
    def empty(self) -> bool:
        return not self.movements and not any(b.closing_minor for b in self.balances)

    def ledger(self, currency: str) -> list[tuple[Movement, int]]:
        """The movements of one currency in order, each with what is owed after it."""
        owed = next((b.opening_minor for b in self.balances if b.currency == currency), 0)
        entries: list[tuple[Movement, int]] = []
        for movement in (m for m in self.movements if m.currency == currency):
            owed += movement.amount_minor
            entries.append((movement, owed))
        return entries


def statement(
    owed_minor: Mapping[str, int],
    movements: Iterable[Movement],
    since_at: datetime | None,
    through_at: datetime,
    most: int,
) -> Statement:
    """What happened in a period, counted back from what is owed now, by currency, net of credit.

    The closing balance is what is owed now less what happened from `through_at` on, the opening balance that less what
    happened within: they add up, and agree with the account. If more than `most` happened, the oldest of it is part
    of the opening balance.
    """
    known = sorted(movements, key=lambda m: (m.at, ORDER.index(m.kind), m.label, m.amount_minor, m.id))
    within = [m for m in known if (since_at is None or m.at >= since_at) and m.at < through_at]
    after = [m for m in known if m.at >= through_at]
    shown = within[-most:]
    currencies = sorted({*owed_minor, *(m.currency for m in known)})
    balances = []
    for currency in currencies:
        closing = owed_minor.get(currency, 0) - _sum(after, currency)
        balances.append(Balance(currency, closing - _sum(shown, currency), closing))
    begins_at = shown[0].at if len(shown) < len(within) else since_at
    moved = {m.currency for m in shown}
    told = tuple(b for b in balances if b.opening_minor or b.closing_minor or b.currency in moved)
    return Statement(begins_at, through_at, tuple(shown), told)


def _sum(movements: Iterable[Movement], currency: str) -> int:
    return sum(m.amount_minor for m in movements if m.currency == currency)


def movements_of(invoices: Iterable[Invoice], payments: Iterable[Payment], applied: bool = False) -> list[Movement]:
    """Every posting, void, payment and refund. Credit that pays an invoice moves nothing: both are on the account. It
    is told of only if `applied` is asked for.
    """
    found: list[Movement] = []
    for invoice in invoices:
        found += _of_invoice(invoice)
    for payment in payments:
        if applied or payment.method != "credit":
            found += _of_payment(payment)
    return found


def _of_invoice(invoice: Invoice) -> list[Movement]:
    if invoice.status == "draft" or invoice.posted_at is None:
        return []
    label, currency, total = invoice.number or "", invoice.currency, invoice.total_minor
    kind: MovementKind = invoice.type if invoice.type in ("credit_memo", "debit_memo") else "invoice"
    posted = [Movement(invoice.posted_at, kind, label, currency, total, invoice.id)]
    if invoice.voided_at is not None:
        posted.append(Movement(invoice.voided_at, "void", label, currency, -total, invoice.id))
    return posted


def _of_payment(payment: Payment) -> list[Movement]:
    """A refund gives credit back when it is opened, and reopens invoices when it has succeeded."""
    if payment.status not in ("succeeded", "refunded"):
        return []
    currency, id, applied = payment.currency, payment.id, payment.allocations
    if payment.method == "credit":
        return [Movement(payment.at, "credit_applied", "", currency, 0, id, applied=applied)]
    paid_at, paid = payment.settled_at or payment.at, -payment.amount_minor
    found = [Movement(paid_at, "payment", "", currency, paid, id, payment.reference, applied)]
    for refund in payment.refunds:
        back = sum(a.amount_minor for a in refund.reopened) if refund.status == "succeeded" else 0
        credit = refund.credit_minor if refund.open or refund.status == "succeeded" else 0
        found += [
            Movement(at, "refund", "", currency, amount, id)
            for at, amount in ((refund.at, credit), (refund.settled_at or refund.at, back))
            if amount
        ]
    return found

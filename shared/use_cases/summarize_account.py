"""A customer's account summary: recorded once per occurrence, said from the facts when it is sent. PRODUCT 10."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Literal, TypeVar

from shared import ports as p
from shared.domain.account_summary import (
    Balance,
    Movement,
    MovementKind,
    Statement,
    SummaryMark,
    movements_of,
    statement,
    summarized_with,
)
from shared.domain.calendar import local_date, start_of_day
from shared.domain.copies import replace
from shared.domain.customer import Customer, why_off
from shared.domain.errors import Invalid
from shared.domain.invoice import Invoice
from shared.domain.money import format_minor
from shared.domain.notice import Notice, notice_id
from shared.domain.payment import CreditBalance, Payment
from shared.domain.settings import Settings
from shared.domain.values import dataclass
from shared.ports import Check, Conflict, Index, Ports, Save, Unavailable
from shared.use_cases.lookups import (
    CONFLICT_RETRIES,
    customer_of,
    gate_of,
    local_on,
    open_invoices,
    settings_of,
)
from shared.use_cases.notices import hint

LOOK_BACK = timedelta(days=400)  # a draft may be posted, and a payment refunded, that long after it was made
RECORDS_MAX = 5_000  # invoices, and payments, of one customer that are looked at
MOVEMENTS_MAX = 4 * RECORDS_MAX  # in one statement
LISTED_MAX = 200  # invoices or transactions in one mail
ONE_DAY = timedelta(days=1)
SAID: Mapping[MovementKind, str] = {
    "invoice": "Invoice", "debit_memo": "Debit memo", "credit_memo": "Credit memo", "void": "Voided",
    "payment": "Payment", "refund": "Refund", "credit_applied": "Credit applied",
}  # fmt: skip

Summarized = Literal["recorded", "known", "off", "empty", "moved"]
E = TypeVar("E", Invoice, Payment)


@dataclass(frozen=True, slots=True)
class Position:
    """What a customer owes now: open invoices, oldest due first, and credit, in minor units by currency."""

    open: tuple[Invoice, ...]
    credit: Mapping[str, int]

    def owed(self) -> dict[str, int]:
        """Net of credit, as the account says."""
        sums = {currency: -minor for currency, minor in self.credit.items()}
        for invoice in self.open:
            sums[invoice.currency] = sums.get(invoice.currency, 0) + invoice.residual_minor
        return sums


def summarize_account(customer_id: str, schedule_id: str, occurred_at: datetime, ports: Ports) -> Summarized:
    """Record the summary of one occurrence of a schedule, if the customer still follows it and anything is to be said.

    The notice, the mark and the checks of switches and settings are one transaction.
    """
    for _ in range(CONFLICT_RETRIES):
        gate = gate_of(ports, customer_id)
        settings, customer = settings_of(ports), customer_of(ports, customer_id)
        if summarized_with(customer) != schedule_id:
            return "moved"
        if why_off("account_summary", customer, settings, local_on(occurred_at, customer, settings)) is not None:
            return "off"
        mark = ports.store.get(SummaryMark, customer_id)
        notice = _notice(customer, settings, mark, occurred_at, ports)
        if ports.store.get(Notice, notice.id) is not None:
            return "known"
        if not settings.automations.account_summary.send_when_empty and _nothing_to_say(notice, settings, ports):
            return "empty"
        marked = SummaryMark(customer_id, notice.id, notice.since_at, notice.through_at or notice.created_at)
        version = mark.version if mark else 0
        try:
            ports.store.commit(Save(notice), Save(replace(marked, version=version)), Check(customer), Check(gate))
        except Conflict:
            continue
        hint(ports, notice.id)
        return "recorded"
    raise Unavailable(f"customer {customer_id} kept changing while the account was summarized")


def _notice(
    customer: Customer, settings: Settings, mark: SummaryMark | None, occurred_at: datetime, ports: Ports
) -> Notice:
    """What it covers ends now, or with the local day of the occurrence if the tick came later than that."""
    now, episode = ports.clock.now(), occurred_at.isoformat()
    on = local_on(occurred_at, customer, settings)
    day_ends = start_of_day(on + ONE_DAY, customer.zone(settings))
    return Notice(
        id=notice_id(customer.id, "account_summary", customer.id, episode), customer_id=customer.id,
        kind="account_summary", subject_id=customer.id, episode=episode, created_at=now,
        since_at=_since(mark, ports), through_at=min(now, day_ends),
    )  # fmt: skip


def _since(mark: SummaryMark | None, ports: Ports) -> datetime | None:
    """The end of the last summary; its beginning if that one did not go out. None: there was none yet."""
    if mark is None:
        return None
    last = ports.store.get(Notice, mark.notice_id)
    gone = last is None or last.status not in ("suppressed", "failed")
    return mark.through_at if gone else mark.since_at


def _nothing_to_say(notice: Notice, settings: Settings, ports: Ports) -> bool:
    """Neither open invoices nor credit; for transactions, no balance and no movement."""
    if settings.automations.account_summary.format == "recent_transactions":
        return account_statement(notice, ports).empty
    here = position(notice.customer_id, ports)
    return not here.open and not any(here.credit.values())


# ---- facts ----------------------------------------------------------------------------------------------------


def position(customer_id: str, ports: Ports, also: tuple[str, ...] = ()) -> Position:
    credit = {c.currency: c.amount_minor for c in ports.store.list(CreditBalance, customer_id).items}
    return Position(tuple(open_invoices(ports, customer_id, also)), credit)


def account_statement(notice: Notice, ports: Ports) -> Statement:
    """The transactions that a summary covers."""
    since_at, through_at = notice.since_at, notice.through_at or notice.created_at
    return statement_between(notice.customer_id, since_at, through_at, ports)


def customer_statement(customer_id: str, since: date | None, through: date | None, ports: Ports) -> Statement:
    """What happened on these local dates, both inclusive, with the credit that was applied; None: from the beginning,
    and until today. Raises NotFound, and Invalid if the dates are the wrong way round.
    """
    customer, settings = customer_of(ports, customer_id), settings_of(ports)
    zone = customer.zone(settings)
    last = through or local_date(ports.clock.now(), zone)
    if since is not None and since > last:
        raise Invalid("from", f"{since} is after {last}, the last day of the statement")
    since_at = start_of_day(since, zone) if since else None
    return statement_between(customer_id, since_at, start_of_day(last + ONE_DAY, zone), ports, in_full=True)


def statement_between(
    customer_id: str, since_at: datetime | None, through_at: datetime, ports: Ports, in_full: bool = False
) -> Statement:
    """From `since_at` until before `through_at`. What is owed is read before and after: nothing came in between.

    For a mail, LISTED_MAX of it and what may matter within LOOK_BACK; `in_full` all that is kept, up to RECORDS_MAX.
    """
    back_to = since_at - LOOK_BACK if since_at and not in_full else None
    most = MOVEMENTS_MAX if in_full else LISTED_MAX
    before: Position | None = None
    for _ in range(CONFLICT_RETRIES):
        invoices = list(_recent(p.INVOICES_BY_CUSTOMER, Invoice, customer_id, back_to, ports))
        payments = list(_recent(p.PAYMENTS_BY_CUSTOMER, Payment, customer_id, back_to, ports))
        now = position(customer_id, ports, tuple(i.id for i in invoices if i.collectable()))
        if before is not None and before.owed() == now.owed():
            return statement(now.owed(), movements_of(invoices, payments, in_full), since_at, through_at, most)
        before = now
    raise Unavailable(f"the account of {customer_id} kept changing while it was read")


def _recent(index: Index[E], kind: type[E], customer_id: str, back_to: datetime | None, ports: Ports) -> Iterator[E]:
    """A customer's records made since an instant, latest first."""
    after, seen = None, 0
    while seen < RECORDS_MAX:
        page = ports.store.find(index, customer_id, after=after, reverse=True)
        young = [e for e in page.items if back_to is None or e.at >= back_to.isoformat()]
        yield from ports.store.get_many(kind, [e.key for e in young])
        seen, after = seen + len(young), page.cursor
        if after is None or len(young) < len(page.items):
            return


# ---- what the mail says ---------------------------------------------------------------------------------------


def said_of_account(notice: Notice, customer: Customer, settings: Settings, ports: Ports) -> dict[str, object]:
    """The data of the mail's template, in the format that the settings ask for when it is sent."""
    form, zone = settings.automations.account_summary.format, customer.zone(settings)
    on = local_date(datetime.fromisoformat(notice.episode), zone) if notice.by_hand is False else None
    on = on or local_date(notice.through_at or notice.created_at, zone)
    blank = {"invoices": [], "totals": [], "more": 0, "credits": [], "since": None, "balances": [], "transactions": []}
    said = _transactions(notice, customer, zone, ports) if form == "recent_transactions" else _open(notice, on, ports)
    return {**blank, "as_of": str(on), "format": form, **said}


def _open(notice: Notice, on: date, ports: Ports) -> dict[str, object]:
    """Every open invoice with its age in days, up to LISTED_MAX of them, and the totals of all."""
    here = position(notice.customer_id, ports)
    totals: dict[str, int] = {}
    for invoice in here.open:
        totals[invoice.currency] = totals.get(invoice.currency, 0) + invoice.residual_minor
    listed = here.open[:LISTED_MAX]
    return {
        "invoices": [_invoice(i, on) for i in listed], "more": len(here.open) - len(listed),
        "totals": [{"currency": c, "amount": format_minor(minor, c)} for c, minor in sorted(totals.items())],
        "credits": [{"currency": c, "amount": format_minor(m, c)} for c, m in sorted(here.credit.items()) if m],
    }  # fmt: skip


def _invoice(invoice: Invoice, on: date) -> dict[str, object]:
    late = (on - invoice.due_on).days if invoice.due_on else 0
    return {
        "number": invoice.number or "", "invoice_date": str(invoice.invoice_date),
        "due_on": str(invoice.due_on) if invoice.due_on else "", "days_past_due": max(late, 0),
        "age_days": max((on - invoice.invoice_date).days, 0), "currency": invoice.currency,
        "residual": format_minor(invoice.residual_minor, invoice.currency),
    }  # fmt: skip


def _transactions(notice: Notice, customer: Customer, zone: str, ports: Ports) -> dict[str, object]:
    told = account_statement(notice, ports)
    balances = told.balances or (Balance(customer.currency, 0, 0),)  # sent although empty: it says so
    return {
        "since": str(local_date(told.since_at, zone)) if told.since_at else None,
        "balances": [
            {
                "currency": b.currency, "opening": format_minor(b.opening_minor, b.currency),
                "closing": format_minor(b.closing_minor, b.currency),
            }
            for b in balances
        ],
        "transactions": [_transaction(m, zone) for m in told.movements],
    }  # fmt: skip


def _transaction(movement: Movement, zone: str) -> dict[str, object]:
    return {
        "on": str(local_date(movement.at, zone)), "currency": movement.currency,
        "description": f"{SAID[movement.kind]} {movement.label}".strip(),
        "amount": format_minor(movement.amount_minor, movement.currency),
    }  # fmt: skip

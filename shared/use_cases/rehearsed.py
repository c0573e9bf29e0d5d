"""What came of a rehearsal, read off the copy that lived through it. PRODUCT 12."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, TypeVar

from shared import ports as p
from shared.domain.account_event import AccountEvent
from shared.domain.calendar import local_date
from shared.domain.cash_band import likely_paid
from shared.domain.customer import Customer
from shared.domain.draws import HISTORY_MAX, draw
from shared.domain.invoice import Invoice
from shared.domain.money import format_minor
from shared.domain.notice import Notice
from shared.domain.payment import Payment
from shared.domain.rehearsal import Happening
from shared.domain.runs import BillRun, Failure
from shared.domain.settings import Settings
from shared.domain.task import Task
from shared.domain.values import dataclass
from shared.ports import Index, Ports
from shared.use_cases.bill_runs import bill_run_summary
from shared.use_cases.lookups import settings_of, shards
from shared.use_cases.pay_as_before import chargeable, days_late

E = TypeVar("E")
PAGE: Final = 1_000
PAGES_MAX: Final = 10_000
WEEK: Final = timedelta(days=7)
TOLD: Final = ("succeeded", "declined", "refunded")  # what a gateway failed to process says nothing about the card
DRAWN_MAX: Final = 100  # of one card: more charges than 90 days have
STEPS: Final = {
    "service_limited": "limited", "service_suspended": "suspended", "service_terminated": "terminated",
    "service_restored": "restored",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """What there was before: everything else happened in the rehearsal."""

    invoices: Mapping[str, str]  # id: status
    payments: frozenset[str]
    tasks: frozenset[str]
    runs: frozenset[str]

    @classmethod
    def of(cls, records: Iterable[Any]) -> Known:
        invoices: dict[str, str] = {}
        ids: dict[type[Any], set[str]] = {Payment: set(), Task: set(), BillRun: set()}
        for record in records:
            if isinstance(record, Invoice):
                invoices[record.id] = record.status
            elif type(record) in ids:
                ids[type(record)].add(record.id)
        return cls(invoices, frozenset(ids[Payment]), frozenset(ids[Task]), frozenset(ids[BillRun]))


@dataclass(frozen=True, slots=True)
class WeekOfCash:
    """Cash up to and including a day, since the start, by currency in minor units.

    `charged` is what the payment runs collect in the rehearsal, `received` what customers pay by hand in it, which they
    do with a seed only. What they are likely to pay by hand, with or without, is in `expected` as they usually do, in
    `low` as late as they do, in `high` as early.
    """

    on: date
    charged: dict[str, int] = field(default_factory=dict)
    received: dict[str, int] = field(default_factory=dict)
    low: dict[str, int] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)
    high: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """Everything that happened in order of time, and beside it what needs a person."""

    since: datetime
    through: datetime
    happenings: tuple[Happening, ...]
    tasks: tuple[Task, ...]
    failures: tuple[Failure, ...]
    cash: tuple[WeekOfCash, ...]
    names: dict[str, str]
    errors: tuple[str, ...] = ()


@dataclass(slots=True)
class _Reading:
    ports: Ports
    settings: Settings
    since: datetime
    known: Known
    mails: Sequence[Any]  # notice_id, to, subject, at
    customers: dict[str, Customer] = field(default_factory=dict)

    def on(self, customer_id: str, at: datetime) -> date:
        """The customer's local date."""
        return local_date(at, self.zone(customer_id))

    def zone(self, customer_id: str) -> str:
        customer = self.customers.get(customer_id)
        return customer.zone(self.settings) if customer else self.settings.business.timezone


def read_rehearsed(
    ports: Ports, since: datetime, known: Known, mails: Sequence[Any], errors: Sequence[str] = ()
) -> Rehearsed:
    """What happened in a copy since then, up to its own now."""
    reading = _Reading(ports, settings_of(ports), since, known, mails)
    for shard in shards():
        for customer in _all(Customer, p.CUSTOMERS, shard, ports):
            reading.customers[customer.id] = customer
    invoices = {i.id: i for shard in shards() for i in _all(Invoice, p.INVOICES, shard, ports)}
    found = [*_invoices(invoices.values(), reading), *_charges(invoices, reading)]
    found += [*_emails(reading), *_steps(reading)]
    found.sort(key=lambda h: (h.at, h.customer_id, h.category, h.word, str(h.key)))
    return Rehearsed(
        since, ports.clock.now(), tuple(found), tuple(_tasks(reading)), tuple(_failures(reading)),
        tuple(_cash(invoices.values(), found, reading)), {c.id: c.name for c in reading.customers.values()},
        tuple(errors),
    )  # fmt: skip


def _all(kind: type[E], index: Index[E], partition: str, ports: Ports) -> Iterator[E]:
    after: str | None = None
    for _ in range(PAGES_MAX):
        page = ports.store.find(index, partition, after=after, limit=PAGE)
        yield from ports.store.get_many(kind, [e.key for e in page.items])
        after = page.cursor
        if after is None:
            return


def _invoices(invoices: Iterable[Invoice], reading: _Reading) -> Iterator[Happening]:
    """Made or posted since; late fees are a category of their own."""
    for invoice in invoices:
        if reading.known.invoices.get(invoice.id) == invoice.status:
            continue
        at = invoice.voided_at or invoice.posted_at or invoice.created_at or reading.since
        on = reading.on(invoice.customer_id, at)
        fee = invoice.late_fee is not None
        shown: dict[str, object] = {
            "on": _text(on), "billed_on": _billed_on(invoice, reading), "customer_id": invoice.customer_id,
            "invoice_id": invoice.id, "type": invoice.type,
            "status": invoice.status, "number": invoice.number, "invoice_date": _text(invoice.invoice_date),
            "posted_on": _text(invoice.posted_on), "due_on": _text(invoice.due_on), "currency": invoice.currency,
            "total": format_minor(invoice.total_minor, invoice.currency), "flags": [f.code for f in invoice.flags],
        }  # fmt: skip
        if fee:
            shown |= {"adjusts_invoice_id": invoice.adjusts_invoice_id, "amount": shown["total"]}
        yield Happening(
            "fees" if fee else "invoices", invoice.customer_id, on, at, invoice.status, _of_invoice(invoice),
            invoice.total_minor, invoice.currency, shown,
        )  # fmt: skip


def _billed_on(invoice: Invoice, reading: _Reading) -> str | None:
    """The customer's day on which it was made; None for a draft that was there before."""
    if invoice.id in reading.known.invoices:
        return None
    return _text(reading.on(invoice.customer_id, invoice.created_at or reading.since))


def _of_invoice(invoice: Invoice) -> tuple[object, ...]:
    return (invoice.type, invoice.bill_on, invoice.invoice_date, invoice.due_on, invoice.contract_ids)


def _charges(invoices: Mapping[str, Invoice], reading: _Reading) -> Iterator[Happening]:
    """Attempts on cards. Credit that is applied at posting moves no money."""
    for shard in shards():
        for payment in _all(Payment, p.PAYMENTS, shard, reading.ports):
            if payment.id in reading.known.payments or payment.method != "card":
                continue
            on = reading.on(payment.customer_id, payment.at)
            invoice = invoices.get(payment.invoice_id or "")
            shown: dict[str, object] = {
                "on": _text(on), "customer_id": payment.customer_id, "invoice_id": payment.invoice_id,
                "number": invoice.number if invoice else None, "payment_method_id": payment.payment_method_id,
                "amount": format_minor(payment.amount_minor, payment.currency), "currency": payment.currency,
                "status": payment.status, "code": payment.code, "attempt": payment.attempt,
                "next_attempt_on": _text(payment.next_attempt_on),
            }  # fmt: skip
            key = (payment.attempt, payment.code, *(_of_invoice(invoice)[:2] if invoice else ()))
            yield Happening(
                "charges", payment.customer_id, on, payment.at, payment.status, key, payment.amount_minor,
                payment.currency, shown,
            )  # fmt: skip


def _emails(reading: _Reading) -> Iterator[Happening]:
    notices = reading.ports.store.get_many(Notice, [(m.notice_id, "") for m in reading.mails])
    told = {n.id: n for n in notices}
    for mail in reading.mails:
        notice = told[mail.notice_id]
        on = reading.on(notice.customer_id, mail.at)
        shown: dict[str, object] = {
            "on": _text(on), "customer_id": notice.customer_id, "kind": notice.kind, "to": mail.to,
            "subject": mail.subject, "subject_id": notice.subject_id, "tier": notice.tier,
        }  # fmt: skip
        yield Happening("emails", notice.customer_id, on, mail.at, notice.kind, (notice.tier,), shown=shown)


def _steps(reading: _Reading) -> Iterator[Happening]:
    for customer_id in reading.customers:
        for event in reading.ports.store.list(AccountEvent, customer_id, limit=PAGE).items:
            step = STEPS.get(event.kind)
            at = event.at
            if step is None or at is None:
                continue
            on = reading.on(customer_id, at)
            shown: dict[str, object] = {"on": _text(on), "customer_id": customer_id, "step": step, "from": event.before}
            yield Happening("steps", customer_id, on, at, step, (), shown=shown)


def _tasks(reading: _Reading) -> Iterator[Task]:
    for status in ("open", "done"):
        found = _all(Task, p.TASKS, status, reading.ports)
        yield from (t for t in found if t.id not in reading.known.tasks)


def _failures(reading: _Reading) -> Iterator[Failure]:
    """Who could not be billed or posted, and why; once, however many runs tried."""
    told: set[tuple[str, str, str]] = set()
    for run in _all(BillRun, p.BILL_RUNS, "all", reading.ports):
        if run.id in reading.known.runs or not run.chunks:
            continue
        for failure in bill_run_summary(run.id, reading.ports).failures:
            key = (failure.customer_id, failure.code, failure.message)
            if key not in told:
                told.add(key)
                yield failure


# ---- cash -------------------------------------------------------------------------------------------------------


def _cash(invoices: Iterable[Invoice], found: Sequence[Happening], reading: _Reading) -> Iterator[WeekOfCash]:
    """Cumulated by week. What is charged is certain in the rehearsal; by hand is paid what is never charged."""
    start = local_date(reading.since, reading.settings.business.timezone)
    end = local_date(reading.ports.clock.now(), reading.settings.business.timezone)
    charged = [(h.on, h.amount_minor, h.currency) for h in found if h.category == "charges" and h.word == "succeeded"]
    payments = list(_received(reading))
    received = [(reading.on(p.customer_id, p.at), p.amount_minor, p.currency) for p in payments]
    by_hand = list(_by_hand(invoices, payments, start, reading))
    on = start
    while on < end:
        on = min(on + WEEK, end)
        sure, came = (_sums((a, c) for day, a, c in parts if day <= on) for parts in (charged, received))
        week = WeekOfCash(on, sure, came, dict(sure), dict(sure), dict(sure))
        for likely, amount, currency in by_hand:
            days = (likely.late_on, likely.usual_on, likely.early_on)
            for sums, day in zip((week.low, week.expected, week.high), days, strict=True):
                if day is not None and day <= on:
                    sums[currency] = sums.get(currency, 0) + amount
        yield week


def _received(reading: _Reading) -> Iterator[Payment]:
    """What was paid by hand in the rehearsal."""
    for shard in shards():
        for payment in _all(Payment, p.PAYMENTS, shard, reading.ports):
            if payment.id not in reading.known.payments and payment.method not in ("card", "credit"):
                yield payment


def _by_hand(
    invoices: Iterable[Invoice], payments: Iterable[Payment], start: date, reading: _Reading
) -> Iterator[tuple[Any, int, str]]:
    """What no card in the rehearsal has paid, with the days on which its customer is likely to pay it.

    What was paid by hand in it on a day that a seed drew is as uncertain as the rest.
    """
    drawn = {a.invoice_id: a.amount_minor for payment in payments for a in payment.allocations}
    habits: dict[str, list[int]] = {}
    owed: list[tuple[Invoice, int]] = []
    for invoice in invoices:
        late = days_late(invoice, reading.zone(invoice.customer_id), reading.since)
        if invoice.id in drawn:
            owed.append((invoice, invoice.residual_minor + drawn[invoice.id]))
        elif invoice.collectable() and not chargeable(invoice, reading.settings, reading.ports):
            owed.append((invoice, invoice.residual_minor))
        elif late is not None:
            habits.setdefault(invoice.customer_id, []).append(late)
    for invoice, amount in owed:
        as_of = max(start, invoice.posted_on or start)
        yield likely_paid(invoice.due_on or as_of, habits.get(invoice.customer_id, ()), as_of), amount, invoice.currency


def _sums(amounts: Iterable[tuple[int, str]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for amount, currency in amounts:
        sums[currency] = sums.get(currency, 0) + amount
    return sums


@lru_cache(maxsize=1_024)  # a rehearsal has millions of dates, of some hundred days
def _text(on: date | None) -> str | None:
    return str(on) if on else None


# ---- how cards behave -------------------------------------------------------------------------------------------


def outcomes_of(records: Iterable[Any], seed: int | None = None) -> dict[str, list[str]]:
    """How charges on each payment token end, one after the other, in the simulated gateway's words.

    Without a seed each does what it did last, for ever; with one, its latest attempts are drawn from. Who never did
    anything pays, and a card that was declined for good is never drawn to work again. API.md.
    """
    past: dict[str, list[Payment]] = {}
    for payment in records:
        if isinstance(payment, Payment) and payment.token is not None and payment.status in TOLD:
            past.setdefault(payment.token, []).append(payment)
    for attempts in past.values():
        attempts.sort(key=lambda a: (a.at, a.attempt or 0))
    return {token: _script(token, attempts[-HISTORY_MAX:], seed) for token, attempts in past.items()}


def _script(token: str, attempts: Sequence[Payment], seed: int | None) -> list[str]:
    last = attempts[-1]
    alike = len({_outcome(attempt) for attempt in attempts}) == 1
    if seed is None or alike or (last.status == "declined" and last.hard):
        return [_outcome(last)]
    return [_outcome(draw(attempts, seed, "charge", token, n)) for n in range(DRAWN_MAX)]


def _outcome(payment: Payment) -> str:
    if payment.status != "declined":
        return "succeeded"
    return f"declined:{payment.code or ('stolen_card' if payment.hard else 'generic_decline')}"

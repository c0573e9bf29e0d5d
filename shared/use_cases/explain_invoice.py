"""Why an invoice was, or was not, billed, posted, mailed, collected and chased, from today's facts. PRODUCT 2, 8."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from shared.domain.calendar import local_date, parse_cron
from shared.domain.collection_facts import chasable
from shared.domain.copies import replace
from shared.domain.customer import Customer, why_off
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice, notice_id
from shared.domain.payment import Payment, attempt_id
from shared.domain.policy import CustomerClass
from shared.domain.runs import BillRun
from shared.domain.settings import Settings
from shared.domain.stops import Stop, stops_of
from shared.domain.terms import collection_date
from shared.domain.values import dataclass
from shared.ports import Ports
from shared.use_cases.accounts import Account, account_of
from shared.use_cases.autopay_rules import Choice, choose_payer
from shared.use_cases.card_tries import tries_of, with_card
from shared.use_cases.charge_invoice import why_not_chargeable
from shared.use_cases.lookups import class_of, customer_of, invoice_of, open_invoices, settings_of, today
from shared.use_cases.new_methods import choose_new
from shared.use_cases.notices import mails_of
from shared.use_cases.settle_payment import attempts_of

PAST_DUE_KINDS = ("past_due_3", "past_due_2", "past_due_1")  # the most severe first


@dataclass(frozen=True, slots=True)
class Step:
    """Whether it was done and when; if not, the first reason against it, and the local date it may come on."""

    done: bool
    reason: str | None = None
    at: datetime | None = None
    next_on: date | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    billed: Step
    posted: Step
    mailed: Step
    collected: Step
    chased: Step
    stops: tuple[Stop, ...] = ()  # pauses, holds and the promise in force today


@dataclass(frozen=True, slots=True)
class _Facts:
    invoice: Invoice
    customer: Customer
    its_class: CustomerClass
    settings: Settings
    run: BillRun | None
    on: date  # today at the customer
    now: datetime


def explain_invoice(invoice_id: str, ports: Ports) -> Explanation:
    """Derived each time; nothing of it is stored."""
    invoice, settings = invoice_of(ports, invoice_id), settings_of(ports)
    customer = customer_of(ports, invoice.customer_id)
    facts = _Facts(
        invoice=invoice, customer=customer, its_class=class_of(ports, customer.class_id), settings=settings,
        run=ports.store.get(BillRun, invoice.bill_run_id) if invoice.bill_run_id else None,
        on=today(ports, customer, settings), now=ports.clock.now(),
    )  # fmt: skip
    return Explanation(
        billed=Step(True, at=invoice.created_at),
        posted=_posted(facts),
        mailed=_mailed(facts, ports),
        collected=_collected(facts, ports),
        chased=_chased(facts, ports),
        stops=tuple(stops_of(customer, [invoice], facts.on)),
    )


def explain_collection(
    invoice: Invoice, customer: Customer, its_class: CustomerClass, settings: Settings, on: date, ports: Ports
) -> Step:
    """Only whether, or from when, it is charged automatically, for one whose customer and rules are known."""
    return _collected(_Facts(invoice, customer, its_class, settings, None, on, ports.clock.now()), ports)


def _posted(facts: _Facts) -> Step:
    invoice, run = facts.invoice, facts.run
    if invoice.status == "void":
        return Step(True, "void", invoice.posted_at)
    if invoice.status == "posted":
        return Step(True, at=invoice.posted_at)
    if run is None:
        return Step(False, "awaiting_review")
    if run.status == "posting":
        return Step(False, "posting")
    auto_post = facts.settings.bill_run.auto_post if run.auto_post is None else run.auto_post
    if not auto_post:
        return Step(False, "auto_post_off")
    return Step(False, "flagged" if invoice.flags else "awaiting_review")


def _mailed(facts: _Facts, ports: Ports) -> Step:
    invoice, customer = facts.invoice, facts.customer
    notice = mails_of([invoice], ports).get(invoice.id)
    if notice is not None:
        sent = notice.status == "sent"
        return Step(sent, None if sent else notice.reason or notice.status, notice.sent_at)
    if invoice.status != "posted":
        return Step(False, "void" if invoice.status == "void" else "not_posted")
    if invoice.type == "credit_memo":
        return Step(False, "credit_memo")
    if "email" not in customer.delivery:
        return Step(False, "not_by_email")
    by_run = facts.run is not None and facts.run.mails(facts.settings.bill_run)
    for on in (facts.on, invoice.posted_on or facts.on):  # a pause that is over kept what was posted during it
        if (off := why_off("send_new_invoices", customer, facts.settings, on, ignore_global=by_run)) is not None:
            return Step(False, off)
    return Step(False, "posted_before_switched_on")


def _collected(facts: _Facts, ports: Ports) -> Step:
    invoice, on = facts.invoice, facts.on
    if invoice.status == "posted" and invoice.total_minor > 0 and invoice.residual_minor == 0:
        return Step(True, at=invoice.settled_at)
    rule = facts.its_class.policy(invoice.type).auto_charge
    due_on = collection_date(invoice, rule) if rule is not None and invoice.status == "posted" else None
    if (reason := why_not_chargeable(invoice, facts.customer, on)) is not None:
        return Step(False, reason, next_on=_after_hold(facts) if reason == "on_hold" else None)
    if rule is None:
        return Step(False, "autopay_off")
    if invoice.autopay_ended or invoice.next_attempt_on is not None:
        return _collected_again(facts, ports)
    if due_on is not None and due_on > on:
        return Step(False, "not_due", next_on=due_on)
    return _charged(choose_payer(invoice, ports, on), facts, ports)


def _collected_again(facts: _Facts, ports: Ports) -> Step:
    """After a decline or a refund: a new card is tried by the next run, whatever was to come."""
    invoice = facts.invoice
    if (new := choose_new(invoice, ports, facts.on)) is not None:
        return _charged(new, facts, ports)
    if invoice.next_attempt_on is not None:
        return _retried(max(invoice.next_attempt_on, facts.on), facts, ports)
    return Step(False, "refunded" if invoice.refunded_minor else "attempts_exhausted")


def _retried(on: date, facts: _Facts, ports: Ports) -> Step:
    """A retry is taken by the payment run and by the rules as they are then: without either it does not come."""
    hard = frozenset(a.payment_method_id or "" for a in attempts_of(facts.invoice, ports) if a.hard)
    choice = choose_payer(facts.invoice, ports, on, hard)
    if choice.method is None:
        return Step(False, choice.skipped)
    if not facts.settings.payment_run.enabled:
        return Step(False, "payment_run_off")
    return Step(False, "retry_scheduled", next_on=on)


def _charged(choice: Choice, facts: _Facts, ports: Ports) -> Step:
    if choice.method is None:
        return Step(False, choice.skipped)
    token = choice.method.token
    tries = with_card(tries_of(facts.customer.id, ports), token, ports)
    if tries.at_limit(token, facts.now, facts.settings.retries.max_attempts_per_card_30_days):
        return Step(False, "card_limit")
    step = _next_payment_run(facts)
    return replace(step, reason="gateway_failed") if _not_processed(facts.invoice, ports) else step


def _not_processed(invoice: Invoice, ports: Ports) -> bool:
    """Whether the last attempt never got through: nothing but the gateway is against it."""
    last = ports.store.get(Payment, attempt_id(invoice.id, invoice.attempts)) if invoice.attempts else None
    return last is not None and last.status == "failed"


def _next_payment_run(facts: _Facts) -> Step:
    """Nothing is against it but that no payment run has come by yet."""
    payment_run, zone = facts.settings.payment_run, facts.settings.business.timezone
    if not payment_run.enabled:
        return Step(False, "payment_run_off")
    at = parse_cron(payment_run.schedule).next_after(facts.now, zone)
    return Step(False, "payment_run_due", next_on=local_date(at, facts.customer.zone(facts.settings)))


def _after_hold(facts: _Facts) -> date | None:
    """The day after the last hold ends; None if an end is not known."""
    holds = [h for h in (facts.invoice.hold, facts.customer.hold) if h is not None and h.covers(facts.on)]
    ends = [h.through for h in holds if h.through is not None]
    return max(ends) + timedelta(days=1) if holds and len(ends) == len(holds) else None


def _chased(facts: _Facts, ports: Ports) -> Step:
    """Whether the customer was told of the running episode; the notice lists everything past due."""
    invoice, on = facts.invoice, facts.on
    status = invoice.payment_status(on)
    if status is None or status == "paid":
        return Step(False, "not_posted" if invoice.status == "draft" else status or invoice.status)
    if status != "overdue" or invoice.due_on is None:
        first = min(t.from_days for t in facts.settings.automations.past_due.tiers)
        next_on = invoice.due_on + timedelta(days=first) if invoice.due_on else None
        off = why_off("past_due", facts.customer, facts.settings, on)
        return Step(False, "not_due", next_on=None if off else next_on)
    account = account_of(facts.customer.id, ports)
    told = _told(account, ports)
    if told is not None and told.status == "sent":
        return Step(True, at=told.sent_at, next_on=account.next_step.on if account.next_step else None)
    off = why_off("past_due", facts.customer, facts.settings, on)
    untold = told.reason or told.status if told is not None else _why_not_chased(facts, ports)
    return Step(False, off or untold, next_on=account.next_step.on if account.next_step else None)


def _told(account: Account, ports: Ports) -> Notice | None:
    """The most severe past-due notice of the running episode."""
    keys = [(notice_id(account.customer_id, k, account.customer_id, str(account.since)), "") for k in PAST_DUE_KINDS]
    return next(iter(ports.store.get_many(Notice, keys)), None)


def _why_not_chased(facts: _Facts, ports: Ports) -> str:
    """The threshold is compared with all that is past due under the invoice's policy."""
    invoice, on = facts.invoice, facts.on
    if invoice.on_hold(on) or facts.customer.on_hold(on):
        return "on_hold"
    if invoice.open_attempt_id is not None:
        return "attempt_open"
    late = [i for i in open_invoices(ports, facts.customer.id) if i.payment_status(on) == "overdue"]
    chased = {i.id for i in chasable(late, facts.customer, facts.its_class, on)}
    return "pending" if invoice.id in chased else "below_threshold"

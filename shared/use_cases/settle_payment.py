"""Settling an attempt: what the gateway said is written down once, whoever heard it. PRODUCT 7."""

from __future__ import annotations

from datetime import date

from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.errors import NotFound
from shared.domain.ids import derive_id
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice
from shared.domain.payment import Allocation, ChargeOutcome, CreditBalance, Payment, PaymentMethod, attempt_id
from shared.domain.retry import ASK_A_PERSON_AFTER, RETRY_STALE, next_attempt, next_check
from shared.domain.settings import Settings
from shared.domain.task import Task
from shared.domain.terms import collection_date
from shared.ports import Change, Conflict, Ports, Save, Unavailable
from shared.use_cases.card_tries import tries_of, with_card
from shared.use_cases.lookups import CONFLICT_RETRIES, class_of, customer_of, invoice_of, local_on, settings_of
from shared.use_cases.money_events import payment_events
from shared.use_cases.notices import hint, payment_notice
from shared.use_cases.outbox import announce
from shared.use_cases.refresh_episode import refresh_episode

Settlement = tuple[list[Change], Notice | None, Payment]


def settle(attempt: Payment, outcome: ChargeOutcome, ports: Ports, asked: bool = False) -> Payment:
    """Write down what became of an attempt, as the caller knows it: payment, invoice, credit and notice in one
    transaction.

    Whoever learns of the outcome may call this, in any order and more than once: only the first has an effect. The one
    exception is a success after something else was believed: money that was taken is never forgotten. `asked` says
    that the outcome is an answer to a question, not to the charge itself.
    """
    payment = attempt
    for _ in range(CONFLICT_RETRIES):
        belied = payment.status in ("failed", "declined") and outcome.status == "succeeded"
        if not payment.unresolved and not belied:
            if payment.status == "succeeded":
                refresh_episode(payment.customer_id, ports)  # who settled it may have died before that
            return payment
        changes, notice, settled = _settlement(payment, outcome, ports, asked)
        if belied:
            changes.append(Save(_contradiction(payment, ports)))
        events = payment_events(settled, ports)
        try:
            ports.store.commit(*changes, *map(Save, events))
        except Conflict:
            payment = _as_it_is_now(attempt, ports)
            continue
        announce(ports, *(e.id for e in events))
        if notice is not None:
            hint(ports, notice.id)
        if settled.status == "succeeded":
            refresh_episode(settled.customer_id, ports)
        return replace(settled, version=payment.version + 1)
    raise Unavailable(f"payment {attempt.id} kept changing while it was settled")


def _as_it_is_now(attempt: Payment, ports: Ports) -> Payment:
    payment = ports.store.get(Payment, attempt.id)
    if payment is None:
        raise NotFound("payment", attempt.id)
    return payment


def _settlement(payment: Payment, outcome: ChargeOutcome, ports: Ports, asked: bool) -> Settlement:
    if outcome.status == "unknown":
        return _still_unknown(payment, ports, asked)
    invoice = invoice_of(ports, payment.invoice_id or "")
    customer, settings = customer_of(ports, payment.customer_id), settings_of(ports)
    payment = replace(payment, gateway_id=outcome.gateway_id, code=outcome.code, next_check_at=None)
    if outcome.status == "succeeded":
        return _succeeded(payment, invoice, customer, ports)
    if outcome.status == "failed":
        failed = replace(payment, status="failed")
        token = payment.token or ""
        tries = with_card(tries_of(customer.id, ports), token, ports).not_tried(token, payment.at)
        return [Save(failed), Save(_unlocked(invoice, payment)), Save(tries)], None, failed
    return _declined(replace(payment, hard=outcome.hard), invoice, customer, settings, ports)


def _still_unknown(payment: Payment, ports: Ports, asked: bool) -> Settlement:
    """Ask again later; a person is asked once it has gone on for too long."""
    now = ports.clock.now()
    checks = payment.checks + asked
    unknown = replace(payment, status="unknown", next_check_at=next_check(checks, now), checks=checks)
    changes: list[Change] = [Save(unknown)]
    task_id = derive_id("tsk_", "payment_unknown", payment.id)
    if now - payment.at >= ASK_A_PERSON_AFTER and ports.store.get(Task, task_id) is None:
        reason = f"the gateway has not said for 7 days what became of payment {payment.id}; look it up there"
        changes.append(Save(Task(task_id, "payment_unknown", reason, payment.id, now, payment.customer_id)))
    return changes, None, unknown


def _contradiction(payment: Payment, ports: Ports) -> Task:
    reason = f"payment {payment.id} was {payment.status}, yet the gateway took the money: see that it is not paid twice"
    return Task(
        derive_id("tsk_", "payment_contradiction", payment.id), "payment_contradiction", reason, payment.id,
        ports.clock.now(), payment.customer_id,
    )  # fmt: skip


def _succeeded(payment: Payment, invoice: Invoice, customer: Customer, ports: Ports) -> Settlement:
    """The residual is paid; what came on top, because something else paid meanwhile, is the customer's credit."""
    now = ports.clock.now()
    paid = min(payment.amount_minor, invoice.residual_minor) if invoice.status == "posted" else 0
    allocations = (Allocation(invoice.id, paid),) if paid else ()
    over = payment.amount_minor - paid
    settled = replace(
        payment, status="succeeded", hard=None, next_attempt_on=None, allocations=allocations, credited_minor=over,
        settled_at=now,
    )  # fmt: skip
    unlocked = _unlocked(invoice, payment)
    changes: list[Change] = [Save(settled), Save(unlocked.paid(paid, now) if paid else unlocked)]
    if over:
        changes.append(Save(grown_credit(customer.id, payment.currency, over, ports)))
    notice = payment_notice("payment_received", settled, customer, now)
    return changes + ([Save(notice)] if notice else []), notice, settled


def _declined(payment: Payment, invoice: Invoice, customer: Customer, settings: Settings, ports: Ports) -> Settlement:
    """The customer is told, and what follows for the invoice is written down with it."""
    on = local_on(payment.at, customer, settings)
    if ports.clock.now() - payment.at >= RETRY_STALE:
        payment = replace(payment, falls_through=False)  # heard of so late, no other rule follows
    early = _collected_later(payment, invoice, customer, on, ports)
    invoice = _unlocked(invoice, payment)
    if early is None:
        invoice = _rescheduled(payment, invoice, customer, settings, ports)
    again = on if payment.falls_through else early or invoice.next_attempt_on
    declined = replace(payment, status="declined", next_attempt_on=again)
    notice = payment_notice("payment_failed", declined, customer, ports.clock.now())
    return [Save(declined), Save(invoice), *([Save(notice)] if notice else [])], notice, declined


def _collected_later(
    payment: Payment, invoice: Invoice, customer: Customer, on: date, ports: Ports
) -> date | None:  # fmt: skip
    """The collection date that is still to come, if a card was declined softly that a person tried before it: that is
    when it is charged automatically, and nothing of the schedule is used up.
    """
    if payment.run_id is not None or payment.hard or invoice.autopay_ended or invoice.next_attempt_on is not None:
        return None
    rule = class_of(ports, customer.class_id).policy(invoice.type).auto_charge
    due_on = collection_date(invoice, rule) if rule is not None else on
    return due_on if due_on > on else None


def _rescheduled(payment: Payment, invoice: Invoice, customer: Customer, settings: Settings, ports: Ports) -> Invoice:
    """A soft decline is retried by the schedule; a hard one, or the end of the schedule, ends automatic collection.

    An invoice that has left automatic collection stays out of it whatever is tried by hand, and a card that is refused
    for good when a person tries it says nothing about the one that pays automatically.
    """
    by_hand = payment.run_id is None
    if invoice.autopay_ended or (by_hand and (payment.hard or not _automatic(invoice, customer, ports))):
        return invoice
    on = local_on(payment.at, customer, settings)
    over = _hard_for_all(payment, invoice, ports)
    if payment.hard and not over and _tried_early(payment, invoice, on, ports):
        return invoice  # the cards before it still have the retry that waits for its day
    again = None if over else next_attempt(settings.retries.retry_days, invoice.retries, on)
    retries = invoice.retries if payment.falls_through else invoice.retries + 1  # rules tried in one go count once
    return replace(invoice, next_attempt_on=again, retries=retries, autopay_ended=again is None)


def _tried_early(payment: Payment, invoice: Invoice, on: date, ports: Ports) -> bool:
    """Whether a new method was tried before the day of the retry that the others wait for."""
    if invoice.next_attempt_on is None or invoice.next_attempt_on <= on:
        return False
    return all(a.run_id != payment.run_id or a.id == payment.id for a in attempts_of(invoice, ports))


def _automatic(invoice: Invoice, customer: Customer, ports: Ports) -> bool:
    return class_of(ports, customer.class_id).policy(invoice.type).auto_charge is not None


def _hard_for_all(payment: Payment, invoice: Invoice, ports: Ports) -> bool:
    """A hard decline ends collection, but not while another rule comes next or another method waits for its retry:
    one that was declined only softly, in this run or before it.
    """
    if not payment.hard or payment.falls_through:
        return False
    declined = [a for a in attempts_of(invoice, ports) if a.status == "declined"]
    waiting = [a for a in declined if a.run_id == payment.run_id or invoice.next_attempt_on is not None]
    spent = {payment.payment_method_id, *(a.payment_method_id for a in declined if a.hard)}
    others = {a.payment_method_id or "" for a in waiting} - spent
    return not ports.store.get_many(PaymentMethod, [(payment.customer_id, id) for id in sorted(others)])


def attempts_of(invoice: Invoice, ports: Ports) -> list[Payment]:
    """Every attempt ever opened on it, in order."""
    return ports.store.get_many(Payment, [(attempt_id(invoice.id, n), "") for n in range(1, invoice.attempts + 1)])


def _unlocked(invoice: Invoice, payment: Payment) -> Invoice:
    return invoice.attempt_closed() if invoice.open_attempt_id == payment.id else invoice


def grown_credit(customer_id: str, currency: str, by_minor: int, ports: Ports) -> CreditBalance:
    """The customer's credit with so much more, to be saved."""
    balance = ports.store.get(CreditBalance, customer_id, currency) or CreditBalance(customer_id, currency)
    return replace(balance, amount_minor=balance.amount_minor + by_minor)

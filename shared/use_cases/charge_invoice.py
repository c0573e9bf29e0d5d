"""Charging an invoice: the attempt is stored before the gateway hears of it, then settled with its answer. PRODUCT 7."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

from shared import ports as p
from shared.domain.autopay import RULES_MAX
from shared.domain.customer import Customer
from shared.domain.errors import NotFound, Refused
from shared.domain.ids import derive_id
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice
from shared.domain.payment import Allocation, ChargeOutcome, CreditBalance, Payment, PaymentMethod, attempt_id
from shared.domain.retry import ASK_A_PERSON_AFTER, next_attempt, next_check
from shared.domain.settings import Settings
from shared.domain.task import Task
from shared.ports import Change, Check, Conflict, Ports, Save, Unavailable
from shared.use_cases.autopay_rules import Choice, choose_by_hand, choose_payer
from shared.use_cases.lookups import CONFLICT_RETRIES, customer_of, invoice_of, local_on, settings_of, shards, today
from shared.use_cases.notices import hint, payment_notice
from shared.use_cases.refresh_episode import refresh_episode

SkipReason = Literal[
    "not_posted", "not_due", "on_hold", "no_rule", "autopay_off", "no_payment_method", "attempt_open",
    "retry_scheduled", "attempts_exhausted", "card_limit", "nothing_due", "service_terminated",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class ChargeResult:
    """A payment with its outcome, or the reason why nothing was charged."""

    payment: Payment | None = None
    skipped: SkipReason | None = None


def why_not_chargeable(invoice: Invoice, customer: Customer, on: date) -> SkipReason | None:
    """What forbids any charge on the invoice, whoever asks for it."""
    if invoice.status != "posted":
        return "not_posted"
    if invoice.residual_minor <= 0:
        return "nothing_due"
    if invoice.open_attempt_id is not None:
        return "attempt_open"
    if invoice.on_hold(on) or customer.on_hold(on):
        return "on_hold"
    return "service_terminated" if customer.service == "terminated" else None


def charge_invoice(
    invoice_id: str, ports: Ports, payment_method_id: str | None = None,
    run_id: str | None = None, as_of: datetime | None = None,
) -> ChargeResult:  # fmt: skip
    """Charge one invoice's residual once. At most one attempt is open per invoice; reconcile_payments settles the
    ones whose outcome is unknown.

    A run charges by the customer's autopay rules on the local date of `as_of`, and goes on to the next rule after a
    decline if the customer's list says so; a rule, and a method, is tried once per run.
    """
    result = _charge_once(invoice_id, ports, payment_method_id, run_id, as_of)
    for _ in range(RULES_MAX):
        if result.payment is None or not (result.payment.falls_through and result.payment.status == "declined"):
            break
        following = _charge_once(invoice_id, ports, None, run_id, as_of)
        if following.payment is None:
            break
        result = following
    return result


def _charge_once(
    invoice_id: str, ports: Ports, payment_method_id: str | None, run_id: str | None, as_of: datetime | None
) -> ChargeResult:
    for _ in range(CONFLICT_RETRIES):
        invoice = invoice_of(ports, invoice_id)
        customer, settings = customer_of(ports, invoice.customer_id), settings_of(ports)
        if (reason := why_not_chargeable(invoice, customer, today(ports, customer, settings))) is not None:
            return ChargeResult(skipped=reason)
        on = local_on(as_of or ports.clock.now(), customer, settings)
        if run_id is None:
            choice = choose_by_hand(invoice, payment_method_id, ports, on)
        else:
            choice = choose_payer(invoice, ports, on, _spent(invoice, run_id, ports))
        if choice.method is None:
            return ChargeResult(skipped=choice.skipped)
        try:
            attempt = open_attempt(invoice, customer, choice.method, choice, run_id, ports)
        except Conflict:
            continue
        return ChargeResult(settle(attempt.id, ports.gateway.charge(attempt), ports))
    raise Unavailable(f"invoice {invoice_id} kept changing while it was charged")


def _spent(invoice: Invoice, run_id: str, ports: Ports) -> frozenset[str]:
    """The methods not to try on the invoice: declined for good, or declined in this run."""
    declined = (a for a in attempts_of(invoice, ports) if a.status == "declined")
    return frozenset(a.payment_method_id or "" for a in declined if a.hard or a.run_id == run_id)


def attempts_of(invoice: Invoice, ports: Ports) -> list[Payment]:
    """Every attempt ever opened on it, in order."""
    return ports.store.get_many(Payment, [(attempt_id(invoice.id, n), "") for n in range(1, invoice.attempts + 1)])


def open_attempt(
    invoice: Invoice, customer: Customer, method: PaymentMethod, choice: Choice, run_id: str | None, ports: Ports
) -> Payment:
    """Store the attempt and lock the invoice with it, provided invoice and customer (its holds) are as they were read."""
    now = ports.clock.now()
    ordinal = invoice.attempts + 1
    attempt = Payment(
        id=attempt_id(invoice.id, ordinal), customer_id=customer.id, currency=invoice.currency, method="card",
        amount_minor=invoice.residual_minor, status="pending", at=now, invoice_id=invoice.id, attempt=ordinal,
        payment_method_id=method.id, token=method.token, run_id=run_id, next_check_at=next_check(0, now),
        rule_id=choice.rule_id, ignored_rule_ids=choice.ignored, falls_through=choice.falls_through,
    )  # fmt: skip
    ports.store.commit(Save(attempt), Save(invoice.attempt_opened(attempt.id)), Check(customer))
    return replace(attempt, version=1)


# ---- settlement -----------------------------------------------------------------------------------------------


def settle(payment_id: str, outcome: ChargeOutcome, ports: Ports) -> Payment:
    """Write down what became of an attempt: payment, invoice, credit and notice in one transaction.

    Whoever learns of the outcome may call this, in any order and more than once: only the first has an effect.
    """
    for _ in range(CONFLICT_RETRIES):
        payment = ports.store.get(Payment, payment_id)
        if payment is None:
            raise NotFound("payment", payment_id)
        if not payment.unresolved:
            return payment
        changes, notice, settled = _settlement(payment, outcome, ports)
        try:
            ports.store.commit(*changes)
        except Conflict:
            continue
        if notice is not None:
            hint(ports, notice.id)
        if settled.status == "succeeded":
            refresh_episode(settled.customer_id, ports)
        return settled
    raise Unavailable(f"payment {payment_id} kept changing while it was settled")


def _settlement(payment: Payment, outcome: ChargeOutcome, ports: Ports) -> tuple[list[Change], Notice | None, Payment]:
    if outcome.status == "unknown":
        return _still_unknown(payment, ports)
    invoice = invoice_of(ports, payment.invoice_id or "")
    customer, settings = customer_of(ports, payment.customer_id), settings_of(ports)
    payment = replace(payment, gateway_id=outcome.gateway_id, code=outcome.code, next_check_at=None)
    if outcome.status == "succeeded":
        return _succeeded(payment, invoice, customer, ports)
    if outcome.status == "failed":
        failed = replace(payment, status="failed")
        return [Save(failed), Save(_unlocked(invoice, payment))], None, failed
    return _declined(replace(payment, hard=outcome.hard), invoice, customer, settings, ports)


def _still_unknown(payment: Payment, ports: Ports) -> tuple[list[Change], Notice | None, Payment]:
    """Ask again later; a person is asked once it has gone on for too long."""
    now = ports.clock.now()
    check_at = next_check(payment.checks, now)
    unknown = replace(payment, status="unknown", next_check_at=check_at, checks=payment.checks + 1)
    changes: list[Change] = [Save(unknown)]
    task_id = derive_id("tsk_", "payment_unknown", payment.id)
    if now - payment.at >= ASK_A_PERSON_AFTER and ports.store.get(Task, task_id) is None:
        reason = f"the gateway has not said for 7 days what became of payment {payment.id}; look it up there"
        changes.append(Save(Task(task_id, "payment_unknown", reason, payment.id, now, payment.customer_id)))
    return changes, None, unknown


def _succeeded(
    payment: Payment, invoice: Invoice, customer: Customer, ports: Ports
) -> tuple[list[Change], Notice | None, Payment]:
    """The residual is paid; what came on top, because something else paid meanwhile, is the customer's credit."""
    now = ports.clock.now()
    paid = min(payment.amount_minor, invoice.residual_minor) if invoice.status == "posted" else 0
    allocations = (Allocation(invoice.id, paid),) if paid else ()
    over = payment.amount_minor - paid
    settled = replace(payment, status="succeeded", allocations=allocations, credited_minor=over)
    unlocked = _unlocked(invoice, payment)
    changes: list[Change] = [Save(settled), Save(unlocked.paid(paid, now) if paid else unlocked)]
    if over:
        changes.append(Save(grown_credit(customer.id, payment.currency, over, ports)))
    notice = payment_notice("payment_received", settled, customer, now)
    return changes + ([Save(notice)] if notice else []), notice, settled


def _declined(
    payment: Payment, invoice: Invoice, customer: Customer, settings: Settings, ports: Ports
) -> tuple[list[Change], Notice | None, Payment]:
    """A soft decline is retried by the schedule; a hard one, or the end of the schedule, ends automatic collection."""
    now = ports.clock.now()
    on = local_on(payment.at, customer, settings)
    over = _hard_for_all(payment, invoice, ports)
    again = None if over else next_attempt(settings.retries.retry_days, invoice.retries, on)
    declined = replace(payment, status="declined", next_attempt_on=on if payment.falls_through else again)
    retries = invoice.retries if payment.falls_through else invoice.retries + 1  # rules tried in one go count once
    unlocked = replace(_unlocked(invoice, payment), next_attempt_on=again, retries=retries, autopay_ended=again is None)
    notice = payment_notice("payment_failed", declined, customer, now)
    return [Save(declined), Save(unlocked), *([Save(notice)] if notice else [])], notice, declined


def _hard_for_all(payment: Payment, invoice: Invoice, ports: Ports) -> bool:
    """A hard decline ends collection, but not while another rule comes next or has a method declined only softly."""
    if not payment.hard or payment.falls_through:
        return False
    if payment.rule_id is None:
        return True
    attempts = attempts_of(invoice, ports)
    return not any(a.status == "declined" and not a.hard and a.run_id == payment.run_id for a in attempts)


def _unlocked(invoice: Invoice, payment: Payment) -> Invoice:
    return invoice.attempt_closed() if invoice.open_attempt_id == payment.id else invoice


def grown_credit(customer_id: str, currency: str, by_minor: int, ports: Ports) -> CreditBalance:
    balance = ports.store.get(CreditBalance, customer_id, currency) or CreditBalance(customer_id, currency)
    return replace(balance, amount_minor=balance.amount_minor + by_minor)


# ---- attempts nobody settled ----------------------------------------------------------------------------------


def reconcile_payments(ports: Ports) -> dict[str, int]:
    """Ask the gateway about every attempt whose time to ask has come; how many had which outcome."""
    limit = ports.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ~")
    counts: dict[str, int] = {}
    for shard in shards():
        page = ports.store.find(p.PAYMENTS_UNRESOLVED, shard, last=limit)
        for payment in ports.store.get_many(Payment, [e.key for e in page.items]):
            if payment.unresolved:
                status = settle(payment.id, ports.gateway.look_up(payment), ports).status
                counts[status] = counts.get(status, 0) + 1
    return counts


def charge_by_hand(invoice_id: str, ports: Ports, payment_method_id: str | None = None) -> Payment:
    """As charge_invoice, but what forbids it is an error that says so."""
    result = charge_invoice(invoice_id, ports, payment_method_id)
    if result.payment is None:
        raise Refused(result.skipped or "", f"invoice {invoice_id} cannot be charged: {result.skipped}")
    return result.payment

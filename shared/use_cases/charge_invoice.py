"""Charging an invoice: the attempt is stored before the gateway hears of it, then settled with its answer. PRODUCT 7.

Nothing is counted or believed from an index here: the invoice knows its last attempt, and only one can be open.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from shared.contracts.messages import RetryCharge
from shared.domain.autopay import RULES_MAX
from shared.domain.card import CardTries
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.errors import Refused
from shared.domain.invoice import Invoice
from shared.domain.payment import ChargeOutcome, Payment, PaymentMethod, attempt_id
from shared.domain.policy import CustomerClass
from shared.domain.retry import RETRY_STALE, next_check
from shared.domain.runs import PaymentRun
from shared.domain.settings import Settings, SettingsGate
from shared.domain.values import dataclass
from shared.ports import Change, Check, Conflict, Ports, Save, Unavailable
from shared.use_cases.autopay_rules import Choice, SkipReason, choose_by_hand, choose_payer
from shared.use_cases.card_tries import tries_of, with_card
from shared.use_cases.lookups import (
    CONFLICT_RETRIES,
    class_of,
    customer_of,
    gate_of,
    invoice_of,
    local_on,
    settings_of,
)
from shared.use_cases.new_methods import choose_new, same_cards
from shared.use_cases.payment_methods import methods_of
from shared.use_cases.settle_payment import attempts_of, settle

FAILED_RETRY_SECONDS = (60, 300, 900)  # how long a call that the gateway did not process waits for the next try


@dataclass(frozen=True, slots=True)
class ChargeResult:
    """A payment with its outcome, or the reason why nothing was charged."""

    payment: Payment | None = None
    skipped: SkipReason | None = None


# ---- what forbids it ------------------------------------------------------------------------------------------


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


@dataclass(frozen=True, slots=True)
class Read:
    """What a charge depends on, as it was read: the claim fails if any of it changed since.

    The customer by way of `tries`, which were read before him and are changed by what forbids to charge him.
    """

    invoice: Invoice
    tries: CardTries
    customer: Customer
    settings: Settings
    gate: SettingsGate | None  # of scheduled runs, which stop when the payment run is switched off
    now: datetime


def read_for_charge(invoice_id: str, run: PaymentRun | None, ports: Ports) -> Read:
    """As it is now, with what a claim made on it must check."""
    scheduled = run is not None and run.scheduled_for is not None
    gate = gate_of(ports, invoice_id) if scheduled else None  # before the settings
    invoice = invoice_of(ports, invoice_id)
    tries = tries_of(invoice.customer_id, ports)  # before the customer
    customer = customer_of(ports, invoice.customer_id)
    return Read(invoice, tries, customer, settings_of(ports), gate, ports.clock.now())


def _why_left_alone(read: Read, run: PaymentRun, again: bool, ports: Ports) -> SkipReason | None:
    """What keeps a payment run from charging the invoice, besides the customer's rules. `again`: it goes on at once."""
    invoice, customer = read.invoice, read.customer
    on = local_on(run.occurred_at, customer, read.settings)
    if (reason := why_not_chargeable(invoice, customer, on)) is not None:
        return reason
    if read.gate is not None and not read.settings.payment_run.enabled:
        return "autopay_off"
    return why_outside_autopay(invoice, class_of(ports, customer.class_id), on, again)


def why_outside_autopay(invoice: Invoice, its_class: CustomerClass, on: date, again: bool = False) -> SkipReason | None:
    """What the class and the attempts so far say against a charge on a date of a run."""
    if its_class.policy(invoice.type).auto_charge is None:
        return "autopay_off"
    if again:
        return None
    if invoice.autopay_ended:
        return "autopay_off" if invoice.refunded_minor else "attempts_exhausted"  # what was given back is outside it
    return "retry_scheduled" if invoice.next_attempt_on is not None and invoice.next_attempt_on > on else None


# ---- charging -------------------------------------------------------------------------------------------------


def charge_invoice(
    invoice_id: str, ports: Ports, payment_method_id: str | None = None, run: PaymentRun | None = None,
    again: bool = False,
) -> ChargeResult:  # fmt: skip
    """Charge one invoice's residual once. At most one attempt is open per invoice; reconcile_payments settles the
    ones whose outcome is unknown.

    A run charges by the customer's autopay rules on its own local date, and goes on to the next rule after a decline if
    the customer's list says so; a rule, and a method, is tried once per run. `again` says that this goes on with it.
    """
    result = _charge_once(invoice_id, ports, payment_method_id, run, again)
    for _ in range(RULES_MAX):
        if result.payment is None or not goes_on(result.payment):
            break
        following = _charge_once(invoice_id, ports, None, run, again=True)
        if following.payment is None:
            break
        result = following
    return result


def goes_on(payment: Payment) -> bool:
    """Whether the next rule is to be tried at once."""
    return payment.status == "declined" and payment.falls_through


def _charge_once(
    invoice_id: str, ports: Ports, payment_method_id: str | None, run: PaymentRun | None, again: bool
) -> ChargeResult:
    for _ in range(CONFLICT_RETRIES):
        read = read_for_charge(invoice_id, run, ports)
        today = local_on(read.now, read.customer, read.settings)
        reason = why_not_chargeable(read.invoice, read.customer, today)
        if reason is not None:
            return ChargeResult(skipped=reason)
        if run is None:
            choice = choose_by_hand(read.invoice, payment_method_id, ports, today, _spent(read.invoice, None, ports))
        else:
            choice = _choose(read, run, again, ports)
        if choice.method is None:
            return ChargeResult(skipped=choice.skipped)
        tries = with_card(read.tries, choice.method.token, ports)
        if tries.at_limit(choice.method.token, read.now, read.settings.retries.max_attempts_per_card_30_days):
            return ChargeResult(skipped="card_limit")
        try:
            attempt = open_attempt(read, choice.method, tries, choice, run, ports)
        except Conflict:
            continue
        return ChargeResult(settle(attempt, ports.gateway.charge(attempt), ports))
    raise Unavailable(f"invoice {invoice_id} kept changing while it was charged")


def _choose(read: Read, run: PaymentRun, again: bool, ports: Ports) -> Choice:
    """Who pays in a run, or why nobody does. What is to be retried, or has left autopay, a new method may pay first."""
    invoice, on = read.invoice, local_on(run.occurred_at, read.customer, read.settings)
    reason = _why_left_alone(read, run, again, ports)
    declined = invoice.next_attempt_on is not None or invoice.autopay_ended
    if declined and not again and reason in (None, "retry_scheduled", "attempts_exhausted"):
        new = choose_new(invoice, ports, on)
        if new is not None:
            return new
    if reason is not None:
        return Choice(skipped=reason)
    return choose_payer(invoice, ports, on, _spent(invoice, run, ports))


def _spent(invoice: Invoice, run: PaymentRun | None, ports: Ports) -> frozenset[str]:
    """The methods not to try on the invoice: declined for good, or declined in this run."""
    if not invoice.attempts:
        return frozenset()
    declined = [a for a in attempts_of(invoice, ports) if a.status == "declined"]
    spent = frozenset(a.payment_method_id or "" for a in declined if a.hard or (run and a.run_id == run.id))
    hard = [a.token for a in declined if a.hard]
    return spent | same_cards(methods_of(invoice.customer_id, ports), hard) if hard else spent


def open_attempt(
    read: Read, method: PaymentMethod, tries: CardTries, choice: Choice, run: PaymentRun | None, ports: Ports,
    submission_id: str | None = None,
) -> Payment:  # fmt: skip
    """Store the attempt, lock the invoice with it and count it, provided that everything is as it was read.

    `tries` are what was read, with the card's: they have changed if the customer was put on hold, or the card removed.
    """
    invoice, ordinal = read.invoice, read.invoice.attempts + 1
    attempt = Payment(
        id=attempt_id(invoice.id, ordinal), customer_id=invoice.customer_id, currency=invoice.currency, method="card",
        amount_minor=invoice.residual_minor, status="pending", at=read.now, invoice_id=invoice.id, attempt=ordinal,
        payment_method_id=method.id, token=method.token, run_id=run.id if run else None,
        submission_id=submission_id,
        next_check_at=next_check(0, read.now), rule_id=choice.rule_id, ignored_rule_ids=choice.ignored,
        falls_through=choice.falls_through,
    )  # fmt: skip
    gate: list[Change] = [Check(read.gate)] if read.gate else []
    counted = tries.tried(method.token, read.now, ports.ids.new(""))
    ports.store.commit(Save(attempt), Save(invoice.attempt_opened(attempt.id)), Save(counted), *gate)
    return replace(attempt, version=1)


def charge_by_hand(invoice_id: str, ports: Ports, payment_method_id: str | None = None) -> Payment:
    """As charge_invoice, but what forbids it is an error that says so."""
    result = charge_invoice(invoice_id, ports, payment_method_id)
    if result.payment is None:
        raise Refused(result.skipped or "", f"invoice {invoice_id} cannot be charged: {result.skipped}")
    return result.payment


def charged_by_hand_since(since: datetime, invoice_id: str, ports: Ports) -> Payment | None:
    """The invoice's last attempt, if a person made it then: what a request that is made again has to answer."""
    invoice = invoice_of(ports, invoice_id)
    last = ports.store.get(Payment, attempt_id(invoice_id, invoice.attempts)) if invoice.attempts else None
    if last is None or last.run_id is not None or last.submission_id is not None or last.at < since:
        return None
    return last


# ---- calls that the gateway did not process -------------------------------------------------------------------


class NotProcessed(Unavailable):
    """The gateway still does not process a run's charge. The message that asks for it stays in its queue."""


def retry_later(payment: Payment, ports: Ports) -> bool:
    """Have a run's failed call tried again soon, a few times, and a late decline go on to the next rule; whether
    anything will be tried. Safe to repeat. What is only found out another day is left to the next payment run.
    """
    return _asked_again(payment, ports, settled=True)


def retry_once_settled(payment: Payment, outcome: ChargeOutcome, ports: Ports) -> bool:
    """As retry_later, before an outcome that was found out afterwards is written down: nobody would come back to it if
    the one who does so died in between. The message comes when that is done; if it is not, it has no effect.
    """
    if outcome.status not in ("failed", "declined"):
        return False
    return _asked_again(replace(payment, status=outcome.status), ports, settled=not payment.unresolved)


def _asked_again(payment: Payment, ports: Ports, settled: bool) -> bool:
    next_rule = goes_on(payment)
    if (payment.status != "failed" and not next_rule) or payment.run_id is None or payment.attempt is None:
        return False
    attempts = attempts_of(invoice_of(ports, payment.invoice_id or ""), ports)
    tries = failures(attempts, payment.run_id) + (payment.status == "failed" and not settled)
    if attempts[-1].id != payment.id or tries > len(FAILED_RETRY_SECONDS) or _stale(payment, ports):
        return False
    message = RetryCharge(run_id=payment.run_id, invoice_id=payment.invoice_id or "", attempt=payment.attempt)
    delay = FAILED_RETRY_SECONDS[0 if next_rule else tries - 1]
    if next_rule and settled:
        delay = 0
    ports.queue.send("charge", [message.body()], delay_seconds=delay)
    return True


def failures(attempts: Sequence[Payment], run_id: str) -> int:
    """How many of a run's attempts the gateway did not process."""
    return sum(1 for a in attempts if a.run_id == run_id and a.status == "failed")


def _stale(payment: Payment, ports: Ports) -> bool:
    return ports.clock.now() - payment.at >= RETRY_STALE


def retry_failed(run: PaymentRun, invoice_id: str, attempt: int, ports: Ports) -> ChargeResult | None:
    """Charge once more after the gateway did not process an attempt, or by the next rule after one that was declined;
    None if there is nothing to try (any more), which is so once another run or a person has tried since.

    Each failure asks for the next try with a message of its own, as long as FAILED_RETRY_SECONDS has a wait for it. The
    last message is not done before the gateway has said yes or no: it raises NotProcessed, so that the queue delivers
    it again, a few times, each of which tries once more, and then puts it among the dead letters. From there it works
    the same way, whenever it is redriven.
    """
    invoice = invoice_of(ports, invoice_id)
    attempts = [a for a in attempts_of(invoice, ports) if a.run_id == run.id]
    last = attempts[-1] if attempts else None
    if last is None or last.attempt != invoice.attempts:
        return None
    final = failures(attempts, run.id) >= len(FAILED_RETRY_SECONDS)
    if not last.unresolved and last.status != "failed" and not (goes_on(last) and not _stale(last, ports)):
        return None
    if not final and (last.unresolved or last.attempt != attempt):
        retry_later(last, ports)  # done by an earlier delivery, which may not have got round to this
        return None
    result = charge_invoice(invoice_id, ports, run=run, again=any(map(goes_on, attempts)))
    if final and _undecided(result):
        raise NotProcessed(f"the gateway has not processed the charge of invoice {invoice_id} of run {run.id}")
    if result.payment is not None:
        retry_later(result.payment, ports)
    return result


def _undecided(result: ChargeResult) -> bool:
    """Neither yes nor no, nor any reason not to ask."""
    if result.payment is None:
        return result.skipped == "attempt_open"
    return result.payment.status == "failed" or result.payment.unresolved

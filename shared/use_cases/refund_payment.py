"""Giving money back: the refund is stored before the gateway hears of it, then settled with its answer. PRODUCT 7.

What the payment brought as credit is taken from the customer's credit first, at once, so that it cannot be spent
meanwhile. The rest is owed again on the invoices it paid, the last one first, when the refund has succeeded.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shared.domain.copies import replace
from shared.domain.errors import Invalid, NotFound, Refused
from shared.domain.ids import derive_id
from shared.domain.money import format_minor
from shared.domain.outbox import OutboxEvent
from shared.domain.payment import Allocation, ChargeOutcome, CreditBalance, Payment, Refund, refund_key
from shared.domain.retry import ASK_A_PERSON_AFTER, next_check
from shared.domain.task import Task
from shared.ports import Change, Conflict, Ports, Save, Unavailable
from shared.use_cases.lookups import CONFLICT_RETRIES, invoice_of
from shared.use_cases.money_events import refund_events
from shared.use_cases.outbox import announce
from shared.use_cases.settle_payment import grown_credit

REFUNDS_MAX = 100  # of one payment: they are kept in its record
GATEWAY_METHOD = "card"  # the gateway gives back what it took; everything else was given back by hand


def refund_payment(payment_id: str, amount_minor: int | None, ports: Ports, by: str | None = None) -> Payment:
    """Give back part of a payment, or all that is left of it (None). Amounts in minor units.

    Raises Invalid and Refused with nothing moved, also when the gateway says no; Unavailable when it did not process
    the refund. The answer may still be open: then reconcile_refund settles it, and no other refund is taken until it
    has. Asked again with the same new id (see Ids), it returns what became of the first refund.
    """
    refund_id = ports.ids.new("ref_")
    for _ in range(CONFLICT_RETRIES):
        payment = _payment_of(payment_id, ports)
        known = next((r for r in payment.refunds if r.id == refund_id and r.status != "failed"), None)
        if known is not None:
            return _told(payment, known)
        balance = ports.store.get(CreditBalance, payment.customer_id, payment.currency)
        refund = _refund(refund_id, payment, amount_minor, balance, ports.clock.now(), by)
        try:
            opened = _opened(payment, refund, balance, ports)
        except Conflict:
            continue
        if payment.method != GATEWAY_METHOD:
            return opened
        outcome = ports.gateway.refund(opened, refund.amount_minor, refund_key(payment.id, refund.ordinal))
        settled = settle_refund(payment.id, refund.ordinal, outcome, ports)
        return _told(settled, settled.refunds[refund.ordinal - 1])
    raise Unavailable(f"payment {payment_id} kept changing while it was refunded")


def reconcile_refund(payment: Payment, ports: Ports) -> Payment:
    """Ask what became of an open refund, and settle it if the gateway can say."""
    refund = payment.open_refund
    if refund is None:
        return payment
    return settle_refund(payment.id, refund.ordinal, ask_again(payment, refund, ports), ports, asked=True)


def ask_again(payment: Payment, refund: Refund, ports: Ports) -> ChargeOutcome:
    """Ask for an open refund under its own key: the gateway answers with the one that it made, and makes it only if it
    never has. That it turns this question away says nothing of the first time, so only an outcome is believed.
    """
    outcome = ports.gateway.refund(payment, refund.amount_minor, refund_key(payment.id, refund.ordinal))
    return ChargeOutcome("unknown") if outcome.status == "failed" else outcome


# ---- the intent -----------------------------------------------------------------------------------------------


def _payment_of(payment_id: str, ports: Ports) -> Payment:
    payment = ports.store.get(Payment, payment_id)
    if payment is None:
        raise NotFound("payment", payment_id)
    return payment


def _refund(
    refund_id: str, payment: Payment, amount_minor: int | None, balance: CreditBalance | None, now: datetime,
    by: str | None,
) -> Refund:  # fmt: skip
    """The refund asked for, if it is possible."""
    _check_state(payment)
    left = payment.amount_minor - payment.refunded_minor
    amount = left if amount_minor is None else amount_minor
    if amount <= 0:
        raise Invalid("amount", "must be more than zero")
    if amount > left:
        raise Invalid("amount", f"at most {format_minor(left, payment.currency)} of payment {payment.id} is left")
    credit, reopened = sources_of(payment, amount, balance)
    return Refund(refund_id, len(payment.refunds) + 1, amount, "pending", now, by, credit, reopened)


def _check_state(payment: Payment) -> None:
    if payment.method == "credit":
        raise Refused("credit", f"payment {payment.id} is credit that was applied; refund the payment that brought it")
    if payment.status == "refunded":
        raise Refused("refunded", f"payment {payment.id} has been given back in full")
    if payment.status != "succeeded":
        raise Refused("not_succeeded", f"payment {payment.id} is {payment.status}: it brought nothing to give back")
    if payment.open_refund is not None:
        raise Refused("refund_open", f"payment {payment.id} has a refund under way; wait for its outcome")
    if len(payment.refunds) >= REFUNDS_MAX:
        raise Refused("too_many", f"payment {payment.id} has {REFUNDS_MAX} refunds, which is as many as it can have")


def sources_of(
    payment: Payment, amount_minor: int, balance: CreditBalance | None
) -> tuple[int, tuple[Allocation, ...]]:
    """Where the money comes from: first from the credit it brought, as far as that is unspent, then from invoices."""
    credit = min(amount_minor, payment.credit_left_minor, balance.amount_minor if balance else 0)
    reopened: list[Allocation] = []
    missing = amount_minor - credit
    for paid in reversed(payment.allocations_left()):
        part = min(missing, paid.amount_minor)
        if part:
            reopened.append(Allocation(paid.invoice_id, part))
            missing -= part
    if missing:
        most = format_minor(amount_minor - missing, payment.currency)
        raise Refused("credit_spent", f"part of payment {payment.id} became credit and is spent; refund {most} at most")
    return credit, tuple(reopened)


def _opened(payment: Payment, refund: Refund, balance: CreditBalance | None, ports: Ports) -> Payment:
    """Store the refund. Where no gateway holds the money it was given back by hand, and this is the end of it."""
    changes: list[Change] = []
    events: list[OutboxEvent] = []
    if balance is not None and refund.credit_minor:
        changes.append(Save(replace(balance, amount_minor=balance.amount_minor - refund.credit_minor)))
    if payment.method == GATEWAY_METHOD:
        opened = payment.refund_opened(refund, next_check(0, refund.at))
    else:
        opened = payment.refund_opened(refund, None).refund_now(replace(refund, status="succeeded"))
        changes += reopened_by(refund.reopened, ports)
        events = refund_events(payment, refund, ports)
    ports.store.commit(Save(opened), *changes, *map(Save, events))
    announce(ports, *(e.id for e in events))
    return replace(opened, version=payment.version + 1)


# ---- the outcome ----------------------------------------------------------------------------------------------


def settle_refund(payment_id: str, ordinal: int, outcome: ChargeOutcome, ports: Ports, asked: bool = False) -> Payment:
    """Write down what became of an open refund, once, whoever heard of it: payment, invoices and credit together."""
    for _ in range(CONFLICT_RETRIES):
        payment = _payment_of(payment_id, ports)
        refund = payment.open_refund
        if refund is None or refund.ordinal != ordinal:
            return payment
        try:
            changes, settled = _settlement(payment, refund, outcome, asked, ports)
            events = refund_events(payment, refund, ports) if outcome.status == "succeeded" else []
            ports.store.commit(*changes, *map(Save, events))
        except Conflict:
            continue
        announce(ports, *(e.id for e in events))
        return replace(settled, version=payment.version + 1)
    raise Unavailable(f"payment {payment_id} kept changing while its refund was settled")


def _settlement(
    payment: Payment, refund: Refund, outcome: ChargeOutcome, asked: bool, ports: Ports
) -> tuple[list[Change], Payment]:
    if outcome.status == "unknown":
        return _still_open(payment, refund, asked, ports)
    done = outcome.status == "succeeded"
    settled_at = ports.clock.now() if done else None
    now = replace(
        refund, status=outcome.status, gateway_id=outcome.gateway_id, code=outcome.code, settled_at=settled_at
    )  # fmt: skip
    settled = payment.refund_now(now)
    changes: list[Change] = [Save(settled)]
    if done:
        changes += reopened_by(refund.reopened, ports)
    elif refund.credit_minor:
        changes.append(Save(grown_credit(payment.customer_id, payment.currency, refund.credit_minor, ports)))
    return changes, settled


def reopened_by(parts: Sequence[Allocation], ports: Ports) -> list[Change]:
    """The invoices with what is given back owed again. If it is already, the payment has changed too: Conflict."""
    invoices = [invoice_of(ports, part.invoice_id) for part in parts]
    if any(part.amount_minor > i.total_minor - i.residual_minor for part, i in zip(parts, invoices, strict=True)):
        raise Conflict(())
    return [Save(i.reopened(part.amount_minor)) for part, i in zip(parts, invoices, strict=True)]


def _still_open(payment: Payment, refund: Refund, asked: bool, ports: Ports) -> tuple[list[Change], Payment]:
    """Ask again later; a person is asked once it has gone on for too long."""
    now = ports.clock.now()
    checks = refund.checks + asked
    still = payment.refund_now(replace(refund, status="unknown", checks=checks), next_check(checks, now))
    changes: list[Change] = [Save(still)]
    task = _task(payment, refund, now)
    if now - refund.at >= ASK_A_PERSON_AFTER and ports.store.get(Task, task.id) is None:
        changes.append(Save(task))
    return changes, still


def _task(payment: Payment, refund: Refund, now: datetime) -> Task:
    amount = format_minor(refund.amount_minor, payment.currency)
    reason = (
        f"the gateway has not said for 7 days what became of the refund of {amount} {payment.currency} of payment "
        f"{payment.id}; look it up there"
    )
    id = derive_id("tsk_", "refund_unknown", payment.id, refund.ordinal)
    return Task(id, "refund_unknown", reason, payment.id, now, payment.customer_id)


def _told(payment: Payment, refund: Refund) -> Payment:
    """The payment, unless the gateway refused the refund or did not process it."""
    if refund.status == "declined":
        raise Refused("refund_declined", f"the gateway refuses the refund: {refund.code or 'no reason given'}")
    if refund.status == "failed":
        raise Unavailable(f"the gateway did not process the refund of payment {payment.id}: {refund.code}")
    return payment

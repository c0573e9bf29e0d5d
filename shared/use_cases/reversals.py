"""Money that goes back at the gateway itself: refunds made at its dashboard, and disputes. PRODUCT 2, 7.

The gateway is asked for all that it knows of a charge, and what is not written down yet is: in whatever order and
however often it is heard of, each refund and each dispute counts once, by the gateway's id of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from shared import ports as p
from shared.domain.copies import replace
from shared.domain.ids import derive_id
from shared.domain.invoice import Invoice, InvoiceHold
from shared.domain.money import format_minor
from shared.domain.payment import (
    Allocation,
    CreditBalance,
    GatewayDispute,
    GatewayRefund,
    Payment,
    Refund,
    refund_key,
)
from shared.domain.task import Task
from shared.ports import Change, Conflict, Ports, Save, Unavailable
from shared.use_cases.look_again import look_again
from shared.use_cases.lookups import CONFLICT_RETRIES
from shared.use_cases.money_events import refund_events
from shared.use_cases.outbox import announce
from shared.use_cases.refund_payment import reopened_by, sources_of
from shared.use_cases.settle_payment import grown_credit

BY: Final = "gateway"
DISPUTED: Final = InvoiceHold("dispute")
CREDIT_PAGES_MAX: Final = 25  # pages of a customer's payments looked through for credit that was applied


def take_back(payment_id: str, ports: Ports) -> bool:
    """Write down what the gateway says went back of a payment; whether anything of it was news. Safe to repeat.

    A refund reopens what the payment paid, outside autopay, like one that was asked for here. A dispute puts the
    invoice on hold and asks a person; once it is lost, it counts as a refund. Raises Unavailable to be told again.
    """
    payment = ports.store.get(Payment, payment_id)
    if payment is None or payment.status not in ("succeeded", "refunded"):
        return False
    given = ports.gateway.given_back(payment)
    news = [_disputed(payment, d, ports) for d in given.disputes if d.status != "won"]
    lost = [GatewayRefund(d.id, d.amount_minor) for d in given.disputes if d.status == "lost"]
    news += [_refunded(payment, back, ports) for back in (*given.refunds, *lost)]
    return any(news)


# ---- refunds --------------------------------------------------------------------------------------------------


def _refunded(payment: Payment, back: GatewayRefund, ports: Ports) -> bool:
    known = _known(payment, back)
    if known is None:
        return back.succeeded and _recorded(payment.id, back, ports)
    if known.open or (known.status == "succeeded") == back.succeeded:
        return False
    return _asked(_contradiction(payment, known, back, ports), ports)


def _known(payment: Payment, back: GatewayRefund) -> Refund | None:
    """Ours by its key, or one that was written down before by its id."""
    ours = (r for r in payment.refunds if back.id == r.gateway_id or back.key == refund_key(payment.id, r.ordinal))
    return next(ours, None)


def _recorded(payment_id: str, back: GatewayRefund, ports: Ports) -> bool:
    """The refund with all that it gives back, in one transaction."""
    for _ in range(CONFLICT_RETRIES):
        payment = ports.store.get(Payment, payment_id)
        if payment is None or _known(payment, back) is not None:
            return False
        if payment.open_refund is not None:
            raise Unavailable(f"payment {payment_id} has another refund under way")
        amount = min(back.amount_minor, payment.amount_minor - payment.refunded_minor)
        if amount <= 0:
            return False
        balance = ports.store.get(CreditBalance, payment.customer_id, payment.currency)
        try:
            missing = _missing(payment, amount, balance)
            if missing:
                _unapply_credit(payment, missing, ports)
            else:
                refund, changes = _changes(payment, back, amount, balance, ports)
                events = refund_events(payment, refund, ports)
                ports.store.commit(*changes, *map(Save, events))
                announce(ports, *(e.id for e in events))
                return True
        except Conflict:
            continue
    raise Unavailable(f"payment {payment_id} kept changing while a refund was written down")


def _changes(
    payment: Payment, back: GatewayRefund, amount_minor: int, balance: CreditBalance | None, ports: Ports
) -> tuple[Refund, list[Change]]:
    credit, reopened = sources_of(payment, amount_minor, balance)
    now = ports.clock.now()
    refund = Refund(
        derive_id("ref_", back.id), len(payment.refunds) + 1, amount_minor, "succeeded", now, BY, credit, reopened,
        gateway_id=back.id, settled_at=now,
    )  # fmt: skip
    changes: list[Change] = [Save(payment.refund_opened(refund, None).refund_now(refund))]
    if balance is not None and credit:
        changes.append(Save(replace(balance, amount_minor=balance.amount_minor - credit)))
    return refund, changes + reopened_by(reopened, ports)


def _missing(payment: Payment, amount_minor: int, balance: CreditBalance | None) -> int:
    """How much of it is neither on an invoice nor among the customer's credit, because that has been spent."""
    credit = min(payment.credit_left_minor, balance.amount_minor if balance else 0)
    return max(amount_minor - credit - sum(a.amount_minor for a in payment.allocations_left()), 0)


def _unapply_credit(payment: Payment, missing_minor: int, ports: Ports) -> None:
    """Take credit back from the invoices it was applied to last: the money behind it is gone.

    One application per transaction; what is still missing after this is found when it is asked for again.
    """
    for applied in _credit_applied(payment, ports):
        parts: list[Allocation] = []
        left = missing_minor
        for paid in reversed(applied.allocations_left()):
            part = min(left, paid.amount_minor)
            if part:
                parts.append(Allocation(paid.invoice_id, part))
                left -= part
        back, now = missing_minor - left, ports.clock.now()
        ordinal = len(applied.refunds) + 1
        refund = Refund(
            refund_key(applied.id, ordinal), ordinal, back, "succeeded", now, BY, reopened=tuple(parts), settled_at=now
        )
        undone = applied.refund_opened(refund, None).refund_now(refund)
        credit = grown_credit(payment.customer_id, payment.currency, back, ports)
        ports.store.commit(Save(undone), Save(credit), *reopened_by(parts, ports))
        missing_minor = left
        if not missing_minor:
            return


def _credit_applied(payment: Payment, ports: Ports) -> Iterator[Payment]:
    """The applications of credit in the payment's currency that still pay something, latest first."""
    after: str | None = None
    for _ in range(CREDIT_PAGES_MAX):
        page = ports.store.find(p.PAYMENTS_BY_CUSTOMER, payment.customer_id, after=after, reverse=True)
        for found in ports.store.get_many(Payment, [e.key for e in page.items]):
            if found.method == "credit" and found.currency == payment.currency and found.allocations_left():
                yield found
        after = page.cursor
        if after is None:
            return


def _contradiction(payment: Payment, known: Refund, back: GatewayRefund, ports: Ports) -> Task:
    amount = f"{format_minor(known.amount_minor, payment.currency)} {payment.currency}"
    says = "has made it" if back.succeeded else "could not deliver it"
    reason = f"refund {known.id} of {amount} of payment {payment.id} is {known.status} here, yet the gateway {says}"
    id = derive_id("tsk_", "refund_contradiction", back.id)
    return Task(id, "refund_contradiction", reason, payment.id, ports.clock.now(), payment.customer_id)


def _asked(task: Task, ports: Ports) -> bool:
    if ports.store.get(Task, task.id) is not None:
        return False
    try:
        ports.store.commit(Save(task))
    except Conflict:
        return False  # asked at the same moment
    return True


# ---- disputes -------------------------------------------------------------------------------------------------


def _disputed(payment: Payment, dispute: GatewayDispute, ports: Ports) -> bool:
    """Hold and task together, once: a hold that a person has lifted since does not come back."""
    amount = f"{format_minor(dispute.amount_minor, payment.currency)} {payment.currency}"
    reason = (
        f"{amount} of payment {payment.id} are disputed at the gateway ({dispute.id}): answer there; the invoice is on "
        "hold until you lift it"
    )
    task = Task(
        derive_id("tsk_", "payment_disputed", dispute.id), "payment_disputed", reason, payment.id, ports.clock.now(),
        payment.customer_id,
    )  # fmt: skip
    for _ in range(CONFLICT_RETRIES):
        if ports.store.get(Task, task.id) is not None:
            return False
        try:
            ports.store.commit(Save(task), *_held(payment, ports))
        except Conflict:
            continue
        return True
    raise Unavailable(f"invoice {payment.invoice_id} kept changing while it was put on hold")


def _held(payment: Payment, ports: Ports) -> list[Change]:
    invoice = ports.store.get(Invoice, payment.invoice_id) if payment.invoice_id else None
    if invoice is None or invoice.status == "void" or invoice.hold == DISPUTED:
        return []
    return [Save(replace(invoice, hold=DISPUTED)), *look_again(payment.customer_id, ports)]

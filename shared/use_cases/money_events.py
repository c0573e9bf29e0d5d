"""Events of invoices and payments, for the webhook endpoints that ask for them. PRODUCT 9, docs/WEBHOOKS.md.

Stored like every event in the transaction that they tell of, but only while an endpoint hears them: there are far more
of these than of anything else, and most companies do not listen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.domain.invoice import Invoice
from shared.domain.money import format_minor
from shared.domain.outbox import OutboxEvent
from shared.domain.payment import Payment, PaymentState, Refund
from shared.domain.webhook import MoneyEvent
from shared.ports import Ports
from shared.use_cases.outbox import new_event
from shared.use_cases.webhook_endpoints import heard

SETTLED: Final[dict[PaymentState, MoneyEvent]] = {"succeeded": "payment.succeeded", "declined": "payment.failed"}


def invoice_events(event_type: MoneyEvent, invoices: Sequence[Invoice], ports: Ports) -> list[OutboxEvent]:
    """One for each invoice; none if nobody hears them."""
    if not invoices or not heard(event_type, ports):
        return []
    return [
        new_event(
            event_type, i.customer_id, (i.id,), ports,
            invoice_id=i.id, number=i.number, type=i.type, currency=i.currency,
            total=format_minor(i.total_minor, i.currency), due_on=str(i.due_on) if i.due_on else None,
        )
        for i in invoices
    ]  # fmt: skip


def payment_events(payment: Payment, ports: Ports) -> list[OutboxEvent]:
    """The one of a payment that has succeeded or was declined; none of another, or if nobody hears it."""
    event_type = SETTLED.get(payment.status)
    if event_type is None or not heard(event_type, ports):
        return []
    amount = format_minor(payment.amount_minor, payment.currency)
    return [_of_payment(event_type, payment, amount, (), ports, code=payment.code)]


def refund_events(payment: Payment, refund: Refund, ports: Ports) -> list[OutboxEvent]:
    """The one of a refund that is done; none if nobody hears it."""
    if not heard("payment.refunded", ports):
        return []
    amount = format_minor(refund.amount_minor, payment.currency)
    return [_of_payment("payment.refunded", payment, amount, (refund.ordinal,), ports)]


def _of_payment(
    event_type: MoneyEvent, payment: Payment, amount: str, key: tuple[object, ...], ports: Ports, **detail: object
) -> OutboxEvent:
    return new_event(
        event_type, payment.customer_id, (payment.id, *key), ports,
        payment_id=payment.id, invoice_id=payment.invoice_id, method=payment.method, currency=payment.currency,
        amount=amount, **detail,
    )  # fmt: skip

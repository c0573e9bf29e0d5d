"""The law of the account: what is owed is what was posted, less what came in and was not given back. QUALITY."""

from __future__ import annotations

from shared.domain.invoice import Invoice
from shared.domain.payment import CreditBalance, Payment

RECEIVED = ("succeeded", "refunded")


def credit_of(stage, customer_id="cus_a", currency="USD"):
    balance = stage.get(CreditBalance, customer_id, currency)
    return balance.amount_minor if balance else 0


def assert_balanced(stage):
    """For the one customer and currency of a stage, also while attempts and refunds are open."""
    invoices = [i for i in stage.every(Invoice) if i.status == "posted"]
    received = [p for p in stage.every(Payment) if p.status in RECEIVED]
    money = [p for p in received if p.method != "credit"]
    set_aside = sum(p.open_refund.credit_minor for p in money if p.open_refund)
    owed = sum(i.residual_minor for i in invoices) - credit_of(stage)
    assert credit_of(stage) >= 0
    assert owed - set_aside == sum(i.total_minor for i in invoices) - sum(
        p.amount_minor - p.refunded_minor for p in money
    )
    parts = [a for p in received for a in _paying(p)]
    for invoice in (i for i in invoices if i.total_minor > 0):
        paid = sum(a.amount_minor for a in parts if a.invoice_id == invoice.id)
        assert invoice.residual_minor == invoice.total_minor - paid >= 0
    for payment in received:
        assert sum(a.amount_minor for a in payment.allocations) + payment.credited_minor == payment.amount_minor
        assert 0 <= payment.refunded_minor <= payment.amount_minor


def _paying(payment):
    """What it pays at present: a refund under way has not reopened anything yet."""
    waiting = payment.open_refund.reopened if payment.open_refund else ()
    return (*payment.allocations_left(), *waiting)

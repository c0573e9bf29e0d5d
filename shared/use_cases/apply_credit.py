"""A customer's credit pays its oldest open invoices. PRODUCT 4."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.copies import replace
from shared.domain.ids import derive_id
from shared.domain.invoice import Invoice
from shared.domain.payment import Allocation, CreditBalance, Payment
from shared.ports import Conflict, Ports, Save, Unavailable
from shared.use_cases.lookups import CONFLICT_RETRIES, OPEN_INVOICES_MAX, open_invoices
from shared.use_cases.refresh_episode import refresh_episode

ALLOCATIONS_MAX = 90  # invoices paid in one transaction
ROUNDS_MAX = OPEN_INVOICES_MAX // ALLOCATIONS_MAX + 1


def apply_credits(posted: Sequence[Invoice], ports: Ports) -> None:
    """Let the credit of the customers of newly posted invoices pay what they owe. Without credit it costs one read."""
    keys = sorted({(i.customer_id, i.currency) for i in posted})
    for balance in ports.store.get_many(CreditBalance, keys):
        if balance.amount_minor:
            also = [i.id for i in posted if i.customer_id == balance.customer_id]
            apply_credit(balance.customer_id, balance.currency, ports, also)


def apply_credit(customer_id: str, currency: str, ports: Ports, also: Sequence[str] = ()) -> list[Payment]:
    """Pay as much as the credit allows, oldest due first; empty if there is no credit or nothing to pay.

    Invoices with a charge under way are left alone: what is being charged is their residual of that moment.
    """
    payments: list[Payment] = []
    for _ in range(ROUNDS_MAX):
        payment = _apply_some(customer_id, currency, ports, also)
        if payment is None:
            break
        payments.append(payment)
    if payments:
        refresh_episode(customer_id, ports)
    return payments


def _apply_some(customer_id: str, currency: str, ports: Ports, also: Sequence[str]) -> Payment | None:
    """One payment, for as many invoices as fit into a transaction."""
    for _ in range(CONFLICT_RETRIES):
        balance = ports.store.get(CreditBalance, customer_id, currency)
        if balance is None or balance.amount_minor == 0:
            return None
        found = open_invoices(ports, customer_id, also)
        owed = [i for i in found if i.currency == currency and i.open_attempt_id is None]
        allocations = allocate(balance.amount_minor, owed)
        if not allocations:
            return None
        payment = _payment(balance, allocations, ports)
        spent = replace(balance, amount_minor=balance.amount_minor - payment.amount_minor)
        try:
            ports.store.commit(Save(spent), Save(payment), *(Save(i) for i in settled(owed, payment)))
        except Conflict:
            continue
        return payment
    raise Unavailable(f"the invoices of {customer_id} kept changing while credit was applied")


def _payment(balance: CreditBalance, allocations: tuple[Allocation, ...], ports: Ports) -> Payment:
    return Payment(
        id=derive_id("pay_", "credit", balance.customer_id, balance.currency, balance.version),
        customer_id=balance.customer_id, currency=balance.currency, method="credit", status="succeeded",
        amount_minor=sum(a.amount_minor for a in allocations), at=ports.clock.now(), allocations=allocations,
    )  # fmt: skip


def allocate(amount_minor: int, invoices: Sequence[Invoice]) -> tuple[Allocation, ...]:
    """Spread an amount over invoices in their order, each up to its residual; at most ALLOCATIONS_MAX of them."""
    allocations: list[Allocation] = []
    for invoice in invoices[:ALLOCATIONS_MAX]:
        part = min(amount_minor, invoice.residual_minor)
        if part <= 0:
            break
        allocations.append(Allocation(invoice.id, part))
        amount_minor -= part
    return tuple(allocations)


def settled(invoices: Sequence[Invoice], payment: Payment) -> list[Invoice]:
    """The invoices that a payment's allocations pay, with their residual reduced."""
    parts = {a.invoice_id: a.amount_minor for a in payment.allocations}
    return [i.paid(parts[i.id], payment.at) for i in invoices if i.id in parts]

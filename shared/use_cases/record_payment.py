"""Money that came in another way than by card: recorded once, spread over invoices, the rest is credit. PRODUCT 7."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.copies import replace
from shared.domain.errors import Invalid
from shared.domain.invoice import Invoice
from shared.domain.money import format_minor
from shared.domain.payment import Allocation, Method, Payment
from shared.domain.values import dataclass
from shared.ports import Change, Conflict, Ports, Save, Unavailable
from shared.use_cases.apply_credit import ALLOCATIONS_MAX, allocate, apply_credit, settled
from shared.use_cases.lookups import CONFLICT_RETRIES, customer_of, open_invoices
from shared.use_cases.money_events import payment_events
from shared.use_cases.notices import hint, payment_notice
from shared.use_cases.outbox import announce
from shared.use_cases.refresh_episode import refresh_episode
from shared.use_cases.settle_payment import grown_credit


@dataclass(frozen=True, slots=True)
class ManualPayment:
    """What an admin says came in. Without allocations it pays the oldest due first. Amounts in minor units."""

    id: str
    customer_id: str
    currency: str
    amount_minor: int
    method: Method
    reference: str | None = None
    allocations: tuple[Allocation, ...] | None = None


def record_payment(manual: ManualPayment, ports: Ports) -> Payment:
    """The recorded payment; recording the same id again returns what was recorded first."""
    if manual.amount_minor <= 0:
        raise Invalid("amount", "must be more than zero")
    payment = _recorded(manual, ports)
    if len(payment.allocations) == ALLOCATIONS_MAX and manual.allocations is None:
        apply_credit(manual.customer_id, manual.currency, ports)  # the rest of what it pays: one transaction was full
    refresh_episode(manual.customer_id, ports)
    return payment


def _recorded(manual: ManualPayment, ports: Ports) -> Payment:
    customer = customer_of(ports, manual.customer_id)
    for _ in range(CONFLICT_RETRIES):
        if (known := ports.store.get(Payment, manual.id)) is not None:
            return known
        invoices = _invoices(manual, ports)
        payment = _payment(manual, invoices, ports)
        notice = payment_notice("payment_received", payment, customer, payment.at)
        changes: list[Change] = [Save(payment), *map(Save, settled(invoices, payment))]
        if notice is not None:
            changes.append(Save(notice))
        if payment.credited_minor:
            changes.append(Save(grown_credit(customer.id, manual.currency, payment.credited_minor, ports)))
        events = payment_events(payment, ports)
        try:
            ports.store.commit(*changes, *map(Save, events))
        except Conflict:
            continue
        announce(ports, *(e.id for e in events))
        if notice is not None:
            hint(ports, notice.id)
        return replace(payment, version=1)
    raise Unavailable(f"the invoices of {manual.customer_id} kept changing while a payment was recorded")


def _payment(manual: ManualPayment, invoices: Sequence[Invoice], ports: Ports) -> Payment:
    allocations = manual.allocations if manual.allocations is not None else allocate(manual.amount_minor, invoices)
    return Payment(
        id=manual.id, customer_id=manual.customer_id, currency=manual.currency, amount_minor=manual.amount_minor,
        method=manual.method, status="succeeded", at=ports.clock.now(), reference=manual.reference,
        invoice_id=allocations[0].invoice_id if len(allocations) == 1 else None, allocations=allocations,
        credited_minor=manual.amount_minor - sum(a.amount_minor for a in allocations),
    )  # fmt: skip


def _invoices(manual: ManualPayment, ports: Ports) -> list[Invoice]:
    """The invoices it may pay, oldest due first; those named must be the customer's, open, and owe that much."""
    if manual.allocations is None:
        return [i for i in open_invoices(ports, manual.customer_id) if i.currency == manual.currency]
    if len(manual.allocations) > ALLOCATIONS_MAX:
        raise Invalid("allocations", f"at most {ALLOCATIONS_MAX} invoices at a time; split the payment")
    found = {i.id: i for i in ports.store.get_many(Invoice, [(a.invoice_id, "") for a in manual.allocations])}
    for n, allocation in enumerate(manual.allocations):
        _check(f"allocations[{n}]", allocation, found.get(allocation.invoice_id), manual)
    if sum(a.amount_minor for a in manual.allocations) > manual.amount_minor:
        raise Invalid("allocations", "add up to more than the amount of the payment")
    if len(found) < len(manual.allocations):
        raise Invalid("allocations", "name an invoice twice; give it one amount")
    return list(found.values())


def _check(field: str, allocation: Allocation, invoice: Invoice | None, manual: ManualPayment) -> None:
    if invoice is None or invoice.customer_id != manual.customer_id:
        raise Invalid(f"{field}.invoice_id", f"customer {manual.customer_id} has no invoice {allocation.invoice_id!r}")
    if invoice.currency != manual.currency:
        raise Invalid(f"{field}.invoice_id", f"is in {invoice.currency}, the payment in {manual.currency}")
    if not 0 < allocation.amount_minor <= invoice.residual_minor:
        residual = format_minor(invoice.residual_minor, invoice.currency)
        raise Invalid(f"{field}.amount", f"must be more than zero and at most the residual, {residual}")

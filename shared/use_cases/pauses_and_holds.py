"""Keeping an automation quiet for a customer, and putting collection on hold. PRODUCT 2."""

from __future__ import annotations

from datetime import date

from shared.domain import account_event
from shared.domain.copies import replace
from shared.domain.customer import Customer, Hold, Pause
from shared.domain.errors import Refused
from shared.domain.invoice import Invoice, InvoiceHold
from shared.domain.settings import Automation
from shared.ports import Conflict, Ports, Save, Unavailable
from shared.use_cases.customers import change_customer
from shared.use_cases.look_again import look_again
from shared.use_cases.lookups import CONFLICT_RETRIES, invoice_of


def pause(customer_id: str, automation: Automation, through: date | None, ports: Ports) -> Customer:
    """Quiet through a date (inclusive), or until unpaused. Pausing again replaces the pause."""
    return change_customer(customer_id, lambda c: c.with_pause(Pause(automation, through)), ports)


def unpause(customer_id: str, automation: Automation, ports: Ports) -> Customer:
    return change_customer(customer_id, lambda c: c.without_pause(automation), ports)


def hold_customer(customer_id: str, hold: Hold | None, ports: Ports) -> Customer:
    """Stop all collection from a customer, or let it go on (None)."""
    return change_customer(customer_id, lambda c: replace(c, hold=hold), ports)


def hold_invoice(invoice_id: str, hold: InvoiceHold | None, ports: Ports) -> Invoice:
    """Stop the collection of one invoice, or let it go on (None). A void invoice is not collected anyway."""
    for _ in range(CONFLICT_RETRIES):
        invoice = invoice_of(ports, invoice_id)
        if invoice.status == "void" and hold is not None:
            raise Refused("void", f"invoice {invoice_id} is void; nothing of it is collected")
        if invoice.hold == hold:
            return invoice
        try:
            happened = account_event.of_invoice_hold(invoice, hold, ports.clock.now())
            again = look_again(invoice.customer_id, ports)
            ports.store.commit(Save(replace(invoice, hold=hold)), *again, *map(Save, happened))
        except Conflict:
            continue
        return replace(invoice, hold=hold, version=invoice.version + 1)
    raise Unavailable(f"invoice {invoice_id} kept changing")

"""An invoice's PDF: rendered once when posted, then stored and never changed. PRODUCT 6."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal

from shared.domain.customer import Customer
from shared.domain.invoice import Invoice, Line
from shared.domain.money import format_minor
from shared.domain.notice import Notice, notice_id
from shared.domain.settings import Settings
from shared.ports import Ports, Save
from shared.use_cases.lookups import customer_of, invoice_of, lines_of, settings_of
from shared.use_cases.notices import hint
from shared.use_cases.pay_links import new_link

ONE_DAY = timedelta(days=1)


def document_key(invoice_id: str) -> str:
    """Where an invoice's PDF is stored."""
    return f"invoices/{invoice_id}.pdf"


def render_document(invoice_id: str, ports: Ports) -> bool:
    """Render and store the PDF of a posted invoice unless it is there, and let its mail go. False for drafts."""
    from shared.rendering.documents import render_invoice_pdf  # only one function carries the typesetter

    invoice = invoice_of(ports, invoice_id)
    if invoice.status == "draft":
        return False
    if ports.files.read(document_key(invoice_id)) is None:
        customer, settings = customer_of(ports, invoice.customer_id), settings_of(ports)
        pay_url = _linked(customer, settings, ports) if invoice.total_minor > 0 else None
        pdf = render_invoice_pdf(document(invoice, lines_of(ports, invoice), customer, settings, pay_url))
        ports.files.write_once(document_key(invoice_id), pdf, "application/pdf")
    notice = ports.store.get(Notice, notice_id(invoice.customer_id, "invoice", invoice_id))
    if notice is not None and notice.status == "pending":
        hint(ports, notice.id)
    return True


def _linked(customer: Customer, settings: Settings, ports: Ports) -> str | None:
    """A pay link that works before the document is there: of two that are rendered at once, either may be kept."""
    if customer.erased_at is not None:
        return None
    token, link = new_link(customer, settings, ports)
    ports.store.commit(Save(link))
    return ports.pay_url(token)


def document(
    invoice: Invoice, lines: tuple[Line, ...], customer: Customer, settings: Settings, pay_url: str | None
) -> Mapping[str, object]:
    """What the invoice says, as plain text; the state of payment is that of the moment it was posted."""

    def money(minor: int) -> str:
        return format_minor(minor, invoice.currency)

    owed = max(invoice.total_minor, 0)
    a = customer.address
    address = (a.line1, a.line2, f"{a.postal_code} {a.city}".strip(), a.region, a.country)
    return {
        "kind": {"credit_memo": "credit_memo", "debit_memo": "debit_memo"}.get(invoice.type, "invoice"),
        "number": invoice.number or "", "currency": invoice.currency,
        "invoice_date": str(invoice.invoice_date), "due_on": str(invoice.due_on) if invoice.due_on else None,
        "seller": {"name": settings.business.name, "email": settings.business.email_from},
        "customer": {
            "name": customer.name, "email": customer.email,
            "address_lines": [x for x in address if x],
        },
        "lines": [_line(line, money) for line in lines],
        "subtotal": money(invoice.subtotal_minor), "tax_rate_percent": plain(invoice.tax_rate_percent),
        "tax": money(invoice.tax_minor), "total": money(invoice.total_minor), "paid": money(0),
        "balance": money(owed), "pay_url": pay_url, "note": invoice.reason or "",
    }  # fmt: skip


def _line(line: Line, money: Callable[[int], str]) -> Mapping[str, object]:
    return {
        "name": line.name, "quantity": plain(line.quantity), "amount": money(line.amount_minor),
        "unit_amount": "" if line.unit_amount_minor is None else money(line.unit_amount_minor),
        "service_start": str(line.service_start) if line.service_start else None,
        "service_end": str(line.service_end - ONE_DAY) if line.service_end else None,
    }  # fmt: skip


def plain(value: Decimal) -> str:
    """A decimal as people write it: no exponent, no zeros behind the point that say nothing."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

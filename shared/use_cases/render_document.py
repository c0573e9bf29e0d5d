"""An invoice's PDF: rendered once when posted, then stored and never changed. PRODUCT 6."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal

from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.ids import derive_id
from shared.domain.invoice import Invoice, Line
from shared.domain.money import format_minor
from shared.domain.notice import Notice, notice_id
from shared.domain.payment import Payment
from shared.domain.settings import Settings
from shared.domain.task import Task
from shared.ports import PAYMENTS_BY_CUSTOMER, Conflict, Ports, Save
from shared.rendering.e_invoice import NoEInvoice, factur_x
from shared.rendering.speech import Speech, speech_of
from shared.use_cases.e_invoice_facts import Page, e_invoice_facts
from shared.use_cases.lookups import customer_of, invoice_of, lines_of, settings_of
from shared.use_cases.notices import hint
from shared.use_cases.pay_links import new_link

ONE_DAY = timedelta(days=1)
AT_POSTING = timedelta(minutes=15)  # credit applied later than this, after a crash, is a payment like any other
REASON_CHARS_MAX = 500


def document_key(invoice_id: str) -> str:
    """Where an invoice's PDF is stored."""
    return f"invoices/{invoice_id}.pdf"


def render_document(invoice_id: str, ports: Ports, first: bool = False) -> bool:
    """Render and store the PDF of a posted invoice unless it is there, and let its mail go. False for drafts.

    `first`: nobody has asked for it before, so it is not looked for. If it is there nevertheless, that one stays.
    """
    invoice = invoice_of(ports, invoice_id)
    if invoice.status == "draft":
        return False
    missing = first or ports.files.read(document_key(invoice_id)) is None
    if missing:
        missing = ports.files.write_once(document_key(invoice_id), _rendered(invoice, ports), "application/pdf")
    notice = ports.store.get(Notice, notice_id(invoice.customer_id, "invoice", invoice_id))
    if notice is not None and notice.status == "pending":
        _let_go(notice, missing, ports)
    return True


def _let_go(notice: Notice, waited: bool, ports: Ports) -> None:
    """Hint the mail; if it came before its document, it can only have been waiting for that and need wait no more."""
    if waited and notice.retry_at is not None:
        try:
            ports.store.commit(Save(replace(notice, retry_at=None)))
        except Conflict:
            pass  # something else happened to it; what it then waits for stands
    hint(ports, notice.id)


def _rendered(invoice: Invoice, ports: Ports) -> bytes:
    """The page, with the logo and the e-invoice if it can have them: neither may hold an invoice back. What has to be
    left out is told to a person.
    """
    from shared.rendering.documents import Unprintable, render_invoice_pdf  # only one function carries the typesetter

    customer, settings, lines = customer_of(ports, invoice.customer_id), settings_of(ports), lines_of(ports, invoice)
    page = _page(invoice, customer, settings, ports)
    plain_page = document(invoice, lines, customer, settings, page)
    page_with_logo = _with_logo(plain_page, _logo(settings, ports))
    xml = _e_invoice(invoice, lines, customer, settings, page, ports)
    why: Unprintable | None = None
    for said, carried in ((page_with_logo, xml), (plain_page, xml), (page_with_logo, None)):
        try:
            pdf = render_invoice_pdf(said, carried)
        except Unprintable as failed:
            why = why or failed
            continue
        if why is not None and said is plain_page:
            _tell_no_logo(settings, invoice, why, ports)
        elif why is not None:
            _tell_no_e_invoice(invoice, why, ports)
        return pdf
    pdf = render_invoice_pdf(plain_page)
    if why is not None:
        _tell_no_logo(settings, invoice, why, ports)
        _tell_no_e_invoice(invoice, why, ports)
    return pdf


def _page(invoice: Invoice, customer: Customer, settings: Settings, ports: Ports) -> Page:
    adjusted = ports.store.get(Invoice, invoice.adjusts_invoice_id) if invoice.adjusts_invoice_id else None
    return Page(
        paid_minor=_credited_at_posting(invoice, ports), for_invoice=adjusted.number if adjusted else None,
        pay_url=_linked(customer, settings, ports) if invoice.total_minor > 0 else None,
    )  # fmt: skip


def _e_invoice(
    invoice: Invoice, lines: tuple[Line, ...], customer: Customer, settings: Settings, page: Page, ports: Ports
) -> str | None:
    """The XML, where the seller is configured for it. What cannot be said so goes as a plain PDF, and a person is
    told once per customer: they can be sent the rest by other means.
    """
    if settings.business.e_invoice == "off":
        return None
    try:
        return factur_x(e_invoice_facts(invoice, lines, customer, settings, page))
    except NoEInvoice as failed:
        _tell_no_e_invoice(invoice, failed, ports)
        return None


def _tell_no_logo(settings: Settings, invoice: Invoice, why: Exception, ports: Ports) -> None:
    reason = f"documents go without the logo, which cannot be printed: {why}"
    _tell("logo_failed", settings.business.logo or "", reason, invoice, ports)


def _tell_no_e_invoice(invoice: Invoice, why: Exception, ports: Ports) -> None:
    reason = f"invoice {invoice.number} went out without its e-invoice: {why}"
    _tell("e_invoice_failed", invoice.customer_id, reason, invoice, ports)


def _linked(customer: Customer, settings: Settings, ports: Ports) -> str | None:
    """A pay link that works before the document is there: of two that are rendered at once, either may be kept."""
    if customer.erased_at is not None:
        return None
    token, link = new_link(customer, settings, ports)
    ports.store.commit(Save(link))
    return ports.pay_url(token)


def _logo(settings: Settings, ports: Ports) -> Mapping[str, object] | None:
    key = settings.business.logo
    content = ports.files.read(key) if key else None
    return {"format": str(key).rpartition(".")[2], "content": content} if content is not None else None


def _with_logo(said: Mapping[str, object], logo: Mapping[str, object] | None) -> Mapping[str, object]:
    seller = said["seller"]
    return {**said, "seller": {**seller, "logo": logo}} if isinstance(seller, dict) else said


def _credited_at_posting(invoice: Invoice, ports: Ports) -> int:
    """What credit paid as the invoice was posted; what is paid later does not show on a page that never changes."""
    if invoice.posted_at is None or invoice.residual_minor == invoice.total_minor or invoice.total_minor <= 0:
        return 0
    page = ports.store.find(PAYMENTS_BY_CUSTOMER, invoice.customer_id, reverse=True)
    payments = ports.store.get_many(Payment, [e.key for e in page.items])
    return sum(
        a.amount_minor
        for p in payments
        if p.method == "credit" and invoice.posted_at <= p.at <= invoice.posted_at + AT_POSTING
        for a in p.allocations
        if a.invoice_id == invoice.id
    )


def _tell(kind: str, subject: str, reason: str, invoice: Invoice, ports: Ports) -> None:
    """A person is told once per subject."""
    task = Task(derive_id("tsk_", kind, subject), kind, reason[:REASON_CHARS_MAX], invoice.id, ports.clock.now())
    try:
        ports.store.commit(Save(task))
    except Conflict:
        pass  # told already


# ---- what it says ---------------------------------------------------------------------------------------------


def document(
    invoice: Invoice, lines: tuple[Line, ...], customer: Customer, settings: Settings, page: Page
) -> dict[str, object]:
    """What the invoice says, as plain text; the state of payment is that of the moment it was posted.

    A credit memo says what it gives: its amounts are printed without their sign.
    """
    speech = speech_of(customer.speaks(settings))
    sign = -1 if invoice.type == "credit_memo" else 1

    def money(minor: int) -> str:
        return speech.figure(format_minor(sign * minor, invoice.currency))

    owed = invoice.total_minor if sign < 0 else max(invoice.total_minor - page.paid_minor, 0)
    taxed = sum(line.amount_minor for line in lines if line.taxable)
    return {
        "kind": {"credit_memo": "credit_memo", "debit_memo": "debit_memo"}.get(invoice.type, "invoice"),
        "language": speech.language, "number": invoice.number or "", "currency": invoice.currency,
        "invoice_date": str(invoice.invoice_date),
        "due_on": str(invoice.due_on) if invoice.due_on and sign > 0 else None,
        "seller": _seller(settings, speech),
        "customer": {
            "name": customer.name, "email": customer.email, "address_lines": _address(customer, settings, speech),
        },
        "lines": [_line(line, money, speech) for line in lines],
        "subtotal": money(invoice.subtotal_minor), "tax_rate_percent": speech.figure(plain(invoice.tax_rate_percent)),
        "taxed": None if taxed == invoice.subtotal_minor else money(taxed),
        "tax": money(invoice.tax_minor), "total": money(invoice.total_minor), "paid": money(page.paid_minor),
        "balance": money(owed), "pay_url": page.pay_url, "for_invoice": page.for_invoice, "note": invoice.reason or "",
    }  # fmt: skip


def _address(customer: Customer, settings: Settings, speech: Speech) -> list[str]:
    """A letter within the country names no country."""
    a = customer.address
    country = "" if a.country == settings.business.address.country else speech.country(a.country)
    return a.lines(country)


def _seller(settings: Settings, speech: Speech) -> dict[str, object]:
    b = settings.business
    address = b.address.lines(speech.country(b.address.country))
    return {
        "name": b.name, "email": b.email_from, "address_lines": address, "tax_id": b.tax_id, "iban": b.iban,
        "bic": b.bic, "payment_instructions": b.payment_instructions, "accent": b.accent_colour,
    }  # fmt: skip


def _line(line: Line, money: Callable[[int], str], speech: Speech) -> Mapping[str, object]:
    return {
        "name": line.name, "quantity": speech.figure(plain(line.quantity)), "amount": money(line.amount_minor),
        "unit_amount": "" if line.unit_amount_minor is None else money(line.unit_amount_minor),
        "service_start": str(line.service_start) if line.service_start else None,
        "service_end": str(line.service_end - ONE_DAY) if line.service_end else None,
    }  # fmt: skip


def plain(value: Decimal) -> str:
    """A decimal as people write it: no exponent, no zeros behind the point that say nothing."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

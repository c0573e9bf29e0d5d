"""What a mail would look like: a template with sample data, or with what a customer's mail would say now. PRODUCT 6."""

from __future__ import annotations

from shared.domain.account_summary import SummaryMark
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.money import format_minor
from shared.domain.notice import Notice
from shared.domain.settings import Language, Settings
from shared.ports import INVOICES_BY_CUSTOMER, Ports
from shared.rendering.mail import MailTemplate, RenderedMail, TemplateError, render_mail
from shared.rendering.samples import sample_data
from shared.rendering.spoken import spoken
from shared.use_cases.compose_notice import past_due, said_of_invoice, shared_data, sums
from shared.use_cases.lookups import customer_of, open_invoices, settings_of, today
from shared.use_cases.summarize_account import said_of_account
from shared.use_cases.templates import check, invalid

OF_ONE_INVOICE = ("invoice", "reminder")
OF_PAYMENTS = ("payment_failed", "payment_received", "card_expiring")
LATEST_LOOKED_AT = 20  # invoices, to find one that is posted


def preview_template(content: MailTemplate, language: Language, customer_id: str | None, ports: Ports) -> RenderedMail:
    """In a language. Facts that the customer has none of are the sample's. Invalid, naming part and line, if it does
    not render.
    """
    if customer_id is None:
        return check(content, language)
    customer, settings = customer_of(ports, customer_id), settings_of(ports)
    real = {**shared_data(customer, settings), **_facts(content.name, customer, settings, ports)}
    try:
        return render_mail(content, {**sample_data(content.name, language), **spoken(real, language)})
    except TemplateError as error:
        raise invalid(error) from None


def _facts(name: str, customer: Customer, settings: Settings, ports: Ports) -> dict[str, object]:
    if name == "account_summary":
        return said_of_account(_summary(customer, ports), customer, settings, ports)
    if name in OF_PAYMENTS:
        return {}
    if name in OF_ONE_INVOICE:
        latest = _latest(customer.id, ports)
        return {"invoice": said_of_invoice(latest)} if latest else {}
    on = today(ports, customer, settings)
    late = past_due(open_invoices(ports, customer.id), on)
    if not late:
        return {}
    return {
        "invoices": [{**said_of_invoice(i), "days_past_due": (on - i.due_on).days if i.due_on else 0} for i in late],
        "totals": [{"currency": c, "amount": format_minor(minor, c)} for c, minor in sums(late).items()],
    }


def _latest(customer_id: str, ports: Ports) -> Invoice | None:
    page = ports.store.find(INVOICES_BY_CUSTOMER, customer_id, reverse=True, limit=LATEST_LOOKED_AT)
    invoices = ports.store.get_many(Invoice, [e.key for e in page.items])
    return next((i for i in invoices if i.status == "posted"), None)


def _summary(customer: Customer, ports: Ports) -> Notice:
    """The one that would be recorded now."""
    now, mark = ports.clock.now(), ports.store.get(SummaryMark, customer.id)
    return Notice(
        id="", customer_id=customer.id, kind="account_summary", subject_id=customer.id, episode=now.isoformat(),
        created_at=now, since_at=mark.through_at if mark else None, through_at=now,
    )  # fmt: skip

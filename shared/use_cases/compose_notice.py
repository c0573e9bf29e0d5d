"""What a notice says: looked up from the facts at the moment it is sent, never stored. PRODUCT 6, 9."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from functools import partial

from shared.domain.collection_facts import chasable
from shared.domain.customer import Customer, why_off
from shared.domain.invoice import Invoice
from shared.domain.money import format_minor
from shared.domain.notice import BY_TRIGGER, Notice
from shared.domain.past_due import tier_of
from shared.domain.pay_link import PayLink
from shared.domain.payment import Payment, PaymentMethod
from shared.domain.policy import CustomerClass
from shared.domain.service_steps import severity, step_date
from shared.domain.settings import Settings
from shared.domain.values import dataclass
from shared.ports import Attachment, Ports
from shared.rendering.mail import RenderedMail, TemplateError, with_link
from shared.use_cases.expiring_cards import KIND as CARD_EXPIRING
from shared.use_cases.expiring_cards import expires_first
from shared.use_cases.lookups import class_of, open_invoices
from shared.use_cases.pay_links import KIND as PAY_LINK
from shared.use_cases.pay_links import new_link
from shared.use_cases.render_document import document_key
from shared.use_cases.summarize_account import said_of_account
from shared.use_cases.templates import mail_of
from shared.use_cases.unsubscribe import KINDS as UNSUBSCRIBABLE

PAST_DUE_KINDS = ("past_due_1", "past_due_2", "past_due_3")
ATTACHED_BYTES_MAX = 5_000_000  # of a PDF: 7 MB in a mail. SES takes 40, but many mailboxes nothing above 10
UNWRITTEN = RenderedMail("", "", "")
ABOUT_MAX = 90  # invoices watched in the claim of a notice, the oldest due: a transaction holds 100 changes


@dataclass(frozen=True, slots=True)
class Suppressed:
    """The notice must not go any more; `reason` says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotReady:
    """The notice's PDF is not stored yet."""

    invoice_id: str


@dataclass(frozen=True, slots=True)
class Composed:
    """`about` are invoices that must not change between this and the claim: nobody is chased after paying, or mailed
    an invoice that has been voided (which its own notice mostly tells by itself, see send_notice).

    `link` is the pay link that the mail carries, to be stored with the claim; `unsubscribe_url` is behind it.
    """

    mail: RenderedMail
    attachments: tuple[Attachment, ...] = ()
    about: tuple[Invoice, ...] = ()
    link: PayLink | None = None
    unsubscribe_url: str | None = None


@dataclass(frozen=True, slots=True)
class Unsayable:
    """Not even the default template can say it; `reason` says why."""

    reason: str


Composition = Composed | Suppressed | NotReady | Unsayable


def compose(notice: Notice, customer: Customer, settings: Settings, on: date, ports: Ports) -> Composition:
    """The mail, or why there is none. `on` is the customer's local date."""
    if not customer.mailable():
        return Suppressed("no_address")
    if (off := _switched_off(notice, customer, settings, on)) is not None:
        return Suppressed(off)
    try:
        return _composed(notice, customer, settings, on, ports)
    except TemplateError as error:
        return Unsayable(str(error))


def _composed(notice: Notice, customer: Customer, settings: Settings, on: date, ports: Ports) -> Composition:
    if notice.kind in PAST_DUE_KINDS or notice.kind.startswith(BY_TRIGGER) or notice.kind == "service_step":
        return _past_due(notice, customer, settings, on, ports)
    if notice.kind in ("invoice", "reminder"):
        return _invoice(notice, customer, settings, on, ports)
    if notice.kind == "account_summary":
        return _said(notice, customer, lambda: said_of_account(notice, customer, settings, ports), settings, ports)
    if notice.kind == PAY_LINK:
        return _said(notice, customer, dict, settings, ports)
    if notice.kind == CARD_EXPIRING:
        return _card(notice, customer, settings, on, ports)
    return _payment(notice, customer, settings, on, ports)


def _switched_off(notice: Notice, customer: Customer, settings: Settings, on: date) -> str | None:
    """The table of PRODUCT 2: which switches a kind of mail needs."""
    if notice.by_hand:
        return None
    if notice.kind == "invoice":
        return why_off("send_new_invoices", customer, settings, on, ignore_global=notice.by_run)
    if notice.kind == "account_summary":
        return why_off("account_summary", customer, settings, on)
    if notice.kind == "reminder" or notice.kind in PAST_DUE_KINDS or notice.kind.startswith(BY_TRIGGER):
        return why_off("past_due", customer, settings, on)
    if notice.kind == "service_step" and (customer.on_hold(on) or customer.promised(on)):
        return "on_hold"
    return None if customer.automations.enabled else "customer_off"


def _invoice(notice: Notice, customer: Customer, settings: Settings, on: date, ports: Ports) -> Composition:
    invoice = ports.store.get(Invoice, notice.subject_id)
    if invoice is None or invoice.status != "posted":
        return Suppressed("not_posted")
    if notice.kind == "reminder" and invoice.residual_minor == 0:
        return Suppressed("paid")
    if notice.kind == "reminder" and invoice.payment_status(on) == "overdue" and not notice.by_hand:
        return Suppressed("superseded")
    pdf = ports.files.read(document_key(invoice.id))
    if pdf is None:
        return NotReady(invoice.id)
    name = f"{invoice.number}.pdf"
    said = partial(_said, notice, customer, lambda: {"invoice": said_of_invoice(invoice)}, settings, ports)
    if len(pdf) > ATTACHED_BYTES_MAX:
        return said(linked=(name, invoice.id), about=(invoice,))
    return said(attachments=(Attachment(name, pdf),), about=(invoice,))


def _past_due(notice: Notice, customer: Customer, settings: Settings, on: date, ports: Ports) -> Composition:
    """Everything past due at this moment, per currency, if it is still what the notice was recorded for."""
    late = past_due(open_invoices(ports, customer.id), on)
    if not late:
        return Suppressed("paid")
    its_class = class_of(ports, customer.class_id)
    if not notice.by_hand and (outdated := _outdated(notice, late, customer, settings, its_class, on)) is not None:
        return Suppressed(outdated)
    facts = lambda: {  # noqa: E731 - worked out only if the mail is written
        "tier": notice.tier or 1,
        "invoices": [{**said_of_invoice(i), "days_past_due": (on - i.due_on).days if i.due_on else 0} for i in late],
        "totals": [{"currency": c, "amount": format_minor(minor, c)} for c, minor in sums(late).items()],
        **_step(notice, late, customer, its_class, on),
    }
    return _said(notice, customer, facts, settings, ports, about=tuple(late[:ABOUT_MAX]))


def _step(
    notice: Notice, late: Sequence[Invoice], customer: Customer, its_class: CustomerClass, on: date
) -> dict[str, object]:
    """Which step of service the notice tells of, and from when: not before it has been out for its days."""
    if notice.step is None:
        return {}
    done = severity(customer.service) >= severity(notice.step)
    invoice = next((i for i in late if i.id == notice.subject_id), late[0])
    at = step_date(invoice, its_class, notice.step) or on
    earliest = on if done else max(at, on + timedelta(days=its_class.policy(invoice.type).step_notice_days))
    return {"step": notice.step, "effective_on": str(earliest), "done": done}


def _outdated(
    notice: Notice, late: Sequence[Invoice], customer: Customer, settings: Settings, its_class: CustomerClass, on: date
) -> str | None:
    """Why a notice must not go any more: the customer has left the tier, or what a step was to come for is paid."""
    chased = chasable(late, customer, its_class, on)
    if not chased:
        return "not_chased"
    if notice.step is not None:
        return None if any(i.id == notice.subject_id for i in late) else "paid"
    tier, _ = tier_of(chased, settings.automations.past_due.tiers, on)
    if notice.tier is None or tier == notice.tier or notice.kind not in PAST_DUE_KINDS:
        return None
    return "paid" if tier < notice.tier else "superseded"


def _payment(notice: Notice, customer: Customer, settings: Settings, on: date, ports: Ports) -> Composition:
    payment = ports.store.get(Payment, notice.subject_id)
    if payment is None:
        return Suppressed("no_payment")
    paid = {a.invoice_id: a.amount_minor for a in payment.allocations}
    failed = notice.kind == "payment_failed"
    ids = [payment.invoice_id] if failed and payment.invoice_id else [*paid]
    invoices = ports.store.get_many(Invoice, [(i, "") for i in ids])
    if failed and not any(i.residual_minor for i in invoices):
        return Suppressed("paid")
    facts = partial(_said_of_payment, payment, paid, invoices, customer, on, ports)
    return _said(notice, customer, facts, settings, ports)


def _said_of_payment(
    payment: Payment, paid: Mapping[str, int], invoices: Sequence[Invoice], customer: Customer, on: date, ports: Ports
) -> dict[str, object]:
    again = _tried_again_on(payment, invoices, on)
    method = ports.store.get(PaymentMethod, customer.id, payment.payment_method_id or "")
    return {
        "payment": {
            "amount": format_minor(payment.amount_minor, payment.currency), "currency": payment.currency,
            "method": payment.method, "brand": method.brand if method else "", "last4": method.last4 if method else "",
            "code": payment.code or "",
        },
        "invoice": said_of_invoice(invoices[0]) if invoices else {},
        "invoices": [{**said_of_invoice(i), "amount": format_minor(paid.get(i.id, 0), i.currency)} for i in invoices],
        "next_attempt_on": str(again) if again else None,
        "final": again is None and any(i.autopay_ended for i in invoices),
    }  # fmt: skip


def _tried_again_on(payment: Payment, invoices: Sequence[Invoice], on: date) -> date | None:
    """When the invoice of a declined charge is tried again as things stand now; other attempts may have followed."""
    if any(i.autopay_ended for i in invoices):
        return None
    planned = next((i.next_attempt_on for i in invoices if i.next_attempt_on), payment.next_attempt_on)
    return planned if planned is not None and planned >= on else None


def _card(notice: Notice, customer: Customer, settings: Settings, on: date, ports: Ports) -> Composition:
    method = ports.store.get(PaymentMethod, customer.id, notice.subject_id)
    if method is None:
        return Suppressed("card_removed")
    return _said(notice, customer, partial(_said_of_card, method, customer, on, ports), settings, ports)


def _said_of_card(method: PaymentMethod, customer: Customer, on: date, ports: Ports) -> dict[str, object]:
    following = expires_first(method, customer, on, ports)
    return {
        "card": {
            "brand": method.brand, "last4": method.last4, "expires": f"{method.exp_month:02d}/{method.exp_year:04d}"
        },
        "next_charge_on": str(following) if following else None,
    }  # fmt: skip


def _said(
    notice: Notice, customer: Customer, facts: Callable[[], Mapping[str, object]], settings: Settings, ports: Ports,
    attachments: tuple[Attachment, ...] = (), about: tuple[Invoice, ...] = (), linked: tuple[str, str] | None = None,
) -> Composed:  # fmt: skip
    """The mail of these facts in its template's words, with a pay link of its own if these name one.

    `linked` is an invoice's PDF by its name and the invoice's id: it is linked to, whatever the template says. Where
    nobody reads mails, in a rehearsal, most are not written.
    """
    if not ports.words_wanted(notice.kind):
        return Composed(UNWRITTEN, attachments, about)
    token, link = new_link(customer, settings, ports)
    url = ports.pay_url(token)
    data = {**shared_data(customer, settings), **facts(), "pay_url": url}
    mail = mail_of(notice, data, customer.speaks(settings), settings, ports)
    if linked is not None:
        mail = with_link(mail, linked[0], f"{url}/invoices/{linked[1]}.pdf")
    unsubscribe = f"{url}/unsubscribe" if notice.kind in UNSUBSCRIBABLE else None
    named = unsubscribe is not None or token in mail.html or token in mail.text
    return Composed(mail, attachments, about, link if named else None, unsubscribe)


def past_due(invoices: Iterable[Invoice], on: date) -> list[Invoice]:
    """Those overdue on a local date; the due date itself is still on time. Those on hold are left out."""
    return [i for i in invoices if i.payment_status(on) == "overdue" and not i.on_hold(on)]


def sums(invoices: Iterable[Invoice]) -> dict[str, int]:
    """Residuals per currency, in minor units."""
    totals: dict[str, int] = {}
    for invoice in invoices:
        totals[invoice.currency] = totals.get(invoice.currency, 0) + invoice.residual_minor
    return dict(sorted(totals.items()))


def shared_data(customer: Customer, settings: Settings) -> dict[str, object]:
    """What every mail may say, beside its pay link."""
    b = settings.business
    business = {"name": b.name, "email": b.email_from, "accent": b.accent_colour}
    return {"business": business, "customer": {"name": customer.name}}


def said_of_invoice(invoice: Invoice) -> Mapping[str, object]:
    """An invoice as templates know it: text only. A credit memo says what it gives, without a sign."""
    total_minor = -invoice.total_minor if invoice.type == "credit_memo" else invoice.total_minor
    return {
        "number": invoice.number or "", "invoice_date": str(invoice.invoice_date),
        "due_on": str(invoice.due_on) if invoice.due_on else None,
        "total": format_minor(total_minor, invoice.currency), "currency": invoice.currency,
        "residual": format_minor(invoice.residual_minor, invoice.currency), "type": invoice.type,
    }  # fmt: skip

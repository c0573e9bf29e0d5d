"""What a customer's own page shows: open invoices, how to pay them, credit, and what is promised. PRODUCT 11."""

from __future__ import annotations

from datetime import date

from shared.contracts.messages import RenderInvoice
from shared.domain.autopay import AutopayList
from shared.domain.contract import Contract
from shared.domain.customer import Customer
from shared.domain.errors import NotFound
from shared.domain.invoice import Invoice
from shared.domain.pay_link import mark_of
from shared.domain.payment import CreditBalance, PaymentMethod
from shared.domain.settings import Settings
from shared.domain.values import dataclass
from shared.ports import Ports
from shared.use_cases.autopay_rules import list_of
from shared.use_cases.lookups import open_invoices, today
from shared.use_cases.payment_methods import methods_of
from shared.use_cases.render_document import document_key


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """Everything of one customer, as of his local date `on`. Invoices are the open ones, oldest due first."""

    customer: Customer
    on: date
    invoices: tuple[Invoice, ...]
    methods: tuple[PaymentMethod, ...]
    credit: dict[str, int]  # minor units by currency


@dataclass(frozen=True, slots=True)
class OwnRules:
    """A customer's autopay rules, with the names of what they mention."""

    listed: AutopayList
    methods: tuple[PaymentMethod, ...]
    contracts: dict[str, str]  # names by id


def own_account(customer: Customer, settings: Settings, ports: Ports) -> OwnAccount:
    credit = ports.store.list(CreditBalance, customer.id).items
    return OwnAccount(
        customer,
        today(ports, customer, settings),
        tuple(open_invoices(ports, customer.id)),
        methods_of(customer.id, ports),
        {c.currency: c.amount_minor for c in credit if c.amount_minor},
    )


def own_rules(customer: Customer, ports: Ports) -> OwnRules:
    contracts = ports.store.list(Contract, customer.id).items
    return OwnRules(list_of(customer, ports), methods_of(customer.id, ports), {c.id: c.name for c in contracts})


def own_invoice(customer: Customer, invoice_id: str, ports: Ports) -> Invoice:
    """Raises NotFound, also for a draft and for another customer's."""
    invoice = ports.store.get(Invoice, invoice_id)
    if invoice is None or invoice.customer_id != customer.id or invoice.status == "draft":
        raise NotFound("invoice", invoice_id)
    return invoice


def own_document(customer: Customer, invoice_id: str, ports: Ports) -> bytes | None:
    """The PDF of one of his invoices; None while it is being made. Raises NotFound."""
    own_invoice(customer, invoice_id, ports)
    content = ports.files.read(document_key(invoice_id))
    if content is None:
        ports.queue.send("document", [RenderInvoice(invoice_id=invoice_id).body()])
    return content


def mark_of_invoice(invoice: Invoice) -> str:
    """What a page that shows the invoice says of it: it is paid for this amount or not at all."""
    return mark_of(invoice.id, invoice.residual_minor)

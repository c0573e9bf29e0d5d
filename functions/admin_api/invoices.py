"""Invoices: finding and showing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from functions.admin_api.calls import Answer, Call, boolean, one_of
from functions.admin_api.listing import PAGING, Source, indexed, page_of, stored
from functions.admin_api.problems import NotReady
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_fields import day, id_of
from shared.contracts.api_invoices import invoice_json
from shared.contracts.messages import RenderInvoice
from shared.domain.calendar import local_date
from shared.domain.customer import Customer
from shared.domain.errors import Refused
from shared.domain.invoice import Invoice, InvoiceLines, Line, part_keys
from shared.ports import INVOICES, INVOICES_BY_CUSTOMER, INVOICES_BY_RUN, INVOICES_OPEN, PAGE_LIMIT, Entry, Ports
from shared.use_cases.lookups import invoice_of, settings_of, shards
from shared.use_cases.notices import mails_of
from shared.use_cases.render_document import document_key

router = new_router()

Test = Callable[[Invoice, date], bool]  # whether an invoice passes, on the date at its customer
OPEN_STATUSES: Final = ("unpaid", "partially_paid", "overdue")


@endpoint(
    router,
    "GET",
    "/v1/invoices",
    filters={
        **PAGING,
        "customer_id": id_of("cus_"),
        "bill_run_id": id_of("brn_"),
        "status": one_of("draft", "posted", "void"),
        "payment_status": one_of("paid", *OPEN_STATUSES),
        "flagged": boolean,
        "due_before": day,
    },
)
def list_invoices(call: Call[Any]) -> Answer:
    """Invoices that pass all filters given."""
    tests, settings, now = _tests(call), settings_of(call.ports), call.ports.clock.now()
    local: dict[str, date] = {}  # at each customer

    def keep(found: Sequence[Entry]) -> list[tuple[Entry, Invoice]]:
        there = stored(call.ports, Invoice, found)
        unknown = {i.customer_id for _, i in there} - local.keys()
        for customer in call.ports.store.get_many(Customer, [(i, "") for i in sorted(unknown)]):
            local[customer.id] = local_date(now, customer.zone(settings))
        dated = [(e, i, local.get(i.customer_id) or now.date()) for e, i in there]
        return [(e, i) for e, i, on in dated if all(test(i, on) for test in tests)]

    return page_of(
        call, _sources(call), keep, lambda found: shown(call.ports, found), ahead=PAGE_LIMIT if tests else 0,
        weigh=lambda invoice: invoice.line_count,
    )  # fmt: skip


def _sources(call: Call[Any]) -> list[Source[Entry]]:
    """The narrowest index for the filters; what it names is tested against all of them."""
    query = call.query
    if "bill_run_id" in query:
        prefix = f"{query['status']}#" if "status" in query else ""
        return indexed(call.ports, INVOICES_BY_RUN, query["bill_run_id"], prefix=prefix)
    if "customer_id" in query:
        return indexed(call.ports, INVOICES_BY_CUSTOMER, query["customer_id"])
    index = INVOICES_OPEN if query.get("payment_status") in OPEN_STATUSES else INVOICES
    return indexed(call.ports, index, *shards())


def _tests(call: Call[Any]) -> list[Test]:
    """Each filter as a question about an invoice on a date."""
    tests: Mapping[str, Callable[[Any], Test]] = {
        "customer_id": lambda value: lambda i, on: i.customer_id == value,
        "bill_run_id": lambda value: lambda i, on: i.bill_run_id == value,
        "status": lambda value: lambda i, on: i.status == value,
        "payment_status": lambda value: lambda i, on: i.payment_status(on) == value,
        "flagged": lambda value: lambda i, on: bool(i.flags) == value,
        "due_before": lambda value: lambda i, on: i.due_on is not None and i.due_on < value,
    }
    return [tests[name](value) for name, value in call.query.items() if name in tests]


@endpoint(router, "GET", "/v1/invoices/<invoice_id>")
def get_invoice(call: Call[Any], invoice_id: str) -> Answer:
    """One invoice with its lines."""
    return Answer(200, shown(call.ports, [invoice_of(call.ports, invoice_id)])[0])


@endpoint(router, "GET", "/v1/invoices/<invoice_id>/pdf")
def get_pdf(call: Call[Any], invoice_id: str) -> Answer:
    """The PDF that was rendered when the invoice was posted."""
    invoice = invoice_of(call.ports, invoice_id)
    if invoice.status == "draft":
        raise Refused("not_posted", f"invoice {invoice_id} is a draft; its PDF is made when it is posted")
    content = call.ports.files.read(document_key(invoice_id))
    if content is None:
        call.ports.queue.send("document", [RenderInvoice(invoice_id=invoice_id).body()])
        raise NotReady("the PDF is being made: ask again in a moment")
    name = f'inline; filename="{invoice_id}.pdf"'
    return Answer(200, content, "application/pdf", {"Content-Disposition": name})


def shown(ports: Ports, invoices: Sequence[Invoice]) -> list[dict[str, Any]]:
    """Invoices as JSON, with their lines, the date at their customers and the mail they went with."""
    settings, now, store = settings_of(ports), ports.clock.now(), ports.store
    owners = store.get_many(Customer, [(i, "") for i in sorted({i.customer_id for i in invoices})])
    local = {c.id: local_date(now, c.zone(settings)) for c in owners}
    here = local_date(now, settings.business.timezone)
    mails, lines = mails_of(invoices, ports), _lines(ports, invoices)
    return [invoice_json(i, lines[i.id], local.get(i.customer_id, here), mails.get(i.id)) for i in invoices]


def _lines(ports: Ports, invoices: Sequence[Invoice]) -> dict[str, list[Line]]:
    lines = {i.id: list(i.lines) for i in invoices}
    for part in ports.store.get_many(InvoiceLines, [key for i in invoices for key in part_keys(i)]):
        lines[part.invoice_id].extend(part.lines)
    return lines

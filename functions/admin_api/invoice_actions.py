"""What is done to invoices by hand: create, edit, post, void, send, charge, adjust."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from functions.admin_api.calls import Answer, Call, boolean, expect
from functions.admin_api.invoices import shown
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_fields import Findings, refuse
from shared.contracts.api_invoices import (
    AdjustmentBody,
    ChargeInvoiceBody,
    DraftBody,
    InvoiceBody,
    LineBody,
    line_json,
    read_lines,
    read_positive,
)
from shared.contracts.api_notices import notice_json
from shared.contracts.api_payments import payment_json
from shared.domain.contract import Contract
from shared.domain.copies import replace
from shared.domain.errors import NotFound, Refused
from shared.domain.invoice import Invoice, Line
from shared.domain.money import format_minor
from shared.ports import Ports
from shared.use_cases.adjust_invoice import Adjustment, adjust_invoice
from shared.use_cases.charge_invoice import charge_by_hand, charged_by_hand_since
from shared.use_cases.create_invoice import create_invoice, edit_draft, edited_draft
from shared.use_cases.lookups import customer_of, invoice_of, settings_of, today
from shared.use_cases.notices_by_hand import send_invoice
from shared.use_cases.post_invoices import post_invoice
from shared.use_cases.void_invoice import void_invoice

router = new_router()


@endpoint(router, "POST", "/v1/invoices", body=InvoiceBody, creates="inv_")
def post_new_invoice(call: Call[InvoiceBody]) -> Answer:
    """Create an invoice out of turn, or one from elsewhere, and post it if asked to."""
    body, ports = call.body, call.ports
    try:
        customer = customer_of(ports, body.customer_id)
    except NotFound:
        refuse("customer_id", f"there is no customer {body.customer_id!r}")
    if body.type == "credit_memo":
        refuse("type", "must not be credit_memo: credit an invoice through its adjustments")
    currency = body.currency or customer.currency
    draft = Invoice(
        id=ports.ids.new("inv_"), customer_id=customer.id, currency=currency, type=body.type,
        invoice_date=body.invoice_date or _dated(body.due_on, today(ports, customer, settings_of(ports))),
        due_on=body.due_on, number=body.number,
    )  # fmt: skip
    _check_dates(draft.invoice_date, draft.due_on)
    lines = _checked_lines(body.lines, draft, ports)
    known = ports.store.get(Invoice, draft.id)
    if known is None:
        return _one(201, create_invoice(draft, lines, body.post, ports), ports)
    if not _made_of(known, draft, lines):
        raise Refused("id_taken", f"the id {draft.id} is taken: choose another")
    return _one(200, post_invoice(known.id, ports) if body.post else known, ports)  # its first answer was lost


@endpoint(router, "PATCH", "/v1/invoices/<invoice_id>", body=DraftBody, filters={"dry_run": boolean})
def patch_draft(call: Call[DraftBody], invoice_id: str) -> Answer:
    """Change a draft's lines or dates; what is left out stays. With a due date of null it is due by its terms.

    A dry run only answers what it would come to.
    """
    body, invoice = call.body, invoice_of(call.ports, invoice_id)
    expect(call, invoice.version)
    if "due_on" in body.model_fields_set and body.due_on is None:
        invoice = replace(invoice, due_on=None)
    lines = _checked_lines(body.lines, invoice, call.ports) if body.lines is not None else None
    _check_dates(body.invoice_date or invoice.invoice_date, body.due_on or invoice.due_on)
    if call.query.get("dry_run", False):
        tried = edited_draft(invoice, lines, body.invoice_date, body.due_on)
        seen = {"lines": [line_json(line, tried.currency) for line in lines]} if lines is not None else {}
        return Answer(200, {**shown(call.ports, [tried])[0], **seen})
    edited = edit_draft(invoice, call.ports, lines=lines, invoice_date=body.invoice_date, due_on=body.due_on)
    return _one(200, edited, call.ports)


@endpoint(router, "POST", "/v1/invoices/<invoice_id>/post")
def post_draft(call: Call[Any], invoice_id: str) -> Answer:
    """Post a draft: it gets its number and is owed."""
    return _one(200, post_invoice(invoice_id, call.ports), call.ports)


@endpoint(router, "POST", "/v1/invoices/<invoice_id>/void")
def void(call: Call[Any], invoice_id: str) -> Answer:
    """Void a posted invoice on which nothing is paid; its periods can be billed again."""
    return _one(200, void_invoice(invoice_id, call.ports), call.ports)


@endpoint(router, "POST", "/v1/invoices/<invoice_id>/send")
def send(call: Call[Any], invoice_id: str) -> Answer:
    """Mail a posted invoice; the mail follows through the queue."""
    return Answer(200, notice_json(send_invoice(invoice_id, call.ports)))


@endpoint(router, "POST", "/v1/invoices/<invoice_id>/charge", body=ChargeInvoiceBody)
def charge(call: Call[ChargeInvoiceBody], invoice_id: str) -> Answer:
    """Charge an invoice's residual now; a decline is an answer, not an error."""
    made = charged_by_hand_since(call.tried_since, invoice_id, call.ports) if call.tried_since else None
    return Answer(200, payment_json(made or charge_by_hand(invoice_id, call.ports, call.body.payment_method_id)))


@endpoint(router, "POST", "/v1/invoices/<invoice_id>/adjustments", body=AdjustmentBody, creates="adj_")
def adjust(call: Call[AdjustmentBody], invoice_id: str) -> Answer:
    """Credit or debit a posted invoice, by one amount or by line."""
    body, invoice = call.body, invoice_of(call.ports, invoice_id)
    if (body.amount is None) == (body.lines is None):
        refuse("amount", "give either amount or lines")
    amount = read_positive("amount", body.amount, invoice.currency) if body.amount is not None else None
    lines = _checked_lines(body.lines, invoice, call.ports) if body.lines is not None else None
    made = adjust_invoice(invoice_id, body.kind, lines, amount, body.reason, call.ports, body.id)
    return Answer(201, _adjustment_json(made, call.ports))


def _adjustment_json(made: Adjustment, ports: Ports) -> dict[str, Any]:
    return {
        "id": made.id,
        "kind": made.kind,
        "invoice_id": made.invoice_id,
        "amount": format_minor(made.amount_minor, made.memo.currency),
        "currency": made.memo.currency,
        "reason": made.reason,
        "memo": shown(ports, [made.memo])[0],
    }


def _checked_lines(bodies: Sequence[LineBody], invoice: Invoice, ports: Ports) -> tuple[Line, ...]:
    """The lines in the invoice's currency. Their contracts are the customer's, and their sum is not negative."""
    found = Findings()
    lines = read_lines(bodies, invoice.currency, found)
    wanted = sorted({line.contract_id for line in lines if line.contract_id})
    contracts = {c.id for c in ports.store.get_many(Contract, [(invoice.customer_id, c) for c in wanted])}
    for n, line in enumerate(lines):
        if line.contract_id is not None and line.contract_id not in contracts:
            found.add(f"lines[{n}].contract_id", f"customer {invoice.customer_id} has no contract {line.contract_id!r}")
    if not found.errors and sum(line.amount_minor for line in lines) < 0 and invoice.bill_run_id is None:
        found.add("lines", "add up to less than zero: give a credit with an adjustment")
    found.done()
    return lines


def _dated(due_on: date | None, today: date) -> date:
    """An invoice without a date is of today; one from elsewhere that was due before is of the day it was due."""
    return min(today, due_on) if due_on else today


def _check_dates(invoice_date: date, due_on: date | None) -> None:
    if due_on is not None and due_on < invoice_date:
        refuse("due_on", "must not be before invoice_date")


def _made_of(known: Invoice, draft: Invoice, lines: Sequence[Line]) -> bool:
    """Whether an invoice was created from this draft and these lines, whatever became of it since."""
    alike = (known.customer_id, known.currency, known.type) == (draft.customer_id, draft.currency, draft.type)
    return alike and known.subtotal_minor == sum(line.amount_minor for line in lines)


def _one(status: int, invoice: Invoice, ports: Ports) -> Answer:
    return Answer(status, shown(ports, [invoice])[0])

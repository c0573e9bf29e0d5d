"""Invoices and their lines, read and shown. API.md "Shapes", PRODUCT 4–6."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from shared.contracts.api_fields import (
    Body,
    ChargeId,
    ContractId,
    Currency,
    CustomerId,
    Day,
    Findings,
    InvoiceId,
    MethodId,
    Money,
    Name,
    Quantity,
    Text,
    iso,
    minor,
    plain,
    rfc3339,
    text,
)
from shared.domain.invoice import LINES_MAX, Invoice, InvoiceType, Line
from shared.domain.money import MAX_MINOR, format_minor, multiply
from shared.domain.notice import Notice

NUMBER_CHARS_MAX: Final = 60


def _number(value: object) -> str:
    return text(value, NUMBER_CHARS_MAX)


Number = Annotated[str, BeforeValidator(_number), WithJsonSchema({"type": "string", "maxLength": NUMBER_CHARS_MAX})]


class LineBody(Body):
    """A line as posted. One taken from an invoice may be given back as it was shown: then its amount counts."""

    name: Name
    amount: Money | None = None
    unit_amount: Money | None = None
    quantity: Quantity = Decimal(1)
    contract_id: ContractId | None = None
    charge_id: ChargeId | None = None
    service_start: Day | None = None
    service_end: Day | None = None
    taxable: bool = True


Lines = Annotated[list[LineBody], Field(min_length=1, max_length=LINES_MAX)]


class InvoiceBody(Body):
    """An invoice out of turn, or one imported from elsewhere."""

    id: InvoiceId | None = None
    customer_id: CustomerId
    type: InvoiceType = "out_of_turn"
    lines: Lines
    invoice_date: Day | None = None
    due_on: Day | None = None
    number: Number | None = None
    currency: Currency | None = None
    post: bool = False


class DraftBody(Body):
    """Changes of a draft."""

    lines: Lines | None = None
    invoice_date: Day | None = None
    due_on: Day | None = None
    version: int | None = None


class ChargeInvoiceBody(Body):
    payment_method_id: MethodId | None = None


class AdjustmentBody(Body):
    """A credit or debit memo: of one amount, tax included, or by line."""

    id: Annotated[str, Field(pattern="^adj_[A-Za-z0-9_-]{1,60}$")] | None = None
    kind: Literal["credit", "debit"]
    amount: Money | None = None
    lines: Lines | None = None
    reason: Text


# ---- reading --------------------------------------------------------------------------------------------------


def read_lines(bodies: Sequence[LineBody], currency: str, found: Findings) -> tuple[Line, ...]:
    """The lines in their currency, with what is wrong added to `found`."""
    lines = tuple(_line(f"lines[{n}]", body, currency, found) for n, body in enumerate(bodies))
    if abs(sum(line.amount_minor for line in lines)) > MAX_MINOR:
        found.add("lines", "add up to more than the largest amount")
    return lines


def _line(at: str, body: LineBody, currency: str, found: Findings) -> Line:
    if body.amount is None and body.unit_amount is None:
        found.add(f"{at}.amount", "is required, or unit_amount with a quantity")
    if (body.service_start is None) != (body.service_end is None):
        found.add(f"{at}.service_end", "and service_start go together")
    elif body.service_start is not None and body.service_end is not None and body.service_end <= body.service_start:
        found.add(f"{at}.service_end", "must be later than service_start: it is exclusive")
    unit = _minor(f"{at}.unit_amount", body.unit_amount, currency, found)
    amount = _minor(f"{at}.amount", body.amount, currency, found)
    if amount is None and unit is not None:
        each = unit
        amount = found.attempt(f"{at}.quantity", lambda: multiply(each, body.quantity), 0)
    return Line(
        name=body.name, amount_minor=amount or 0, unit_amount_minor=unit, quantity=body.quantity,
        contract_id=body.contract_id, charge_id=body.charge_id, service_start=body.service_start,
        service_end=body.service_end, taxable=body.taxable,
    )  # fmt: skip


def _minor(at: str, given: str | None, currency: str, found: Findings) -> int | None:
    return None if given is None else found.attempt(at, lambda: minor(given, currency), 0)


def read_positive(at: str, given: str, currency: str) -> int:
    """An amount of more than zero. Raises InvalidBody."""
    found = Findings()
    amount = found.attempt(at, lambda: minor(given, currency), 1)
    if amount <= 0:
        found.add(at, "must be more than zero")
    found.done()
    return amount


# ---- showing --------------------------------------------------------------------------------------------------


def invoice_json(invoice: Invoice, lines: Sequence[Line], on: date, notice: Notice | None) -> dict[str, Any]:
    """An invoice as of a local date of its customer. `notice` is the mail that it was sent with."""
    currency = invoice.currency
    return {
        "id": invoice.id,
        "number": invoice.number,
        "customer_id": invoice.customer_id,
        "type": invoice.type,
        "status": invoice.status,
        "payment_status": invoice.payment_status(on),
        "invoice_date": iso(invoice.invoice_date),
        "posted_on": iso(invoice.posted_on),
        "due_on": iso(invoice.due_on),
        "currency": currency,
        "lines": [line_json(line, currency) for line in lines],
        "subtotal": format_minor(invoice.subtotal_minor, currency),
        "tax": format_minor(invoice.tax_minor, currency),
        "total": format_minor(invoice.total_minor, currency),
        "residual": format_minor(invoice.residual_minor, currency),
        "bill_run_id": invoice.bill_run_id,
        "flags": [{"code": flag.code, "message": flag.message} for flag in invoice.flags],
        "delivery": {"status": notice.status, "at": rfc3339(notice.sent_at)} if notice else None,
        "hold": {"reason": invoice.hold.reason, "through": iso(invoice.hold.through)} if invoice.hold else None,
        "adjusts_invoice_id": invoice.adjusts_invoice_id,
        "reason": invoice.reason,
        "version": invoice.version,
    }


def line_json(line: Line, currency: str) -> dict[str, Any]:
    unit = line.unit_amount_minor
    return {
        "name": line.name,
        "contract_id": line.contract_id,
        "charge_id": line.charge_id,
        "service_start": iso(line.service_start),
        "service_end": iso(line.service_end),
        "quantity": plain(line.quantity),
        "unit_amount": format_minor(unit, currency) if unit is not None else None,
        "amount": format_minor(line.amount_minor, currency),
        "taxable": line.taxable,
    }

"""Invoices that no bill run makes: out of turn, imported from elsewhere, and edited drafts. PRODUCT 4, 5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from shared.domain.errors import Refused
from shared.domain.invoice import Invoice, InvoiceLines, Line, part_count, parts, totalled
from shared.ports import Change, Ports, Remove, Save
from shared.use_cases.lookups import customer_of, invoice_of
from shared.use_cases.post_invoices import post_invoice


def create_invoice(draft: Invoice, lines: Sequence[Line], post: bool, ports: Ports) -> Invoice:
    """Store a draft with these lines, the customer's tax rate on it, and post it if asked to.

    The draft's own number and due date, where it has them, are kept: an imported invoice stays what it was.
    """
    customer = customer_of(ports, draft.customer_id)
    invoice = totalled(replace(draft, tax_rate_percent=customer.tax_rate_percent, created_at=ports.clock.now()), lines)
    ports.store.commit(Save(invoice), *map(Save, parts(invoice.id, tuple(lines))))
    return post_invoice(invoice.id, ports) if post else replace(invoice, version=1)


def edit_draft(
    invoice: Invoice, ports: Ports, lines: Sequence[Line] | None = None, invoice_date: date | None = None,
    due_on: date | None = None,
) -> Invoice:  # fmt: skip
    """Replace a draft's lines or dates. Refused once it is posted: then adjust it with a credit or debit memo."""
    if invoice.status != "draft":
        raise Refused("not_draft", f"invoice {invoice.id} is {invoice.status}; adjust it with a credit or debit memo")
    edited = replace(invoice, invoice_date=invoice_date or invoice.invoice_date, due_on=due_on or invoice.due_on)
    if lines is None:
        ports.store.commit(Save(edited))
        return invoice_of(ports, invoice.id)
    edited = totalled(edited, lines)
    ports.store.commit(Save(edited), *_rewritten(invoice, tuple(lines), ports))
    return invoice_of(ports, invoice.id)


def _rewritten(invoice: Invoice, lines: tuple[Line, ...], ports: Ports) -> list[Change]:
    """The stored parts brought to these lines: rewritten, added, or removed where there are fewer now."""
    keys = [(invoice.id, f"{n:04d}") for n in range(part_count(invoice.line_count))]
    stored = {part.part: part for part in ports.store.get_many(InvoiceLines, keys)}
    wanted = parts(invoice.id, lines)
    saves = [Save(replace(new, version=stored[new.part].version if new.part in stored else 0)) for new in wanted]
    return [*saves, *(Remove(old) for n, old in stored.items() if n >= len(wanted))]

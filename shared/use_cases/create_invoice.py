"""Invoices that no bill run makes: out of turn, imported from elsewhere, and edited drafts. PRODUCT 4, 5."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from shared.domain.copies import replace
from shared.domain.errors import Refused, Stale
from shared.domain.invoice import Invoice, InvoiceLines, Line, part_keys, parts, totalled
from shared.domain.records import Owner
from shared.ports import Change, Conflict, Ports, Remove, Save, Unavailable
from shared.use_cases.lookups import CONFLICT_RETRIES, customer_of, invoice_of, lines_of
from shared.use_cases.post_invoices import INVOICE_PREFIX, SERIES, post_invoice, series_of


def create_invoice(draft: Invoice, lines: Sequence[Line], post: bool, ports: Ports) -> Invoice:
    """Store a draft with these lines, the customer's tax rate on it, and post it if asked to.

    The draft's own number and due date, where it has them, are kept: an imported invoice stays what it was. Creating
    the same again goes on where the first attempt stopped. Refused if the id or the number is taken by another.
    """
    customer, lines = customer_of(ports, draft.customer_id), tuple(lines)
    rate = draft.tax_rate_percent if draft.adjusts_invoice_id else customer.tax_rate_percent
    invoice = totalled(replace(draft, tax_rate_percent=rate, created_at=ports.clock.now()), lines)
    stored = _stored(invoice, lines, ports)
    return post_invoice(invoice.id, ports) if post else stored


def _stored(invoice: Invoice, lines: tuple[Line, ...], ports: Ports) -> Invoice:
    for _ in range(CONFLICT_RETRIES):
        known = ports.store.get(Invoice, invoice.id)
        if known is not None:
            if not _same(known, invoice, lines, ports):
                raise Refused("id_taken", f"the id {invoice.id} is taken by another invoice: choose another")
            return known
        try:
            ports.store.commit(Save(invoice), *map(Save, parts(invoice.id, lines)), *_numbered(invoice, ports))
        except Conflict:
            continue
        return replace(invoice, version=1)
    raise Unavailable(f"invoice {invoice.id} could not be stored")


def _same(known: Invoice, new: Invoice, lines: tuple[Line, ...], ports: Ports) -> bool:
    """Whether the stored invoice was made from the same values; what posting adds to it is not compared."""
    given = (known.number if new.number else None, known.due_on if new.due_on else None)
    return given == (new.number, new.due_on) and _made_of(known) == _made_of(new) and lines_of(ports, known) == lines


def _made_of(invoice: Invoice) -> tuple[object, ...]:
    return (
        invoice.customer_id, invoice.currency, invoice.type, invoice.invoice_date, invoice.total_minor,
        invoice.line_count, invoice.adjusts_invoice_id,
    )  # fmt: skip


def _numbered(invoice: Invoice, ports: Ports) -> list[Change]:
    """Keeps a number that an invoice brings with it from being given to any other."""
    if invoice.number is None:
        return []
    key = f"number/{invoice.number}"
    if ports.store.get(Owner, key) is not None:
        raise Refused("number_taken", f"the number {invoice.number} is taken; give another, or none")
    changes: list[Change] = [Save(Owner(key, invoice.customer_id))]
    for prefix in (INVOICE_PREFIX, *SERIES.values()):
        series = series_of(ports, prefix)
        if (value := series.value(invoice.number)) is not None:
            changes.append(Save(series.reserved(value)))
    return changes


def edit_draft(
    invoice: Invoice, ports: Ports, lines: Sequence[Line] | None = None, invoice_date: date | None = None,
    due_on: date | None = None,
) -> Invoice:  # fmt: skip
    """Replace a draft's lines or dates. Refused once it is posted: then adjust it with a credit or debit memo."""
    edited = edited_draft(invoice, lines, invoice_date, due_on)
    changes: list[Change] = [Save(edited), *(_rewritten(invoice, tuple(lines), ports) if lines is not None else ())]
    try:
        ports.store.commit(*changes)
    except Conflict:
        raise Stale(f"invoice {invoice.id} was changed meanwhile; read it again") from None
    return invoice_of(ports, invoice.id)


def edited_draft(
    invoice: Invoice, lines: Sequence[Line] | None = None, invoice_date: date | None = None, due_on: date | None = None
) -> Invoice:
    """The draft with other lines or dates, totalled again; nothing is written."""
    if invoice.status != "draft":
        raise Refused("not_draft", f"invoice {invoice.id} is {invoice.status}; adjust it with a credit or debit memo")
    edited = replace(invoice, invoice_date=invoice_date or invoice.invoice_date, due_on=due_on or invoice.due_on)
    return totalled(edited, lines) if lines is not None else edited


def _rewritten(invoice: Invoice, lines: tuple[Line, ...], ports: Ports) -> list[Change]:
    """The stored parts brought to these lines: rewritten, added, or removed where there are fewer now."""
    stored = {part.part: part for part in ports.store.get_many(InvoiceLines, part_keys(invoice))}
    wanted = parts(invoice.id, lines)
    saves = [Save(replace(new, version=stored[new.part].version if new.part in stored else 0)) for new in wanted]
    return [*saves, *(Remove(old) for n, old in stored.items() if n >= len(wanted))]

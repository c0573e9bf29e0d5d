"""The print batch: a cover sheet, then each invoice's own pages in the order given."""

from __future__ import annotations

from io import BytesIO

from pypdf import PdfReader

from shared.rendering.documents import render_invoice_pdf
from shared.rendering.print_batch import Sheet, render_print_batch


def sheet(number, customer="Acme Ltd", lines=1, **fields):
    line = {"name": "Support", "quantity": "1", "unit_amount": "10.00", "amount": "10.00"}
    document = {
        "kind": "invoice", "number": number, "currency": "USD", "invoice_date": "2026-01-15", "due_on": "2026-02-14",
        "seller": {"name": "Northwind"}, "customer": {"name": customer}, "lines": [line] * lines, "subtotal": "10.00",
        "tax_rate_percent": "0", "tax": "0.00", "total": "10.00", "paid": "0.00", "balance": "10.00",
    }  # fmt: skip
    return Sheet(customer, "10115 Berlin, DE", number, render_invoice_pdf(document), **fields)


def text_of_pages(pdf):
    return [page.extract_text() for page in PdfReader(BytesIO(pdf)).pages]


def test_the_cover_counts_and_lists_what_follows_and_every_page_is_there():
    sheets = [sheet("INV-1", lines=60), sheet("INV-2", "Łódź Sp. z o.o.", remark="mail to its address bounced")]
    cover, *pages = text_of_pages(render_print_batch("Northwind", "brn_1", "2026-01-15", sheets))
    assert "2 invoices on" in cover
    assert cover.index("INV-1") < cover.index("INV-2")
    assert "mail to its address bounced" in cover
    assert "Łódź Sp. z o.o." in cover
    assert f"on {len(pages)} pages" in cover
    assert "INV-1" in pages[0]
    assert "INV-2" in pages[-1]


def test_the_same_sheets_give_the_same_bytes():
    sheets = [sheet("INV-1"), sheet("INV-2")]
    assert render_print_batch("N", "brn_1", "2026-01-15", sheets) == render_print_batch(
        "N", "brn_1", "2026-01-15", sheets
    )


def test_a_long_list_goes_over_several_cover_pages():
    one = sheet("INV-1")
    pages = text_of_pages(render_print_batch("N", "brn_1", "2026-01-15", [one] * 120))
    assert "120 invoices on 120 pages" in pages[0]
    assert "Cover sheet" in pages[2]


def test_what_people_typed_is_text_and_nothing_else():
    odd = Sheet('#eval("1") $x$ *b* `c`\r\nBcc: x', "@here <tag>", "INV-1", sheet("INV-1").pdf)
    cover, _ = text_of_pages(render_print_batch("#panic()", "brn_1", "2026-01-15", [odd]))
    assert '#eval("1") $x$ *b*' in cover
    assert "#panic()" in cover

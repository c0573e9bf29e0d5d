"""The invoice as PDF. PRODUCT 6."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from shared.rendering.documents import MAX_TAGGED_LINES, Unprintable, fonts, render_invoice_pdf
from tests.pictures import JPEG, SVG, png

BREAK = "\u200b"  # a permitted break inside a long word


def line(name: str = "Support", **changes: Any) -> dict[str, Any]:
    defaults = {
        "service_start": "2026-01-15", "service_end": "2026-02-14",
        "quantity": "1", "unit_amount": "249.95", "amount": "249.95",
    }  # fmt: skip
    return {"name": name, **defaults, **changes}


def document(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "invoice", "number": "INV-000042", "invoice_date": "2026-01-15", "due_on": "2026-02-14",
        "currency": "USD",
        "seller": {"name": "Northwind", "email": "billing@northwind.example"},
        "customer": {
            "name": "Acme Ltd", "address_lines": ["1 Main Street", "Springfield"], "email": "ap@acme.example",
        },
        "lines": [line()],
        "subtotal": "249.95", "tax_rate_percent": "8", "tax": "20.00", "total": "269.95",
        "paid": "0.00", "balance": "269.95",
        "pay_url": "https://pay.northwind.example/pay/token", "note": "Thank you.",
        **changes,
    }  # fmt: skip


def pages(pdf: bytes) -> list[str]:
    return [page.extract_text().replace(BREAK, "") for page in PdfReader(io.BytesIO(pdf)).pages]


def text(**changes: Any) -> str:
    return "\n".join(pages(render_invoice_pdf(document(**changes))))


def squeezed(value: str) -> str:
    """Without spaces and breaks: where a line wraps is not what these tests are about."""
    return "".join(value.replace(BREAK, "").split())


def test_an_invoice_says_who_owes_whom_what_for_and_until_when():
    shown = text()
    for said in (
        "Invoice", "INV-000042", "15 January 2026", "14 February 2026", "Northwind",
        "billing@northwind.example", "Acme Ltd", "1 Main Street", "Springfield", "ap@acme.example",
        "Support", "15 Jan – 14 Feb 2026",
        "249.95", "Tax 8 %", "20.00", "269.95", "https://pay.northwind.example/pay/token", "Thank you.",
        "Page 1 of 1",
    ):  # fmt: skip
        assert said in shown


def test_the_pay_link_can_be_clicked():
    page = PdfReader(io.BytesIO(render_invoice_pdf(document()))).pages[0]
    targets = {note.get_object()["/A"]["/URI"] for note in page["/Annots"]}
    assert targets == {"https://pay.northwind.example/pay/token"}


def test_the_same_document_gives_the_same_bytes_at_another_time():
    first = render_invoice_pdf(document())
    time.sleep(1.1)  # a creation date in seconds would differ
    assert render_invoice_pdf(document()) == first
    assert render_invoice_pdf(document(number="INV-000043")) != first


def test_without_a_link_the_customer_is_told_what_to_quote():
    assert "Please quote INV-000042 with your payment" in text(pay_url=None)


@pytest.mark.parametrize("changes", [{"balance": "0.00", "paid": "269.95"}, {"balance": "-5.00"}])
def test_nothing_owed_asks_for_nothing(changes):
    shown = text(**changes)
    assert "Nothing left to pay" in shown
    assert "Pay online" not in shown


def test_a_credit_memo_is_no_bill():
    shown = text(kind="credit_memo", due_on=None)
    assert "Credit memo" in shown
    assert "Pay online" not in shown
    assert "Due date" not in shown


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind"):
        render_invoice_pdf(document(kind="receipt"))


@pytest.mark.parametrize(
    ("start", "end", "shown"),
    [
        ("2026-02-01", "2026-02-28", "February 2026"),
        ("2028-02-01", "2028-02-28", "1 Feb – 28 Feb 2028"),  # a leap year's February has a 29th
        ("2025-12-15", "2026-01-14", "15 Dec 2025 – 14 Jan 2026"),
        ("2026-01-15", "2026-01-15", "15 Jan 2026"),
        ("2026-01-15", None, "15 Jan 2026"),
    ],
)
def test_a_service_period_is_said_in_the_fewest_words(start, end, shown):
    assert shown in text(lines=[line(service_start=start, service_end=end)])


def test_forty_lines_take_two_pages_with_the_columns_named_on_each():
    both = pages(render_invoice_pdf(document(lines=[line(f"Item {n:03}") for n in range(40)])))
    assert len(both) == 2
    assert all("Description" in page and f"Page {n} of 2" in page for n, page in enumerate(both, 1))
    assert all(f"Item {n:03}" in both[0] + both[1] for n in range(40))
    assert "Northwind" in both[1]
    assert "Invoice INV-000042" in both[1]


def test_an_invoice_without_lines_is_rendered():
    assert "269.95" in text(lines=[])


MARKUP = ["#panic(1)", "$x^2$", "*bold*", "_it_", "\\", "]", "[", '"', "`raw`", "<label>", "@ref", "= head",
          "// no", "/* no", "#read(1)", "- dash", "{{ 1 }}", "\\u{41}"]  # fmt: skip


@pytest.mark.parametrize("typed", MARKUP)
def test_what_people_type_is_text_and_never_markup(typed):
    shown = squeezed(text(
        customer={"name": f"A{typed}Z", "address_lines": [f"B{typed}Z"], "email": None},
        seller={"name": f"C{typed}Z", "email": None}, number=f"D{typed}Z",
        lines=[line(f"E{typed}Z", quantity=f"F{typed}Z")], note=f"G{typed}Z",
    ))  # fmt: skip
    for place in "ABCDEFG":
        assert squeezed(f"{place}{typed}Z") in shown


def test_control_characters_and_tricks_of_direction_are_dropped():
    shown = text(customer={"name": "Ac\x00me\r\nLtd\u202egnp.exe\ud800", "address_lines": [], "email": None})
    assert "Ac me" in shown
    assert not set(shown) & set("\x00\u202e\ud800")


def test_a_name_without_a_space_stays_in_its_column():
    page = PdfReader(io.BytesIO(render_invoice_pdf(document(lines=[line("W" * 400)])))).pages[0]
    rights = []
    page.extract_text(visitor_text=lambda t, cm, tm, font, size: rights.append(t) if "W" in t else None)
    assert max(len(run.replace(BREAK, "").strip()) for run in rights) < 30


@pytest.mark.parametrize("name", ["Zażółć gęślą jaźń", "Ürün ₺ Şİ", "Цена ₽", "Ελλάδα", "€ ¥ £ ₹"])
def test_european_scripts_and_currency_signs_have_glyphs(name):
    assert name in text(lines=[line(name)])


def test_arabic_is_set_in_a_font_that_has_it():
    pdf = PdfReader(io.BytesIO(render_invoice_pdf(document(lines=[line("شركة الاختبار")]))))
    assert any("Arabic" in font["/BaseFont"] for font in pdf.pages[0]["/Resources"]["/Font"].values())


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(typed=st.text(max_size=60), amount=st.text(max_size=20))
def test_no_text_breaks_the_document(typed, amount):
    pdf = render_invoice_pdf(document(
        customer={"name": typed, "address_lines": [typed], "email": typed},
        lines=[line(typed, quantity=amount, unit_amount=amount, amount=amount)],
        note=typed, total=amount, balance=amount, pay_url=f"https://pay.example/{typed}",
    ))  # fmt: skip
    assert pdf.startswith(b"%PDF-")


def test_long_invoices_go_without_structure_tags_and_short_ones_have_them():
    def tagged(lines: int) -> bool:
        pdf = render_invoice_pdf(document(lines=[line()] * lines))
        return "/StructTreeRoot" in PdfReader(io.BytesIO(pdf)).root_object

    assert tagged(1)
    assert not tagged(MAX_TAGGED_LINES + 1)


@pytest.mark.slow
def test_ten_thousand_lines_are_an_invoice():
    started = time.process_time()
    pdf = render_invoice_pdf(document(lines=[line(f"Item {n:05}") for n in range(10_000)]))
    assert time.process_time() - started < 10  # QUALITY, speed and cost
    assert len(pdf) < 3_000_000
    reader = PdfReader(io.BytesIO(pdf))
    assert "Item 00000" in reader.pages[0].extract_text()
    assert "Item 09999" in reader.pages[-1].extract_text() + reader.pages[-2].extract_text()


# ---- the seller's own looks -----------------------------------------------------------------------------------

SELLER = {
    "name": "Nordwind GmbH", "email": "rechnung@nordwind.example", "tax_id": "DE123456789",
    "address_lines": ["Hafenstraße 12", "20457 Hamburg"], "iban": "DE89370400440532013000", "bic": "COBADEFFXXX",
    "payment_instructions": ["Without deduction, please."], "accent": "#1f3a8a",
}  # fmt: skip


def test_the_seller_says_where_it_is_and_how_it_is_paid():
    shown = text(seller=SELLER).replace("\u00a0", " ")
    for said in ("Hafenstraße 12", "20457 Hamburg", "VAT ID DE123456789", "Pay by bank transfer", "COBADEFFXXX",
                 "DE89 3704 0044 0532 0130 00", "Without deduction, please.", "Pay online"):  # fmt: skip
        assert said in shown
    assert "Tax ID 12-345" in text(seller={**SELLER, "tax_id": "12-345"}).replace("\u00a0", " ")


def test_nothing_is_said_of_paying_once_nothing_is_owed():
    assert "DE89" not in text(seller=SELLER, balance="0.00", paid="269.95")


@pytest.mark.parametrize("logo", [{"format": "png", "content": png()}, {"format": "jpg", "content": JPEG},
                                  {"format": "svg", "content": SVG}])  # fmt: skip
def test_a_logo_is_on_the_first_page(logo):
    with_logo = render_invoice_pdf(document(seller={**SELLER, "logo": logo}))
    assert with_logo != render_invoice_pdf(document(seller=SELLER))
    assert render_invoice_pdf(document(seller={**SELLER, "logo": logo})) == with_logo
    assert "Nordwind GmbH" in pages(with_logo)[0]


def test_a_logo_that_cannot_be_set_is_said_to_be_one():
    with pytest.raises(Unprintable):
        render_invoice_pdf(document(seller={**SELLER, "logo": {"format": "png", "content": b"no picture"}}))


def test_the_page_is_stamped_only_if_it_was_paid_as_it_was_posted():
    assert "PAID" in text(balance="0.00", paid="269.95")
    for unpaid in ({}, {"balance": "100.00", "paid": "169.95"}, {"balance": "0.00", "total": "0.00"},
                   {"kind": "credit_memo", "balance": "269.95"}):  # fmt: skip
        assert "PAID" not in text(**unpaid)


def test_what_is_taxed_is_said_where_not_all_is():
    assert "Tax 8 % on 100.00" in text(taxed="100.00")


def test_a_credit_memo_names_its_invoice_and_what_it_credits():
    shown = text(kind="credit_memo", due_on=None, balance="269.95", for_invoice="INV-000042")
    assert "For invoice" in shown
    assert "USD\u00a0269.95 credited to your account" in shown


def test_a_german_customer_reads_german():
    shown = text(language="de", seller=SELLER, total="1.269,95", balance="1.269,95", currency="EUR", lines=[
        line(service_start="2026-03-01", service_end="2026-03-31"), line(service_end="2026-03-14"),
    ]).replace("\u00a0", " ")  # fmt: skip
    for said in ("Rechnung", "Rechnungsnummer", "15. Januar 2026", "EUR 1.269,95 fällig am 14. Februar 2026",
                 "März 2026", "15. Jan. – 14. März 2026", "Umsatzsteuer 8 %", "Online bezahlen", "Seite 1 von 1",
                 "USt-IdNr. DE123456789", "Per Überweisung bezahlen", "Leistungszeitraum"):  # fmt: skip
        assert said in shown
    for english in ("Invoice", "Total", "Pay ", "Page", "Date"):
        assert english not in shown


def test_without_its_fonts_nothing_is_set(tmp_path):
    with pytest.raises(FileNotFoundError, match="Inter"):
        fonts(tmp_path)


@pytest.mark.parametrize("lines", range(18, 26))
def test_the_total_and_how_to_pay_it_stand_on_one_page(lines):
    made = pages(render_invoice_pdf(document(seller=SELLER, lines=[line()] * lines)))
    assert [n for n, page in enumerate(made) if "Balance due" in page] == [
        n for n, page in enumerate(made) if "Pay online" in page
    ]

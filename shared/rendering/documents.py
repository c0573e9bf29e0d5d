"""An invoice or memo as PDF, from plain data. PRODUCT 6."""

from __future__ import annotations

import json
import re
import unicodedata
from calendar import monthrange
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shared.rendering.plain import one_line

if TYPE_CHECKING:
    import typst

HERE = Path(__file__).parent
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
# heading, number, addressee, total, what is left, what was taken off
WORDS = {
    "invoice": ("Invoice", "Invoice number", "Billed to", "Total", "Balance due", "Paid"),
    "debit_memo": ("Debit memo", "Memo number", "Billed to", "Total", "Balance due", "Paid"),
    "credit_memo": ("Credit memo", "Memo number", "Credited to", "Total credit", "Credit left", "Applied"),
}
MAX_TAGGED_LINES = 500  # structure tags help readers of a few pages; at 10,000 lines they are 93 % of the file
PAGE_WIDTH_PT = 493.0  # A4 between its margins
MAX_TEXT_CHARS = 2_000  # of one printed value; what is longer is cut with an ellipsis
URL_CHARS = ":/?#[]@!$&'()*+,;=%"  # beside letters, digits and -._~; anything else is percent-encoded
MAX_URL_CHARS = 1_000  # what a QR code still carries legibly
DIGIT_PT = 5.9  # a tabular figure at 9 pt, rounded up
WIDEST_CHAR_PT = 9.0  # a capital W at 9 pt
CELL_INSET_PT = 10.0
ADDRESS_CHARS = 30  # what the address block surely holds
QR_MASK = 0  # trying all eight masks costs more than the page; readers decode any


def render_invoice_pdf(document: Mapping[str, Any]) -> bytes:
    """The document as PDF; the same document gives the same bytes, whenever and wherever it is rendered.

    Amounts are printed as given, in the document's currency. Dates are ISO; `service_end` is the last day
    with service. Raises KeyError for a missing key, ValueError for a date or kind that is none.
    """
    view = _view(document)
    inputs = {"data": json.dumps(view, ensure_ascii=False, separators=(",", ":"))}
    tagged = len(document["lines"]) <= MAX_TAGGED_LINES
    pdf = _compiler().compile(format="pdf", sys_inputs=inputs, timestamp=0, pdf_tags=tagged)
    if not isinstance(pdf, bytes):
        raise TypeError("typst returned no PDF")
    return pdf


@lru_cache(maxsize=1)
def _compiler() -> typst.Compiler:
    """Loading the fonts costs more than a page, so one compiler serves the process."""
    import typst  # heavy, and only the function that renders documents carries it

    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[HERE / "fonts"])
    return typst.Compiler(HERE / "invoice.typ", root=HERE, font_paths=fonts, ignore_system_fonts=True)


# ---- the view: exactly what the template prints, every string cleaned


def _view(document: Mapping[str, Any]) -> dict[str, object]:
    heading, number_label, addressee, total_label, balance_label, _ = WORDS[_kind(document)]
    currency, number = text_of(document["currency"]), text_of(document["number"])
    seller, customer = document["seller"], document["customer"]
    issued = date.fromisoformat(document["invoice_date"])
    cells = [_cells(line) for line in document["lines"]]
    widths = _widths(cells, currency)
    facts = [(number_label, number), ("Date", _day(issued))]
    if document.get("due_on"):
        facts.append(("Due date", _day(date.fromisoformat(document["due_on"]))))
    return {
        "title": f"{heading} {number}".strip(),
        "date": {"year": issued.year, "month": issued.month, "day": issued.day},
        "heading": heading,
        "addressee": addressee,
        "seller": {"name": wrappable(seller["name"]), "email": text_of(seller.get("email"))},
        "customer": {"name": wrappable(customer["name"]), "details": _details(customer)},
        "facts": facts,
        "headline": _headline(document),
        "columns": ["Description", "Service period", "Quantity", "Unit price", f"Amount ({currency})"],
        "widths": widths,
        "lines": [(wrappable(name, int(widths["name"] // WIDEST_CHAR_PT)), *rest) for name, *rest in cells],
        "sums": _sums(document, total_label),
        "balance": (balance_label, _money(document["balance"], currency)),
        "pay": _pay(document),
        "note": [wrappable(part) for part in str(document.get("note") or "").splitlines()],
        "footer": " · ".join(filter(None, (text_of(seller["name"]), text_of(seller.get("email"))))),
    }


def _kind(document: Mapping[str, Any]) -> str:
    kind = document["kind"]
    if kind not in WORDS:
        raise ValueError(f"kind: {kind!r} is none of {', '.join(WORDS)}")
    return str(kind)


def _details(customer: Mapping[str, Any]) -> list[str]:
    given = (*customer.get("address_lines", ()), customer.get("email"))
    return [wrappable(part) for part in given if part]


def _headline(document: Mapping[str, Any]) -> str:
    """The one sentence to read: what is owed by when, or what is credited."""
    currency, balance, kind = text_of(document["currency"]), document["balance"], _kind(document)
    if kind == "credit_memo":
        return f"{_money(document['total'], currency)} credited to your account"
    if not _owed(balance):
        return "Nothing left to pay"
    due = document.get("due_on")
    return f"{_money(balance, currency)} due" + (f" {_day(date.fromisoformat(due))}" if due else "")


def _sums(document: Mapping[str, Any], total_label: str) -> list[tuple[str, str]]:
    rate = text_of(document.get("tax_rate_percent"))
    taken_label = WORDS[_kind(document)][5]
    sums = [
        ("Subtotal", text_of(document["subtotal"])),
        (f"Tax {rate} %" if rate else "Tax", text_of(document["tax"])),
        (total_label, text_of(document["total"])),
    ]
    if _nonzero(document["paid"]):
        sums.append((taken_label, text_of(document["paid"])))
    return sums


def _cells(line: Mapping[str, Any]) -> list[str]:
    """Name, service period, quantity, unit price, amount."""
    period = _period(line.get("service_start"), line.get("service_end"))
    figures = (text_of(line.get(key)) for key in ("quantity", "unit_amount", "amount"))
    return [text_of(line["name"]), period, *figures]


def _widths(cells: list[list[str]], currency: str) -> dict[str, float]:
    """Column widths in points from the longest figure: measuring every cell would make long invoices slow."""
    longest = [max(map(len, column)) for column in zip(*cells, strict=True)] if cells else [0] * 5
    widths = {
        column: min(max(floor, chars * DIGIT_PT + CELL_INSET_PT), ceiling)
        for column, chars, floor, ceiling in (
            ("period", longest[1] - 3, 108.0, 138.0),  # letters and spaces run narrower than figures
            ("quantity", longest[2], 50.0, 76.0),
            ("unit", longest[3], 56.0, 92.0),
            ("amount", longest[4], 46.0 + 6.0 * len(currency), 116.0),
        )
    }
    return {"name": PAGE_WIDTH_PT - sum(widths.values()), **widths}


def _pay(document: Mapping[str, Any]) -> dict[str, str | None] | None:
    """How to pay while something is owed: by the link, or, without one, what to quote."""
    if not _owed(document["balance"]) or _kind(document) == "credit_memo":
        return None
    url = quote(str(document.get("pay_url") or ""), safe=URL_CHARS, errors="replace")
    if url and len(url) <= MAX_URL_CHARS:
        how = "Scan the code or open the link to see your open invoices and pay. No password is needed."
        return {"heading": "Pay online", "how": how, "url": url, "qr": _qr(url)}
    number, email = text_of(document["number"]), text_of(document["seller"].get("email"))
    how = f"Please quote {number} with your payment." + (f" Questions? Write to {email}." if email else "")
    return {"heading": "How to pay", "how": how, "url": None, "qr": None}


def _qr(url: str) -> str:
    """The link as a QR code in SVG: level M, drawn in the page's ink."""
    import segno  # travels with typst

    image = BytesIO()
    code = segno.make(url, error="m", micro=False, mask=QR_MASK)
    code.save(image, kind="svg", border=0, dark="#16202c", light=None)
    return image.getvalue().decode()


# ---- words and figures


def text_of(value: object) -> str:
    """A value as one clean line; None is empty."""
    if value is None:
        return ""
    text = one_line(str(value)).strip()
    return text if len(text) <= MAX_TEXT_CHARS else text[: MAX_TEXT_CHARS - 1] + "…"


def wrappable(value: object, chars: int = ADDRESS_CHARS) -> str:
    """Like `_text`, with places to break inside words of more than `chars`."""
    text = text_of(value)
    return re.sub(rf"\S{{{chars}}}(?=\S)", "\\g<0>\u200b", text) if len(text) > chars else text


def _money(amount: object, currency: str) -> str:
    return f"{currency}\u00a0{text_of(amount)}"


def _nonzero(amount: object) -> bool:
    return any(unicodedata.decimal(char, 0) for char in text_of(amount))


def _owed(amount: object) -> bool:
    return _nonzero(amount) and not text_of(amount).startswith(("-", "−", "("))


def _day(on: date) -> str:
    return f"{on.day} {MONTHS[on.month - 1]} {on.year}"


def _period(start: str | None, end: str | None) -> str:
    """The service period in the fewest words: one day, a whole month, or first to last day."""
    if not start:
        return ""
    first = date.fromisoformat(start)
    last = date.fromisoformat(end) if end else first
    if first == last:
        return _short(first)
    if (first, last) == (first.replace(day=1), first.replace(day=monthrange(first.year, first.month)[1])):
        return f"{MONTHS[first.month - 1]} {first.year}"
    opening = f"{first.day} {MONTHS[first.month - 1][:3]}" if first.year == last.year else _short(first)
    return f"{opening} – {_short(last)}"


def _short(on: date) -> str:
    return f"{on.day} {MONTHS[on.month - 1][:3]} {on.year}"

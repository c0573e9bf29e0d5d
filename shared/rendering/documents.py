"""An invoice or memo as PDF, from plain data. PRODUCT 6."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shared.rendering.e_invoice import declared
from shared.rendering.plain import one_line
from shared.rendering.speech import Speech, speech_of

if TYPE_CHECKING:
    import typst

HERE = Path(__file__).parent
FONTS = HERE / "fonts"
FAMILIES = frozenset({"Inter", "Noto Sans Arabic"})
# heading, number, addressee, total, what is left, what was taken off
WORDS = {
    "invoice": ("Invoice", "Invoice number", "Billed to", "Total", "Balance due", "Paid from credit"),
    "debit_memo": ("Debit memo", "Memo number", "Billed to", "Total", "Balance due", "Paid from credit"),
    "credit_memo": ("Credit memo", "Memo number", "Credited to", "Total credit", "Credited", "Paid from credit"),
}
ACCENT = "#0e5a66"
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
IBAN_GROUP = 4  # as IBANs are printed


class Unprintable(ValueError):
    """The typesetter will not set this: the logo is no picture to it, or PDF/A wants letters that our fonts lack."""


def render_invoice_pdf(document: Mapping[str, Any], e_invoice: str | None = None) -> bytes:
    """The document as PDF; the same document gives the same bytes, whenever and wherever it is rendered.

    Amounts are printed as given, in the document's currency. Dates are ISO; `service_end` is the last day
    with service. With `e_invoice`, its XML, the file is PDF/A-3b and carries it. Raises KeyError for a missing key,
    ValueError for a date or kind that is none, Unprintable.
    """
    view = _view(document, speech_of(document.get("language") or "en"))
    inputs = {"data": json.dumps({**view, "xml": e_invoice}, ensure_ascii=False, separators=(",", ":"))}
    tagged = len(document["lines"]) <= MAX_TAGGED_LINES
    standards: list[typst.PDFStandard] = ["a-3b"] if e_invoice else []
    try:
        pdf = _compiler().compile(
            format="pdf", sys_inputs=inputs, timestamp=0, pdf_tags=tagged, pdf_standards=standards
        )
    except RuntimeError as failed:
        raise Unprintable(str(failed)) from failed
    if not isinstance(pdf, bytes):
        raise TypeError("typst returned no PDF")
    return declared(pdf) if e_invoice else pdf


@lru_cache(maxsize=1)
def _compiler() -> typst.Compiler:
    """Loading the fonts costs more than a page, so one compiler serves the process."""
    import typst  # heavy, and only the function that renders documents carries it

    return typst.Compiler(HERE / "invoice.typ", root=HERE, font_paths=fonts(FONTS), ignore_system_fonts=True)


def fonts(folder: Path) -> typst.Fonts:
    """Those that Paidup ships. Raises FileNotFoundError: a page without its letters is worse than none."""
    import typst

    found = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[folder])
    if missing := FAMILIES - set(found.families()):
        raise FileNotFoundError(f"the fonts {', '.join(sorted(missing))} are not in {folder.name}")
    return found


# ---- the view: exactly what the template prints, every string cleaned


def _view(document: Mapping[str, Any], speech: Speech) -> dict[str, object]:
    heading, number_label, addressee, total_label, balance_label, _ = map(speech.say, WORDS[_kind(document)])
    currency, number = text_of(document["currency"]), text_of(document["number"])
    seller, customer = document["seller"], document["customer"]
    issued = date.fromisoformat(document["invoice_date"])
    cells = [_cells(line, speech) for line in document["lines"]]
    widths = _widths(cells, currency)
    facts = [(number_label, number), (speech.say("Date"), speech.day(issued))]
    if document.get("due_on"):
        facts.append((speech.say("Due date"), speech.day(date.fromisoformat(document["due_on"]))))
    if document.get("for_invoice"):
        facts.append((speech.say("For invoice"), text_of(document["for_invoice"])))
    periods = any(period for _, period, *_ in cells)
    columns = [
        speech.say(name) if periods or name != "Service period" else ""
        for name in ("Description", "Service period", "Quantity", "Unit price", "Amount")
    ]
    return {
        "language": speech.language,
        "title": f"{heading} {number}".strip(),
        "date": {"year": issued.year, "month": issued.month, "day": issued.day},
        "heading": heading,
        "addressee": addressee,
        "accent": seller.get("accent") or ACCENT,
        "logo": _logo(seller.get("logo")),
        "seller": _seller(seller, speech),
        "customer": {"name": wrappable(customer["name"]), "details": _details(customer)},
        "facts": facts,
        "headline": _headline(document, speech),
        "stamp": _stamp(document, speech),
        "columns": [*columns[:4], f"{columns[4]} ({currency})"],
        "widths": widths,
        "lines": [(wrappable(name, int(widths["name"] // WIDEST_CHAR_PT)), *rest) for name, *rest in cells],
        "sums": _sums(document, total_label, speech),
        "balance": (balance_label, _money(document["balance"], currency)),
        "pay": _pay(document, speech),
        "note": [wrappable(part) for part in str(document.get("note") or "").splitlines()],
        "page_of": speech.say("Page {} of {}").split("{}"),
    }


def _kind(document: Mapping[str, Any]) -> str:
    kind = document["kind"]
    if kind not in WORDS:
        raise ValueError(f"kind: {kind!r} is none of {', '.join(WORDS)}")
    return str(kind)


def _logo(logo: Mapping[str, Any] | None) -> dict[str, object] | None:
    """Pictures reach typst as the numbers of their bytes, drawings as their text."""
    if logo is None:
        return None
    content: bytes = logo["content"]
    data: object = content.decode("utf-8", "replace") if logo["format"] == "svg" else list(content)
    return {"format": logo["format"], "data": data}


def _seller(seller: Mapping[str, Any], speech: Speech) -> dict[str, object]:
    """The name, and beneath it and in the foot of each page what there is to know about it."""
    address = [text_of(part) for part in seller.get("address_lines", ()) if part]
    tax_id, email = text_of(seller.get("tax_id")), text_of(seller.get("email"))
    label = speech.say("VAT ID" if tax_id[:2].isalpha() and tax_id[:2].isascii() else "Tax ID")
    foot = [
        text_of(seller["name"]),
        email,
        f"{label}\u00a0{tax_id}" if tax_id else "",
    ]
    return {
        "name": wrappable(seller["name"]), "address": [wrappable(part) for part in address], "email": email,
        "foot": [part for part in foot if part],
    }  # fmt: skip


def _details(customer: Mapping[str, Any]) -> list[str]:
    given = (*customer.get("address_lines", ()), customer.get("email"))
    return [wrappable(part) for part in given if part]


def _headline(document: Mapping[str, Any], speech: Speech) -> str:
    """The one sentence to read: what is owed by when, or what is credited."""
    currency, balance, kind = text_of(document["currency"]), document["balance"], _kind(document)
    if kind == "credit_memo":
        return f"{_money(document['total'], currency)} {speech.say('credited to your account')}"
    if not _owed(balance):
        return speech.say("Nothing left to pay")
    due = document.get("due_on")
    when = speech.say("due {}").format(speech.day(date.fromisoformat(due))) if due else speech.say("due")
    return f"{_money(balance, currency)} {when}"


def _stamp(document: Mapping[str, Any], speech: Speech) -> list[str] | None:
    """Only on what was paid in full as it was posted: the page never changes afterwards."""
    if _kind(document) == "credit_memo" or _owed(document["balance"]) or not _nonzero(document["paid"]):
        return None
    return [speech.say("PAID"), speech.say("by credit")]


def _sums(document: Mapping[str, Any], total_label: str, speech: Speech) -> list[tuple[str, str]]:
    rate, taxed = text_of(document.get("tax_rate_percent")), text_of(document.get("taxed"))
    taken_label = speech.say(WORDS[_kind(document)][5])
    tax = f"{speech.say('Tax')} {rate} %" if rate else speech.say("Tax")
    sums = [
        (speech.say("Subtotal"), text_of(document["subtotal"])),
        (f"{tax} {speech.say('on')} {taxed}" if taxed and _nonzero(document["tax"]) else tax, text_of(document["tax"])),
        (total_label, text_of(document["total"])),
    ]
    if _nonzero(document["paid"]):
        sums.append((taken_label, text_of(document["paid"])))
    return sums


def _cells(line: Mapping[str, Any], speech: Speech) -> list[str]:
    """Name, service period, quantity, unit price, amount."""
    period = _period(line.get("service_start"), line.get("service_end"), speech)
    figures = (text_of(line.get(key)) for key in ("quantity", "unit_amount", "amount"))
    return [text_of(line["name"]), period, *figures]


def _widths(cells: list[list[str]], currency: str) -> dict[str, float]:
    """Column widths in points from the longest figure: measuring every cell would make long invoices slow."""
    longest = [max(map(len, column)) for column in zip(*cells, strict=True)] if cells else [0] * 5
    widths = {
        column: min(max(floor, chars * DIGIT_PT + CELL_INSET_PT), ceiling)
        for column, chars, floor, ceiling in (
            (
                "period",
                longest[1] - 3,
                108.0 if longest[1] else 0.0,
                138.0,
            ),  # letters and spaces run narrower than figures
            ("quantity", longest[2], 50.0, 76.0),
            ("unit", longest[3], 56.0, 92.0),
            ("amount", longest[4], 46.0 + 6.0 * len(currency), 116.0),
        )
    }
    return {"name": PAGE_WIDTH_PT - sum(widths.values()), **widths}


# ---- how to pay


def _pay(document: Mapping[str, Any], speech: Speech) -> dict[str, object] | None:
    """While something is owed: by the link, by transfer, and without either what to quote."""
    if not _owed(document["balance"]) or _kind(document) == "credit_memo":
        return None
    online, bank = _online(document, speech), _bank(document, speech)
    return {"online": online, "bank": bank, "plain": None if online or bank else _quoting(document, speech)}


def _online(document: Mapping[str, Any], speech: Speech) -> dict[str, str] | None:
    url = quote(str(document.get("pay_url") or ""), safe=URL_CHARS, errors="replace")
    if not url or len(url) > MAX_URL_CHARS:
        return None
    how = speech.say("Scan the code or open the link to see your open invoices and pay. No password is needed.")
    alt = speech.say("QR code of the pay link")
    return {"heading": speech.say("Pay online"), "how": how, "url": url, "qr": _qr(url), "alt": alt}


def _bank(document: Mapping[str, Any], speech: Speech) -> dict[str, object] | None:
    """The account to transfer to, what to quote, and whatever the seller wants said about paying."""
    seller = document["seller"]
    iban, bic = text_of(seller.get("iban")), text_of(seller.get("bic"))
    lines = [wrappable(part) for part in seller.get("payment_instructions", ()) if part]
    if not iban and not lines:
        return None
    grouped = "\u00a0".join(iban[at : at + IBAN_GROUP] for at in range(0, len(iban), IBAN_GROUP))
    rows = [(speech.say("Account holder"), wrappable(seller["name"])), ("IBAN", grouped), ("BIC", bic)] if iban else []
    rows.append((speech.say("Reference"), text_of(document["number"])))
    heading = speech.say("Pay by bank transfer" if iban else "How to pay")
    return {"heading": heading, "rows": [row for row in rows if row[1]], "lines": lines}


def _quoting(document: Mapping[str, Any], speech: Speech) -> dict[str, str]:
    number, email = text_of(document["number"]), text_of(document["seller"].get("email"))
    how = [speech.say("Please quote {} with your payment.").format(number)]
    if email:
        how.append(speech.say("Questions? Write to {}.").format(email))
    return {"heading": speech.say("How to pay"), "how": " ".join(how)}


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


def _period(start: str | None, end: str | None, speech: Speech) -> str:
    if not start:
        return ""
    first = date.fromisoformat(start)
    return speech.period(first, date.fromisoformat(end) if end else first)

"""A run's paper: a cover sheet and the invoices behind it, as one PDF. PRODUCT 6."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

from shared.rendering.documents import FONTS, HERE, fonts, text_of, wrappable

if TYPE_CHECKING:
    import typst

TAGGED_ROWS_MAX = 500  # structure tags make long lists large
NAME_CHARS = 24  # what a column of the list surely holds


@dataclass(frozen=True, slots=True)
class Sheet:
    """One invoice of the batch, in the order given. `remark` is why it is printed, where that is not plain."""

    customer: str
    place: str
    number: str
    pdf: bytes
    remark: str = ""


def render_print_batch(seller: str, run_id: str, as_of: str, sheets: Sequence[Sheet]) -> bytes:
    """The cover and then each invoice's own pages, unchanged. The same sheets give the same bytes."""
    from pypdf import PdfReader, PdfWriter  # only the function that renders documents carries it

    readers = [PdfReader(BytesIO(sheet.pdf)) for sheet in sheets]
    pages = [len(reader.pages) for reader in readers]
    writer = PdfWriter()
    for reader in (PdfReader(BytesIO(_cover(seller, run_id, as_of, sheets, pages))), *readers):
        writer.append(reader, import_outline=False)
    writer.compress_identical_objects()
    merged = BytesIO()
    writer.write(merged)
    return merged.getvalue()


def _cover(seller: str, run_id: str, as_of: str, sheets: Sequence[Sheet], pages: Sequence[int]) -> bytes:
    total, fallen_back = sum(pages), sum(1 for s in sheets if s.remark)
    facts = [("Bill run", run_id), ("As of", as_of), ("Order", "country, postal code, city, name")]
    if fallen_back:
        facts.append(("Printed for want of e-mail", str(fallen_back)))
    view = {
        "title": f"Print batch {run_id}", "seller": text_of(seller), "facts": facts,
        "headline": f"{_counted(len(sheets), 'invoice')} on {_counted(total, 'page')}",
        "rows": [
            (str(n), wrappable(s.customer, NAME_CHARS), wrappable(s.place, NAME_CHARS), text_of(s.number), str(count),
             text_of(s.remark))
            for n, (s, count) in enumerate(zip(sheets, pages, strict=True), start=1)
        ],
    }  # fmt: skip
    inputs = {"data": json.dumps(view, ensure_ascii=False, separators=(",", ":"))}
    pdf = _compiler().compile(format="pdf", sys_inputs=inputs, timestamp=0, pdf_tags=len(sheets) <= TAGGED_ROWS_MAX)
    if not isinstance(pdf, bytes):
        raise TypeError("typst returned no PDF")
    return pdf


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


@lru_cache(maxsize=1)
def _compiler() -> typst.Compiler:
    import typst

    return typst.Compiler(HERE / "print_cover.typ", root=HERE, font_paths=fonts(FONTS), ignore_system_fonts=True)

"""CSV as Paidup writes it: UTF-8, RFC 4180 quoting, and nothing in it that a spreadsheet would run. API.md."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Final

CSV_TYPE: Final = "text/csv; charset=utf-8"

_RUNS: Final = re.compile(r"[=+\-@\t\r]")  # how a cell begins that a spreadsheet would run as a formula
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")  # harmless, also below zero


def write_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A file with a header; None is an empty cell."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([safe_cell(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8", "replace")


def safe_cell(value: object) -> str:
    """The cell's text, with a "'" before it if a spreadsheet would run it; an import strips that again."""
    text = "" if value is None else str(value)
    return f"'{text}" if _RUNS.match(text) and not _NUMBER.fullmatch(text) else text

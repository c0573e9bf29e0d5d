"""The records of a CSV text with the line each begins on. A record that cannot be read costs no other one."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Final

from shared.domain.errors import DomainError

LINES_PER_RECORD_MAX: Final = 50  # of a cell with line breaks; beyond it, a quotation mark was never closed
CELL_CHARS_MAX: Final = 100_000
COLUMNS_MAX: Final = 500
DELIMITERS: Final = ",;\t|"


class Unreadable(DomainError, ValueError):
    """The file as a whole is no CSV with a header."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row; `line` is where it begins, the header being line 1. As many cells as the header has."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Records:
    header: tuple[str, ...]
    rows: tuple[Record, ...]
    broken: tuple[tuple[int, str], ...]  # (line, what is wrong)


def read_records(content: bytes, rows_max: int) -> Records:
    """Reads UTF-8 with or without a byte order mark, and finds out the delimiter. Raises Unreadable."""
    lines = list(io.StringIO(_decoded(content), newline=""))  # splits as csv does: at line ends, at nothing else
    delimiter = _delimiter(lines)
    start, header = _header(lines, delimiter)
    rows: list[Record] = []
    broken: list[tuple[int, str]] = []
    position = start
    while position < len(lines):
        line = position + 1
        taken, cells, wrong = _record(lines, position, delimiter)
        position += taken
        if wrong is None and not any(cell.strip() for cell in cells):
            continue
        if wrong is None and (wrong := _unfit(cells, len(header))) is None:
            rows.append(Record(line, tuple(cells) + ("",) * (len(header) - len(cells))))
        else:
            broken.append((line, wrong or ""))
        if len(rows) > rows_max:
            raise Unreadable(f"the file has more than {rows_max} rows; split it")
    return Records(header, tuple(rows), tuple(broken))


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        line = content[: wrong.start].count(b"\n") + 1
        raise Unreadable(f"line {line} is not UTF-8; save the file as CSV UTF-8") from None


def _delimiter(lines: list[str]) -> str:
    """The one of the usual delimiters that the header holds most of."""
    first = next((line for line in lines if line.strip()), "")
    return max(DELIMITERS, key=first.count)


def _header(lines: list[str], delimiter: str) -> tuple[int, tuple[str, ...]]:
    if not lines or not lines[0].strip():
        raise Unreadable("the file is empty; its first line must name the columns")
    taken, cells, wrong = _record(lines, 0, delimiter)
    header = tuple(cell.strip() for cell in cells)
    while header and not header[-1]:  # a delimiter at the end of the line
        header = header[:-1]
    if wrong is not None:
        raise Unreadable(f"the header cannot be read: {wrong}")
    if not all(header) or len(header) > COLUMNS_MAX:
        raise Unreadable(f"the first line must name every column, at most {COLUMNS_MAX}")
    if twice := next((name for name in header if header.count(name) > 1), None):
        raise Unreadable(f"the column {twice!r} is there twice")
    return taken, header


def _record(lines: list[str], position: int, delimiter: str) -> tuple[int, list[str], str | None]:
    """(lines taken, cells, what is wrong). A quotation mark that is never closed takes one line, not the rest."""
    text = ""
    for taken, line in enumerate(lines[position : position + LINES_PER_RECORD_MAX], start=1):
        text += line
        cells = _parsed(text, delimiter)
        if cells is not None:
            return taken, cells, None
        if text.count('"') % 2 == 0:  # every quoted cell is closed, so further lines cannot mend it
            return 1, [], "has a quotation mark where none can be"
    return 1, [], "has a quotation mark that is not closed"


def _parsed(text: str, delimiter: str) -> list[str] | None:
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None


def _unfit(cells: list[str], columns: int) -> str | None:
    if any(len(cell) > CELL_CHARS_MAX for cell in cells):
        return f"a cell has more than {CELL_CHARS_MAX} characters"
    if len(cells) > columns and any(cell.strip() for cell in cells[columns:]):
        return f"has {len(cells)} cells, but the header has {columns} columns"
    del cells[columns:]
    return None

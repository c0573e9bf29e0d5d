"""The records of a CSV text with the line each begins on. A record that cannot be read costs no other one.

The text is read as it comes: what is kept of it is one record, and the few lines behind it that it might reach into.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO, Final

from shared.domain.errors import DomainError
from shared.domain.values import dataclass

LINES_PER_RECORD_MAX: Final = 50  # of a cell with line breaks; beyond it, a quotation mark was never closed
CELL_CHARS_MAX: Final = 100_000
COLUMNS_MAX: Final = 500
DELIMITERS: Final = ",;\t|"
_UNDECODED: Final = re.compile("[\udc80-\udcff]")


class Unreadable(DomainError, ValueError):
    """The file as a whole is no CSV with a header."""


class NotUtf8(Unreadable):
    """The file is in another encoding."""


class TooManyRows(Unreadable):
    """The file has more rows than are read at a time."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row; `line` is where it begins, the header being line 1. As many cells as the header has."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """A row that cannot be read, and why."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Records:
    """`rows` can be gone through once; what is wrong with the file as a whole may show only then, as Unreadable."""

    header: tuple[str, ...]
    rows: Iterator[Record | Broken]


def read_records(stream: BinaryIO, rows_max: int) -> Records:
    """Reads UTF-8 with or without a byte order mark, and finds out the delimiter. Raises Unreadable."""
    lines = _Lines(stream)
    delimiter = _delimiter(lines)
    header = _header(lines, delimiter)
    return Records(header, _rows(lines, delimiter, len(header), rows_max))


def _rows(lines: _Lines, delimiter: str, columns: int, rows_max: int) -> Iterator[Record | Broken]:
    count = 0
    while lines.ahead(1):
        line = lines.taken + 1
        cells, wrong = _record(lines, delimiter)
        if wrong is None and not any(cell.strip() for cell in cells):
            continue
        count += 1
        if count > rows_max:
            raise TooManyRows(f"the file has more than {rows_max} rows; split it")
        if wrong is None and (wrong := _unfit(cells, columns)) is None:
            yield Record(line, tuple(cells) + ("",) * (columns - len(cells)))
        else:
            yield Broken(line, wrong or "")


class _Unowned(io.RawIOBase):
    """Reads from a stream, and leaves closing it to whoever opened it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        content = self._stream.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)


class _Lines:
    """The lines of a file, some of which can be looked at before they are taken. Splits as csv does: at line ends."""

    def __init__(self, stream: BinaryIO) -> None:
        binary = io.BufferedReader(_Unowned(stream))
        text = io.TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline="")
        self._coming = enumerate(text, start=1)
        self._seen: deque[str] = deque()
        self.taken = 0

    def ahead(self, count: int) -> list[str]:
        """The next `count` lines, or as many as there are. Raises NotUtf8."""
        for number, line in islice(self._coming, max(count - len(self._seen), 0)):
            if _UNDECODED.search(line):
                raise NotUtf8(f"line {number} is not UTF-8; save the file as CSV UTF-8")
            self._seen.append(line)
        return list(islice(self._seen, count))

    def take(self, count: int) -> None:
        for _ in range(count):
            self._seen.popleft()
        self.taken += count


def _delimiter(lines: _Lines) -> str:
    """The one of the usual delimiters that the header holds most of."""
    first = next(iter(lines.ahead(1)), "")
    return max(DELIMITERS, key=first.count)


def _header(lines: _Lines, delimiter: str) -> tuple[str, ...]:
    first = lines.ahead(1)
    if not first or not first[0].strip():
        raise Unreadable("the file is empty; its first line must name the columns")
    cells, wrong = _record(lines, delimiter)
    header = tuple(cell.strip() for cell in cells)
    while header and not header[-1]:  # a delimiter at the end of the line
        header = header[:-1]
    if wrong is not None:
        raise Unreadable(f"the header cannot be read: {wrong}")
    if not all(header) or len(header) > COLUMNS_MAX:
        raise Unreadable(f"the first line must name every column, at most {COLUMNS_MAX}")
    if twice := next((name for name in header if header.count(name) > 1), None):
        raise Unreadable(f"the column {twice!r} is there twice")
    return header


def _record(lines: _Lines, delimiter: str) -> tuple[list[str], str | None]:
    """Takes one record: its cells, and what is wrong. A quotation mark never closed takes one line, not the rest."""
    text = ""
    for count in range(1, LINES_PER_RECORD_MAX + 1):
        found = lines.ahead(count)
        if len(found) < count:
            break
        text += found[-1]
        cells = _parsed(text, delimiter)
        if cells is not None:
            lines.take(count)
            return cells, None
        if text.count('"') % 2 == 0:  # every quoted cell is closed, so further lines cannot mend it
            lines.take(1)
            return [], "has a quotation mark where none can be"
    lines.take(1)
    return [], "has a quotation mark that is not closed"


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

"""A CSV file of any size as parts that the admin API takes: columns mapped, rows of one thing kept together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from shared.contracts.csv_records import Broken, read_records
from shared.contracts.export_csv import written
from shared.contracts.import_csv import ROWS_MAX, SHAPES, ColumnMap, Kind, Row, RowError, RowReader

ROWS_PER_PART: Final = 1_000
BYTES_PER_PART: Final = 1_000_000  # beyond both only as far as the rows of one thing reach


@dataclass(slots=True)
class Part:
    """Rows for one request. The API counts lines within the part; `row_of` tells the line in the file."""

    header: str
    lines: list[int] = field(default_factory=list)  # in the file, per row
    texts: list[str] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)  # of rows that cannot be read at all
    size: int = 0

    def add(self, line: int, text: str) -> None:
        self.lines.append(line)
        self.texts.append(text)
        self.size += len(text)

    @property
    def content(self) -> bytes:
        return (self.header + "".join(self.texts)).encode()

    def row_of(self, line: int) -> int:
        """The line in the file of the row that begins at or around this line of the part."""
        return self.lines[self._position(line)]

    def rest(self, line: int) -> Part:
        """What is left from the row that begins at this line of the part."""
        position = self._position(line)
        return Part(self.header, self.lines[position:], self.texts[position:])

    def _position(self, line: int) -> int:
        at = 2
        for position, text in enumerate(self.texts):
            at += text.count("\n")  # a row ends with one, and a cell may hold more
            if line < at:
                return position
        return len(self.texts) - 1


class Parts:
    """The parts of a file, to be gone through once. Raises Unreadable, UnknownField."""

    def __init__(self, kind: Kind, stream: BinaryIO, columns: ColumnMap) -> None:
        self._records = read_records(stream, ROWS_MAX)
        self._reader = RowReader(kind, self._records.header, columns)
        self.ignored = self._reader.ignored
        self._shape = SHAPES[kind]
        named = [name for name in self._reader.fields if name]
        self._fields = tuple(dict.fromkeys(["id", *named, *columns.constants]))

    def __iter__(self) -> Iterator[Part]:
        header = written([self._fields])
        part, before = Part(header), ""
        for record in self._records.rows:
            if isinstance(record, Broken):
                part.errors.append(RowError(record.line, "", record.message))
                continue
            row = self._reader.read(record)
            key = row.key(self._shape)
            if key != before and (len(part.lines) >= ROWS_PER_PART or part.size >= BYTES_PER_PART):
                yield part
                part = Part(header)
            part.add(row.line, written([[self._cell(name, row) for name in self._fields]]))
            before = key
        if part.lines or part.errors:
            yield part

    def _cell(self, name: str, row: Row) -> str:
        """As the API reads it. Equal rows that are two things get their ids here: each part counts for itself."""
        if name == "id" and not row.named and self._shape.repeats:
            return row.id
        value = row.values.get(name)
        return value if name in self._shape.dates and isinstance(value, str) else row.cells.get(name, "")


__all__ = ["Part", "Parts"]

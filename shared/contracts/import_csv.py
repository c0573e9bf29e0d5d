"""A CSV file of customers, contracts, usage, invoices or payments as bodies of the admin API. PRODUCT 12.

Columns are the API's fields: nested ones with ".", lists joined with ";", rows of one contract or invoice repeated per
charge or line. Other columns are mapped onto them. Every bad row is reported and costs no good one. Ids that the file
does not give are derived from its own keys, so that the same file loaded twice makes nothing twice. What writes such
files is in export_csv.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, Final, Literal, get_args

from shared.contracts.csv_records import Broken, Record, Unreadable, read_records
from shared.domain.errors import DomainError
from shared.domain.ids import derive_id
from shared.domain.values import dataclass

Kind = Literal["customers", "contracts", "usage", "invoices", "payments"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
ROWS_MAX: Final = 1_000_000
PARTS_MAX: Final = 10_000  # lines of one invoice

_TRUE: Final = frozenset({"true", "yes", "y", "1", "on"})
_FALSE: Final = frozenset({"false", "no", "n", "0", "off"})
_HARMLESS: Final = re.compile(r"'(?='*[=+\-@\t\r])")  # what an export puts before a cell that a spreadsheet would run

Cell = Callable[[str, "ColumnMap"], Any]


@dataclass(frozen=True, slots=True)
class RowError:
    """`row` is the line in the file, the header being 1; `field` the API's name, "" if no single one is wrong."""

    row: int
    field: str
    message: str

    def as_json(self) -> dict[str, Any]:
        return {"row": self.row, "field": self.field, "message": self.message}


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """How a file that was not made for Paidup is read. Without one, columns are called as the fields are."""

    columns: Mapping[str, str] = field(default_factory=dict)  # column -> field; "" leaves the column out
    constants: Mapping[str, str] = field(default_factory=dict)  # field -> cell, for every row without one
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # field -> {the file's word: ours}
    date_format: str | None = None  # of strptime, such as %m/%d/%Y; None: YYYY-MM-DD


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to create: the body of its POST, and the row it began on.

    `parts` are the rows of the entries of its list (charges or lines), in order.
    """

    id: str
    body: dict[str, Any]
    row: int
    parts: tuple[int, ...] = ()
    customer_external_id: str | None = None  # how the file names the customer, where it gives no id
    status: str | None = None  # what the file says became of it: for Paidup to decide, but not always to ignore

    def error(self, name: str, message: str) -> RowError:
        """What is wrong with a field of the body, at the row that the field came from and under its column."""
        match = re.match(r"(charges|lines)\[(\d+)\]\.?(.*)", name)
        if match and int(match[2]) < len(self.parts):
            column = f"{match[1]}.{match[3]}".rstrip(".")
            return RowError(self.parts[int(match[2])], column.partition("[")[0], message)
        return RowError(self.row, name.partition("[")[0], message)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file as it was understood."""

    kind: Kind
    items: tuple[Item, ...]
    errors: tuple[RowError, ...]
    ignored: tuple[str, ...]  # columns that name no field and are not mapped
    repeated: int = 0  # rows that say again what a row before them says


class UnknownField(DomainError, ValueError):
    """A mapping names a field that this kind of import does not have, or a column that the file does not have."""


# ---- cells ----------------------------------------------------------------------------------------------------

CHANGEABLE: Final = ("amount", "quantity")  # of a recurring charge, from a day on


def _text(cell: str, _: ColumnMap) -> str:
    return cell


def _flag(cell: str, _: ColumnMap) -> bool:
    word = cell.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("must be true or false")
    return word in _TRUE


def _whole(cell: str, _: ColumnMap) -> int:
    if not re.fullmatch(r"-?[0-9]{1,9}", cell):
        raise ValueError("must be a whole number")
    return int(cell)


def _date(cell: str, read: ColumnMap) -> str:
    """The API checks the date itself; here a foreign notation is turned into its own."""
    if read.date_format is None:
        return cell
    try:
        return datetime.strptime(cell, read.date_format).date().isoformat()  # noqa: DTZ007 - a date has no zone
    except ValueError:
        raise ValueError(f"must be a date written {read.date_format}") from None


def unprefixed(cell: str) -> str:
    """A cell without what an export put before it, so that no spreadsheet runs it."""
    return _HARMLESS.sub("", cell, count=1) if cell.startswith("'") else cell


def prefixed(cell: str) -> str:
    """A cell that a spreadsheet would run as a formula, made harmless. A plain number is a number to it."""
    if cell[:1] in _STARTS and _RUN.match(cell) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


_STARTS: Final = frozenset("'=+-@\t\r")
_RUN: Final = re.compile(r"'*[=+\-@\t\r]")
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


def _words(cell: str, _: ColumnMap) -> list[str]:
    return [part.strip() for part in cell.split(";") if part.strip()]


def _tiers(cell: str, read: ColumnMap) -> list[dict[str, Any]]:
    """`1000=0.10;*=0.06`: up to and including 1000 units, then the rest."""
    pairs = [part.partition("=") for part in _words(cell, read)]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError('must be tiers such as "1000=0.10;*=0.06"')
    return [
        {"up_to": None if up_to.strip() == "*" else up_to.strip(), "unit_amount": p.strip()} for up_to, _, p in pairs
    ]


def _changes(cell: str, _: ColumnMap) -> list[dict[str, Any]]:
    """`2026-02-01:amount=5.00,quantity=2;2026-03-01:quantity=3`: from each day on."""
    found: list[dict[str, Any]] = []
    for change in _words(cell, _):
        day, _colon, prices = change.partition(":")
        named = dict(part.strip().partition("=")[::2] for part in prices.split(","))
        if not named.keys() <= set(CHANGEABLE) or not all(named.values()):
            raise ValueError('must be changes such as "2026-02-01:amount=5.00,quantity=2;2026-03-01:quantity=3"')
        found.append({"effective_on": day.strip(), **named})
    return found


def _allocations(cell: str, read: ColumnMap) -> list[dict[str, Any]]:
    """`inv_1=10.00;inv_2=5.00`"""
    pairs = [part.partition("=") for part in _words(cell, read)]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError('must be invoices and amounts such as "inv_1=10.00;inv_2=5.00"')
    return [{"invoice_id": invoice.strip(), "amount": amount.strip()} for invoice, _, amount in pairs]


# ---- kinds ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shape:
    """What one kind of file may hold."""

    prefix: str  # of its ids
    fields: Mapping[str, Cell]
    keys: tuple[
        tuple[str, ...], ...
    ] = ()  # fields that together name a thing where no id does; the first that is there
    parts: str = ""  # the list whose entries have a row each
    repeats: bool = False  # two equal rows are two things, not one written twice
    within: tuple[str, ...] = ()  # what the ids are unique within; everything, if nothing is said

    def known(self, name: str) -> bool:
        return name in self.fields

    @property
    def dates(self) -> frozenset[str]:
        return frozenset(name for name, read in self.fields.items() if read is _date)


_SWITCHES: Final = ("enabled", "send_new_invoices", "account_summary", "past_due")
_ADDRESS: Final = ("line1", "line2", "city", "region", "postal_code", "country")

SHAPES: Final[Mapping[Kind, Shape]] = {
    "customers": Shape(
        "cus_",
        dict.fromkeys(("id", "external_id", "name", "email", "class_id", "currency", "timezone"), _text)
        | {f"address.{name}": _text for name in _ADDRESS}
        | {"delivery": _words, "tax_rate_percent": _text, "account_summary_schedule": _text, "language": _text}
        | {f"automations.{name}": _flag for name in _SWITCHES},
        keys=(("external_id",),),
    ),
    "contracts": Shape(
        "con_",
        dict.fromkeys(("id", "external_id", "customer_id", "customer_external_id", "name", "currency", "status"), _text)
        | dict.fromkeys(("start_date", "end_date", "billing_starts_on"), _date)
        | dict.fromkeys(("bill_cycle_day", "anchor_month"), _whole)
        | {f"charges.{name}": _text for name in ("id", "name", "type", "amount", "quantity", "interval", "timing")}
        | {f"charges.{name}": _text for name in ("metric", "unit_amount", "included_quantity", "tier_mode")}
        | {f"charges.{name}": _flag for name in ("prorate", "taxable", "expected")}
        | {"charges.interval_count": _whole, "charges.on": _date, "charges.tiers": _tiers}
        | {"charges.starts_on": _date, "charges.changes": _changes},
        keys=(("external_id",), ("customer_id", "name", "start_date"), ("customer_external_id", "name", "start_date")),
        parts="charges",
    ),
    "usage": Shape(
        "use_",
        dict.fromkeys(("id", "contract_id", "contract_external_id", "metric", "quantity", "occurred_at"), _text),
        repeats=True,
        within=("contract_id", "contract_external_id"),
    ),
    "invoices": Shape(
        "inv_",
        dict.fromkeys(("id", "number", "customer_id", "customer_external_id", "type", "currency", "amount"), _text)
        | {"status": _text}
        | {"invoice_date": _date, "due_on": _date, "post": _flag}
        | {f"lines.{name}": _text for name in ("name", "amount", "unit_amount", "quantity", "contract_id", "charge_id")}
        | {"lines.service_start": _date, "lines.service_end": _date, "lines.taxable": _flag},
        keys=(("number",),),
        parts="lines",
        repeats=True,
    ),
    "payments": Shape(
        "pay_",
        dict.fromkeys(("id", "external_id", "customer_id", "customer_external_id", "amount", "currency"), _text)
        | dict.fromkeys(("method", "reference", "invoice_id", "invoice_number"), _text)
        | {"allocations": _allocations},
        keys=(("external_id",),),
        repeats=True,
    ),
}
# Exported, but decided by Paidup: left out without a word.
_READ_ONLY: Final = frozenset({"version", "created_at", "payment_status", "residual", "total", "subtotal", "tax"})


def imported_id(kind: Kind, *key: str) -> str:
    """The id of what a file names by a key of its own, such as an external id."""
    return derive_id(SHAPES[kind].prefix, "import", kind, *key)


# ---- reading --------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Draft:
    """An item as its rows come in."""

    id: str
    values: dict[str, Any]
    row: int
    parts: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    broken: bool = False


def read_sheet(kind: Kind, content: bytes, columns: ColumnMap | None = None, rows_max: int = ROWS_MAX) -> Sheet:
    """The items of a file and what is wrong with its rows. Raises Unreadable, UnknownField for the file as a whole."""
    records = read_records(io.BytesIO(content), rows_max)
    reader = RowReader(kind, records.header, columns or ColumnMap())
    gathered = _Gathered(SHAPES[kind])
    for record in records.rows:
        if isinstance(record, Broken):
            gathered.errors.append(RowError(record.line, "", record.message))
        else:
            gathered.take(reader.read(record))
    items = tuple(_item(kind, draft) for draft in gathered.drafts.values() if not draft.broken)
    errors = tuple(sorted(gathered.errors, key=lambda error: error.row))
    return Sheet(kind, items, errors, reader.ignored, gathered.repeated)


def _fields(shape: Shape, header: tuple[str, ...], read: ColumnMap) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The field of each column, "" for none; and the columns that mean nothing here."""
    _check_mapping(shape, header, read)
    taken = set(read.columns.values())  # a column that is mapped onto a field wins over one that is called like it
    own = {column: column for column in header if shape.known(column) and column not in taken}
    fields = tuple(read.columns.get(column, own.get(column, "")) for column in header)
    named = zip(header, fields, strict=True)
    return fields, tuple(c for c, f in named if not f and c not in read.columns and c not in _READ_ONLY)


def _check_mapping(shape: Shape, header: tuple[str, ...], read: ColumnMap) -> None:
    for column in read.columns:
        if column not in header:
            raise UnknownField(f"the file has no column {column!r}; it has {', '.join(header)}")
    targets = [target for target in read.columns.values() if target]
    for target in (*targets, *read.constants, *read.values):
        if not shape.known(target):
            raise UnknownField(f"{target!r} is no field here; there are {', '.join(shape.fields)}")
    twice = [target for target, times in Counter(targets).items() if times > 1]
    if twice:
        raise UnknownField(f"two columns are mapped onto {twice[0]!r}")


@dataclass(frozen=True, slots=True)
class Row:
    """One row by field: its cells as texts, their values, what is wrong with them, and the thing that it speaks of."""

    line: int
    cells: dict[str, str]
    values: dict[str, Any]
    wrong: list[RowError]
    id: str
    named: bool  # whether the file named the thing, so that several rows may speak of it

    def key(self, shape: Shape) -> str:
        """Equal for rows that speak of the same thing."""
        within = next((self.cells[name] for name in shape.within if name in self.cells), "")
        return f"{within}\x1f{self.id}"


class RowReader:
    """Reads the rows of a file one after the other."""

    def __init__(self, kind: Kind, header: tuple[str, ...], read: ColumnMap) -> None:
        self.kind, self.shape, self.columns = kind, SHAPES[kind], read
        self.fields, self.ignored = _fields(self.shape, header, read)
        self._seen: Counter[str] = Counter()

    def read(self, record: Record) -> Row:
        cells = self._cells(record)
        values, wrong = self._values(record.line, cells)
        id, named = self._id(values, cells)
        return Row(record.line, cells, values, wrong, id, named)

    def _cells(self, record: Record) -> dict[str, str]:
        """The row's cells by field, without empty ones, in the words of Paidup."""
        cells = {name: cell for name, cell in self.columns.constants.items() if cell}
        for name, raw in zip(self.fields, record.cells, strict=True):
            if name and (cell := unprefixed(raw.strip())):
                cells[name] = cell
        return {name: self.columns.values.get(name, {}).get(cell, cell) for name, cell in cells.items()}

    def _values(self, row: int, cells: dict[str, str]) -> tuple[dict[str, Any], list[RowError]]:
        values: dict[str, Any] = {}
        wrong: list[RowError] = []
        for name, cell in cells.items():
            try:
                values[name] = self.shape.fields[name](cell, self.columns)
            except ValueError as refused:
                wrong.append(RowError(row, name, str(refused)))
        return values, wrong

    def _id(self, values: dict[str, Any], cells: dict[str, str]) -> tuple[str, bool]:
        if given := values.get("id"):
            return str(given), True
        for key in self.shape.keys:
            if all(name in values for name in key):
                return imported_id(self.kind, *(str(values[name]) for name in key)), True
        content = derive_id("", *(f"{name}\x1f{cell}" for name, cell in sorted(cells.items())))
        self._seen[content] += self.shape.repeats
        return derive_id(self.shape.prefix, "import-row", self.kind, content, self._seen[content]), False


class _Gathered:
    """Rows as the items that they speak of, and what is wrong with them."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.drafts: dict[str, _Draft] = {}
        self.errors: list[RowError] = []
        self.repeated = 0

    def take(self, row: Row) -> None:
        """One row into its item: a new one, or one more part of one that earlier rows began."""
        key = row.key(self.shape)
        draft = self.drafts.get(key)
        if draft is not None and not self.shape.parts:
            self._again(draft, row)
            return
        values = dict(row.values)
        part = self._part(values)
        wrong = list(row.wrong)
        if draft is None:
            draft = self.drafts[key] = _Draft(row.id, values, row.line)
        elif not row.named:
            self.repeated += 1
            return  # the very same row once more
        else:
            wrong += self._differences(draft, values, row.line)
        if part:
            draft.parts.append((row.line, part))
        draft.broken = draft.broken or bool(wrong)
        self.errors += wrong

    def _again(self, draft: _Draft, row: Row) -> None:
        """A second row of a thing that has one: it may only say the same again. The first counts."""
        names = [name for name, value in row.values.items() if draft.values.get(name) != value]
        self.errors += row.wrong or [self._differs(draft, row.line, name) for name in names]
        self.repeated += not (row.wrong or names)

    def _part(self, values: dict[str, Any]) -> dict[str, Any]:
        """The row's entry of the item's list, taken out of its values."""
        inside = f"{self.shape.parts}." if self.shape.parts else None
        names = [name for name in values if inside and name.startswith(inside)]
        return {name.partition(".")[2]: values.pop(name) for name in names}

    def _differences(self, draft: _Draft, values: dict[str, Any], row: int) -> list[RowError]:
        """What a further row says of an item must be what the first one said; only parts may be more."""
        if len(draft.parts) >= PARTS_MAX:
            return [RowError(row, self.shape.parts, f"an item has at most {PARTS_MAX} rows")]
        return [
            self._differs(draft, row, name)
            for name, value in values.items()
            if draft.values.setdefault(name, value) != value
        ]

    @staticmethod
    def _differs(draft: _Draft, row: int, name: str) -> RowError:
        return RowError(row, name, f"differs from row {draft.row}, which has the same key")


# ---- bodies ---------------------------------------------------------------------------------------------------


def _item(kind: Kind, draft: _Draft) -> Item:
    values = {"id": draft.id, **draft.values}
    parts = [part for _, part in draft.parts]
    customer, contract = values.pop("customer_external_id", None), values.pop("contract_external_id", None)
    if "customer_id" in values:
        customer = None
    if customer is not None:
        values["customer_id"] = imported_id("customers", customer)
    if contract is not None:
        values.setdefault("contract_id", imported_id("contracts", contract))
    status = values.pop("status", None)
    if kind == "invoices":
        values.setdefault("post", status != "draft")
    _FINISH.get(kind, _as_it_is)(draft.id, values, parts)
    if kind != "customers":
        values.pop("external_id", None)
    body = _nested(values)
    if parts:
        body[SHAPES[kind].parts] = [_nested(part) for part in parts]
    rows = tuple(row for row, _ in draft.parts) or (draft.row,)
    return Item(draft.id, body, draft.row, rows, customer, status)


def _as_it_is(item_id: str, values: dict[str, Any], parts: list[dict[str, Any]]) -> None:
    """Customers and usage need nothing more."""


def _finish_contract(item_id: str, values: dict[str, Any], parts: list[dict[str, Any]]) -> None:
    for ordinal, charge in enumerate(parts):
        charge.setdefault("id", derive_id("chg_", item_id, ordinal))


def _finish_invoice(item_id: str, values: dict[str, Any], parts: list[dict[str, Any]]) -> None:
    """`amount` alone is an invoice of one line; what is imported is posted unless the file says otherwise."""
    values.setdefault("type", "regular")
    amount = values.pop("amount", None)
    if amount is not None and not any("amount" in part or "unit_amount" in part for part in parts):
        parts[:] = [*parts[:1], *([] if parts else [{}])]
        parts[0].setdefault("name", f"Invoice {values['number']}" if "number" in values else "Imported invoice")
        parts[0]["amount"] = amount


def _finish_payment(item_id: str, values: dict[str, Any], parts: list[dict[str, Any]]) -> None:
    """An invoice named on its row takes the whole amount. A number is left for whoever can look it up."""
    values.setdefault("method", "other")
    values.setdefault("reference", values.get("external_id", item_id))
    invoice = {key: values.pop(key) for key in ("invoice_id", "invoice_number") if key in values}
    if invoice and "allocations" not in values and "amount" in values:
        values["allocations"] = [{**invoice, "amount": values["amount"]}]


_FINISH: Final[Mapping[Kind, Callable[[str, dict[str, Any], list[dict[str, Any]]], None]]] = {
    "contracts": _finish_contract,
    "invoices": _finish_invoice,
    "payments": _finish_payment,
}


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """{"address.city": "Bonn"} as {"address": {"city": "Bonn"}}"""
    body: dict[str, Any] = {}
    for name, value in values.items():
        *outer, leaf = name.split(".")
        inside = body
        for part in outer:
            inside = inside.setdefault(part, {})
        inside[leaf] = value
    return body


__all__ = [
    "CHANGEABLE",
    "KINDS",
    "ROWS_MAX",
    "SHAPES",
    "ColumnMap",
    "Item",
    "Kind",
    "Row",
    "RowError",
    "RowReader",
    "Sheet",
    "UnknownField",
    "Unreadable",
    "imported_id",
    "prefixed",
    "read_sheet",
    "unprefixed",
]

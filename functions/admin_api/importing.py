"""CSV files of customers, contracts, usage, invoices and payments, taken in row by row. PRODUCT 12, API.md "Shapes".

A request takes what a function has time for. A file that is larger is sent in parts, as `paidup import` does. Where
time runs out nevertheless, the answer says at which row to go on; sending the whole file again does the same, since
what is there already is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from functions.admin_api.calls import CSV_TYPE, Answer, Call
from functions.admin_api.import_rows import LOAD, Done, errors_of, load_usage
from functions.admin_api.problems import TooLarge
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_fields import Findings, harmless, refuse
from shared.contracts.api_json import Malformed
from shared.contracts.csv_records import NotUtf8, TooManyRows
from shared.contracts.import_csv import Item, Kind, RowError, Sheet, Unreadable, read_sheet
from shared.domain.errors import DomainError
from shared.ports import Conflict
from shared.use_cases.record_usage import RECORDS_MAX

router = new_router()

ROWS_MAX: Final = 20_000  # of one request
ERRORS_MAX: Final = 10_000  # reported at once: an answer of Lambda has 6 MB at most
TIME_MAX: Final = timedelta(seconds=20)  # of the 29 that API Gateway waits
NEXT_ROW: Final = "Next-Row"  # header of an answer that did not reach the end of the file


@endpoint(router, "POST", "/v1/import/customers", takes=CSV_TYPE)
def import_customers(call: Call[Any]) -> Answer:
    """Create and update customers from CSV, found by id or external_id."""
    return _imported("customers", call)


@endpoint(router, "POST", "/v1/import/contracts", takes=CSV_TYPE)
def import_contracts(call: Call[Any]) -> Answer:
    """Create contracts from CSV, a row per charge; of those that are there only the name changes."""
    return _imported("contracts", call)


@endpoint(router, "POST", "/v1/import/usage", takes=CSV_TYPE)
def import_usage(call: Call[Any]) -> Answer:
    """Take in usage records from CSV, each once."""
    return _imported("usage", call)


@endpoint(router, "POST", "/v1/import/invoices", takes=CSV_TYPE)
def import_invoices(call: Call[Any]) -> Answer:
    """Create invoices from CSV, a row per line, and post those that are no drafts."""
    return _imported("invoices", call)


@endpoint(router, "POST", "/v1/import/payments", takes=CSV_TYPE)
def import_payments(call: Call[Any]) -> Answer:
    """Record payments from CSV that came in another way than by card."""
    return _imported("payments", call)


# ---- the file -------------------------------------------------------------------------------------------------


def _imported(kind: Kind, call: Call[Any]) -> Answer:
    report = _Report()
    sheet = _sheet(kind, call.raw)
    stop = _carry_out(sheet, call, report)
    return report.answer(sheet, stop)


def _sheet(kind: Kind, content: bytes) -> Sheet:
    """The file as it was understood. Refused as a whole if it is no table, or has columns that mean nothing."""
    try:
        sheet = read_sheet(kind, content, rows_max=ROWS_MAX)
    except NotUtf8 as wrong:
        raise Malformed(str(wrong)) from None
    except TooManyRows:
        raise TooLarge(f"a request takes at most {ROWS_MAX} rows: send the file in parts") from None
    except Unreadable as wrong:
        refuse("file", str(wrong))
    found = Findings()
    for column in sheet.ignored:
        found.add(harmless(column), f"is no column of {kind}")
    found.done()
    return sheet


@dataclass(slots=True)
class _Report:
    counts: dict[str, int] = field(default_factory=lambda: {"loaded": 0, "updated": 0, "unchanged": 0})
    errors: list[RowError] = field(default_factory=list)

    def add(self, result: Done | list[RowError]) -> None:
        if isinstance(result, str):
            self.counts[result] += 1
        else:
            self.errors += _once(result)

    def answer(self, sheet: Sheet, stop: int | None) -> Answer:
        """`stop` is the row that was not reached, None if all were."""
        read = [error for error in sheet.errors if stop is None or error.row < stop]
        errors = sorted([*read, *self.errors], key=lambda error: error.row)
        if stop is not None:
            errors.append(RowError(stop, "", "was not reached: send the file again from this row on, or as a whole"))
        else:
            self.counts["unchanged"] += sheet.repeated
        headers = {} if stop is None else {NEXT_ROW: str(stop)}
        return Answer(200, {**self.counts, "errors": [error.as_json() for error in errors]}, headers=headers)


def _once(errors: list[RowError]) -> list[RowError]:
    """One cell may stand in two places of a body, such as a payment's amount in its allocation."""
    return list({(error.row, error.message): error for error in reversed(errors)}.values())


def _carry_out(sheet: Sheet, call: Call[Any], report: _Report) -> int | None:
    """The first row that was not reached, None if none was left out."""
    ends_at = call.ports.clock.now() + TIME_MAX
    too_wrong = sheet.errors[ERRORS_MAX].row if len(sheet.errors) > ERRORS_MAX else None
    for items in _batches(sheet):
        row = items[0].row
        out_of_time = row > sheet.items[0].row and call.ports.clock.now() >= ends_at
        if out_of_time or len(report.errors) >= ERRORS_MAX or (too_wrong is not None and row >= too_wrong):
            return row
        for result in load_usage(items, call) if sheet.kind == "usage" else [_load(sheet.kind, items[0], call)]:
            report.add(result)
    return too_wrong


def _batches(sheet: Sheet) -> Iterator[tuple[Item, ...]]:
    """Usage goes by the batch, everything else one by one."""
    size = RECORDS_MAX if sheet.kind == "usage" else 1
    return (sheet.items[start : start + size] for start in range(0, len(sheet.items), size))


def _load(kind: Kind, item: Item, call: Call[Any]) -> Done | list[RowError]:
    try:
        return LOAD[kind](item, call)
    except (DomainError, Conflict) as refused:
        return errors_of(refused, item)

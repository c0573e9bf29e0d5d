"""`paidup import`: rows of a CSV file into a running Paidup. PRODUCT 12."""

from __future__ import annotations

import argparse
import csv
import json
import tomllib
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from infra.cli.client import add_server_options, server
from infra.cli.loading import Loaded, check, load
from infra.cli.outcome import Refused, Subparsers
from shared.contracts.import_csv import KINDS, ColumnMap, Kind, UnknownField, Unreadable

ERRORS_SHOWN: Final = 50

MAPPING_HELP: Final = """\
mapping file (TOML), for a file that was not made for Paidup:

  date_format = "%m/%d/%Y"
  [columns]                     # the file's column = Paidup's field; "" leaves a column out
  customerID = "customer_external_id"
  InvoiceAmount = "amount"
  [set]                         # for every row that has nothing there
  currency = "USD"
  [values.delivery]             # the file's word = Paidup's
  Electronic = "email"
  Paper = "print"
"""


def add_to(commands: Subparsers) -> None:
    load_rows = commands.add_parser(
        "import",
        help="load customers, contracts, usage, invoices or payments from CSV",
        description="Load a CSV file into a running Paidup. Columns are called as the API's fields are, or mapped. "
        "Rows that cannot be loaded are reported by their line in the file; all others are loaded. "
        "The same file loaded twice changes nothing.",
        epilog=MAPPING_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    load_rows.add_argument("kind", choices=KINDS, metavar="{" + ",".join(KINDS) + "}", help="what the rows are")
    load_rows.add_argument("file", type=Path, metavar="FILE", help="CSV in UTF-8 with a header")
    load_rows.add_argument(
        "--map", action="append", default=[], type=_pair, metavar="COLUMN=FIELD", help="read a column as a field"
    )
    load_rows.add_argument(
        "--set", action="append", default=[], type=_pair, metavar="FIELD=VALUE", help="for rows without one"
    )
    load_rows.add_argument("--date-format", metavar="FORMAT", help="of the file's dates, such as %%m/%%d/%%Y")
    load_rows.add_argument("--map-file", type=Path, metavar="TOML", help="a mapping file, see below")
    load_rows.add_argument("--check", action="store_true", help="only read the file; load nothing")
    load_rows.add_argument("--errors", type=Path, metavar="CSV", help="write the bad rows' errors to a file")
    load_rows.add_argument("--json", action="store_true", help="print the report as JSON")
    add_server_options(load_rows)
    load_rows.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    report = _report(arguments)
    if arguments.errors:
        _write_errors(arguments.errors, report)
    if arguments.json:
        counted = {"loaded": 0} if arguments.check else {}
        print(json.dumps(report.as_json() | counted))
    else:
        show(arguments.kind, report, Console(), checked=arguments.check)
    if report.errors:
        raise Refused(f"{len({error.row for error in report.errors})} of the file's rows could not be loaded")


def column_map(arguments: argparse.Namespace) -> ColumnMap:
    """The mapping file with the options on top. Raises Refused."""
    tree = _toml(arguments.map_file) if arguments.map_file else {}
    return ColumnMap(
        columns={**tree.get("columns", {}), **dict(arguments.map)},
        constants={**tree.get("set", {}), **dict(arguments.set)},
        values=tree.get("values", {}),
        date_format=arguments.date_format or tree.get("date_format"),
    )


def _report(arguments: argparse.Namespace) -> Loaded:
    """With a bar on the terminal; nothing is drawn where the output is not one."""
    columns = (SpinnerColumn(), TextColumn("{task.description}: {task.completed} rows"), TimeElapsedColumn())
    mapping = column_map(arguments)
    try:
        with (
            arguments.file.open("rb") as file,
            Progress(*columns, console=Console(stderr=True), transient=True) as bar,
        ):
            task = bar.add_task(f"Loading {arguments.kind}", total=None)

            def progress(rows: int) -> None:
                bar.advance(task, rows)

            if arguments.check:
                return check(arguments.kind, file, mapping, progress)
            with server(arguments) as api:
                return load(arguments.kind, file, mapping, api, progress=progress)
    except OSError as missing:
        raise Refused(f"{arguments.file} cannot be read: {missing.strerror}") from None
    except (Unreadable, UnknownField) as wrong:
        raise Refused(f"{arguments.file}: {wrong}") from None


def _toml(path: Path) -> dict[str, Any]:
    """Raises Refused for what is no mapping."""
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except OSError as missing:
        raise Refused(f"{path} cannot be read: {missing.strerror}") from None
    except ValueError as wrong:  # neither UTF-8 nor TOML
        raise Refused(f"{path}: {wrong}") from None
    if unknown := tree.keys() - {"columns", "set", "values", "date_format"}:
        raise Refused(f"{path}: {sorted(unknown)[0]!r} is no part of a mapping; see paidup import --help")
    words = [*_tables(path, tree, "columns"), *_tables(path, tree, "set")]
    for name, table in tree.get("values", {}).items() if isinstance(tree.get("values", {}), dict) else [("", None)]:
        words += _tables(path, {name: table}, name)
    if not all(isinstance(word, str) for word in (*words, tree.get("date_format", ""))):
        raise Refused(f"{path}: every value must be a text in quotation marks")
    return tree


def _tables(path: Path, tree: dict[str, Any], name: str) -> list[Any]:
    table = tree.get(name, {})
    if not isinstance(table, dict):
        raise Refused(f"{path}: {name or 'values'} must be a table")
    return list(table.values())


def show(kind: Kind, report: Loaded, console: Console, *, checked: bool = False) -> None:
    if report.ignored:
        console.print(f"Columns without a field, left out: {', '.join(report.ignored)}", style="yellow", markup=False)
    if report.errors:
        table = Table(title="Rows that could not be loaded", title_justify="left")
        table.add_column("row", justify="right")
        table.add_column("field")
        table.add_column("what is wrong", overflow="fold")
        for error in report.errors[:ERRORS_SHOWN]:
            table.add_row(str(error.row), Text(error.field), Text(error.message))
        console.print(table)
        if len(report.errors) > ERRORS_SHOWN:
            console.print(f"… and {len(report.errors) - ERRORS_SHOWN} more; --errors FILE writes them all")
    if checked:
        console.print(f"{report.loaded} {kind} can be read; nothing was loaded.")
    else:
        console.print(f"{kind}: {report.loaded} loaded, {report.updated} updated, {report.unchanged} unchanged.")


def _write_errors(path: Path, report: Loaded) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as out:
            rows = csv.writer(out)
            rows.writerow(("row", "field", "message"))
            rows.writerows((error.row, error.field, error.message) for error in report.errors)
    except OSError as wrong:
        raise Refused(f"{path} cannot be written: {wrong.strerror}") from None


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"{text!r} must be written NAME=VALUE")
    return key.strip(), value.strip()

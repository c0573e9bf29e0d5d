"""`paidup rehearse`: what the next days would bring, with today's settings and with changed ones. PRODUCT 12."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.cli.client import CSV, Api, LocalApi, add_server_options, ask, server
from infra.cli.loading import load
from infra.cli.outcome import Refused, Subparsers, day, instant, whole
from shared.contracts.api_rehearsals import SEED_MAX
from shared.contracts.import_csv import ColumnMap, Kind
from shared.domain.rehearsal import CATEGORIES, DAYS_MAX, WORDS

DAYS_DEFAULT: Final = 30
WAIT_SECONDS_MAX: Final = 900  # for a rehearsal that the worker carries out
PAUSE_SECONDS: Final = 2.0
CUSTOMERS_MAX: Final = 1_000_000  # on this machine memory is the bound
BY: Final = ("day", "customer")
CASH: Final = ("charged", "received", "low", "expected", "high")
ROWS_MAX: Final = 100  # of a list on the screen
FILES: Final[tuple[Kind, ...]] = ("customers", "contracts", "usage", "invoices", "payments")  # in the order of loading


def add_to(commands: Subparsers) -> None:
    rehearse = commands.add_parser(
        "rehearse",
        help="see the next days before they happen",
        description="Live through the next days on a copy that touches nothing: what would be billed, posted, mailed, "
        "charged, chased and suspended. With --settings, also what would be different.",
        epilog="An export holds no cards, so nothing is charged in one that is read from a folder. The folder has "
        "customers.csv and any of contracts.csv, usage.csv, invoices.csv, payments.csv, settings.json (as GET "
        "/v1/settings) and classes.json (as GET /v1/customer-classes).",
    )
    rehearse.add_argument(
        "--days", type=whole(1, DAYS_MAX), default=DAYS_DEFAULT, metavar="N",
        help=f"how far ahead, 1 to {DAYS_MAX} (default: {DAYS_DEFAULT})",
    )  # fmt: skip
    rehearse.add_argument(
        "--settings", metavar="JSON", help="a merge patch of the settings to compare with, or a file that holds one"
    )
    rehearse.add_argument(
        "--classes", metavar="JSON", help="parts of classes to compare with, by class id, or a file that holds them"
    )
    rehearse.add_argument(
        "--seed", type=whole(0, SEED_MAX), metavar="N",
        help="draw what cards do, and when people pay by hand, from what each customer did before "
        "(default: cards do what they did last, and nobody pays by hand)",
    )  # fmt: skip
    rehearse.add_argument(
        "--since", type=day, metavar="DATE",
        help="a back-test: forecast the cash from a past day, N days ago or more, and compare with what came in",
    )  # fmt: skip
    rehearse.add_argument("--by", choices=BY, help="also list everything day by day, or customer by customer")
    source = rehearse.add_mutually_exclusive_group()
    source.add_argument(
        "--export", type=Path, metavar="FOLDER", help="rehearse files of `paidup export` on this machine"
    )
    source.add_argument(
        "--tables", action="store_true",
        help="read the tables that the environment names (ACCOUNTS_TABLE, …) and rehearse on this machine",
    )  # fmt: skip
    rehearse.add_argument("--at", type=instant, metavar="INSTANT", help="when an export is from (default: now)")
    rehearse.add_argument("--csv", type=Path, metavar="FILE", help="write everything that would happen there, as CSV")
    rehearse.add_argument("--json", action="store_true", help="print everything as JSON")
    add_server_options(rehearse)
    rehearse.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    body: dict[str, Any] = {"days": arguments.days}
    if arguments.seed is not None:
        body["seed"] = arguments.seed
    if arguments.since is not None:
        body["since"] = str(arguments.since)
    for name in ("settings", "classes"):
        if (given := getattr(arguments, name)) is not None:
            body[name] = _object(given, f"--{name}") if given.lstrip().startswith("{") else _json_of(Path(given))
    if arguments.export is not None:
        with _exported(arguments.export, arguments.at or datetime.now(UTC)) as ports:
            found = _here(body, ports, arguments.csv)
    elif arguments.tables:
        from shared.bootstrap import ports as live  # opens no client before it is used

        found = _here(body, live(), arguments.csv)
    else:
        with server(arguments) as api:
            found = asked_of(api, body)
            if arguments.csv is not None:
                _write(arguments.csv, _whole(found, api))
    if arguments.json:
        print(json.dumps(found))
    else:
        show(found, arguments.days, Console(), arguments.by)


def asked_of(api: Api, body: Mapping[str, Any], sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """The result of a running Paidup, which may take its time. Raises Refused."""
    found: dict[str, Any] = ask(api, "POST", "/v1/rehearsals", body)
    for _ in range(int(WAIT_SECONDS_MAX / PAUSE_SECONDS)):
        if found["status"] != "pending":
            break
        sleep(PAUSE_SECONDS)
        found = ask(api, "GET", f"/v1/rehearsals/{found['id']}")
    if found["status"] != "done":
        why = found["reason"] or f"it is not done yet: ask for /v1/rehearsals/{found['id']} later"
        raise Refused(f"the rehearsal is {found['status']}: {why}")
    return found


def _here(body: Mapping[str, Any], ports: Any, csv: Path | None) -> dict[str, Any]:
    """The result, of a company of any size, computed by this process. Raises Refused."""
    from functions.rehearsal.rehearse import check_changes, rehearse, result_json, rows_of
    from shared.contracts.api_rehearsals import CSV_HEADER
    from shared.contracts.export_csv import written
    from shared.domain.errors import DomainError
    from shared.domain.rehearsal import Rehearsal

    settings, classes = (json.dumps(body[name]) if name in body else None for name in ("settings", "classes"))
    asked = Rehearsal("reh_here", body["days"], settings=settings, classes=classes, seed=body.get("seed"))
    asked = replace(asked, since=date.fromisoformat(body["since"]) if "since" in body else None)
    try:
        check_changes(asked, ports)
        lived = rehearse(asked, ports, CUSTOMERS_MAX)
    except DomainError as wrong:
        raise Refused(str(wrong)) from None
    if csv is not None:
        _write(csv, [written([CSV_HEADER, *rows_of(lived)]).encode()])
    return result_json(lived)


def _whole(found: Mapping[str, Any], api: Api) -> Iterator[bytes]:
    """All rows of a rehearsal that a running Paidup has done, its header once."""
    for part in range(1, found["csv_parts"] + 1):
        answer = api.call("GET", f"/v1/rehearsals/{found['id']}?part={part}", accept=CSV)
        if not answer.ok:
            raise Refused(f"part {part} of the rows was answered with {answer.status}: {answer.words()}")
        yield answer.body if part == 1 else answer.body.partition(b"\n")[2]


def _write(file: Path, parts: Iterable[bytes]) -> None:
    try:
        with file.open("wb") as out:
            out.writelines(parts)
    except OSError as failed:
        raise Refused(f"{file} cannot be written: {failed.strerror}") from None


@contextmanager
def _exported(folder: Path, at: datetime) -> Iterator[Any]:
    """The ports of a world in memory into which a folder was loaded. Raises Refused."""
    from infra.local.app import LocalClient  # here, so that the other ways start without the local cloud
    from infra.local.cloud import LocalCloud

    if not (folder / "customers.csv").is_file():
        raise Refused(f"{folder} holds no customers.csv")
    with LocalCloud("memory", at) as cloud:
        api = LocalApi(LocalClient(cloud))
        if (classes := folder / "classes.json").is_file():
            for each in _json_of(classes)["items"]:
                body = {key: value for key, value in each.items() if key != "version"}
                ask(api, "PUT", f"/v1/customer-classes/{each['id']}", body)
        for kind in FILES:
            if (folder / f"{kind}.csv").is_file():
                _load(kind, folder / f"{kind}.csv", api)
        if (settings := folder / "settings.json").is_file():
            ask(api, "PATCH", "/v1/settings", {k: v for k, v in _json_of(settings).items() if k != "version"})
        yield cloud.ports


def _load(kind: Kind, file: Path, api: Api) -> None:
    with file.open("rb") as stream:
        report = load(kind, stream, ColumnMap(), api)
    if report.errors:
        first = report.errors[0]
        raise Refused(f"{file.name}, row {first.row}: {first.field} {first.message}; {len(report.errors)} in all")


def _json_of(file: Path) -> Any:
    try:
        text = file.read_text("utf-8")
    except OSError as missing:
        raise Refused(f"{file} cannot be read: {missing.strerror}") from None
    except ValueError:
        raise Refused(f"{file} is not JSON") from None
    return _object(text, str(file))


def _object(text: str, name: str) -> Any:
    try:
        found = json.loads(text)
    except ValueError:
        raise Refused(f"{name} is not JSON") from None
    if not isinstance(found, dict):
        raise Refused(f"{name} must hold a JSON object")
    return found


# ---- showing ----------------------------------------------------------------------------------------------------


def show(found: Mapping[str, Any], days: int, console: Console, by: str | None = None) -> None:
    base, changed = found["base"], found["changed"]
    console.print(f"The next {days} days, from {base['from']}", highlight=False)  # wider than the table may be
    table = Table("")
    for heading in ("as set", "changed", "more", "less") if changed else ("as set",):
        table.add_column(heading, justify="right")
    for category in CATEGORIES:
        cells = [str(base[category]["count"])]
        if changed:
            apart = found["difference"][category]
            cells += [str(changed[category]["count"]), f"+{apart['added']}", f"-{apart['removed']}"]
        table.add_row(category, *cells)
        for word in sorted({*base[category]["by"], *(changed[category]["by"] if changed else ())}):
            runs = (base, changed) if changed else (base,)
            table.add_row(f"  {word}", *(str(run[category]["by"].get(word, 0)) for run in runs))
    console.print(table)
    if found["backtest"]:
        _show_back_test(found["backtest"], console)
    if by is not None:
        _show_by(by, changed or base, console)
    if changed:
        _show_apart(found["difference"], console)
    for name, run in (("as set", base), ("changed", changed)):
        if run:
            _show_cash(name, run, console)
    for warning in found["warnings"]:
        console.print(f"Hardly meant: {warning['field']} {warning['message']}", markup=False, highlight=False)
    for failure in base["failures"]:
        console.print(f"Not billed: {failure['customer_id']}: {failure['message']}", markup=False, highlight=False)


def _show_back_test(test: Mapping[str, Any], console: Console) -> None:
    if not test["owed"]:
        console.print(f"Nothing was owed at the end of {test['since']}: there is nothing to compare.", highlight=False)
    for currency, owed in test["owed"].items():
        table = Table(title=f"Of {owed} {currency} owed at the end of {test['since']}", title_justify="left")
        for heading in ("through", "really", "low", "expected", "high", "by due date"):
            table.add_column(heading, justify="left" if heading == "through" else "right")
        for week in test["weeks"]:
            parts = ("really", "low", "expected", "high", "by_due_date")
            table.add_row(week["on"], *(week[part].get(currency, "0") for part in parts))
        console.print(table)
        off, within = test["error_percent"][currency], test["weeks_within_band"][currency]
        console.print(
            f"Off by {off['expected']} % of what was owed, on the mean over the weeks (by due dates: "
            f"{off['by_due_date']} %); {within} of {len(test['weeks'])} weeks within the band.", highlight=False,
        )  # fmt: skip


def _show_by(by: str, run: Mapping[str, Any], console: Console) -> None:
    """Only what there is any of has a column."""
    rows, key = (run["days"], "on") if by == "day" else (run["customers"], "customer_id")
    words = [word for word in (*WORDS, "fees") if any(row[word] for row in rows)]
    table = Table(title=f"By {by}", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column(by)
    for word in words:
        table.add_column(word, justify="right")
    for row in rows[:ROWS_MAX]:
        table.add_row(Text(row.get("name") or row[key]), *(str(row[word] or "") for word in words))
    console.print(table)
    _say_more(len(rows), console)


def _show_apart(apart: Mapping[str, Any], console: Console) -> None:
    """Who gets a mail that they would not have got, or none any more; whose service changes."""
    found = apart["customers"]
    if not found["items"]:
        console.print("Nobody gets more mails or fewer, and nobody's service is different.")
        return
    table = Table(title="Who is affected", title_justify="left")
    for heading in ("", "customer", "what", "first on"):
        table.add_column(heading)
    for item in found["items"][:ROWS_MAX]:
        sign = "+" if item["change"] == "added" else "-"
        table.add_row(
            f"{sign}{item['times']}", Text(item["name"] or item["customer_id"]), Text(item["what"]), item["on"]
        )
    console.print(table)
    _say_more(found["count"], console)


def _say_more(count: int, console: Console) -> None:
    if count > ROWS_MAX:
        console.print(f"… and {count - ROWS_MAX} more: --json or --csv has all of them")


def _show_cash(name: str, run: Mapping[str, Any], console: Console) -> None:
    parts = [part for part in CASH if part != "received" or any(week["received"] for week in run["cash"])]
    table = Table(title=f"Cash by then, {name}", title_justify="left")
    for heading in ("through", "", *("by hand" if part == "received" else part for part in parts)):
        table.add_column(heading, justify="left" if heading in ("through", "") else "right")
    for week in run["cash"]:
        for currency in sorted({c for part in parts for c in week[part]}):
            table.add_row(week["on"], currency, *(week[part].get(currency, "0") for part in parts))
    if table.row_count:
        console.print(table)

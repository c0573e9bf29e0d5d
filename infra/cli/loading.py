"""Loads a CSV file of any size into a running Paidup, part by part."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from infra.cli.client import Answer, Api
from infra.cli.outcome import Refused
from infra.cli.parts import Part, Parts
from shared.contracts.import_csv import ColumnMap, Kind, RowError, read_sheet

BUSY: Final = (429, 503)
BUSY_TRIES_MAX: Final = 6
PAUSE_SECONDS: Final = 2.0  # where the server does not say how long
NEXT_ROW: Final = "next-row"  # header of an answer that did not reach the end of its part


@dataclass(slots=True)
class Loaded:
    """The report of an import, in the shape of the API's answer. `row` is the line in the file."""

    loaded: int = 0
    updated: int = 0
    unchanged: int = 0
    errors: list[RowError] = field(default_factory=list)
    ignored: tuple[str, ...] = ()  # columns that name no field

    def as_json(self) -> dict[str, Any]:
        errors = [error.as_json() for error in self.errors]
        return {"loaded": self.loaded, "updated": self.updated, "unchanged": self.unchanged, "errors": errors}

    def add(self, counts: dict[str, Any], part: Part) -> None:
        self.loaded += counts["loaded"]
        self.updated += counts["updated"]
        self.unchanged += counts["unchanged"]
        self.errors += [RowError(part.row_of(e["row"]), e["field"], e["message"]) for e in counts["errors"]]


def load(
    kind: Kind, stream: BinaryIO, columns: ColumnMap, api: Api, *, progress: Callable[[int], None] = lambda rows: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Loaded:  # fmt: skip
    """Load what can be loaded and report the rest by row. Loaded again, the same file changes nothing.

    `progress` is told the rows of each part that is done. Raises Refused when the server is away or refuses us, and
    Unreadable or UnknownField for what is no such file; what was loaded before stays.
    """
    parts = Parts(kind, stream, columns)
    report = Loaded(ignored=parts.ignored)
    for part in parts:
        report.errors += part.errors
        rest: Part | None = part if part.lines else None
        while rest is not None:
            rest = _send(kind, rest, api, report, sleep)
        progress(len(part.lines))
    report.errors.sort(key=lambda error: error.row)
    return report


def check(
    kind: Kind, stream: BinaryIO, columns: ColumnMap, progress: Callable[[int], None] = lambda rows: None
) -> Loaded:
    """Read the file and load nothing; `loaded` counts what could be read."""
    parts = Parts(kind, stream, columns)
    report = Loaded(ignored=parts.ignored)
    for part in parts:
        sheet = read_sheet(kind, part.content)
        found = [error.as_json() for error in sheet.errors]
        report.errors += part.errors
        report.add({"loaded": len(sheet.items), "updated": 0, "unchanged": 0, "errors": found}, part)
        progress(len(part.lines))
    report.errors.sort(key=lambda error: error.row)
    return report


def _send(kind: Kind, part: Part, api: Api, report: Loaded, sleep: Callable[[float], None]) -> Part | None:
    """One request; what of the part is left to be sent."""
    answer = _answer(kind, part, api, sleep)
    left = answer.headers.get(NEXT_ROW)
    if left is None:
        report.add(answer.body, part)
        return None
    report.add({**answer.body, "errors": [e for e in answer.body["errors"] if e["row"] < int(left)]}, part)
    return part.rest(int(left))


def _answer(kind: Kind, part: Part, api: Api, sleep: Callable[[float], None]) -> Answer:
    """Asks again while the server is busy: what it had done by then it finds done. Raises Refused."""
    path = f"/v1/import/{kind}"
    answer = api.call("POST", path, part.content)
    for _ in range(BUSY_TRIES_MAX):
        if answer.status not in BUSY:
            break
        sleep(float(answer.headers.get("retry-after", PAUSE_SECONDS)))
        answer = api.call("POST", path, part.content)
    if answer.ok:
        return answer
    if answer.status in (401, 403):
        raise Refused(f"the server refuses us: {answer.words()}; give an operator's or admin's --token")
    raise Refused(f"the rows from line {part.lines[0]} on were answered with {answer.status}: {answer.words()}")

"""Every promise about speed and cost, measured and laid side by side with its bar: `python -m benchmarks.board`.

Runs one benchmark after another, passes their JSON lines on, and ends with one table. `--only lifecycle,growth` runs
some of them; `--readme` puts the table into README.md; `--write FILE` keeps the lines, `--read FILE` shows them again.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from benchmarks.figures import console

ROOT: Final = Path(__file__).parent.parent
README: Final = ROOT / "README.md"
TABLE_STARTS, TABLE_ENDS = "<!-- what `make bench` found -->", "<!-- until here -->"
PYTHON: Final = (sys.executable, "-m")

COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    "lifecycle": (*PYTHON, "benchmarks.lifecycle"),
    "past_due": (*PYTHON, "benchmarks.past_due"),
    "growth": (*PYTHON, "benchmarks.growth", "--memory"),
    "pages": (*PYTHON, "benchmarks.pages"),
    "rehearsal": (*PYTHON, "benchmarks.rehearsal"),
    "documents": (*PYTHON, "benchmarks.documents"),
    "cost": (*PYTHON, "benchmarks.cost"),
    "night": (*PYTHON, "benchmarks.night"),
    "bundles": ("make", "--no-print-directory", "check-bundles"),
}
_STARTED: Final = re.compile(r"^(\w+Function)\s+(\d+) of (\d+) ms CPU")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table: what was promised, and the figures that say whether it is kept.

    `most` are the bars in the figures' order: the most each may be, or with `least` the least.
    """

    what: str
    promised: str
    command: str
    figures: tuple[str, ...]
    most: tuple[float, ...]
    form: str  # of the figures, in their order
    least: bool = False

    def reached(self, found: dict[str, float]) -> str | None:
        values = self._values(found)
        return None if values is None else self.form.format(*values)

    def kept(self, found: dict[str, float]) -> bool | None:
        values = self._values(found)
        if values is None:
            return None
        pairs = zip(values, self.most, strict=True)
        return all(value >= bar if self.least else value <= bar for value, bar in pairs)

    def _values(self, found: dict[str, float]) -> tuple[float, ...] | None:
        values = [found.get(f"{self.command}: {figure}") for figure in self.figures]
        return None if None in values else tuple(v for v in values if v is not None)


ROWS: Final = (
    Row("CPU of a lifecycle, through pynamodb against recorded answers", "≤ 4 ms", "lifecycle", ("CPU",), (4,),
        "{:.1f} ms"),
    Row("AWS calls of a lifecycle", "≤ 8", "lifecycle", ("calls",), (8,), "{:.1f}"),
    Row("DynamoDB units of a lifecycle, written and read, indexes included", "≤ 20 and 4", "lifecycle",
        ("write units", "read units"), (20, 4), "{:.1f} and {:.1f}"),
    Row("past due: a customer with nothing to do", "≤ 0.1 ms, no read", "past_due", ("nothing, CPU", "nothing, calls"),
        (0.1, 0), "{:.2f} ms, {:.2f} reads"),
    Row("past due: a customer that gets a notice", "≤ 1.5 ms", "past_due", ("notice, CPU",), (1.5,), "{:.1f} ms"),
    Row("memory backend, whole lifecycle", "≥ 1,500 a second", "growth", ("invoices a second",), (1_500,), "{:,.0f}",
        least=True),
    Row("any page with 10,000 customers, the slowest", "≤ 100 ms", "pages", ("the slowest, CPU",), (100,), "{:.0f} ms"),
    Row("10,000 customers × 90 days rehearsed; where 28 % never pay", "≤ 60 s, 1 GB", "rehearsal",
        ("paying: seconds", "paying: MB", "unpaid: seconds", "unpaid: MB"), (60, 1_000, 60, 1_000),
        "{:.0f} s, {:.0f} MB; {:.0f} s, {:.0f} MB"),
    Row("PDF of a page, warm; of 10,000 lines", "≤ 15 ms; 10 s CPU", "documents",
        ("PDF, 1 lines", "PDF, 10,000 lines"), (15, 10_000), "{:.0f} ms; {:,.0f} ms"),
    Row("CPU of a cold start: a worker; the admin API", "≤ 250; 400 ms", "bundles", ("worker", "AdminApiFunction"),
        (250, 400), "{:.0f}; {:.0f} ms"),
    Row("growth from 500 to 8,000 customers: CPU per invoice; memory of an invocation", "≤ 5 %; flat", "growth",
        ("CPU per invoice, 500 to 8000 customers, % more", "memory of an invocation, KB more"), (5, 64),
        "{:.1f} %; {:.0f} KB"),
    Row("a tick with nothing due: calls added by 7,500 more customers", "none", "growth",
        ("calls per tick with nothing due, more of them",), (0,), "{:.0f}"),
    Row("1,000,000 invoices a month, besides mail and gateway", "≤ $25", "cost", ("1000000 invoices, $",), (25,),
        "${:,.2f}"),
    Row("1,000,000 invoices in a night, besides mail", "≤ 60 minutes", "night", ("besides mail, minutes",), (60,),
        "{:.0f} minutes"),
)  # fmt: skip


def run(name: str) -> Iterator[dict[str, Any]]:
    """The figures of a benchmark, while it runs."""
    process = subprocess.Popen(COMMANDS[name], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            yield json.loads(line)
        elif started := _STARTED.match(line):
            yield {"benchmark": "bundles", "figure": started[1], "value": float(started[2])}
    if process.wait():
        print(f"{' '.join(COMMANDS[name])} ended with {process.returncode}", file=sys.stderr)


def by_name(figures: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Each figure's value by `benchmark: figure`; of the cold starts, also that of the slowest worker."""
    found = {f"{f['benchmark']}: {f['figure']}": float(f["value"]) for f in figures}
    answering = ("AdminApi", "Console", "PayPage", "AutopayWebhook", "RehearsalRun", "ReportsMake")
    workers = [
        value for name, value in found.items()
        if name.startswith("bundles: ") and not name.removeprefix("bundles: ").startswith(answering)
    ]  # fmt: skip
    return {**found, **({"bundles: worker": max(workers)} if workers else {})}


def show(found: dict[str, float]) -> None:
    table = Table("what", "bar", "reached", "kept", "command", title="Speed and cost")
    for row in ROWS:
        kept = {None: "?", True: "yes", False: "no"}[row.kept(found)]
        table.add_row(row.what, row.promised, row.reached(found) or "not measured", kept, command_of(row))
    console().print(table)


def command_of(row: Row) -> str:
    return "make check-bundles" if row.command == "bundles" else f"python -m benchmarks.{row.command}"


def markdown(found: dict[str, float]) -> str:
    lines = ["| what | bar | reached | measured by |", "|---|---|---|---|"]
    for row in ROWS:
        reached = row.reached(found) or "–"
        mark = "" if row.kept(found) in (True, None) else " ✗"
        lines.append(f"| {row.what} | {row.promised} | {reached}{mark} | `{command_of(row)}` |")
    return "\n".join(lines)


def into(text: str, table: str) -> str:
    """The text with the table between the two marks. Raises ValueError where there are none."""
    before, _, rest = text.partition(TABLE_STARTS)
    _, found, after = rest.partition(TABLE_ENDS)
    if not found:
        raise ValueError(f"no {TABLE_STARTS} … {TABLE_ENDS}")
    return f"{before}{TABLE_STARTS}\n{table}\n{TABLE_ENDS}{after}"


def measured(names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for name in names:
        print(f"# {name}: {' '.join(COMMANDS[name][-3:])}", file=sys.stderr, flush=True)
        yield from run(name)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.board", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", help=f"some of {', '.join(COMMANDS)}; all by default")
    parser.add_argument("--readme", action="store_true", help="put the table into README.md")
    parser.add_argument("--write", type=Path, help="a file to add the figures to, one JSON line each")
    parser.add_argument("--read", type=Path, help="show these figures, and measure nothing that --only does not name")
    asked = parser.parse_args()
    figures = [json.loads(line) for line in asked.read.read_text().splitlines()] if asked.read else []
    names = asked.only.split(",") if asked.only else [] if asked.read else list(COMMANDS)
    for figure in measured(names):
        figures.append(figure)
        line = json.dumps(figure)
        print(line, flush=True)
        if asked.write:
            with asked.write.open("a") as file:
                file.write(line + "\n")
    found = by_name(figures)
    show(found)
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}")
    if asked.readme:
        README.write_text(into(README.read_text(), markdown(found)))


if __name__ == "__main__":
    main()

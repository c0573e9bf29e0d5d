"""What a replay of somebody's own files needs: an empty local cloud, spoken to as an admin, and figures."""

from __future__ import annotations

import csv
import json
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from infra.cli.client import LocalApi, ask, every
from infra.cli.outcome import Refused
from infra.demo.figures import World, figures_of
from infra.local.app import LocalClient
from infra.local.cloud import LocalCloud
from shared.domain.money import format_minor

WORK_AT: Final = time(9)  # UTC: when the replay's people enter invoices, disputes and payments


@dataclass(slots=True)
class Report:
    """Named figures in order, each with what it cost to come by."""

    name: str
    figures: list[tuple[str, Any, str]] = field(default_factory=list)

    def add(self, figure: str, value: Any, unit: str = "") -> None:
        self.figures.append((figure, value, unit))

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        wall, cpu = perf_counter(), process_time()
        yield
        self.add(f"{stage}, wall", round(perf_counter() - wall, 2), "s")
        self.add(f"{stage}, CPU", round(process_time() - cpu, 2), "s")

    def show(self) -> None:
        table = Table(title=self.name, title_justify="left")
        table.add_column("figure")
        table.add_column("value", justify="right")
        for figure, value, unit in self.figures:
            table.add_row(figure, f"{_grouped(value)} {unit}".strip())
        Console().print(table)
        for figure, value, unit in self.figures:
            print(json.dumps({"benchmark": f"real_input.{self.name}", "figure": figure, "value": value, "unit": unit}))


def _grouped(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def peak_megabytes() -> int:
    """Of the process so far; Linux counts in kilobytes, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1_000_000 if sys.platform == "darwin" else peak // 1_000


@dataclass(slots=True)
class Paidup:
    """One empty local cloud, spoken to as an admin."""

    cloud: LocalCloud
    api: LocalApi

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        return ask(self.api, method, path, body)

    def move(self, to: datetime) -> None:
        self.ok("POST", "/_local/clock", {"advance_to": to.astimezone(UTC).isoformat().replace("+00:00", "Z")})

    def settle(self) -> None:
        """Drain the queues where the clock stands."""
        self.ok("POST", "/_local/clock", {"advance": {"minutes": 0}})

    def world(self, since: date, until: date) -> World:
        lists = {
            name: list(every(self.api, f"/v1/{name}")) for name in ("customers", "invoices", "payments", "notices")
        }
        return World(since=since, until=until, timezone="UTC", **lists)


@contextmanager
def paidup(start: datetime) -> Iterator[Paidup]:
    with LocalCloud("memory", start) as cloud:
        yield Paidup(cloud, LocalApi(LocalClient(cloud)))
        if failures := list(cloud.engine.invoker.failures):
            print(f"{len(failures)} invocations failed; the last:\n{failures[-1].text}", file=sys.stderr)


def rows_of(data: Path, name: str) -> list[dict[str, str]]:
    """The file's rows. Raises Refused if it is not there."""
    path = data / name
    if not path.is_file():
        raise Refused(f"{path} is not there: give the folder of the sample data as an argument")
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def outcome(report: Report, world: World) -> None:
    """What every run comes to."""
    figures = figures_of(world)
    report.add("customers", figures.customers)
    report.add("invoices", figures.invoices)
    report.add("posted", figures.posted)
    for money in figures.money:
        totals = {"invoiced": money.invoiced_minor, "collected": money.collected_minor, "open": money.open_minor}
        for words, minor in {**totals, **{f"open, {b}": v for b, v in money.ageing.items()}}.items():
            report.add(words, format_minor(minor, money.currency), money.currency)
    report.add("mails sent", figures.mailed)
    for kind, count in figures.notices.items():
        report.add(f"notices sent, {kind}", count)
    for status, count in sorted(figures.not_sent.items()):
        report.add(f"notices {status}", count)
    for status, count in sorted(figures.charges.items()):
        report.add(f"card attempts {status}", count)

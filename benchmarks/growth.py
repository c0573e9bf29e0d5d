"""Whether an invoice costs more where there are more customers: `python -m benchmarks.growth [--customers N,N,…]`.

The whole life of an invoice on the memory backend, from its draft to its settlement, for everybody on one day: billed,
posted, mailed (text and HTML), charged, settled. Counted per invoice are the store's calls and the records they move,
with the CPU that the functions take; per tick with nothing due, its calls; per page of each index, what it brings. The
counts have to stay the same. CPU is given as a factor of the first size. With `--memory`, what any one invocation takes
in memory at most, beyond what it leaves in the store (slow: every allocation is traced).
"""

from __future__ import annotations

import argparse
import gc
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import process_time
from typing import Final

from rich.console import Console
from rich.table import Table

from benchmarks.company import BEFORE, QUIET, SETTLED, living
from benchmarks.figures import report
from infra.local.cloud import LocalCloud

SIZES: Final = (500, 8_000)
FIRST_ROUNDS: Final = 3  # the smallest is over so soon that the best of some runs counts
PER_SECOND_PROMISED: Final = 1_500
GROWTH_PERCENT_PROMISED: Final = 5.0


@dataclass(slots=True)
class Life:
    """What so many customers' invoices took. Calls and records by function and method of the store."""

    customers: int
    cpu: Counter[str] = field(default_factory=Counter)  # nanoseconds by function
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    records: Counter[tuple[str, str]] = field(default_factory=Counter)
    idle_calls: int = 0  # of all ticks while nothing is due
    idle_ticks: int = 0
    settled: int = 0
    peak: int = 0  # bytes, where they were traced

    @property
    def microseconds(self) -> float:
        return self.cpu.total() / 1_000 / self.customers

    @property
    def per_second(self) -> float:
        return 1_000_000 / self.microseconds


def live(customers: int, *, trace: bool = False) -> Life:
    life, running = Life(customers), [""]

    def count(method: str, records: int) -> None:
        life.calls[running[0], method] += 1
        life.records[running[0], method] += records

    with living(customers, count) as cloud:
        cloud.advance_to(QUIET)
        life.calls.clear()
        before = cloud.engine.invoker.invocations.total()
        with _watched(cloud, life, running):
            cloud.advance_to(BEFORE)
        life.idle_calls, life.idle_ticks = life.calls.total(), cloud.engine.invoker.invocations.total() - before
        for counted in (life.calls, life.records, life.cpu):
            counted.clear()
        gc.collect()
        gc.freeze()  # the world that stands there already is none of an invoice's garbage
        with _traced(trace), _watched(cloud, life, running):
            life.settled = cloud.advance_to(SETTLED).outcomes.get("charge_succeeded", 0)
        gc.unfreeze()
    if life.settled != customers:
        raise SystemExit(f"{life.settled} of {customers} invoices were settled")
    return life


@contextmanager
def _watched(cloud: LocalCloud, life: Life, running: list[str]) -> Iterator[None]:
    began = 0.0

    def before(function: str) -> None:
        nonlocal began
        running[0] = function
        if tracemalloc.is_tracing():
            tracemalloc.reset_peak()
        began = process_time()

    def after() -> None:
        life.cpu[running[0]] += int((process_time() - began) * 1e9)
        if tracemalloc.is_tracing():
            left, peak = tracemalloc.get_traced_memory()
            life.peak = max(life.peak, peak - left)

    invoker = cloud.engine.invoker
    invoker.before.append(before)
    invoker.after.append(after)
    try:
        yield
    finally:
        invoker.before.remove(before)
        invoker.after.remove(after)


@contextmanager
def _traced(trace: bool) -> Iterator[None]:
    if trace:
        tracemalloc.start(1)
    try:
        yield
    finally:
        tracemalloc.stop()


def best(customers: int, rounds: int) -> Life:
    return min((live(customers) for _ in range(rounds)), key=lambda life: life.cpu.total())


# ---- showing ----------------------------------------------------------------------------------------------------


def show(lives: list[Life]) -> None:
    table = Table("", *(f"{life.customers:,} customers" for life in lives), title="One invoice, on the memory backend")
    for row in zip(*map(_rows, lives), strict=True):
        table.add_row(row[0][0], *(value for _, value in row))
    Console().print(table)
    for figure, value, bar in figures_of(lives):
        report("growth", figure, value, bar)


def _rows(life: Life) -> Iterator[tuple[str, str]]:
    n = life.customers
    yield "CPU, µs", f"{life.microseconds:,.0f}"
    yield "invoices a second and core", f"{life.per_second:,.0f}"
    for method in ("get", "get_many", "get_all", "list", "find", "commit"):
        calls = sum(c for (_, m), c in life.calls.items() if m == method)
        records = sum(c for (_, m), c in life.records.items() if m == method)
        yield f"{method}: calls, records", f"{calls / n:.2f}, {records / n:.2f}"
    finds = sum(c for (_, m), c in life.calls.items() if m == "find")
    found = sum(c for (_, m), c in life.records.items() if m == "find")
    yield "records per page found", f"{found / finds:.1f}"
    yield "calls per tick with nothing due", f"{life.idle_calls / life.idle_ticks:.2f}"


def figures_of(lives: list[Life]) -> Iterator[tuple[str, float, float | None]]:
    first, last = lives[0], lives[-1]
    yield "invoices a second", first.per_second, PER_SECOND_PROMISED
    for life in lives[1:]:
        more = (life.microseconds / first.microseconds - 1) * 100
        yield f"CPU per invoice, {first.customers} to {life.customers} customers, % more", more, GROWTH_PERCENT_PROMISED
        calls = (life.calls.total() / life.customers) / (first.calls.total() / first.customers) - 1
        yield f"store calls, {first.customers} to {life.customers} customers, % more", calls * 100, 0.0
    yield "calls per tick with nothing due, more of them", last.idle_calls - first.idle_calls, 0.0
    if last.peak:
        yield "memory of an invocation, KB more", (last.peak - first.peak) / 1024, 0.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--customers", default=",".join(map(str, SIZES)), help="sizes, the smallest first")
    parser.add_argument("--memory", action="store_true", help="trace memory too, in a run of its own")
    asked = parser.parse_args()
    sizes = [int(size) for size in asked.customers.split(",")]
    lives = [best(size, FIRST_ROUNDS if size == sizes[0] else 1) for size in sizes]
    if asked.memory:
        for life in lives:
            life.peak = live(life.customers, trace=True).peak
    show(lives)


if __name__ == "__main__":
    main()

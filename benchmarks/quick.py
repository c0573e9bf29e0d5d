"""Counts that must not grow unnoticed, held against benchmarks/expected.json: `python -m benchmarks.quick [--record]`.

Per lifecycle: AWS calls and DynamoDB units, the store's calls and records; the same per customer who is followed up;
the calls of a tick with nothing due; and what more customers add to them, which is nothing. Time is measured elsewhere:
a count is the same on every machine. One above what is expected fails; one below passes, and is named, so that
`--record` can lower it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Final

from benchmarks import growth, lifecycle, past_due

EXPECTED: Final = Path(__file__).with_name("expected.json")
ON_TAPE: Final = 10  # customers: moto takes a second for each
FOLLOWED: Final = 30  # customers
IN_MEMORY: Final = (100, 400)  # customers
DECIMALS: Final = 2
TOLERANCE_PERCENT: Final = 1  # of units: compressed bytes differ a little between versions of zlib

Counts = Mapping[str, float]


def counted() -> dict[str, float]:
    found = dict(chain(on_tape(), followed_up(), in_memory()))
    return {name: round(value, DECIMALS) + 0.0 for name, value in sorted(found.items())}


def on_tape() -> Iterator[tuple[str, float]]:
    """Of all functions that queues feed: what ticks cost is told per tick."""
    spent = lifecycle.measure(ON_TAPE)
    fed = [cost for name, cost in spent.busy.costs.items() if name not in spent.idle.costs]
    yield "lifecycle: AWS calls", sum(cost.calls for cost in fed) / ON_TAPE
    yield "lifecycle: write units", sum(cost.write for cost in fed) / ON_TAPE
    yield "lifecycle: read units", sum(cost.read for cost in fed) / ON_TAPE
    for name, cost in spent.idle.costs.items():
        yield f"tick with nothing due: AWS calls of {name}", cost.calls / cost.invocations


def followed_up() -> Iterator[tuple[str, float]]:
    for name, cost in past_due.per_customer(FOLLOWED).items():
        yield f"past due, {name}: AWS calls", cost.calls
        yield f"past due, {name}: write units", cost.write
        yield f"past due, {name}: read units", cost.read


def in_memory() -> Iterator[tuple[str, float]]:
    few, many = (growth.live(customers) for customers in IN_MEMORY)
    for what, counts in (("calls", many.calls), ("records", many.records)):
        written = sum(n for (_, method), n in counts.items() if method == "commit")
        yield f"memory: {what}, writing", written / many.customers
        yield f"memory: {what}, reading", (counts.total() - written) / many.customers
    yield "growth: calls of ticks with nothing due", many.idle_calls - few.idle_calls
    yield "growth: calls per lifecycle, %", max(_per_customer(many) / _per_customer(few) - 1, 0) * 100


def _per_customer(life: growth.Life) -> float:
    return life.calls.total() / life.customers


def compared(found: Counts, expected: Counts) -> tuple[list[str], list[str]]:
    """What is worse than expected, or counted for the first time; and what is better, or no longer there."""
    worse, better = [], []
    for name in sorted({*found, *expected}):
        was, now = expected.get(name), found.get(name)
        if was is None:
            worse.append(f"{name}: {now}, and nothing is expected of it yet")
        elif now is None:
            better.append(f"{name}: {was} expected, no longer counted")
        elif now > _most(name, was):
            worse.append(f"{name}: {now} instead of {was}")
        elif now < was:
            better.append(f"{name}: {now} instead of {was}")
    return worse, better


def _most(name: str, expected: float) -> float:
    return expected * (1 + TOLERANCE_PERCENT / 100) if name.endswith("units") else expected


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quick", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--record", action="store_true", help="expect from now on what is counted now")
    record: bool = parser.parse_args().record
    found = counted()
    worse, better = compared(found, json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {})
    for line in better:
        print(f"better: {line}")
    for line in worse:
        print(f"worse:  {line}")
    if record:
        EXPECTED.write_text(json.dumps(found, indent=1) + "\n")
        print(f"{len(found)} counts are expected from now on: commit {EXPECTED.name}")
        return 0
    if worse:
        print(
            "\nAn invoice, or a tick, asks more of AWS than it did. If that is worth it, `make bench-quick RECORD=1`\n"
            "writes these counts to benchmarks/expected.json: commit it, and say in the message what they are for."
        )
    elif better:
        print("\nLess than expected: `make bench-quick RECORD=1` keeps it so. It passes without, too.")
    print(f"{len(found)} counts, {len(worse)} worse, {len(better)} better")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())

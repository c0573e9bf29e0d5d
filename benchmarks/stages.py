"""What each function does for one invoice, measured: `python -m benchmarks.stages [--customers N] [--record]`.

Per lifecycle: invocations, CPU, AWS calls by operation, DynamoDB units by table and index, and the units that fall on
one partition key which all invoices share. From the tape of benchmarks/lifecycle; logs and metrics are counted in bytes
as the functions write them. `--record` keeps it all in benchmarks/measured.json, which the cost model and the
simulation of a night start from.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.company import BEFORE, QUIET, SETTLED, living
from benchmarks.figures import report
from benchmarks.lifecycle import Spent, run
from benchmarks.tape import Call, Tape
from benchmarks.units import Meter, Share, size
from infra.wiring import load_wiring
from shared import observability
from shared.domain.ids import SHARDS

MEASURED: Final = Path(__file__).with_name("measured.json")
LOGGED: Final = 50  # customers whose logs are counted
ITEM_BYTES: Final = 100  # that DynamoDB adds to each stored item
SHARED: Final = re.compile(r"^(all|series|watermarks|settings|classes|webhooks)$")
RUN: Final = re.compile(r"^[bp]rn_")
SHARD: Final = re.compile(r"^(gate)?\d$")
ENOUGH: Final = 0.02  # units per lifecycle; a key that gets fewer never limits anything


@dataclass(slots=True)
class Stage:
    """One function, per lifecycle. `hot`: units written and read on the busiest single key of a kind."""

    invocations: float = 0
    cpu_ms: float = 0
    calls: dict[str, float] = field(default_factory=dict)
    write: dict[str, float] = field(default_factory=dict)
    read: dict[str, float] = field(default_factory=dict)
    hot_write: dict[str, float] = field(default_factory=dict)
    hot_read: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Measured:
    customers: int
    stages: dict[str, Stage]
    ticks: dict[str, Stage]  # of a tick with nothing due, by function
    messages: dict[str, float]  # per lifecycle, by queue
    stored_bytes: dict[str, float]  # that a lifecycle leaves behind, by table and index
    log_bytes: float
    pdf_bytes: float


def measure(customers: int) -> Measured:
    tape = Tape()
    messages: dict[str, float] = defaultdict(float)
    run(customers, tape, lambda cloud: tape.recording(cloud.wiring, cloud.clock.now))
    spent = run(customers, tape, lambda cloud: tape.playing(cloud.clock.now))
    names = {queue.url: queue.label for queue in load_wiring().queues.values()}
    stages: dict[str, Stage] = defaultdict(Stage)
    ticks: dict[str, Stage] = defaultdict(Stage)
    meter = Meter()
    stored: dict[str, float] = {}
    hot: dict[str, list[Share]] = defaultdict(list)
    pdf = 0
    for number, call in enumerate(tape.calls):
        shares = meter.shares(call)
        if number == spent.busy.first - 1:
            stored = _stored(meter)
        if spent.idle.first <= number < spent.idle.last:
            _add(ticks[call.function], call, shares)
        if not spent.busy.first <= number < spent.busy.last:
            continue
        _add(stages[call.function], call, shares)
        hot[call.function] += shares
        if call.operation == "SendMessageBatch":
            sent = json.loads(call.body)
            messages[names[sent["QueueUrl"]]] += len(sent["Entries"]) / customers
        elif call.operation == "PUT s3":
            pdf += len(call.body)
    return Measured(
        customers,
        {name: _per(stages[name], spent, name, hot[name]) for name in spent.busy.costs if name not in spent.idle.costs},
        {name: _per_tick(ticks[name], spent, name) for name in spent.idle.costs},
        dict(messages),
        {space: (size_ - stored.get(space, 0)) / customers for space, size_ in _stored(meter).items()},
        log_bytes(), pdf / customers,
    )  # fmt: skip


def _add(stage: Stage, call: Call, shares: Iterable[Share]) -> None:
    stage.calls[call.operation] = stage.calls.get(call.operation, 0) + 1
    for share in shares:
        space = _space(share.space)
        stage.write[space] = stage.write.get(space, 0) + share.write
        stage.read[space] = stage.read.get(space, 0) + share.read


def _space(space: str) -> str:
    """A table by its name in the schema, and its index."""
    table, _, index = space.partition("/")
    return f"{table.rpartition('-')[2]}/{index}" if index else table.rpartition("-")[2]


def _per(stage: Stage, spent: Spent, name: str, shares: list[Share]) -> Stage:
    """Per lifecycle, without what as many idle invocations cost."""
    cost, n = spent.own()[name], spent.settled
    write, read = _hottest(shares, "write"), _hottest(shares, "read")
    return Stage(
        cost.invocations / n, cost.cpu * 1000 / n,
        _over(stage.calls, n), _over(stage.write, n), _over(stage.read, n), _over(write, n), _over(read, n),
    )  # fmt: skip


def _per_tick(stage: Stage, spent: Spent, name: str) -> Stage:
    cost = spent.idle.costs[name]
    n = cost.invocations
    return Stage(1, cost.cpu * 1000 / n, _over(stage.calls, n), _over(stage.write, n), _over(stage.read, n))


def _over(counts: dict[str, float], n: int) -> dict[str, float]:
    return {name: round(value / n, 4) for name, value in sorted(counts.items()) if value}


def _hottest(shares: Iterable[Share], what: str) -> dict[str, float]:
    """Units on the busiest key by space: shards share theirs evenly; keys of one invoice or customer are left out."""
    found: dict[str, float] = defaultdict(float)
    for share in shares:
        units: float = getattr(share, what)
        if SHARD.match(share.partition):
            found[f"{_space(share.space)} by shard"] += units / SHARDS
        elif RUN.match(share.partition):
            found[f"{_space(share.space)} of the run"] += units
        elif SHARED.match(share.partition):
            found[f"{_space(share.space)}: {share.partition}"] += units
    return found


def _stored(meter: Meter) -> dict[str, float]:
    """Bytes by table and index."""
    found: dict[str, float] = defaultdict(float)
    for (table, _, _), item in meter.items.items():
        found[_space(table)] += size(item) + ITEM_BYTES
        for name in item:
            if name.endswith("_pk"):
                keys = ("pk", "sk", name, f"{name.removesuffix('_pk')}_sk")
                entry_bytes = size({key: item[key] for key in keys}) + ITEM_BYTES
                found[_space(f"{table}/{name.removesuffix('_pk')}")] += entry_bytes
    return found


# ---- logs -------------------------------------------------------------------------------------------------------


def log_bytes() -> float:
    """That the functions write per lifecycle, metrics among them; in a process of its own, since they go to stdout."""
    few, many = (len(_stdout_of(customers)) for customers in (1, LOGGED))
    return (many - few) / (LOGGED - 1)


def _stdout_of(customers: int) -> bytes:
    command = [sys.executable, "-m", "benchmarks.stages", "--loud", str(customers)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def loud(customers: int) -> None:
    with living(customers) as cloud:
        cloud.advance_to(QUIET)
        cloud.advance_to(BEFORE)
        observability.loud()
        cloud.advance_to(SETTLED)
        observability.quiet()


# ---- keeping ----------------------------------------------------------------------------------------------------


def measured() -> Measured:
    """What was recorded last. Raises FileNotFoundError if nothing was."""
    kept: dict[str, Any] = json.loads(MEASURED.read_text())
    for stages in ("stages", "ticks"):
        kept[stages] = {name: Stage(**stage) for name, stage in kept[stages].items()}
    return Measured(**kept)


def record(found: Measured) -> None:
    MEASURED.write_text(json.dumps(asdict(found), indent=1, default=float) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--customers", type=int, default=100)
    parser.add_argument("--record", action="store_true", help=f"keep it in benchmarks/{MEASURED.name}")
    parser.add_argument("--loud", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.loud is not None:
        loud(asked.loud)
        return
    found = measure(asked.customers)
    for name, stage in found.stages.items():
        for space, units in {**stage.hot_write, **stage.hot_read}.items():
            if units >= ENOUGH:
                report("stages", f"{name}: {space}", units)
    report("stages", "bytes of logs", found.log_bytes)
    report("stages", "bytes stored", sum(found.stored_bytes.values()))
    if asked.record:
        record(found)


if __name__ == "__main__":
    main()

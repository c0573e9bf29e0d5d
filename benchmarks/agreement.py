"""Whether the calculator of DynamoDB's units agrees with another one: `python -m benchmarks.agreement [--port P]`.

moto answers `ConsumedCapacity` with constants; ministack works it out from the items and their indexes. So the writes
of a lifecycle's tape are sent to ministack, and what it says of each is compared with what benchmarks/units says. Its
reads are constants too: those are held to the developer guide's examples, in tests/unit/benchmarks/test_units.py.
Exits 1 when a call differs. `make check-units` installs ministack first.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from botocore.config import Config
from rich.console import Console
from rich.table import Table

from benchmarks.figures import report
from benchmarks.lifecycle import run
from benchmarks.tape import Call, Tape
from benchmarks.units import Meter
from infra.aws_resources import local_session
from infra.deployed import ministack
from infra.wiring import load_wiring

HOME: Final = Path(__file__).parent.parent / ".local" / "ministack"
WRITES: Final = {
    "PutItem": "put_item", "DeleteItem": "delete_item", "UpdateItem": "update_item",
    "TransactWriteItems": "transact_write_items",
}  # fmt: skip
CUSTOMERS_DEFAULT: Final = 5
PORT_DEFAULT: Final = 4567
SHOWN_MAX: Final = 10  # calls that differ


def recorded(customers: int) -> Tape:
    tape = Tape()
    run(customers, tape, lambda cloud: tape.recording(cloud.wiring, cloud.clock.now))
    return tape


def told(tape: Tape, port: int) -> Iterator[tuple[Call, float]]:
    """Each write of the tape, with the units that ministack says it took."""
    client = local_session(ministack.REGION).client(
        "dynamodb", endpoint_url=f"http://{ministack.HOST}:{port}", aws_access_key_id="test",
        aws_secret_access_key="test", config=Config(parameter_validation=False),
    )  # fmt: skip
    for table in load_wiring().tables.values():
        client.create_table(TableName=table.name, **table.definition)
    # Bodies go as they were sent, binary values in base64 already.
    client.meta.events.register("before-call.dynamodb", _as_recorded)
    for call in tape.calls:
        if call.operation in WRITES:
            _as_recorded.body = json.dumps({**json.loads(call.body), "ReturnConsumedCapacity": "INDEXES"}).encode()
            answer = getattr(client, WRITES[call.operation])()
            consumed = answer["ConsumedCapacity"]
            yield call, sum(c["CapacityUnits"] for c in (consumed if isinstance(consumed, list) else [consumed]))


class _AsRecorded:
    body = b""

    def __call__(self, params: Any, **_: Any) -> None:
        params["body"] = self.body


_as_recorded = _AsRecorded()


def compare(tape: Tape, port: int) -> tuple[Counter[str], Counter[str], Counter[str], list[str]]:
    """Calls, our units and ministack's by operation, and the calls that differ."""
    meter = Meter()
    ours = {id(call): meter.cost(call).write for call in tape.calls}
    calls, mine, theirs = Counter[str](), Counter[str](), Counter[str]()
    differing = []
    for call, units in told(tape, port):
        calls[call.operation] += 1
        mine[call.operation] += int(ours[id(call)])
        theirs[call.operation] += int(units)
        if ours[id(call)] != units:
            differing.append(f"{call.function or 'setting up'}: {call.operation}: {ours[id(call)]} and {units}")
    return calls, mine, theirs, differing


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.agreement", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--customers", type=int, default=CUSTOMERS_DEFAULT)
    parser.add_argument("--port", type=int, default=PORT_DEFAULT, help="loopback port for ministack")
    asked = parser.parse_args()
    tape = recorded(asked.customers)
    with tempfile.TemporaryDirectory() as folder, ministack.running(HOME, Path(folder, "log"), asked.port):
        calls, mine, theirs, differing = compare(tape, asked.port)
    table = Table("operation", "calls", "write units by the calculator", "by ministack")
    for operation, n in calls.most_common():
        table.add_row(operation, f"{n:,}", f"{mine[operation]:,}", f"{theirs[operation]:,}")
    Console().print(table)
    print("\n".join(differing[:SHOWN_MAX]))
    report("agreement", "calls compared", calls.total())
    report("agreement", "calls that differ", len(differing), 0)
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())

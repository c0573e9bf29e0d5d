"""What following up costs per customer, through pynamodb: one for whom nothing is to be done, one that gets a notice.

    python -m benchmarks.past_due [--customers N]

Every customer has one invoice that was due yesterday. At the first occurrence of the schedule all get a notice; at the
second there is nothing to do for anybody, and the sweep says so from its indexes. Recorded on moto, then played back
and timed, as in benchmarks/lifecycle. Composing and sending the mail is the mail's own cost and is not counted here.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.figures import report
from benchmarks.lifecycle import Cost, Stretch, priced, through_the_sdk, watched
from benchmarks.tape import Tape
from infra.local.cloud import LocalCloud
from shared.domain.customer import Customer, Switches
from shared.domain.invoice import Invoice, Line, parts, totalled
from shared.domain.settings import Automations, PastDue, Settings
from shared.ports import Save

START: Final = datetime(2026, 1, 1, 13, 40, tzinfo=UTC)
SCHEDULE: Final = "0,30 14 * * *"
TOLD: Final = datetime(2026, 1, 1, 14, 29, tzinfo=UTC)  # the first occurrence, and all that follows from it
NOTHING: Final = datetime(2026, 1, 1, 14, 31, tzinfo=UTC)
POSTED_ON, DUE_ON = date(2025, 12, 1), date(2025, 12, 31)
SWEEP, ASSESS = "PastDueSweepFunction", "PastDueAssessFunction"
FEW: Final = 10  # customers, to know a tick's own cost by
MILLISECONDS_PROMISED: Final = {"nothing": 0.1, "notice": 1.5}


@dataclass(slots=True)
class Followed:
    """The occurrence at which everybody gets a notice, and the one at which nobody does."""

    notice: Stretch = field(default_factory=Stretch)
    nothing: Stretch = field(default_factory=Stretch)


def company(customers: int) -> Iterator[Any]:
    yield Settings(automations=Automations(past_due=PastDue(enabled=True, schedule=SCHEDULE)))
    for n in range(customers):
        id = f"cus_{n:06d}"
        yield Customer(
            id, f"Customer {n}", email=f"ap{n}@example.com", automations=Switches(enabled=True), created_at=START,
        )  # fmt: skip
        lines = (Line("Support", 249_95), Line("Backup", 10_00))
        head = Invoice(f"inv_{n}", id, "USD", POSTED_ON, created_at=START)
        posted = totalled(head, lines).posted(f"INV-{n:06d}", POSTED_ON, START, DUE_ON)
        yield from (posted, *parts(head.id, lines))


def run(customers: int, tape: Tape, wire: Callable[[LocalCloud], AbstractContextManager[None]]) -> Followed:
    followed = Followed()
    tape.played = 0
    with LocalCloud("memory", START) as cloud, wire(cloud):
        ports = through_the_sdk(cloud.ports)
        cloud.use_ports(ports)
        for entity in company(customers):
            ports.store.commit(Save(entity))
        with watched(cloud, tape, followed.notice):
            told = cloud.advance_to(TOLD).outcomes.get("called_for_past_due_1", 0)
        if told != customers:
            raise SystemExit(f"{told} of {customers} customers were told")
        with watched(cloud, tape, followed.nothing):
            cloud.advance_to(NOTHING)
    return followed


def measure(customers: int) -> Followed:
    tape = Tape()
    run(customers, tape, lambda cloud: tape.recording(cloud.wiring, cloud.clock.now))
    followed = run(customers, tape, lambda cloud: tape.playing(cloud.clock.now))
    priced(tape, followed.notice, followed.nothing)
    return followed


def of(stretch: Stretch) -> Cost:
    """The sweep, and what it calls for."""
    both = [stretch.costs[name] for name in (SWEEP, ASSESS) if name in stretch.costs]
    return Cost(
        sum(c.cpu for c in both), sum(c.calls for c in both), sum(c.write for c in both), sum(c.read for c in both)
    )  # fmt: skip


def per_customer(customers: int) -> dict[str, Cost]:
    """Of those with nothing to do, what one more of them costs: a tick by itself costs the same for few and many."""
    followed = measure(customers)
    few, many = of(measure(FEW).nothing), of(followed.nothing)
    return {
        "nothing": _per(customers - FEW, _difference(many, few)),
        "notice": _per(customers, of(followed.notice)),
    }


def _parts(cost: Cost) -> tuple[float, float, float, float]:
    return cost.cpu, cost.calls, cost.write, cost.read


def _difference(more: Cost, less: Cost) -> Cost:
    return Cost(more.cpu - less.cpu, more.calls - less.calls, more.write - less.write, more.read - less.read)


def _per(customers: int, cost: Cost) -> Cost:
    cpu, calls, write, read = _parts(cost)
    return Cost(cpu / customers, calls / customers, write / customers, read / customers)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.past_due", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--customers", type=int, default=200)
    found = per_customer(parser.parse_args().customers)
    table = Table("past due, per customer", "CPU ms", "AWS calls", "write units", "read units")
    for name, cost in found.items():
        table.add_row(name, f"{cost.cpu * 1000:.3f}", *(f"{v:.2f}" for v in _parts(cost)[1:]))
    Console().print(table)
    for name, cost in found.items():
        bars = (MILLISECONDS_PROMISED[name], 0.0 if name == "nothing" else None)
        report("past_due", f"{name}, CPU", cost.cpu * 1000, bars[0])
        report("past_due", f"{name}, calls", cost.calls, bars[1])
        report("past_due", f"{name}, write units", cost.write)
        report("past_due", f"{name}, read units", cost.read)


if __name__ == "__main__":
    main()

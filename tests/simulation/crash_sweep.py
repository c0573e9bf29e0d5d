"""The exhaustive sweep: a scenario once for every call it makes and every way that call can go wrong.

Each time the world is made anew, one fault is let happen, and then everything gets time to recover. The world must
come to rest well, and in the state that the run without faults came to.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from infra.local.aws_faults import faulty_aws
from infra.local.cloud import BackendName, LocalCloud
from infra.local.faults import FAULTS, Call, Calls, Fault, NoFaults, OneFault
from infra.wiring import Wiring
from shared.domain.notice import Notice
from shared.domain.task import Task
from shared.use_cases.notices import task_of
from shared.use_cases.send_notice import AT_MOST_ONCE
from tests.integration.world import World
from tests.simulation.invariants import Facts, broken

SAME_MAX = 2
READS = (
    "store.get", "store.list", "store.find", "files.read", "mailer.account",
    "dynamodb.Get", "dynamodb.Query", "dynamodb.Batch",
)  # fmt: skip
FAULTS_OF_A_READ: tuple[Fault, ...] = ("crash_before", "throttle")  # without an effect, before and after are the same
START = datetime(2026, 1, 1, 3, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Scenario:
    """`prepare` makes the world, `act` is what meets the faults, `recover` is the calm after them."""

    name: str
    prepare: Callable[[World], None]
    act: Callable[[World], None]
    recover: Callable[[World], None]


@dataclass(frozen=True)
class Outcome:
    """One run with one fault: what is broken, and how it differs from the run without."""

    call: Call
    kind: Fault
    broken: tuple[str, ...]
    missing: tuple[str, ...]
    extra: tuple[str, ...]

    @property
    def well(self) -> bool:
        return not (self.broken or self.missing or self.extra)

    def __str__(self) -> str:
        parts = [f"{self.kind} at {self.call}:", *self.broken]
        parts += [f"missing: {m}" for m in self.missing] + [f"extra: {e}" for e in self.extra]
        return "\n    ".join(parts)


def calls_of(scenario: Scenario, wiring: Wiring, backend: BackendName = "memory") -> tuple[list[Call], list[str]]:
    """Every call of the run without faults, and the state that it comes to."""
    with _world(wiring, backend) as world:
        calls = _run(scenario, world, Calls(NoFaults(), background(wiring)))
        assert not broken(world.cloud), "\n".join(broken(world.cloud))
        assert not world.cloud.engine.invoker.failures
        return calls.seen, state(world.cloud)


def sweep(
    scenario: Scenario, wiring: Wiring, backend: BackendName = "memory", *,
    nth: int = 1, of: int = 1, name: str = "",
) -> Iterator[Outcome]:  # fmt: skip
    """An outcome for each telling call of the faultless run and each fault.

    Or only for the nth `of` so many parts of them, or for the calls of one `name`.
    """
    calls, expected = calls_of(scenario, wiring, backend)
    for position, call in enumerate(telling(calls)):
        if position % of == nth - 1 and name in ("", call.name):
            for kind in FAULTS_OF_A_READ if call.name.startswith(READS) else FAULTS:
                yield one(scenario, wiring, backend, call, kind, expected)


def telling(calls: list[Call]) -> list[Call]:
    """The calls of invocations that did something new: of those that made the same calls, the first SAME_MAX count.

    Hundreds of ticks find nothing to do, and each reads the same; a fault in one is a fault in all.
    """
    invocations: dict[int, list[Call]] = defaultdict(list)
    for call in calls:
        invocations[call.invocation].append(call)
    seen: Counter[tuple[str, ...]] = Counter()
    chosen = []
    for made in invocations.values():
        signature = (made[0].function, *(call.name for call in made))
        seen[signature] += 1
        if seen[signature] <= SAME_MAX:
            chosen += made
    return chosen


def one(
    scenario: Scenario, wiring: Wiring, backend: BackendName, call: Call, kind: Fault, expected: list[str]
) -> Outcome:
    with _world(wiring, backend) as world:
        _run(scenario, world, Calls(OneFault(call.number, kind), background(wiring)))
        found = state(world.cloud)
        return Outcome(
            call,
            kind,
            tuple(broken(world.cloud)),
            missing=tuple(_minus(expected, found)),
            extra=tuple(_minus(found, expected)),
        )


def background(wiring: Wiring) -> frozenset[str]:
    """The functions of rules and queues; requests are not crashed, their callers would repeat them."""
    return frozenset(f.id for f in wiring.functions.values() if not f.routes)


def state(cloud: LocalCloud) -> list[str]:
    """What the world came to, without ids that depend on the way there, instants, and who got which number."""
    facts = Facts.of(cloud)
    lines = {
        i: sorted((line.name, str(line.service_start), line.amount_minor) for line in facts.lines[i])
        for i in facts.lines
    }
    return sorted(
        [
            *(
                f"invoice {i.customer_id} {i.status} {i.total_minor} open {i.residual_minor} {i.due_on} {lines[i.id]}"
                for i in facts.invoices
            ),
            *(
                f"payment of {p.customer_id} {p.status} {p.amount_minor} {p.method}"
                for p in facts.payments
                if p.status != "failed"  # provably not processed, and tried again
            ),
            *(f"notice to {n.customer_id} {n.kind} {_end(n, cloud)} {n.tier}" for n in facts.notices),
            *(f"charge on {c.token} {c.amount_minor} {c.status}" for c in cloud.gateway.charges),
        ]
    )


def _end(notice: Notice, cloud: LocalCloud) -> str:
    """A notice that goes at most once may instead be left, with a task: its sender died, and nobody knows."""
    told = notice.status == "failed" and cloud.ports.store.get(Task, task_of(notice.id)) is not None
    return "sent" if told and notice.kind in AT_MOST_ONCE else notice.status


def _run(scenario: Scenario, world: World, calls: Calls) -> Calls:
    scenario.prepare(world)
    with _faults(world.cloud, calls):
        scenario.act(world)
    scenario.recover(world)
    return calls


@contextmanager
def _faults(cloud: LocalCloud, calls: Calls) -> Iterator[None]:
    """In memory at the ports; on moto at each request of the SDK."""
    if cloud.backend == "memory":
        cloud.inject(calls)
        yield
        cloud.use_ports(cloud.ports)
        return
    cloud.watch(calls)
    with faulty_aws(calls):
        yield
    cloud.watch(None)


@contextmanager
def _world(wiring: Wiring, backend: BackendName) -> Iterator[World]:
    every = timedelta(hours=1) if backend == "moto" else None
    with LocalCloud(backend, START, wiring=wiring, every=every, log_level="CRITICAL") as cloud:
        yield World(cloud)


def _minus(some: list[str], others: list[str]) -> list[str]:
    left = list(others)
    missing = []
    for item in some:
        if item in left:
            left.remove(item)
        else:
            missing.append(item)
    return missing

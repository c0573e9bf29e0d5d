"""One event at its handler, one fault at one of its calls, then what its source would do; and what is left in the end.

The source is the queue, which delivers again after the visibility timeout, the rule, whose tick Lambda tries again, or
a person, a browser or a gateway, who makes the same request again. What is left is compared with the world in which
the event came once and nothing went wrong: as soon as it is done with and the queues are empty, and where that differs,
after the calms in which the sweeps come by.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from infra.local.cloud import LocalCloud
from infra.local.faults import FAULTS, Call, Calls, Fault, NoFaults, OneFault, Plan
from infra.local.invoker import SimulatedCrash
from infra.wiring import Function
from tests.integration.test_events import invoke
from tests.simulation.crash_sweep import FAULTS_OF_A_READ, READS
from tests.simulation.kept_world import Kept, told

ASK_AGAIN = (timedelta(seconds=2), timedelta(seconds=61), timedelta(seconds=61))  # by then no claim of a key is left
TICK_AGAIN = (timedelta(minutes=1), timedelta(minutes=2))
SAME_READS_MAX = 1  # of one event, unless every one is asked for: what one meets, all meet
OTHERS_FAILURES = {"crash", "503", "under way"}  # what a request may meet while something fails: never a 500


@dataclass(frozen=True)
class Calm:
    """How long nothing goes wrong, and whether what remains must be the same to the letter, see `told`."""

    lasts: timedelta
    exactly: bool = False


CALMS = (
    Calm(timedelta(0), exactly=True),
    Calm(timedelta(0)),
    Calm(timedelta(minutes=90)),  # sweeps and reconciliation
    Calm(timedelta(hours=24)),  # the jobs of a day
)


@dataclass(frozen=True)
class Outcome:
    """One fault and what came of it: `calm` is the number of that after which all was well, None if it never was.

    `came` says how the event ended each time that it came: "done", a status, "crash", "failed" …
    """

    call: Call
    kind: Fault
    came: tuple[str, ...]
    calm: int | None
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"{self.kind} at {self.call} [{self.call.key}]: came {', '.join(self.came)}"]
        parts += [f"missing: {m}" for m in self.missing] + [f"extra: {e}" for e in self.extra]
        return "\n    ".join(parts)


@dataclass
class Sweep:
    """All faults at all calls of one event, in the world that `cloud` is in now and is left in.

    `again` is what a person does who is told that his payment failed: nobody but he may.
    """

    cloud: LocalCloud
    function: Function
    event: Any
    again: Callable[[LocalCloud], Any] | None = None
    answer: str = field(init=False, default="")
    _kept: Kept = field(init=False)
    _began: datetime = field(init=False)
    _expected: dict[tuple[datetime, datetime, bool], Counter[str]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._kept, self._began = Kept(self.cloud), self.cloud.clock.now()

    def outcomes(self, *, every: bool = True) -> Iterator[Outcome]:
        """One for each call and fault; or without those that can only end like another, see `telling`."""
        calls, came, _ = self._deliver(NoFaults())
        assert len(came) == 1, f"without a fault it came {came}"
        (self.answer,) = came
        writes = any(not is_read(call) for call in calls)
        of_a_read: tuple[Fault, ...] = FAULTS_OF_A_READ if every or writes else ("throttle",)  # else nothing is left
        for call in calls if every else telling(calls):
            for kind in of_a_read if is_read(call) else FAULTS:
                yield self._outcome(call, kind)
        self._kept.restore()

    def _outcome(self, call: Call, kind: Fault) -> Outcome:
        self._kept.restore()
        _, came, last = self._deliver(OneFault(call.number, kind))
        missing = extra = Counter[str]()
        for number, calm in enumerate(CALMS):
            self.cloud.advance_to(self.cloud.clock.now() + calm.lasts)
            missing, extra = self._differences(last, calm.exactly)
            if (missing or extra) and calm.lasts and self.again is not None:
                invoke(self.cloud, self.function, self.again(self.cloud))
                self.cloud.engine.drain()
                missing, extra = self._differences(last, calm.exactly)
            if not missing and not extra:
                return Outcome(call, kind, came, number)
        return Outcome(call, kind, came, None, tuple(missing.elements()), tuple(extra.elements()))

    def _deliver(self, plan: Plan) -> tuple[list[Call], tuple[str, ...], datetime]:
        """Until it need not come again: the calls of the first time, how it ended each time, and when the last was."""
        calls = Calls(plan, frozenset({self.function.id}))
        self.cloud.inject(calls)
        came: list[str] = []
        seen: list[Call] = []
        last = self._began
        for wait in (*self._waits(), None):
            came.append(delivered(self.cloud, self.function, self.event, calls))
            last, seen = self.cloud.clock.now(), seen or list(calls.seen)
            if wait is None or came[-1] == "done" or came[-1][0] in "234":
                break
            self.cloud.advance_to(last + wait)
        self.cloud.use_ports(self.cloud.ports)
        self.cloud.engine.drain()
        return seen, tuple(came), last

    def _waits(self) -> tuple[timedelta, ...]:
        if self.function.routes:
            return ASK_AGAIN
        if not self.function.mappings:
            return TICK_AGAIN[: self.function.async_retries]
        (mapping,) = self.function.mappings
        queue = self.cloud.wiring.queues[mapping.queue]
        return (timedelta(seconds=queue.visibility_seconds),) * ((queue.max_receives or 1) - 1)

    def _differences(self, last: datetime, exactly: bool) -> tuple[Counter[str], Counter[str]]:
        """What is missing and what is there beside, against the event that came at first, or only as late as last."""
        found, differences = told(self.cloud, exactly=exactly), []
        for came_at in dict.fromkeys((self._began, last)):
            expected = self._without_fault(came_at, self.cloud.clock.now(), exactly)
            differences.append((expected - found, found - expected))
        return min(differences, key=lambda pair: pair[0].total() + pair[1].total())

    def _without_fault(self, came_at: datetime, now: datetime, exactly: bool) -> Counter[str]:
        key = came_at, now, exactly
        if key not in self._expected:
            here = Kept(self.cloud)
            self._kept.restore()
            self.cloud.advance_to(came_at)
            self._deliver(NoFaults())
            self.cloud.advance_to(now)
            self._expected[key] = told(self.cloud, exactly=exactly)
            here.restore()
        return self._expected[key]


def is_read(call: Call) -> bool:
    return call.name.startswith(READS)


def telling(calls: list[Call]) -> list[Call]:
    """Without the reads that were made of the same kind of record often enough."""
    seen: Counter[tuple[str, str]] = Counter()
    chosen = []
    for call in calls:
        what = call.name, call.key.partition(" ")[0]
        seen[what] += 1
        if not is_read(call) or seen[what] <= SAME_READS_MAX:
            chosen.append(call)
    return chosen


def delivered(cloud: LocalCloud, function: Function, event: Any, calls: Calls) -> str:
    """How it ended, once: see Outcome."""
    calls.begin(function.id)
    try:
        answer = invoke(cloud, function, event)
    except SimulatedCrash:
        return "crash"
    except Exception as error:  # noqa: BLE001 - Lambda survives whatever a handler raises
        return f"error {type(error).__name__}"
    finally:
        calls.end()
    if not function.routes:
        return "failed" if isinstance(answer, dict) and answer.get("batchItemFailures") else "done"
    status = answer["statusCode"]
    return "under way" if status == 409 and "under_way" in str(answer["body"]) else str(status)

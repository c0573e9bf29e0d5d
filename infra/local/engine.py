"""The engine of the local cloud: moves the clock and invokes what is due, until nothing is left to do."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from infra.local import events
from infra.local.clock import VirtualClock
from infra.local.invoker import FunctionFailed, Invoker
from infra.local.queues import Broker, Delivery
from infra.local.schedules import Cron, Rate, read_schedule
from infra.wiring import Function, QueueMapping, Rule, Wiring

ROUNDS_PER_DRAIN_MAX = 100_000  # more at one instant means that a message begets itself
SQS_BATCH_MAX = 10
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RETRY_AFTER = (timedelta(minutes=1), timedelta(minutes=2))  # how long Lambda waits before retrying a tick


class NotQuiescent(Exception):
    """The queues do not come to rest: some message is sent again and again at the same instant."""


@dataclass(slots=True)
class Moved:
    """What a move of the clock did: invocations per function, queue records, and what came of the work."""

    now: datetime
    invocations: dict[str, int] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)  # succeeded, failed (to be delivered again)
    outcomes: dict[str, int] = field(default_factory=dict)  # as the functions report them


class TickFaults(Protocol):
    """Lets a test clock deliver ticks more than once, as EventBridge may, or lose them, as it should not."""

    def ticks(self, function: str, at: datetime) -> int:
        """How often the tick that falls due at this instant is delivered."""


class Engine:
    """Drives the functions of a template over a broker. One thread at a time.

    `every` thins ticks out: only those on a multiple of it fire. A tick is a reminder, so fewer of them change when
    things happen and not what happens.
    """

    def __init__(self, wiring: Wiring, clock: VirtualClock, broker: Broker, every: timedelta | None = None) -> None:
        self.wiring = wiring
        self.clock = clock
        self.broker = broker
        self.invoker = Invoker(wiring.functions, clock.now)
        self.records: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.tick_faults: TickFaults | None = None
        self.when_quiet: Callable[[], bool] = lambda: False  # what the world does then; whether it did anything
        start = clock.now()
        self._rules = [_Armed(rule, read_schedule(rule.expression, start), start, every) for rule in wiring.rules]
        self._consumers = tuple(wiring.consumers())
        self._retries: list[_Retry] = []  # heap

    # ---- time -----------------------------------------------------------------------------------

    def advance_to(self, instant: datetime) -> Moved:
        """Fire every rule due up to and including `instant`, and drain the queues after each.

        In time order, and at one instant in the template's. Also stops wherever a hidden message becomes
        visible. A function that waits for its turn takes time: the clock may end up later
        than `instant`. Raises NotQuiescent, and ValueError for a move into the past.
        """
        if instant < self.clock.now():
            raise ValueError(f"the clock is at {self.clock.now().isoformat()} and cannot go back")
        before = [Counter(counts) for counts in (self.invoker.invocations, self.records, self.outcomes)]
        self.drain()
        while (stop := self._next_stop()) is not None and stop <= instant:
            self._stop_at(stop)
        self.clock.move_to(max(instant, self.clock.now()))
        counts = (self.invoker.invocations, self.records, self.outcomes)
        return Moved(self.clock.now(), *(dict(now - then) for now, then in zip(counts, before, strict=True)))

    def jump_to(self, instant: datetime) -> None:
        """Everything stands still until then, as in an outage: ticks are lost, and what is hidden is seen late."""
        self.clock.move_to(instant)
        for armed in self._rules:
            armed.skip_to(instant)

    def _next_stop(self) -> datetime | None:
        stops = [armed.next_at for armed in self._rules]
        if self._retries:
            stops.append(self._retries[0].at)
        if (visible := self.broker.next_at()) is not None:
            stops.append(visible)
        return min(stops, default=None)

    def _stop_at(self, instant: datetime) -> None:
        self.clock.move_to(max(instant, self.clock.now()))
        self.drain()
        while self._retries and self._retries[0].at <= instant:
            self._attempt(heapq.heappop(self._retries))
            self.drain()
        for armed in self._rules:
            if armed.next_at == instant:
                self._tick(armed)
                self.drain()

    def _tick(self, armed: _Armed) -> None:
        rule, at = armed.rule, armed.fire()
        number = self.invoker.next_number()
        event = rule.input if rule.input is not None else events.scheduled(rule.arn, at, number)
        for _ in range(1 if self.tick_faults is None else self.tick_faults.ticks(rule.function, at)):
            self._attempt(_Retry(at, number, 0, rule.function, event))

    def _attempt(self, tick: _Retry) -> None:
        """Invoke as Lambda does when nobody waits: failures are tried again later, and in the end put aside."""
        result = self.invoker.invoke(tick.function, tick.event)
        if result.status == "ok":
            return
        function = self.wiring.functions[tick.function]
        if tick.retries < min(function.async_retries, len(RETRY_AFTER)):
            again_at = self.clock.now() + RETRY_AFTER[tick.retries]
            heapq.heappush(self._retries, _Retry(again_at, tick.number, tick.retries + 1, tick.function, tick.event))
        elif function.on_failure:
            self.broker.put(function.on_failure, [_aside(function, tick, self.clock.now())])

    # ---- queues ---------------------------------------------------------------------------------

    def drain(self) -> None:
        """Invoke workers until no message is visible."""
        self._empty_queues()
        if self.when_quiet():
            self._empty_queues()

    def _empty_queues(self) -> None:
        rounds = 0
        while self._round():
            rounds += 1
            if rounds > ROUNDS_PER_DRAIN_MAX:
                raise NotQuiescent(f"more than {ROUNDS_PER_DRAIN_MAX} rounds at {self.clock.now().isoformat()}")

    def _round(self) -> bool:
        """One batch for each queue that has something; False if none had."""
        worked = False
        for function, mapping in self._consumers:
            if self.broker.is_ready(mapping.queue):
                self._work(function, mapping)
                worked = True
        return worked

    def _work(self, function: Function, mapping: QueueMapping) -> None:
        batch = self._receive(mapping)
        if not batch:
            return  # what was visible went to the dead letters
        event = events.sqs_batch(self.wiring.queues[mapping.queue].arn, batch, self.clock.now())
        result = self.invoker.invoke(function.id, event)
        ok = result.status == "ok"
        failed = _failed(result.answer, batch, mapping) if ok else {d.message_id for d in batch}
        done = [d for d in batch if d.message_id not in failed]
        self.records["succeeded"] += len(done)
        self.records["failed"] += len(batch) - len(done)
        self.broker.delete(mapping.queue, done)

    def _receive(self, mapping: QueueMapping) -> list[Delivery]:
        batch = self.broker.receive(mapping.queue, min(mapping.batch_size, SQS_BATCH_MAX))
        while len(batch) < mapping.batch_size and self.broker.is_ready(mapping.queue):
            batch += self.broker.receive(mapping.queue, min(mapping.batch_size - len(batch), SQS_BATCH_MAX))
        return batch

    # ---- beside all that ------------------------------------------------------------------------

    def work_beside(self, number: int) -> None:
        """One batch, in the midst of whatever runs: another worker takes what lies on a queue, chosen by a number."""
        ready = [consumer for consumer in self._consumers if self.broker.is_ready(consumer[1].queue)]
        if ready:
            self._work(*ready[number % len(ready)])

    def tick_beside(self, number: int) -> None:
        """A tick out of turn, in the midst of whatever runs, of one of the rules that need no input."""
        plain = [armed.rule for armed in self._rules if armed.rule.input is None]
        rule, at = plain[number % len(plain)], self.clock.now()
        self._attempt(_Retry(at, 0, 0, rule.function, events.scheduled(rule.arn, at, self.invoker.next_number())))

    # ---- requests -------------------------------------------------------------------------------

    def request(self, function: str, event: events.Event) -> Any:
        """The answer of an API function. Raises FunctionFailed if it raised or died."""
        result = self.invoker.invoke(function, event)
        if result.status != "ok":
            raise FunctionFailed(self.invoker.failures[-1].text)
        return result.answer


@dataclass(slots=True)
class _Armed:
    """A rule and when it fires next."""

    rule: Rule
    schedule: Rate | Cron
    since: datetime
    every: timedelta | None
    next_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.next_at = self._next_after(self.since)

    def fire(self) -> datetime:
        at = self.next_at
        self.next_at = self._next_after(at)
        return at

    def skip_to(self, instant: datetime) -> None:
        if self.next_at <= instant:
            self.next_at = self._next_after(instant)

    def _next_after(self, instant: datetime) -> datetime:
        at = self.schedule.next_after(instant)
        while self.every is not None and (past := (at - EPOCH) % self.every):
            at = self.schedule.next_after(at - past + self.every - timedelta.resolution)
        return at


@dataclass(frozen=True, slots=True, order=True)
class _Retry:
    """A tick to be tried (again) at an instant."""

    at: datetime
    number: int
    retries: int
    function: str = field(compare=False)
    event: events.Event = field(compare=False)


def _failed(answer: Any, batch: Iterable[Delivery], mapping: QueueMapping) -> set[str]:
    """The ids of a batch's failed messages, as Lambda reads the answer: if it cannot, the batch failed."""
    everything = {delivery.message_id for delivery in batch}
    if not mapping.partial_failures or not answer:
        return set()
    try:
        failures = {failure["itemIdentifier"] for failure in answer.get("batchItemFailures") or []}
    except (AttributeError, KeyError, TypeError):
        return everything
    return failures if failures <= everything else everything


def _aside(function: Function, tick: _Retry, now: datetime) -> str:
    """What Lambda puts into the queue for failed invocations."""
    return json.dumps(
        {
            "version": "1.0",
            "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "requestContext": {
                "functionArn": function.arn,
                "condition": "RetriesExhausted",
                "approximateInvokeCount": tick.retries + 1,
            },
            "requestPayload": tick.event,
        }
    )

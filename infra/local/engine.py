"""The engine of the local cloud: moves the clock and invokes what the template says is due, until nothing is left to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from infra.local import events
from infra.local.blueprint import Blueprint, QueueMapping, Rule
from infra.local.clock import VirtualClock
from infra.local.invoker import FunctionFailed, Invoker
from infra.local.queues import Broker, Delivery
from infra.local.schedules import Cron, Rate, read_schedule

BATCHES_PER_DRAIN_MAX = 100_000  # more at one instant means that a message begets itself
SQS_BATCH_MAX = 10


class NotQuiescent(Exception):
    """The queues do not come to rest: some message is sent again and again at the same instant."""


@dataclass(slots=True)
class Moved:
    """What a move of the clock did."""

    now: datetime
    invocations: dict[str, int] = field(default_factory=dict)
    records: dict[str, int] = field(
        default_factory=dict
    )  # succeeded, failed; see also the dead-letter queues

    def as_json(self) -> dict[str, Any]:
        return {"now": self.now, "invocations": self.invocations, "records": self.records}


class Engine:
    """Drives the functions of a blueprint over a broker. One thread at a time."""

    def __init__(self, blueprint: Blueprint, clock: VirtualClock, broker: Broker) -> None:
        self.blueprint = blueprint
        self.clock = clock
        self.broker = broker
        self.invoker = Invoker(blueprint.functions, clock.now)
        self.records: Counter[str] = Counter()
        start = clock.now()
        self._rules = [_Armed(rule, read_schedule(rule.expression, start), start) for rule in blueprint.rules]
        self._arns = {spec.name: spec.arn for spec in blueprint.queues}

    # ---- time -----------------------------------------------------------------------------------

    def advance_to(self, instant: datetime) -> Moved:
        """Fire every rule due up to and including `instant`, in time order and then the template's, draining after each.

        Also stops wherever a delayed or hidden message becomes visible. Raises NotQuiescent, and ValueError for a move
        into the past.
        """
        if instant < self.clock.now():
            raise ValueError(f"the clock is at {self.clock.now().isoformat()} and cannot go back")
        invocations, records = Counter(self.invoker.invocations), Counter(self.records)
        self.drain()
        while (stop := self._next_stop()) is not None and stop <= instant:
            self.clock.move_to(stop)
            self.drain()
            for armed in self._rules:
                if armed.next_at == stop:
                    self._tick(armed)
                    self.drain()
        self.clock.move_to(instant)
        return Moved(instant, dict(self.invoker.invocations - invocations), dict(self.records - records))

    def _next_stop(self) -> datetime | None:
        stops = [armed.next_at for armed in self._rules]
        if (visible := self.broker.next_at()) is not None:
            stops.append(visible)
        return min(stops, default=None)

    def _tick(self, armed: _Armed) -> None:
        at = armed.fire()
        number = self.invoker.next_number()
        event = (
            armed.rule.input if armed.rule.input is not None else events.scheduled(armed.rule.arn, at, number)
        )
        self.invoker.invoke(armed.rule.function, event)

    # ---- queues ---------------------------------------------------------------------------------

    def drain(self) -> None:
        """Invoke workers until no message is visible."""
        batches = 0
        while self._drain_once():
            batches += 1
            if batches > BATCHES_PER_DRAIN_MAX:
                raise NotQuiescent(
                    f"more than {BATCHES_PER_DRAIN_MAX} rounds at {self.clock.now().isoformat()}"
                )

    def _drain_once(self) -> bool:
        """One batch for each queue that has something; False if none had."""
        worked = False
        for mapping in self.blueprint.mappings:
            if self.broker.is_ready(mapping.queue):
                self._work(mapping)
                worked = True
        return worked

    def _work(self, mapping: QueueMapping) -> None:
        batch = self._receive(mapping)
        if not batch:
            return  # what was visible went to the dead letters
        event = events.sqs_batch(self._arns[mapping.queue], batch, self.clock.now())
        result = self.invoker.invoke(mapping.function, event)
        failed = (
            _failed(result.answer, batch, mapping) if result.status == "ok" else {d.message_id for d in batch}
        )
        done = [d for d in batch if d.message_id not in failed]
        self.records["succeeded"] += len(done)
        self.records["failed"] += len(batch) - len(done)
        self.broker.delete(mapping.queue, done)

    def _receive(self, mapping: QueueMapping) -> list[Delivery]:
        batch = self.broker.receive(mapping.queue, min(mapping.batch_size, SQS_BATCH_MAX))
        while len(batch) < mapping.batch_size and self.broker.is_ready(mapping.queue):
            more = self.broker.receive(mapping.queue, min(mapping.batch_size - len(batch), SQS_BATCH_MAX))
            batch += more
        return batch

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
    next_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.next_at = self.schedule.next_after(self.since)

    def fire(self) -> datetime:
        at = self.next_at
        self.next_at = self.schedule.next_after(at)
        return at


def _failed(answer: Any, batch: Iterable[Delivery], mapping: QueueMapping) -> set[str]:
    """The ids of a batch's failed messages, as Lambda reads a worker's answer: what it cannot read fails the batch."""
    everything = {delivery.message_id for delivery in batch}
    if not mapping.reports_failures or not answer:
        return set()
    try:
        failures = {failure["itemIdentifier"] for failure in answer.get("batchItemFailures") or []}
    except (AttributeError, KeyError, TypeError):
        return everything
    return failures if failures <= everything else everything

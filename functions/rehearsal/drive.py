"""Moves a copy of the live data through time: the real handlers, invoked when the real rules and queues would.

Every tick of the template's rules is a reminder, so those at which nothing is due are passed over without a call.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from functions.rehearsal.wiring import RULES, WORKERS, Handler, Worker
from shared.bootstrap import Copy, rehearsing
from shared.use_cases.next_due import next_due

A_DAY: Final = timedelta(days=1)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
GRID: Final = min(rule.every for rule in RULES)  # every rule's interval is a multiple of it
ROUNDS_MAX: Final = 1_000_000  # of the queues at one instant; more means that a message begets itself
FAILURES_MAX: Final = 100  # kept of one rehearsal
SERVED: Final = tuple(worker.queue for worker in WORKERS)


class NoRest(Exception):
    """Some message is sent again and again at the same instant."""


@dataclass(slots=True)
class Driven:
    """How a copy was driven: invocations, and what raised, which the live system would have tried again as well."""

    invocations: int = 0
    failures: list[str] = field(default_factory=list)


def drive(copy: Copy, until: datetime, every_tick: bool = False, daily: Callable[[], object] | None = None) -> Driven:
    """Let time pass up to and including `until`. With `every_tick`, ticks with nothing due are invoked too.

    `daily` is what people do, each day at noon.
    """
    driven = Driven()
    with rehearsing(copy):
        for noon in _noons(copy.clock.now(), until) if daily is not None else ():
            _pass(copy, noon, every_tick, driven)
            if daily is not None:
                daily()
        _pass(copy, until, every_tick, driven)
    return driven


def _noons(since: datetime, until: datetime) -> Iterator[datetime]:
    first = since.astimezone(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    noons = (first + n * A_DAY for n in range((until - since).days + 2))
    return (noon for noon in noons if since < noon <= until)


def _pass(copy: Copy, until: datetime, every_tick: bool, driven: Driven) -> None:
    _drain(copy, driven)
    while (stop := _next_stop(copy, every_tick)) is not None and stop <= until:
        copy.clock.set(stop)
        _drain(copy, driven)
        for rule in RULES:
            if not (stop - EPOCH) % rule.every:
                _invoke(rule.handler, {}, driven)
                _drain(copy, driven)
    copy.clock.set(until)


@contextmanager
def uncollected() -> Iterator[None]:
    """For a whole rehearsal, to its result: it keeps millions of records, none of which is in a cycle, and looking
    for cycles among them takes a twentieth of the time.
    """
    collected = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collected:
            gc.enable()


def _next_stop(copy: Copy, every_tick: bool) -> datetime | None:
    """The next message or the next tick that has something to do, whichever comes first."""
    now = copy.clock.now()
    due = now if every_tick else next_due(copy.ports)
    stops = [at for at in (copy.queue.next_at(), _tick_at(due, now) if due else None) if at is not None]
    return min(stops, default=None)


def _tick_at(due: datetime, now: datetime) -> datetime:
    """The first tick at which what is due is seen: after now, and not before it is due. No rule's tick is skipped."""
    at = EPOCH + -(-(due - EPOCH) // GRID) * GRID
    return at if at > now else EPOCH + ((now - EPOCH) // GRID + 1) * GRID


def _drain(copy: Copy, driven: Driven) -> None:
    """A batch for each queue in turn until no message is visible."""
    for _ in range(ROUNDS_MAX):
        worked = [_work(worker, copy, driven) for worker in WORKERS]
        if not any(worked):
            return
    raise NoRest(f"the queues do not come to rest at {copy.clock.now().isoformat()}")


def _work(worker: Worker, copy: Copy, driven: Driven) -> bool:
    batch = copy.queue.take(worker.queue, worker.batch)
    if not batch:
        return False
    answer = _invoke(worker.handler, {"Records": [_record(m.number, m.body, m.receives) for m in batch]}, driven)
    failed = _failed(answer)
    for message in batch:
        again = failed is None or str(message.number) in failed
        if again and message.receives < worker.receives_max:
            copy.queue.put_back(worker.queue, message, copy.clock.now() + worker.hidden)
        elif again:
            _note(f"a message of {worker.queue} failed {message.receives} times", driven)
    return True


def _failed(answer: Any) -> set[str] | None:
    """The ids of a batch's failed records; None: all of them."""
    if not isinstance(answer, dict):
        return None
    failures: Sequence[dict[str, str]] = answer.get("batchItemFailures", ())
    return {failure["itemIdentifier"] for failure in failures}


def _invoke(handler: Handler, event: dict[str, Any], driven: Driven) -> Any:
    driven.invocations += 1
    try:
        return handler(event, None)
    except Exception as error:  # noqa: BLE001 - as Lambda does: an error ends only its own invocation
        _note(f"{handler.__module__} raised {type(error).__name__}", driven)
        return None


def _note(failure: str, driven: Driven) -> None:
    if len(driven.failures) < FAILURES_MAX:
        driven.failures.append(failure)


def _record(number: int, body: str, receives: int) -> dict[str, Any]:
    return {
        "messageId": str(number), "receiptHandle": str(number), "body": body, "eventSource": "aws:sqs",
        "attributes": {"ApproximateReceiveCount": str(receives)}, "messageAttributes": {},
    }  # fmt: skip

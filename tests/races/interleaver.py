"""Actors in step: each runs in a thread of its own, and only one of them at any time, from one call of a port to the
next. Who goes on is drawn from a seed, so that the same seed gives the same schedule.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from shared.ports import Ports
from shared.storage.records import keys_of

STEPS_MAX = 5_000
BURST_MAX = 8  # steps that an actor makes in one go, in schedules of bursts
PATIENCE_SECONDS = 60.0

Act = Callable[[], Any]


class Stuck(Exception):
    """The actors do not come to an end."""


@dataclass(slots=True)
class Call:
    """One call of a port that was made. `before` is what the store held of the entities of a commit."""

    actor: str
    name: str
    args: tuple[Any, ...]
    before: tuple[Any, ...] = ()
    failed: Exception | None = None
    answer: Any = None


@dataclass
class Actor:
    name: str
    act: Act
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    result: Any = None
    error: BaseException | None = None
    done: bool = False


class Interleaver:
    """Runs actors against ports that it has wrapped. Calls made outside of an actor are just made."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._bursts = bool(seed % 2)
        self._back = threading.Semaphore(0)
        self._here = threading.local()
        self.trace: list[str] = []
        self.calls: list[Call] = []

    def wrap(self, ports: Ports) -> Ports:
        return replace(
            ports,
            store=_Stepping(self, ports.store, "store"),
            queue=_Stepping(self, ports.queue, "queue"),
            gateway=_Stepping(self, ports.gateway, "gateway"),
        )

    def run(self, acts: Mapping[str, Act]) -> dict[str, Actor]:
        """All of them to their ends. What an actor raised is kept as its error."""
        actors = {name: Actor(name, act) for name, act in acts.items()}
        threads = [threading.Thread(target=self._live, args=(a,), daemon=True) for a in actors.values()]
        for thread in threads:
            thread.start()
        waiting = list(actors.values())
        for _ in range(STEPS_MAX):
            if not waiting:
                return actors
            actor = self._random.choice(waiting)
            for _ in range(self._random.randint(1, BURST_MAX) if self._bursts else 1):
                self.trace.append(actor.name)
                actor.go.release()
                if not self._back.acquire(timeout=PATIENCE_SECONDS):
                    raise Stuck(f"{actor.name} does not come back")
                if actor.done:
                    waiting.remove(actor)
                    break
        raise Stuck(f"{[a.name for a in waiting]} after {STEPS_MAX} steps")

    def _live(self, actor: Actor) -> None:
        self._here.actor = actor
        actor.go.acquire()
        try:
            actor.result = actor.act()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            actor.error = error
        actor.done = True
        self._back.release()

    def step(self, name: str, make: Callable[[], Any], args: tuple[Any, ...], before: Callable[[], Any]) -> Any:
        """Wait for the turn, then make the call."""
        actor: Actor | None = getattr(self._here, "actor", None)
        if actor is None:
            return make()
        self._back.release()
        actor.go.acquire()
        call = Call(actor.name, name, args, before())
        self.calls.append(call)
        try:
            call.answer = make()
        except Exception as error:
            call.failed = error
            raise
        return call.answer


class _Stepping:
    def __init__(self, interleaver: Interleaver, inner: Any, port: str) -> None:
        self._interleaver, self._inner, self._port = interleaver, inner, port

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        def call(*args: Any, **options: Any) -> Any:
            def before() -> tuple[Any, ...]:
                return tuple(self._inner.get(*key) for key in keys_of(args)) if name == "commit" else ()

            return self._interleaver.step(f"{self._port}.{name}", lambda: method(*args, **options), args, before)

        return call

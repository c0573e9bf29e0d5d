"""Several workers at once, one step at a time: before each call of a port, a seeded coin says whose turn it is.

Each worker runs in a thread of its own, but only one runs at any moment, so a schedule is the same each time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random

from shared.ports import Ports

TURN_SECONDS_MAX = 20


class _Worker:
    def __init__(self, name, act):
        self.name, self.act = name, act
        self.go, self.paused = threading.Semaphore(0), threading.Semaphore(0)
        self.done = False
        self.answer = self.error = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        assert self.go.acquire(timeout=TURN_SECONDS_MAX)
        try:
            self.answer = self.act()
        except Exception as error:  # noqa: BLE001 - what it ended with is for the test to judge
            self.error = error
        self.done = True
        self.paused.release()

    def step(self):
        """Run until its next call of a port, or its end."""
        self.go.release()
        assert self.paused.acquire(timeout=TURN_SECONDS_MAX), f"{self.name} hangs"

    def wait(self):
        """Called by the worker itself: give the turn back, and go on when it comes again."""
        self.paused.release()
        assert self.go.acquire(timeout=TURN_SECONDS_MAX)


class _Stepping:
    """A port whose every call gives the turn back first."""

    def __init__(self, inner, worker, log):
        self._inner, self._worker, self._log = inner, worker, log

    def __getattr__(self, name):
        method = getattr(self._inner, name)

        def call(*args, **options):
            self._worker.wait()
            answer = method(*args, **options)
            self._log.append((self._worker.name, name, args))
            return answer

        return call


def interleave(ports: Ports, workers: Mapping[str, Callable[[Ports], object]], seed: int):
    """Run the workers to their ends in the order that the seed gives; their answers or errors, and the log of calls."""
    coin, log, made = Random(seed), [], {}
    for name, act in workers.items():
        made[name] = _worker(name, act, ports, log)
    for worker in made.values():
        worker.thread.start()
    speed = {name: coin.random() ** 3 + 0.01 for name in made}  # or the one with the fewest calls would always win
    while waiting := [w for w in made.values() if not w.done]:
        coin.choices(waiting, [speed[w.name] for w in waiting])[0].step()
    return {name: worker.error or worker.answer for name, worker in made.items()}, log


def _worker(name, act, ports, log):
    worker = _Worker(name, lambda: act(own))
    stepping = {port: _Stepping(getattr(ports, port), worker, log) for port in ("store", "queue", "gateway", "mailer")}
    own = replace(ports, **stepping)
    return worker

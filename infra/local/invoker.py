"""Invokes real handlers by their path, as Lambda would: an error ends only its own invocation."""

from __future__ import annotations

import importlib
import traceback
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from infra.local.events import Context, Event
from infra.wiring import Function

ERRORS_KEPT = 200
Handler = Callable[[Event, Context], Any]


class SimulatedCrash(BaseException):
    """The function's process dies here. No handler can catch it by accident; only the invoker catches it."""


class FunctionFailed(Exception):
    """A request's function raised or died: what API Gateway would answer with 502."""


@dataclass(frozen=True, slots=True)
class Result:
    status: Literal["ok", "error", "crash"]
    answer: Any = None


@dataclass(frozen=True, slots=True)
class Failure:
    """An invocation that raised, for whoever debugs it."""

    function: str
    at: datetime
    error: BaseException

    @property
    def text(self) -> str:
        """Where it came from and what it says; set out only when somebody asks, which takes longer than a call."""
        if isinstance(self.error, SimulatedCrash):
            return f"simulated crash: {self.error}"
        return "".join(traceback.format_exception(self.error))


class Invoker:
    def __init__(self, functions: Mapping[str, Function], now: Callable[[], datetime]) -> None:
        self._functions = functions
        self._handlers: dict[str, Handler] = {}
        self._now = now
        self._number = 0
        self.invocations: Counter[str] = Counter()
        self.failures: deque[Failure] = deque(maxlen=ERRORS_KEPT)
        self.on_failure: Callable[[Failure], None] = lambda failure: None
        self.before: list[Callable[[str], None]] = []  # called with the function's id before each invocation
        self.after: list[Callable[[], None]] = []

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def invoke(self, name: str, event: Event) -> Result:
        """Invoke the function of this logical id. Whatever it raises is a result too."""
        function = self._functions[name]
        self.invocations[name] += 1
        for hook in self.before:
            hook(name)
        context = Context(function, f"invocation-{self.next_number():012d}")
        try:
            handler = self._handlers.get(name) or self._load(function)  # what fails on import fails as an invocation
            return Result("ok", handler(event, context))
        except SimulatedCrash as crash:
            return self._failed(name, "crash", crash)
        except Exception as error:  # noqa: BLE001 - Lambda survives whatever a handler raises
            return self._failed(name, "error", error)
        finally:
            for done in self.after:
                done()

    def _failed(self, name: str, status: Literal["error", "crash"], error: BaseException) -> Result:
        failure = Failure(name, self._now(), error)
        self.failures.append(failure)
        self.on_failure(failure)
        return Result(status)

    def _load(self, function: Function) -> Handler:
        module, _, attribute = function.handler.rpartition(".")
        handler: Handler = getattr(importlib.import_module(module), attribute)
        self._handlers[function.id] = handler
        return handler

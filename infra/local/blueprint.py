"""What the local cloud has to know of a template: functions, and what invokes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from infra.local.queues import QueueSpec
from infra.local.routes import Route


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    handler: str  # module.attribute
    timeout_seconds: int = 30
    memory_mb: int = 512
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """A schedule that invokes a function. Without `input` the event is EventBridge's own."""

    name: str
    arn: str
    expression: str
    function: str
    input: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class QueueMapping:
    """A queue that invokes a function with batches."""

    queue: str
    function: str
    batch_size: int
    reports_failures: bool


@dataclass(frozen=True, slots=True)
class Blueprint:
    functions: tuple[Function, ...]
    rules: tuple[Rule, ...] = ()
    mappings: tuple[QueueMapping, ...] = ()
    queues: tuple[QueueSpec, ...] = ()
    routes: tuple[Route, ...] = ()
    source: Any = None  # what the moto backend makes its resources from

    @property
    def environment(self) -> dict[str, str]:
        """Of all functions together: they run in one process."""
        return {name: value for function in self.functions for name, value in function.environment.items()}

    def queue_of(self, handler_prefix: str) -> str | None:
        """The queue that feeds the function whose handler starts so."""
        names = {f.name for f in self.functions if f.handler.startswith(handler_prefix)}
        return next((m.queue for m in self.mappings if m.function in names), None)

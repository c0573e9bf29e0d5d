"""Small handlers, and blueprints that wire them, to test the local cloud by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from infra.local.blueprint import Blueprint, Function, QueueMapping, Rule
from infra.local.queues import QueueSpec

START = datetime(2026, 1, 1, tzinfo=UTC)
LOG: list[tuple[str, Any]] = []
BEHAVIOUR: dict[str, Callable[[dict[str, Any]], Any]] = {}


def forget() -> None:
    LOG.clear()
    BEHAVIOUR.clear()


def tick_a(event, context):
    LOG.append(("a", event["time"]))
    return BEHAVIOUR.get("a", lambda _: None)(event)


def tick_b(event, context):
    LOG.append(("b", event["time"]))
    return BEHAVIOUR.get("b", lambda _: None)(event)


def work(event, context):
    """Fails the records whose body says so, and logs each with its receive count."""
    failures = []
    for record in event["Records"]:
        LOG.append((record["body"], int(record["attributes"]["ApproximateReceiveCount"])))
        if BEHAVIOUR.get(record["body"], lambda _: False)(record):
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def api(event, context):
    LOG.append((event["httpMethod"], event["path"]))
    if act := BEHAVIOUR.get("api"):
        return act(event)
    shown = {k: event[k] for k in ("resource", "pathParameters", "multiValueQueryStringParameters", "body")}
    shown["claims"] = event["requestContext"].get("authorizer", {}).get("claims")
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(shown)}


def arn(queue: str) -> str:
    return f"arn:aws:sqs:eu-central-1:123456789012:{queue}"


def queue(name: str, **changes: Any) -> list[QueueSpec]:
    settings = {"visibility_seconds": 60, "max_receives": 3} | changes
    return [
        QueueSpec(name, arn(name), dead_letters=f"{name}-dlq", **settings),
        QueueSpec(f"{name}-dlq", arn(f"{name}-dlq"), 30),
    ]


def function(name: str) -> Function:
    return Function(name, f"tests.integration.toys.{name}")


def blueprint(
    *, rules: list[tuple[str, str]] = (), batch_size: int = 10, reports_failures: bool = True, **changes: Any
) -> Blueprint:
    """Rules are (function, expression); one queue, `jobs`, feeds `work`."""
    return Blueprint(
        functions=tuple(function(name) for name in ("tick_a", "tick_b", "work", "api")),
        rules=tuple(
            Rule(f"{f}-{n}", f"arn:rule/{n}", expression, f) for n, (f, expression) in enumerate(rules)
        ),
        mappings=(QueueMapping("jobs", "work", batch_size, reports_failures),),
        queues=tuple(queue("jobs", **changes)),
    )

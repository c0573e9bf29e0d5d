"""Small handlers, and wiring for them, to test the local cloud by itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from infra.template import ACCOUNT, REGION, Template
from infra.wiring import Function, Queue, QueueMapping, Route, Rule, Wiring

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


def wiring(
    rules: Sequence[tuple[str, str]] = (),
    routes: Sequence[tuple[str, str, str | None]] = (),
    *,
    batch_size: int = 10,
    partial_failures: bool = True,
    visibility_seconds: int = 60,
    max_receives: int = 3,
) -> Wiring:
    """Rules are (function, expression); the queue `jobs` feeds `work`; routes are (method, path, authorizer)."""
    mapping = QueueMapping("jobs", batch_size, 0, partial_failures, None)
    made = tuple(Rule(f"rule{n}", f"arn:rule{n}", when, f, None, None) for n, (f, when) in enumerate(rules))
    functions = [function("tick_a"), function("tick_b"), function("work", mappings=(mapping,)), function("api")]
    queues = [
        queue("jobs", visibility_seconds, max_receives, "jobs-dlq"),
        queue("jobs-dlq", 30),
        queue("ticks-dlq", 30),
    ]
    return Wiring(
        functions={f.id: f for f in functions},
        queues={q.name: q for q in queues},
        tables={},
        rules=made,
        routes=tuple(Route(method, path, "api", authorizer) for method, path, authorizer in routes),
        buckets=(),
        buses=(),
        subscriptions={},
        template=Template({}, {}),
    )


def function(name: str, mappings: tuple[QueueMapping, ...] = ()) -> Function:
    return Function(
        id=name,
        name=name,
        arn=f"arn:{name}",
        handler=f"tests.integration.toys.{name}",
        env={},
        timeout_seconds=30,
        memory_mb=512,
        layers=(),
        mappings=mappings,
        rules=(),
        routes=(),
        grants=(),
        async_retries=2,
        on_failure="ticks-dlq",
    )


def queue(name: str, visibility_seconds: int, max_receives: int | None = None, dlq: str | None = None) -> Queue:
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}"
    return Queue(name, name, url, arn, visibility_seconds, 0, 345_600, max_receives, dlq)

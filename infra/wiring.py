"""What template.yaml wires to what: which rule, queue or route invokes which handler, and with which limits.

The local cloud and the tests learn the shape of the system from here and from nowhere else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from infra.template import ACCOUNT, REGION, Resource, Template, read_template

TEMPLATE = Path(__file__).parent.parent / "template.yaml"
LOCAL_PARAMETERS: Mapping[str, str] = {"Stage": "local", "Protect": "false"}

# What AWS does where the template is silent.
_LAMBDA_TIMEOUT_SECONDS = 3
_LAMBDA_MEMORY_MB = 128
_QUEUE_VISIBILITY_SECONDS = 30
_QUEUE_RETENTION_SECONDS = 4 * 24 * 3600
_MAPPING_BATCH_SIZE = 10
_ASYNC_RETRIES = 2

_METHODS = frozenset({"get", "put", "post", "patch", "delete", "head", "options"})
_INVOKED = re.compile(r"/functions/(arn:[^/]+)/invocations$")
_WORD = re.compile(r"(?<!^)(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Queue:
    """`max_receives` and `dlq` are None for a queue that nothing is moved out of, such as a dead-letter queue."""

    id: str
    name: str
    url: str
    arn: str
    visibility_seconds: int
    delay_seconds: int
    retention_seconds: int
    max_receives: int | None = None
    dlq: str | None = None  # name of the dead-letter queue

    @property
    def label(self) -> str:
        """The queue as code names it: BillRunQueue is bill_run, BillRunDlq is bill_run_dlq."""
        return _WORD.sub("_", self.id.removesuffix("Queue")).lower()


@dataclass(frozen=True, slots=True)
class QueueMapping:
    """A queue that invokes a function with up to `batch_size` records, at most `max_concurrency` at a time."""

    queue: str  # name
    batch_size: int
    window_seconds: int
    partial_failures: bool  # the function says which records failed; else the whole batch did
    max_concurrency: int | None


@dataclass(frozen=True, slots=True)
class Rule:
    """A schedule that invokes a function. `input` None means the function gets EventBridge's own event."""

    id: str
    arn: str
    expression: str
    function: str  # logical id
    input: Any | None
    dlq: str | None  # name of the queue that gets ticks which could not be delivered


@dataclass(frozen=True, slots=True)
class Route:
    method: str  # upper case
    path: str  # with {parameters}, as API Gateway writes `resource`
    function: str  # logical id
    authorizer: str | None  # None: open to everybody


@dataclass(frozen=True, slots=True)
class Grant:
    """One statement of a function's role: every action on every resource, both written out."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]

    def allows(self, action: str, resource: str) -> bool:
        return action in self.actions and any(_covers(pattern, resource) for pattern in self.resources)


@dataclass(frozen=True, slots=True)
class Function:
    """A Lambda function. `handler` is `package.module.function`, to be imported and called."""

    id: str
    name: str
    arn: str
    handler: str
    env: Mapping[str, str]
    timeout_seconds: int
    memory_mb: int
    layers: tuple[str, ...]
    mappings: tuple[QueueMapping, ...]
    rules: tuple[Rule, ...]
    routes: tuple[Route, ...]
    grants: tuple[Grant, ...]
    async_retries: int  # after the first failure of an invocation that nobody waits for
    on_failure: str | None  # name of the queue that gets such an invocation in the end

    def may(self, action: str, resource: str) -> bool:
        """Whether its role allows an action (`dynamodb:PutItem`) on an ARN."""
        return any(grant.allows(action, resource) for grant in self.grants)


@dataclass(frozen=True, slots=True)
class Table:
    """`definition` is what `create_table` takes, but for the name."""

    id: str
    name: str
    arn: str
    indexes: tuple[str, ...]
    ttl_attribute: str | None
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wiring:
    """Functions by logical id; queues and tables by name; rules in the order in which simultaneous ones fire."""

    functions: Mapping[str, Function]
    queues: Mapping[str, Queue]
    tables: Mapping[str, Table]
    rules: tuple[Rule, ...]
    routes: tuple[Route, ...]
    buckets: tuple[str, ...]
    buses: tuple[str, ...]
    subscriptions: Mapping[str, str]  # topic ARN -> name of the queue that gets what is published there, wrapped
    template: Template
    account: str = ACCOUNT
    region: str = REGION

    def consumers(self) -> Iterator[tuple[Function, QueueMapping]]:
        """Each queue-fed function with the mapping that feeds it, in the order of the template."""
        return ((f, m) for f in self.functions.values() for m in f.mappings)

    def queue_by_url(self, url: str) -> Queue:
        return next(q for q in self.queues.values() if q.url == url)


def load_wiring(path: Path = TEMPLATE, parameters: Mapping[str, str] = LOCAL_PARAMETERS) -> Wiring:
    """Read the template (well under a second, most of it importing the SAM translator). Opens no connection."""
    return wiring_of(read_template(path, parameters))


def wiring_of(template: Template) -> Wiring:
    functions = {r.id: _function(r, template) for r in template.of("AWS::Lambda::Function")}
    return Wiring(
        functions=functions,
        queues={r.name: _queue(r) for r in template.of("AWS::SQS::Queue")},
        tables={r.name: _table(r) for r in template.of("AWS::DynamoDB::Table")},
        rules=tuple(chain.from_iterable(f.rules for f in functions.values())),
        routes=tuple(chain.from_iterable(f.routes for f in functions.values())),
        buckets=tuple(r.name for r in template.of("AWS::S3::Bucket")),
        buses=tuple(r.name for r in template.of("AWS::Events::EventBus")),
        subscriptions=_subscriptions(template),
        template=template,
    )


# ---- one function ---------------------------------------------------------------------------------------------


def _function(resource: Resource, template: Template) -> Function:
    properties = resource.properties
    retries, on_failure = _after_async_failure(resource, template)
    return Function(
        id=resource.id,
        name=resource.name,
        arn=resource.arn,
        handler=properties["Handler"],
        env=properties.get("Environment", {}).get("Variables", {}),
        timeout_seconds=properties.get("Timeout", _LAMBDA_TIMEOUT_SECONDS),
        memory_mb=properties.get("MemorySize", _LAMBDA_MEMORY_MB),
        layers=tuple(properties.get("Layers", ())),
        mappings=tuple(_mappings(resource, template)),
        rules=tuple(_rules(resource, template)),
        routes=tuple(_routes(resource, template)),
        grants=tuple(_grants(resource, template)),
        async_retries=retries,
        on_failure=on_failure,
    )


def _mappings(function: Resource, template: Template) -> Iterator[QueueMapping]:
    for resource in template.of("AWS::Lambda::EventSourceMapping"):
        mapping = resource.properties
        if mapping["FunctionName"] in (function.name, function.arn):
            yield QueueMapping(
                queue=_name_in(mapping["EventSourceArn"]),
                batch_size=mapping.get("BatchSize", _MAPPING_BATCH_SIZE),
                window_seconds=mapping.get("MaximumBatchingWindowInSeconds", 0),
                partial_failures="ReportBatchItemFailures" in mapping.get("FunctionResponseTypes", ()),
                max_concurrency=mapping.get("ScalingConfig", {}).get("MaximumConcurrency"),
            )


def _rules(function: Resource, template: Template) -> Iterator[Rule]:
    for rule in template.of("AWS::Events::Rule"):
        for target in rule.properties["Targets"]:
            if target["Arn"] == function.arn and "ScheduleExpression" in rule.properties:
                yield Rule(
                    id=rule.id,
                    arn=rule.arn,
                    expression=rule.properties["ScheduleExpression"],
                    function=function.id,
                    input=json.loads(target["Input"]) if "Input" in target else None,
                    dlq=_queue_name(target.get("DeadLetterConfig", {}).get("Arn")),
                )


def _routes(function: Resource, template: Template) -> Iterator[Route]:
    for api in template.of("AWS::ApiGateway::RestApi"):
        for path, operations in api.properties["Body"]["paths"].items():
            for method, operation in operations.items():
                if method in _METHODS and _invoked_by(operation) == function.arn:
                    yield Route(method.upper(), path, function.id, _authorizer(operation))


def _invoked_by(operation: Mapping[str, Any]) -> str | None:
    found = _INVOKED.search(operation.get("x-amazon-apigateway-integration", {}).get("uri", ""))
    return found[1] if found else None


def _authorizer(operation: Mapping[str, Any]) -> str | None:
    names = [name for requirement in operation.get("security", ()) for name in requirement]
    return next((name for name in names if name != "NONE"), None)


def _grants(function: Resource, template: Template) -> Iterator[Grant]:
    role = next((r for r in template.of("AWS::IAM::Role") if r.arn == function.properties["Role"]), None)
    for policy in role.properties.get("Policies", ()) if role else ():
        for statement in policy["PolicyDocument"]["Statement"]:
            yield Grant(_listed(statement["Action"]), _listed(statement["Resource"]))


def _after_async_failure(function: Resource, template: Template) -> tuple[int, str | None]:
    for resource in template.of("AWS::Lambda::EventInvokeConfig"):
        config = resource.properties
        if config["FunctionName"] in (function.name, function.arn):
            destination = config.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination")
            return config.get("MaximumRetryAttempts", _ASYNC_RETRIES), _queue_name(destination)
    return _ASYNC_RETRIES, None


# ---- queues, tables, topics -----------------------------------------------------------------------------------


def _queue(resource: Resource) -> Queue:
    properties = resource.properties
    redrive = properties.get("RedrivePolicy", {})
    return Queue(
        id=resource.id,
        name=resource.name,
        url=f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{resource.name}",
        arn=resource.arn,
        visibility_seconds=properties.get("VisibilityTimeout", _QUEUE_VISIBILITY_SECONDS),
        delay_seconds=properties.get("DelaySeconds", 0),
        retention_seconds=properties.get("MessageRetentionPeriod", _QUEUE_RETENTION_SECONDS),
        max_receives=redrive.get("maxReceiveCount"),
        dlq=_queue_name(redrive.get("deadLetterTargetArn")),
    )


def _table(resource: Resource) -> Table:
    keep = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    properties = resource.properties
    return Table(
        id=resource.id,
        name=resource.name,
        arn=resource.arn,
        indexes=tuple(index["IndexName"] for index in properties.get("GlobalSecondaryIndexes", ())),
        ttl_attribute=properties.get("TimeToLiveSpecification", {}).get("AttributeName"),
        definition={key: properties[key] for key in keep if key in properties},
    )


def _subscriptions(template: Template) -> dict[str, str]:
    made = (r.properties for r in template.of("AWS::SNS::Subscription"))
    return {p["TopicArn"]: _name_in(p["Endpoint"]) for p in made if p["Protocol"] == "sqs"}


def _name_in(arn: str) -> str:
    return arn.rsplit(":", 1)[1]


def _queue_name(arn: str | None) -> str | None:
    return _name_in(arn) if arn else None


def _listed(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _covers(pattern: str, resource: str) -> bool:
    """IAM's own matching, of which the template uses only a star at the end."""
    return resource.startswith(pattern[:-1]) if pattern.endswith("*") else resource == pattern

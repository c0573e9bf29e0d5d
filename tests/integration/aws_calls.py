"""Which rights the SDK's calls need: (action, resource) of each, as IAM would ask, recorded while moto answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest import mock

from botocore.client import BaseClient

from infra.wiring import Wiring

PARTS = {"Put": "PutItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}


@contextmanager
def recorded(wiring: Wiring, running: Callable[[], str | None]) -> Iterator[set[tuple[str, str, str]]]:
    """Collects (function, action, resource) of every call made while a function runs."""
    seen: set[tuple[str, str, str]] = set()
    original = BaseClient._make_api_call

    def call(client, operation, request):
        if (function := running()) is not None:
            service = client.meta.service_model.service_name
            seen.update((function, *need) for need in needs(wiring, service, operation, request))
        return original(client, operation, request)

    with mock.patch.object(BaseClient, "_make_api_call", call):
        yield seen


def needs(wiring, service, operation, request):
    match service, operation:
        case "dynamodb", "TransactWriteItems":
            for ((verb, part),) in (item.items() for item in request["TransactItems"]):
                yield f"dynamodb:{PARTS[verb]}", table(wiring, part["TableName"])
        case "dynamodb", "BatchGetItem":
            yield from (("dynamodb:BatchGetItem", table(wiring, name)) for name in request["RequestItems"])
        case "dynamodb", _:
            index = f"/index/{request['IndexName']}" if "IndexName" in request else ""
            yield f"dynamodb:{operation}", table(wiring, request["TableName"]) + index
        case "sqs", "ChangeMessageVisibilityBatch":
            yield "sqs:ChangeMessageVisibility", wiring.queue_by_url(request["QueueUrl"]).arn
        case "sqs", "GetQueueAttributes" | "ReceiveMessage" | "DeleteMessage" | "SendMessage":
            yield f"sqs:{operation}", wiring.queue_by_url(request["QueueUrl"]).arn
        case "sqs", "SendMessageBatch":
            yield "sqs:SendMessage", wiring.queue_by_url(request["QueueUrl"]).arn
        case "s3", _:
            folder = request["Key"].rpartition("/")[0]
            yield f"s3:{operation}", f"arn:aws:s3:::{request['Bucket']}/{folder}/*"
        case "events", "PutEvents":
            yield from (("events:PutEvents", bus(wiring, e["EventBusName"])) for e in request["Entries"])
        case "sesv2", "SendEmail":
            of = wiring.template.of
            (identity,) = (r for r in of("AWS::SES::EmailIdentity") if r.name == request["FromEmailAddress"])
            (settings,) = (r for r in of("AWS::SES::ConfigurationSet") if r.name == request["ConfigurationSetName"])
            yield from (("ses:SendEmail", arn) for arn in (identity.arn, settings.arn))
        case _:
            raise AssertionError(f"{service}.{operation} is called, and nobody has said which right it needs")


def table(wiring, name):
    return wiring.tables[name].arn


def bus(wiring, name):
    return next(r.arn for r in wiring.template.of("AWS::Events::EventBus") if r.name == name)

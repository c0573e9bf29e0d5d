"""Make the template's stores, queues, bus and mail identity behind boto3: under moto, or on a local server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import boto3

from infra.template import Resource
from infra.wiring import Queue, Table, Wiring


def local_session(region: str) -> Any:
    """A boto3 session whose credentials are good for nothing but a local stand-in of AWS."""
    return boto3.Session(aws_access_key_id="local", aws_secret_access_key="local", region_name=region)  # noqa: S106


def create_resources(wiring: Wiring, session: Any = None, endpoint_url: str | None = None) -> None:
    """Tables with their indexes, queues with their dead-letter queues, buckets, buses, secrets, and SES's identity.

    `session` defaults to one with made-up credentials, `endpoint_url` to wherever boto3 (or moto) sends requests.
    """
    made = session or local_session(wiring.region)
    clients = _Clients(made, endpoint_url)
    for table in wiring.tables.values():
        _create_table(clients["dynamodb"], table)
    for queue in sorted(wiring.queues.values(), key=lambda q: q.dlq is not None):  # dead-letter queues first
        _create_queue(clients["sqs"], queue, wiring)
    for bucket in wiring.buckets:
        clients["s3"].create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": wiring.region})
    for bus in wiring.buses:
        clients["events"].create_event_bus(Name=bus)
    for secret in wiring.template.of("AWS::SecretsManager::Secret"):
        _create_secret(clients["secretsmanager"], secret)
    _create_mail(clients["sesv2"], wiring)


class _Clients:
    """One client per service, made when first asked for."""

    def __init__(self, session: Any, endpoint_url: str | None) -> None:
        self._session = session
        self._endpoint_url = endpoint_url
        self._made: dict[str, Any] = {}

    def __getitem__(self, service: str) -> Any:
        if service not in self._made:
            self._made[service] = self._session.client(service, endpoint_url=self._endpoint_url)
        return self._made[service]


def _create_table(dynamodb: Any, table: Table) -> None:
    dynamodb.create_table(TableName=table.name, **table.definition)
    if table.ttl_attribute:
        specification = {"Enabled": True, "AttributeName": table.ttl_attribute}
        dynamodb.update_time_to_live(TableName=table.name, TimeToLiveSpecification=specification)


def _create_queue(sqs: Any, queue: Queue, wiring: Wiring) -> None:
    attributes = {
        "VisibilityTimeout": str(queue.visibility_seconds),
        "DelaySeconds": str(queue.delay_seconds),
        "MessageRetentionPeriod": str(queue.retention_seconds),
    }
    if queue.dlq:
        redrive = {"deadLetterTargetArn": wiring.queues[queue.dlq].arn, "maxReceiveCount": queue.max_receives}
        attributes["RedrivePolicy"] = json.dumps(redrive)
    sqs.create_queue(QueueName=queue.name, Attributes=attributes)


def _create_secret(secrets: Any, secret: Resource) -> None:
    properties: Mapping[str, Any] = secret.properties
    secrets.create_secret(Name=secret.name, SecretString=properties["SecretString"])


def _create_mail(ses: Any, wiring: Wiring) -> None:
    for settings in wiring.template.of("AWS::SES::ConfigurationSet"):
        ses.create_configuration_set(ConfigurationSetName=settings.name)
    for identity in wiring.template.of("AWS::SES::EmailIdentity"):
        ses.create_email_identity(EmailIdentity=identity.name)

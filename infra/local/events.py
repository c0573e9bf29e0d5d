"""The events AWS hands to a Lambda function, in the shapes the real services use."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from infra.local.queues import Delivery
from infra.template import ACCOUNT, REGION
from infra.wiring import Function

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler is told of its invocation. Virtual time stands still: the time left is always the timeout."""

    function: Function
    aws_request_id: str
    function_version: str = "$LATEST"

    @property
    def function_name(self) -> str:
        return self.function.name

    @property
    def memory_limit_in_mb(self) -> int:
        return self.function.memory_mb

    @property
    def invoked_function_arn(self) -> str:
        return self.function.arn

    @property
    def log_group_name(self) -> str:
        return f"/aws/lambda/{self.function_name}"

    @property
    def log_stream_name(self) -> str:
        return f"[{self.function_version}]{self.aws_request_id}"

    def get_remaining_time_in_millis(self) -> int:
        return self.function.timeout_seconds * 1000


def scheduled(rule_arn: str, at: datetime, number: int) -> Event:
    """A tick of an EventBridge rule."""
    return {
        "version": "0",
        "id": f"tick-{number:012d}",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [rule_arn],
        "detail": {},
    }


def sqs_batch(queue_arn: str, deliveries: Sequence[Delivery], at: datetime) -> Event:
    return {"Records": [_sqs_record(queue_arn, delivery, at) for delivery in deliveries]}


def _sqs_record(queue_arn: str, delivery: Delivery, at: datetime) -> Event:
    return {
        "messageId": delivery.message_id,
        "receiptHandle": delivery.receipt,
        "body": delivery.body,
        "attributes": {
            "ApproximateReceiveCount": str(delivery.receives),
            "SentTimestamp": _millis(delivery.sent_at),
            "SenderId": ACCOUNT,
            "ApproximateFirstReceiveTimestamp": _millis(at),
        },
        "messageAttributes": {},
        "md5OfBody": hashlib.md5(delivery.body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request as it came: `path` still percent-encoded, without query; header names in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] | None = None
    body: bytes = b""

    def header(self, name: str) -> str:
        return (self.headers or {}).get(name.lower(), "")


def proxy(
    request: Request,
    resource: str,
    parameters: dict[str, str],
    claims: Event | None,
    number: int,
    at: datetime,
) -> Event:
    """A REST API request with Lambda proxy integration (payload version 1.0)."""
    pairs = parse_qsl(request.query, keep_blank_values=True)
    headers = dict(request.headers or {})
    body, encoded = _event_body(request.body)
    return {
        "resource": resource,
        "path": request.path,
        "httpMethod": request.method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": dict(pairs) or None,
        "multiValueQueryStringParameters": _grouped(pairs) or None,
        "pathParameters": parameters or None,
        "stageVariables": None,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "local",
            **({"authorizer": {"claims": claims}} if claims else {}),
            "httpMethod": request.method,
            "identity": {"sourceIp": "127.0.0.1", "userAgent": request.header("user-agent")},
            "path": request.path,
            "protocol": "HTTP/1.1",
            "requestId": f"request-{number:012d}",
            "requestTimeEpoch": int(_millis(at)),
            "resourcePath": resource,
            "stage": "local",
        },
        "body": body,
        "isBase64Encoded": encoded,
    }


def mail_feedback(kind: str, detail: Event, message_id: str, to: str, tags: Mapping[str, str], at: datetime) -> str:
    """What SES says of a mail, wrapped by SNS, as a queue message's body. `kind` is Bounce, Complaint, …"""
    when = at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    said = {
        "eventType": kind,
        "mail": {
            "timestamp": when,
            "messageId": message_id,
            "destination": [to],
            "tags": {name: [value] for name, value in tags.items()},
        },
        kind.lower(): {"timestamp": when, **detail},
    }
    return json.dumps(
        {
            "Type": "Notification",
            "MessageId": f"sns-{message_id}-{kind.lower()}",
            "TopicArn": f"arn:aws:sns:{REGION}:{ACCOUNT}:mail-feedback",
            "Message": json.dumps(said),
            "Timestamp": when,
        }
    )


def _event_body(body: bytes) -> tuple[str | None, bool]:
    if not body:
        return None, False
    try:
        return body.decode(), False
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), True


def _grouped(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _millis(at: datetime) -> str:
    return str(int(at.timestamp() * 1000))

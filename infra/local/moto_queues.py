"""SQS under moto on virtual time: real boto3 calls move messages; only looking ahead reads moto's own state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from unittest import mock

import boto3
from botocore.config import Config
from moto import mock_aws
from moto.core import responses, utils
from moto.core.utils import unix_time_millis
from moto.sqs.exceptions import ReceiptHandleIsInvalid
from moto.sqs.models import Message, SQSBackend, sqs_backends

from infra.local.queues import Delivery
from infra.template import ACCOUNT, REGION

SEND_BATCH_MAX = 10
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class MotoQueues:
    """A Broker over boto3."""

    def __init__(self, queues: Iterable[str]) -> None:
        self._client: Any = boto3.client("sqs", region_name=REGION, config=Config(parameter_validation=False))
        self._backend = sqs_backends[ACCOUNT][REGION]
        self._urls = {name: self._client.get_queue_url(QueueName=name)["QueueUrl"] for name in queues}

    def put(self, queue: str, bodies: Iterable[str], delay_seconds: int = 0) -> None:
        every = list(bodies)
        for start in range(0, len(every), SEND_BATCH_MAX):
            entries = [
                {"Id": str(n), "MessageBody": body} | ({"DelaySeconds": delay_seconds} if delay_seconds else {})
                for n, body in enumerate(every[start : start + SEND_BATCH_MAX])
            ]
            self._client.send_message_batch(QueueUrl=self._urls[queue], Entries=entries)

    def receive(self, queue: str, most: int) -> list[Delivery]:
        answer = self._client.receive_message(
            QueueUrl=self._urls[queue], MaxNumberOfMessages=most, AttributeNames=["All"], WaitTimeSeconds=0
        )
        return [_delivery(message) for message in answer.get("Messages", [])]

    def delete(self, queue: str, deliveries: Sequence[Delivery]) -> None:
        for start in range(0, len(deliveries), SEND_BATCH_MAX):
            entries = [
                {"Id": str(n), "ReceiptHandle": delivery.receipt}
                for n, delivery in enumerate(deliveries[start : start + SEND_BATCH_MAX])
            ]
            self._client.delete_message_batch(QueueUrl=self._urls[queue], Entries=entries)

    def is_ready(self, queue: str) -> bool:
        return any(message.visible and not message.delayed for message in self._messages(queue))

    def next_at(self) -> datetime | None:
        now = unix_time_millis()
        hidden = (max(m.visible_at, m.delayed_until) for queue in self._urls for m in self._messages(queue))
        soonest = min((at for at in hidden if at > now), default=None)
        return None if soonest is None else EPOCH + timedelta(milliseconds=round(soonest))

    def depths(self) -> dict[str, int]:
        return {queue: len(self._messages(queue)) for queue in self._urls}

    def bodies(self, queue: str) -> list[str]:
        return [message.body for message in self._messages(queue)]

    def _messages(self, queue: str) -> list[Message]:
        messages: list[Message] = self._backend.queues[queue]._messages  # no API says when one will be visible
        return messages


def _delivery(message: dict[str, Any]) -> Delivery:
    attributes = message["Attributes"]
    return Delivery(
        message_id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        body=message["Body"],
        receives=int(attributes["ApproximateReceiveCount"]),
        sent_at=EPOCH + timedelta(milliseconds=int(attributes["SentTimestamp"])),
    )


@contextmanager
def moto_aws(now: Callable[[], datetime]) -> Iterator[None]:
    """moto in place of AWS, on the virtual clock.

    moto's services read the time through one function, so nothing else in the process need stand still: a
    server's threads and timeouts keep wall time. moto also shows a message only *after* the instant its timeout
    ends; SQS promises no more than "not before", and the memory queues mean the instant itself.
    """

    def utcnow() -> datetime:
        return now().replace(tzinfo=None)

    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict("os.environ", _CREDENTIALS))
        stack.enter_context(mock.patch("moto.core.utils.utcnow", utcnow))
        stack.enter_context(mock.patch.object(Message, "visible", property(_visible)))
        stack.enter_context(mock.patch.object(SQSBackend, "change_message_visibility", _change_visibility))
        stack.enter_context(mock.patch.object(responses, "method_names_from_class", _method_names))
        stack.enter_context(mock_aws())
        yield


_method_names = cache(utils.method_names_from_class)  # moto inspects the class again for every call

_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_SESSION_TOKEN": "local",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_REGION": REGION,
}


def _change_visibility(self: SQSBackend, queue_name: str, receipt_handle: str, visibility_timeout: int) -> None:
    """moto counts SQS's limit of twelve hours from when a message was sent; SQS, from when it was received."""
    queue = self.get_queue(queue_name)
    for message in queue._messages:
        if message.had_receipt_handle(receipt_handle):
            message.change_visibility(visibility_timeout)
            if message.visible:
                queue.pending_messages.discard(message)
            return
    raise ReceiptHandleIsInvalid


def _visible(message: Message) -> bool:
    return bool(unix_time_millis() >= message.visible_at)

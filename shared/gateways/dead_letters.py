"""The dead-letter queues in SQS: looked through by receiving, since SQS knows no other way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.gateways.clients import Clients
from shared.ports import DeadLetterQueue, DeadMessage

BATCH_MAX = 10  # messages per call: SQS's limit
LOOKED_THROUGH_MAX = 1_000  # messages of one queue
HIDDEN_SECONDS = 30  # from others who look, until this look ends
WAIT_SECONDS = 1  # asks all of SQS's servers; without waiting it asks some, and may find nothing
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class SqsDeadLetters:
    """Implements shared.ports.DeadLetters."""

    def __init__(
        self, dlq_url: Callable[[str], str], queue_url: Callable[[str], str], clients: Clients,
        wait_seconds: int = WAIT_SECONDS,
    ) -> None:  # fmt: skip
        self._dlq_url = dlq_url
        self._queue_url = queue_url
        self._clients = clients
        self._wait_seconds = wait_seconds

    def waiting(self, queue: DeadLetterQueue, most: int) -> list[DeadMessage]:
        url = self._dlq_url(queue)
        seen: list[dict[str, Any]] = []
        try:
            seen.extend(self._look_through(url, most))
        finally:
            self._let_go(url, seen)
        return [_read(message) for message in seen[:most]]

    def redrive(self, queue: DeadLetterQueue, id: str) -> bool:
        url, others = self._dlq_url(queue), []
        found: dict[str, Any] | None = None
        try:
            for message in self._look_through(url, LOOKED_THROUGH_MAX):
                if message["MessageId"] == id:
                    found = message
                    self._send_back(queue, message)
                    self._call("delete_message", url, ReceiptHandle=message["ReceiptHandle"])
                else:
                    others.append(message)
        finally:
            self._let_go(url, others)
        return found is not None

    def _send_back(self, queue: DeadLetterQueue, message: dict[str, Any]) -> None:
        if queue != "ticks":
            self._call("send_message", self._queue_url(queue), MessageBody=message["Body"])

    def _look_through(self, url: str, most: int) -> Iterator[dict[str, Any]]:
        """Each message once. Whole batches: all of a batch is hidden, and all of it has to be let go."""
        asked = self._call("get_queue_attributes", url, AttributeNames=["ApproximateNumberOfMessages"])
        if int(asked.get("Attributes", {}).get("ApproximateNumberOfMessages", 0)) == 0:
            return
        seen: set[str] = set()
        while len(seen) < most:
            answer = self._call(
                "receive_message", url, MaxNumberOfMessages=BATCH_MAX, VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=self._wait_seconds, AttributeNames=["SentTimestamp"],
            )  # fmt: skip
            fresh = [m for m in answer.get("Messages", []) if m["MessageId"] not in seen]
            if not fresh:
                return
            seen.update(m["MessageId"] for m in fresh)
            yield from fresh

    def _let_go(self, url: str, messages: list[dict[str, Any]]) -> None:
        for start in range(0, len(messages), BATCH_MAX):
            entries = [
                {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
                for n, message in enumerate(messages[start : start + BATCH_MAX])
            ]
            self._call("change_message_visibility_batch", url, Entries=entries)

    def _call(self, operation: str, url: str, **request: Any) -> Any:
        return self._clients.call("sqs", operation, {"QueueUrl": url, **request})


def _read(message: dict[str, Any]) -> DeadMessage:
    sent_at = EPOCH + timedelta(milliseconds=int(message["Attributes"]["SentTimestamp"]))
    return DeadMessage(message["MessageId"], message["Body"], sent_at)

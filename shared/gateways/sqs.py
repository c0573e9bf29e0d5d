"""The work queues in SQS: batches, with what a batch left behind sent again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from shared.gateways.clients import Clients
from shared.ports import QueueName, Unavailable

BATCH_MAX = 10  # messages per call: SQS's limit
BATCH_BYTES_MAX = 250_000  # of all bodies of one call: SQS takes 262,144 with their attributes
DELAY_SECONDS_MAX = 900
ROUNDS_MAX = 4  # calls for the messages of one batch
CORRELATION = "correlation_id"
PAUSE_SECONDS = 0.1  # before the second call; twice as long before each further one


class SqsQueue:
    """Implements shared.ports.Queue."""

    def __init__(
        self, queue_url: Callable[[str], str], clients: Clients, *, sleep: Callable[[float], None] = time.sleep,
        correlation: Callable[[], str | None] = lambda: None,
    ) -> None:  # fmt: skip
        self._queue_url = queue_url
        self._clients = clients
        self._sleep = sleep
        self._correlation = correlation

    def send(self, queue: QueueName, bodies: Sequence[str], delay_seconds: int = 0) -> None:
        if not 0 <= delay_seconds <= DELAY_SECONDS_MAX:
            raise ValueError(
                f"a delay of {delay_seconds} s; a queue keeps a message back at most {DELAY_SECONDS_MAX} s"
            )
        for batch in batches(bodies):
            self._send_batch(self._queue_url(queue), batch, delay_seconds)

    def _send_batch(self, url: str, bodies: Sequence[str], delay_seconds: int) -> None:
        common = {"DelaySeconds": delay_seconds, **self._attributes()}
        entries = [{"Id": str(n), "MessageBody": body, **common} for n, body in enumerate(bodies)]
        for round_ in range(ROUNDS_MAX):
            answer = self._clients.call("sqs", "send_message_batch", {"QueueUrl": url, "Entries": entries})
            failed = {failure["Id"]: failure for failure in answer.get("Failed", [])}
            _refuse_our_faults(failed.values())
            entries = [entry for entry in entries if entry["Id"] in failed]
            if not entries:
                return
            self._sleep(PAUSE_SECONDS * 2**round_)
        raise Unavailable(f"SQS left {len(entries)} of {len(bodies)} messages")

    def _attributes(self) -> dict[str, Any]:
        """What the work began with, beside the body: it belongs to the log and decides nothing."""
        began = self._correlation()
        return {"MessageAttributes": {CORRELATION: {"DataType": "String", "StringValue": began}}} if began else {}


def batches(bodies: Sequence[str]) -> Iterator[list[str]]:
    """Runs of at most BATCH_MAX messages and BATCH_BYTES_MAX bytes, in order."""
    batch: list[str] = []
    size = 0
    for body in bodies:
        length = len(body.encode())
        if batch and (len(batch) == BATCH_MAX or size + length > BATCH_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append(body)
        size += length
    if batch:
        yield batch


def _refuse_our_faults(failures: Any) -> None:
    wrong = [failure["Code"] for failure in failures if failure.get("SenderFault")]
    if wrong:
        raise ValueError(f"SQS refuses messages: {', '.join(sorted(set(wrong)))}")

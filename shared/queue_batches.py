"""A queue's batch of records, each worked on by itself. Kept apart, since what answers requests starts without it.

Not with Powertools' batch processor: it brings asyncio and the data classes of every source of events, an eighth of a
worker's cold start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypedDict

from shared.domain.values import dataclass
from shared.observability import CORRELATION, PASSING, count, facts_of, logger, tell_failure
from shared.ports import Ports

RECEIVES_MAX: Final = 5  # deliveries of a message before its queue puts it aside, as the template says


class Failed(TypedDict):
    itemIdentifier: str


class BatchAnswer(TypedDict):
    """What Lambda takes as the records that are to be delivered again; without any, all are done."""

    batchItemFailures: list[Failed]


@dataclass(frozen=True, slots=True)
class QueueRecord:
    """A message as its queue delivers it. `began` is what its work began with, if the message says so."""

    message_id: str
    body: str
    receives: int
    began: str | None


def handle_batch(
    event: Mapping[str, Any], context: Any, record_handler: Callable[[QueueRecord], object]
) -> BatchAnswer:
    """Run each record of a queue's batch. Those that raise are reported back and delivered again, singly.

    Each record that failed has been logged by itself, so that all of them failed is no error of its own.
    """
    records, invocation = [_record(each) for each in event["Records"]], logger.get_correlation_id()
    return _answer(records, [_done(record, record_handler, invocation) for record in records])


def handle_abreast(
    event: Mapping[str, Any], context: Any, record_handler: Callable[[QueueRecord, Ports], object], ports: Ports
) -> BatchAnswer:
    """As handle_batch, with the records worked on side by side, each with ports of its own."""
    records, invocation = [_record(each) for each in event["Records"]], logger.get_correlation_id()
    done = ports.abreast.each(lambda r, own: _done(r, lambda r: record_handler(r, own), invocation), records, ports)
    return _answer(records, done)


def _answer(records: Sequence[QueueRecord], done: Sequence[bool]) -> BatchAnswer:
    failed = [record for record, is_done in zip(records, done, strict=True) if not is_done]
    return {"batchItemFailures": [{"itemIdentifier": record.message_id} for record in failed]}


def _record(given: Mapping[str, Any]) -> QueueRecord:
    return QueueRecord(
        message_id=given["messageId"],
        body=given["body"],
        receives=int(given.get("attributes", {}).get("ApproximateReceiveCount", 0)),
        began=given.get("messageAttributes", {}).get(CORRELATION, {}).get("stringValue"),
    )


def _done(record: QueueRecord, record_handler: Callable[[QueueRecord], object], invocation: str | None) -> bool:
    """Whether its message may be deleted. Log lines of a record are told apart by what its work began with."""
    began = record.began or invocation
    if began != invocation:
        logger.set_correlation_id(began)
    try:
        record_handler(record)
    except Exception as error:  # noqa: BLE001 - one record's failure is no other's; it is delivered again
        _failed(record, error)
        return False
    finally:
        if began != invocation:
            logger.set_correlation_id(invocation)
    return True


def _failed(record: QueueRecord, error: Exception) -> None:
    count("record_failed")
    if isinstance(error, PASSING):
        reason = {"error": type(error).__name__, "reason": str(error)}
        logger.warning("record is left for later", extra={"message_id": record.message_id, **reason})
    else:
        logger.error("record failed", extra={"message_id": record.message_id, **facts_of(error)})
    if record.receives >= RECEIVES_MAX:
        tell_failure(record.message_id, error, record.receives)

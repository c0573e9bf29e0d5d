"""A queue's batch of records, each worked on by itself. Kept apart, since what answers requests starts without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from shared.observability import CORRELATION, PASSING, count, facts_of, logger, tell_failure

RECEIVES_MAX = 5  # deliveries of a message before its queue puts it aside, as the template says


def handle_batch(
    event: dict[str, Any], context: Any, record_handler: Callable[[SQSRecord], object]
) -> PartialItemFailureResponse:
    """Run each record of a queue's batch. Those that raise are reported back and delivered again, singly."""

    def one(record: SQSRecord) -> object:  # the processor passes it by this name
        return record_handler(record)

    # Each record that failed has been logged by itself, so that all of them failed is no error of its own.
    processor = _Processor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
    return process_partial_response(event, one, processor, context)


class _Processor(BatchProcessor):
    def _process_record(self, record: dict[str, Any]) -> Any:
        """Log lines of a record are told apart by what its message says it began with, if it says so."""
        invocation = logger.get_correlation_id()
        began = record.get("messageAttributes", {}).get(CORRELATION, {}).get("stringValue")
        logger.set_correlation_id(began or invocation)
        try:
            return super()._process_record(record)
        finally:
            logger.set_correlation_id(invocation)

    def failure_handler(self, record: Any, exception: Any) -> Any:
        error = exception[1]
        count("record_failed")
        if isinstance(error, PASSING):
            reason = {"error": type(error).__name__, "reason": str(error)}
            logger.warning("record is left for later", extra={"message_id": record.message_id, **reason})
        else:
            logger.error("record failed", extra={"message_id": record.message_id, **facts_of(error)})
        attempts = int(record.raw_event.get("attributes", {}).get("ApproximateReceiveCount", 0))
        if attempts >= RECEIVES_MAX:
            tell_failure(record.message_id, error, attempts)
        return super().failure_handler(record, exception)

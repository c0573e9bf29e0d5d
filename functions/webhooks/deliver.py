"""Deliver one event to one webhook endpoint per queue record."""

from __future__ import annotations

from typing import Any

from shared.bootstrap import ports
from shared.contracts.messages import DeliverWebhook, read
from shared.observability import observed, report
from shared.queue_batches import BatchAnswer, QueueRecord, handle_batch
from shared.use_cases.webhook_deliveries import deliver_webhook


def deliver(record: QueueRecord) -> None:
    message = read(record.body, DeliverWebhook)
    report(f"event_delivery_{deliver_webhook(message.delivery_id, ports())}", delivery_id=message.delivery_id)


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> BatchAnswer:
    return handle_batch(event, context, deliver)

"""Re-evaluate customers past due, a few per queue record; and what follows of it."""

from __future__ import annotations

from typing import Any

from shared.bootstrap import ports, ports_for_batch
from shared.contracts.messages import AssessCustomers, AssessMessage, PublishEvent, RefreshCustomer, read
from shared.observability import count, observed, report
from shared.queue_batches import BatchAnswer, QueueRecord, handle_batch
from shared.use_cases.assess_customer import Assessed, assess_customer
from shared.use_cases.look_ahead import ahead_of_assessments
from shared.use_cases.outbox import publish_event
from shared.use_cases.restore_service import refresh_service


def assess(record: QueueRecord) -> None:
    message = read(record.body, AssessMessage)
    if isinstance(message, PublishEvent):
        if publish_event(message.event_id, ports()):
            report("event_published", event_id=message.event_id)
    elif isinstance(message, RefreshCustomer):
        service = refresh_service(message.customer_id, ports())
        report(f"service_{service}", customer_id=message.customer_id)
    else:
        _assess_all(message)


def _assess_all(message: AssessCustomers) -> None:
    left: list[Exception] = []
    batch = ports_for_batch()
    ahead_of_assessments(message.customer_ids, batch)
    for customer_id in message.customer_ids:
        try:
            _reported(customer_id, assess_customer(customer_id, message.occurred_at, batch, message.after))
        except Exception as error:  # noqa: BLE001 - nobody waits for another; the record is delivered again
            left.append(error)
    if left:
        raise left[0]


def _reported(customer_id: str, assessed: Assessed) -> None:
    for kind in assessed.notices:
        report(f"called_for_{kind.partition(':')[0]}", customer_id=customer_id)
    if assessed.fees:
        count("late_fee_charged", assessed.fees)
    if assessed.service is not None:
        report(f"service_{assessed.service}", customer_id=customer_id)


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> BatchAnswer:
    return handle_batch(event, context, assess)

"""Re-evaluate customers past due, a few per queue record."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from shared.bootstrap import ports
from shared.contracts.messages import AssessCustomers, read
from shared.observability import handle_batch, observed, report
from shared.use_cases.assess_customer import assess_customer


def assess(record: SQSRecord) -> None:
    message = read(record.body, AssessCustomers)
    left: list[Exception] = []
    for customer_id in message.customer_ids:
        try:
            assessed = assess_customer(customer_id, message.occurred_at, ports())
        except Exception as error:  # noqa: BLE001 - nobody waits for another; the record is delivered again
            left.append(error)
            continue
        if assessed.notice:
            report(f"called_for_{assessed.notice}", customer_id=customer_id)
    if left:
        raise left[0]


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    return handle_batch(event, context, assess)

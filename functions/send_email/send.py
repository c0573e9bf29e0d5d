"""Send one notice per queue record."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from shared.bootstrap import ports
from shared.contracts.messages import SendNotice, read
from shared.observability import handle_batch, observed, report
from shared.use_cases.send_notice import send_notice


def send(record: SQSRecord) -> None:
    message = read(record.body, SendNotice)
    report(f"notice_{send_notice(message.notice_id, ports())}", notice_id=message.notice_id)


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    return handle_batch(event, context, send)

"""Charge the invoices of a payment run, one chunk per queue record."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from shared.bootstrap import ports
from shared.contracts.messages import ChargeInvoices, SelectInvoices, read
from shared.observability import handle_batch, observed, report
from shared.use_cases.payment_runs import charge_chunk, select_invoices


def charge(record: SQSRecord) -> None:
    message = read(record.body, SelectInvoices | ChargeInvoices)
    if isinstance(message, SelectInvoices):
        select_invoices(message.run_id, ports())
        return
    for outcome in charge_chunk(message.run_id, message.chunk, ports()) or ():
        report(f"charge_{outcome.outcome}", invoice_id=outcome.invoice_id, reason=outcome.reason)


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> PartialItemFailureResponse:
    return handle_batch(event, context, charge)

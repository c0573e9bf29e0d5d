"""Charge the invoices of a payment run, one chunk per queue record, and try again what the gateway did not process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

from shared.bootstrap import ports_for_batch
from shared.contracts.messages import ChargeInvoices, RetryCharge, SelectInvoices, read
from shared.domain.runs import Outcome
from shared.observability import observed, report
from shared.ports import Ports
from shared.queue_batches import BatchAnswer, QueueRecord, handle_batch
from shared.use_cases.payment_runs import charge_chunk, retry_charge, select_invoices


def charge(record: QueueRecord, ports: Ports) -> None:
    message = read(record.body, SelectInvoices | ChargeInvoices | RetryCharge)
    match message:
        case SelectInvoices():
            select_invoices(message.run_id, ports)
        case ChargeInvoices():
            _report_each(charge_chunk(message.run_id, message.chunk, ports) or (), message.run_id)
        case RetryCharge():
            retried = retry_charge(message.run_id, message.invoice_id, message.attempt, ports)
            if retried is not None:
                report(f"charge_{retried.outcome}", invoice_id=retried.invoice_id, reason=retried.reason)


def _report_each(outcomes: Sequence[Outcome], run_id: str) -> None:
    """Most invoices are skipped day after day: those are told together, each reason once."""
    skipped = Counter(outcome.reason for outcome in outcomes if outcome.outcome == "skipped")
    for reason, times in skipped.items():
        report("charge_skipped", times, run_id=run_id, reason=reason)
    for outcome in outcomes:
        if outcome.outcome != "skipped":
            report(f"charge_{outcome.outcome}", invoice_id=outcome.invoice_id, reason=outcome.reason)


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> BatchAnswer:
    return handle_batch(event, context, partial(charge, ports=ports_for_batch()))

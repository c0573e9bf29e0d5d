"""Hand out the customers of a schedule that is due, and record their account summaries, a few per queue record."""

from __future__ import annotations

from typing import Any

from shared.bootstrap import ports
from shared.contracts.messages import SelectSummaries, SummarizeAccounts, read
from shared.observability import observed, report
from shared.queue_batches import BatchAnswer, QueueRecord, handle_batch
from shared.use_cases.summarize_account import summarize_account
from shared.use_cases.sweep_summaries import select_summaries


def compose(record: QueueRecord) -> None:
    message = read(record.body, SelectSummaries | SummarizeAccounts)
    if isinstance(message, SelectSummaries):
        select_summaries(message, ports())
    else:
        _summarize(message)


def _summarize(message: SummarizeAccounts) -> None:
    left: list[Exception] = []
    for customer_id in message.customer_ids:
        try:
            done = summarize_account(customer_id, message.schedule_id, message.occurred_at, ports())
        except Exception as error:  # noqa: BLE001 - nobody waits for another; the record is delivered again
            left.append(error)
            continue
        report(f"summary_{done}", customer_id=customer_id)
    if left:
        raise left[0]


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> BatchAnswer:
    return handle_batch(event, context, compose)

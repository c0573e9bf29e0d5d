"""Work out and keep one report per queue record: those that are too much for a page."""

from __future__ import annotations

from typing import Any

from shared.bootstrap import ports
from shared.contracts.messages import MakeReport, read
from shared.observability import observed, report
from shared.queue_batches import BatchAnswer, QueueRecord, handle_batch
from shared.use_cases.kept_reports import keep_figures


def make(record: QueueRecord) -> None:
    message = read(record.body, MakeReport)
    made = keep_figures(message.name, ports())
    report("report_kept" if made else "report_there", name=message.name)


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> BatchAnswer:
    return handle_batch(event, context, make)

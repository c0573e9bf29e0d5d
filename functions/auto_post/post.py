"""Post a run's drafts, one chunk per queue record; or record the notices of a run mailed by hand."""

from __future__ import annotations

from typing import Any

from shared.bootstrap import ports
from shared.contracts.messages import PlanPosting, PostDrafts, SendRun, read
from shared.observability import count, observed
from shared.queue_batches import BatchAnswer, QueueRecord, handle_batch
from shared.use_cases.notices_by_hand import send_run
from shared.use_cases.post_invoices import plan_posting, post_chunk


def post(record: QueueRecord) -> None:
    message = read(record.body, PlanPosting | PostDrafts | SendRun)
    match message:
        case PlanPosting():
            plan_posting(message.run_id, ports())
        case SendRun():
            send_run(message.run_id, ports(), message.after)
        case PostDrafts():
            posted = post_chunk(message.run_id, message.round, message.chunk, ports())
            if posted is not None:
                count("invoice_posted", len(posted.invoices))
                count("invoice_not_posted", len(posted.failures))


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> BatchAnswer:
    return handle_batch(event, context, post)

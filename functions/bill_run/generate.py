"""Choose the customers of a bill run, and make the drafts of one chunk of them per queue record."""

from __future__ import annotations

from functools import partial
from typing import Any

from shared.bootstrap import ports_for_batch
from shared.contracts.messages import GenerateDrafts, SelectCustomers, read
from shared.observability import count, observed, report
from shared.ports import Ports
from shared.queue_batches import BatchAnswer, QueueRecord, handle_batch
from shared.use_cases.generate_drafts import generate_drafts
from shared.use_cases.select_customers import select_customers


def work(record: QueueRecord, ports: Ports) -> None:
    message = read(record.body, SelectCustomers | GenerateDrafts)
    match message:
        case SelectCustomers():
            select_customers(message.run_id, ports)
        case GenerateDrafts():
            generated = generate_drafts(message.run_id, message.chunk, ports)
            if generated is not None:
                count("draft_made", generated.drafts)
                for failed in generated.failures:
                    report("not_billed", run_id=message.run_id, customer_id=failed.customer_id, code=failed.code)


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> BatchAnswer:
    return handle_batch(event, context, partial(work, ports=ports_for_batch()))

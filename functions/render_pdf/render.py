"""Render one invoice's PDF, or the paper of a run, per queue record. The only function that carries the typesetter."""

from __future__ import annotations

from typing import Any

from shared.bootstrap import ports_for_batch
from shared.contracts.messages import MakePrintBatch, RenderInvoice, read, readable
from shared.observability import observed, report
from shared.ports import Ports
from shared.queue_batches import BatchAnswer, QueueRecord, handle_abreast
from shared.use_cases.look_ahead import ahead_of_documents
from shared.use_cases.print_batch import make_print_batch
from shared.use_cases.render_document import render_document


def render(record: QueueRecord, ports: Ports) -> None:
    message = read(record.body, RenderInvoice | MakePrintBatch)
    if isinstance(message, MakePrintBatch):
        make_print_batch(message.run_id, message.part, ports)
        report("print_batch_made", bill_run_id=message.run_id)
        return
    done = render_document(message.invoice_id, ports, first=message.first)
    report("document_rendered" if done else "document_of_a_draft", invoice_id=message.invoice_id)


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> BatchAnswer:
    ports = ports_for_batch()
    ahead_of_documents([m.invoice_id for m in readable(event, RenderInvoice)], ports)
    return handle_abreast(event, context, render, ports)

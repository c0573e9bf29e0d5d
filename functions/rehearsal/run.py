"""Carry out one rehearsal per queue record, on a copy in memory."""

from __future__ import annotations

from typing import Any

from functions.rehearsal.rehearse import files_of, rehearse
from shared.bootstrap import ports
from shared.contracts.messages import RunRehearsal, read
from shared.domain.rehearsal import Rehearsal
from shared.observability import observed, report
from shared.queue_batches import BatchAnswer, QueueRecord, handle_batch
from shared.use_cases.rehearsals import customers_max, run_rehearsal


def carry_out(asked: Rehearsal) -> dict[str, bytes]:
    """The result as the files that are kept."""
    return files_of(rehearse(asked, ports(), customers_max(asked)))


def run(record: QueueRecord) -> None:
    message = read(record.body, RunRehearsal)
    said = run_rehearsal(message.rehearsal_id, carry_out, ports())
    report(f"rehearsal_{said}", rehearsal_id=message.rehearsal_id)


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> BatchAnswer:
    return handle_batch(event, context, run)

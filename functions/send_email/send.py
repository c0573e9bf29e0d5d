"""Send one notice per queue record."""

from __future__ import annotations

from typing import Any

from shared.bootstrap import ports_for_batch
from shared.contracts.messages import SendNotice, read, readable
from shared.domain.copies import replace
from shared.observability import observed, report
from shared.ports import Ports
from shared.queue_batches import BatchAnswer, QueueRecord, handle_abreast
from shared.use_cases.look_ahead import ahead_of_notices
from shared.use_cases.send_notice import send_notice


def send(record: QueueRecord, ports: Ports) -> None:
    message = read(record.body, SendNotice)
    report(f"notice_{send_notice(message.notice_id, ports)}", notice_id=message.notice_id)


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> BatchAnswer:
    ids = [m.notice_id for m in readable(event, SendNotice)]
    ports = replace(ports_for_batch(), gate=next(iter(ids), None))
    ahead_of_notices(ids, ports)
    return handle_abreast(event, context, send, ports)

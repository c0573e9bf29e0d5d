"""Dead letters: messages that no worker could handle."""

from __future__ import annotations

from typing import Any

from functions.admin_api.calls import Answer, Call
from functions.admin_api.listing import PAGING, Source, page_of, pairs
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_fields import rfc3339
from shared.domain.dead_letter import DeadLetter
from shared.ports import DeadLetterQueue, Page, Ports
from shared.use_cases.dead_letters import QUEUES, dead_letters, redrive

router = new_router()


@endpoint(router, "GET", "/v1/dead-letters", filters=PAGING)
def list_dead_letters(call: Call[Any]) -> Answer:
    """Messages that failed each time, with the reason, queue by queue."""
    return page_of(call, [_of(queue, call.ports) for queue in QUEUES], pairs, lambda found: [_json(x) for x in found])


def _of(queue: DeadLetterQueue, ports: Ports) -> Source[DeadLetter]:
    """SQS cannot be asked for a page, so each reads its queue anew and goes on behind the last one shown."""
    return Source(
        lambda after, most: Page(tuple(dead_letters(queue, ports))), lambda x: f"{x.sent_at.isoformat()}#{x.id}"
    )


@endpoint(router, "POST", "/v1/dead-letters/<dead_letter_id>/redrive")
def redrive_dead_letter(call: Call[Any], dead_letter_id: str) -> Answer:
    """Put a message back on its queue, once what stopped it is mended."""
    return Answer(200, {"id": dead_letter_id, "queue": redrive(dead_letter_id, call.ports), "status": "redriven"})


def _json(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id, "queue": letter.queue, "reason": letter.reason, "body": letter.body,
        "failed_at": rfc3339(letter.failed_at), "attempts": letter.attempts,
    }  # fmt: skip

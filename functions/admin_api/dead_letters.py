"""Dead letters: messages that no worker could handle."""

from __future__ import annotations

from typing import Any

from functions.admin_api.calls import Answer, Call
from functions.admin_api.listing import LIMIT_DEFAULT, limit
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_fields import rfc3339
from shared.domain.dead_letter import DeadLetter
from shared.use_cases.dead_letters import dead_letters, redrive

router = new_router()


@endpoint(router, "GET", "/v1/dead-letters", filters={"limit": limit})
def list_dead_letters(call: Call[Any]) -> Answer:
    """Messages that failed each time, with the reason; further ones show when these are dealt with."""
    found = dead_letters(call.query.get("limit", LIMIT_DEFAULT), call.ports)
    return Answer(200, {"items": [_json(letter) for letter in found], "next_cursor": None})


@endpoint(router, "POST", "/v1/dead-letters/<dead_letter_id>/redrive")
def redrive_dead_letter(call: Call[Any], dead_letter_id: str) -> Answer:
    """Put a message back on its queue, once what stopped it is mended."""
    return Answer(200, {"id": dead_letter_id, "queue": redrive(dead_letter_id, call.ports), "status": "redriven"})


def _json(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id, "queue": letter.queue, "reason": letter.reason, "body": letter.body,
        "failed_at": rfc3339(letter.failed_at), "attempts": letter.attempts,
    }  # fmt: skip

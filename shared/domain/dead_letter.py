"""A message that its worker could not handle, as people are shown it: ids and dates, and nothing that names anybody."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from shared.domain.values import dataclass

HIDDEN = "…"
DEPTH_MAX = 8  # of objects in objects; deeper is hidden
ENTRIES_MAX = 100  # shown of one list
_SHOWN = re.compile(
    r"[a-z]{2,5}_[A-Za-z0-9_-]{1,64}"  # an id
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}(?:T[0-9:.]{1,20}(?:Z|[+-][0-9:]{1,6})?)?"  # a date or an instant
)
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_.: -]{0,60}")
_WORDS_AT = frozenset({"kind", "eventType", "source", "detail-type", "condition", "errorType"})


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`id` leads back to it; `queue` is where it came from."""

    id: str
    queue: str
    reason: str
    body: Any
    failed_at: datetime
    sent_at: datetime  # the place in its list
    attempts: int


def redacted(body: str) -> Any:
    """The message's JSON with every text hidden that is no id, date or word of ours."""
    try:
        return _redacted(json.loads(body), "", 0)
    except (ValueError, RecursionError):
        return HIDDEN


def _redacted(value: Any, name: str, depth: int) -> Any:
    if depth > DEPTH_MAX:
        return HIDDEN
    if isinstance(value, dict):
        return {key: _redacted(inner, key, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_redacted(inner, name, depth + 1) for inner in value[:ENTRIES_MAX]]
    if isinstance(value, str):
        return _text(value, name, depth)
    return value


def _text(value: str, name: str, depth: int) -> Any:
    if value.startswith("{"):  # what SNS wraps is JSON again
        try:
            return _redacted(json.loads(value), name, depth + 1)
        except ValueError:
            return HIDDEN
    shown = _SHOWN.fullmatch(value) or (name in _WORDS_AT and _WORD.fullmatch(value))
    return value if shown else HIDDEN

"""A request as routes are given it, and what they answer. API.md "Conventions"."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from functions.admin_api.access import Caller
from shared.contracts.api_fields import Body, refuse
from shared.domain.errors import Stale
from shared.domain.values import dataclass
from shared.ports import Ports

JSON_TYPE: Final = "application/json"
CSV_TYPE: Final = "text/csv"
_QUALITY: Final = re.compile(r"([01])(?:\.([0-9]{0,3}))?")

B = TypeVar("B", bound=Body)
Filters = Mapping[str, Callable[[str], Any]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a route answers. `body` is a JSON value, or text or bytes of another `content_type`.

    `shown_once` are fields of the body, such as a secret, that are never kept: the same request again lacks them.
    """

    status: int
    body: Any = None
    content_type: str = JSON_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)
    shown_once: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Call(Generic[B]):
    """A request whose caller, query and body have been checked."""

    caller: Caller
    ports: Ports
    body: B
    raw: Any  # the body as it was sent: a merge patch must know what was left out
    query: Mapping[str, Any]
    if_match: int | None
    scope: str  # method and path: what idempotency keys and cursors belong to
    accept: str = ""  # the media types that the caller takes
    tried_since: datetime | None = None  # tried before under its Idempotency-Key, and nobody knows how that ended


def expect(call: Call[Any], version: int) -> None:
    """The caller may say which version it changes: by If-Match, or by the body's own `version`."""
    if call.if_match is not None and call.if_match != version:
        raise Stale(f"its version is {version}, not {call.if_match}: read it again")
    if isinstance(call.raw, dict) and call.raw.get("version") is not None:
        given = call.raw["version"]
        if isinstance(given, bool) or not isinstance(given, int):
            refuse("version", "must be a whole number")
        if given != version:
            raise Stale(f"its version is {version}, not {given}: read it again")


def prefers(media_type: str, accept: str) -> bool:
    """Whether an Accept header asks for this type rather than JSON; in doubt it does not. RFC 9110."""
    wanted = {name: quality for name, quality in map(_range, accept.split(",")) if name}
    quality = wanted.get(media_type, wanted.get(f"{media_type.partition('/')[0]}/*", 0))
    return quality > wanted.get(JSON_TYPE, wanted.get("application/*", 0))


def _range(text: str) -> tuple[str, int]:
    """A media range and its quality in thousandths; what cannot be read counts as not wanted."""
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    given = next((p.removeprefix("q=") for p in parameters if p.startswith("q=")), "1")
    match = _QUALITY.fullmatch(given)
    return name, int(match[1] + (match[2] or "").ljust(3, "0")) if match else 0


# ---- filters --------------------------------------------------------------------------------------------------


def boolean(value: str) -> bool:
    if value not in ("true", "false"):
        raise ValueError("must be true or false")
    return value == "true"


def one_of(*words: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return value

    return read

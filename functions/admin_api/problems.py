"""Every error as RFC 9457 `application/problem+json`. API.md "Conventions"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from http import HTTPStatus
from typing import Any, Final

from functions.admin_api.access import NotAllowed, NotAuthenticated
from shared.contracts.api_fields import FieldError, InvalidBody
from shared.contracts.api_json import Malformed, dumps
from shared.domain.errors import DomainError, Invalid, NotFound, Refused, Stale, TooMuch
from shared.domain.values import dataclass
from shared.ports import Conflict, Unavailable

RETRY_AFTER_SECONDS: Final = 2


class TooLarge(Exception):
    """The body is larger than any the contract knows."""


class NotAllowedHere(Exception):
    """The path exists, but not with this method."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        super().__init__(f"this path has {', '.join(allowed)}")
        self.allowed = allowed


class NoSuchPath(Exception):
    """Nothing is at this path."""


class NotReady(Exception):
    """What is asked for is being made: ask again."""


@dataclass(frozen=True, slots=True)
class Problem:
    status: int
    detail: str
    errors: tuple[FieldError, ...] = ()
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self) -> str:
        shown: dict[str, Any] = {
            "type": f"urn:paidup:problem:{self.code}" if self.code else "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.code:
            shown["code"] = self.code
        if self.errors:
            shown["errors"] = [{"field": e.field, "message": e.message} for e in self.errors]
        return dumps(shown)


def problem_of(error: Exception) -> Problem:
    """The answer to an error. What nobody expected is a 500 that gives nothing away."""
    for kind, describe in _PROBLEMS:
        if isinstance(error, kind):
            return describe(error)
    return Problem(500, "Something went wrong on our side; it has been recorded.")


def _invalid(errors: tuple[FieldError, ...]) -> Problem:
    first = errors[0]
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    return Problem(422, f"{first.field}: {first.message}{more}", errors)


def _later(detail: str) -> Problem:
    return Problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


# The first that fits counts, so the special come before the general.
_PROBLEMS: Final[tuple[tuple[type[Exception], Callable[[Any], Problem]], ...]] = (
    (InvalidBody, lambda e: _invalid(e.errors)),
    (Invalid, lambda e: _invalid((FieldError(e.field, e.message),))),
    (NotFound, lambda e: Problem(404, str(e))),
    (Refused, lambda e: Problem(409, str(e), code=e.code)),
    (Stale, lambda e: Problem(412, str(e) or "it was changed meanwhile: read it again")),
    (Malformed, lambda e: Problem(400, str(e))),
    (TooLarge, lambda e: Problem(413, str(e))),
    (TooMuch, lambda e: Problem(413, str(e))),
    (NotAuthenticated, lambda e: Problem(401, "sign in first", headers={"WWW-Authenticate": "Bearer"})),
    (NotAllowed, lambda e: Problem(403, str(e))),
    (NoSuchPath, lambda e: Problem(404, "there is nothing at this path")),
    (NotAllowedHere, lambda e: Problem(405, str(e), headers={"Allow": ", ".join(e.allowed)})),
    (Conflict, lambda e: Problem(409, "it was changed meanwhile: read it again, then repeat the request")),
    (NotReady, lambda e: _later(str(e))),
    (Unavailable, lambda e: _later("the service is busy: try again in a moment")),
    # Errors of the domain that no field could be named for are still the sender's, never ours.
    (DomainError, lambda e: Problem(422, str(e))),
)

"""Who calls, and what each role may do. PRODUCT 12, API.md "Conventions".

One table for every route but health: a test holds it against the routes that exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal

from shared.domain.values import dataclass

Role = Literal["viewer", "operator", "admin"]
ROLES: Final[tuple[Role, ...]] = ("viewer", "operator", "admin")  # each may do what those before it may

# What is not named here: GET needs a viewer, everything else an operator.
NEEDS: Final[Mapping[tuple[str, str], Role]] = {
    ("PATCH", "/v1/settings"): "admin",
    ("POST", "/v1/customer-classes"): "admin",
    ("PUT", "/v1/customer-classes/<class_id>"): "admin",
    ("POST", "/v1/customers/<customer_id>/erase"): "admin",
    ("PUT", "/v1/templates/<name>"): "admin",
    ("DELETE", "/v1/templates/<name>"): "admin",
    ("POST", "/v1/webhook-endpoints"): "admin",
    ("DELETE", "/v1/webhook-endpoints/<endpoint_id>"): "admin",
    ("POST", "/v1/webhook-endpoints/<endpoint_id>/rotate"): "admin",
    ("POST", "/v1/webhook-endpoints/<endpoint_id>/enable"): "admin",
}


class NotAuthenticated(Exception):
    """No token that names a user."""


class NotAllowed(Exception):
    """The caller's role is too low."""

    def __init__(self, needed: Role) -> None:
        super().__init__(f"this needs the role {needed!r} or a higher one")
        self.needed = needed


@dataclass(frozen=True, slots=True)
class Caller:
    id: str
    role: Role | None  # None: signed in, but in none of the groups

    def must_be(self, needed: Role) -> None:
        if self.role is None or ROLES.index(self.role) < ROLES.index(needed):
            raise NotAllowed(needed)


def needed_role(method: str, path: str) -> Role:
    return NEEDS.get((method, path), "viewer" if method == "GET" else "operator")


def caller_of(event: Mapping[str, Any], wanted: Mapping[str, str]) -> Caller:
    """The caller that the authorizer vouches for. Raises NotAuthenticated.

    `wanted` are claims that must be so. An access token is turned away: it names a client's rights, and neither the
    person nor, by `aud`, whom it is meant for. API Gateway should have done so already.
    """
    authorizer = (event.get("requestContext") or {}).get("authorizer") or {}
    claims = authorizer.get("claims") or {}
    name = claims.get("email") or claims.get("cognito:username") or claims.get("username") or claims.get("sub")
    if not claims or claims.get("token_use", "id") != "id":
        raise NotAuthenticated
    if any(claims.get(claim) != value for claim, value in wanted.items()):
        raise NotAuthenticated
    groups = _groups(claims.get("cognito:groups"))
    held = [role for role in ROLES if role in groups]
    return Caller(str(name or "unknown"), held[-1] if held else None)


def _groups(claim: object) -> frozenset[str]:
    """API Gateway writes a list as text: `admin`, `admin,operator` or `[admin operator]`."""
    if isinstance(claim, list | tuple):
        return frozenset(str(group) for group in claim)
    return frozenset(re.split(r"[\s,\[\]]+", claim)) - {""} if isinstance(claim, str) else frozenset()

"""The console's way to everything: the admin API's own endpoints, called in this process as the person signed in.

So what the console may do, how it is checked, audited and answered is the API's, in one place (docs/DECISIONS.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.admin_api.access import ROLES, needed_role
from functions.admin_api.app import resolver
from functions.console.requests import ConsoleRequest, Problem
from shared.bootstrap import token_claims
from shared.contracts.api_json import dumps
from shared.domain.ids import derive_id
from shared.domain.values import dataclass

JSON_TYPE: Final = "application/json"


class Refusal(Exception):
    """The API refused; the problem says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Api:
    """Calls as the person of this request's session."""

    request: ConsoleRequest

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of an answer. Raises Refusal."""
        return self.send("GET", path, **query)

    def items(self, path: str, **query: Any) -> list[Any]:
        """The items of a list's page."""
        found: list[Any] = self.get(path, **query)["items"]
        return found

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """The JSON of an answer, None if it has none. Raises Refusal."""
        answer = self.raw(method, path, body, **query)
        return json.loads(answer["body"]) if answer.get("body") else None

    def raw(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, accept: str = JSON_TYPE, **query: Any
    ) -> dict[str, Any]:
        """The whole answer, as Lambda would give it. Raises Refusal."""
        asked = {k.removesuffix("_"): _text(v) for k, v in query.items() if v not in (None, "")}
        session = self.request.session
        claims = {**token_claims(), "sub": session.by, "email": session.by, "token_use": "id"} if session else {}
        if session is not None and session.role is not None:
            claims["cognito:groups"] = session.role
        id = self.request.number and derive_id("req_", self.request.number, method, path)
        event = {
            "resource": path, "path": path, "httpMethod": method, "multiValueHeaders": {},
            "headers": {"content-type": JSON_TYPE, "accept": accept},
            "queryStringParameters": asked or None, "multiValueQueryStringParameters": None,
            "pathParameters": None, "body": dumps(body) if body is not None else None, "isBase64Encoded": False,
            "requestContext": {"authorizer": {"claims": claims}, "requestId": id, "path": path},
        }  # fmt: skip
        answer: dict[str, Any] = resolver.resolve(event, LambdaContext())
        if answer["statusCode"] >= 400:
            said = json.loads(answer["body"])
            raise Refusal(Problem(answer["statusCode"], said["detail"], said.get("errors", ())))
        return answer

    def may(self, method: str, path: str) -> bool:
        """Whether this person's role allows a route, written with <parameters>: what it does not is not offered."""
        role = self.request.session.role if self.request.session else None
        return role is not None and ROLES.index(role) >= ROLES.index(needed_role(method, path))


def _text(value: object) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)

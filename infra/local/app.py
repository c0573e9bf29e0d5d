"""The local server without its socket: a request goes to a route of the template, or to /_local.

Everything happens under one lock, so that a request never sees half of a move of the clock.
"""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import RLock
from typing import Any, Final

from functions.admin_api.problems import NoSuchPath, NotAllowedHere, Problem, TooLarge, problem_of
from infra.local import local_api
from infra.local.cloud import LocalCloud
from infra.local.events import Request, proxy
from infra.local.invoker import FunctionFailed
from infra.local.routes import Match, Routes
from shared.contracts.api_json import dumps
from shared.gateways.sign_in import LOCAL_TOKENS, local_claims

BODY_BYTES_MAX: Final = 10 * 1024 * 1024  # API Gateway's own limit
LOCAL_PREFIX: Final = "/_local/"
TOKENS: Final = LOCAL_TOKENS
PROBLEM_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


class App:
    """What the server and the in-process client share."""

    def __init__(self, cloud: LocalCloud, *, waits: bool = False) -> None:
        """`waits`: who asks for what is still being made gets it, as where time passes by itself a second try would."""
        self.cloud = cloud
        self.waits = waits
        self.lock = RLock()
        self.complain: Callable[[str], None] = lambda text: None  # is told of errors that are the cloud's own
        self._routes = Routes(cloud.wiring.routes)

    def handle(self, request: Request) -> Reply:
        """The answer to any request. Never raises."""
        with self.lock:
            try:
                reply = self._answer(request)
            except Exception as error:  # noqa: BLE001 - the edge: every error becomes an answer
                reply = self._failed(error)
        if request.method != "HEAD":
            return reply
        return Reply(reply.status, {**reply.headers, "Content-Length": str(len(reply.body))})

    def _failed(self, error: Exception) -> Reply:
        problem = problem_of(error)
        if problem.status == 500:
            self.complain("".join(traceback.format_exception(error)))
        return _problem(problem)

    def _answer(self, request: Request) -> Reply:
        if len(request.body) > BODY_BYTES_MAX:
            raise TooLarge(f"a body has at most {BODY_BYTES_MAX} bytes")
        method = "GET" if request.method == "HEAD" else request.method
        if request.path.startswith(LOCAL_PREFIX):
            return _local(local_api.answer(self.cloud, method, request))
        found = self._routes.find(method, request.path)
        if found is None:
            raise NoSuchPath
        if isinstance(found, tuple):
            raise NotAllowedHere(found)
        reply = self._invoke(found, request, method)
        if self.waits and method == "GET" and reply.status == 503 and "Retry-After" in reply.headers:
            self.cloud.advance_to(self.cloud.clock.now())  # with the clock at rest the queues come to rest too
            reply = self._invoke(found, request, method)
        return reply

    def _invoke(self, match: Match, request: Request, method: str) -> Reply:
        claims = None
        if match.route.authorizer is not None:
            claims = _claims(request)
            if claims is None:
                return _problem(_UNAUTHENTICATED)
        number, now = self.cloud.engine.invoker.next_number(), self.cloud.clock.now()
        asked = Request(method, request.path, request.query, request.headers, request.body)
        event = proxy(asked, match.route.path, match.parameters, claims, number, now)
        try:
            return _reply(self.cloud.engine.request(match.route.function, event))
        except FunctionFailed:
            return _problem(Problem(502, "The function failed; its error is in the server's output."))


_UNAUTHENTICATED: Final = Problem(
    401, "send a token: Authorization: Bearer local-viewer, local-operator or local-admin",
    headers={"WWW-Authenticate": "Bearer"},
)  # fmt: skip


def _claims(request: Request) -> dict[str, Any] | None:
    """What the authorizer would say of a token; None if it would refuse it."""
    scheme, _, token = request.header("authorization").partition(" ")
    role = TOKENS.get(token.strip()) if scheme.lower() == "bearer" else None
    return None if role is None else local_claims(role)


def _reply(answer: Any) -> Reply:
    """A Lambda proxy answer as HTTP. Raises FunctionFailed for what API Gateway would refuse."""
    if not isinstance(answer, dict) or not isinstance(answer.get("statusCode"), int):
        raise FunctionFailed(f"the function answered {type(answer).__name__} without a statusCode")
    headers = {str(name): str(value) for name, value in (answer.get("headers") or {}).items()}
    for name, values in (answer.get("multiValueHeaders") or {}).items():
        headers[str(name)] = ", ".join(map(str, values))
    text = answer.get("body") or ""
    body = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
    return Reply(answer["statusCode"], headers, body)


def _local(answer: local_api.Answer) -> Reply:
    body = answer.body if isinstance(answer.body, bytes) else dumps(answer.body).encode()
    return Reply(answer.status, {"Content-Type": answer.content_type}, body)


def _problem(problem: Problem) -> Reply:
    return Reply(problem.status, {"Content-Type": PROBLEM_TYPE, **problem.headers}, problem.body().encode())


class LocalClient:
    """The App without a socket, for tests and the command line."""

    def __init__(self, cloud: LocalCloud, token: str | None = "local-admin") -> None:  # noqa: S107
        self.app = App(cloud)
        self.token = token

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Mapping[str, str], Any]:
        """(status, headers, JSON value; bytes where the answer is no JSON). `body` is a JSON value, or bytes."""
        path, _, query = path.partition("?")
        sent = {"content-type": "application/json"} | {k.lower(): v for k, v in (headers or {}).items()}
        if (bearer := token if token is not None else self.token) and "authorization" not in sent:
            sent["authorization"] = f"Bearer {bearer}"
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        reply = self.app.handle(Request(method, path, query, sent, content))
        is_json = "json" in reply.headers.get("Content-Type", reply.headers.get("content-type", ""))
        return reply.status, reply.headers, reply.json if is_json else reply.body

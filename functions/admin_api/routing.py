"""What every route has in common: who may call it, what it is given, how it answers. API.md "Conventions"."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from traceback import extract_tb
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.api_gateway import Router

from functions.admin_api.access import Caller, caller_of, needed_role
from functions.admin_api.calls import JSON_TYPE, Answer, Call, Filters
from functions.admin_api.once import answered_once, created_once
from functions.admin_api.problems import Problem, TooLarge, problem_of
from shared.bootstrap import audited, ports, remembering, token_claims
from shared.contracts.api_fields import Body, Empty, Findings, harmless, identifier, read_body, refuse
from shared.contracts.api_json import Malformed, dumps, loads
from shared.domain.audit import AuditedRequest
from shared.domain.errors import NotFound
from shared.domain.ids import derive_id
from shared.domain.values import dataclass
from shared.observability import logger, report
from shared.ports import Ports

BODY_BYTES_MAX: Final = 5 * 1024 * 1024  # 10,000 invoice lines take two
FRAMES_MAX: Final = 12  # innermost frames of a stack that are logged
PROBLEM_TYPE: Final = "application/problem+json"
COMMON_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_PARAMETER: Final = re.compile(r"<(\w+)>")
_VERSION: Final = re.compile(r'(?:W/)?"?([0-9]{1,9})"?')

Handler = Callable[..., Answer]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One route. `creates` is the prefix of the ids it makes, if the caller may choose them."""

    method: str
    path: str
    handler: Handler
    body: type[Body]
    filters: Filters
    creates: str | None
    public: bool
    merges: bool  # the body is a merge patch: the handler reads the whole that it makes
    takes: str = JSON_TYPE  # the content type of the body; one that is not JSON is handed over as it came
    gives: str = JSON_TYPE
    secret: bool = False  # the answer is a secret: under an Idempotency-Key it is kept sealed by that key alone
    csv: bool = False  # answers as CSV too, to whom asks for it

    @property
    def shown(self) -> str:
        """The path as the API's documents write it, with {braces}."""
        return _PARAMETER.sub(r"{\1}", self.path)

    @property
    def summary(self) -> str:
        return (self.handler.__doc__ or "").strip().split("\n")[0]


def new_router() -> Router:
    """A resource's own set of routes."""
    return Router()  # type: ignore[no-untyped-call]


ENDPOINTS: Final[list[Endpoint]] = []


def endpoint(
    router: Router,
    method: str,
    path: str,
    *,
    body: type[Body] = Empty,
    filters: Filters | None = None,
    creates: str | None = None,
    public: bool = False,
    merges: bool = False,
    takes: str = JSON_TYPE,
    gives: str = JSON_TYPE,
    secret: bool = False,
    csv: bool = False,
) -> Callable[[Handler], Handler]:
    """Register a handler, which takes the Call and the parameters of the path by name."""

    def register(handler: Handler) -> Handler:
        made = Endpoint(method, path, handler, body, filters or {}, creates, public, merges, takes, gives, secret, csv)
        ENDPOINTS.append(made)

        def routed(**parameters: str) -> Response[str]:
            return respond(made, router.current_event.raw_event, parameters)

        routed.__name__ = handler.__name__
        router.route(path, method=method)(routed)
        return handler

    return register


def respond(made: Endpoint, event: Mapping[str, Any], parameters: Mapping[str, str]) -> Response[Any]:
    try:
        answer = _answer(made, event, parameters)
    except Exception as error:  # noqa: BLE001 - the edge: every error becomes an answer
        return failed(error)
    shown = {**answer.body, **answer.shown_once} if answer.shown_once else answer.body
    is_json = shown is not None and answer.content_type == JSON_TYPE
    body = dumps(shown) if is_json else shown
    headers = {**COMMON_HEADERS, **answer.headers}
    return Response(answer.status, answer.content_type if body is not None else None, body, headers)


def failed(error: Exception) -> Response[str]:
    problem: Problem = problem_of(error)
    if problem.status >= 500:
        logger.error("request failed", extra={"error": type(error).__name__, "stack": _stack(error)})
        report("request_failed")
    return Response(problem.status, PROBLEM_TYPE, problem.body(), {**COMMON_HEADERS, **problem.headers})


def _stack(error: Exception) -> list[str]:
    """Where it happened, without what was typed: the texts of errors may quote it."""
    frames = extract_tb(error.__traceback__)[-FRAMES_MAX:]
    return [f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}" for frame in frames]


def _answer(made: Endpoint, event: Mapping[str, Any], parameters: Mapping[str, str]) -> Answer:
    caller = Caller("", None) if made.public else caller_of(event, token_claims())
    if not made.public:
        caller.must_be(needed_role(made.method, made.path))
    for name, value in parameters.items():
        _check_parameter(name, value)
    query = _query(made, event)
    raw = _sent(made, event) if made.method in ("POST", "PUT", "PATCH") else {}
    if made.takes == JSON_TYPE and not isinstance(raw, dict):
        refuse("body", "must be a JSON object")
    headers = {str(k).lower(): str(v) for k, v in (event.get("headers") or {}).items()}
    call = Call(
        caller=caller,
        ports=_ports(made, caller, event, parameters),
        body=read_body(Empty if made.merges else made.body, raw if made.takes == JSON_TYPE and not made.merges else {}),
        raw=raw,
        query=query,
        if_match=_if_match(headers),
        scope=f"{made.method} {event.get('path', made.path)}",
        accept=headers.get("accept", ""),
    )
    key = headers.get("idempotency-key")
    if made.method == "POST" and key is not None:
        return answered_once(call, key, lambda again: _run(made, again, parameters), made.secret)
    return _run(made, call, parameters)


def _ports(made: Endpoint, caller: Caller, event: Mapping[str, Any], parameters: Mapping[str, str]) -> Ports:
    """A request that only reads does so once per record; of one that may write every write is told.

    API Gateway numbers requests; elsewhere the instant will do.
    """
    plain = ports()
    if made.method == "GET":
        return remembering(plain)
    given = (event.get("requestContext") or {}).get("requestId")
    id = str(given or derive_id("req_", made.method, event.get("path"), caller.id, plain.clock.now()))
    action = f"{made.method} {made.shown}"
    asked = AuditedRequest(caller.id, caller.role or "", action, id, tuple(parameters.values()))
    return audited(plain, asked)


def _run(made: Endpoint, call: Call[Any], parameters: Mapping[str, str]) -> Answer:
    if made.creates and call.raw.get("id") is not None:
        return created_once(call, made.creates, lambda chosen: made.handler(chosen, **parameters))
    return made.handler(call, **parameters)


def _check_parameter(name: str, value: str) -> None:
    """No id looks like this, so there is nothing at it."""
    try:
        identifier(value)
    except ValueError:
        raise NotFound(name.removesuffix("_id").replace("_", " "), harmless(value)) from None


def _sent(made: Endpoint, event: Mapping[str, Any]) -> Any:
    """The value of a JSON body; the bytes of any other."""
    text = event.get("body") or ""
    if len(text) > BODY_BYTES_MAX * 4 // 3 + 4:
        raise TooLarge(f"a body has at most {BODY_BYTES_MAX} bytes")
    try:
        content = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
        if made.takes == JSON_TYPE:
            content.decode()
    except (binascii.Error, UnicodeError) as wrong:
        raise Malformed("the body is not UTF-8 text") from wrong
    if len(content) > BODY_BYTES_MAX:
        raise TooLarge(f"a body has at most {BODY_BYTES_MAX} bytes")
    if made.takes != JSON_TYPE:
        return content
    return loads(content) if content.strip() else {}


def _query(made: Endpoint, event: Mapping[str, Any]) -> dict[str, Any]:
    found, given = Findings(), event.get("queryStringParameters") or {}
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in made.filters:
            found.add(harmless(name), "is not a known query parameter")
            continue
        with found.at(name):
            values[name] = made.filters[name](str(value or ""))
    found.done()
    return values


def _if_match(headers: Mapping[str, str]) -> int | None:
    given = headers.get("if-match")
    if given is None or given.strip() == "*":
        return None
    match = _VERSION.fullmatch(given.strip())
    if match is None:
        refuse("If-Match", 'must be a version in quotes, such as "3"')
    return int(match.group(1))


def methods_at(path: str) -> tuple[str, ...]:
    """The methods that a path of the API has."""
    return tuple(
        sorted({e.method for e in ENDPOINTS if re.fullmatch(re.sub(r"<\w+>", "[^/]+", e.path), path.rstrip("/"))})
    )

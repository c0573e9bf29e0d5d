"""The OpenAPI document of this API, made from its routes and the models of its bodies."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from functions.admin_api.access import needed_role
from functions.admin_api.calls import CSV_TYPE, JSON_TYPE, Answer, Call
from functions.admin_api.health import VERSION
from functions.admin_api.routing import ENDPOINTS, Endpoint, endpoint, new_router
from functions.admin_api.schemas import REFERENCE, put_among
from shared.contracts.api_fields import Body, Empty

router = new_router()

PROBLEM: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
GATEWAY_WEBHOOK: Final = {  # answered by functions/autopay/webhook.py
    "operationId": "hear_gateway",
    "summary": "What the payment gateway tells of its own accord, signed over the raw body.",
    "description": "A hint only: the gateway is asked what is true. Late, repeated and unordered events do no harm.",
    "tags": ["webhooks"],
    "security": [],
    "parameters": [
        {
            "name": "Stripe-Signature",
            "in": "header",
            "required": True,
            "schema": {"type": "string"},
            "description": "t=<seconds>,v1=<HMAC-SHA256 of '<t>.<body>' in hex>, at most five minutes old",
        }
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object", "required": ["id"]}}},
    },
    "responses": {
        "200": {
            "description": "Heard",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "required": ["received", "outcome"],
                        "properties": {
                            "received": {"type": "boolean"},
                            "outcome": {"enum": ["settled", "nothing_new", "repeated", "ignored", "too_early"]},
                        },
                    }
                }
            },
        },
        "default": {
            "description": "400 forged or unreadable, 413 too large, 503 to be told again",
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        },
    },
}
REFUSALS: Final = {
    400: "The body is not JSON, or not UTF-8 text",
    401: "No token, or one that names nobody",
    403: "The caller's role is too low",
    404: "There is no such thing",
    409: "It conflicts with the state of things; `code` says how",
    412: "It was changed meanwhile: another version was expected",
    413: "The body is too large",
    422: "Fields are wrong; `errors` names each",
    429: "Too many requests at a time",
    500: "Something went wrong on our side",
    503: "Busy, or being made: come again after Retry-After seconds",
}
AUTH: Final = """The ID token of the stack's Cognito user pool. The highest of the groups `viewer`, `operator` and
`admin` in its `cognito:groups` is the role; `x-role` says which one a route needs, and each may do what those before
it may."""
BEARER: Final = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": AUTH}
PDFS: Final = ("/pdf", "/print-batch")
CREATING: Final = frozenset({  # routes that make something new although nobody may choose its id
    ("PUT", "/v1/customer-classes/<class_id>"), ("PUT", "/v1/templates/<name>"),
    ("POST", "/v1/customers/<customer_id>/promises"),
})  # fmt: skip
DELETES_ANSWERING: Final = frozenset({"/v1/templates/<name>"})
_PARAMETER: Final = re.compile(r"<(\w+)>")


@endpoint(router, "GET", "/v1/openapi.json")
def openapi(call: Call[Any]) -> Answer:
    """This document."""
    return Answer(200, document())


@cache
def document() -> dict[str, Any]:
    """OpenAPI 3.1; everything in it comes from the code that answers."""
    schemas: dict[str, Any] = {"Problem": PROBLEM}
    paths: dict[str, Any] = {}
    for made in ENDPOINTS:
        paths.setdefault(made.shown, {})[made.method.lower()] = _operation(made, schemas)
    paths["/webhooks/gateway"] = {"post": GATEWAY_WEBHOOK}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Paidup admin API", "version": VERSION},
        "security": [{"bearer": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "responses": _problems(),
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"bearer": BEARER},
        },
    }


def _operation(made: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": made.handler.__name__,
        "summary": made.summary,
        "tags": [made.path.split("/")[2]],
        "responses": _responses(made, schemas),
    }
    if parameters := _parameters(made):
        operation["parameters"] = parameters
    if made.public:
        operation["security"] = []
    else:
        operation["x-role"] = needed_role(made.method, made.path)
    if made.takes != JSON_TYPE:
        operation["requestBody"] = {"required": True, "content": {made.takes: {"schema": {"type": "string"}}}}
    elif made.method in ("POST", "PUT", "PATCH") and made.body is not Empty:
        operation["requestBody"] = {"content": _content(made, schemas)}
    return operation


def _content(made: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    """A merge patch may leave out anything, so its schema is only named; what it makes is held against the model."""
    from functions.admin_api.examples import EXAMPLES

    name, given = _named(made.body, schemas), EXAMPLES.get(f"{made.method} {made.shown}")
    example = {"example": given} if given is not None else {}
    if not made.merges:
        return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}, **example}}
    schema = {"type": "object", "description": f"A JSON merge patch (RFC 7396) of {name}"}
    return {kind: {"schema": schema, **example} for kind in ("application/merge-patch+json", "application/json")}


def _named(body: type[Body], schemas: dict[str, Any]) -> str:
    """The name of a body's schema, put with all it refers to among the components."""
    put_among(schemas, body.__name__, body.model_json_schema(ref_template=REFERENCE))
    return body.__name__


def _parameters(made: Endpoint) -> list[dict[str, Any]]:
    text = {"type": "string"}
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": text} for name in _PARAMETER.findall(made.path)
    ]
    found += [{"name": name, "in": "query", "schema": _filter_schema(name)} for name in made.filters]
    if made.method in ("PUT", "PATCH"):
        found.append({"name": "If-Match", "in": "header", "schema": text})
    if made.method == "POST":
        found.append({"name": "Idempotency-Key", "in": "header", "schema": text})
    return found


def _filter_schema(name: str) -> dict[str, Any]:
    if name == "limit":
        return {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}
    if name in ("days", "periods"):
        return {"type": "integer", "minimum": 1}
    if name == "as_of":
        return {"type": "string", "format": "date"}
    return {"type": "boolean"} if name in ("flagged", "dry_run", "items", "planned") else {"type": "string"}


def _responses(made: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    """What a route answers when all is well, and every way to refuse it."""
    from functions.admin_api.answers import answer_schema  # 40 ms that only this document is worth

    refused = {str(status): {"$ref": f"#/components/responses/{status}"} for status in _refusals(made)}
    if made.method == "DELETE":
        refused["204"] = {"description": made.summary}
    if made.method == "DELETE" and made.path not in DELETES_ANSWERING:
        return refused
    kinds = ("application/pdf",) if made.path.endswith(PDFS) else (made.gives, CSV_TYPE)[: 1 + made.csv]
    shapes = {kind: answer_schema(made, schemas) if kind == JSON_TYPE else {"type": "string"} for kind in kinds}
    done = {"description": made.summary, "content": {kind: {"schema": shape} for kind, shape in shapes.items()}}
    created = {"201": done} if made.creates or (made.method, made.path) in CREATING else {}
    return {"200": done, **created, **refused}


def _refusals(made: Endpoint) -> list[int]:
    found = {429, 500, 503}
    if not made.public:
        found |= {401, 403}
    if "<" in made.path or made.path.endswith(PDFS):
        found.add(404)
    found.add(422)  # a query parameter that is not known, wherever it is sent
    if made.method in ("POST", "PUT", "PATCH"):
        found |= {400, 413}
    if made.csv:
        found |= {404, 413} if "customer_id" in made.filters else {413}
    if made.method != "GET":
        found.add(409)
    if made.method in ("PUT", "PATCH", "DELETE"):
        found.add(412)
    return sorted(found)


def _problems() -> dict[str, Any]:
    """Every refusal by its status."""
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {str(status): {"description": text, "content": content} for status, text in REFUSALS.items()}

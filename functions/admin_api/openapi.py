"""The OpenAPI document of this API, made from its routes and the models of its bodies."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from functions.admin_api.access import needed_role
from functions.admin_api.calls import CSV_TYPE, JSON_TYPE, Answer, Call
from functions.admin_api.health import VERSION
from functions.admin_api.routing import ENDPOINTS, Endpoint, endpoint, new_router
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
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _operation(made: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": made.handler.__name__,
        "summary": made.summary,
        "tags": [made.path.split("/")[2]],
        "responses": _responses(made),
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
    name = _named(made.body, schemas)
    if not made.merges:
        return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}
    schema = {"type": "object", "description": f"A JSON merge patch (RFC 7396) of {name}"}
    return {"application/merge-patch+json": {"schema": schema}, "application/json": {"schema": schema}}


def _named(body: type[Body], schemas: dict[str, Any]) -> str:
    """The name of a body's schema, put with all it refers to among the components."""
    made = body.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(made.pop("$defs", {}))
    schemas[body.__name__] = made
    return body.__name__


def _parameters(made: Endpoint) -> list[dict[str, Any]]:
    text = {"type": "string"}
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": text} for name in _PARAMETER.findall(made.path)
    ]
    found += [{"name": name, "in": "query", "schema": _filter_schema(name)} for name in made.filters]
    if made.method in ("PUT", "PATCH"):
        found.append({"name": "If-Match", "in": "header", "schema": text})
    if made.method == "POST" and not made.secret:
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


def _responses(made: Endpoint) -> dict[str, Any]:
    problem = {
        "description": "What is wrong, as RFC 9457 says it",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if made.method == "DELETE":
        return {"204": {"description": "Done"}, "default": problem}
    kinds = ("application/pdf",) if made.path.endswith("/pdf") else (made.gives, CSV_TYPE)[: 1 + made.csv]
    content = {kind: {"schema": {"type": "object" if kind == JSON_TYPE else "string"}} for kind in kinds}
    done = {"description": made.summary, "content": content}
    return {"201": done, "200": done, "default": problem} if made.creates else {"200": done, "default": problem}

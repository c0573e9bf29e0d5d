"""Hear what the payment gateway tells: POST /webhooks/gateway, open to the world and believed by its signature only."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from shared.bootstrap import ports
from shared.observability import observed, report
from shared.ports import Conflict, Forged, Unavailable
from shared.use_cases.hear_gateway import hear_gateway

BODY_BYTES_MAX: Final = 1024 * 1024
RETRY_AFTER_SECONDS: Final = 30
SIGNATURE: Final = "stripe-signature"


class TooLarge(Exception):
    """No event is as large as this."""


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    try:
        heard = hear_gateway(_raw_body(event), _header(event, SIGNATURE), ports())
    except Forged as forged:
        report("webhook_forged", reason=forged)
        return _problem(400, str(forged))
    except TooLarge:
        return _problem(413, f"a body has at most {BODY_BYTES_MAX} bytes")
    except (Unavailable, Conflict):
        report("webhook_left_for_later")
        return _problem(503, "not now: tell it again", {"Retry-After": str(RETRY_AFTER_SECONDS)})
    report(f"webhook_{heard}")
    return _answer(200, "application/json", {"received": True, "outcome": heard})


def _raw_body(event: Mapping[str, Any]) -> bytes:
    """The very bytes that were sent, since these were signed. API Gateway brings them as text, or as base64."""
    text = event.get("body") or ""
    if len(text) > BODY_BYTES_MAX * 4 // 3 + 4:
        raise TooLarge
    try:
        body = base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
    except (binascii.Error, UnicodeError):
        raise Forged("the message cannot be read") from None
    if len(body) > BODY_BYTES_MAX:
        raise TooLarge
    return body


def _header(event: Mapping[str, Any], name: str) -> str:
    headers = event.get("headers") or {}
    return next((str(value) for given, value in headers.items() if given.lower() == name), "")


def _problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    shown = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return _answer(status, "application/problem+json", shown, headers)


def _answer(
    status: int, content_type: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    common = {"Content-Type": content_type, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return {"statusCode": status, "headers": common | dict(headers or {}), "body": json.dumps(body)}

"""Webhook endpoints and their deliveries, read and shown. API.md "Resources", PRODUCT 9."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, WithJsonSchema

from shared.contracts.api_fields import NAME_CHARS_MAX, Body, id_of, name, rfc3339
from shared.domain.webhook import WebhookDelivery, WebhookEndpoint, WebhookSecret

URL_CHARS_MAX: Final = 2_000
EVENTS_MAX: Final = 50
GRACE_HOURS_MAX: Final = 168
_URL: Final = re.compile(r"[!-~]+")  # printable ASCII without spaces
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\]")


def url(value: object) -> str:
    """An absolute http(s) URL without credentials or fragment; which of them may be called, the sender knows."""
    if not isinstance(value, str):
        raise ValueError("must be a string")
    if len(value) > URL_CHARS_MAX:
        raise ValueError(f"must have at most {URL_CHARS_MAX} characters")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("must be a URL such as 'https://example.com/hooks'") from None
    host, colon, _ = parts.netloc.partition("]")
    host = host + colon if colon else parts.netloc.partition(":")[0]
    if not _URL.fullmatch(value) or parts.scheme not in ("http", "https") or "\\" in value:
        raise ValueError("must be a URL such as 'https://example.com/hooks'")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password: deliveries are signed instead")
    if not parts.hostname or not _HOST.fullmatch(host) or port == 0:
        raise ValueError("must name a host, as in 'https://example.com/hooks'")
    if "#" in value:
        raise ValueError("must not have a fragment ('#')")
    return value


Url = Annotated[str, BeforeValidator(url), WithJsonSchema({"type": "string", "format": "uri"})]
EventType = Annotated[
    str, BeforeValidator(name), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": NAME_CHARS_MAX})
]
EndpointId = Annotated[
    str, BeforeValidator(id_of("whk_")), WithJsonSchema({"type": "string", "pattern": "^whk_[A-Za-z0-9_-]+$"})
]


class WebhookEndpointBody(Body):
    id: EndpointId | None = None
    url: Url
    events: Annotated[list[EventType], Field(min_length=1, max_length=EVENTS_MAX)]


class RotateSecretBody(Body):
    grace_hours: Annotated[int, Field(ge=0, le=GRACE_HOURS_MAX)] = 24


def endpoint_json(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Without the secrets, which are shown when they are made and never again."""
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "events": list(endpoint.events),
        "secrets": [
            {"created_at": rfc3339(s.created_at), "expires_at": rfc3339(s.expires_at)} for s in endpoint.secrets
        ],
        "created_at": rfc3339(endpoint.created_at),
        "disabled_at": rfc3339(endpoint.disabled_at),
        "disabled_because": endpoint.disabled_because,
        "version": endpoint.version,
    }


def _dates_of(secret: WebhookSecret) -> dict[str, str | None]:
    return {"created_at": rfc3339(secret.created_at), "expires_at": rfc3339(secret.expires_at)}


def newest_secret(endpoint: WebhookEndpoint) -> dict[str, str]:
    return {"secret": endpoint.secrets[0].secret}


def delivery_json(delivery: WebhookDelivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "endpoint_id": delivery.endpoint_id,
        "event_id": delivery.event_id,
        "event_type": delivery.event_type,
        "outcome": delivery.outcome,
        "attempts": delivery.attempts,
        "last_at": rfc3339(delivery.last_at),
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "next_at": rfc3339(delivery.next_at),
        "created_at": rfc3339(delivery.created_at),
        "settled_at": rfc3339(delivery.settled_at),
        "version": delivery.version,
    }

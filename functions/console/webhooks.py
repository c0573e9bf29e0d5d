"""Webhook endpoints: where other systems hear of events, their secrets, and what became of each delivery. PRODUCT 9."""

from __future__ import annotations

from typing import Any, Final

from functions.console.api import Api
from functions.console.forms import typed, whole
from functions.console.rendering import Answer
from functions.console.requests import ConsoleRequest
from functions.console.views import view
from shared.bootstrap import ports
from shared.contracts.api_webhooks import delivery_json
from shared.domain.webhook import ALL_EVENTS, WebhookDelivery
from shared.ports import WEBHOOK_DELIVERIES
from shared.use_cases.lookups import settings_of
from shared.use_cases.webhook_endpoints import known_events

DELIVERIES_SHOWN: Final = 50
MANAGE: Final = ("POST", "/v1/webhook-endpoints")
REDELIVER: Final = ("POST", "/v1/webhook-endpoints/<endpoint_id>/deliveries/<delivery_id>/redeliver")


def show_list(request: ConsoleRequest, api: Api) -> Answer:
    return view(
        request, api, "webhooks", "/settings", endpoints=api.items("/v1/webhook-endpoints", limit=200),
        events=known_events(settings_of(ports())), every=ALL_EVENTS, given=typed(request.fields),
        chosen=request.fields.all("events"), may=api.may(*MANAGE),
    )  # fmt: skip


def create(request: ConsoleRequest, api: Api) -> Answer:
    """Make it, and show its secret this once."""
    body = {"url": request.fields.one("url"), "events": request.fields.all("events")}
    return _secret(request, api, api.send("POST", "/v1/webhook-endpoints", body))


def rotate(request: ConsoleRequest, api: Api) -> Answer:
    body = {"grace_hours": whole(request.fields.one("grace_hours"))}
    return _secret(request, api, api.send("POST", f"/v1/webhook-endpoints/{request.id()}/rotate", body))


def _secret(request: ConsoleRequest, api: Api, endpoint: dict[str, Any]) -> Answer:
    return view(request, api, "webhook_secret", "/settings", endpoint=endpoint)


def show(request: ConsoleRequest, api: Api) -> Answer:
    """One endpoint with its latest deliveries."""
    store = ports().store
    endpoint = api.get(f"/v1/webhook-endpoints/{request.id()}")
    found = store.find(WEBHOOK_DELIVERIES, request.id(), limit=DELIVERIES_SHOWN, reverse=True).items
    deliveries = [delivery_json(d) for d in store.get_many(WebhookDelivery, [e.key for e in found])]
    return view(
        request, api, "webhook", "/settings", endpoint=endpoint, deliveries=deliveries, may=api.may(*MANAGE),
        may_redeliver=api.may(*REDELIVER), given=typed(request.fields), most=DELIVERIES_SHOWN,
    )  # fmt: skip

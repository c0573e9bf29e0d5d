"""Webhook endpoints: where other systems hear of events, and what became of each delivery."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, get_args

from functions.admin_api.calls import Answer, Call, one_of
from functions.admin_api.listing import PAGING, Source, indexed, page_of, pairs, stored
from functions.admin_api.once import forget_creation
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_webhooks import (
    RotateSecretBody,
    WebhookEndpointBody,
    delivery_json,
    endpoint_json,
    newest_secret,
)
from shared.domain.webhook import Outcome, WebhookDelivery, WebhookEndpoint
from shared.ports import PAGE_LIMIT, WEBHOOK_DELIVERIES, Entry, Page
from shared.use_cases.webhook_deliveries import redeliver
from shared.use_cases.webhook_endpoints import (
    create_endpoint,
    delete_endpoint,
    enable_endpoint,
    endpoint_of,
    endpoints_of,
    rotate_secret,
)

router = new_router()


@endpoint(router, "GET", "/v1/webhook-endpoints", filters=PAGING)
def list_webhook_endpoints(call: Call[Any]) -> Answer:
    """All webhook endpoints, by id."""
    found: Source[WebhookEndpoint] = Source(lambda after, most: Page(endpoints_of(call.ports)), lambda e: e.id)
    return page_of(call, [found], pairs, lambda items: [endpoint_json(e) for e in items])


@endpoint(router, "POST", "/v1/webhook-endpoints", body=WebhookEndpointBody, creates="whk_")
def post_webhook_endpoint(call: Call[WebhookEndpointBody]) -> Answer:
    """Have events told to a URL; the secret they are signed with is in this answer and in no other."""
    made = create_endpoint(call.ports.ids.new("whk_"), call.body.url, call.body.events, call.ports)
    shown = newest_secret(made.entity) if made.fresh else {}
    return Answer(201 if made.fresh else 200, endpoint_json(made.entity), shown_once=shown)


@endpoint(router, "GET", "/v1/webhook-endpoints/<endpoint_id>")
def get_webhook_endpoint(call: Call[Any], endpoint_id: str) -> Answer:
    """One webhook endpoint."""
    return Answer(200, endpoint_json(endpoint_of(endpoint_id, call.ports)))


@endpoint(router, "DELETE", "/v1/webhook-endpoints/<endpoint_id>")
def delete_webhook_endpoint(call: Call[Any], endpoint_id: str) -> Answer:
    """Tell it no more events."""
    delete_endpoint(endpoint_id, call.ports)
    forget_creation(endpoint_id, call.ports)
    return Answer(204)


@endpoint(router, "POST", "/v1/webhook-endpoints/<endpoint_id>/rotate", body=RotateSecretBody)
def rotate_webhook_secret(call: Call[RotateSecretBody], endpoint_id: str) -> Answer:
    """Give it a new secret; deliveries are signed with the old one too for some hours."""
    rotated = rotate_secret(endpoint_id, timedelta(hours=call.body.grace_hours), call.ports)
    return Answer(200, endpoint_json(rotated), shown_once=newest_secret(rotated))


@endpoint(router, "POST", "/v1/webhook-endpoints/<endpoint_id>/enable")
def enable_webhook_endpoint(call: Call[Any], endpoint_id: str) -> Answer:
    """Deliver to it again after it was disabled."""
    return Answer(200, endpoint_json(enable_endpoint(endpoint_id, call.ports)))


DELIVERY_FILTERS = {**PAGING, "outcome": one_of(*get_args(Outcome))}


@endpoint(router, "GET", "/v1/webhook-endpoints/<endpoint_id>/deliveries", filters=DELIVERY_FILTERS)
def list_webhook_deliveries(call: Call[Any], endpoint_id: str) -> Answer:
    """The events told to an endpoint, oldest first, with what became of each."""
    endpoint_of(endpoint_id, call.ports)
    wanted = call.query.get("outcome")

    def keep(found: Sequence[Entry]) -> list[tuple[Entry, WebhookDelivery]]:
        return [(e, d) for e, d in stored(call.ports, WebhookDelivery, found) if wanted in (None, d.outcome)]

    return page_of(
        call,
        indexed(call.ports, WEBHOOK_DELIVERIES, endpoint_id),
        keep,
        lambda found: [delivery_json(d) for d in found],
        ahead=PAGE_LIMIT if wanted else 0,
    )


@endpoint(router, "POST", "/v1/webhook-endpoints/<endpoint_id>/deliveries/<delivery_id>/redeliver")
def redeliver_event(call: Call[Any], endpoint_id: str, delivery_id: str) -> Answer:
    """Tell an event again, whatever became of it."""
    return Answer(200, delivery_json(redeliver(endpoint_id, delivery_id, call.ports)))

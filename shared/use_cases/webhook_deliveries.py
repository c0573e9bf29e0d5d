"""Delivering events to webhook endpoints: at least once, with patience, and never for ever. PRODUCT 9.

A delivery is stored in the transaction that takes its event out of the outbox, so there is exactly one for each event
and endpoint. The queue's worker makes one attempt at a time and writes down what came of it; one that dies in between
has its message delivered again, and the receiver sees the same event id twice. The sweep takes up what has to wait for
longer than a message can, and what lost its message.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Literal

from shared import ports as p
from shared.contracts.messages import DeliverWebhook
from shared.domain.copies import replace
from shared.domain.errors import NotFound, Refused
from shared.domain.ids import derive_id
from shared.domain.outbox import OutboxEvent
from shared.domain.task import Task
from shared.domain.webhook import (
    GIVEN_UP_IN_A_ROW_MAX,
    GONE,
    WebhookDelivery,
    WebhookEndpoint,
    delivery_id,
)
from shared.ports import Change, Conflict, Ports, Save, Unavailable, WebhookMessage
from shared.use_cases.lookups import CONFLICT_RETRIES, shards
from shared.use_cases.webhook_endpoints import ALL, endpoint_of, endpoints_of

MESSAGE_DELAY_MAX = timedelta(seconds=900)  # what has to wait for longer is left to the sweep
LEFT_BEHIND = timedelta(minutes=5)  # a delivery overdue for longer has lost its message

Delivering = Literal["delivered", "retried", "failed", "cancelled", "waiting", "done"]


# ---- from the outbox ------------------------------------------------------------------------------------------


def deliveries_called_for(event: OutboxEvent, ports: Ports) -> list[WebhookDelivery]:
    """One for each endpoint that hears such events and has none of this one yet."""
    hearing = [e for e in endpoints_of(ports) if e.hears(event.detail_type)]
    if not hearing:
        return []
    keys = [(delivery_id(event.id, e.id), "") for e in hearing]
    there = {d.endpoint_id for d in ports.store.get_many(WebhookDelivery, keys)}
    body, now = body_of(event), ports.clock.now()
    return [
        WebhookDelivery(delivery_id(event.id, e.id), e.id, event.id, event.detail_type, body, now, now)
        for e in hearing
        if e.id not in there
    ]


def body_of(event: OutboxEvent) -> str:
    """What receivers read."""
    at = event.created_at.isoformat(timespec="seconds").replace("+00:00", "Z")
    told = {"id": event.id, "type": event.detail_type, "created_at": at, "data": event.detail}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def hint_deliveries(ports: Ports, *ids: str, wait: timedelta = timedelta(0)) -> None:
    """Ask the worker to deliver these, after a wait; the sweep finds those whose message was lost."""
    if ids and wait <= MESSAGE_DELAY_MAX:
        bodies = [DeliverWebhook(delivery_id=i).body() for i in ids]
        ports.queue.send("webhook", bodies, delay_seconds=int(wait.total_seconds()))


# ---- one attempt ----------------------------------------------------------------------------------------------


def deliver_webhook(id: str, ports: Ports) -> Delivering:
    """Make one attempt if it is time for one; what came of it."""
    delivery = ports.store.get(WebhookDelivery, id)
    if delivery is None or delivery.outcome != "pending":
        return "done"
    if delivery.next_at is not None and ports.clock.now() < delivery.next_at:
        return "waiting"  # a reminder from the sweep; another will come in time
    endpoint = ports.store.get(WebhookEndpoint, ALL, delivery.endpoint_id)
    if endpoint is None or endpoint.disabled_at is not None:
        return _cancelled(delivery, "deleted" if endpoint is None else "disabled", ports)
    answer = ports.webhooks.send(_message(delivery, endpoint, ports))
    problem = answer.problem if answer.status is None else None
    after = delivery.attempted(ports.clock.now(), answer.status, problem)
    if not _written(after, ports):
        return "done"  # another worker was at it too, and what it heard counts
    if after.outcome == "pending":
        hint_deliveries(ports, after.id, wait=(after.next_at or ports.clock.now()) - ports.clock.now())
        return "retried"
    return "delivered" if after.outcome == "delivered" else "failed"


def _message(delivery: WebhookDelivery, endpoint: WebhookEndpoint, ports: Ports) -> WebhookMessage:
    now = ports.clock.now()
    return WebhookMessage(endpoint.url, delivery.event_id, delivery.body.encode(), endpoint.signing(now), now)


def _cancelled(delivery: WebhookDelivery, because: str, ports: Ports) -> Delivering:
    ended = replace(delivery, last_error=f"the endpoint is {because}").settled("cancelled", ports.clock.now())
    try:
        ports.store.commit(Save(ended))
    except Conflict:
        return "done"
    return "cancelled"


def _written(after: WebhookDelivery, ports: Ports) -> bool:
    """Write down an attempt, with what it means for the endpoint; False if the delivery has changed meanwhile."""
    for _ in range(CONFLICT_RETRIES):
        endpoint = ports.store.get(WebhookEndpoint, ALL, after.endpoint_id)
        try:
            ports.store.commit(Save(after), *(_of_endpoint(after, endpoint, ports) if endpoint else ()))
        except Conflict as conflict:
            if 0 in conflict.failed:
                return False
            continue  # the endpoint was changed: look at it again
        return True
    raise Unavailable(f"the endpoint of webhook delivery {after.id} kept changing")


def _of_endpoint(after: WebhookDelivery, endpoint: WebhookEndpoint, ports: Ports) -> list[Change]:
    """A success clears it; one given up too many in a row, or its own word that it is gone, disables it."""
    if after.outcome == "delivered":
        return [Save(replace(endpoint, given_up=0))] if endpoint.given_up else []
    if after.outcome != "failed" or endpoint.disabled_at is not None:
        return []
    failing = replace(endpoint, given_up=endpoint.given_up + 1)
    if after.last_status == GONE:
        return _disabled(failing, "it answered 410 Gone", ports)
    if failing.given_up >= GIVEN_UP_IN_A_ROW_MAX:
        return _disabled(failing, f"{GIVEN_UP_IN_A_ROW_MAX} deliveries in a row were given up", ports)
    return [Save(failing)]


def _disabled(endpoint: WebhookEndpoint, because: str, ports: Ports) -> list[Change]:
    """A person is told: events pass it by from now on."""
    now = ports.clock.now()
    reason = f"webhook endpoint {endpoint.id} is disabled: {because}; mend it and enable it, or delete it"
    task = Task(derive_id("tsk_", "webhook_disabled", endpoint.id, now), "webhook_disabled", reason, endpoint.id, now)
    return [Save(endpoint.disabled(now, because)), Save(task)]


# ---- the sweep, and by hand -----------------------------------------------------------------------------------


def sweep_deliveries(ports: Ports) -> int:
    """Ask for what should have been delivered by now; how many that was."""
    limit = (ports.clock.now() - LEFT_BEHIND).strftime("%Y-%m-%dT%H:%M:%S.%fZ~")
    hinted = 0
    for shard in shards():
        page = ports.store.find(p.WEBHOOK_DELIVERIES_DUE, shard, last=limit)
        hint_deliveries(ports, *(e.partition for e in page.items))
        hinted += len(page.items)
    return hinted


def redeliver(endpoint_id: str, id: str, ports: Ports) -> WebhookDelivery:
    """Deliver an event to its endpoint again, whatever came of it before, or at once if it waits."""
    for _ in range(CONFLICT_RETRIES):
        endpoint = endpoint_of(endpoint_id, ports)
        if endpoint.disabled_at is not None:
            raise Refused("disabled", f"webhook endpoint {endpoint_id} is disabled; enable it first")
        delivery = ports.store.get(WebhookDelivery, id)
        if delivery is None or delivery.endpoint_id != endpoint_id:
            raise NotFound("webhook delivery", id)
        again = delivery.asked_again(ports.clock.now())
        try:
            ports.store.commit(Save(again))
        except Conflict:
            continue
        hint_deliveries(ports, id)
        return replace(again, version=delivery.version + 1)
    raise Unavailable(f"webhook delivery {id} kept changing")

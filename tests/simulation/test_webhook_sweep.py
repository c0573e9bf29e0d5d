"""Publishing an event to the bus and to endpoints, with every way that every call can go wrong, on the way.

The queue delivers the message again, the sweeps come by, and the same is left behind as without the fault: one delivery
for each event and endpoint, every one of them heard at least once, always under the same id.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.contracts.messages import DeliverWebhook, PublishEvent
from shared.domain.outbox import OutboxEvent
from shared.domain.task import Task
from shared.domain.webhook import GIVEN_UP_IN_A_ROW_MAX, WebhookDelivery, WebhookEndpoint, delivery_id
from shared.ports import WebhookAnswer
from shared.use_cases import outbox, webhook_deliveries
from shared.use_cases.outbox import sweep_events
from shared.use_cases.webhook_deliveries import sweep_deliveries
from shared.use_cases.webhook_endpoints import create_endpoint
from tests.integration.stage import Stage
from tests.simulation import stage_sweep
from tests.simulation.stage_sweep import unprepared

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
URLS = {"whk_crm": "https://crm.example/", "whk_erp": "https://erp.example/"}
CALM_TICKS = 4
HEARD = WebhookAnswer(200)


def world_of(answer=HEARD):
    stage = Stage(NOW)
    for id, url in URLS.items():
        create_endpoint(id, url, ("*",), stage.ports)
    stage.webhooks.behave(URLS["whk_erp"], answer, WebhookAnswer(200))
    stage.save(OutboxEvent("evt_1", "customer.limited", NOW, {"id": "evt_1", "customer_id": "cus_a"}))
    return stage


def publish(stage):
    stage.work("assess", PublishEvent(event_id="evt_1").body())


def stored(stage):
    """The deliveries are stored, and their messages lost."""
    publish(stage)
    stage.queue.waiting.clear()


def deliver(stage):
    for id in sorted(URLS):
        stage.work("webhook", DeliverWebhook(delivery_id=delivery_id("evt_1", id)).body())


def calm(stage):
    for _ in range(CALM_TICKS):
        stage.deliver()
        stage.advance(minutes=15)
        sweep_events(stage.ports)
        sweep_deliveries(stage.ports)


def state_of(stage):
    heard = {(m.url, m.event_id, m.body) for m in stage.webhooks.sent}
    return {
        "deliveries": sorted((d.endpoint_id, d.event_id, d.outcome) for d in stage.every(WebhookDelivery)),
        "heard": sorted(heard),
        "published": sorted({str(e.detail["id"]) for e in stage.ports.bus.events}),
        "left in the outbox": len(stage.every(OutboxEvent)),
        "endpoints": sorted((e.id, e.given_up, e.disabled_at is None) for e in stage.every(WebhookEndpoint)),
        "tasks": [t.kind for t in stage.every(Task)],
    }


def swept(work, prepare=unprepared, answer=HEARD):
    def made():
        stage = world_of(answer)
        prepare(stage)
        return stage

    return stage_sweep.swept(made, work, calm, state_of)


def test_an_event_reaches_the_bus_and_every_endpoint_whatever_goes_wrong():
    expected, wrong = swept(publish)
    assert wrong == []
    assert expected["deliveries"] == [(id, "evt_1", "delivered") for id in sorted(URLS)]
    assert (expected["published"], expected["left in the outbox"]) == (["evt_1"], 0)


@pytest.mark.parametrize("answer", [WebhookAnswer(200), WebhookAnswer(500), WebhookAnswer(None, "timed out")])
def test_a_delivery_is_heard_whatever_goes_wrong(answer):
    expected, wrong = swept(deliver, stored, answer)
    assert wrong == []
    assert {outcome for *_, outcome in expected["deliveries"]} == {"delivered"}


def nearly(stage):
    """One more delivery given up disables the endpoint, and this is its last attempt."""
    stored(stage)
    for endpoint in stage.every(WebhookEndpoint):
        stage.save(webhook_deliveries.replace(endpoint, given_up=GIVEN_UP_IN_A_ROW_MAX - 1))
    for one in stage.every(WebhookDelivery):
        stage.save(webhook_deliveries.replace(one, tried=100))
    stage.webhooks.behave(URLS["whk_erp"], WebhookAnswer(500))


def test_an_endpoint_is_disabled_and_a_person_told_once_whatever_goes_wrong():
    expected, wrong = swept(deliver, nearly)
    wrong = [w for w in wrong if "webhooks.send" not in w]  # an attempt that is lost is an attempt: both give up
    assert wrong == []
    assert expected["endpoints"] == [("whk_crm", 0, True), ("whk_erp", GIVEN_UP_IN_A_ROW_MAX, False)]
    assert expected["tasks"] == ["webhook_disabled"]


# ---- the sweep is swept: bugs that it must find ---------------------------------------------------------------


def removed_before_its_deliveries_are_stored(patch):
    commit_of = outbox.Save

    def publish_event(event_id, ports):
        event = ports.store.get(OutboxEvent, event_id)
        if event is None:
            return False
        ports.bus.publish(event.detail_type, event.detail)
        deliveries = outbox.deliveries_called_for(event, ports)
        ports.store.commit(outbox.Remove(event))
        ports.store.commit(*map(commit_of, deliveries))
        outbox.hint_deliveries(ports, *(d.id for d in deliveries))
        return True

    patch.setattr("functions.past_due.assess.publish_event", publish_event)


def settled_before_it_is_sent(patch):
    deliver_it = webhook_deliveries.deliver_webhook

    def deliver_webhook(id, ports):
        delivery = ports.store.get(WebhookDelivery, id)
        if delivery is not None and delivery.outcome == "pending":
            ports.store.commit(webhook_deliveries.Save(delivery.settled("delivered", ports.clock.now())))
            endpoint = ports.store.get(WebhookEndpoint, "webhooks", delivery.endpoint_id)
            ports.webhooks.send(webhook_deliveries._message(delivery, endpoint, ports))
            return "delivered"
        return deliver_it(id, ports)

    patch.setattr("functions.webhooks.deliver.deliver_webhook", deliver_webhook)


@pytest.mark.parametrize(
    ("bug", "work", "prepare"),
    [
        (removed_before_its_deliveries_are_stored, publish, unprepared),
        (settled_before_it_is_sent, deliver, stored),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_sweep_finds_a_planted_bug(bug, work, prepare, monkeypatch):
    bug(monkeypatch)
    assert swept(work, prepare)[1]

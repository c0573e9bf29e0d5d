"""Events on their way to webhook endpoints: one delivery each, patience, giving up, and what disables an endpoint."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.contracts.messages import DeliverWebhook, PublishEvent
from shared.domain.customer import Customer
from shared.domain.errors import NotFound, Refused
from shared.domain.late_fees import Fee
from shared.domain.outbox import OutboxEvent
from shared.domain.payment import ChargeOutcome
from shared.domain.settings import Settings
from shared.domain.task import Task
from shared.domain.webhook import ATTEMPTS_MAX, GIVEN_UP_IN_A_ROW_MAX, WebhookDelivery, WebhookEndpoint, delivery_id
from shared.ports import Unavailable, WebhookAnswer
from shared.use_cases.adjust_invoice import adjust_invoice
from shared.use_cases.charge_invoice import charge_by_hand, charge_invoice
from shared.use_cases.hear_gateway import hear_gateway
from shared.use_cases.late_fees import fees_posted, post_fees
from shared.use_cases.outbox import sweep_events
from shared.use_cases.post_invoices import post_invoice
from shared.use_cases.record_payment import ManualPayment, record_payment
from shared.use_cases.refund_payment import refund_payment
from shared.use_cases.settle_payment import settle
from shared.use_cases.void_invoice import void_invoice
from shared.use_cases.webhook_deliveries import deliver_webhook, redeliver, sweep_deliveries
from shared.use_cases.webhook_endpoints import create_endpoint, delete_endpoint, enable_endpoint, rotate_secret
from tests.integration.stage import Behind, Stage

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "https://erp.example/hooks"
OTHER = "https://crm.example/hooks"
OK, FAILS, GONE = WebhookAnswer(200), WebhookAnswer(500), WebhookAnswer(410)
QUARTER = timedelta(minutes=15)


@pytest.fixture
def stage():
    return Stage(NOW)


def endpoint(stage, url=URL, *events, id="whk_erp"):
    return create_endpoint(id, url, events or ("*",), stage.ports).entity


def event(stage, id="evt_1", detail_type="customer.suspended", **detail):
    """An event in the outbox, with its message on the way."""
    stage.save(OutboxEvent(id, detail_type, stage.clock.now(), {"id": id, "customer_id": "cus_a", **detail}))
    stage.queue.send("assess", [PublishEvent(event_id=id).body()])
    return delivery_id(id, "whk_erp")


def ticks(stage, *, hours):
    """Time goes by, with the sweep of every quarter of an hour."""
    for _ in range(hours * 4):
        until = stage.clock.now() + QUARTER
        while stage.clock.now() < until:
            due = min((m[0] for m in stage.queue.waiting if m[0] > stage.clock.now()), default=until)
            stage.clock.move_to(min(due, until))
            stage.deliver()
        sweep_deliveries(stage.ports)
        stage.deliver()


def sent_ids(stage, url=URL):
    return [m.event_id for m in stage.webhooks.sent if m.url == url]


# ---- fan-out --------------------------------------------------------------------------------------------------


def test_an_event_is_told_to_every_endpoint_that_hears_it(stage):
    endpoint(stage)
    endpoint(stage, OTHER, "customer.limited", id="whk_crm")
    event(stage, "evt_1", "customer.suspended", service="suspended")
    event(stage, "evt_2", "customer.limited")
    stage.deliver()
    assert sent_ids(stage) == ["evt_1", "evt_2"]
    assert sent_ids(stage, OTHER) == ["evt_2"]
    assert json.loads(stage.webhooks.sent[0].body) == {
        "id": "evt_1", "type": "customer.suspended", "created_at": "2026-03-01T12:00:00Z",
        "data": {"id": "evt_1", "customer_id": "cus_a", "service": "suspended"},
    }  # fmt: skip
    assert {d.outcome for d in stage.every(WebhookDelivery)} == {"delivered"}
    assert stage.every(OutboxEvent) == []
    assert len(stage.ports.bus.events) == 2


def test_without_an_endpoint_nothing_is_stored(stage):
    event(stage)
    stage.deliver()
    assert stage.every(WebhookDelivery) == []
    assert stage.webhooks.sent == []


def test_every_message_delivered_twice_tells_it_once(stage):
    endpoint(stage)
    event(stage)
    stage.deliver(twice=True)
    assert sent_ids(stage) == ["evt_1"]
    assert len(stage.every(WebhookDelivery)) == 1


def test_an_event_whose_deliveries_are_there_already_still_leaves_the_outbox(stage):
    endpoint(stage)
    event(stage)
    stage.deliver()
    event(stage)  # stored a second time under the same id
    stage.deliver()
    assert sent_ids(stage) == ["evt_1"]
    assert stage.every(OutboxEvent) == []


def test_an_endpoint_hears_nothing_from_before_it_was_made(stage):
    event(stage)
    stage.deliver()
    endpoint(stage)
    ticks(stage, hours=1)
    assert stage.webhooks.sent == []


# ---- patience -------------------------------------------------------------------------------------------------


def test_a_delivery_that_fails_is_tried_again_ever_later_with_the_same_id_and_bytes(stage):
    endpoint(stage)
    stage.webhooks.behave(URL, FAILS, WebhookAnswer(None, "timed out"), WebhookAnswer(302), OK)
    id = event(stage)
    stage.deliver()
    first = stage.get(WebhookDelivery, id)
    assert (first.outcome, first.attempts, first.last_status) == ("pending", 1, 500)
    assert first.next_at == NOW + timedelta(minutes=1)
    ticks(stage, hours=1)
    assert [m.at - NOW for m in stage.webhooks.sent] == [timedelta(minutes=m) for m in (0, 1, 3, 7)]
    assert sent_ids(stage) == ["evt_1"] * 4
    assert len({m.body for m in stage.webhooks.sent}) == 1
    settled = stage.get(WebhookDelivery, id)
    assert (settled.outcome, settled.attempts, settled.last_status, settled.last_error) == ("delivered", 4, 200, None)


def test_waits_longer_than_a_message_can_live_in_the_record(stage):
    endpoint(stage)
    stage.webhooks.behave(URL, FAILS)
    event(stage)
    ticks(stage, hours=4 * 24)
    at = [m.at for m in stage.webhooks.sent]
    assert len(at) == ATTEMPTS_MAX
    waits = [b - a for a, b in pairwise(at)]
    for n, wait in enumerate(waits):
        planned = min(timedelta(minutes=2**n), timedelta(hours=24))
        late = timedelta(minutes=20) if planned > QUARTER else timedelta(0)  # the sweep's patience and its rhythm
        assert planned <= wait <= planned + late
    assert all(queue != "webhook" for _, queue, _ in stage.queue.waiting)


def test_a_reminder_before_its_time_makes_no_attempt(stage):
    endpoint(stage)
    stage.webhooks.behave(URL, FAILS)
    id = event(stage)
    stage.deliver()
    assert deliver_webhook(id, stage.ports) == "waiting"
    assert len(stage.webhooks.sent) == 1


def test_the_sweep_finds_what_lost_its_message(stage):
    endpoint(stage)
    event(stage)
    stage.deliver("assess")
    stage.queue.waiting.clear()
    stage.advance(minutes=4)
    assert sweep_deliveries(stage.ports) == 0  # it may still be on its way
    stage.advance(minutes=2)
    assert sweep_deliveries(stage.ports) == 1
    stage.deliver()
    assert sent_ids(stage) == ["evt_1"]
    stage.advance(hours=1)
    assert sweep_deliveries(stage.ports) == 0


def test_the_sweep_goes_by_what_is_stored_and_not_by_what_the_index_says(stage):
    endpoint(stage)
    event(stage)
    stage.store = Behind(stage.store)
    stage.ports = replace(stage.ports, store=stage.store)
    stage.deliver("assess")
    stage.store.freeze()
    stage.deliver()
    stage.advance(hours=1)
    assert sweep_deliveries(stage.ports) == 1
    stage.deliver()
    assert sent_ids(stage) == ["evt_1"]


# ---- giving up ------------------------------------------------------------------------------------------------


def given_up(stage, id):
    """An event that is never taken, at its last attempt."""
    delivery = stage.get(WebhookDelivery, event(stage, id))
    assert delivery is None
    stage.deliver()
    ticks(stage, hours=4 * 24)
    return stage.get(WebhookDelivery, delivery_id(id, "whk_erp"))


def test_after_days_it_is_given_up_and_the_endpoint_goes_on(stage):
    endpoint(stage)
    stage.webhooks.behave(URL, FAILS)
    failed = given_up(stage, "evt_1")
    assert (failed.outcome, failed.attempts, failed.next_at) == ("failed", ATTEMPTS_MAX, None)
    assert stage.get(WebhookEndpoint, "webhooks", "whk_erp").given_up == 1
    stage.webhooks.behave(URL, OK)
    event(stage, "evt_2")
    stage.deliver()
    assert stage.get(WebhookEndpoint, "webhooks", "whk_erp").given_up == 0


@pytest.mark.parametrize("count", [GIVEN_UP_IN_A_ROW_MAX - 1, GIVEN_UP_IN_A_ROW_MAX])
def test_so_many_given_up_in_a_row_disable_the_endpoint_and_a_person_is_told(stage, count):
    endpoint(stage)
    stage.webhooks.behave(URL, FAILS)
    for n in range(count):
        event(stage, f"evt_{n}")
    ticks(stage, hours=4 * 24)
    disabled = stage.get(WebhookEndpoint, "webhooks", "whk_erp").disabled_at is not None
    assert disabled == (count == GIVEN_UP_IN_A_ROW_MAX)
    assert [(t.kind, t.subject_id) for t in stage.every(Task)] == [("webhook_disabled", "whk_erp")] * disabled


def test_an_endpoint_that_says_it_is_gone_is_disabled_at_once_and_what_waited_is_cancelled(stage):
    endpoint(stage)
    stage.webhooks.behave(URL, FAILS, GONE)
    waiting = event(stage, "evt_1")
    stage.deliver()
    gone = event(stage, "evt_2")
    stage.deliver()
    erp = stage.get(WebhookEndpoint, "webhooks", "whk_erp")
    assert (erp.disabled_at, erp.disabled_because) == (NOW, "it answered 410 Gone")
    assert stage.get(WebhookDelivery, gone).outcome == "failed"
    event(stage, "evt_3")
    ticks(stage, hours=1)
    assert stage.get(WebhookDelivery, waiting).outcome == "cancelled"
    assert sent_ids(stage) == ["evt_1", "evt_2"]
    assert [t.kind for t in stage.every(Task)] == ["webhook_disabled"]
    assert stage.get(WebhookDelivery, delivery_id("evt_3", "whk_erp")) is None


def test_a_disabled_endpoint_is_enabled_by_a_person_and_told_again_what_it_missed(stage):
    endpoint(stage)
    stage.webhooks.behave(URL, GONE, OK)
    id = event(stage)
    stage.deliver()
    with pytest.raises(Refused, match="enable it first"):
        redeliver("whk_erp", id, stage.ports)
    enable_endpoint("whk_erp", stage.ports)
    assert redeliver("whk_erp", id, stage.ports).outcome == "pending"
    stage.deliver()
    assert stage.get(WebhookDelivery, id).outcome == "delivered"
    assert sent_ids(stage) == ["evt_1", "evt_1"]


def test_a_deleted_endpoint_hears_nothing_any_more(stage):
    endpoint(stage)
    stage.webhooks.behave(URL, FAILS)
    id = event(stage)
    stage.deliver()
    delete_endpoint("whk_erp", stage.ports)
    ticks(stage, hours=1)
    assert len(stage.webhooks.sent) == 1
    assert (stage.get(WebhookDelivery, id).outcome, stage.get(WebhookDelivery, id).last_error) == (
        "cancelled", "the endpoint is deleted",
    )  # fmt: skip
    with pytest.raises(NotFound):
        redeliver("whk_erp", id, stage.ports)


def test_a_delivery_is_redelivered_only_to_its_own_endpoint(stage):
    endpoint(stage)
    endpoint(stage, OTHER, id="whk_crm")
    id = event(stage)
    stage.deliver()
    with pytest.raises(NotFound):
        redeliver("whk_crm", id, stage.ports)


# ---- two at a time --------------------------------------------------------------------------------------------


def meanwhile(stage, act):
    """Something else happens while the receiver is being spoken to."""
    send = stage.webhooks.send

    def slow(message):
        stage.webhooks.send = send
        act()
        return send(message)

    stage.webhooks.send = slow


def test_of_two_workers_at_the_same_delivery_one_writes_down_what_it_heard(stage):
    endpoint(stage)
    id = event(stage)
    stage.deliver("assess")
    meanwhile(stage, lambda: (deliver_webhook(id, stage.ports), stage.advance(seconds=1)))
    assert deliver_webhook(id, stage.ports) == "done"
    assert sent_ids(stage) == ["evt_1", "evt_1"]  # the receiver goes by the id
    assert (stage.get(WebhookDelivery, id).outcome, stage.get(WebhookDelivery, id).attempts) == ("delivered", 1)


def test_a_secret_rotated_while_a_delivery_is_under_way_is_kept(stage):
    endpoint(stage)
    stage.webhooks.behave(URL, GONE)
    id = event(stage)
    stage.deliver("assess")
    meanwhile(stage, lambda: rotate_secret("whk_erp", timedelta(hours=1), stage.ports))
    assert deliver_webhook(id, stage.ports) == "failed"
    erp = stage.get(WebhookEndpoint, "webhooks", "whk_erp")
    assert len(erp.secrets) == 2
    assert erp.disabled_at == NOW


def test_an_endpoint_deleted_while_a_delivery_is_under_way_stays_deleted(stage):
    endpoint(stage)
    stage.webhooks.behave(URL, GONE)
    id = event(stage)
    stage.deliver("assess")
    meanwhile(stage, lambda: delete_endpoint("whk_erp", stage.ports))
    assert deliver_webhook(id, stage.ports) == "failed"
    assert stage.get(WebhookEndpoint, "webhooks", "whk_erp") is None


def test_messages_are_signed_with_every_secret_that_holds(stage):
    endpoint(stage)
    stage.webhooks.behave(URL, FAILS, FAILS, OK)
    event(stage)
    stage.deliver()
    rotate_secret("whk_erp", timedelta(seconds=90), stage.ports)
    ticks(stage, hours=1)
    assert [m.secrets for m in stage.webhooks.sent] == [
        ("whsec_0001",), ("whsec_0002", "whsec_0001"), ("whsec_0002",),
    ]  # fmt: skip


# ---- whatever happens -----------------------------------------------------------------------------------------

ANSWERS = st.sampled_from([OK, FAILS, WebhookAnswer(None, "timed out"), WebhookAnswer(302), WebhookAnswer(404)])


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_event_is_heard_at_least_once_under_one_id_however_the_receiver_behaves(data):
    """Messages are lost, doubled and reordered; as long as the receiver recovers, nothing is missed."""
    stage = Stage(NOW)
    endpoint(stage)
    stage.webhooks.behave(URL, *data.draw(st.lists(ANSWERS, max_size=12)), OK)
    wanted = [f"evt_{n}" for n in range(data.draw(st.integers(1, 4)))]
    for id in wanted:
        event(stage, id)
    for _ in range(12):
        if data.draw(st.booleans()):
            stage.queue.waiting.clear()
        stage.deliver(twice=data.draw(st.booleans()), latest_first=data.draw(st.booleans()))
        stage.advance(minutes=data.draw(st.integers(1, 60)))
        sweep_events(stage.ports)
        sweep_deliveries(stage.ports)
    ticks(stage, hours=4 * 24)
    for _ in range(3):
        sweep_events(stage.ports)
        ticks(stage, hours=1)
    assert set(sent_ids(stage)) == set(wanted)
    found = stage.every(WebhookDelivery)
    assert sorted(d.event_id for d in found) == wanted
    assert {d.outcome for d in found} == {"delivered"}
    assert len({(m.event_id, m.body) for m in stage.webhooks.sent}) == len(wanted)


def test_a_bus_that_is_away_holds_back_the_webhooks_and_loses_none(stage):
    endpoint(stage)
    event(stage)
    publish = stage.ports.bus.publish

    def away(detail_type, detail):
        raise Unavailable("no")

    stage.ports.bus.publish = away
    with pytest.raises(Unavailable):
        stage.deliver()
    stage.ports.bus.publish = publish
    stage.advance(minutes=6)
    sweep_events(stage.ports)
    stage.deliver()
    assert sent_ids(stage) == ["evt_1"]


def test_a_message_for_a_delivery_that_is_forgotten_does_nothing(stage):
    stage.work("webhook", DeliverWebhook(delivery_id="whd_none").body())
    assert stage.webhooks.sent == []


# ---- invoices and payments ------------------------------------------------------------------------------------


def heard(stage):
    """The events that were heard, each once: type, and what it tells beside ids and instants."""
    bodies = {m.event_id: json.loads(m.body) for m in stage.webhooks.sent}
    found = [(b["type"], b["data"].get("total") or b["data"].get("amount")) for b in bodies.values()]
    assert sorted(found) == sorted((e.detail_type, e.detail.get("total", e.detail.get("amount"))) for e in bus(stage))
    return found


def bus(stage):
    return {e.detail["id"]: e for e in stage.ports.bus.events}.values()


def test_while_nobody_listens_no_event_of_money_is_stored(stage):
    endpoint(stage, URL, "customer.limited")
    stage.customer()
    stage.posted()
    record_payment(ManualPayment("pay_1", "cus_a", "USD", 100_00, "check"), stage.ports)
    stage.deliver()
    assert heard(stage) == []
    assert stage.every(OutboxEvent) == []


def test_invoices_and_payments_are_told_to_who_asks_for_them(stage):
    endpoint(stage, URL, "invoice.posted", "payment.succeeded", "payment.refunded")
    stage.customer()
    post_invoice(stage.draft(total=100_00), stage.ports)
    record_payment(ManualPayment("pay_1", "cus_a", "USD", 60_00, "check"), stage.ports)
    refund_payment("pay_1", 25_00, stage.ports, "ref_1")
    stage.deliver()
    assert heard(stage) == [("invoice.posted", "100.00"), ("payment.succeeded", "60.00"), ("payment.refunded", "25.00")]


def test_charges_are_told_when_they_are_settled_and_never_before(stage):
    endpoint(stage)
    stage.settings()
    stage.customer()
    stage.card("cus_a", "declined:insufficient_funds", "timeout_charged")
    invoice = stage.posted()
    attempt = charge_invoice(invoice, stage.ports).payment
    stage.deliver()
    assert heard(stage) == [("payment.failed", "100.00")]
    assert json.loads(stage.webhooks.sent[-1].body)["data"]["code"] == "insufficient_funds"
    assert attempt.status == "declined"
    unknown = charge_invoice(invoice, stage.ports).payment
    stage.deliver("webhook")
    assert (unknown.status, len(heard(stage))) == ("unknown", 1)
    settle(unknown, ChargeOutcome("succeeded", "ch_1"), stage.ports, asked=True)
    settle(unknown, ChargeOutcome("succeeded", "ch_1"), stage.ports, asked=True)
    stage.deliver()
    assert heard(stage) == [("payment.failed", "100.00"), ("payment.succeeded", "100.00")]


def test_memos_fees_and_voids_are_told_too(stage):
    endpoint(stage, URL, "invoice.posted", "invoice.voided")
    stage.customer()
    first, second = stage.posted(total=100_00), stage.posted(total=30_00)
    adjust_invoice(first, "credit", None, 10_00, "Sorry", stage.ports)
    adjust_invoice(first, "debit", None, 5_00, "Extra", stage.ports)
    fees = post_fees([Fee(stage.invoice(first), "0", 7_00)], stage.get(Customer, "cus_a"), Settings(), stage.ports)
    stage.store.commit(*fees.changes)
    fees_posted(fees, stage.ports)
    void_invoice(second, stage.ports)
    stage.deliver("assess")
    stage.deliver("webhook")
    sweep_past = stage.clock.now() + timedelta(minutes=6)
    stage.clock.move_to(sweep_past)
    sweep_events(stage.ports)  # the messages of `posted` were thrown away
    stage.deliver("assess")
    stage.deliver("webhook")
    assert sorted(heard(stage)) == [
        ("invoice.posted", "-10.00"), ("invoice.posted", "100.00"), ("invoice.posted", "30.00"),
        ("invoice.posted", "5.00"), ("invoice.posted", "7.00"), ("invoice.voided", "30.00"),
    ]  # fmt: skip


def test_a_refund_is_told_once_it_is_done_whoever_made_it(stage):
    endpoint(stage, URL, "payment.refunded")
    stage.settings()
    stage.customer()
    stage.card()
    payment = charge_by_hand(stage.posted(total=100_00), stage.ports)
    refund_payment(payment.id, 30_00, stage.ports)
    at_the_gateway = stage.gateway.refund_elsewhere(payment.gateway_id, 20_00)
    for _ in range(2):
        hear_gateway(
            *stage.gateway.reversal_webhook(payment.gateway_id, "charge.refunded", at_the_gateway), stage.ports
        )
    stage.deliver("assess")
    stage.deliver("webhook")
    assert heard(stage) == [("payment.refunded", "30.00"), ("payment.refunded", "20.00")]
    assert {json.loads(m.body)["data"]["payment_id"] for m in stage.webhooks.sent} == {payment.id}

"""Diaries of webhooks: what happens to a customer is heard by a real HTTP server on loopback, on both backends."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.integration.receiver import Receiver, hangs_up, redirects_to
from tests.scenarios.collections_world import either, world
from tests.unit.shell.test_webhook_receiver import is_genuine, is_new

__all__ = ["either", "world"]

STRICT = {"reminders_before_due": [], "step_notice_days": 0}
SERVICE = ["customer.suspended", "customer.restored"]


@pytest.fixture
def receiver():
    with Receiver() as made:
        yield made


def listen(world, receiver, events=SERVICE, **more):
    """An endpoint at the receiver; the answer that made it."""
    return world.post("/v1/webhook-endpoints", {"id": "whk_erp", "url": receiver.url, "events": list(events), **more})


def late(world, days=1):
    """A customer whose invoice was due on 1 January, and who is suspended so many days later."""
    acme = world.customer(class_id=world.klass(0, **STRICT, suspend_after_days=days))
    world.invoice(acme, "100.00")
    return acme


def told(receiver):
    return [(h.json["type"], h.json["data"]["customer_id"]) for h in receiver.heard]


def deliveries(world):
    return world.all("/v1/webhook-endpoints/whk_erp/deliveries")


def test_a_suspended_customer_is_heard_of_and_so_is_his_payment(either, receiver):
    secret = listen(either, receiver)["secret"]
    acme = late(either)
    either.to("2026-01-01")
    assert told(receiver) == []
    either.to("2026-01-02")
    assert told(receiver) == [("customer.suspended", acme)]
    either.pays(acme, "100.00")
    either.to("2026-01-03")
    assert told(receiver) == [("customer.suspended", acme), ("customer.restored", acme)]
    assert [e["detail"] for e in either.events()] == [h.json["data"] for h in receiver.heard]
    for heard in receiver.heard:
        at = datetime.fromisoformat(heard.json["created_at"]).timestamp()
        assert heard.event_id == heard.json["id"]
        assert is_genuine(heard.body, heard.headers["paidup-signature"], secret, at)
        assert not is_genuine(heard.body, heard.headers["paidup-signature"], f"{secret}x", at)
    assert [d["outcome"] for d in deliveries(either)] == ["delivered", "delivered"]
    assert either.queues() == {}


def test_a_run_that_ends_tells_its_counts_once_to_whom_asks(either, receiver):
    paying, owing = either.customer(terms_days=0), either.customer(terms_days=0)
    for customer in (paying, owing):
        either.contract(customer, "100.00")
    either.card(paying, "succeeded")
    either.settings(bill_run={"auto_post": False})
    either.post("/v1/bill-runs", {"id": "brn_unheard", "customer_ids": [owing]})
    either.settle()
    assert either.events() == []

    listen(either, receiver, ["bill_run.completed", "bill_run.posted", "payment_run.completed"])
    either.post("/v1/bill-runs", {"id": "brn_1"})
    either.settle()
    (made,) = receiver.heard
    assert made.json["type"] == "bill_run.completed"
    assert made.json["data"] | {"at": ""} == {
        "id": made.event_id, "run_id": "brn_1", "as_of": "2026-01-01", "at": "",
        "counts": {"drafts": 1, "failed": 0, "parked": 0},
    }  # fmt: skip
    either.post("/v1/bill-runs/brn_1/post")
    either.settle()
    either.post("/v1/payment-runs", {"id": "prn_1"})
    either.settle()
    either.rest()
    posted, paid = (h.json for h in receiver.heard[1:])
    assert (posted["type"], posted["data"]["run_id"]) == ("bill_run.posted", "brn_1")
    assert posted["data"]["counts"] == {"posted": 1, "failed": 0, "parked": 0}
    assert posted["data"]["totals"] == {"USD": "100.00"}
    assert paid["type"] == "payment_run.completed"
    assert paid["data"]["counts"] == either.get("/v1/payment-runs/prn_1")["counts"]
    assert [e["detail"] for e in either.events()] == [h.json["data"] for h in receiver.heard]


def test_a_trigger_s_own_event_is_heard_by_who_asked_for_it(world, receiver):
    actions = [{"type": "emit_event", "name": "customer.escalated"}]
    world.settings(automations={"past_due": {"triggers": [{"days": 14, "actions": actions}]}})
    listen(world, receiver, ["customer.escalated"])
    acme = world.customer(class_id=world.klass(0, **STRICT, suspend_after_days=1))
    world.contract(acme)
    world.invoice(acme, "100.00")
    world.to("2026-01-16")
    assert told(receiver) == [("customer.escalated", acme)]
    assert receiver.heard[0].json["data"]["days"] == 14


def test_a_receiver_that_fails_in_every_way_hears_it_in_the_end(world, receiver):
    receiver.answers = [500, hangs_up, 404, redirects_to("https://elsewhere.example/"), 503, 200]
    listen(world, receiver)
    acme = late(world)
    world.to("2026-01-03")
    assert told(receiver) == [("customer.suspended", acme)] * 6
    assert len(set(receiver.ids)) == 1
    assert len({h.body for h in receiver.heard}) == 1
    assert len({h.headers["paidup-signature"] for h in receiver.heard}) == 6  # signed anew each time
    (delivery,) = deliveries(world)
    assert (delivery["outcome"], delivery["attempts"], delivery["last_status"]) == ("delivered", 6, 200)


def test_a_receiver_that_was_away_for_a_day_has_missed_nothing(world):
    with Receiver() as away:
        listen(world, away)
    first, second = late(world, 1), late(world, 2)
    world.to("2026-01-03")
    assert {(d["outcome"], d["last_error"]) for d in deliveries(world)} == {("pending", "no connection could be made")}
    with Receiver(port=away.port) as back:
        world.to("2026-01-05")
        assert sorted(told(back)) == sorted([("customer.suspended", first), ("customer.suspended", second)])


def test_a_receiver_that_is_gone_is_left_alone_and_a_person_is_told(either, receiver):
    receiver.answers = [410]
    listen(either, receiver)
    late(either, 1)
    late(either, 2)
    either.to("2026-01-04")
    assert len(receiver.heard) == 1
    [task] = [t for t in either.all("/v1/tasks") if t["kind"] == "webhook_disabled"]
    assert task["link"] == "/v1/webhook-endpoints/whk_erp"
    receiver.answers = [200]
    either.post("/v1/webhook-endpoints/whk_erp/enable")
    [missed] = deliveries(either)
    either.post(f"/v1/webhook-endpoints/whk_erp/deliveries/{missed['id']}/redeliver")
    either.post("/_local/clock", {"advance": {"minutes": 0}})
    assert len(receiver.heard) == 2


def test_a_receiver_that_never_takes_it_is_given_up_after_days(world, receiver):
    receiver.answers = [500]
    listen(world, receiver)
    late(world)
    world.to("2026-01-08")
    assert len(receiver.heard) == 14
    assert [(d["outcome"], d["attempts"]) for d in deliveries(world)] == [("failed", 14)]
    assert world.get("/v1/webhook-endpoints/whk_erp")["disabled_at"] is None


def test_under_faults_every_event_is_heard_and_a_receiver_that_remembers_acts_once(world, receiver):
    world.failures_expected = True
    listen(world, receiver)
    customers = [late(world, 1 + n % 3) for n in range(9)]
    world.post("/_local/faults", {"seed": 3, "duplicate": 0.3, "delay": 0.3, "crash": 0.05, "throttle": 0.05})
    world.to("2026-01-06")
    world.post("/_local/faults", {})
    world.to("2026-01-10")
    remembered: set[str] = set()
    acted = [told for told, id in zip(told(receiver), receiver.ids, strict=True) if is_new(id, remembered)]
    assert sorted(acted) == sorted(("customer.suspended", c) for c in customers)
    assert {d["outcome"] for d in deliveries(world)} == {"delivered"}


def test_locally_nothing_but_this_machine_is_called(world):
    world.post(
        "/v1/webhook-endpoints", {"id": "whk_erp", "url": "https://93.184.216.34/", "events": ["customer.suspended"]}
    )
    late(world)
    world.to("2026-01-02")
    [delivery] = deliveries(world)
    assert delivery["last_error"] == "locally nothing but this machine is called"


def test_a_night_of_billing_and_charging_is_heard_of_once_each(world, receiver):
    listen(world, receiver, ["*"])
    world.automate()
    acme, bolt = world.customer(terms_days=0), world.customer(terms_days=0)
    for customer in (acme, bolt):
        world.contract(customer)
    world.card(acme)
    world.card(bolt, "declined:insufficient_funds")
    world.to("2026-01-02")
    runs = [h for h in receiver.heard if "_run." in h.json["type"]]
    assert {h.json["type"] for h in runs} == {"bill_run.completed", "bill_run.posted", "payment_run.completed"}
    found = sorted((h.json["type"], h.json["data"]["customer_id"]) for h in receiver.heard if h not in runs)
    assert found == sorted([
        ("invoice.posted", acme), ("invoice.posted", bolt), ("payment.failed", bolt), ("payment.succeeded", acme),
    ])  # fmt: skip
    assert len(set(receiver.ids)) == len(receiver.ids)
    payment = next(h.json["data"] for h in receiver.heard if h.json["type"] == "payment.succeeded")
    assert (payment["amount"], payment["currency"], payment["method"]) == ("100.00", "USD", "card")
    assert world.get(f"/v1/payments/{payment['payment_id']}")["invoice_id"] == payment["invoice_id"]

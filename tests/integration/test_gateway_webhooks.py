"""POST /webhooks/gateway: believed by its signature only, acted on once, and only after asking how things are."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.autopay import webhook
from infra.local.app import LocalClient
from infra.local.cloud import LocalCloud
from infra.local.faults import FAULTS, Calls, NoFaults, OneFault, Rates, faulty
from infra.local.invoker import SimulatedCrash
from shared import bootstrap
from shared.domain.notice import Notice
from shared.domain.payment import ChargeOutcome, Payment
from shared.domain.records import HeardEvent
from shared.domain.task import Task
from shared.gateways.simulated import SIGNING_SECRET
from shared.gateways.webhooks import sign
from shared.ports import Conflict, Unavailable
from shared.use_cases.charge_invoice import charge_by_hand, charge_invoice
from shared.use_cases.hear_gateway import hear_gateway
from shared.use_cases.reconcile_payments import reconcile_payments
from shared.use_cases.settle_payment import settle
from tests.integration.stage import NOW, TODAY, Stage

EVENT = {"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": {"metadata": {}}}}


def told(stage, n=-1):
    """What the gateway tells of its n-th charge."""
    return stage.gateway.webhook(stage.gateway.charges[n])


def charged(stage, *outcomes):
    """An attempt on a card that behaves so."""
    stage.card("cus_a", *outcomes)
    return charge_by_hand(stage.posted(due_on=TODAY), stage.ports)


# ---- the use case --------------------------------------------------------------------------------------------


def test_an_attempt_whose_answer_was_lost_is_settled_by_the_webhook(stage):
    payment = charged(stage, "timeout_charged")
    assert payment.status == "unknown"
    assert hear_gateway(*told(stage), stage.ports) == "settled"
    assert stage.get(Payment, payment.id).status == "succeeded"
    assert stage.invoice(payment.invoice_id).residual_minor == 0


def test_a_webhook_that_comes_before_the_answer_leaves_nothing_for_the_answer_to_do(stage):
    stage.card("cus_a", "declined:insufficient_funds")
    invoice_id = stage.posted(due_on=TODAY)
    answer = stage.gateway.charge
    heard = []

    def charge(payment):
        outcome = answer(payment)
        heard.append(hear_gateway(*told(stage), stage.ports))
        return outcome

    stage.gateway.charge = charge
    result = charge_invoice(invoice_id, stage.ports)
    assert heard == ["settled"]
    assert result.payment == stage.get(Payment, result.payment.id)
    assert result.payment.status == "declined"
    assert stage.invoice(invoice_id).attempts == 1


def test_the_same_event_again_is_not_looked_into(stage):
    payment = charged(stage, "timeout_charged")
    message = told(stage)
    assert [hear_gateway(*message, stage.ports) for _ in range(3)] == ["settled", "repeated", "repeated"]
    stage.gateway.look_up = None  # would fail if it were asked
    assert hear_gateway(*told(stage), stage.ports) == "repeated"
    assert stage.get(Payment, payment.id).checks == 0


def test_an_event_is_remembered_only_while_it_may_be_told_again(stage):
    charged(stage, "timeout_charged")
    hear_gateway(*told(stage), stage.ports)
    (heard,) = stage.every(HeardEvent)
    assert heard.expires_at - stage.clock.now() == timedelta(days=7)


def test_an_event_about_an_attempt_that_is_settled_asks_nobody(stage):
    charged(stage, "succeeded")
    stage.gateway.look_up = None
    assert hear_gateway(*told(stage), stage.ports) == "nothing_new"
    charged(stage, "declined:lost_card")
    assert hear_gateway(*told(stage), stage.ports) == "nothing_new"


@pytest.mark.parametrize("metadata", [{}, {"paidup_attempt": "pay_unheard_of"}, {"order": "17"}])
def test_what_is_not_ours_is_ignored_and_not_even_remembered(stage, metadata):
    body = json.dumps(EVENT | {"data": {"object": {"metadata": metadata}}}).encode()
    before = stage.store.dump()
    assert hear_gateway(body, sign(body, SIGNING_SECRET, stage.clock.now()), stage.ports) == "ignored"
    assert stage.store.dump() == before


def test_what_the_gateway_cannot_confirm_yet_is_left_to_its_time_and_heard_again(stage):
    payment = charged(stage, "timeout_charged")
    message, truth = told(stage), stage.gateway.look_up
    stage.gateway.look_up = lambda payment: ChargeOutcome("unknown")
    assert hear_gateway(*message, stage.ports) == "too_early"
    assert stage.get(Payment, payment.id) == payment  # a flood of hints puts nothing off
    stage.gateway.look_up = truth
    assert hear_gateway(*message, stage.ports) == "settled"


def test_money_that_was_taken_for_what_had_failed_is_found_and_a_person_told(stage):
    payment = charged(stage, "timeout_charged")
    settle(payment, ChargeOutcome("failed", code="not_processed"), stage.ports)
    assert hear_gateway(*told(stage), stage.ports) == "settled"
    assert stage.get(Payment, payment.id).status == "succeeded"
    assert [task.kind for task in stage.every(Task)] == ["payment_contradiction"]


def test_a_webhook_that_lies_about_the_outcome_moves_nothing(stage):
    payment = charged(stage, "declined:lost_card")
    body = json.dumps(EVENT | {"data": {"object": {"metadata": {"paidup_attempt": payment.id}}}}).encode()
    assert hear_gateway(body, sign(body, SIGNING_SECRET, stage.clock.now()), stage.ports) == "settled"
    assert stage.get(Payment, payment.id) == payment


def test_two_copies_at_the_same_moment_are_one(stage):
    payment = charged(stage, "timeout_charged")
    message, commit = told(stage), stage.store.commit

    def late(*changes):
        if any(isinstance(change.entity, HeardEvent) for change in changes):
            stage.store.commit = commit
            hear_gateway(*message, stage.ports)
        commit(*changes)

    stage.store.commit = late
    assert hear_gateway(*message, stage.ports) == "settled"
    assert stage.get(Payment, payment.id).status == "succeeded"
    assert len(stage.every(HeardEvent)) == 1


SOFT, HARD = "declined:insufficient_funds", "declined:stolen_card"
OUTCOMES = ["succeeded", "timeout_charged", SOFT, HARD, "timeout_not_charged"]
STEPS = st.lists(st.one_of(st.integers(0, 5), st.just("ask"), st.just("wait")), max_size=25)


@settings(max_examples=100)
@given(outcomes=st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=6), steps=STEPS)
def test_in_whatever_order_and_however_often_webhooks_come_the_end_is_the_same(outcomes, steps):
    stage, quiet = lived_through(outcomes, steps), lived_through(outcomes, [])
    assert standing(stage) == standing(quiet)
    for payment in stage.every(Payment):
        truth = [c for c in stage.gateway.charges if c.idempotency_key == payment.id and c.status == "succeeded"]
        assert len(truth) == (payment.status == "succeeded")


def lived_through(outcomes, steps):
    stage = Stage()
    stage.settings()
    for n, outcome in enumerate(outcomes):
        stage.customer(f"cus_{n}")
        stage.card(f"cus_{n}", outcome)
        charge_by_hand(stage.posted(f"cus_{n}", due_on=TODAY, id=f"inv_{n}"), stage.ports)
    for step in steps:
        if step == "ask":
            reconcile_payments(stage.ports)
        elif step == "wait":
            stage.advance(minutes=7)
        elif step < len(stage.gateway.charges):
            hear_gateway(*told(stage, step), stage.ports)
    stage.clock.move_to(max(stage.clock.now(), datetime(2026, 2, 1, tzinfo=UTC)))
    reconcile_payments(stage.ports)
    return stage


def standing(stage):
    payments = {p.id: (p.status, p.code, p.hard, p.allocations, p.gateway_id) for p in stage.every(Payment)}
    invoices = {n: stage.invoice(f"inv_{n}") for n in range(len(payments))}
    return payments, {n: (i.residual_minor, i.open_attempt_id, i.retries) for n, i in invoices.items()}


# ---- the route -----------------------------------------------------------------------------------------------


@pytest.fixture
def server():
    """The local server, with one unknown attempt of a charge that was made."""
    with LocalCloud("memory") as cloud:
        client = LocalClient(cloud)
        client.request("POST", "/v1/customers", {"id": "cus_a", "name": "A", "email": "a@example.com"})
        body = {"token": "tok_a", "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2035}
        client.request("POST", "/v1/customers/cus_a/payment-methods", body)
        client.request("PUT", "/_local/gateway/methods/tok_a", {"outcomes": ["timeout_charged"]})
        invoice = {"id": "inv_a", "customer_id": "cus_a", "type": "regular", "post": True}
        client.request("POST", "/v1/invoices", invoice | {"lines": [{"name": "Work", "amount": "10.00"}]})
        status, _, payment = client.request("POST", "/v1/invoices/inv_a/charge")
        assert (status, payment["status"]) == (200, "unknown")
        yield client


def status_of(server):
    return server.request("GET", "/v1/payments?customer_id=cus_a")[2]["items"][0]["status"]


def post(server, body, signature, **headers):
    return server.request(
        "POST", "/webhooks/gateway", body, token="", headers={"Stripe-Signature": signature} | headers
    )


def truth(server):
    return server.app.cloud.gateway.webhook(server.app.cloud.gateway.charges[0])


def test_the_route_is_open_and_settles_what_the_gateway_confirms(server):
    status, headers, answer = post(server, *truth(server))
    assert (status, answer) == (200, {"received": True, "outcome": "settled"})
    assert headers["Cache-Control"] == "no-store"
    assert status_of(server) == "succeeded"
    assert post(server, *truth(server))[2]["outcome"] == "repeated"


@pytest.mark.parametrize(
    "forge",
    [
        lambda body, signature: (body, ""),
        lambda body, signature: (body, "t=1,v1=0"),
        lambda body, signature: (body + b"\n", signature),
        lambda body, signature: (body.replace(b"evt_", b"evt_x"), signature),
        lambda body, signature: (b"", signature),
        lambda body, signature: (b"\xff\xfe", signature),
        lambda body, signature: (b"{}", sign(b"{}", SIGNING_SECRET, datetime(2026, 1, 1, tzinfo=UTC))),
        lambda body, signature: (body, sign(body, SIGNING_SECRET, datetime(2025, 12, 31, 23, 54, tzinfo=UTC))),
        lambda body, signature: (body, sign(body, "whsec_guessed", datetime(2026, 1, 1, tzinfo=UTC))),
    ],
)
def test_what_is_forged_is_a_400_and_moves_nothing(server, forge):
    before = server.app.cloud.ports.store.dump()
    status, headers, problem = post(server, *forge(*truth(server)))
    assert status == problem["status"] == 400
    assert headers["Content-Type"] == "application/problem+json"
    assert server.app.cloud.ports.store.dump() == before


def test_a_body_that_no_event_has_is_refused_unread(server):
    assert post(server, b"x" * (webhook.BODY_BYTES_MAX + 1), "")[0] == 413


def test_only_a_post_is_taken(server):
    assert server.request("GET", "/webhooks/gateway", token="")[0] == 405
    assert status_of(server) == "unknown"


@pytest.mark.parametrize("encoded", [False, True])
def test_the_signature_is_checked_over_the_bytes_that_were_sent(stage, encoded):
    charged(stage, "timeout_charged")
    body = json.dumps(json.loads(told(stage)[0]) | {"note": "ü"}, indent=2, ensure_ascii=False).encode()
    text = base64.b64encode(body).decode() if encoded else body.decode()
    event = {"body": text, "isBase64Encoded": encoded}
    event["headers"] = {"STRIPE-signature": sign(body, SIGNING_SECRET, stage.clock.now())}
    assert invoked(stage, event)["statusCode"] == 200


@pytest.mark.parametrize(
    "event", [{}, {"body": None, "headers": None}, {"body": "%", "isBase64Encoded": True}, {"body": "\ud800"}]
)
def test_an_event_of_no_sense_is_a_400(stage, event):
    assert invoked(stage, event)["statusCode"] == 400


@pytest.mark.parametrize("trouble", [Unavailable("busy"), Conflict((0,))])
def test_what_cannot_be_heard_now_is_to_be_told_again(stage, trouble):
    charged(stage, "timeout_charged")
    body, signature = told(stage)

    def look_up(payment):
        raise trouble

    stage.gateway.look_up = look_up
    answer = invoked(stage, {"body": body.decode(), "headers": {"Stripe-Signature": signature}})
    assert (answer["statusCode"], answer["headers"]["Retry-After"]) == (503, "30")
    assert stage.every(HeardEvent) == []


# The declined one comes as news too: its attempt is still open, as after a crash of who charged.
@pytest.mark.parametrize("outcome", ["timeout_charged", SOFT, HARD])
def test_a_webhook_recovers_from_every_fault_at_every_call(outcome):
    calls, expected = told_with(outcome, NoFaults())
    assert {call.name for call in calls} >= {"store.get", "store.commit", "gateway.look_up"}
    for call in calls:
        for kind in FAULTS:
            assert told_with(outcome, OneFault(call.number, kind))[1] == expected, f"{kind} at {call}"


def told_with(outcome, plan):
    """What the store holds once the gateway has been heard, and the calls that this took until it was."""
    stage = Stage()
    stage.settings()
    stage.customer()
    stage.card("cus_a", outcome)
    stage.posted(due_on=TODAY, id="inv_1")
    answer = stage.gateway.charge
    stage.gateway.charge = lambda payment: answer(payment) and ChargeOutcome("unknown")
    payment = charge_by_hand("inv_1", stage.ports)
    calls = Calls(plan)
    ports = faulty(stage.ports, calls)
    body, signature = told(stage)
    for _ in range(3):
        calls.begin("webhook")
        try:
            event = {"body": body.decode(), "headers": {"Stripe-Signature": signature}}
            if invoked(stage, event, ports)["statusCode"] == 200:
                break
        except SimulatedCrash:
            pass
        finally:
            calls.end()
    stage.clock.move_to(NOW + timedelta(hours=1))
    reconcile_payments(stage.ports)
    heard = stage.get(Payment, payment.id)
    invoice = stage.invoice("inv_1")
    notices = sorted((notice.kind, notice.status) for notice in stage.every(Notice))
    paid = (invoice.residual_minor, invoice.open_attempt_id, invoice.retries, invoice.attempts)
    return list(calls.seen), (heard.status, heard.code, heard.hard, heard.allocations, paid, notices)


def invoked(stage, event, ports=None):
    bootstrap.install(ports or stage.ports)
    try:
        return webhook.lambda_handler(event, None)
    finally:
        bootstrap.uninstall()


# ---- the local gateway's own ---------------------------------------------------------------------------------


def test_the_local_gateway_tells_nothing_unless_messages_go_astray(server):
    cloud = server.app.cloud
    cloud.set_faults(frozenset({"cus_other"}), 1, Rates(crash=0.0))
    cloud.advance_to(cloud.clock.now() + timedelta(minutes=14))
    assert cloud.engine.invoker.invocations["AutopayWebhookFunction"] == 0


def test_while_messages_go_astray_it_tells_late_and_twice_until_it_is_heard(server):
    cloud = server.app.cloud
    cloud.set_faults(frozenset(), 1, Rates(duplicate=1.0, delay=0.5))
    charge = server.request("POST", "/v1/invoices", {
        "id": "inv_b", "customer_id": "cus_a", "type": "regular", "post": True,
        "lines": [{"name": "Work", "amount": "10.00"}],
    })  # fmt: skip
    assert charge[0] == 201
    server.request("POST", "/v1/invoices/inv_b/charge")
    cloud.advance_to(cloud.clock.now() + timedelta(minutes=4))
    assert cloud.engine.invoker.invocations["AutopayWebhookFunction"] == 0
    cloud.advance_to(cloud.clock.now() + timedelta(hours=8))
    assert cloud.engine.invoker.invocations["AutopayWebhookFunction"] == 2
    statuses = [p["status"] for p in server.request("GET", "/v1/payments?customer_id=cus_a")[2]["items"]]
    assert statuses == ["succeeded", "succeeded"]

"""Webhooks are believed only as they were signed, and only now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.gateways.stripe import StripeGateway
from shared.gateways.webhooks import sign
from shared.ports import Forged, GatewayEvent
from tests.contract.stripe.world import AT, attempt, charged
from tests.stripe_server import API_KEY, SIGNING_SECRET


def test_a_webhook_names_the_attempt_it_concerns(gateway, account):
    charged(attempt(), gateway)
    gateway.charge(attempt("pm_card_chargeDeclined", 2))
    heard = [gateway.hear(body, signature) for body, signature in account.deliveries()]
    assert [(event.payment_id, event.succeeded) for event in heard] == [
        ("pay_1", True), ("pay_1", True), ("pay_2", False),
    ]  # fmt: skip
    assert len({event.id for event in heard}) == 3


def test_things_that_are_not_ours_name_no_attempt(gateway, clock):
    for thing in ("{}", '{"metadata": null}', '{"metadata": {"paidup_attempt": 7}}', '{"metadata": {"order": "1"}}'):
        body = f'{{"id": "evt_1", "type": "invoice.paid", "data": {{"object": {thing}}}}}'.encode()
        assert gateway.hear(body, sign(body, SIGNING_SECRET, clock.now())) == GatewayEvent("evt_1", None)


def test_signatures_are_those_of_the_sdk(clock):
    import stripe

    body = '{"id": "evt_ü"}'.encode()
    now = datetime.now(UTC)
    assert stripe.WebhookSignature.verify_header(body, sign(body, SIGNING_SECRET, now), SIGNING_SECRET, 300)
    theirs = stripe.WebhookSignature.generate_signature_header(body.decode(), SIGNING_SECRET, int(now.timestamp()))
    assert sign(body, SIGNING_SECRET, now) == theirs


BODY = b'{"id": "evt_1", "type": "payment_intent.succeeded"}'
GOOD = sign(BODY, SIGNING_SECRET, AT)


@pytest.mark.parametrize(
    ("body", "header"),
    [
        (BODY, ""),
        (BODY, "t=1"),
        (BODY, "v1=" + "0" * 64),
        (BODY, GOOD.replace("v1=", "v0=")),
        (BODY, GOOD.replace("v1=", "v1=0")),
        (BODY, GOOD[:-1]),
        (BODY, GOOD + ",t=1"),
        (BODY, sign(BODY, "whsec_other", AT)),
        (BODY + b" ", GOOD),
        (BODY.replace(b"evt_1", b"evt_2"), GOOD),
        (BODY, sign(BODY, SIGNING_SECRET, AT - timedelta(seconds=301))),
        (BODY, sign(BODY, SIGNING_SECRET, AT + timedelta(seconds=301))),
        (BODY, "t=١٢٣,v1=" + "0" * 64),
        (BODY, GOOD + ",v1=" + "x" * 5_000),
    ],
)
def test_a_forged_or_recorded_webhook_is_refused(gateway, body, header):
    with pytest.raises(Forged):
        gateway.hear(body, header)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b'{"id": 1}', b'{"id": ""}', b'{"id": "x y"}'])
def test_a_signed_message_that_is_no_event_is_refused(gateway, body):
    with pytest.raises(Forged, match="no event"):
        gateway.hear(body, sign(body, SIGNING_SECRET, AT))


@pytest.mark.parametrize("header", [GOOD, f"{GOOD},v1={'0' * 64}", GOOD.replace(",", ",v1=dead,v0=beef,")])
def test_a_true_signature_among_others_is_believed(gateway, header):
    assert gateway.hear(BODY, header) == GatewayEvent("evt_1", None, succeeded=True)


def test_without_a_signing_secret_nothing_is_believed(clock):
    gateway = StripeGateway(lambda: {"api_key": API_KEY}, clock)
    with pytest.raises(Forged, match="no signing secret"):
        gateway.hear(BODY, sign(BODY, "", AT))

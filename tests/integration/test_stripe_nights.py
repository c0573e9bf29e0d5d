"""Nights of the whole product on Stripe: real handlers, the real SDK and sockets, and everything going wrong there."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from infra.local.cloud import LocalCloud
from shared.gateways.stripe import StripeGateway
from tests.integration.world import World
from tests.stripe_server import API_KEY, SIGNING_SECRET, Account, StripeServer
from tests.stripe_server.http import FAULTS

KEYS = {"api_key": API_KEY, "webhook_secret": SIGNING_SECRET}
CARDS = {
    "good": ("pm_card_visa",),
    "poor": ("pm_card_chargeDeclinedInsufficientFunds", "pm_card_visa"),
    "stolen": ("pm_card_chargeDeclinedStolenCard",),
    "abroad": ("pm_card_authenticationRequired",),
    "slow": ("pm_card_processing",),
}
CUSTOMERS = tuple(f"{kind}{n}" for kind in CARDS for n in range(2))


class Night:
    """The local cloud with Stripe behind its gateway port."""

    def __init__(self, cloud: LocalCloud, server: StripeServer, seed: int) -> None:
        self.world = World(cloud)
        self.cloud = cloud
        self.account = server.account
        self.chance = Random(seed)
        gateway = StripeGateway(
            lambda: KEYS, cloud.clock, base_url=server.url, sleep=lambda seconds: None, read_seconds_max=0.1
        )
        cloud.use_ports(replace(cloud.ports, gateway=gateway))

    def customers(self):
        self.world.settings(payment_run={"enabled": True})
        due = {"regular": {"terms_days": 0, "auto_charge": {"on": "due_on", "offset_days": 0}}}
        self.world.post("/v1/customer-classes", {"id": "cls_a", "name": "A", "out_of_turn": {}} | due)
        for name in CUSTOMERS:
            customer = self.world.customer(id=f"cus_{name}", class_id="cls_a")
            card = {"token": self.account.save_card(f"cus_at_{name}", *CARDS[name[:-1]])} | {
                "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2035,
            }  # fmt: skip
            self.world.post(f"/v1/customers/{customer}/payment-methods", card)

    def invoices(self):
        for name in CUSTOMERS:
            self.world.invoice(f"cus_{name}", "100.00")

    def webhooks(self):
        """All that Stripe has to tell so far, shuffled, each up to three times."""
        told = Counter()
        for body, signature in self.account.deliveries(self.chance.randint(0, 10**6), times=3):
            status, _, answer = self.world.client.request(
                "POST", "/webhooks/gateway", body, token="", headers={"Stripe-Signature": signature}
            )
            assert status == 200
            told[answer["outcome"]] += 1
        return told

    def statuses(self):
        return Counter(payment["status"] for payment in self.world.all("/v1/payments"))

    def assert_true(self):
        """What Paidup says of its payments and invoices is what Stripe did."""
        taken = Counter(intent["metadata"]["paidup_invoice"] for intent in self.account.charged())
        assert set(taken.values()) <= {1}
        for invoice in self.world.invoices():
            assert (invoice["residual"] == "0.00") == (invoice["id"] in taken), invoice["id"]
        believed = {p["id"] for p in self.world.all("/v1/payments") if p["status"] == "succeeded"}
        assert believed == {intent["metadata"]["paidup_attempt"] for intent in self.account.charged()}


@pytest.fixture
def night(wiring):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with LocalCloud("memory", start, wiring=wiring) as cloud:
        account = Account(lambda: cloud.clock.now().timestamp())
        with StripeServer(account) as server:
            made = Night(cloud, server, seed=1)
            made.customers()
            yield made
            made.world.assert_well()


def test_a_payment_run_collects_through_stripe_and_declines_are_told_apart(night):
    night.invoices()
    night.world.to("2026-01-01T11:00:00Z")
    assert night.statuses() == {"succeeded": 2, "declined": 6, "unknown": 2}
    payments = {p["customer_id"]: p for p in night.world.all("/v1/payments")}
    assert (payments["cus_poor0"]["code"], payments["cus_poor0"]["hard"]) == ("insufficient_funds", False)
    assert (payments["cus_stolen0"]["code"], payments["cus_stolen0"]["hard"]) == ("stolen_card", True)
    assert (payments["cus_abroad0"]["code"], payments["cus_abroad0"]["hard"]) == ("authentication_required", False)
    night.world.to("2026-01-04")  # three days later the poor have money again
    assert night.statuses()["succeeded"] == 4
    night.assert_true()


def test_a_charge_that_takes_its_time_is_settled_by_the_webhook(night):
    night.invoices()
    night.world.to("2026-01-01T11:00:00Z")
    for intent in night.account.intents.values():
        if intent["status"] == "processing":
            intent["status"] = "succeeded"
            night.account._tell("payment_intent.succeeded", intent)
    told = night.webhooks()
    assert told["settled"] == 2
    assert night.statuses() == {"succeeded": 4, "declined": 6}
    assert night.webhooks().keys() <= {"repeated", "nothing_new"}
    night.assert_true()


@pytest.mark.slow
@pytest.mark.parametrize("with_webhooks", [False, True])
def test_nights_on_which_everything_goes_wrong_end_with_every_invoice_charged_at_most_once(night, with_webhooks):
    night.world.failures_expected = True  # declines and failed calls end where they should; nothing else may
    for day in range(2, 12):
        if day <= 4:
            night.invoices()
        night.account.faults = [night.chance.choice([*FAULTS, "", ""]) for _ in range(24)]
        night.world.to(f"2026-01-{day:02d}T11:20:00Z")
        if with_webhooks:
            night.webhooks()
        night.world.to(f"2026-01-{day:02d}T20:00:00Z")
    night.account.faults = []
    for intent in night.account.intents.values():
        if intent["status"] == "processing":
            intent["status"] = "succeeded"
    night.cloud.advance_to(night.cloud.clock.now() + timedelta(days=8))
    assert "unknown" not in night.statuses()
    assert "pending" not in night.statuses()
    night.assert_true()
    assert [f.text for f in night.cloud.engine.invoker.failures] == []

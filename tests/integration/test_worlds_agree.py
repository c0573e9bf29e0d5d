"""Three eventful weeks lived on both backends: everything that can be seen of the two worlds is the same."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from infra.local.cloud import LocalCloud
from tests.integration.conftest import HOURLY
from tests.integration.world import World

LISTS = (
    "customers", "customer-classes", "invoices", "payments", "notices", "bill-runs", "payment-runs", "past-due",
    "tasks",
)  # fmt: skip


def eventful_weeks(world):
    """Contracts of all kinds, cards of all moods, mail that bounces, a credit memo, a hold, a failure, a cheque."""
    world.automate()
    world.settings(automations={"past_due": {"tiers": TIERS}})
    good, poor, lost, gone = (world.customer(terms_days=5) for _ in range(4))
    world.card(good)
    world.card(poor, "declined:insufficient_funds", "declined:stolen_card")
    world.card(lost, "timeout_charged", "error_500", "succeeded")
    world.put("/_local/mail/ap7@example.com", {"outcome": "bounce"})
    world.contract(good, "249.95", start="2026-01-03", day=15)
    world.contract(poor, charges=[USAGE])
    world.contract(lost, "10.00", day=4)
    world.contract(gone, "33.33", day=2)
    contract = world.all(f"/v1/customers/{poor}/contracts")[0]["id"]
    usage = {"id": "u1", "contract_id": contract, "metric": "gb", "quantity": "120.5"}
    world.post("/v1/usage", {"records": [usage | {"occurred_at": "2026-01-02T10:00:00Z"}]})
    world.post("/_local/faults", {"fail_customers": [gone]})
    world.to("2026-01-04")
    world.post("/_local/faults", {})
    world.put(f"/v1/customers/{poor}/hold", {"reason": "dispute", "through": "2026-01-12"})
    world.to("2026-01-08")
    first = world.invoices(good)[0]["id"]
    world.post(f"/v1/invoices/{first}/adjustments", {"kind": "credit", "amount": "5.00", "reason": "goodwill"})
    world.to("2026-01-20")
    world.pays(gone, "20.00")
    world.to("2026-01-24")


TIERS = [
    {"from_days": 1, "template": "past_due_1"},
    {"from_days": 4, "template": "past_due_2", "repeat_every_days": 3, "repeat_max": 2},
    {"from_days": 12, "template": "past_due_3"},
]
PDF_SIZE = re.compile(r'(?<=\.pdf"), "size": [0-9]+')
PAY_LINK = re.compile(r"/pay/[a-z2-7]{40}")
USAGE = {
    "id": "chg_usage", "name": "Backup", "type": "usage", "metric": "gb", "unit_amount": "0.05",
    "included_quantity": "100", "interval": "week", "expected": True,
}  # fmt: skip


def seen(world):
    """All that the API and the world outside show."""
    lists = {name: world.all(f"/v1/{name}?limit=200") for name in LISTS}
    customers = [c["id"] for c in lists["customers"]]
    return lists | {
        "settings": world.get("/v1/settings"),
        "accounts": [world.account(c) for c in customers],
        "contracts": [world.all(f"/v1/customers/{c}/contracts") for c in customers],
        "explained": [world.get(f"/v1/invoices/{i['id']}/explain") for i in lists["invoices"]],
        "emails": world.emails(),
        "charges": world.charges(),
        "events": world.events(),
        "queues": world.queues(),
    }


@pytest.mark.slow
@pytest.mark.moto
def test_memory_and_moto_come_to_the_same_world(wiring):
    worlds = {}
    for backend in ("memory", "moto"):
        with LocalCloud(backend, wiring=wiring, every=HOURLY) as cloud:
            world = World(cloud)
            eventful_weeks(world)
            worlds[backend] = seen(world)
    for name, expected in worlds["memory"].items():
        assert worlds["moto"][name] == expected, name
    assert len(worlds["memory"]["invoices"]) > 8
    kinds = {notice["kind"] for notice in worlds["memory"]["notices"]}
    assert kinds > {"invoice", "payment_failed", "payment_received", "past_due_1"}


def test_everything_delivered_twice_comes_to_the_same_world(wiring):
    worlds = []
    for faults in ({}, {"seed": 1, "duplicate": 1.0}):
        with LocalCloud(wiring=wiring, every=timedelta(hours=1)) as cloud:
            world = World(cloud)
            clear = world.post

            def post(path, body=None, faults=faults, post=clear, **options):
                """Clearing the faults of a customer leaves those of the whole world."""
                return post(path, {**body, **faults} if path == "/_local/faults" else body, **options)

            world.post = post
            if faults:
                world.post("/_local/faults", {})
            eventful_weeks(world)
            worlds.append(seen(world))
    for name, expected in worlds[0].items():
        assert without_tokens(worlds[1][name]) == without_tokens(expected), name


def without_tokens(found):
    """Pay links are drawn at random, and work that comes to nothing the second time has drawn some of them.

    The size of a PDF depends on the QR code of its link.
    """
    return json.loads(PDF_SIZE.sub("", PAY_LINK.sub("/pay/…", json.dumps(found, ensure_ascii=False))))

"""A rehearsal comes true, event for event, and touches nothing. PRODUCT 12."""

from __future__ import annotations

import json
import pkgutil
import socket
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import count
from unittest import mock
from zoneinfo import ZoneInfo

import boto3
import pytest
from botocore.client import ClientCreator
from pynamodb.connection import Connection

from functions.rehearsal.drive import SERVED, drive
from functions.rehearsal.rehearse import rehearse, rehearse_records, result_json
from infra.local.cloud import LocalCloud
from shared import bootstrap, gateways
from shared.bootstrap import copied, ports_from, rehearsing
from shared.config import Config
from shared.domain.customer import Customer
from shared.domain.rehearsal import CATEGORIES, Rehearsal
from shared.domain.settings import Settings
from shared.gateways.clients import Clients
from shared.gateways.stripe import StripeGateway
from shared.gateways.system import SystemClock
from shared.gateways.webhook_sender import HttpWebhookSender
from shared.ports import Unavailable
from shared.storage import dynamo
from shared.storage.dynamo import DynamoStore
from shared.use_cases.copy_records import copy_records
from shared.use_cases.rehearsed import Known, outcomes_of, read_rehearsed
from tests.integration.world import World

FOUR_HOURLY = timedelta(hours=4)  # on moto a quiet tick takes 20 ms; everything is due at one of these hours
CARDS = {
    1: (), 2: ("succeeded",), 3: ("declined:insufficient_funds",), 4: ("declined:stolen_card",),
}  # fmt: skip


def company(world, customers=6, months=1):
    """Every way to bill, pay and not pay, with a history of so many months behind it."""
    world.automate()
    world.settings(
        automations={
            "account_summary": {"enabled": True, "schedule": "30 8 3 * *"},
            "past_due": {"triggers": [
                {"days": 14, "actions": [{"type": "late_fee", "amount": "5.00"}]},
                {"days": 30, "actions": [{"type": "task", "title": "Call them"}]},
            ]},
        },
    )  # fmt: skip
    for n in range(customers):
        fee = {"amount": "10.00", "percent": "1", "grace_days": 2, "repeat": "monthly", "cap": None}
        steps = {"limit_after_days": 8, "suspend_after_days": 15, "step_notice_days": 2}
        its_class = world.klass(terms_days=5 + n, late_fee=fee, reminders_before_due=[2], **steps)
        zone = ["UTC", "America/Los_Angeles", "Asia/Tokyo"][n % 3]
        customer = world.customer(class_id=its_class, timezone=zone, tax_rate_percent="7.5")
        world.contract(customer, f"{100 + n}.10", day=n * 5 % 31 + 1)
        if n % 6 in CARDS:
            world.card(customer, *CARDS[n % 6])
    world.days(30 * months)


def rehearsed(world, days, **body):
    made = world.post("/v1/rehearsals", {"days": days, **body})
    assert made["status"] == "done", made["reason"]
    assert made["base"]["errors"] == []
    return made


def seen(world):
    """Everything that people can see of the world, by category and id."""
    return {
        "invoices": {(i["id"], i["status"]): i for i in world.all("/v1/invoices")},
        "charges": {p["id"]: p for p in world.all("/v1/payments") if p["method"] == "card"},
        "emails": {n["id"]: n for n in world.all("/v1/notices") if n["status"] == "sent"},
        "steps": {(c, e["at"], e["kind"]): e for c, e in moments(world) if e["kind"].startswith("service_")},
    }


def moments(world):
    ids = [c["id"] for c in world.all("/v1/customers")]
    return [(id, e) for id in ids for e in world.all(f"/v1/customers/{id}/timeline") if not e["planned"]]


def came_true(world, before):
    """What happened since, in the words of a rehearsal."""
    after = seen(world)
    new = {category: [v for id, v in after[category].items() if id not in before[category]] for category in after}
    zones = {c["id"]: c["timezone"] or "UTC" for c in world.all("/v1/customers")}
    fees = [i for i in new["invoices"] if i["type"] == "debit_memo"]
    invoices = [i for i in new["invoices"] if i["type"] != "debit_memo"]
    return {
        "invoices": Counter(map(invoice_facts, invoices)),
        "fees": Counter(map(invoice_facts, fees)),
        "charges": Counter(map(charge_facts, new["charges"])),
        "emails": Counter((n["customer_id"], n["kind"], local(n["sent_at"], zones[n["customer_id"]]), n["to"])
                          for n in new["emails"]),
        "steps": Counter((owner, kind.removeprefix("service_"), local(at, zones[owner]))
                         for owner, at, kind in after["steps"] if (owner, at, kind) not in before["steps"]),
    }  # fmt: skip


def foretold(run):
    items = {category: run[category]["items"] for category in CATEGORIES}
    assert {c: len(items[c]) for c in items} == {c: run[c]["count"] for c in items}
    return {
        "invoices": Counter(map(invoice_facts, items["invoices"])),
        "fees": Counter(map(invoice_facts, items["fees"])),
        "charges": Counter(map(charge_facts, items["charges"])),
        "emails": Counter((e["customer_id"], e["kind"], e["on"], e["to"]) for e in items["emails"]),
        "steps": Counter((e["customer_id"], e["step"], e["on"]) for e in items["steps"]),
    }


def invoice_facts(i):
    return (i["customer_id"], i["type"], i["invoice_date"], i["posted_on"], i["due_on"], i["total"], i["number"])


def charge_facts(p):
    return (p["customer_id"], p["invoice_id"], p["amount"], p["status"], p["code"], p["attempt"], p["next_attempt_on"])


def local(instant, timezone):
    return str(datetime.fromisoformat(instant).astimezone(ZoneInfo(timezone)).date())


@pytest.mark.slow
def test_what_was_rehearsed_comes_true_event_for_event(memory_world):
    world = memory_world
    company(world, customers=12)
    base, before = rehearsed(world, 75)["base"], seen(world)
    world.post("/_local/clock", {"advance": {"days": 75}})
    happened = came_true(world, before)
    assert foretold(base) == happened
    assert all(happened[category] for category in CATEGORIES)  # the story has something of each


def everything_in_a_week(world):
    """All are billed on the third: one pays late, one never, one by a card that was declined before, one is held."""
    world.automate()
    world.settings(
        bill_run={"gate": "clean_only", "spot_check": {"flag_first_invoice": False}}, retries={"retry_days": [1, 2]},
        payment_run={"schedule": "0 8 * * *"},
        automations={
            "account_summary": {"enabled": True, "schedule": "0 8 4 * *"}, "past_due": {"schedule": "0 12 * * *"},
        },
    )  # fmt: skip
    fee = {"amount": "5.00", "percent": "0", "grace_days": 0, "repeat": "once", "cap": None}
    late = world.klass(
        terms_days=1, late_fee=fee, suspend_after_days=2, step_notice_days=1,
        auto_charge={"on": "due_on", "offset_days": 3},
    )  # fmt: skip
    prompt = world.klass(terms_days=1)
    since = {"day": 3, "start": "2025-12-03", "billing_starts_on": "2026-01-03"}
    for its_class, outcome in ((late, None), (late, "succeeded"), (prompt, "declined:insufficient_funds")):
        customer = world.customer(class_id=its_class)
        world.contract(customer, **since)
        if outcome:
            world.card(customer, outcome)
    world.invoice(customer, "20.00")  # charged on the second
    usage = {"name": "Backup", "type": "usage", "metric": "gb", "unit_amount": "0.10", "interval": "month"}
    world.contract(
        world.customer(), charges=[usage | {"expected": True}], **since | {"billing_starts_on": "2025-12-03"}
    )
    world.to("2026-01-02T12:30:00Z")


EVERYTHING = {
    "invoices": {"posted", "draft"}, "charges": {"succeeded", "declined"}, "fees": {"posted"},
    "emails": {"invoice", "past_due_1", "payment_failed", "payment_received", "service_step", "account_summary"},
    "steps": {"suspended", "restored"},
}  # fmt: skip


@pytest.mark.moto
@pytest.mark.slow
def test_what_was_rehearsed_comes_true_on_dynamo_too(moto_world):
    """Billed, posted, held for review, mailed, charged, declined, retried, chased, a fee, suspended and restored."""
    world = moto_world
    everything_in_a_week(world)
    base, before = rehearsed(world, 6)["base"], seen(world)
    world.post("/_local/clock", {"advance": {"days": 6}})
    assert foretold(base) == came_true(world, before)
    assert {c: EVERYTHING[c] - set(base[c]["by"]) for c in CATEGORIES} == {c: set() for c in CATEGORIES}
    assert {c["attempt"] for c in base["charges"]["items"]} >= {1, 2, 3}


def test_what_somebody_does_meanwhile_was_not_rehearsed(memory_world):
    """The comparison sees a single payment: without it the same week comes true."""
    world = memory_world
    everything_in_a_week(world)
    base, before = rehearsed(world, 6)["base"], seen(world)
    (owes,) = {s["customer_id"] for s in base["steps"]["items"]} - {s["customer_id"] for s in base["charges"]["items"]}
    world.to("2026-01-06T00:30:00Z")
    world.pays(owes, "200.00")
    world.to("2026-01-08T12:30:00Z")
    happened, said = came_true(world, before), foretold(base)
    assert {c for c in CATEGORIES if said[c] != happened[c]} == {"emails", "steps"}


@pytest.mark.slow
def test_changed_settings_come_true_as_rehearsed(memory_world):
    """Switched for real right after, they do what the second run said; the first run is what would have been."""
    world = memory_world
    company(world, customers=6)
    patch = {
        "payment_run": {"schedule": "30 6 * * 1"}, "retries": {"retry_days": [1]},
        "automations": {"past_due": {"triggers": [{"days": 14, "actions": [{"type": "suspend"}]}]}},
    }  # fmt: skip
    made, before = rehearsed(world, 50, settings=patch), seen(world)
    world.patch("/v1/settings", patch)
    world.post("/_local/clock", {"advance": {"days": 50}})
    assert foretold(made["changed"]) == came_true(world, before)
    assert foretold(made["base"]) != foretold(made["changed"])


@pytest.mark.slow
def test_ticks_with_nothing_due_are_passed_over_and_nothing_is_missed(memory_world):
    world = memory_world
    company(world, customers=4)
    ports = world.cloud.ports
    records, start = copy_records(ports, 100).all, ports.clock.now()
    runs = []
    for every_tick in (True, False):
        copy = copied(records, outcomes_of(records), start, SERVED)
        driven = drive(copy, start + timedelta(days=35), every_tick)
        assert not driven.failures
        found = read_rehearsed(copy.ports, start, Known.of(records), copy.mailer.noted)
        runs.append((driven.invocations, [(h.at, *h.identity) for h in found.happenings]))
    (all_ticks, everything), (few_ticks, passed_over) = runs
    assert passed_over == everything
    assert few_ticks < all_ticks // 10


# ---- it touches nothing -----------------------------------------------------------------------------------------


OF_MEMORY = {"memory", "rehearsal", "simulated"}  # of shared/gateways: they can reach nothing


def adapters():
    """Every class that stands for something outside, with its constructor."""
    names = [m.name for m in pkgutil.iter_modules(gateways.__path__) if m.name not in OF_MEMORY]
    for module in [import_module(f"shared.gateways.{name}") for name in names] + [dynamo]:
        for made in vars(module).values():
            if isinstance(made, type) and made.__module__ == module.__name__ and not issubclass(made, Exception):
                yield made, "__init__"


@contextmanager
def nothing_reaches_out():
    """Whatever would open a connection, or make an adapter or a client that could, fails the test."""

    def forbidden(*args, **kwargs):
        raise AssertionError("a rehearsal reached out")

    doors = [
        (socket, "socket"), (socket, "create_connection"), (boto3, "client"), (boto3, "resource"),
        (boto3.session.Session, "client"), (ClientCreator, "create_client"), (Connection, "__init__"), *adapters(),
    ]  # fmt: skip
    with ExitStack() as stack:
        for owner, name in doors:
            stack.enter_context(mock.patch.object(owner, name, forbidden))
        yield


@pytest.mark.parametrize(
    "made",
    [
        lambda: boto3.client("sqs", region_name="eu-central-1"), lambda: socket.socket(), lambda: ports_from(Config()),
        lambda: StripeGateway(lambda: "sk_test_1", SystemClock()), lambda: Clients("eu-central-1"),
        lambda: DynamoStore(str, "eu-central-1", writer="w"), lambda: HttpWebhookSender(lambda: False),
    ],
)  # fmt: skip
def test_the_guard_sees_whatever_could_reach_out_being_made(made):
    with nothing_reaches_out(), pytest.raises(AssertionError, match="reached out"):
        made()


def test_while_a_rehearsal_runs_no_adapter_for_anything_outside_is_made():
    copy = copied([], {}, datetime(2026, 1, 1, tzinfo=UTC), SERVED)
    with rehearsing(copy):
        assert bootstrap.ports() is copy.ports
        with pytest.raises(bootstrap.Rehearsing):
            ports_from(Config())
    assert ports_from(Config()).store


def everything(cloud):
    """What is stored, byte for byte, and what the rest of the world has seen."""
    stored = cloud.ports.store.dump() if cloud.backend == "memory" else table_items(cloud)
    return stored, cloud.gateway.charges, list(cloud.mail.sent), list(cloud.bus.published), cloud.engine.broker.depths()


def table_items(cloud):
    client = boto3.client("dynamodb", region_name=cloud.wiring.region)
    found = {name: client.scan(TableName=name)["Items"] for name in cloud.wiring.tables}
    return {name: sorted(items, key=str) for name, items in found.items()}


def test_a_rehearsal_reaches_nothing_and_leaves_the_live_data_as_it_was(memory_world):
    world = memory_world
    company(world, customers=4)
    before = everything(world.cloud)
    asked = Rehearsal("reh_guarded", 30, settings=json.dumps({"bill_run": {"auto_email": False}}))
    with nothing_reaches_out():
        found = result_json(rehearse(asked, world.cloud.ports, 100))
    assert found["base"]["invoices"]["count"]
    assert found["changed"]["emails"]["count"]
    assert everything(world.cloud) == before
    assert bootstrap.ports().store is world.cloud.ports.store  # handlers have the live ports again


@pytest.mark.moto
def test_on_dynamo_only_its_own_record_and_the_answer_are_written(moto_world):
    """Reading the live tables goes through the network; the copy itself is lived through behind the guard."""
    world = moto_world
    world.automate()
    for _ in range(2):
        world.contract(world.customer(terms_days=3))
    before = everything(world.cloud)
    ports = world.cloud.ports
    asked, records = Rehearsal("reh_guarded", 20), copy_records(ports, 100).all
    with nothing_reaches_out():
        found = rehearse_records(records, asked, ports, changed=False)
    assert {h.category for h in found.happenings} >= {"invoices", "emails"}
    assert everything(world.cloud) == before


def test_a_record_that_changes_while_it_is_read_is_read_again(memory_world):
    world = memory_world
    customer = world.customer()
    ports = world.cloud.ports
    changing = Changing(ports.store, lambda: world.patch(f"/v1/customers/{customer}", {"name": "Renamed"}), times=1)
    records = copy_records(replace(ports, store=changing), 10).all
    assert [r.name for r in records if isinstance(r, Customer)] == ["Renamed"]


def test_data_that_never_comes_to_rest_is_no_snapshot(memory_world):
    world = memory_world
    customer = world.customer()
    names = count()
    ports = world.cloud.ports
    rename = lambda: world.patch(f"/v1/customers/{customer}", {"name": f"Name {next(names)}"})  # noqa: E731
    with pytest.raises(Unavailable, match="keeps changing"):
        copy_records(replace(ports, store=Changing(ports.store, rename, times=1_000)), 10)


class Changing:
    """A store behind which something changes as soon as the settings were read."""

    def __init__(self, inner, change, times):
        self.inner, self.change, self.times = inner, change, times

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def get(self, kind, partition, sort=""):
        found = self.inner.get(kind, partition, sort)
        if kind is Settings and self.times:
            self.times -= 1
            self.change()
        return found


# ---- how cards behave -------------------------------------------------------------------------------------------


def test_a_card_does_what_it_did_last_and_one_without_a_past_pays(memory_world):
    world = memory_world
    world.automate()
    cards = {"declined:insufficient_funds": "declined", "succeeded": "succeeded", None: "succeeded"}
    owners = {}
    for outcome in cards:
        owner = world.customer(terms_days=1)
        world.card(owner, *([outcome] if outcome else []))
        if outcome:
            world.invoice(owner, "20.00")
        owners[owner] = cards[outcome]
    world.to("2026-01-03")
    for owner in owners:
        world.invoice(owner, "30.00")
    charges = rehearsed(world, 3)["base"]["charges"]["items"]
    assert {c["customer_id"]: c["status"] for c in charges if c["amount"] == "30.00"} == owners


def always_two_days_late(world):
    """Due in four days and always paid two days late; the last invoice, of 9 January, is open."""
    customer = world.customer(terms_days=4)
    for n in range(3):
        world.invoice(customer, "10.00", due_on=f"2026-01-0{n + 5}")
        world.pays(customer, "10.00", on=f"2026-01-{n + 7:02}")
        world.to(f"2026-01-{n + 7:02}")
    world.invoice(customer, "80.00")
    return customer


def test_what_customers_pay_by_hand_is_only_in_the_forecasts_band(memory_world):
    """Expected on the sixth day, charged never; and without a seed nobody pays, and is chased."""
    always_two_days_late(memory_world)
    run = rehearsed(memory_world, 14)["base"]
    assert run["charges"]["count"] == 0
    first, second = run["cash"]
    assert (first["charged"], first["expected"], second["expected"]) == ({}, {"USD": "80.00"}, {"USD": "80.00"})
    assert (second["received"], second["low"], second["high"]) == ({}, {"USD": "80.00"}, {"USD": "80.00"})


def test_with_a_seed_customers_pay_by_hand_when_they_did_before(memory_world):
    """On 15 January, two days late: chased once, on the first day; what the forecast says is the same."""
    world = memory_world
    world.automate()
    world.settings(automations={"past_due": {"tiers": [
        {"from_days": 1, "template": "past_due_1"}, {"from_days": 2, "template": "past_due_2"},
        {"from_days": 3, "template": "past_due_3"},
    ]}})  # fmt: skip
    customer = always_two_days_late(world)
    world.settings(automations={"past_due": {"schedule": "0 14 * * *"}})
    alone, drawn = (rehearsed(world, 14, **seed)["base"] for seed in ({}, {"seed": 1}))
    chased = [[e["kind"] for e in run["emails"]["items"] if e["kind"].startswith("past_due")] for run in (alone, drawn)]
    assert chased == [["past_due_1", "past_due_2", "past_due_3"], ["past_due_1"]]
    told = [(d["on"], d["chased"], d["mailed"]) for d in drawn["days"]][-2:]
    assert told == [("2026-01-14", 1, 1), ("2026-01-15", 0, 1)]  # the second mail thanks them
    assert [week["received"] for week in drawn["cash"]] == [{"USD": "80.00"}] * 2
    assert [week["expected"] for week in drawn["cash"]] == [week["expected"] for week in alone["cash"]]
    assert world.account(customer)["balance"] == {"USD": "80.00"}


def test_with_a_seed_a_card_is_declined_as_often_as_before_and_the_same_seed_is_the_same_story(memory_world):
    world = memory_world
    world.automate()
    world.settings(retries={"retry_days": []})
    customer = world.customer(terms_days=1)
    world.card(customer, "declined:insufficient_funds", "succeeded", "declined:insufficient_funds", "succeeded")
    for n in range(4):
        world.invoice(customer, "10.00")
        world.to(f"2026-01-{n + 2:02}T12:00:00Z")
    for n in range(11):  # fifteen attempts with those before
        world.invoice(customer, f"{20 + n}.00")
    one, again, other = (rehearsed(world, 2, seed=seed)["base"]["charges"] for seed in (1, 1, 2))
    assert one == again != other
    assert set(one["by"]) == set(other["by"]) == {"declined", "succeeded"}
    assert rehearsed(world, 2)["base"]["charges"]["by"] == {"succeeded": 11}  # as it did last


@pytest.fixture
def memory_world(wiring):
    with LocalCloud("memory", wiring=wiring) as cloud:
        yield (world := World(cloud))
        world.assert_well()


@pytest.fixture
def moto_world(wiring):
    with LocalCloud("moto", wiring=wiring, every=FOUR_HOURLY) as cloud:
        yield (world := World(cloud))
        world.assert_well()

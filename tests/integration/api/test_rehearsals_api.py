"""`/v1/rehearsals`: what is asked, what is answered, and what is refused. API.md, PRODUCT 12."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest

from functions.rehearsal import rehearse as functions_rehearse
from shared.contracts import api_rehearsals
from shared.contracts.api_rehearsals import CSV_HEADER
from shared.domain.rehearsal import CATEGORIES
from shared.use_cases import rehearsals

SWITCH_ON = {"bill_run": {"enabled": True, "auto_post": True, "gate": "all"}}


@pytest.fixture
def company(world):
    """Two customers with a contract each, and nothing switched on."""
    customers = [world.customer(terms_days=2) for _ in range(2)]
    for customer in customers:
        world.contract(customer, "100.00", day=2)
    return customers


def ask(world, days=3, **body):
    return world.post("/v1/rehearsals", {"days": days, **body})


def test_a_small_world_is_answered_at_once_and_can_be_read_again(world, company):
    made = ask(world)
    assert (made["status"], made["days"], made["changed"], made["difference"]) == ("done", 3, None, None)
    assert made["id"].startswith("reh_")
    assert {c: (made["base"][c]["count"], made["base"][c]["items"]) for c in CATEGORIES} == dict.fromkeys(
        CATEGORIES, (0, [])
    )
    assert world.get(f"/v1/rehearsals/{made['id']}") == made


def test_the_difference_says_what_switching_something_on_would_bring(world, company):
    made = ask(world, settings=SWITCH_ON)
    assert made["base"]["invoices"]["count"] == 0
    invoices = made["changed"]["invoices"]
    assert (invoices["count"], invoices["by"], invoices["totals"]) == (4, {"posted": 4}, {"USD": "206.46"})
    assert {i["customer_id"] for i in invoices["items"]} == set(company)
    apart = made["difference"]["invoices"]
    assert (apart["count"], apart["added"], apart["removed"]) == (4, 4, 0)
    assert {i["change"] for i in apart["items"]} == {"added"}
    assert [(d["on"], d["billed"], d["posted"]) for d in made["changed"]["days"]] == [
        ("2026-01-01", 2, 2), ("2026-01-02", 2, 2),
    ]  # fmt: skip
    assert [(c["customer_id"], c["billed"]) for c in made["changed"]["customers"]] == [(c, 2) for c in sorted(company)]
    assert world.get("/v1/settings")["bill_run"]["enabled"] is False
    assert world.invoices() == []


def test_who_gets_more_mails_and_whose_service_changes_is_said_by_customer_and_what_comes_in_sooner(world, company):
    """Switched on with a card each: two invoices are mailed, collected, and thanked for. Nobody's service changes."""
    world.settings(bill_run={**SWITCH_ON["bill_run"]})
    for customer in company:
        world.card(customer)
    sending = {"bill_run": {"auto_email": True}, "payment_run": {"enabled": True}}
    apart = ask(world, 6, settings=sending)["difference"]
    assert (apart["customers"]["added"], apart["customers"]["removed"]) == (4, 0)
    first = [i for i in apart["customers"]["items"] if i["customer_id"] == company[0]]
    assert [(i["change"], i["category"], i["what"], i["times"], i["on"]) for i in first] == [
        ("added", "emails", "invoice", 2, "2026-01-01"), ("added", "emails", "payment_received", 2, "2026-01-03"),
    ]  # fmt: skip
    assert first[0]["name"]
    (week,) = apart["cash"]
    assert (week["on"], week["base"], week["changed"]) == ("2026-01-07", {"USD": "206.46"}, {"USD": "206.46"})
    suspending = {world.get(f"/v1/customers/{c}")["class_id"]: {"regular": {"suspend_after_days": 4}} for c in company}
    steps = ask(world, 12, classes=suspending)["difference"]["customers"]
    assert {(i["customer_id"], i["what"]) for i in steps["items"] if i["category"] == "steps"} == {
        (c, "suspended") for c in company
    }  # fmt: skip


def test_the_same_settings_again_differ_in_nothing(world, company):
    world.settings(**SWITCH_ON)
    made = ask(world, settings={})
    assert made["changed"] == made["base"]
    assert made["base"]["invoices"]["count"]
    assert [made["difference"][c]["count"] for c in CATEGORIES] == [0] * 5


def test_a_class_may_be_rehearsed_with_other_policies(world, company):
    world.settings(**SWITCH_ON)
    its_class = world.get(f"/v1/customers/{company[0]}")["class_id"]
    made = ask(world, 20, classes={its_class: {"regular": {"late_fee": {"amount": "7.00"}}}})
    fees = made["changed"]["fees"]
    assert {f["customer_id"] for f in fees["items"]} == {company[0]}
    assert (made["base"]["fees"]["count"], made["difference"]["fees"]["added"]) == (0, fees["count"])
    assert world.get(f"/v1/customer-classes/{its_class}")["regular"]["late_fee"]["amount"] != "7.00"


@pytest.mark.parametrize("days", [0, 91, -1, "7", 1.5, None, True])
def test_days_are_one_to_ninety(world, days):
    refused = world.post("/v1/rehearsals", {"days": days}, status=422)
    assert [e["field"] for e in refused["errors"]] == ["days"]


@pytest.mark.parametrize("seed", [-1, 1_000_001, "7", 1.5, True])
def test_a_seed_is_a_number_up_to_a_million(world, seed):
    refused = world.post("/v1/rehearsals", {"days": 1, "seed": seed}, status=422)
    assert [e["field"] for e in refused["errors"]] == ["seed"]


@pytest.mark.parametrize("days", [1, 90])
def test_the_bounds_themselves_are_fine(world, days):
    assert ask(world, days)["status"] == "done"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "days"),
        ({"days": 3, "horizon": 3}, "horizon"),
        ({"days": 3, "settings": []}, "settings"),
        ({"days": 3, "settings": {"bill_run": {"schedule": "never"}}}, "settings.bill_run.schedule"),
        ({"days": 3, "settings": {"bill_run": {"auto_email": True}}}, "settings.bill_run.auto_email"),
        ({"days": 3, "settings": {"billing": {}}}, "settings.billing"),
        (
            {"days": 3, "settings": {"automations": {"past_due": {"tiers": [{"from_days": 1, "template": "none"}]}}}},
            "settings.automations.past_due.tiers[0].template",
        ),
        ({"days": 3, "classes": {"cls_nobody": {}}}, "classes.cls_nobody"),
        ({"days": 3, "classes": {"cls_standard": {"regular": {"terms_days": -1}}}},
         "classes.cls_standard.regular.terms_days"),
        ({"days": 3, "classes": {"a" * 2_000: {}}}, f"classes.{'a' * 60}"),
        ({"days": 3, "classes": {"cls_standard": 7}}, "classes.cls_standard"),
        ({"days": 3, "classes": {"cls_standard": {"id": "cls_other"}}}, "classes.cls_standard.id"),
    ],
)  # fmt: skip
def test_a_change_that_could_not_be_saved_is_refused_by_its_field(world, body, field):
    refused = world.post("/v1/rehearsals", body, status=422)
    assert [e["field"] for e in refused["errors"]] == [field]
    assert refused["errors"][0]["message"]


def test_a_larger_world_is_left_to_the_worker(world, company, monkeypatch):
    monkeypatch.setattr(rehearsals, "AT_ONCE_MAX", 5)  # two customers for three days are six
    world.settings(**SWITCH_ON)
    made = ask(world, 3)
    assert (made["status"], made["base"]) == ("pending", None)
    world.settle()
    done = world.get(f"/v1/rehearsals/{made['id']}")
    assert (done["status"], done["base"]["invoices"]["count"]) == ("done", 4)


def test_a_world_too_large_for_the_worker_is_refused_with_the_way_out(world, company, monkeypatch):
    monkeypatch.setattr(rehearsals, "WORKER_MAX", 5)
    refused = world.post("/v1/rehearsals", {"days": 3}, status=409)
    assert (refused["code"], "paidup rehearse" in refused["detail"]) == ("too_large", True)
    assert ask(world, 2)["status"] == "done"


def test_a_done_rehearsal_is_also_csv(world, company):
    made = ask(world, settings=SWITCH_ON)
    text = world.get(f"/v1/rehearsals/{made['id']}", headers={"Accept": "text/csv"}).decode()
    header, *rows = csv.reader(io.StringIO(text))
    assert tuple(header) == CSV_HEADER
    parts = [dict(zip(header, row, strict=True)) for row in rows]
    assert [(r["run"], r["change"], r["amount"]) for r in parts if r["customer_id"] == company[0]] == [
        ("changed", "", "3.23"), ("changed", "", "100.00"),
        ("difference", "added", "3.23"), ("difference", "added", "100.00"),
    ]  # fmt: skip


def test_what_an_answer_does_not_list_is_counted_and_stands_in_the_parts_of_its_csv(world, company, monkeypatch):
    monkeypatch.setattr(api_rehearsals, "ITEMS_MAX", 1)
    monkeypatch.setattr(functions_rehearse, "CSV_ROWS_MAX", 3)
    made = ask(world, settings=SWITCH_ON)
    listed = made["changed"]["invoices"]
    assert (listed["count"], len(listed["items"]), listed["truncated"], listed["partial"]) == (4, 1, 3, True)
    path, csv_only = f"/v1/rehearsals/{made['id']}", {"Accept": "text/csv"}
    parts = [world.get(f"{path}?part={n}", headers=csv_only).decode() for n in range(1, made["csv_parts"] + 1)]
    rows = [list(csv.reader(io.StringIO(part))) for part in parts]
    assert {tuple(part[0]) for part in rows} == {CSV_HEADER}
    assert [len(part) - 1 for part in rows] == [3, 3, 2]
    found = [row for part in rows for row in part[1:]]
    assert [row[0] for row in found] == ["changed"] * 4 + ["difference"] * 4
    assert {row[4] for row in found} == set(company)
    world.get(f"{path}?part={made['csv_parts'] + 1}", headers=csv_only, status=404)
    world.get(f"{path}?part=0", status=422)


def test_a_result_which_names_customers_is_kept_for_a_while_only(world, company, monkeypatch):
    made = ask(world)
    monkeypatch.setattr("shared.domain.rehearsal.RESULT_KEPT", timedelta(hours=1))
    assert world.get(f"/v1/rehearsals/{made['id']}") == made
    world.to("2026-01-02")
    refused = world.get(f"/v1/rehearsals/{made['id']}", status=409)
    assert (refused["code"], "rehearse again" in refused["detail"]) == ("not_kept", True)
    world.get(f"/v1/rehearsals/{made['id']}", headers={"Accept": "text/csv"}, status=409)


def test_unknown_rehearsals_and_roles_too_low(world):
    world.get("/v1/rehearsals/reh_nobody", status=404)
    world.post("/v1/rehearsals", {"days": 1}, token="local-viewer", status=403)
    made = world.post("/v1/rehearsals", {"id": "reh_own", "days": 1}, token="local-operator")
    assert world.post("/v1/rehearsals", {"id": "reh_own", "days": 1}, token="local-operator", status=200) == made
    world.post("/v1/rehearsals", {"id": "reh_own", "days": 2}, token="local-operator", status=409)
    world.post("/v1/rehearsals", {"id": "reh_own", "days": 1, "seed": 0}, token="local-operator", status=409)
    assert world.get("/v1/rehearsals/reh_own", token="local-viewer") == made


def test_a_dry_run_of_settings_tells_on_request_what_would_be_different_tomorrow(world, company):
    before = snapshot(world)
    world.to("2026-01-01T12:00:00Z")
    told = world.patch("/v1/settings?dry_run=true&tomorrow=true", SWITCH_ON)
    assert sorted(told) == ["effects", "tomorrow"]
    assert list(told["tomorrow"]) == list(CATEGORIES)
    invoices = told["tomorrow"]["invoices"]
    assert (invoices["added"], invoices["removed"]) == (4, 0)  # each for the days before its first whole month, too
    assert {i["customer_id"] for i in invoices["items"]} == set(company)
    assert snapshot(world) == before


def test_tomorrow_is_told_of_a_dry_run_alone_and_not_of_too_large_a_company(world, company, monkeypatch):
    assert "tomorrow" not in world.patch("/v1/settings?tomorrow=true", {"pay_link": {"expires_days": 9}})
    monkeypatch.setattr("functions.admin_api.settings.TOMORROW_CUSTOMERS_MAX", 1)
    world.patch("/v1/settings?dry_run=true&tomorrow=true", SWITCH_ON, status=413)


def snapshot(world):
    return [world.all("/v1/invoices"), world.all("/v1/notices"), world.get("/v1/settings")]

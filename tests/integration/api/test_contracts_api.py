"""Contracts and charges through the API."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.customer import Customer
from shared.ports import Save

RECURRING = {
    "id": "chg_1", "name": "Support", "type": "recurring", "amount": "249.95", "quantity": "1", "interval": "month",
    "interval_count": 1, "timing": "advance", "prorate": True,
}  # fmt: skip
USAGE = {
    "id": "chg_2", "name": "Backup GB", "type": "usage", "metric": "gb", "unit_amount": "0.05",
    "included_quantity": "100", "interval": "month", "expected": True,
}  # fmt: skip
ONE_TIME = {"id": "chg_3", "name": "Setup", "type": "one_time", "amount": "99.00", "on": "2026-01-15"}
TIERED = {
    "id": "chg_4", "name": "Mails", "type": "usage", "metric": "mails", "tier_mode": "graduated",
    "tiers": [{"up_to": "1000", "unit_amount": "0.10"}, {"up_to": None, "unit_amount": "0.06"}],
}  # fmt: skip
CONTRACT = {
    "id": "con_1", "name": "Managed IT", "start_date": "2026-01-15", "end_date": None,
    "billing_starts_on": "2026-01-15", "bill_cycle_day": 15, "charges": [RECURRING, USAGE, ONE_TIME, TIERED],
}  # fmt: skip
PATH = "/v1/customers/cus_acme/contracts"


def test_a_contract_is_shown_as_it_was_created(api):
    api.customer()
    api.ports.clock.advance(days=20)
    made = api.made(PATH, CONTRACT)
    assert {k: v for k, v in made.items() if k != "charges"} == {
        **{k: v for k, v in CONTRACT.items() if k != "charges"},
        "customer_id": "cus_acme", "currency": "USD", "status": "active", "anchor_month": None, "version": 1,
    }  # fmt: skip
    for given, shown in zip(CONTRACT["charges"], made["charges"], strict=True):
        assert {**shown, **given} == shown
    assert api.get("/v1/contracts/con_1").json == made
    assert api.items(PATH) == [made]


def test_what_is_left_out_takes_its_default(api):
    api.customer(currency="JPY")
    charges = [
        {"name": "Support", "type": "recurring", "amount": "300"},
        {"name": "Again", "type": "recurring", "amount": "1"},
    ]
    made = api.made(PATH, {"name": "IT", "start_date": "2026-01-31", "charges": charges})
    assert (made["billing_starts_on"], made["bill_cycle_day"], made["currency"]) == ("2026-01-31", 31, "JPY")
    first, second = made["charges"]
    assert first["id"].startswith("chg_")
    assert first["id"] != second["id"]
    expected = {**RECURRING, "id": first["id"], "amount": "300", "changes": []}
    assert first == expected


def test_creating_again_gives_the_first_result_and_another_body_or_customer_is_refused(api):
    api.customer()
    api.customer("cus_other")
    first = api.made(PATH, CONTRACT)
    api.patch("/v1/contracts/con_1", {"name": "Renamed"})
    again = api.post(PATH, CONTRACT)
    assert (again.status, again.json) == (200, first)
    assert api.post(PATH, {**CONTRACT, "bill_cycle_day": 1}).status == 409
    assert api.post("/v1/customers/cus_other/contracts", {**CONTRACT, "name": "Theirs"}).status == 409
    assert api.items("/v1/customers/cus_other/contracts") == []


def test_only_the_name_can_be_patched(api):
    api.customer()
    api.made(PATH, CONTRACT)
    renamed = api.patch("/v1/contracts/con_1", {"name": "New"}, headers={"If-Match": '"1"'})
    assert (renamed.json["name"], renamed.json["version"]) == ("New", 2)
    assert api.patch("/v1/contracts/con_1", {"name": "Newer"}, headers={"If-Match": '"1"'}).status == 412
    assert api.patch("/v1/contracts/con_1", {"name": "New", "bill_cycle_day": 3}).fields == ["bill_cycle_day"]
    assert api.patch("/v1/contracts/con_1", {}).fields == ["name"]


WRONG = [
    ("name", {"name": ""}), ("start_date", {"start_date": "2026-02-30"}), ("start_date", {"start_date": "01/02/2026"}),
    ("start_date", {"start_date": "2026-1-5"}), ("start_date", {"start_date": 20260105}),
    ("start_date", {"start_date": "1066-10-14"}), ("start_date", {"start_date": "9999-12-31"}),
    ("start_date", {"start_date": None}), ("start_date", {"start_date": "2026-01-05T00:00:00Z"}),
    ("end_date", {"end_date": "2026-01-15"}), ("end_date", {"end_date": "2025-01-01"}),
    ("billing_starts_on", {"billing_starts_on": "2026-01-14"}),
    ("bill_cycle_day", {"bill_cycle_day": 0}), ("bill_cycle_day", {"bill_cycle_day": 32}),
    ("bill_cycle_day", {"bill_cycle_day": "15"}), ("bill_cycle_day", {"bill_cycle_day": True}),
    ("bill_cycle_day", {"bill_cycle_day": 15.0}), ("bill_cycle_day", {"bill_cycle_day": 10**30}),
    ("anchor_month", {"anchor_month": 13}), ("currency", {"currency": "EURO"}), ("status", {"status": "active"}),
    ("charges", {"charges": "all"}), ("charges[0]", {"charges": ["x"]}),
    ("charges[0]", {"charges": [{"type": "rent"}]}),
    ("charges", {"charges": [RECURRING] * 501}), ("id", {"id": "cus_1"}), ("customer_id", {"customer_id": "cus_acme"}),
]  # fmt: skip
WRONG_CHARGES = [
    ("amount", {**RECURRING, "amount": 249.95}), ("amount", {**RECURRING, "amount": 5}),
    ("amount", {**RECURRING, "amount": "249.955"}), ("amount", {**RECURRING, "amount": "-1.00"}),
    ("amount", {**RECURRING, "amount": "NaN"}), ("amount", {**RECURRING, "amount": "1e3"}),
    ("amount", {**RECURRING, "amount": "1,000.00"}), ("amount", {**RECURRING, "amount": "1" + "0" * 30}),
    ("amount", {**RECURRING, "amount": "9" * 50}), ("amount", {**RECURRING, "amount": None}),
    ("amount", {**RECURRING, "amount": " 5.00"}), ("amount", {**RECURRING, "amount": "٥"}),
    ("quantity", {**RECURRING, "quantity": 1}), ("quantity", {**RECURRING, "quantity": "-1"}),
    ("quantity", {**RECURRING, "quantity": "Infinity"}), ("quantity", {**RECURRING, "quantity": "9" * 18}),
    ("interval", {**RECURRING, "interval": "fortnight"}), ("interval_count", {**RECURRING, "interval_count": 0}),
    ("interval_count", {**RECURRING, "interval_count": 1001}), ("timing", {**RECURRING, "timing": "late"}),
    ("prorate", {**RECURRING, "prorate": "yes"}), ("metric", {**RECURRING, "metric": "gb"}),
    ("name", {**RECURRING, "name": "a\r\nb"}), ("id", {**RECURRING, "id": "con_1"}), ("on", {**ONE_TIME, "on": None}),
    ("on", {"name": "S", "type": "one_time", "amount": "1.00"}), ("quantity", {**ONE_TIME, "quantity": "2"}),
    ("metric", {**USAGE, "metric": "a#b"}), ("metric", {k: v for k, v in USAGE.items() if k != "metric"}),
    ("unit_amount", {k: v for k, v in USAGE.items() if k != "unit_amount"}),
    ("unit_amount", {**TIERED, "unit_amount": "1.00"}), ("unit_amount", {**USAGE, "unit_amount": "0.001"}),
    ("included_quantity", {**USAGE, "included_quantity": 100}), ("expected", {**USAGE, "expected": None}),
    ("timing", {**USAGE, "timing": "advance"}), ("tier_mode", {**TIERED, "tier_mode": None}),
    ("tiers", {**USAGE, "tier_mode": "volume"}), ("tiers", {**TIERED, "tiers": []}),
    ("tiers[0].up_to", {**TIERED, "tiers": [{"up_to": None, "unit_amount": "1"}, {"up_to": None, "unit_amount": "1"}]}),
    ("tiers[0].up_to", {**TIERED, "tiers": [{"up_to": "5", "unit_amount": "1"}]}),
    ("tiers[1].up_to", {**TIERED, "tiers": [{"up_to": u, "unit_amount": "1"} for u in ("5", "5", None)]}),
    ("tiers[0].up_to", {**TIERED, "tiers": [{"up_to": u, "unit_amount": "1"} for u in ("0", None)]}),
    ("tiers[0].unit_amount", {**TIERED, "tiers": [{"up_to": None, "unit_amount": "0.001"}]}),
    ("tiers[0].price", {**TIERED, "tiers": [{"up_to": None, "unit_amount": "1", "price": "1"}]}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "change"), WRONG + [(f"charges[0].{field}", {"charges": [charge]}) for field, charge in WRONG_CHARGES]
)
def test_a_wrong_field_is_named_and_nothing_is_written(api, field, change):
    api.customer()
    assert field in api.post(PATH, {**CONTRACT, **change}).fields
    assert api.items(PATH) == []


def test_two_charges_cannot_share_an_id(api):
    api.customer()
    assert api.post(PATH, {**CONTRACT, "charges": [RECURRING, RECURRING]}).fields == ["charges[1].id"]


def test_all_that_is_wrong_is_told_at_once(api):
    api.customer()
    charges = [{**RECURRING, "amount": "1.234"}, {**TIERED, "tiers": [{"up_to": "5", "unit_amount": "0.001"}]}]
    wrong = api.post(PATH, {**CONTRACT, "end_date": "2025-01-01", "charges": charges})
    assert wrong.fields == [
        "end_date",
        "charges[0].amount",
        "charges[1].tiers[0].up_to",
        "charges[1].tiers[0].unit_amount",
    ]


def test_a_contract_needs_a_customer(api):
    assert api.post(PATH, CONTRACT).status == 404
    assert api.get(PATH).status == 404


def test_a_terminated_customer_gets_no_further_contract_but_the_answer_to_the_first_request_stays(api):
    api.customer()
    first = api.made(PATH, CONTRACT)
    customer = api.ports.store.get(Customer, "cus_acme")
    api.ports.store.commit(Save(replace(customer, service="terminated")))
    refused = api.post(PATH, {**CONTRACT, "id": "con_2"})
    assert (refused.status, refused.json["code"]) == (409, "terminated")
    again = api.post(PATH, CONTRACT)
    assert (again.status, again.json) == (200, first)


def test_a_leap_day_and_the_last_day_of_every_month_are_fine(api):
    api.customer()
    made = api.made(PATH, {**CONTRACT, "start_date": "2028-02-29", "billing_starts_on": None, "bill_cycle_day": 31})
    assert made["billing_starts_on"] == "2028-02-29"


def test_the_status_is_that_of_the_local_date(api):
    api.customer(timezone="Pacific/Auckland")  # at noon UTC on 1 January it is the 2nd there
    made = api.made(PATH, {**CONTRACT, "start_date": "2025-01-01", "billing_starts_on": None, "end_date": "2026-01-02"})
    assert made["status"] == "ended"


@pytest.mark.parametrize("field", ["z", "usage", "recurring", "add"])
def test_a_wrong_field_of_a_charge_that_is_added_is_named_by_its_path(api, field):
    api.customer()
    api.made(PATH, CONTRACT)
    added = {"add": {**RECURRING, "id": "chg_9", field: 1}, "effective_on": "2026-02-15"}
    assert api.post("/v1/contracts/con_1/changes", added).fields == [f"add.{field}"]

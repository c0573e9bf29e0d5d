"""Customer classes through the API."""

from __future__ import annotations

import pytest

REGULAR = {
    "terms_days": 30, "auto_charge": {"on": "due_on", "offset_days": 0}, "reminders_before_due": [7, 1],
    "collection_threshold": "0.00",
    "late_fee": {"amount": "0.00", "percent": "0", "grace_days": 0, "repeat": "once", "cap": None},
    "limit_after_days": None, "suspend_after_days": None, "terminate_after_days": None, "step_notice_days": 3,
    "confirm_termination": True,
}  # fmt: skip
STANDARD = {
    "id": "cls_standard", "name": "Standard", "regular": REGULAR, "out_of_turn": {**REGULAR, "terms_days": 6},
    "version": 1,
}  # fmt: skip


def test_the_standard_class_exists_from_the_start(api):
    assert api.get("/v1/customer-classes/cls_standard").json == STANDARD
    assert api.items("/v1/customer-classes") == [STANDARD]


def test_what_a_class_leaves_out_takes_its_default(api):
    made = api.made("/v1/customer-classes", {"id": "cls_gold", "name": "Gold", "regular": {"terms_days": 60}})
    expected = {**STANDARD, "id": "cls_gold", "name": "Gold", "regular": {**REGULAR, "terms_days": 60}}
    assert made == expected
    assert [c["id"] for c in api.items("/v1/customer-classes?limit=1")] == ["cls_standard", "cls_gold"]


def test_put_replaces_the_whole_class(api):
    changed = {
        **REGULAR, "auto_charge": {"on": "day_of_month", "day": 15}, "reminders_before_due": [],
        "suspend_after_days": 45,
        "late_fee": {"amount": "5.00", "percent": "1.5", "grace_days": 3, "repeat": "monthly", "cap": "50.00"},
    }  # fmt: skip
    done = api.put("/v1/customer-classes/cls_standard", {**STANDARD, "regular": changed}, headers={"If-Match": '"1"'})
    assert (done.status, done.json) == (200, {**STANDARD, "regular": changed, "version": 2})
    assert api.items("/v1/customer-classes") == [done.json]
    back = api.put("/v1/customer-classes/cls_standard", {"name": "Standard"})
    assert back.json == {**STANDARD, "version": 3}
    assert api.put("/v1/customer-classes/cls_standard", {**STANDARD, "version": 2}).status == 412


def test_automatic_charging_is_off_with_null(api):
    done = api.put("/v1/customer-classes/cls_x", {"name": "X", "regular": {"auto_charge": None}})
    assert (done.status, done.json["regular"]["auto_charge"]) == (201, None)


def test_the_same_put_twice_is_one_version(api):
    assert api.put("/v1/customer-classes/cls_x", {"name": "X"}).json["version"] == 1
    assert api.put("/v1/customer-classes/cls_x", {"name": "X"}).json["version"] == 1


def test_the_standard_class_can_be_created_like_any_other_until_somebody_has_saved_it(api):
    body = {"id": "cls_standard", "name": "Mine", "regular": {"terms_days": 10}}
    made = api.post("/v1/customer-classes", body)
    assert (made.status, made.json["name"], made.json["regular"]["terms_days"]) == (201, "Mine", 10)
    assert [c["name"] for c in api.items("/v1/customer-classes")] == ["Mine"]
    assert api.post("/v1/customer-classes", body).status == 200
    assert api.post("/v1/customer-classes", {**body, "name": "Other"}).status == 409


def test_a_standard_class_that_somebody_saved_is_not_created_over(api):
    api.put("/v1/customer-classes/cls_standard", {"name": "Ours"})
    assert api.post("/v1/customer-classes", {"id": "cls_standard", "name": "Mine"}).status == 409


@pytest.mark.parametrize(
    ("field", "policy"),
    [
        ("terms_days", {"terms_days": -1}), ("terms_days", {"terms_days": "30"}),
        ("terms_days", {"terms_days": 10**30}),
        ("terms_days", {"terms_days": None}), ("grace", {"grace": 5}), ("auto_charge", {"auto_charge": "due_on"}),
        ("auto_charge.on", {"auto_charge": {"on": "friday"}}),
        ("auto_charge.day", {"auto_charge": {"on": "day_of_month"}}),
        ("auto_charge.day", {"auto_charge": {"on": "day_of_month", "day": 32}}),
        ("auto_charge.day", {"auto_charge": {"on": "due_on", "day": 3}}),
        ("auto_charge.offset_days", {"auto_charge": {"on": "day_of_month", "day": 3, "offset_days": 1}}),
        ("auto_charge.offset_days", {"auto_charge": {"on": "due_on", "offset_days": 1000}}),
        ("reminders_before_due", {"reminders_before_due": [7, 7]}),
        ("reminders_before_due[0]", {"reminders_before_due": [-1]}),
        ("reminders_before_due", {"reminders_before_due": list(range(100))}),
        ("collection_threshold", {"collection_threshold": 5}),
        ("collection_threshold", {"collection_threshold": "-1.00"}),
        ("collection_threshold", {"collection_threshold": "1.00001"}),
        ("collection_threshold", {"collection_threshold": "NaN"}),
        ("late_fee.percent", {"late_fee": {"percent": 1.5}}), ("late_fee.percent", {"late_fee": {"percent": "101"}}),
        ("late_fee.amount", {"late_fee": {"amount": "9" * 30}}), ("late_fee.repeat", {"late_fee": {"repeat": "daily"}}),
        ("suspend_after_days", {"suspend_after_days": 0}), ("confirm_termination", {"confirm_termination": "no"}),
        ("step_notice_days", {"step_notice_days": 1.5}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("which", ["regular", "out_of_turn"])
def test_a_wrong_policy_is_named_and_nothing_changes(api, which, field, policy):
    body = {"name": "Standard", which: policy}
    assert api.put("/v1/customer-classes/cls_standard", body).fields == [f"{which}.{field}"]
    assert api.post("/v1/customer-classes", {"id": "cls_new", **body}).status == 422
    assert api.items("/v1/customer-classes") == [STANDARD]


def test_the_id_of_the_body_is_that_of_the_path(api):
    assert api.put("/v1/customer-classes/cls_a", {"id": "cls_b", "name": "A"}).fields == ["id"]
    assert api.put("/v1/customer-classes/gold", {"name": "A"}).fields == ["id"]

"""Customers through the API."""

from __future__ import annotations

import pytest

ACME = {
    "id": "cus_acme", "name": "Acme Ltd", "email": "ap@acme.example", "class_id": "cls_standard", "currency": "USD",
    "timezone": "America/New_York",
    "address": {
        "line1": "1 Main St", "line2": "", "city": "Troy", "region": "NY", "postal_code": "12180", "country": "US",
    },
    "delivery": ["email"], "tax_rate_percent": "8.25",
    "automations": {"enabled": True, "send_new_invoices": None, "account_summary": None, "past_due": False},
    "account_summary_schedule": "0 8 * * MON", "external_id": "A-17", "language": "de",
}  # fmt: skip


def test_a_customer_is_shown_as_it_was_created(api):
    made = api.post("/v1/customers", ACME)
    assert made.status == 201
    assert made.json == {**ACME, "version": 1}
    assert api.get("/v1/customers/cus_acme").json == made.json


def test_what_is_left_out_takes_its_default(api):
    made = api.made("/v1/customers", {"name": "Bolt"})
    assert made["id"].startswith("cus_")
    assert made == {
        "id": made["id"], "name": "Bolt", "email": None, "class_id": "cls_standard", "currency": "USD",
        "timezone": None,
        "address": dict.fromkeys(["line1", "line2", "city", "region", "postal_code", "country"], ""),
        "delivery": ["email"], "tax_rate_percent": "0",
        "automations": {"enabled": False, "send_new_invoices": None, "account_summary": None, "past_due": None},
        "account_summary_schedule": None, "external_id": None, "language": None, "version": 1,
    }  # fmt: skip


def test_a_new_customer_has_the_currency_of_the_business_unless_it_names_its_own(api):
    api.patch("/v1/settings", {"business": {"currency": "EUR"}})
    assert api.customer("cus_1")["currency"] == "EUR"
    assert api.customer("cus_2", currency="JPY")["currency"] == "JPY"


def test_creating_again_with_the_same_id_and_body_gives_the_first_result_and_with_another_body_is_refused(api):
    first = api.post("/v1/customers", ACME)
    api.patch("/v1/customers/cus_acme", {"name": "Renamed"})
    again = api.post("/v1/customers", dict(reversed(ACME.items())))
    assert (again.status, again.json) == (200, first.json)
    assert api.post("/v1/customers", {**ACME, "name": "Other"}).status == 409
    assert api.get("/v1/customers/cus_acme").json["name"] == "Renamed"


def test_a_patch_merges_and_null_takes_away(api):
    api.post("/v1/customers", ACME)
    changed = api.patch(
        "/v1/customers/cus_acme",
        {"email": None, "address": {"city": "Utica"}, "automations": {"past_due": None}, "delivery": ["print"]},
    )
    assert changed.status == 200
    assert changed.json == {
        **ACME, "email": None, "address": {**ACME["address"], "city": "Utica"}, "delivery": ["print"],
        "automations": {**ACME["automations"], "past_due": None}, "version": 2,
    }  # fmt: skip


def test_a_stale_version_is_refused_however_it_is_given(api):
    api.post("/v1/customers", ACME)
    assert api.patch("/v1/customers/cus_acme", {"name": "B"}, headers={"If-Match": '"1"'}).status == 200
    assert api.patch("/v1/customers/cus_acme", {"name": "C"}, headers={"If-Match": '"1"'}).status == 412
    assert api.patch("/v1/customers/cus_acme", {"name": "C", "version": 1}).status == 412
    assert api.patch("/v1/customers/cus_acme", {"name": "C", "version": 2}).json["version"] == 3
    assert api.patch("/v1/customers/cus_acme", {}, headers={"If-Match": "three"}).fields == ["If-Match"]


WRONG = [
    ("name", None), ("name", 5), ("name", ""), ("name", "   "), ("name", "x" * 201), ("name", "A\r\nBcc: b@c.example"),
    ("name", "A\x00"), ("name", ["Acme"]), ("name", "\ud800"), ("name", {}), ("name", True),
    ("email", "nobody"), ("email", "a@b"), ("email", "a@b.example\r\nBcc: c@d.example"), ("email", "a b@c.example"),
    ("email", "x" * 250 + "@b.example"), ("email", 7), ("email", ""), ("email", "a@b.example, c@d.example"),
    ("class_id", "cus_1"), ("class_id", "cls_unknown"), ("class_id", None), ("class_id", 3), ("class_id", "cls_"),
    ("currency", "usd"), ("currency", "XXX"), ("currency", 840), ("currency", "US$"),
    ("timezone", "Mars/Phobos"), ("timezone", "../etc/passwd"), ("timezone", 1), ("timezone", "posix/UTC"),
    ("address", "1 Main St"), ("address.line1", 3), ("address.line1", "a\nb"), ("address.zip", "1"), ("address", []),
    ("delivery", "email"), ("delivery[0]", ["fax"]), ("delivery", ["email", "email"]), ("delivery", ["email"] * 1000),
    ("tax_rate_percent", 8), ("tax_rate_percent", "-1"), ("tax_rate_percent", "NaN"), ("tax_rate_percent", "101"),
    ("tax_rate_percent", "1e1"), ("tax_rate_percent", "1" * 41), ("tax_rate_percent", "0." + "1" * 20),
    ("automations", True), ("automations.enabled", "yes"), ("automations.enabled", None), ("automations.fax", True),
    ("account_summary_schedule", "daily"), ("account_summary_schedule", "* * * * * *"), ("account_summary_schedule", 5),
    ("account_summary_schedule", "0 0 31 2 *"), ("external_id", 17), ("external_id", ""), ("external_id", "a\tb"),
    ("id", "con_1"), ("id", "cus_" + "x" * 61), ("id", "cus_ä"), ("id", "cus_a/b"), ("id", 9), ("id", "cus_"),
    ("terms_days", 30), ("collection_threshold", "1.00"), ("late_fee", {}), ("service", "active"), ("pauses", []),
    ("hold", None), ("version", 1), ("ünknown", 1), ("x" * 10_000, 1),
]  # fmt: skip


def nested(field, value):
    outer, _, inner = field.partition(".")
    return {outer: {inner: value}} if inner else {field.partition("[")[0]: value}


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_wrong_field_is_named_and_nothing_is_written(api, field, value):
    reply = api.post("/v1/customers", {"name": "Acme", **nested(field, value)})
    shown = reply.fields[0]
    assert shown == field or (not field.isascii() or len(field) > 60)
    assert reply.headers["content-type"] == "application/problem+json"
    assert api.items("/v1/customers") == []


@pytest.mark.parametrize(
    ("field", "value"), [w for w in WRONG if w[0] not in ("id", "version", "hold") and w[1] is not None]
)
def test_a_patch_refuses_the_same_and_changes_nothing(api, field, value):
    before = api.customer()
    assert api.patch("/v1/customers/cus_acme", nested(field, value)).status == 422
    assert api.get("/v1/customers/cus_acme").json == before


def test_the_id_of_a_customer_cannot_be_patched(api):
    api.customer()
    assert api.patch("/v1/customers/cus_acme", {"id": "cus_other"}).fields == ["id"]
    assert api.patch("/v1/customers/cus_acme", {"id": "cus_acme", "name": "B"}).status == 200


@pytest.mark.parametrize("path", ["cus_none", "x", "%00", "cus_" + "x" * 5000, "cus_acme'--", "cus_ä"])
def test_an_unknown_customer_is_not_found(api, path):
    reply = api.get(f"/v1/customers/{path}")
    assert (reply.status, reply.json["title"]) == (404, "Not Found")


def test_a_query_finds_by_name_email_or_id_in_any_case(api):
    long = "Very " * 30 + "Long Ltd"
    api.customer("cus_1", name="Ärger GmbH", email="kasse@arger.example")
    api.customer("cus_2", name=long, email="ap@long.example")
    found = {
        q: [c["id"] for c in api.items(f"/v1/customers?query={q}")] for q in ("ÄRGER", "Kasse@", "US_2", "long+ltd")
    }
    assert found == {"ÄRGER": ["cus_1"], "Kasse@": ["cus_1"], "US_2": ["cus_2"], "long+ltd": ["cus_2"]}
    assert [c["id"] for c in api.items(f"/v1/customers?query={long.replace(' ', '+')}")] == ["cus_2"]
    assert len(api.items("/v1/customers?query=")) == 2
    assert api.get("/v1/customers?query=" + "x" * 201).fields == ["query"]


# ---- external ids ---------------------------------------------------------------------------------------------


def test_an_external_id_is_one_customer_s_and_finds_it(api):
    api.customer("cus_1", external_id="A-1")
    api.customer("cus_2", external_id="A-2")
    refused = api.post("/v1/customers", {"name": "Third", "external_id": "A-1"})
    assert (refused.status, refused.json["code"]) == (409, "external_id_taken")
    assert "external_id" in refused.json["detail"]
    assert "cus_1" in refused.json["detail"]
    assert api.patch("/v1/customers/cus_2", {"external_id": "A-1"}).status == 409
    assert [c["id"] for c in api.items("/v1/customers?external_id=A-2")] == ["cus_2"]
    assert api.items("/v1/customers?external_id=A") == []
    assert api.items("/v1/customers?external_id=A-2&query=nobody") == []
    assert api.get("/v1/customers?external_id=").fields == ["external_id"]


def test_an_external_id_that_was_given_up_can_be_another_customer_s(api):
    api.customer("cus_1", external_id="A-1")
    assert api.patch("/v1/customers/cus_1", {"external_id": "A-9"}).status == 200
    api.customer("cus_2", external_id="A-1")
    assert api.patch("/v1/customers/cus_1", {"external_id": None}).status == 200
    api.customer("cus_3", external_id="A-9")
    found = {x: [c["id"] for c in api.items(f"/v1/customers?external_id={x}")] for x in ("A-1", "A-9")}
    assert found == {"A-1": ["cus_2"], "A-9": ["cus_3"]}


def test_a_creation_that_is_repeated_keeps_its_own_external_id(api):
    body = {"id": "cus_1", "name": "Acme", "external_id": "A-1"}
    assert [api.post("/v1/customers", body).status for _ in range(2)] == [201, 200]

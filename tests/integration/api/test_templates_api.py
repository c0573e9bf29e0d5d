"""Mail templates through the API: read, changed, tried out, taken back. API.md, PRODUCT 6."""

from __future__ import annotations

import pytest

MINE = {
    "subject": "Invoice {{ invoice.number }}",
    "text": "Dear {{ customer.name }}",
    "html": "<p>{{ invoice.total }}</p>",
}

ENDLESS = "{% for n in range(1000) %}{% for m in range(1000) %}{{ n }}{% endfor %}{% endfor %}"


def test_every_kind_of_mail_has_a_template_to_begin_with(api):
    items = api.items("/v1/templates")
    names = [t["name"] for t in items]
    assert names == sorted(names)
    assert {"invoice", "past_due_1", "past_due_2", "past_due_3", "payment_failed", "account_summary"} <= set(names)
    assert {(t["version"], t["customised"]) for t in items} == {(0, False)}
    assert api.get("/v1/templates?limit=3").json["next_cursor"]
    assert api.get("/v1/templates/nothing").status == 404


def test_a_template_is_changed_versioned_and_reset(api):
    default = api.get("/v1/templates/invoice").json
    changed = api.put("/v1/templates/invoice", MINE)
    assert (changed.status, changed.json) == (200, {"name": "invoice", **MINE, "version": 1, "customised": True})
    assert api.put("/v1/templates/invoice", changed.json).json == changed.json  # nothing new: no version
    assert api.put("/v1/templates/invoice", {**MINE, "version": 0}).status == 412
    reset = api("DELETE", "/v1/templates/invoice")
    assert reset.json == {**default, "version": 2}
    assert api.put("/v1/templates/invoice", MINE, headers={"If-Match": '"2"'}).json["version"] == 3


@pytest.mark.parametrize(
    ("part", "source", "line"),
    [
        ("html", "<p>\n{{ invoice.nothing }}", "line 2"),
        ("text", "{% for x in y", "line 1"),
        ("subject", "{{ ''.__class__ }}", "line 1"),
        ("text", f"one\ntwo\n{ENDLESS}", "line 3"),
        ("html", "x" * 2_000_000, "at most"),
        ("subject", "", "empty"),
    ],
    ids=["unknown", "syntax", "attributes", "endless", "2 MB", "no subject"],
)  # fmt: skip
def test_a_template_that_does_not_render_is_refused_by_part_and_line(api, part, source, line):
    reply = api.put("/v1/templates/invoice", {**MINE, part: source})
    assert (reply.status, reply.fields) == (422, [part])
    assert line in reply.json["errors"][0]["message"]
    assert api.get("/v1/templates/invoice").json["version"] == 0
    assert api.post("/v1/templates/invoice/preview", {part: source or " "}).status == 422


def test_a_template_of_one_s_own_can_be_named_by_a_tier_and_is_kept_while_it_is(api):
    tier = {"automations": {"past_due": {"tiers": [{"from_days": 1, "template": "final_call"}]}}}
    assert api.patch("/v1/settings", tier).status == 422
    assert api.put("/v1/templates/final_call", {**MINE, "subject": "Pay", "html": "<p>now</p>"}).status == 201
    assert api.patch("/v1/settings", tier).status == 200
    assert api("DELETE", "/v1/templates/final_call").status == 409
    api.patch("/v1/settings", {"automations": {"past_due": None}})
    assert api("DELETE", "/v1/templates/final_call").status == 204
    assert api.get("/v1/templates/final_call").status == 404


def test_a_preview_shows_sample_data_or_the_customer_s(api):
    sample = api.post("/v1/templates/invoice/preview", {}).json
    assert set(sample) == {"subject", "text", "html"}
    assert "Acme Ltd" in sample["text"]
    customer = api.post("/v1/customers", {"name": "Łódź & Söhne"}).json["id"]
    body = {"customer_id": customer, "type": "regular", "lines": [{"name": "Work", "amount": "12.34"}], "post": True}
    api.post("/v1/invoices", body)
    real = api.post("/v1/templates/invoice/preview", {"customer_id": customer}).json
    assert "Łódź & Söhne" in real["text"]
    assert "Łódź &amp; Söhne" in real["html"]
    assert "12.34" in real["text"]
    summary = api.post("/v1/templates/account_summary/preview", {"customer_id": customer}).json
    assert "USD 12.34" in summary["text"]
    assert api.post("/v1/templates/invoice/preview", {"customer_id": "cus_nobody"}).status == 404


@pytest.mark.parametrize("name", ["Invoice", "9lives", "a-b"])
def test_names_are_plain(api, name):
    assert api.put(f"/v1/templates/{name}", MINE).fields == ["name"]


# ---- languages ------------------------------------------------------------------------------------------------


def test_each_language_has_its_own_template(api):
    english, german = (api.get(f"/v1/templates/invoice?language={x}").json for x in ("en", "de"))
    assert api.get("/v1/templates/invoice").json == english
    assert "Rechnung" in german["subject"]
    assert api.put("/v1/templates/invoice?language=de", MINE).json["version"] == 1
    assert api.get("/v1/templates/invoice").json == english
    assert api.get("/v1/templates/invoice?language=de").json == {
        "name": "invoice",
        **MINE,
        "version": 1,
        "customised": True,
    }
    assert [t["customised"] for t in api.items("/v1/templates?language=de") if t["name"] == "invoice"] == [True]
    assert [t["name"] for t in api.items("/v1/templates?language=de")] == [
        t["name"] for t in api.items("/v1/templates")
    ]
    assert api("DELETE", "/v1/templates/invoice?language=de").json == {**german, "version": 2}
    assert api.get("/v1/templates/invoice?language=fr").fields == ["language"]


def test_without_a_language_the_business_s_is_meant(api):
    api.patch("/v1/settings", {"business": {"language": "de"}})
    assert "Rechnung" in api.get("/v1/templates/invoice").json["subject"]
    api.put("/v1/templates/invoice", MINE)
    assert api.get("/v1/templates/invoice?language=de").json["customised"]
    assert not api.get("/v1/templates/invoice?language=en").json["customised"]


def test_a_template_of_one_s_own_is_said_in_another_language_rather_than_not_at_all(api):
    own = {**MINE, "subject": "Pay", "html": "<p>now</p>"}
    assert api.put("/v1/templates/final_call", own).status == 201
    assert api.get("/v1/templates/final_call?language=de").json["subject"] == "Pay"
    assert api.put("/v1/templates/final_call?language=de", {**own, "subject": "Zahlen"}).status == 200
    assert api.get("/v1/templates/final_call?language=de").json["subject"] == "Zahlen"
    tier = {"automations": {"past_due": {"tiers": [{"from_days": 1, "template": "final_call"}]}}}
    assert api.patch("/v1/settings", tier).status == 200
    assert api("DELETE", "/v1/templates/final_call?language=de").status == 204
    assert api("DELETE", "/v1/templates/final_call").status == 409


def test_a_preview_speaks_the_customer_s_language_unless_another_is_asked_for(api):
    api.customer(language="de")
    body = {
        "customer_id": "cus_acme",
        "type": "regular",
        "lines": [{"name": "Work", "amount": "1234.50"}],
        "post": True,
    }
    api.post("/v1/invoices", body)
    mine = {"customer_id": "cus_acme"}
    assert "1.234,50 USD" in api.post("/v1/templates/invoice/preview", mine).json["text"]
    assert "USD 1234.50" in api.post("/v1/templates/invoice/preview?language=en", mine).json["text"]
    assert "Mahnung" in api.post("/v1/templates/past_due_2/preview?language=de", {}).json["subject"]

"""The audit log over the API: who did what, newest first, and whether it is whole. PRODUCT 12."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.audit import AuditEntry
from shared.domain.ids import SHARDS, shard_of
from shared.ports import Save


def test_nothing_was_done_yet(api):
    assert api.get("/v1/audit").json == {"items": [], "next_cursor": None}
    assert api.get("/v1/audit/verify").json == {"valid": True, "entries": 0, "first_bad": None}


def test_a_write_is_told_with_who_what_and_when(api):
    api.customer()
    api.ports.clock.advance(seconds=1)
    api.patch("/v1/customers/cus_acme", {"tax_rate_percent": "19", "name": "Other"}, role="operator")
    newest, first = api.get("/v1/audit").json["items"]
    assert first["action"] == "POST /v1/customers"
    assert (newest["action"], newest["by"], newest["role"]) == ("PATCH /v1/customers/{customer_id}", "ada", "operator")
    assert newest["subject_ids"] == ["cus_acme"]
    assert newest["at"] == "2026-01-01T12:00:01Z"
    (change,) = newest["changes"]
    assert (change["kind"], change["key"]) == ("Customer", "cus_acme")
    assert (change["version_before"], change["version_after"]) == (1, 2)
    assert change["fields"] == [
        {"field": "name", "hidden": True},
        {"field": "tax_rate_percent", "before": "0", "after": "19"},
    ]
    assert "Acme" not in api.get("/v1/audit").text


def test_settings_are_told_before_and_after(api):
    api.patch("/v1/settings", {"bill_run": {"enabled": True}, "retries": {"retry_days": [1]}})
    (entry,) = api.get("/v1/audit?subject_id=settings").json["items"]
    assert entry["subject_ids"] == ["settings"]
    assert {c["kind"] for c in entry["changes"]} == {"Settings", "SettingsChange", "Watermark"}
    told = next(c for c in entry["changes"] if c["kind"] == "Settings")
    assert told["fields"] == [
        {"field": "bill_run.enabled", "before": False, "after": True},
        {"field": "retries.retry_days", "before": [3, 5, 7], "after": [1]},
    ]


def test_what_was_refused_and_what_only_reads_is_not_told(api):
    api.customer()
    before = api.get("/v1/audit/verify").json
    for method, path, body, status in (
        ("POST", "/v1/customers", {"id": "cus_acme", "name": "Other"}, 409),
        ("POST", "/v1/customers", {"name": ""}, 422),
        ("PATCH", "/v1/customers/cus_none", {"name": "x"}, 404),
        ("PATCH", "/v1/settings", {"bill_run": {"schedule": "no"}}, 422),
        ("PATCH", "/v1/settings?dry_run=true", {"bill_run": {"enabled": True}}, 200),
        ("POST", "/v1/templates/invoice/preview", {}, 200),
        ("POST", "/v1/bill-runs", {"dry_run": True}, 200),
        ("GET", "/v1/customers", None, 200),
    ):
        reply = api(method, path, body)
        assert reply.status == status, (method, path, reply.text)
    assert api.patch("/v1/settings", {"bill_run": {"enabled": True}}, role="operator").status == 403
    assert api.post("/v1/customers", {"name": "x"}, claims=None).status == 401
    assert api.patch("/v1/customers/cus_acme", {"name": "x"}, headers={"If-Match": '"7"'}).status == 412
    assert api.get("/v1/audit/verify").json == before


def test_a_request_repeated_with_its_key_is_told_once(api):
    for _ in range(2):
        assert api.post("/v1/customers", {"name": "x"}, headers={"Idempotency-Key": "k"}).status == 201
    assert api.get("/v1/audit/verify").json["entries"] == 1


def test_filters_combine_and_include_what_they_name(api):
    api.patch("/v1/settings", {"business": {"timezone": "America/New_York"}})
    for n, user in enumerate(("ada", "bob", "ada", "bob")):
        api.ports.clock.advance(days=1)
        api.user = user
        api.customer(f"cus_{n}")  # 2 to 5 January, 12:00 UTC, which is 07:00 in New York

    def told(query):
        return [e["subject_ids"][0] for e in api.items(f"/v1/audit?{query}")]

    assert told("by=ada") == ["cus_2", "cus_0", "settings"]
    assert told("by=bob&from=2026-01-04") == ["cus_3"]
    assert told("subject_id=cus_1") == ["cus_1"]
    assert told("subject_id=cus_1&by=ada") == []
    assert told("from=2026-01-03&to=2026-01-04") == ["cus_2", "cus_1"]
    assert told("to=2026-01-02T11:59:59Z") == ["settings"]
    assert told("from=2026-01-05T12:00:00Z&to=2026-01-05T12:00:00Z") == ["cus_3"]
    assert told("from=2026-01-05T12:00:00.000001Z") == []


@pytest.mark.parametrize(("query", "field"), [
    ("from=yesterday", "from"), ("to=2026-02-30", "to"), ("from=2026-01-02&to=2026-01-01", "to"),
    ("subject_id=%0a", "subject_id"), ("limit=0", "limit"), ("cursor=x", "cursor"), ("nonsense=1", "nonsense"),
    ("by=", "by"),
])  # fmt: skip
def test_wrong_filters_are_named(api, query, field):
    assert api.get(f"/v1/audit?{query}").fields == [field]


def test_a_cursor_belongs_to_its_filters(api):
    for n in range(3):
        api.customer(f"cus_{n}")
    cursor = api.get("/v1/audit?limit=1").json["next_cursor"]
    assert api.get(f"/v1/audit?limit=1&by=ada&cursor={cursor}").fields == ["cursor"]
    assert api.get(f"/v1/audit/verify?cursor={cursor}").fields == ["cursor"]


@pytest.mark.parametrize("limit", [1, 2, 7, 29, 30, 31, 200])
def test_pages_are_newest_first_and_neither_skip_nor_repeat_what_was_there_while_more_is_written(api, limit):
    for n in range(30):
        api.ports.clock.advance(seconds=n % 3)  # some at the same instant
        api.customer(f"cus_{n:02}")
    found, cursor = [], ""
    while cursor is not None:
        page = api.get(f"/v1/audit?limit={limit}" + (f"&cursor={cursor}" if cursor else "")).json
        found += page["items"]
        cursor = page["next_cursor"]
        api.ports.clock.advance(seconds=1)
        api.customer(f"cus_new{len(found)}")
    assert len({e["id"] for e in found}) == len(found) == 30
    assert sorted((e["at"] for e in found), reverse=True) == [e["at"] for e in found]
    assert {e["shard"] for e in found} == set(range(SHARDS))


def test_rare_matches_are_found_however_many_others_there_are(api, monkeypatch):
    monkeypatch.setattr("functions.admin_api.audit.READS_MAX", 1)
    monkeypatch.setattr("functions.admin_api.audit.PAGE_LIMIT", 5)
    api.customer("cus_rare")
    for n in range(23):
        api.ports.clock.advance(seconds=1)
        api.customer(f"cus_{n}")
    assert [e["subject_ids"] for e in api.items("/v1/audit?subject_id=cus_rare")] == [["cus_rare"]]


def test_a_tampered_entry_is_named(api):
    for n in range(20):
        api.customer(f"cus_{n}")
    assert api.get("/v1/audit/verify").json == {"valid": True, "entries": 20, "first_bad": None}
    victim = api.ports.store.list(AuditEntry, str(shard_of("request-5"))).items[0]
    api.ports.store.commit(Save(replace(victim, by="mallory")))
    assert api.get("/v1/audit/verify").json == {"valid": False, "entries": 20, "first_bad": victim.id}


def test_a_very_long_log_is_verified_in_parts(api, monkeypatch):
    monkeypatch.setattr("functions.admin_api.audit.VERIFY_MAX", 7)
    for n in range(20):
        api.customer(f"cus_{n}")
    answer, rounds = api.get("/v1/audit/verify").json, 1
    while "next_cursor" in answer:
        answer = api.get(f"/v1/audit/verify?cursor={answer['next_cursor']}").json
        rounds += 1
    assert (answer, rounds) == ({"valid": True, "entries": 20, "first_bad": None}, 3)


def test_viewers_may_read_the_log(api):
    assert api.get("/v1/audit", role="viewer").status == 200
    assert api.get("/v1/audit/verify", role="viewer").status == 200

"""Webhook endpoints through the API: what is taken, what is shown and what never is, and who may do it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.domain.outbox import OutboxEvent
from shared.domain.records import Answered
from shared.domain.webhook import WebhookDelivery
from shared.ports import Save, WebhookAnswer
from shared.use_cases.outbox import publish_event
from shared.use_cases.webhook_deliveries import deliver_webhook
from shared.use_cases.webhook_endpoints import ENDPOINTS_MAX

PATH = "/v1/webhook-endpoints"
URL = "https://erp.example/hooks"
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Bus:
    def publish(self, detail_type, detail) -> None:
        """Whatever it is, it is taken."""


@pytest.fixture(autouse=True)
def bus(api):
    object.__setattr__(api.ports, "bus", Bus())


def endpoint(api, **more):
    return api.made(PATH, {"url": URL, "events": ["*"], **more})


def told(api, count=1):
    """So many events, and one attempt to deliver each."""
    for n in range(count):
        id = f"evt_{n}"
        api.ports.store.commit(Save(OutboxEvent(id, "customer.limited", AT, {"id": id})))
        publish_event(id, api.ports)
    found = api.ports.store.dump()["WebhookDelivery"].values()
    for delivery in found:
        deliver_webhook(delivery.id, api.ports)
    return sorted(d.id for d in found)


# ---- making one -----------------------------------------------------------------------------------------------


def test_an_endpoint_is_made_and_its_secret_is_shown_in_that_answer_only(api):
    made = endpoint(api, events=["customer.suspended", "customer.restored"])
    assert made == {
        "id": made["id"], "url": URL, "events": ["customer.suspended", "customer.restored"],
        "secrets": [{"created_at": "2026-01-01T12:00:00Z", "expires_at": None}], "secret": "whsec_0001",
        "created_at": "2026-01-01T12:00:00Z", "disabled_at": None, "disabled_because": None, "version": 1,
    }  # fmt: skip
    assert made["id"].startswith("whk_")
    shown = {name: value for name, value in made.items() if name != "secret"}
    assert api.get(f"{PATH}/{made['id']}").json == shown
    assert api.items(PATH) == [shown]


def test_the_same_create_again_answers_the_first_result_without_the_secret(api):
    body = {"id": "whk_erp", "url": URL, "events": ["*"]}
    first, again = api.post(PATH, body), api.post(PATH, body)
    assert (first.status, again.status) == (201, 200)
    assert "secret" in first.json
    assert again.json == {name: value for name, value in first.json.items() if name != "secret"}
    assert api.post(PATH, {**body, "events": ["customer.limited"]}).status == 409


@pytest.mark.parametrize("path", ["", "/whk_erp/rotate"])
def test_under_an_idempotency_key_no_secret_is_kept_to_be_shown_again(api, path):
    endpoint(api, id="whk_erp")
    body = {} if path else {"url": "https://crm.example/", "events": ["*"]}
    first, again = (api.post(PATH + path, body, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json.pop("secret") not in again.text
    answers = api.ports.store.dump()[Answered.__name__].values()
    assert answers
    assert not any("whsec_" in a.body for a in answers)


def test_a_key_whose_first_answer_was_lost_makes_no_second_endpoint(api, monkeypatch):
    monkeypatch.setattr("functions.admin_api.once._keep", lambda *args: None)
    body, key = {"url": URL, "events": ["*"]}, {"Idempotency-Key": "k"}
    first = api.post(PATH, body, headers=key).json
    api.ports.clock.advance(seconds=61)
    again = api.post(PATH, body, headers=key)
    assert (again.status, again.json["id"]) == (200, first["id"])
    assert "secret" not in again.json  # nobody knows whether it was seen: rotate it
    assert len(api.items(PATH)) == 1


def test_a_type_named_twice_counts_once(api):
    assert endpoint(api, events=["customer.limited", "customer.limited"])["events"] == ["customer.limited"]


def test_events_of_triggers_are_known_once_they_are_configured(api):
    assert api.post(PATH, {"url": URL, "events": ["customer.escalated"]}).fields == ["events[0]"]
    triggers = [{"days": 14, "actions": [{"type": "emit_event", "name": "customer.escalated"}]}]
    assert api.patch("/v1/settings", {"automations": {"past_due": {"triggers": triggers}}}).status == 200
    assert endpoint(api, events=["customer.escalated"])["events"] == ["customer.escalated"]


@pytest.mark.parametrize("count", [ENDPOINTS_MAX - 1, ENDPOINTS_MAX])
def test_there_are_only_so_many_endpoints(api, count):
    for n in range(count):
        endpoint(api, id=f"whk_{n}")
    assert api.post(PATH, {"url": URL, "events": ["*"]}).status == (409 if count == ENDPOINTS_MAX else 201)
    assert len(api.items(f"{PATH}?limit=7")) == ENDPOINTS_MAX


# ---- what is refused ------------------------------------------------------------------------------------------

GOOD = {"url": URL, "events": ["*"]}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["url", "events"]),
        ({"url": URL}, ["events"]),
        ({**GOOD, "events": []}, ["events"]),
        ({**GOOD, "events": "*"}, ["events"]),
        ({**GOOD, "events": [5]}, ["events[0]"]),
        ({**GOOD, "events": [""]}, ["events[0]"]),
        ({**GOOD, "events": ["*", "customer.hired"]}, ["events[1]"]),
        ({**GOOD, "events": ["*"] * 51}, ["events"]),
        ({**GOOD, "secret": "mine"}, ["secret"]),
        ({**GOOD, "id": "cus_1"}, ["id"]),
        ({**GOOD, "id": "whk_ä"}, ["id"]),
    ],
)
def test_a_body_that_breaks_a_rule_is_refused_by_field(api, body, fields):
    assert api.post(PATH, body).fields == fields
    assert api.items(PATH) == []


@pytest.mark.parametrize(
    "url",
    [None, 5, "", " ", "erp.example", "//erp.example/", "https://", "https:///hooks", "http://erp.example/",
     "ftp://erp.example/", "javascript:alert(1)", "file:///etc/passwd", "https://user:pw@erp.example/",
     "https://user@erp.example/", "https://erp.example/#top", "https://erp.example:0/", "https://erp.example:99999/",
     "https://erp.example:x/", "https://erp.example/a b", "https://erp.example/\r\nX: y", "https://erp.example/ä",
     "https://ärp.example/", "https://erp.example\\@evil.example/", "https://[::1", "https://[x]/", "https://%00/",
     "https://erp.example/" + "x" * 2_000, "HTTPS ://erp.example"],
)  # fmt: skip
def test_what_is_no_https_url_is_refused(api, url):
    reply = api.post(PATH, {"url": url, "events": ["*"]})
    assert reply.fields == ["url"]
    assert reply.json["errors"][0]["message"].startswith("must ")


@pytest.mark.parametrize(
    "url", ["https://erp.example", "https://erp.example:8443/a/b?x=1&y=%C3%A4", "https://sub.erp-1.example/", URL]
)
def test_an_https_url_is_taken_as_it_is(api, url):
    assert endpoint(api, url=url)["url"] == url


# ---- afterwards -----------------------------------------------------------------------------------------------


def test_a_rotation_shows_the_new_secret_once_and_says_when_the_old_one_ends(api):
    endpoint(api, id="whk_erp")
    rotated = api.post(f"{PATH}/whk_erp/rotate", {"grace_hours": 2}).json
    assert rotated["secret"] == "whsec_0002"
    assert [s["expires_at"] for s in rotated["secrets"]] == [None, "2026-01-01T14:00:00Z"]
    assert "secret" not in api.get(f"{PATH}/whk_erp").json
    again = api.post(f"{PATH}/whk_erp/rotate").json["secrets"]
    assert [s["expires_at"] for s in again] == [None, "2026-01-02T12:00:00Z", "2026-01-01T14:00:00Z"]


@pytest.mark.parametrize("hours", [-1, 169, "2", 1.5, None])
def test_the_hours_of_a_rotation_are_a_whole_number_up_to_a_week(api, hours):
    endpoint(api, id="whk_erp")
    assert api.post(f"{PATH}/whk_erp/rotate", {"grace_hours": hours}).fields == ["grace_hours"]
    for fine in (0, 168):
        assert api.post(f"{PATH}/whk_erp/rotate", {"grace_hours": fine}).status == 200


def test_a_deleted_endpoint_is_gone_and_its_id_may_be_used_again(api):
    endpoint(api, id="whk_erp")
    assert api.delete(f"{PATH}/whk_erp").status == 204
    assert api.delete(f"{PATH}/whk_erp").status == 404
    assert api.get(f"{PATH}/whk_erp").status == 404
    assert api.get(f"{PATH}/whk_erp/deliveries").status == 404
    assert endpoint(api, id="whk_erp")["secret"] == "whsec_0002"


def test_deliveries_are_listed_with_what_became_of_each(api):
    endpoint(api, id="whk_erp")
    api.ports.webhooks.behave(URL, WebhookAnswer(200), WebhookAnswer(None, "timed out"), WebhookAnswer(503))
    ids = told(api, 3)
    found = {d["id"]: d for d in api.items(f"{PATH}/whk_erp/deliveries?limit=2")}
    assert sorted(found) == ids
    shown = sorted((d["outcome"], d["last_status"] or 0, d["last_error"], d["attempts"]) for d in found.values())
    assert shown == [("delivered", 200, None, 1), ("pending", 0, "timed out", 1), ("pending", 503, None, 1)]
    waiting = api.items(f"{PATH}/whk_erp/deliveries?outcome=pending")
    assert {d["next_at"] for d in waiting} == {"2026-01-01T12:01:00Z"}
    assert {d["event_type"] for d in waiting} == {"customer.limited"}
    assert api.get(f"{PATH}/whk_erp/deliveries?outcome=lost").fields == ["outcome"]


def test_a_delivery_is_asked_for_again_by_an_operator(api):
    endpoint(api, id="whk_erp")
    (id,) = told(api)
    again = api.post(f"{PATH}/whk_erp/deliveries/{id}/redeliver", role="operator")
    assert (again.status, again.json["outcome"], again.json["attempts"]) == (200, "pending", 1)
    assert ("webhook", {"kind": "deliver_webhook", "v": 1, "delivery_id": id}) in api.ports.queue.sent
    assert api.post(f"{PATH}/whk_erp/deliveries/whd_none/redeliver").status == 404
    assert api.post(f"{PATH}/whk_none/deliveries/{id}/redeliver").status == 404


def test_a_disabled_endpoint_says_why_and_is_enabled_by_an_admin(api):
    endpoint(api, id="whk_erp")
    api.ports.webhooks.behave(URL, WebhookAnswer(410))
    (id,) = told(api)
    shown = api.get(f"{PATH}/whk_erp").json
    assert (shown["disabled_at"], shown["disabled_because"]) == ("2026-01-01T12:00:00Z", "it answered 410 Gone")
    (task,) = api.items("/v1/tasks?status=open")
    assert (task["kind"], task["link"]) == ("webhook_disabled", f"{PATH}/whk_erp")
    assert api.post(f"{PATH}/whk_erp/deliveries/{id}/redeliver").json["code"] == "disabled"
    assert api.post(f"{PATH}/whk_erp/enable").json["disabled_at"] is None
    assert api.post(f"{PATH}/whk_erp/enable").status == 200


def test_a_delivery_kept_too_long_may_be_forgotten(api):
    endpoint(api, id="whk_erp")
    (id,) = told(api)
    delivery = api.ports.store.get(WebhookDelivery, id)
    assert (delivery.expires_at - AT).days == 90


def test_no_answer_but_the_first_and_no_log_shows_a_secret(api, capfd):
    endpoint(api, id="whk_erp")
    told(api)
    for path in (PATH, f"{PATH}/whk_erp", f"{PATH}/whk_erp/deliveries", "/v1/tasks"):
        assert "whsec_" not in api.get(path).text
    assert "whsec_" not in "".join(capfd.readouterr())


def test_the_audit_log_tells_what_was_changed_about_an_endpoint_and_no_secret(api):
    endpoint(api, id="whk_erp", events=["customer.limited"])
    api.post(f"{PATH}/whk_erp/rotate")
    entries = api.get("/v1/audit?subject_id=whk_erp")
    told = {f["field"] for e in entries.json["items"] for c in e["changes"] for f in c["fields"]}
    assert {"url", "events", "secrets"} <= told
    assert "whsec_" not in entries.text
    assert "whsec_" not in str([vars_of(e) for e in api.ports.store.dump()["AuditEntry"].values()])


def vars_of(entity):
    return {name: getattr(entity, name) for name in entity.__slots__}

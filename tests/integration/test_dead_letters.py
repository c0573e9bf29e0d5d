"""Messages that fail each time: put aside, shown with the reason, and put back once it is mended."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from functions.send_email import send
from infra.local.app import LocalClient
from infra.local.cloud import LocalCloud
from infra.local.faults import Rates
from infra.rights import Rights, guarded
from shared import bootstrap
from shared.domain.dead_letter import redacted
from shared.domain.errors import Refused
from shared.domain.records import FailedMessage
from shared.queue_batches import RECEIVES_MAX
from shared.use_cases.dead_letters import TICK, UNTOLD

LONG_ENOUGH = timedelta(hours=1)  # for five deliveries of a message that is hidden for six minutes after each


@pytest.fixture(params=["memory", pytest.param("moto", marks=pytest.mark.moto)])
def cloud(request, wiring):
    with LocalCloud(request.param, wiring=wiring, log_level="CRITICAL") as cloud:
        rights = Rights(wiring)
        cloud.use_ports(guarded(cloud.ports, rights))
        cloud.engine.invoker.before = [rights.begin]
        yield cloud
        assert rights.denied == set()


@pytest.fixture
def ask(cloud):
    client = LocalClient(cloud)

    def ask(method, path, body=None, status=200, **more):
        found, _, answer = client.request(method, path, body, **more)
        assert found == status, answer
        return answer

    return ask


def queue(cloud, label):
    return next(q.name for q in cloud.wiring.queues.values() if q.label == label)


def put_aside(cloud):
    cloud.advance_to(cloud.clock.now() + LONG_ENOUGH)


def letters(ask):
    return ask("GET", "/v1/dead-letters")["items"]


def test_a_mail_that_cannot_be_sent_is_listed_with_the_reason_and_goes_out_once_it_is_mended(cloud, ask, monkeypatch):
    ask("POST", "/v1/customers", {"id": "cus_1", "name": "Acme", "email": "ap@acme.example"}, 201)
    lines = [{"name": "Audit", "amount": "5.00"}]
    ask("POST", "/v1/invoices", {"id": "inv_1", "customer_id": "cus_1", "lines": lines, "post": True}, 201)

    def broken(notice_id, ports):
        raise Refused("broken", f"notice {notice_id} cannot be rendered")

    with monkeypatch.context() as patch:
        patch.setattr(send, "send_notice", broken)
        notice = ask("POST", "/v1/invoices/inv_1/send")["id"]
        put_aside(cloud)
        cloud.engine.drain()
        found = letters(ask)
        assert [letter["body"]["notice_id"] for letter in found] == [notice] * len(found)
        assert {letter["reason"] for letter in found} == {f"Refused: notice {notice} cannot be rendered"}
        assert set(found[0]) == {"id", "queue", "reason", "body", "failed_at", "attempts"}
        assert (found[0]["queue"], found[0]["attempts"]) == ("notice", RECEIVES_MAX)
        assert letters(ask) == found  # looking changes nothing
    assert cloud.mail.sent == []
    for letter in found:
        path = f"/v1/dead-letters/{letter['id']}/redrive"
        assert ask("POST", path)["queue"] == "notice"
        ask("POST", path, status=404)
    cloud.engine.drain()
    assert letters(ask) == []
    put_aside(cloud)
    assert [sent.mail.to for sent in cloud.mail.sent] == ["ap@acme.example"]
    assert cloud.ports.store.get(FailedMessage, found[0]["id"].partition("-")[2]) is None


def test_a_message_that_is_put_back_too_early_comes_again_under_a_new_id(cloud, ask):
    cloud.engine.broker.put(
        queue(cloud, "notice"), ['{"kind": "nonsense", "notice_id": "ntc_1", "to": "ap@acme.example"}']
    )
    put_aside(cloud)
    (first,) = letters(ask)
    assert first["body"] == {"kind": "nonsense", "notice_id": "ntc_1", "to": "…"}
    assert first["reason"].startswith("ValidationError: at messages.py:")
    ask("POST", f"/v1/dead-letters/{first['id']}/redrive")
    put_aside(cloud)
    (second,) = letters(ask)
    assert second["id"] != first["id"]
    assert second["body"] == first["body"]


def test_of_many_only_the_one_that_is_meant_is_put_back(cloud, ask):
    bodies = [json.dumps({"kind": "nonsense", "notice_id": f"ntc_{n}"}) for n in range(12)]
    cloud.engine.broker.put(queue(cloud, "notice_dlq"), bodies)
    cloud.engine.broker.put(queue(cloud, "charge_dlq"), bodies[:1])
    found = letters(ask)
    assert [letter["queue"] for letter in found].count("notice") == 12
    paged, cursor = [], ""
    while cursor is not None:
        page = ask("GET", f"/v1/dead-letters?limit=5{cursor and '&cursor='}{cursor}")
        assert len(page["items"]) <= 5
        paged, cursor = paged + page["items"], page["next_cursor"]
    assert paged == found
    chosen = next(x for x in found if x["queue"] == "notice" and x["body"]["notice_id"] == "ntc_7")
    ask("POST", f"/v1/dead-letters/{chosen['id']}/redrive")
    assert sorted(x["id"] for x in letters(ask)) == sorted(x["id"] for x in found if x != chosen)
    assert {x["reason"] for x in found} == {UNTOLD}
    waiting = cloud.engine.broker.bodies(queue(cloud, "notice"))
    assert [json.loads(body)["notice_id"] for body in waiting] == ["ntc_7"]


def test_a_tick_is_only_taken_away_since_later_ticks_did_its_work(cloud, ask):
    cloud.engine.broker.put(
        queue(cloud, "ticks_dlq"), [json.dumps({"requestContext": {"condition": "RetriesExhausted"}})]
    )
    (tick,) = letters(ask)
    assert (tick["queue"], tick["reason"]) == ("ticks", TICK)
    assert tick["body"]["requestContext"]["condition"] == "RetriesExhausted"
    ask("POST", f"/v1/dead-letters/{tick['id']}/redrive")
    assert letters(ask) == []


@pytest.mark.parametrize("id", ["none", "notice-none", "notice", "-", "nowhere-000000000001", "ticks-"])
def test_an_unknown_dead_letter_is_not_found(ask, id):
    ask("POST", f"/v1/dead-letters/{id}/redrive", status=404)


def test_a_viewer_sees_dead_letters_and_an_operator_puts_them_back(cloud, ask):
    cloud.engine.broker.put(queue(cloud, "notice_dlq"), ["{}"])
    (letter,) = ask("GET", "/v1/dead-letters", token="local-viewer")["items"]
    path = f"/v1/dead-letters/{letter['id']}/redrive"
    ask("POST", path, status=403, token="local-viewer")
    ask("POST", path, token="local-operator")


def test_work_that_was_put_aside_while_the_database_was_away_is_finished_after_it_was_put_back(wiring):
    with LocalCloud("memory", wiring=wiring, log_level="CRITICAL") as cloud:
        client = LocalClient(cloud)
        client.request("POST", "/v1/customers", {"id": "cus_1", "name": "Acme"})
        charge = {"name": "Support", "type": "recurring", "amount": "5.00"}
        contract = {"id": "con_1", "name": "IT", "start_date": "2026-01-01", "charges": [charge]}
        client.request("POST", "/v1/customers/cus_1/contracts", contract)
        cloud.set_faults(frozenset(), 1, Rates(throttle=1.0))
        client.request("POST", "/v1/bill-runs", {"id": "brn_1"})
        put_aside(cloud)
        cloud.set_faults(frozenset(), 0, Rates())
        found = client.request("GET", "/v1/dead-letters")[2]["items"]
        assert "bill_run" in {letter["queue"] for letter in found}
        for letter in found:
            assert client.request("POST", f"/v1/dead-letters/{letter['id']}/redrive")[0] == 200
        cloud.engine.drain()
        run = client.request("GET", "/v1/bill-runs/brn_1")[2]
        assert (run["status"], run["counts"]["drafts"]) == ("completed", 1)
        assert client.request("GET", "/v1/dead-letters")[2]["items"] == []


def test_a_reason_that_cannot_be_kept_costs_nothing_else(wiring, monkeypatch):
    with LocalCloud("memory", wiring=wiring, log_level="CRITICAL") as cloud:
        cloud.engine.broker.put(queue(cloud, "notice"), ["{}"])

        def away():
            raise RuntimeError("no ports")

        monkeypatch.setattr(bootstrap, "remember_failure", away)
        monkeypatch.setattr("shared.observability._tell_failure", lambda *told: away())
        put_aside(cloud)
        (letter,) = LocalClient(cloud).request("GET", "/v1/dead-letters")[2]["items"]
        assert letter["reason"] == UNTOLD


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ({"kind": "send_notice", "notice_id": "ntc_1", "v": 1}, {"kind": "send_notice", "notice_id": "ntc_1", "v": 1}),
        ({"customer_ids": ["cus_1", "ap@acme.example"]}, {"customer_ids": ["cus_1", "…"]}),
        ({"at": "2026-01-01T14:00:00Z", "on": "2026-01-01"}, {"at": "2026-01-01T14:00:00Z", "on": "2026-01-01"}),
        ({"after": "acme ltd|ap@acme.example|cus_1"}, {"after": "…"}),
        ({"Message": json.dumps({"destination": ["a@b.example"]})}, {"Message": {"destination": ["…"]}}),
        ({"kind": "<script>"}, {"kind": "…"}),
        ("Acme Ltd", "…"),
    ],
)
def test_a_body_is_shown_without_what_names_anybody(body, shown):
    assert redacted(json.dumps(body)) == shown


@pytest.mark.parametrize("body", ["", "not json", "[" * 5000, "\ud800"])
def test_a_body_that_is_no_json_is_hidden(body):
    assert redacted(body) == "…"

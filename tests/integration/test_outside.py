"""The world outside as the local server shows and steers it: mail, charges, events, on both backends alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from threading import Thread
from time import monotonic, sleep

import pytest

from infra.local.app import App
from infra.local.cloud import LocalCloud
from infra.local.server import Server

pytestmark = pytest.mark.slow_on_moto

ADDRESS = "ap@acme.example"


@pytest.fixture
def mailed(world):
    """A customer whose posted invoices are mailed."""
    world.settings(automations={"send_new_invoices": {"enabled": True}})
    return world.customer(email=ADDRESS, name="Ärger & Söhne")


def test_a_mail_is_seen_as_its_reader_sees_it(world, mailed):
    world.invoice(mailed, "100.00")
    world.rest()
    [mail] = world.emails()
    assert (mail["n"], mail["to"]) == (1, ADDRESS)
    assert "INV-000001" in mail["subject"]
    assert "100.00" in mail["text"]
    assert "<html" in mail["html"]
    assert [(a["name"], a["size"] > 1000) for a in mail["attachments"]] == [("INV-000001.pdf", True)]
    assert mail["sent_at"].startswith("2026-01-01T0")
    assert world.emails("AP@ACME.example") == [mail]
    assert world.emails("nobody@acme.example") == []


def test_a_mail_can_be_read_as_the_text_that_travelled(world, mailed):
    world.invoice(mailed, "100.00")
    world.rest()
    message = message_from_bytes(world.get("/_local/emails/1.eml"), policy=policy.default)
    assert message["To"] == ADDRESS
    assert message["Subject"] == world.emails()[0]["subject"]
    assert message["Date"].datetime.date().isoformat() == "2026-01-01"
    assert message.get_body(("plain",)).get_content().strip() == world.emails()[0]["text"].strip()
    [attachment] = message.iter_attachments()
    assert attachment.get_content().startswith(b"%PDF")


@pytest.mark.parametrize("outcome", ["bounce", "complaint"])
def test_what_the_provider_reports_of_a_mail_reaches_the_notice_and_the_customer(world, mailed, outcome):
    world.put(f"/_local/mail/{ADDRESS}", {"outcome": outcome})
    world.invoice(mailed, "100.00")
    world.rest()
    assert len(world.emails()) == 1
    world.invoice(mailed, "50.00")
    world.rest()
    assert len(world.emails()) == 1  # the address is known to be no good


def test_mail_that_is_throttled_goes_out_when_the_provider_lets_it(world, mailed):
    world.put(f"/_local/mail/{ADDRESS}", {"outcome": "throttle"})
    world.invoice(mailed, "100.00")
    world.settle()
    assert world.emails() == []
    world.put(f"/_local/mail/{ADDRESS}", {"outcome": "delivered"})
    world.rest()
    assert [m["to"] for m in world.emails()] == [ADDRESS]
    assert world.notices(mailed) == ["invoice"]


def test_the_gateway_tells_what_it_believes_happened(world):
    acme = world.customer(terms_days=0)
    world.card(acme, "declined:insufficient_funds", "succeeded")
    invoice = world.invoice(acme, "249.95")
    declined = world.post(f"/v1/invoices/{invoice}/charge")
    paid = world.post(f"/v1/invoices/{invoice}/charge")
    assert [(p["status"], p["code"]) for p in (declined, paid)] == [
        ("declined", "insufficient_funds"),
        ("succeeded", None),
    ]
    first, second = world.charges()
    assert second == {
        "id": second["id"],
        "token": "tok_3",
        "amount": "249.95",
        "currency": "USD",
        "status": "succeeded",
        "idempotency_key": paid["id"],
        "invoice_id": invoice,
        "at": "2026-01-01T00:00:00Z",
    }
    assert (first["status"], first["idempotency_key"]) == ("declined", declined["id"])


def test_a_reset_forgets_mail_charges_events_and_how_the_world_behaves(world, mailed):
    world.card(mailed, "declined:stolen_card")
    world.put(f"/_local/mail/{ADDRESS}", {"outcome": "throttle"})
    world.post(f"/v1/invoices/{world.invoice(mailed)}/charge")
    world.post("/_local/reset", {"now": "2027-05-01T00:00:00Z"})
    assert [world.emails(), world.charges(), world.events(), world.queues()] == [[], [], [], {}]
    assert world.all("/v1/customers") == []
    world.settings(automations={"send_new_invoices": {"enabled": True}})
    again = world.customer(id=mailed, email=ADDRESS)
    invoice = world.invoice(again)
    world.rest()
    assert world.get(f"/v1/invoices/{invoice}")["number"] == "INV-000001"
    assert [m["sent_at"][:10] for m in world.emails()] == ["2027-05-01"]


def test_a_clock_that_follows_wall_time_moves_by_itself_and_cannot_be_moved(wiring):
    start = datetime.now(UTC) - timedelta(hours=2)
    with LocalCloud(start=start, wiring=wiring, live=True) as cloud:
        server = Server(App(cloud), port=0, live=True)
        thread = Thread(target=server.serve)
        thread.start()
        deadline = monotonic() + 20
        while cloud.clock.now() < start + timedelta(hours=2) and monotonic() < deadline:
            sleep(0.05)
        refused = server.app.handle(_request("POST", "/_local/clock", b'{"advance": {"hours": 1}}'))
        server.stop()
        thread.join(10)
        assert cloud.clock.now() >= start + timedelta(hours=2)
        assert cloud.engine.invoker.invocations["SendEmailSweepFunction"] == 8
        assert refused.status == 409


def _request(method, path, body):
    from infra.local.events import Request

    return Request(method, path, "", {}, body)

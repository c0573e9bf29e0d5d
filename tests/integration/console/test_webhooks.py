"""Webhook endpoints in the console: added, their secret shown once, deliveries read and told again, taken off."""

from __future__ import annotations

from tests.integration.console.console_browser import Console, Outline

PAGE = "/console/webhooks/whk_erp"


def shown_secret(page):
    return next(v for t, n, v in Outline(page.html).attributes if (t, n) == ("input", "value") and "whsec" in (v or ""))


def test_an_endpoint_is_added_and_its_secret_shown_once(busy):
    console = Console(busy)
    page = console.press(console.get("/console/webhooks"), "/webhooks", {"url": "http://127.0.0.1:9/x", "events": "*"})
    secret = shown_secret(page)
    made = next(e for e in busy.all("/v1/webhook-endpoints") if e["url"].endswith("/x"))
    assert made["events"] == ["*"]
    again = console.get(f"/console/webhooks/{made['id']}")
    assert "every event" in again.text
    assert secret not in again.html


def test_what_is_wrong_with_an_endpoint_is_named_and_what_was_chosen_stays(busy):
    console = Console(busy)
    page = console.get("/console/webhooks")
    given = [("form", page.form("/webhooks").value("form")), ("url", "ftp://x"), ("events", "payment.failed")]
    refused = console.send("/console/webhooks", given)
    assert refused.status == 422
    assert "#url" in refused.links
    assert ("events", "payment.failed") in refused.form("/webhooks").fields
    none = console.press(page, "/webhooks", {"url": "http://127.0.0.1:9/y"})
    assert "#events" in none.links
    assert "events" in none.ids
    assert len(busy.all("/v1/webhook-endpoints")) == 1


def test_deliveries_are_read_and_told_again_a_secret_made_anew_and_an_endpoint_taken_off(busy):
    klass = busy.klass(suspend_after_days=1, step_notice_days=0)
    busy.patch("/v1/customers/cus_late", {"class_id": klass})
    busy.to("2026-02-26")
    console = Console(busy)
    page = console.get(PAGE)
    assert "customer.suspended" in page.text
    assert "Failed" in page.text
    assert "disabled" not in page.text
    told = console.press(page, "/redeliver")
    assert "It is told again." in told.text
    assert "Pending" in told.text
    assert console.press(page, "/rotate", {"grace_hours": "999"}).status == 422
    assert shown_secret(console.press(page, "/rotate", {"grace_hours": "0"}))
    assert "Removed." in console.press(page, "/remove").text
    assert busy.all("/v1/webhook-endpoints") == []


def test_an_operator_tells_again_but_leaves_endpoints_alone(busy):
    page = Console(busy, "operator").get("/console/webhooks")
    assert [f for f in page.forms if f.action.endswith("/webhooks")] == []
    value = page.form("/sign-out").value("form")
    shown = Console(busy, "operator")
    form = shown.get("/console").form("/sign-out").value("form")
    assert value != form
    assert shown.send(f"{PAGE}/remove", {"form": form}, follow=False).status == 403
    assert len(busy.all("/v1/webhook-endpoints")) == 1

"""Mail templates in the console: tried as typed, shown as HTML in a frame that may do nothing, saved, taken back."""

from __future__ import annotations

import pytest

from tests.integration.console.console_browser import Console, Outline

PAGE = "/console/templates/past_due_1"
TYPED = {"subject": "Hello {{ customer.name }}", "text": "Pay", "html": "<p>Pay <b>{{ customer.name }}</b></p>",
         "customer_id": "cus_late"}  # fmt: skip


@pytest.fixture
def console(busy):
    return Console(busy)


def fields_of(page):
    form = page.form("/past_due_1")
    return {name: form.value(name) for name in ("form", "version", "language")}


def test_a_template_is_tried_saved_and_taken_back(busy):
    console = Console(busy)
    page = console.get("/console/templates/past_due_1")
    typed = {"subject": "Hello {{ customer.name }}", "text": "Pay", "html": "<p>Pay</p>", "customer_id": "cus_late"}
    before = busy.cloud.ports.store.dump()
    fields = {"form": page.form("/past_due_1").value("form"), "version": page.form("/past_due_1").value("version")}
    part = console.send("/console/templates/past_due_1/preview", {**fields, **typed}, **{"hx-request": "true"})
    assert "Hello Late Ltd" in part.text
    bad = {**fields, **typed, "text": "one\n{% if %}"}
    part = console.send("/console/templates/past_due_1/preview", bad, **{"hx-request": "true"})
    assert "line 2" in part.text
    assert busy.cloud.ports.store.dump() == before
    kept = console.send("/console/templates/past_due_1", bad, follow=False)
    assert kept.status == 422
    assert "{% if %}" in kept.html  # what was typed is not lost
    typed.pop("customer_id")
    assert "Saved." in console.send("/console/templates/past_due_1", {**fields, **typed}).text
    assert busy.get("/v1/templates/past_due_1")["subject"] == "Hello {{ customer.name }}"
    console.press(console.get("/console/templates/past_due_1"), "/reset")
    assert busy.get("/v1/templates/past_due_1")["customised"] is False


def test_the_html_is_shown_in_a_frame_that_may_do_nothing(busy, console):
    page = console.get(PAGE)
    assert "frame-src 'self'" in page.headers["Content-Security-Policy"]
    part = console.send(f"{PAGE}/preview", {**fields_of(page), **TYPED}, **{"hx-request": "true"})
    frame = [(n, v) for t, n, v in Outline(part.html).attributes if t == "iframe"]
    assert ("name", "mail-html") in frame
    assert ("sandbox", None) in frame  # no exception from it
    evil = {**TYPED, "html": "<p>Pay {{ customer.name }}</p><script>alert(1)</script>"}
    shown = console.send(f"{PAGE}/html", {**fields_of(page), **evil})
    assert shown.html.startswith("<p>Pay Late Ltd</p>")
    policy = shown.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'; ")
    assert "script-src" not in policy
    assert "frame-ancestors 'self'" in policy
    assert shown.headers["X-Frame-Options"] == "SAMEORIGIN"


def test_a_template_that_does_not_render_is_said_in_the_frame_as_text(console):
    page = console.get(PAGE)
    shown = console.send(f"{PAGE}/html", {**fields_of(page), **TYPED, "html": "<b>{% if %}"})
    assert "html" in shown.text
    assert "<b>" not in shown.html


def test_each_language_has_its_own_text(busy, console):
    page = console.get(f"{PAGE}?language=de")
    german = busy.get("/v1/templates/past_due_1?language=de")
    assert german["text"][:20] in page.text
    typed = {"subject": "Hallo", "text": "Zahlen", "html": "<p>Zahlen</p>"}
    assert "Saved." in console.send(PAGE, {**fields_of(page), **typed}).text
    assert busy.get("/v1/templates/past_due_1?language=de")["subject"] == "Hallo"
    assert busy.get("/v1/templates/past_due_1?language=en")["customised"] is False
    console.press(console.get(f"{PAGE}?language=de"), "/reset")
    assert busy.get("/v1/templates/past_due_1?language=de")["customised"] is False
    assert console.get(f"{PAGE}?language=xx").status == 404


def test_who_may_not_preview_is_not_asked_to(busy):
    page = Console(busy, "viewer").get(PAGE)
    assert "hx-post" not in page.html
    assert "<button" not in page.html.partition("<main")[2]

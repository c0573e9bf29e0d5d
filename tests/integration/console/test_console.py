"""The console, as people with each role and without script find it. PRODUCT 12, QUALITY "Security"."""

from __future__ import annotations

import json

import pytest

from functions.console.app import FORMS, PAGES
from functions.console.settings import SECTIONS
from shared.domain.console_session import ConsoleSession, session_digest
from shared.domain.task import Task
from shared.ports import Save
from tests.integration.console.console_browser import Console, Outline, draft_of, run_of


def addresses(world):
    """Every page of the console, with ids that exist."""
    ids = {"/runs/{id}": run_of(world), "/payment-runs/{id}": world.all("/v1/payment-runs")[0]["id"],
           "/invoices/{id}/edit": draft_of(world), "/invoices/{id}": "inv_late", "/customers/{id}": "cus_acme",
           "/classes/{id}": "cls_standard", "/webhooks/{id}": "whk_erp", "/rehearsals/{id}": "reh_1",
           "/contracts/{id}": world.all("/v1/customers/cus_acme/contracts")[0]["id"]}  # fmt: skip
    for path in PAGES:
        start = next((s for s in ids if path.startswith(s)), "")
        yield path, "/console" + path.replace("{id}", ids.get(start, "")).replace("{name}", "past_due_1")


DOCUMENTS = ("/invoices/{id}/pdf", "/runs/{id}/print-batch", "/rehearsals/{id}/rows")
PARTS = ("/runs/{id}/progress", "/payment-runs/{id}/progress", "/rehearsals/{id}/progress", "/settings/times")


# ---- who may come in --------------------------------------------------------------------------------------------


def test_without_a_session_every_page_leads_to_the_sign_in_page_and_every_form_does_nothing(busy):
    nobody = Console(busy, role=None)
    before = busy.cloud.ports.store.dump()
    for _, address in addresses(busy):
        shown = nobody.get(address)
        assert (shown.status, shown.headers["Location"]) == (303, "/console/sign-in"), address
    for path in FORMS:
        assert nobody.send("/console" + path.replace("{id}", "cus_acme"), follow=False).status in (303, 404), path
    assert busy.cloud.ports.store.dump() == before


def test_a_part_of_a_page_asked_for_after_the_session_leads_the_whole_page_to_the_sign_in(world):
    shown = Console(world, role=None).part("/console/customers")
    assert shown.headers["HX-Redirect"] == "/console/sign-in"
    assert shown.body == b""


@pytest.mark.parametrize("token", ["", "local-root", "admin", "local-admin2"])
def test_a_token_that_is_none_of_the_fixed_ones_opens_nothing(world, token):
    shown = Console(world, role=None).send("/console/sign-in", {"token": token})
    assert shown.status == 403
    assert "Set-Cookie" not in shown.headers


def test_the_cookie_is_for_this_site_s_console_alone_and_no_script_reads_it(world):
    shown = Console(world, role=None).send("/console/sign-in", {"token": "local-viewer"}, follow=False)
    cookie = shown.headers["Set-Cookie"]
    for part in ("; Path=/console", "; HttpOnly", "; SameSite=Strict", "; Max-Age=28800"):
        assert part in cookie
    assert "Secure" not in cookie  # plain HTTP on loopback


def test_a_sign_in_ends_after_eight_hours_and_not_before(world):
    console = Console(world)
    world.post("/_local/clock", {"advance": {"hours": 7, "minutes": 59}})
    assert console.get("/console").status == 200
    world.post("/_local/clock", {"advance": {"minutes": 1}})
    assert console.get("/console").status == 303


def test_who_signs_out_is_out_also_with_a_cookie_that_was_kept(world):
    console = Console(world)
    shown = console.press(console.get("/console"), "/sign-out", follow=False)
    assert "Max-Age=0" in shown.headers["Set-Cookie"]
    assert console.get("/console").status == 303
    token = console.cookie.partition("=")[2]
    assert world.cloud.ports.store.get(ConsoleSession, session_digest(token)) is None


def test_only_a_digest_of_the_token_is_stored(world):
    console = Console(world)
    assert console.cookie.partition("=")[2] not in json.dumps(str(world.cloud.ports.store.dump()))


# ---- forms of other sites ---------------------------------------------------------------------------------------


def hold(console, fields, **headers):
    return console.send("/console/customers/cus_acme/hold", fields, follow=False, **headers)


def test_a_form_needs_the_value_of_a_page_of_this_sign_in(busy):
    console, other = Console(busy), Console(busy, "operator")
    value = console.get("/console/customers/cus_acme").form("/hold").value("form")
    foreign = other.get("/console/customers/cus_acme").form("/hold").value("form")
    given = {"reason": "dispute"}
    before = busy.get("/v1/customers/cus_acme")["version"]
    assert hold(console, given).status == 403
    assert hold(console, {**given, "form": foreign}).status == 403
    assert hold(console, {**given, "form": value[:-1]}).status == 403
    assert hold(console, {**given, "form": value}, origin="https://evil.example").status == 403
    assert hold(console, {**given, "form": value}, origin="null").status == 403
    assert hold(console, {**given, "form": value}, **{"sec-fetch-site": "cross-site"}).status == 403
    assert busy.get("/v1/customers/cus_acme")["version"] == before
    assert hold(console, {**given, "form": value}).status == 303
    assert busy.get("/v1/customers/cus_acme")["version"] == before + 1


def test_opening_every_page_writes_nothing(busy):
    console = Console(busy)
    before = busy.cloud.ports.store.dump()
    for path, address in addresses(busy):
        missing = (404, 409) if path in DOCUMENTS[1:] else (200,)  # nothing is posted or rehearsed yet
        assert console.get(address).status in missing, address
    assert busy.cloud.ports.store.dump() == before


# ---- roles ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_every_role_sees_every_page(busy, role):
    console = Console(busy, role)
    for path, address in addresses(busy):
        if path not in DOCUMENTS:
            assert console.get(address).status == 200, address


def test_a_viewer_is_offered_no_button_and_may_press_none(busy):
    console = Console(busy, "viewer")
    value = console.get("/console").form("/sign-out").value("form")
    for path, address in addresses(busy):
        if path in DOCUMENTS or path in PARTS:
            continue
        posting = [f.action for f in console.get(address).forms if f.method == "post" and "/sign-out" not in f.action]
        # shown for reading, without a button
        allowed = ("/settings", "/autopay", "/templates/past_due_1", "/classes/cls_standard", "/triggers")
        assert [a for a in posting if not a.endswith(allowed)] == [], address
    before = busy.cloud.ports.store.dump()
    for path in FORMS:
        fields = {"form": value, "section": "terms", "version": "1", "do": "save"}
        ids = {"id": "cus_acme", "automation": "past_due", "method": "pm_1", "name": "past_due_1", "delivery": "whd_1",
               "payment": "pay_1", "invoice": draft_of(busy)}  # fmt: skip
        shown = console.send("/console" + path.format(**ids), fields, follow=False)
        assert (
            shown.status in (403, 404, 422)
            or path.endswith(("/check", "/effects", "/preview", "/html"))
            or "autopay" in path
        ), path
    assert busy.cloud.ports.store.dump() == before


def test_an_operator_acts_but_leaves_settings_and_templates_alone(busy):
    console = Console(busy, "operator")
    value = console.get("/console").form("/sign-out").value("form")
    before = busy.get("/v1/settings")
    for section in SECTIONS:
        fields = {"form": value, "section": section, "version": str(before["version"])}
        assert console.send("/console/settings", fields, follow=False).status == 403
    assert busy.get("/v1/settings") == before
    assert console.send("/console/templates/past_due_1", {"form": value, "subject": "x"}, follow=False).status == 403


def junk():
    """What no page of ours sends: nothing at all, each field twice, and values that are none."""
    names = ("section", "version", "do", "name", "on", "amount", "lines.0.was", "lines.0.quantity", "trigger.0.days",
             "charges.0.type", "charges.0.amount", "add.type", "rule", "customer_ids", "regular.auto_charge.on",
             "records.0.occurred_at", "language", "delivery", "through", "grace_hours", "subject", "type",
             "events")  # fmt: skip
    yield []
    yield [(name, given) for name in names for given in ("1", "2")]
    for given in ("\u2028'\"<&", "9" * 40, "usage", "-1", "2026-02-30", "add:usage", "remove:99"):
        yield [(name, given) for name in names]
    yield [("section", "past_due"), ("version", "-"), ("tier.0.from_days", "x" * 500)]
    yield [("else", "x")]


def test_no_form_whatever_it_holds_is_a_fault(busy):
    console = Console(busy)
    value = console.get("/console").form("/sign-out").value("form")
    ids = {"/runs/{id}": run_of(busy), "/contracts/{id}": busy.all("/v1/customers/cus_acme/contracts")[0]["id"],
           "/invoices/{id}": draft_of(busy), "/classes/{id}": "cls_standard", "/webhooks/{id}": "whk_erp"}  # fmt: skip
    rest = {"automation": "past_due", "method": "pm_1", "name": "past_due_1", "delivery": "whd_1", "payment": "pay_1",
            "invoice": draft_of(busy)}  # fmt: skip
    faults = []
    for path in FORMS:
        id = next((i for start, i in ids.items() if path.startswith(start)), "cus_acme")
        for fields in junk():
            shown = console.send("/console" + path.format(id=id, **rest), [*fields, ("form", value)], follow=False)
            faults += [(path, fields[:3])] if shown.status >= 500 else []
    assert faults == []


# ---- what browsers are told -------------------------------------------------------------------------------------


def test_no_page_has_script_or_style_of_its_own_and_all_are_well_formed_and_labelled(busy):
    console = Console(busy)
    for path, address in addresses(busy):
        if path in DOCUMENTS:
            continue
        shown = console.get(address)
        headers, outline = shown.headers, Outline(shown.html)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"
        assert [a for a in outline.attributes if a[1] == "style" or a[1].startswith(("on", "hx-on"))] == [], address
        assert "<script>" not in shown.html
        assert outline.wrong == [], address
        assert outline.open == [], address
        assert len(shown.ids) == len(set(shown.ids)), address
        unnamed = [f for f in outline.fields if f.get("id") not in outline.labels and "aria-label" not in f]
        assert unnamed == [], address
        if path not in PARTS:
            assert outline.tags.count("h1") == 1, address
            assert 'aria-label="Console"' in shown.html


def test_what_customers_are_called_is_text_and_never_markup(busy):
    console = Console(busy)
    for address in ("/console/customers", "/console/customers/cus_acme", f"/console/runs/{run_of(busy)}"):
        html = console.get(address).html
        assert "<b>& S" not in html
        assert "Acme &lt;b&gt;&amp; Söhne&lt;/b&gt;" in html, address


def test_scripts_and_styles_are_kept_for_long_under_a_name_that_changes_with_them(world):
    console = Console(world)
    html = console.get("/console").html
    for name in ("htmx.min.js", "console.js", "style.css"):
        (address,) = {a for _, n, a in Outline(html).attributes if n in ("src", "href") and name in (a or "")}
        shown = Console(world, role=None).get(address)
        assert shown.status == 200
        assert "immutable" in shown.headers["Cache-Control"]
    assert console.get("/console/assets/app.py").status == 404


@pytest.mark.parametrize("address", ["/console/nothing", "/console/customers/cus_none", "/console/runs/%2e%2e",
                                     "/console/invoices/a b", "/console/customers/cus_acme/nothing"])  # fmt: skip
def test_what_is_not_there_is_a_page_that_says_so(busy, address):
    shown = Console(busy).get(address)
    assert shown.status == 404
    assert "There is no such" in shown.text


# ---- today ------------------------------------------------------------------------------------------------------


def test_today_names_what_needs_a_person(busy):
    busy.put("/_local/mail/ap@late.example", {"outcome": "bounce"})
    busy.invoice("cus_late", "1.00")
    busy.to("2026-02-22")
    card = busy.card("cus_late", "timeout_charged")
    busy.post("/v1/invoices/inv_late/charge", {"payment_method_id": card})
    page = Console(busy).get("/console")
    assert "Drafts to review" in page.text
    assert "flagged" in page.text
    assert "the gateway has not said" in page.text
    assert "USD 40.00" in page.text
    assert "Late Ltd" in page.text
    assert "Mail that failed" in page.text
    assert "What will run" in page.text
    assert "Monday 23 February 2026 at 04:00" in page.text  # the bill run's default, 04:00 daily


def test_today_of_an_empty_world_says_that_nothing_waits(world):
    assert "Nothing waits" in Console(world).get("/console").text.replace("nothing waits", "Nothing waits")


def test_a_task_is_marked_as_done(busy):
    task = Task("tsk_1", "call", "ask them", "inv_late", busy.now, "cus_late")
    busy.cloud.ports.store.commit(Save(task))
    console = Console(busy, "operator")
    assert "Call" in console.get("/console").text
    page = console.press(console.get("/console"), "/tasks/tsk_1/done")
    assert "Marked as done." in page.text
    assert busy.get("/v1/tasks?status=open")["items"] == []

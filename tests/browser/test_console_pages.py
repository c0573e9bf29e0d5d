"""The console in Chromium at a desk's width and a phone's: drag and drop, live checks, and axe-core's rules.

`make browser` installs what this needs and runs it; without, it is skipped. With SHOTS=folder it leaves pictures there.
"""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from infra.wiring import load_wiring
from tests.browser.chromium import MARKS, look_at, served, window
from tests.integration.console.console_browser import busy_world, draft_of, run_of

pytestmark = MARKS


@pytest.fixture
def world():
    with busy_world(load_wiring()) as made:
        yield made


@contextmanager
def signed_in(chromium, url, width="desk", scheme="light"):
    with window(chromium, width, scheme) as page:
        page.goto(f"{url}/console/sign-in")
        page.fill("#token", "local-admin")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_selector("h1:has-text('Today')")
        yield page


def rehearsed(world):
    changed = {"automations": {"past_due": {"enabled": False}}, "bill_run": {"auto_post": True, "auto_email": True}}
    return world.post("/v1/rehearsals", {"days": 30, "settings": changed})["id"]


def addresses(world):
    return {
        "today": "", "runs": "/runs", "run": f"/runs/{run_of(world)}", "draft": f"/invoices/{draft_of(world)}",
        "customers": "/customers", "customer": "/customers/cus_late", "autopay": "/customers/cus_acme/autopay",
        "settings": "/settings", "template": "/templates/past_due_1", "past-due": "/past-due", "reports": "/reports",
        "forecast": "/reports/forecast", "audit": "/audit", "classes": "/classes", "class": "/classes/cls_standard",
        "triggers": "/triggers", "contract": f"/contracts/{contract_of(world)}",
        "contract-new": "/customers/cus_acme/contracts/new",
        "charge": f"/contracts/{contract_of(world)}/charges/new?type=usage",
        "draft-edit": f"/invoices/{draft_of(world)}/edit", "payment-runs": "/payment-runs",
        "payment-run": f"/payment-runs/{world.all('/v1/payment-runs')[0]['id']}", "webhooks": "/webhooks",
        "review": f"/runs/{run_of(world)}/review",
        "rehearsals": "/rehearsals", "rehearsal": f"/rehearsals/{rehearsed(world)}",
        "customer-new": "/customers/new", "customer-edit": "/customers/cus_late/edit",
        "invoice-new": "/customers/cus_late/invoices/new", "invoice": "/invoices/inv_late",
        "history": "/settings/history", "webhook": "/webhooks/whk_erp", "templates": "/templates",
    }  # fmt: skip


def contract_of(world):
    return world.all("/v1/customers/cus_acme/contracts")[0]["id"]


@pytest.mark.parametrize(("width", "scheme"), [("desk", "light"), ("phone", "dark")])
def test_no_page_has_a_serious_fault_or_is_wider_than_the_screen(world, chromium, width, scheme):
    with served(world) as url, signed_in(chromium, url, width, scheme) as page:
        for name, path in addresses(world).items():
            page.goto(f"{url}/console{path}")
            look_at(page, f"{name}-{width}-{scheme}")


def order(page):
    return page.eval_on_selector_all(".rules input[name=rule]", "all => all.map(one => one.value)")


def test_rules_are_moved_by_dragging_and_by_keys_checked_as_they_stand_and_saved(world, chromium):
    listed = world.get("/v1/customers/cus_acme/autopay")
    method = listed["rules"][0]["payment_method_id"]
    small = {"id": "apr_small", "payment_method_id": method,
             "criteria": [{"type": "amount", "operator": "gte", "values": ["300.00"]}]}  # fmt: skip
    world.put("/v1/customers/cus_acme/autopay", {"enabled": True, "rules": [small, *listed["rules"]]})
    with served(world) as url, signed_in(chromium, url) as page:
        page.goto(f"{url}/console/customers/cus_acme/autopay")
        assert order(page) == ["apr_small", "apr_big"]
        page.locator("[data-rule=apr_big] .grip").drag_to(page.locator("[data-rule=apr_small] legend"))
        assert order(page) == ["apr_big", "apr_small"]
        page.wait_for_selector("text=Rule 2 never pays")
        page.get_by_role("button", name="Move rule 2 up").press("Enter")
        assert order(page) == ["apr_small", "apr_big"]
        page.wait_for_selector("text=Rule 2 never pays", state="detached")
        page.locator("[name='apr_big.0.values']").fill("lots")
        page.locator("[name='apr_big.0.values']").blur()
        page.wait_for_selector("text=cannot be saved yet")
        assert page.get_by_role("button", name="Save the rules").is_disabled()
        page.locator("[name='apr_big.0.values']").fill("150")
        page.locator("[name='apr_big.0.values']").blur()
        page.get_by_role("button", name="Move rule 2 up").press("Enter")
        page.wait_for_selector("text=Rule 2 never pays")
        page.get_by_role("button", name="Save the rules").click()
        page.wait_for_selector("text=Saved.")
    saved = world.get("/v1/customers/cus_acme/autopay")["rules"]
    assert [(r["id"], r["criteria"][0]["values"]) for r in saved] == [
        ("apr_big", ["150.00"]),
        ("apr_small", ["300.00"]),
    ]


def test_search_schedules_and_effects_follow_as_one_types(world, chromium):
    with served(world) as url, signed_in(chromium, url) as page:
        page.goto(f"{url}/console/customers")
        page.locator("#query").press_sequentially("late")
        page.wait_for_selector("#found >> text=Söhne", state="detached")
        assert page.locator("#found").get_by_text("Late Ltd").is_visible()
        page.goto(f"{url}/console/settings")
        page.locator("[name='bill_run.schedule']").fill("30 6 * * 1")
        page.wait_for_selector("text=Monday 23 February 2026 at 06:30")
        form = page.locator("form:has([name='automations.send_new_invoices.enabled'])")
        form.locator("[type=checkbox]").uncheck()
        form.get_by_role("button", name="What would this do?").click()
        page.wait_for_selector("text=Send new invoices would act for 0 customers")


def test_a_run_is_watched_until_it_is_done_then_posted_after_asking(world, chromium):
    with served(world) as url, signed_in(chromium, url) as page:
        page.goto(f"{url}/console/runs")
        page.get_by_role("button", name="Start", exact=True).click()
        page.wait_for_selector("text=It is under way")
        world.settle()
        page.wait_for_selector("text=It is under way", state="detached")
        page.goto(f"{url}/console/runs/{run_of(world)}")
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Approve and post").click()
        page.wait_for_selector("text=Posted.")


def test_what_a_class_would_do_follows_as_one_types(world, chromium):
    with served(world) as url, signed_in(chromium, url) as page:
        page.goto(f"{url}/console/classes/cls_standard")
        page.locator("[name='regular.limit_after_days']").fill("5")
        page.locator("[name='regular.limit_after_days']").blur()
        page.wait_for_selector("#would >> text=limit after days: nothing → 5")
        assert page.locator("#would").get_by_text("would be sent a notice").is_visible()
        page.locator("[name='regular.terms_days']").fill("soon")
        page.locator("[name='regular.terms_days']").blur()
        page.wait_for_selector("#would >> text=This cannot be saved")
        page.get_by_role("button", name="Save").click()
        page.get_by_role("link", name="Regular, terms days").click()
        assert page.evaluate("document.activeElement.name") == "regular.terms_days"
        page.keyboard.press("Control+a")
        page.keyboard.type("20")
        page.get_by_role("button", name="Save").click()
        page.wait_for_selector("text=Saved.")
    assert world.get("/v1/customer-classes/cls_standard")["regular"]["limit_after_days"] == 5


def test_a_contract_is_made_changed_and_ended_after_asking(world, chromium):
    with served(world) as url, signed_in(chromium, url) as page:
        page.goto(f"{url}/console/customers/cus_late/contracts/new")
        page.fill("#name", "Gold")
        page.fill("[name='charges.0.name']", "Support")
        page.fill("[name='charges.0.amount']", "99.00")
        page.get_by_role("button", name="Add a usage charge").click()
        page.fill("[name='charges.1.name']", "Backup")
        page.fill("[name='charges.1.metric']", "gb")
        page.fill("[name='charges.1.unit_amount']", "0.05")
        page.locator("#name").press("Enter")  # makes the contract: no button before it takes the key
        page.wait_for_selector("text=The contract is made.")
        page.fill("#amount", "120.00")
        page.get_by_role("button", name="Change it").click()
        page.wait_for_selector("td >> text=USD 120.00")
        page.once("dialog", lambda dialog: dialog.dismiss())
        page.get_by_role("button", name="End it").click()
        assert page.locator("h1 .tag").inner_text() == "Active"
        page.once("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="End it").click()
        page.wait_for_selector("text=The contract ends.")


def test_a_draft_s_total_follows_as_one_types(world, chromium):
    with served(world) as url, signed_in(chromium, url, "phone") as page:
        page.goto(f"{url}/console/invoices/{draft_of(world)}/edit")
        page.locator("[name='lines.0.quantity']").fill("3")
        page.locator("[name='lines.0.quantity']").blur()
        page.wait_for_selector("#total >> text=USD 300.00")
        page.get_by_role("button", name="Save the draft").click()
        page.wait_for_selector("text=Saved.")
    assert world.get(f"/v1/invoices/{draft_of(world)}")["total"] == "300.00"


def test_a_payment_run_is_watched_until_it_is_done(world, chromium):
    with served(world) as url, signed_in(chromium, url) as page:
        page.goto(f"{url}/console/payment-runs")
        page.on("dialog", lambda dialog: dialog.accept())
        page.get_by_role("button", name="Start", exact=True).click()
        page.wait_for_selector("text=It is under way")
        world.settle()
        page.wait_for_selector("text=It is under way", state="detached")
        assert page.get_by_text("no payment method").is_visible()


def test_a_mail_is_seen_as_html_as_it_is_typed_and_can_do_nothing(world, chromium):
    with served(world) as url, signed_in(chromium, url) as page:
        page.goto(f"{url}/console/templates/past_due_1")
        shown = page.frame_locator("iframe[name=mail-html]")
        shown.get_by_role("heading", name="A payment has slipped by").wait_for()
        page.fill("#html", "<p style='color: rgb(1, 2, 3)'>Pay, {{ customer.name }}</p>")
        said = shown.get_by_text("Pay, Acme Ltd")
        said.wait_for()
        assert said.evaluate("e => getComputedStyle(e).color") == "rgb(1, 2, 3)"  # a mail's own styles hold
        assert page.evaluate("document.querySelector('iframe').contentDocument") is None  # an origin of its own
        assert page.evaluate("history.length") == 4  # blank, sign-in, today, this: what is typed is no step back
        page.fill("#html", "{% if %}")
        page.wait_for_selector("#mail >> text=line 1")


def test_a_secret_is_shown_once_and_a_trigger_saved(world, chromium):
    with served(world) as url, signed_in(chromium, url) as page:
        page.goto(f"{url}/console/webhooks")
        page.fill("#url", "http://127.0.0.1:9/hooks")
        page.get_by_label("payment.failed").check()
        page.get_by_role("button", name="Add it").click()
        assert page.locator("#secret").input_value().startswith("whsec_")
        page.goto(f"{url}/console/triggers")
        page.get_by_label("Action 1: what").first.select_option("late_fee")
        page.get_by_label("Action 1: template, amount, event or title").first.fill("12.00")
        page.get_by_role("button", name="Save the triggers").click()
        page.wait_for_selector("text=Saved.")
    first = world.get("/v1/settings")["automations"]["past_due"]["triggers"][0]
    assert first["actions"] == [{"type": "late_fee", "amount": "12.00"}]

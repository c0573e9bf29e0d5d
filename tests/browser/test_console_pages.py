"""The console in Chromium at a desk's width and a phone's: drag and drop, live checks, and axe-core's rules.

`make browser` installs what this needs and runs it; without, it is skipped. With SHOTS=folder it leaves pictures there.
"""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from infra.wiring import load_wiring
from tests.browser.chromium import MARKS, WIDTHS, look_at, served, window
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


def addresses(world):
    return {
        "today": "", "runs": "/runs", "run": f"/runs/{run_of(world)}", "draft": f"/invoices/{draft_of(world)}",
        "customers": "/customers", "customer": "/customers/cus_late", "autopay": "/customers/cus_acme/autopay",
        "settings": "/settings", "template": "/templates/past_due_1", "past-due": "/past-due", "reports": "/reports",
        "forecast": "/reports/forecast", "audit": "/audit",
    }  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
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
        page.wait_for_selector("text=Rule 2 never fires")
        page.get_by_role("button", name="Move rule 2 up").press("Enter")
        assert order(page) == ["apr_small", "apr_big"]
        page.wait_for_selector("text=Rule 2 never fires", state="detached")
        page.locator("[name='apr_big.0.values']").fill("lots")
        page.locator("[name='apr_big.0.values']").blur()
        page.wait_for_selector("text=cannot be saved yet")
        assert page.get_by_role("button", name="Save the rules").is_disabled()
        page.locator("[name='apr_big.0.values']").fill("150")
        page.locator("[name='apr_big.0.values']").blur()
        page.get_by_role("button", name="Move rule 2 up").press("Enter")
        page.wait_for_selector("text=Rule 2 never fires")
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

"""The customer's page in Chromium, without script as with it: paying, promising, rules, closed links, a scanner."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from infra.local.cloud import LocalCloud
from infra.wiring import load_wiring
from tests.browser.chromium import MARKS, look_at, served, window
from tests.integration.pay_scene import dump, link_of, scene
from tests.integration.world import World

pytestmark = MARKS

PLAIN = {"java_script_enabled": False}  # the page's forms need none
FORMS_MAX = 40  # that a scanner submits


@pytest.fixture
def world():
    with LocalCloud("memory", datetime(2026, 1, 1, tzinfo=UTC), wiring=load_wiring()) as cloud:
        yield World(cloud)


def at(url, link):
    """The link, on the server of this test."""
    return url + urlsplit(link).path


def with_rules(world):
    """A customer with two cards and three rules, of which the first is locked."""
    acme, _, link = scene(world, cards=2)
    world.put("/v1/invoices/" + world.invoice(acme, "77.00", on="2025-11-20") + "/hold", {"reason": "dispute"})
    cards = [m["id"] for m in world.get(f"/v1/customers/{acme}/payment-methods")["items"]]
    for id, method, least, locked in (("apr_1", 0, "500", True), ("apr_2", 1, "200", False), ("apr_3", 0, "1", False)):
        criteria = [{"type": "amount", "operator": "gte", "values": [f"{least}.00"]}]
        rule = {"id": id, "payment_method_id": cards[method], "locked": locked, "criteria": criteria}
        rules = [*world.get(f"/v1/customers/{acme}/autopay")["rules"], rule]
        kept = [{k: r[k] for k in ("id", "payment_method_id", "locked", "criteria")} for r in rules]
        world.put(f"/v1/customers/{acme}/autopay", {"enabled": True, "rules": kept})
    return acme, link


@pytest.mark.parametrize(("width", "scheme"), [("desk", "light"), ("phone", "dark")])
def test_no_page_has_a_serious_fault_or_is_wider_than_the_screen(world, chromium, width, scheme):
    acme, link = with_rules(world)
    long = world.customer(id="cus_long", name="W" * 120, language="de")
    world.invoice(long, "123456.78", on="2025-10-01")
    with served(world) as url, window(chromium, width, scheme) as page:

        def see(name):
            look_at(page, f"pay-{name}-{width}-{scheme}")

        for name, path in {"account": "", "cards": "/cards", "autopay": "/autopay", "stop": "/unsubscribe"}.items():
            page.goto(at(url, link) + path)
            see(name)
        page.goto(at(url, link))
        page.get_by_role("button", name="Pay the selected").click()
        see("error")
        page.goto(f"{at(url, link)}/cards")
        page.get_by_role("button", name="Add a card").click()
        see("card")
        page.goto(at(url, link))
        page.get_by_label("Visa ending in 4242").first.check()
        page.get_by_role("button", name="Pay the selected").click()
        see("result")
        page.goto(at(url, link_of(world, long)))
        see("german")
        page.goto(at(url, link) + "x")
        see("forged")
        world.settings(pay_link={"expires_days": 1})
        short = link_of(world, acme)
        world.to("2026-01-03")
        page.goto(at(url, short))
        see("expired")


@pytest.mark.parametrize("script", [True, False])
def test_one_pays_what_one_chose_with_a_saved_card_and_the_rest_with_a_new_one(world, chromium, script):
    acme, (first, second), link = scene(world)
    with served(world) as url, window(chromium, java_script_enabled=script) as page:
        page.goto(at(url, link))
        assert page.title().startswith("Pay ")
        page.get_by_label(world.get(f"/v1/invoices/{second}")["number"]).uncheck()
        page.get_by_label("Visa ending in 4242").check()
        page.get_by_role("button", name="Pay the selected invoices").click()
        page.wait_for_selector("h1:has-text('Thank you, that is paid')")
        assert [(c["invoice_id"], c["amount"]) for c in world.charges()] == [(first, "100.00")]
        page.reload()
        page.go_back()
        page.get_by_role("link", name="Invoices").click()
        page.get_by_role("link", name="Use a new card").click()
        page.get_by_role("button", name="Add a card").click()
        page.get_by_label("Mastercard 4444, pays").check()
        page.get_by_role("button", name="Save this card").click()
        page.wait_for_selector("text=Mastercard ending in 4444")
        page.get_by_role("link", name="Pay with a saved card").click()
        page.get_by_label("Mastercard ending in 4444").check()
        page.get_by_role("button", name="Pay the selected invoices").press("Enter")
        page.wait_for_selector("h1:has-text('Thank you, that is paid')")
        page.get_by_role("link", name="Back to your invoices").click()
        page.wait_for_selector("h1:has-text('Nothing to pay')")
    assert sorted((c["invoice_id"], c["amount"]) for c in world.charges()) == sorted(
        [(first, "100.00"), (second, "101.00")]
    )
    assert world.account(acme)["balance"] == {"USD": "0.00"}


def test_a_card_that_declines_says_so_and_what_is_left_out_is_named_where_it_belongs(world, chromium):
    _, _, link = scene(world, invoices=1, cards=0)
    with served(world) as url, window(chromium) as page:
        page.goto(f"{at(url, link)}/cards")
        page.get_by_role("button", name="Add a card").click()
        page.get_by_label("Visa 9995, has insufficient funds").check()
        page.get_by_role("button", name="Save this card").click()
        page.get_by_role("link", name="Pay with a saved card").click()
        page.get_by_role("button", name="Pay the selected invoices").click()
        page.get_by_role("link", name="Payment method: choose how to pay").click()
        assert page.evaluate("document.activeElement.id") == "payment_method_id"
        page.get_by_label("Visa ending in 9995").check()
        page.get_by_role("button", name="Pay the selected invoices").click()
        page.wait_for_selector("text=declined (insufficient funds). Nothing was charged.")
    assert [c["status"] for c in world.charges()] == ["declined"]


def test_one_promises_to_pay_and_opens_the_invoice(world, chromium):
    acme, _, link = scene(world, invoices=1)
    with served(world) as url, window(chromium, "phone", **PLAIN) as page:
        page.goto(at(url, link))
        page.get_by_label("I will pay by").fill("2026-01-20")
        page.get_by_label("Amount in USD").fill("50.00")
        page.get_by_role("button", name="Make this promise").click()
        page.wait_for_selector("text=You have promised to pay USD 50.00 by 20 January 2026")
        with page.expect_response("**/*.pdf") as opened:
            page.get_by_role("link", name="PDF").click(no_wait_after=True)
        assert opened.value.status == 200
        assert opened.value.headers["content-type"] == "application/pdf"
    assert world.account(acme)["promise"]["amount"] == "50.00"


def test_unlocked_rules_are_moved_and_never_past_a_locked_one(world, chromium):
    acme, link = with_rules(world)

    def order():
        return [r["id"] for r in world.get(f"/v1/customers/{acme}/autopay")["rules"]]

    with served(world) as url, window(chromium, **PLAIN) as page:
        page.goto(f"{at(url, link)}/autopay")
        assert page.get_by_label("Change rule 1").count() == 0
        page.get_by_label("Change rule 3").select_option(label="Try it earlier")
        page.locator("li:has(#change-3)").get_by_role("button", name="Change").click()
        page.wait_for_selector("li:nth-child(2):has-text('at least USD 1.00')")
        assert order() == ["apr_1", "apr_3", "apr_2"]
        page.get_by_label("Change rule 2").select_option(label="Try it earlier")
        page.locator("li:has(#change-2)").get_by_role("button", name="Change").click()
        page.wait_for_selector("text=is locked: ask us to change it")
    assert order() == ["apr_1", "apr_3", "apr_2"]


def test_an_expired_link_brings_a_fresh_one_by_mail_and_revoked_and_forged_ones_open_nothing(world, chromium):
    world.settings(pay_link={"expires_days": 2})
    acme, _, link = scene(world)
    world.to("2026-01-04")
    with served(world) as url, window(chromium) as page:
        page.goto(at(url, link))
        page.get_by_role("button", name="Send me a fresh link").click()
        page.wait_for_selector("h1:has-text('Look into your mailbox')")
        world.settle()
        fresh = next(w for w in world.emails()[-1]["text"].split() if "/pay/" in w)
        page.goto(at(url, fresh))
        page.wait_for_selector("text=Acme Ltd")
        world.delete(f"/v1/customers/{acme}/pay-link", status=204)
        for closed, said in ((fresh, "does not work any more"), (f"{fresh}x", "leads nowhere")):
            page.goto(at(url, closed))
            page.wait_for_selector(f"h1:has-text('This link {said}')")
            assert page.get_by_text("Acme").count() == 0
            assert page.locator("form").count() == 0


def submit(page, nth, press):
    """Send a form as it stands, or press its button; whether the browser sent it."""
    form = f"document.forms[{nth}]"
    if press and not page.evaluate(f"{form}.checkValidity()"):
        return 0
    with page.expect_navigation():
        page.evaluate(f"{form}.querySelector('button').click()" if press else f"{form}.submit()")
    return 1


def test_a_scanner_that_follows_and_submits_everything_changes_nothing(world, chromium):
    _, link = with_rules(world)
    before, seen, todo, submitted = dump(world), set(), [], 0
    with served(world) as url, window(chromium) as page:
        todo.append(at(url, link))
        while todo:
            here = todo.pop()
            seen.add(here)
            page.goto(here)
            linked = page.eval_on_selector_all("a", "all => all.map(a => a.href.split('#')[0])")
            todo += [u for u in dict.fromkeys(linked) if u.startswith(f"{url}/pay/") and u not in seen
                     and u not in todo and not u.endswith(".pdf")]  # fmt: skip
            for nth in range(page.locator("form").count()):
                for press in (False, True):
                    page.goto(here)
                    submitted += submit(page, nth, press)
                    assert submitted <= FORMS_MAX
    assert len(seen) >= 3
    assert submitted >= 10
    assert dump(world) == before

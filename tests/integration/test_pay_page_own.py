"""What customers look after on their own page: fresh links, promises, cards, autopay rules. PRODUCT 8, 11."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.ports import CardSetup, SavedCard
from tests.integration.pay_scene import LINK, choose, dump, link_of, scene, token_of


@pytest.fixture
def world(memory_world):
    return memory_world


# ---- a fresh link ----------------------------------------------------------------------------------------------


def test_an_expired_link_offers_a_fresh_one_that_goes_to_the_address_on_file_only(world, browser):
    _acme, _, link = scene(world)
    world.to("2026-02-05")
    shown = browser.get(link)
    assert shown.status == 410
    assert "Acme" not in shown.html
    before = len(world.emails())
    said = browser.post(shown.forms[0].action, shown.forms[0].fields)
    assert said.status == 200
    assert "acme" not in said.text.lower()
    world.settle()
    assert len(world.emails()) == before + 1
    mail = world.emails()[-1]
    assert mail["to"] == "ap@acme.example"
    fresh = LINK.search(mail["text"])[0]
    assert browser.get(fresh).status == 200
    assert browser.get(link).status == 410


def test_asking_again_and_again_sends_one_an_hour_and_says_the_same(world, browser):
    _acme, _, link = scene(world)
    world.to("2026-02-05T10:00:00Z")
    said = {browser.post(f"{link}/renew").text for _ in range(5)}
    world.settle()
    assert len(said) == 1
    assert len(world.emails()) == 1
    world.to("2026-02-05T11:00:00Z")
    browser.post(f"{link}/renew")
    world.settle()
    assert len(world.emails()) == 2


def test_who_has_no_address_is_told_the_same(world, browser):
    world.customer(id="cus_paper", email=None, delivery=["print"])
    link = link_of(world, "cus_paper")
    _acme, _, other = scene(world)
    world.to("2026-02-05")
    assert browser.post(f"{link}/renew").text == browser.post(f"{other}/renew").text
    world.settle()
    assert len(world.emails()) == 1


# ---- promises --------------------------------------------------------------------------------------------------


def test_a_promise_made_on_the_page_holds_and_is_shown(world, browser):
    acme, _, link = scene(world)
    form = browser.get(link).form("/promise")
    shown = browser.post(form.action, [("once", form.value("once")), ("date", "2026-01-20"), ("amount", "50.00")])
    assert shown.status == 200
    assert "USD 50.00 by 20 January 2026" in shown.text
    promise = world.account(acme)["promise"]
    assert (promise["date"], promise["amount"], promise["made_by"]) == ("2026-01-20", "50.00", "customer")


def test_a_promise_needs_a_date_and_the_same_form_makes_it_once(world, browser):
    acme, _, link = scene(world)
    form = browser.get(link).form("/promise")
    fields = [("once", form.value("once")), ("date", "2026-01-20"), ("amount", "")]
    browser.post(form.action, fields)
    world.delete(f"/v1/customers/{acme}/promises")
    before = dump(world)
    browser.post(form.action, fields)
    assert dump(world) == before
    assert world.account(acme).get("promise") is None


def test_a_promise_may_be_sent_with_date_and_amount_alone(world, browser):
    acme, _, link = scene(world)
    assert browser.post(f"{link}/promise", {"date": "2026-01-20", "amount": "50.00"}).status == 200
    assert world.account(acme)["promise"]["amount"] == "50.00"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"date": ""}, "Date"), ({"date": "soon"}, "Date"), ({"date": "2026-02-30"}, "Date"),
        ({"date": "2025-12-31"}, "Date"), ({"date": "2026-04-02"}, "Date"),  # today, and 91 days ahead
        ({"date": "2026-01-20", "amount": "0"}, "Amount"), ({"date": "2026-01-20", "amount": "-1"}, "Amount"),
        ({"date": "2026-01-20", "amount": "1.001"}, "Amount"), ({"date": "2026-01-20", "amount": "NaN"}, "Amount"),
        ({"date": "2026-01-20", "amount": "1e3"}, "Amount"),
    ],
)  # fmt: skip
def test_a_promise_that_is_none_is_refused_on_the_page_with_what_was_typed(world, browser, fields, field):
    _acme, _, link = scene(world)
    before = dump(world)
    shown = browser.post(f"{link}/promise", fields)
    assert shown.status == 422
    assert f"{field}: " in shown.text
    assert shown.form("/promise").value("date") == fields["date"]
    assert dump(world) == before


# ---- scanners --------------------------------------------------------------------------------------------------


def test_a_scanner_that_follows_and_submits_everything_as_it_finds_it_changes_nothing(world, browser):
    """With the pages' hidden values, twice over; and once more without any."""
    acme, _, link = scene(world, cards=2)
    rule = {"payment_method_id": "pm_none", "criteria": [{"type": "amount", "operator": "gte", "values": ["1.00"]}]}
    methods = [m["id"] for m in world.get(f"/v1/customers/{acme}/payment-methods")["items"]]
    world.put(f"/v1/customers/{acme}/autopay", {"rules": [rule | {"payment_method_id": m} for m in methods]})
    before, seen, todo = dump(world), set(), [link]
    while todo:
        shown = browser.get(url := todo.pop())
        seen.add(url)
        todo += [u for u in shown.links if u.startswith("/pay/") and u not in seen]
        for form in shown.forms:
            without = [f for f in form.fields if f[0] != "once"]
            for fields in (form.fields, form.fields, without, []):
                answer = browser.post(form.action, fields)
                assert answer.status in (200, 403, 422), (form.action, fields)
    assert dump(world) == before


# ---- cards -----------------------------------------------------------------------------------------------------


def new_card(browser, link, which):
    form = browser.get(f"{link}/cards").form("/cards")
    setup = browser.post(form.action, form.fields)
    chosen = setup.form("/cards")
    return browser.post(chosen.action, [*chosen.fields, ("card", chosen.offers("card")[which])])


def test_a_new_card_of_the_simulated_gateway_s_own_form_pays(world, browser):
    _acme, _, link = scene(world, cards=0)
    assert "no card saved" in browser.get(link).text
    shown = new_card(browser, link, 0)
    assert "Visa ending in 4242" in shown.text
    assert "Thank you" in browser.post(link, choose(browser.get(link))).text
    assert len(world.charges()) == 2


def test_a_card_that_the_gateway_does_not_know_is_refused(world, browser):
    _acme, _, link = scene(world, cards=0)
    once = browser.get(f"{link}/cards").form("/cards").value("once")
    before = dump(world)
    for card, status in (("tok_visa", 409), ("seti_x~visa", 409), ("4242424242424242", 422), ("x" * 300, 422)):
        assert browser.post(f"{link}/cards", {"once": once, "card": card}).status == status
    assert browser.post(f"{link}/cards", {"card": "tok_visa"}).status == 403
    assert dump(world) == before


class HostedFields:
    """A gateway that asks for the card in fields of its own, as Stripe does."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def start_card(self, customer_id, key, tokens=()):
        return CardSetup("seti_1", 'secret"><script>', "pk_live_1")

    def finish_card(self, reference, customer_id):
        return SavedCard("cus_9/pm_9", "visa", "0341", 1, 2031) if reference == "seti_1" else None


def test_only_the_page_with_the_gateway_s_own_fields_lets_its_script_in(world, browser):
    acme, _, link = scene(world, cards=0)
    cloud = world.cloud
    cloud.use_ports(replace(cloud.ports, gateway=HostedFields(cloud.ports.gateway)))
    form = browser.get(f"{link}/cards").form("/cards")
    before = dump(world)
    shown = browser.post(form.action, form.fields)
    assert dump(world) == before  # a card that is prepared is no card yet
    policy = shown.headers["Content-Security-Policy"]
    assert "script-src 'self' https://js.stripe.com" in policy
    assert "unsafe" not in policy
    assert 'data-key="pk_live_1"' in shown.html
    assert 'secret"><script>' not in shown.html
    assert browser.get("/pay/assets/cards.js").headers["Content-Type"].startswith("text/javascript")
    done = browser.post(shown.form("/cards").action, shown.form("/cards").fields)
    assert "Visa ending in 0341" in done.text
    assert "script-src" not in done.headers["Content-Security-Policy"]
    assert [m["token"] for m in world.get(f"/v1/customers/{acme}/payment-methods")["items"]] == ["cus_9/pm_9"]


# ---- autopay ---------------------------------------------------------------------------------------------------


def rules_of(world, acme):
    return [(r["payment_method_id"], r["disabled"]) for r in world.get(f"/v1/customers/{acme}/autopay")["rules"]]


def change(browser, link, nth, **fields):
    form = [f for f in browser.get(f"{link}/autopay").forms if f.value("rule_id")][nth]
    kept = [f for f in form.fields if f[0] not in fields]
    return browser.post(form.action, [*kept, *fields.items()])


def with_rules(world, *locked):
    acme, _, link = scene(world, cards=2)
    one, two = (m["id"] for m in world.get(f"/v1/customers/{acme}/payment-methods")["items"])
    criteria = [{"type": "amount", "operator": "gte", "values": ["200.00"]}]
    rules = [{"payment_method_id": m, "criteria": criteria, "locked": n in locked} for n, m in enumerate((one, two))]
    world.put(f"/v1/customers/{acme}/autopay", {"rules": rules})
    return acme, one, two, link


def test_unlocked_rules_can_be_switched_moved_given_another_card_and_removed(world, browser):
    acme, one, two, link = with_rules(world)
    assert "the amount is at least USD 200.00" in browser.get(f"{link}/autopay").text
    change(browser, link, 0, change="disable")
    assert rules_of(world, acme) == [(one, True), (two, False)]
    change(browser, link, 0, change="down")
    assert rules_of(world, acme) == [(two, False), (one, True)]
    change(browser, link, 1, change="method", payment_method_id=two)
    assert rules_of(world, acme) == [(two, False), (two, True)]
    change(browser, link, 1, change="remove")
    assert rules_of(world, acme) == [(two, False)]


def test_a_rule_of_his_own_is_added_last(world, browser):
    acme, _one, two, link = with_rules(world)
    page = browser.get(f"{link}/autopay")
    form = page.forms[-1]
    fields = {n: v for n, v in form.fields if v} | {"payment_method_id": two, "amount": "75.50"}
    assert browser.post(form.action, fields).status == 200
    last = world.get(f"/v1/customers/{acme}/autopay")["rules"][-1]
    assert last["criteria"] == [{"type": "amount", "operator": "lte", "values": ["75.50"]}]
    assert browser.post(form.action, fields).status == 409  # the same page again
    assert len(rules_of(world, acme)) == 3


def test_a_locked_rule_is_shown_and_cannot_be_changed_or_passed(world, browser):
    acme, _one, two, link = with_rules(world, 0)
    page = browser.get(f"{link}/autopay")
    assert "agreed with us" in page.text
    listed = world.get(f"/v1/customers/{acme}/autopay")
    locked = listed["rules"][0]["id"]
    base = {"once": page.forms[0].value("once"), "version": str(listed["version"])}
    before = dump(world)
    for fields in (
        {"rule_id": locked, "change": "disable"}, {"rule_id": locked, "change": "remove"},
        {"rule_id": locked, "change": "method", "payment_method_id": two},
        {"rule_id": listed["rules"][1]["id"], "change": "up"}, {"rule_id": locked, "change": "down"},
    ):  # fmt: skip
        assert browser.post(f"{link}/autopay", base | fields).status == 409, fields
    assert browser.post(f"{link}/autopay", base | {"rule_id": "apr_x", "change": "remove"}).status == 404
    assert browser.post(f"{link}/autopay", base | {"rule_id": locked, "change": "x"}).status == 422
    assert dump(world) == before


def test_what_a_customer_does_is_in_the_audit_log_and_his_token_is_not(world, browser):
    acme, _, link = scene(world)
    before = len(world.all("/v1/audit"))
    browser.get(link)
    assert len(world.all("/v1/audit")) == before
    browser.post(link, choose(browser.get(link)))
    browser.post(f"{link}/promise", {"date": "2026-01-20"})
    done = world.all("/v1/audit")
    mine = [e for e in done if e["role"] == "customer"]
    assert {e["by"] for e in mine} == {f"customer {acme}"}
    assert {e["action"] for e in mine} == {"POST /pay/{token}", "POST /pay/{token}/promise"}
    assert token_of(link) not in repr(done)
    assert world.get("/v1/audit/verify")["valid"]

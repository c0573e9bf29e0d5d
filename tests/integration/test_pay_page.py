"""The customer's page, as a browser without script, a mail scanner and a forger find it. PRODUCT 11, QUALITY."""

from __future__ import annotations

import io
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from pypdf import PdfReader

from functions.pay_page.app import lambda_handler
from infra.local.cloud import LocalCloud
from shared.domain.pay_link import PayLink, digest_of
from tests.integration.browser import Browser
from tests.integration.pay_scene import LINK, choose, dump, link_of, scene, token_of
from tests.integration.world import World


@pytest.fixture
def world(memory_world):
    return memory_world


# ---- looking ---------------------------------------------------------------------------------------------------


def test_the_page_shows_what_is_open_with_everything_chosen_but_how_to_pay(world, browser):
    acme, (first, second), link = scene(world)
    world.put(f"/v1/invoices/{second}/hold", {"reason": "dispute"})
    world.invoice(acme, "500", currency="JPY")
    world.post(f"/v1/customers/{acme}/pay-link")
    page = browser.get(link)
    assert page.status == 200
    for said in ("Acme Ltd", "USD 201.00", "JPY 500", "USD 100.00", "on hold", "Visa ending in 4242"):
        assert said in page.text
    form = page.forms[0]
    assert form.action == f"/pay/{token_of(link)}"
    assert second in form.offers("invoice_id")
    assert second not in [v for n, v in form.fields if n == "invoice_id"]
    assert first in [v for n, v in form.fields if n == "invoice_id"]
    assert form.value("payment_method_id") is None
    assert len(page.ids) == len(set(page.ids))


def test_credit_and_a_customer_with_nothing_to_pay_are_told_so(world, browser):
    acme, _, link = scene(world, invoices=0)
    world.pays(acme, "12.34")
    page = browser.get(link)
    assert "Nothing to pay" in page.text
    assert "USD 12.34" in page.text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_opening_whatever_the_page_links_to_writes_nothing(world, browser, method):
    _, _, link = scene(world)
    before, seen, todo = dump(world), set(), [link]
    while todo:
        url = todo.pop()
        seen.add(url)
        shown = browser.get(url, method)
        assert shown.status == 200, url
        todo += [u for u in browser.get(url).links if u.startswith("/pay/") and u not in seen]
    assert len(seen) >= 5  # the page, its tabs, two documents
    assert dump(world) == before


def test_what_browsers_are_told_keeps_the_page_to_itself(world, browser):
    _, _, link = scene(world)
    for url in (link, f"{link}/cards", f"{link}/autopay", f"{link}x"):
        headers = browser.get(url).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert "<script" not in browser.get(url).html
        assert "style=" not in browser.get(url).html
    style = browser.get("/pay/assets/style.css")
    assert style.headers["Content-Type"].startswith("text/css")
    assert browser.get("/pay/assets/..%2Fapp.py").status == 404


@pytest.mark.parametrize(("asked", "root"), [("/live/pay/{}", "/live"), ("/pay/{}", ""), (None, "")])
def test_links_and_forms_stay_under_the_name_of_the_stage_where_there_is_no_domain(world, asked, root):
    """API Gateway tells the whole path of the request beside the part that the function knows."""
    _, _, link = scene(world)
    token = token_of(link)
    context = {"path": asked.format(token)} if asked else {}
    event = {"resource": "/pay/{token}", "httpMethod": "GET", "path": f"/pay/{token}", "requestContext": context}
    answer = lambda_handler(event | {"pathParameters": {"token": token}}, SimpleNamespace(aws_request_id="r"))
    assert f'action="{root}/pay/{token}"' in answer["body"]
    assert f'href="{root}/pay/{token}/cards"' in answer["body"]
    assert f'href="{root}/pay/assets/style.css"' in answer["body"]


def test_an_invoice_s_pdf_is_the_one_that_was_mailed(world, browser):
    _, (first, _), link = scene(world)
    shown = browser.get(f"{link}/invoices/{first}.pdf")
    assert shown.status == 200
    assert shown.body.startswith(b"%PDF-")
    assert shown.body == world.cloud.ports.files.read(f"invoices/{first}.pdf")


def test_the_link_in_a_pdf_opens_its_customer_s_page(world, browser):
    _, (first, _), _ = scene(world)
    pdf = PdfReader(io.BytesIO(world.cloud.ports.files.read(f"invoices/{first}.pdf")))
    linked = {a.get_object()["/A"]["/URI"] for page in pdf.pages for a in page.get("/Annots", [])}
    (url,) = {u for u in linked if LINK.fullmatch(u)}
    page = browser.get(url)
    assert page.status == 200
    assert "Acme Ltd" in page.text


def test_no_log_holds_a_token(wiring, caplog):
    with LocalCloud("memory", wiring=wiring, log_level="DEBUG") as cloud:
        world, browser = World(cloud), Browser(cloud)
        world.settings(automations={"send_new_invoices": {"enabled": True}})
        _, _, link = scene(world)
        browser.post(link, choose(browser.get(link)))
        browser.get(link + "x")
        browser.post(f"{link}/promise", {"date": "soon"})
        mailed = [LINK.search(m["text"])[0] for m in world.emails() if LINK.search(m["text"])]
    said = repr([record.__dict__ for record in caplog.records])
    assert len(mailed) == 2
    assert "paid_by_customer" in said
    assert not [url for url in (link, *mailed) if token_of(url) in said]


def test_what_people_typed_is_text_on_the_page(world, browser):
    name = '<script>alert("x")</script>{{ 7 * 7 }}'
    world.customer(id="cus_x", name=name)
    shown = browser.get(link_of(world, "cus_x"))
    assert "<script" not in shown.html
    assert name in shown.text


# ---- paying ----------------------------------------------------------------------------------------------------


def test_the_chosen_invoices_are_charged_and_the_others_are_not(world, browser):
    acme, (_first, second), link = scene(world)
    done = browser.post(link, choose(browser.get(link), [second]))
    assert done.status == 200
    assert "Thank you, that is paid" in done.text
    assert [(c["invoice_id"], c["amount"]) for c in world.charges()] == [(second, "101.00")]
    assert world.account(acme)["balance"] == {"USD": "100.00"}
    world.settle()
    assert world.notices(acme) == ["payment_received"]


def test_the_same_page_submitted_twice_pays_once_and_shows_the_first_result(world, browser):
    _, (first, second), link = scene(world)
    page = browser.get(link)
    done = browser.post(link, choose(page, [first]))
    before = dump(world)
    again = browser.post(link, choose(page, [first, second]))
    assert again.text == done.text
    assert dump(world) == before


def test_the_value_of_a_page_is_one_and_each_of_its_two_forms_takes_it_once(world, browser):
    acme, _, link = scene(world)
    page = browser.get(link)
    (once,) = {form.value("once") for form in page.forms}
    promised = [("once", once), ("date", "2026-01-20")]
    assert "20 January 2026" in browser.post(f"{link}/promise", promised).text
    assert "Thank you" in browser.post(link, choose(page)).text
    before = dump(world)
    browser.post(f"{link}/promise", [("once", once), ("date", "2026-01-21")])
    assert dump(world) == before
    assert world.account(acme)["promise"]["date"] == "2026-01-20"


def test_a_decline_is_told_and_may_be_tried_again_from_a_new_page(world, browser):
    acme, (_first,), link = scene(world, invoices=1, cards=0)
    world.card(acme, "declined:insufficient_funds", "succeeded")
    told = browser.post(link, choose(browser.get(link)))
    assert "declined (insufficient funds)" in told.text
    assert "Thank you" in browser.post(link, choose(browser.get(link))).text
    assert [c["status"] for c in world.charges()] == ["declined", "succeeded"]


def test_an_unknown_outcome_says_so_and_offers_the_invoice_no_more_until_it_is_known(world, browser):
    acme, (_first,), link = scene(world, invoices=1, cards=0)
    world.card(acme, "timeout_charged")
    told = browser.post(link, choose(browser.get(link)))
    assert "do not pay it again" in told.text
    page = browser.get(link)
    assert page.forms[0].offers("invoice_id") == []
    assert "payment under way" in page.text
    world.rest()
    assert "Nothing to pay" in browser.get(link).text
    assert len(world.charges()) == 1


def test_an_amount_that_has_changed_since_is_not_charged(world, browser):
    acme, (first, _second), link = scene(world)
    page = browser.get(link)
    world.pays(acme, "40.00", allocations=[{"invoice_id": first, "amount": "40.00"}])
    shown = browser.post(link, choose(page))
    assert shown.status == 409
    assert "changed" in shown.text
    assert world.charges() == []
    assert "Thank you" in browser.post(link, choose(shown)).text  # the page that said so can be submitted
    assert sorted(c["amount"] for c in world.charges()) == ["101.00", "60.00"]


def test_what_was_paid_meanwhile_is_not_paid_again(world, browser):
    _acme, (first, second), link = scene(world)
    page = browser.get(link)
    world.post(f"/v1/invoices/{first}/charge", {})
    told = browser.post(link, choose(page))
    assert "Nothing is left to pay on it" in told.text
    assert sorted(c["invoice_id"] for c in world.charges()) == sorted([first, second])


def test_a_page_left_open_for_a_day_is_too_old(world, browser):
    _, invoices, link = scene(world)
    page = browser.get(link)
    world.post("/_local/clock", {"advance": {"hours": 23, "minutes": 59}})
    assert browser.post(link, choose(page, invoices[:1])).status == 200
    page = browser.get(link)
    world.post("/_local/clock", {"advance": {"days": 1}})
    assert browser.post(link, choose(page)).status == 403


@pytest.mark.parametrize(
    ("wrong", "status", "said"),
    [
        (lambda f: [p for p in f if p[0] != "payment_method_id"], 422, "choose how to pay"),
        (lambda f: [p for p in f if p[0] != "invoice_id"], 422, "choose at least one invoice"),
        (lambda f: [*f, ("payment_method_id", "pm_x")], 422, "must be given once"),
        (lambda f: [*f, ("subject", "hello")], 422, "must be left empty"),
        (lambda f: [*f, ("note", "hello")], 422, "not known"),
        (lambda f: [*f, ("note", "4242 4242 4242 4242")], 422, "never type a card number"),
        (lambda f: [*f, ("invoice_id", "inv_none")], 404, "no such thing"),
        (lambda f: [(n, "pm_none" if n == "payment_method_id" else v) for n, v in f], 404, "no such thing"),
        (lambda f: [*f, *(("invoice_id", f"inv_{n}") for n in range(400))], 400, "cannot be read"),
        (lambda f: [p for p in f if p[0] != "once"], 403, "cannot be used"),
        (lambda f: [(n, v[:-1] + "x" if n == "once" else v) for n, v in f], 403, "cannot be used"),
        (lambda f: [(n, "é" * 9000 if n == "once" else v) for n, v in f], 400, "too long"),
    ],
)  # fmt: skip
def test_a_form_with_something_wrong_is_refused_and_nothing_is_done(world, browser, wrong, status, said):
    _, _, link = scene(world)
    fields, before = choose(browser.get(link)), dump(world)
    shown = browser.post(link, wrong(fields))
    assert shown.status == status
    assert said in shown.text
    assert dump(world) == before


def test_the_value_of_another_page_or_another_link_is_refused(world, browser):
    acme, _, link = scene(world)
    other = link_of(world, acme)
    page, before = browser.get(link), None
    before = dump(world)
    fields = choose(page)
    assert browser.post(other, fields).status == 403
    cards = browser.get(f"{link}/cards").form("/cards").value("once")
    assert browser.post(link, [("once", cards), *fields[1:]]).status == 403
    assert dump(world) == before


# ---- who may come in -------------------------------------------------------------------------------------------


def test_a_link_works_until_it_expires_and_not_an_instant_longer(world, browser):
    world.settings(pay_link={"expires_days": 2})
    acme, _, _ = scene(world)
    made = world.post(f"/v1/customers/{acme}/pay-link")
    assert made["expires_at"] == "2026-01-03T00:00:00Z"
    page = browser.get(made["url"])
    world.to("2026-01-02T23:59:59Z")
    assert browser.get(made["url"]).status == 200
    world.to("2026-01-03T00:00:00Z")
    before = dump(world)
    assert browser.get(made["url"]).status == 410
    assert browser.post(made["url"], choose(page)).status == 410
    assert dump(world) == before


def test_revoking_stops_every_link_at_once_also_the_one_that_was_mailed(world, browser):
    world.settings(automations={"send_new_invoices": {"enabled": True}})
    acme, _, link = scene(world)
    (mailed, *_) = [LINK.search(m["text"])[0] for m in world.emails()]
    page = browser.get(mailed)
    assert page.status == 200
    world.delete(f"/v1/customers/{acme}/pay-link", status=204)
    before = dump(world)
    for url in (link, mailed):
        assert browser.get(url).status == 410
        assert browser.post(url, choose(page)).status == 410
        assert browser.post(f"{url}/promise", {"date": "2026-01-10"}).status == 410
        assert browser.post(f"{url}/renew").status == 410
    assert dump(world) == before
    assert browser.get(link_of(world, acme)).status == 200


def test_a_forged_token_leads_nowhere(world, browser):
    _, _, link = scene(world)
    before = dump(world)
    token = token_of(link)
    for forged in ("x", token[:-1], token + "a", token.upper(), "none", digest_of(token), "%00", "%2e%2e", "a" * 5000):
        assert browser.get(f"/pay/{forged}").status == 404, forged
        assert browser.post(f"/pay/{forged}", [("invoice_id", "inv_1")]).status == 404
        assert browser.post(f"/pay/{forged}/renew").status == 404
    assert dump(world) == before


def test_the_token_is_long_and_only_its_digest_is_stored(world):
    world.settings(automations={"send_new_invoices": {"enabled": True}})
    _, _, link = scene(world)
    tokens = [token_of(link), *(token_of(LINK.search(m["text"])[0]) for m in world.emails())]
    assert all(len(t) >= 32 for t in tokens)
    assert len(set(tokens)) == len(tokens) == 3
    stored = repr(world.cloud.ports.store.dump())
    assert not any(t in stored for t in tokens)
    assert all(world.cloud.ports.store.get(PayLink, digest_of(t)) is not None for t in tokens)


def test_an_idempotency_key_brings_the_same_link_again_and_no_record_holds_it(world, browser):
    acme, _, _ = scene(world)
    other = world.customer(id="cus_other")

    def ask(key="k", customer=acme, status=200):
        headers = {"Idempotency-Key": key}
        return world.post(f"/v1/customers/{customer}/pay-link", headers=headers, status=status).get("url", "")

    link = ask()
    before = dump(world)
    assert ask() == link
    assert dump(world) == before
    assert browser.get(link).status == 200
    assert len({link, ask("l"), ask(customer=other)}) == 3
    assert token_of(link) not in repr(world.cloud.ports.store.dump())
    world.post(f"/v1/customers/{acme}/pay-link", {"x": 1}, headers={"Idempotency-Key": "k"}, status=422)
    world.post("/_local/clock", {"advance": {"hours": 24}})
    assert ask() != link


def test_nothing_of_another_customer_can_be_reached(world, browser):
    _acme, (_mine, *_), link = scene(world)
    other = world.customer(id="cus_other", name="Other Ltd")
    theirs = world.invoice(other, "70.00")
    card = world.card(other)
    world.settle()
    page = browser.get(link_of(world, other))
    result = browser.post(link_of(world, other), choose(page), follow=False)
    done = browser.post(other_link := link_of(world, other), choose(browser.get(other_link)), follow=False)
    before = dump(world)
    assert "Other" not in browser.get(link).html
    fields = choose(browser.get(link))
    assert browser.get(f"{link}/invoices/{theirs}.pdf").status == 404
    assert browser.post(link, [*fields, ("invoice_id", theirs)]).status == 404
    assert browser.post(link, [*fields[:-1], ("payment_method_id", card)]).status == 404
    assert result.status == 403
    sub = done.headers["Location"].rpartition("/")[2]
    assert browser.get(f"{link}/results/{sub}").status == 404
    assert browser.post(f"{link}/results/{sub}").status == 404
    assert dump(world) == before


def test_whoever_was_erased_has_no_page(world, browser):
    acme, _, link = scene(world, invoices=0, cards=0)
    terms = {"terms_days": 0, "terminate_after_days": 1, "confirm_termination": False, "step_notice_days": 0}
    world.post("/v1/customer-classes", {"id": "cls_end", "name": "End", "regular": terms, "out_of_turn": terms})
    world.patch(f"/v1/customers/{acme}", {"class_id": "cls_end"})
    world.invoice(acme, "5.00", on="2026-01-01")
    world.automate()
    world.days(5)
    assert world.account(acme)["service"] == "terminated"
    assert browser.get(link).status == 200  # what is owed can still be paid
    world.post(f"/v1/customers/{acme}/erase")
    assert browser.get(link).status == 410
    world.post(f"/v1/customers/{acme}/pay-link", status=409)


ODD = ("", "x" * 3000, "\u0000", "../../etc/passwd", "{{ 7*7 }}", "é", "inv_1\r\nX: y", "' OR 1=1")


def odd_requests(link):
    """Paths and forms that no page of ours sends."""
    for odd in ODD:
        word = quote(odd, safe="")
        yield "GET", f"{link}/results/{word or 'x'}", ()
        yield "GET", f"{link}/invoices/{word}.pdf", ()
        yield "POST", f"{link}/results/{word or 'x'}", ()
        for path, names in FIELDS.items():
            for name in names:
                yield "POST", link + path, ((name, odd), (name, odd))
                yield "POST", link + path, tuple((n, odd if n == name else "1") for n in names)
    yield "POST", f"{link}/renew", (("x", "1"),)
    yield "POST", link, (("once", "a.1..b"), ("once", "a.1..b"))


FIELDS = {
    "": ("once", "invoice_id", "payment_method_id"), "/promise": ("once", "date", "amount"),
    "/cards": ("once", "card"), "/autopay": ("once", "version", "rule_id", "change", "payment_method_id", "amount"),
}  # fmt: skip


def odd_answers(world, browser):
    """What is answered to each, also with the right value of a page in place of none."""
    _, _, link = scene(world)
    once = {path: browser.get(link + (path if path != "/promise" else "")).forms[0].value("once") for path in FIELDS}
    before = dump(world)
    for method, url, fields in odd_requests(link):
        path = url.removeprefix(link)
        right = [f if f[0] != "once" else ("once", once[path]) for f in fields] if path in FIELDS else []
        for sent in (list(fields), right):
            shown = browser.post(url, sent, follow=False) if method == "POST" else browser.get(url)
            yield method, path, sent, shown.status
    assert dump(world) == before


def test_no_odd_request_is_more_than_refused(world, browser):
    for method, path, sent, status in odd_answers(world, browser):
        assert status in (200, 400, 403, 404, 409, 410, 422), (method, path, sent)


# ---- both stores -----------------------------------------------------------------------------------------------


@pytest.mark.moto
def test_a_mailed_link_pays_on_dynamodb_as_well(wiring):
    with LocalCloud("moto", wiring=wiring) as cloud:
        world, browser = World(cloud), Browser(cloud)
        world.settings(automations={"send_new_invoices": {"enabled": True}})
        acme, (first, second), _ = scene(world)
        link = LINK.search(world.emails()[0]["text"])[0]
        page = browser.get(link)
        assert "Thank you" in browser.post(link, choose(page)).text
        assert "Thank you" in browser.post(link, choose(page)).text
        assert sorted(c["invoice_id"] for c in world.charges()) == sorted([first, second])
        assert world.account(acme)["balance"] == {"USD": "0.00"}
        assert browser.get(f"{link}/results/{'x' * 3000}").status == 404
        assert browser.get(f"{link}/invoices/.pdf").status == 404
        world.delete(f"/v1/customers/{acme}/pay-link")
        assert browser.get(link).status == 410
        world.assert_well()

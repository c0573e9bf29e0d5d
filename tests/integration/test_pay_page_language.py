"""The customer's page in his language: every text, date, amount and figure that is typed. PRODUCT 11."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from functions.pay_page import app, unsubscribe, views
from functions.pay_page.rendering import TEMPLATES
from shared.rendering.page_words import GERMAN_PAGES
from shared.rendering.speech import speech_of
from shared.rendering.words import GERMAN
from tests.integration.pay_scene import choose, link_of, scene, token_of

TEXT = re.compile(r"""\bt\(\s*"((?:[^"\\]|\\.)*)\"""")
JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.S)
UNSAID = re.compile(r">[^<A-Za-z]*([A-Za-z][^<]*)<")  # text of a template that no t() says
FRAMES = ("base.html", "layout.html")  # their texts are seen with every page
# Words of the English pages that no German one has, unless something was forgotten.
ENGLISH_WORDS = {"the", "your", "You", "We", "Pay", "pay", "card", "invoice", "invoices", "due", "and", "is", "by",
                 "Which", "Questions", "until", "Nothing", "Thank", "Change", "rule", "of", "all"}  # fmt: skip


@pytest.fixture
def world(memory_world):
    return memory_world


def texts_of_messages():
    for module in (app, unsubscribe):
        for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "message_page":
                yield from (a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str))


def test_every_text_of_the_page_is_known_in_german():
    templates = [path.read_text() for path in sorted(TEMPLATES.glob("*.html")) if path.name not in FRAMES]
    tables = (views.NOT_PAID, views.OUTCOMES, views.OPERATORS, views.SUBJECTS, views.HOW_TO_FILL)
    said = {text.replace('\\"', '"') for template in templates for text in TEXT.findall(template)}
    said |= {*texts_of_messages(), *(text for table in tables for text in table.values())}
    said.discard("That did not arrive as a form")  # before anybody is known
    assert len(said) > 120
    assert said - GERMAN_PAGES.keys() - GERMAN.keys() == set()
    assert GERMAN_PAGES.keys().isdisjoint(GERMAN)
    assert {word for template in templates for word in UNSAID.findall(JINJA.sub("", template))} == {"PDF"}
    assert all(english.count("{") == german.count("{") for english, german in GERMAN_PAGES.items())


def german(world):
    acme, invoices, link = scene(world)
    world.patch(f"/v1/customers/{acme}", {"language": "de"})
    return acme, invoices, link


def test_a_german_customer_s_pages_have_no_english_left(world, browser):
    acme, (first, _), link = german(world)
    method = world.get(f"/v1/customers/{acme}/payment-methods")["items"][0]["id"]
    amount = {"type": "amount", "operator": "between", "values": ["1.00", "1200.50"]}
    other = {"type": "invoice_type", "operator": "is_not", "values": ["out_of_turn", "regular"]}
    world.put(f"/v1/customers/{acme}/autopay",
              {"rules": [{"payment_method_id": method, "criteria": [amount, other], "locked": locked}
                         for locked in (True, False)]})  # fmt: skip
    world.put(f"/v1/invoices/{first}/hold", {"reason": "dispute"})
    pages = [
        browser.get(url)
        for url in (link, f"{link}/cards", f"{link}/autopay", f"{link}/unsubscribe", f"{link}/results/sub_x")
    ]
    pages += [browser.get(f"{link}/invoices/inv_none.pdf"), browser.post(link, []), browser.post(f"{link}/promise", [])]
    pages += [browser.post(link, choose(pages[0])[:1]), browser.post(link, choose(pages[0]))]
    for page in pages:
        assert '<html lang="de">' in page.html
        words = set(re.findall(r"[A-Za-zäöüß]+", page.text.replace("Acme Ltd", "")))
        assert words & ENGLISH_WORDS == set()
    for said in ("201,00 USD zu zahlen", "vom 1. Januar 2026", "Visa mit den Endziffern 4242", "zurückgestellt"):
        assert said in pages[0].text
    assert "Betrag von 1,00 USD bis 1.200,50 USD" in pages[2].text
    assert "und Rechnungsart ist nicht außer der Reihe oder regulär" in pages[2].text
    assert "Zahlungsmittel: wählen Sie, wie Sie zahlen möchten" in pages[-2].text
    assert "Vielen Dank, das ist bezahlt" in pages[-1].text


@pytest.mark.parametrize(
    ("typed", "amount"),
    [("50,00", "50.00"), ("50.00", "50.00"), ("1.250,5", "1250.50"), ("1.250", "1250.00"), ("50", "50.00")],
)
def test_a_german_types_an_amount_as_he_writes_it(world, browser, typed, amount):
    acme, _, link = german(world)
    shown = browser.post(f"{link}/promise", {"date": "2026-01-20", "amount": typed})
    assert f"{speech_of('de').figure(amount)} USD bis zum 20. Januar 2026" in shown.text
    assert world.account(acme)["promise"]["amount"] == amount


@pytest.mark.parametrize("typed", ["1,234.50", "50,00 EUR", "1.25,00", ",5", "0,00", "-1,00", "1,005"])
def test_what_is_no_amount_is_refused_in_german_as_it_was_typed(world, browser, typed):
    acme, _, link = german(world)
    shown = browser.post(f"{link}/promise", {"date": "2026-01-20", "amount": typed})
    assert shown.status == 422
    assert "Betrag: " in shown.text
    assert shown.form("/promise").value("amount") == typed
    assert "promise" not in world.account(acme) or world.account(acme)["promise"] is None


def test_a_closed_link_says_so_in_the_language_of_whom_it_was_for_or_else_of_the_business(world, browser):
    world.settings(pay_link={"expires_days": 1})
    _, _, link = german(world)
    other = link_of(world, world.customer(id="cus_other"))
    world.to("2026-01-03")
    assert "Dieser Link ist abgelaufen" in browser.get(link).text
    assert "Sehen Sie in Ihr Postfach" in browser.post(f"{link}/renew").text
    assert "This link has expired" in browser.get(other).text
    world.settings(business={"language": "de"})
    assert "Dieser Link ist abgelaufen" in browser.get(other).text
    assert "Dieser Link führt nirgendwohin" in browser.get(link.replace(token_of(link), "forged")).text
    world.delete("/v1/customers/cus_other/pay-link", status=204)
    assert "Dieser Link gilt nicht mehr" in browser.get(other).text

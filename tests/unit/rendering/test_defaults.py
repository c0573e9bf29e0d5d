"""The mail templates that Paidup comes with."""

from __future__ import annotations

import time
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from shared.rendering.defaults import TEMPLATE_NAMES, check_template, default_template, sample_data
from shared.rendering.mail import TemplateError, render_mail
from shared.rendering.samples import COMMON, all_samples
from shared.rendering.speech import LANGUAGES

KINDS = (
    "invoice", "reminder", "past_due_1", "past_due_2", "past_due_3", "payment_failed", "payment_received",
    "card_expiring", "pay_link", "account_summary", "service_step",
)  # fmt: skip
EVERY_SAMPLE = [(name, data) for name in KINDS for data in all_samples(name)]
VOID_TAGS = {"meta", "br", "img"}

OPEN_INVOICE = {"invoice_date": "1 May", "due_on": "1 June"}


class Outline(HTMLParser):
    """Checks that tags close in order, and keeps the links and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.links |= {value for name, value in attrs if name == "href"}
        if tag not in VOID_TAGS:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_there_is_a_template_for_each_kind_of_notice():
    assert TEMPLATE_NAMES == KINDS


def test_an_unknown_name_has_no_default():
    with pytest.raises(KeyError):
        default_template("../../secret")


@pytest.mark.parametrize("name", KINDS)
def test_a_default_template_passes_its_own_check(name):
    preview = check_template(default_template(name))
    assert preview == render_mail(default_template(name), sample_data(name))


@pytest.mark.parametrize("name", KINDS)
def test_a_default_template_has_no_placeholder_left(name):
    whole = default_template(name)
    assert "[[" not in whole.subject + whole.text + whole.html.replace("[if mso]", "")


@pytest.mark.parametrize(("name", "data"), EVERY_SAMPLE)
def test_html_and_text_say_the_same_and_are_well_formed(name, data):
    mail = render_mail(default_template(name), data)
    outline = Outline(mail.html)
    assert outline.open == []
    for said in ("Acme Ltd", "Northwind Services", "billing@northwind.example"):
        assert said in mail.text
        assert said in outline.text
    for amount in ("289.95", "249.95", "40.00", "INV-000042", "4242", "10 March 2026", "17 February 2026"):
        assert (amount in mail.text) == (amount in outline.text), amount
    assert "None" not in mail.subject + mail.text + mail.html
    assert "\n\n\n" not in mail.text


@pytest.mark.parametrize(("name", "data"), EVERY_SAMPLE)
def test_the_only_links_are_the_pay_link_and_the_address_for_questions(name, data):
    mail = render_mail(default_template(name), data)
    allowed = {data["pay_url"], "mailto:billing@northwind.example"}
    assert Outline(mail.html).links <= allowed
    assert ("http" in mail.text) == (str(data["pay_url"]) in mail.text)


@pytest.mark.parametrize("name", [kind for kind in KINDS if kind != "payment_received"])
def test_the_pay_link_is_in_both_parts(name):
    mail = render_mail(default_template(name), sample_data(name))
    assert COMMON["pay_url"] in Outline(mail.html).links
    assert COMMON["pay_url"] in mail.text


def test_everything_past_due_is_listed_per_currency():
    invoices = [{**OPEN_INVOICE, "number": "A-1", "days_past_due": 1, "currency": "EUR", "residual": "5.00"}]
    totals = [{"currency": "EUR", "amount": "5.00"}, {"currency": "USD", "amount": "7.00"}]
    data = {**sample_data("past_due_1"), "invoices": invoices, "totals": totals}
    mail = render_mail(default_template("past_due_1"), data)
    assert "EUR 5.00, USD 7.00" in mail.subject
    for said in ("A-1", "(1 day past due)", "EUR 5.00", "USD 7.00"):
        assert said in mail.text


def test_the_last_failed_payment_says_that_no_further_attempt_follows():
    data = {**sample_data("payment_failed"), "final": True, "next_attempt_on": None}
    mail = render_mail(default_template("payment_failed"), data)
    assert "will not try again" in mail.text
    assert "will not try again" in mail.html


def test_a_credit_memo_asks_for_no_payment():
    data = sample_data("invoice")
    data["invoice"] = {**data["invoice"], "type": "credit_memo"}
    mail = render_mail(default_template("invoice"), data)
    assert mail.subject.startswith("Credit memo INV-000042")
    assert COMMON["pay_url"] not in mail.text + mail.html


def test_a_hostile_customer_name_stays_a_name():
    for name in KINDS:
        data = {
            **sample_data(name),
            "customer": {"name": "<script>x</script>{{ 7 * 7 }}\r\nBcc: a@b.example"},
        }
        mail = render_mail(default_template(name), data)
        assert "<script" not in mail.html
        assert "{{ 7 * 7 }}" in mail.text
        assert "\nBcc" not in mail.text


def test_a_changed_template_is_checked_against_every_shape_its_data_can_take():
    broken = replace(default_template("payment_failed"), text="Hi\n{% if final %}{{ nonsense }}{% endif %}")
    with pytest.raises(TemplateError, match="text line 2"):
        check_template(broken)


def test_a_template_for_a_trigger_may_use_what_past_due_mails_have():
    own = replace(default_template("past_due_2"), name="gentle_nudge")
    assert "INV-000042" in check_template(own).text


def test_a_mail_takes_well_under_a_millisecond_and_a_half():
    best = 1.0
    for name in KINDS:
        whole, data = default_template(name), sample_data(name)
        render_mail(whole, data)
        for _ in range(3):
            started = time.process_time()
            for _ in range(20):
                render_mail(whole, data)
            best = min(best, (time.process_time() - started) / 20)
        assert best < 0.0015


# ---- what Outlook and Gmail do to mails -----------------------------------------------------------------------

GMAIL_CLIPS_AT = 102_000  # bytes of HTML
NOT_EVERYWHERE = ("<script", "<link", "<img", "<form", "<svg", "<video", "display:flex", "display:grid", "position:",
                  "@import", "url(", "float:", "var(--", "<div class")  # fmt: skip
IN_LANGUAGES = [(language, name) for language in LANGUAGES for name in KINDS]


class Styles(HTMLParser):
    """What every element of the page's body is told to look like, by itself."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page.partition("<body")[1] + page.partition("<body")[2])

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))


@pytest.mark.parametrize(("language", "name"), IN_LANGUAGES)
def test_a_mail_needs_nothing_that_a_mail_reader_takes_away(language, name):
    page = render_mail(default_template(name, language), sample_data(name, language)).html
    assert len(page.encode()) < GMAIL_CLIPS_AT
    assert [x for x in NOT_EVERYWHERE if x in page.lower()] == []
    for tag, attributes in Styles(page).seen:  # classes only improve on what is said in place
        spacer = tag == "td" and not attributes.keys() - {"class"}
        if tag in ("td", "th", "h1", "p", "a") and not spacer:
            assert attributes.get("style"), (tag, attributes)
        if tag == "table":
            assert (attributes["cellpadding"], attributes["cellspacing"], attributes["border"]) == ("0", "0", "0")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_seller_s_colour_is_on_the_button_and_the_links(language):
    data = sample_data("invoice", language)
    data["business"] = {**data["business"], "accent": "#7a1f1f"}
    page = render_mail(default_template("invoice", language), data).html
    assert "background:#7a1f1f" in page
    assert "color:#7a1f1f" in page
    assert "#0e5a66" not in page

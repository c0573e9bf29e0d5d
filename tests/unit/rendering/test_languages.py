"""English and German, both complete: dates, figures, fixed words and every default template. PRODUCT 6, 10."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest
from babel.numbers import format_decimal
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.settings import Language
from shared.rendering.defaults import TEMPLATE_NAMES, TEMPLATES, check_template, default_template
from shared.rendering.documents import WORDS, _view
from shared.rendering.mail import render_mail
from shared.rendering.samples import all_samples
from shared.rendering.speech import LANGUAGES, speech_of
from shared.rendering.spoken import MOVEMENTS, spoken
from shared.rendering.words import GERMAN
from shared.use_cases.summarize_account import SAID

GERMAN_SPEECH = speech_of("de")
EVERY_GERMAN_SAMPLE = [(name, data) for name in TEMPLATE_NAMES for data in all_samples(name, "de")]
# Words of the English mails that no German one has, unless something was forgotten.
ENGLISH_WORDS = {"Hello", "your", "Your", "the", "The", "invoice", "Invoice", "due", "Total", "Pay", "pay", "We",
                 "Thank", "Open", "Date", "Sent", "by", "Write", "link", "card", "past", "and", "is"}  # fmt: skip


def test_the_languages_that_may_be_chosen_are_those_that_there_are_words_of():
    assert Language.__args__ == LANGUAGES


def test_a_language_that_nobody_speaks_is_english():
    assert speech_of("tlh") == speech_of("en")


@given(st.integers(-(10**15), 10**15), st.integers(0, 4))
def test_a_figure_is_written_as_the_cldr_has_it(minor, decimals):
    digits = str(abs(minor)).rjust(decimals + 1, "0")
    plain = ("-" if minor < 0 else "") + (f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits)
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    assert GERMAN_SPEECH.figure(plain) == format_decimal(plain, pattern, locale="de")
    assert speech_of("en").figure(plain) == plain


@pytest.mark.parametrize("plain", ["", "n/a", "1e5", "1.2.3", "٣", "-", "."])
def test_what_is_no_figure_stays_as_it_is(plain):
    assert GERMAN_SPEECH.figure(plain) == plain


@given(st.dates(date(1970, 1, 1), date(2199, 12, 31)))
def test_no_date_loses_its_day_or_year(on):
    said = GERMAN_SPEECH.day(on)
    assert said.startswith(f"{on.day}. ")
    assert said.endswith(f" {on.year}")
    assert speech_of("en").noted(on) == on.isoformat()
    assert GERMAN_SPEECH.period(on, on) == GERMAN_SPEECH.short_day(on)
    later = on + timedelta(days=400)
    assert GERMAN_SPEECH.period(on, later) == f"{GERMAN_SPEECH.short_day(on)} – {GERMAN_SPEECH.short_day(later)}"


def test_countries_have_their_names():
    assert [speech_of(x).country("DE") for x in LANGUAGES] == ["Germany", "Deutschland"]
    assert [GERMAN_SPEECH.country(x) for x in ("", "Deutschland", "XX")] == ["", "Deutschland", "XX"]


def test_every_fixed_word_is_known_in_german():
    parts = (p.read_text() for p in TEMPLATES.rglob("*") if p.is_file())
    said = {words for part in parts for words in re.findall(r"\[\[=(.*?)\]\]", part)}
    assert len(said) > 15
    assert said <= set(GERMAN)
    assert {word for words in WORDS.values() for word in words} <= set(GERMAN)
    assert set(SAID.values()) <= set(MOVEMENTS)
    assert set(MOVEMENTS) <= set(GERMAN)


class Heard(dict):
    """Remembers what was looked up and not there."""

    missed: set

    def get(self, key, default=None):
        if key not in self:
            self.missed.add(key)
        return super().get(key, default)


def test_every_word_of_a_document_is_known_in_german(monkeypatch):
    heard = Heard(GERMAN)
    heard.missed = set()
    line = {"name": "x", "quantity": "1", "unit_amount": "1", "amount": "1", "service_start": "2026-01-01"}
    for kind in WORDS:
        for balance, paid, url in (("1", "0", "https://pay.example"), ("0", "1", None), ("1", "1", None)):
            for iban in ("DE89", None):
                seller = {"name": "S", "email": "s@s.example", "tax_id": "DE1", "iban": iban}
                _view(
                    {
                        "kind": kind, "number": "1", "invoice_date": "2026-01-01", "due_on": "2026-02-01",
                        "for_invoice": "2", "currency": "EUR", "seller": seller, "customer": {"name": "C"},
                        "lines": [line], "subtotal": "1", "tax": "1", "taxed": "1", "total": "1", "paid": paid,
                        "balance": balance, "pay_url": url,
                    },
                    type(GERMAN_SPEECH)("de", ",", ".", heard),
                )  # fmt: skip
    assert heard.missed == set()


@pytest.mark.parametrize(("name", "data"), EVERY_GERMAN_SAMPLE)
def test_a_german_mail_has_no_english_left_in_either_part(name, data):
    mail = render_mail(default_template(name, "de"), data)
    page = re.sub(r"<style>.*?</style>|<!--.*?-->|<[^>]*>", " ", mail.html, flags=re.S)
    for said in (mail.subject, mail.text, page):
        words = set(
            re.findall(r"[A-Za-zäöüß]+", re.sub(r"https?://\S+|\S+@\S+|Northwind Services|Acme Ltd", " ", said))
        )
        assert words & ENGLISH_WORDS <= {"link"}
        assert "[[" not in said
        assert "2026-" not in said
    assert '<html lang="de"' in mail.html


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_a_german_template_says_what_the_english_one_says(name):
    def used(template):
        return set(re.findall(r"\b((?:invoice|payment|card|item|total|balance|entry)\.\w+)", template.text))

    english, german = default_template(name), default_template(name, "de")
    assert used(german) == used(english)
    assert check_template(german, "de").subject != check_template(english).subject


def test_the_currency_follows_the_amount_in_german():
    assert "249,95 USD" in check_template(default_template("invoice", "de"), "de").text
    assert "USD 249.95" in check_template(default_template("invoice")).text


def test_words_that_data_brings_are_said_and_codes_without_words_left_out():
    data = {"payment": {"method": "bank_transfer", "code": "insufficient_funds"}, "step": "suspended", "other": "card"}
    assert spoken(data, "de") == {
        "payment": {"method": "Überweisung", "code": "das Konto ist nicht gedeckt"}, "step": "gesperrt", "other": "card"
    }  # fmt: skip
    assert spoken({"code": "x_unknown"}, "de") == {"code": ""}
    assert spoken({"description": "Credit memo CM-1"}, "de") == {"description": "Gutschrift CM-1"}
    assert spoken(data, "en") == data

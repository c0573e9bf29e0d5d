"""Mails from templates that admins write: bounded, and unable to reach anything. QUALITY, bad input."""

from __future__ import annotations

import time
from enum import StrEnum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from shared.rendering.mail import MAX_SUBJECT_CHARS, MailTemplate, RenderedMail, TemplateError, render_mail
from shared.rendering.sandbox import MAX_OUTPUT_CHARS, MAX_VALUE_CHARS
from tests.unit.rendering.hostile import BOMBS, ESCAPES

REFUSED_WITHIN_S = 2.0


def template(text: str = "Hello", *, subject: str = "Subject", html: str = "<p>Hello</p>") -> MailTemplate:
    return MailTemplate("invoice", subject, text, html)


def rendered(source: str, **data: object) -> str:
    """The source as the text part of a mail, without its last line break."""
    return render_mail(template(source), data).text.removesuffix("\n")


def as_html(source: str, **data: object) -> str:
    return render_mail(template(html=source), data).html


def refusal(source: str, **data: object) -> TemplateError:
    started = time.process_time()
    with pytest.raises(TemplateError) as refused:
        render_mail(template(source), data)
    assert time.process_time() - started < REFUSED_WITHIN_S
    assert "\n" not in refused.value.message
    return refused.value


# ---- what it is for


def test_a_template_prints_data_and_escapes_it_in_html_only():
    mail = render_mail(
        MailTemplate("x", "For {{ customer.name }}", "Hi {{ customer.name }}", "<p>{{ customer.name }}</p>"),
        {"customer": {"name": "Smith & <Sons>"}},
    )
    assert mail == RenderedMail("For Smith & <Sons>", "Hi Smith & <Sons>\n", "<p>Smith &amp; &lt;Sons&gt;</p>")


def test_loops_conditions_and_the_useful_filters_work():
    source = (
        "{% for i in invoices if i.days > 1 %}{{ loop.index }}/{{ loop.length }} {{ i.number|lower }}"
        "{% if not loop.last %}; {% endif %}{% else %}none{% endfor %}"
    )
    invoices = [
        {"number": "INV-1", "days": 3},
        {"number": "INV-2", "days": 1},
        {"number": "INV-3", "days": 9},
    ]
    assert rendered(source, invoices=invoices) == "1/2 inv-1; 2/2 inv-3"
    assert rendered(source, invoices=[]) == "none"
    assert rendered("{{ invoices|join(' + ', attribute='number') }}", invoices=invoices) == "INV-1 + INV-2 + INV-3"
    assert rendered("{{ invoices|length }} {{ invoices[0].number[:3] }} {{ 2 - 5 }}", invoices=invoices) == "3 INV -3"
    assert rendered("{{ 'a_b'|replace('_', ' ')|title }} {{ missing|default('-') }}") == "A B -"
    assert rendered("{{ 'abcdef'|truncate(4) }}") == "abc…"


def test_none_prints_as_nothing():
    assert rendered("[{{ pay_url }}]", pay_url=None) == "[]"


def test_a_name_that_does_not_exist_is_an_error_with_its_line():
    error = refusal("Hello\n\n{{ custmer.name }}", customer={"name": "A"})
    assert (error.part, error.line) == ("text", 3)
    assert "custmer" in error.message


def test_a_key_that_does_not_exist_is_an_error_with_its_line():
    error = refusal("Hello\n{{ customer.nme }}", customer={"name": "A"})
    assert (error.part, error.line) == ("text", 2)
    assert "nme" in error.message


@pytest.mark.parametrize(
    "source", ["a\n{% if %}", "a\n{{ x", "a\n{% for x in %}", "a\n{% endif %}", "a\n{{ 1 | nosuch }}"]
)
def test_a_template_that_does_not_compile_names_the_line(source):
    assert refusal(source).line == 2


def test_the_part_at_fault_is_named():
    with pytest.raises(TemplateError, match="html line 1") as error:
        render_mail(template(html="{{ nothing }}"), {})
    assert error.value.part == "html"
    with pytest.raises(TemplateError, match="subject line 1"):
        render_mail(template(subject="{{ nothing }}"), {})


# ---- the subject is a mail header


@pytest.mark.parametrize("break_", ["\r\n", "\n", "\r", "\x00", "\x0b", "\x85", "\u2028", "\u2029"])
def test_a_subject_is_one_line_whatever_the_customer_is_called(break_):
    mail = render_mail(template(subject="For {{ name }}\n"), {"name": f"Acme{break_}Bcc: all@example.com"})
    assert mail.subject == "For Acme Bcc: all@example.com"


def test_a_long_subject_is_cut_and_an_empty_one_refused():
    assert len(render_mail(template(subject="{{ name }}"), {"name": "x" * 500}).subject) == MAX_SUBJECT_CHARS
    with pytest.raises(TemplateError, match="subject is empty"):
        render_mail(template(subject="{{ name }}"), {"name": "\r\n"})


@settings(max_examples=200, deadline=None)
@given(name=st.text(max_size=80))
def test_any_name_gives_a_mail_that_can_be_sent_and_cannot_break_out(name):
    mail = render_mail(
        MailTemplate("x", "S {{ name }}", "[{{ name }}]", '<a title="{{ name }}">{{ name }}</a>'),
        {"name": name},
    )
    assert mail.subject.isprintable() or not set(mail.subject) & set("\r\n\x00")
    assert mail.text.count("\n") == 1
    assert mail.html.count("<") == 2
    assert mail.html.count('"') == 2
    for part in (mail.subject, mail.text, mail.html):
        part.encode("utf-8")


# ---- only plain data


class Word(StrEnum):
    A = "alpha"


def test_strings_that_claim_to_be_safe_are_escaped_all_the_same():
    assert as_html("{{ name }}", name=Markup("<b>")) == "&lt;b&gt;"
    assert rendered("{{ word }}", word=Word.A) == "alpha"


@pytest.mark.parametrize("value", [1.5, b"bytes", object(), {1, 2}, len, {"a-b": 1}, {"__class__": 1}, {1: 2}])
def test_anything_but_plain_data_is_refused_with_its_path(value):
    with pytest.raises(TypeError, match=r"data\.customer"):
        render_mail(template(), {"customer": value})


@pytest.mark.parametrize("value", ["x" * (MAX_VALUE_CHARS + 1), 10**16, [[[[[[[[1]]]]]]]]])
def test_data_out_of_bounds_is_refused_with_its_path(value):
    with pytest.raises(ValueError, match=r"data\.customer"):
        render_mail(template(), {"customer": value})


# ---- nothing to reach


@pytest.mark.parametrize("source", ESCAPES)
def test_a_template_reaches_nothing_but_its_data(source):
    refusal(source, name="Acme", customer={"name": "Acme"}, items=["a", "b"])


@pytest.mark.parametrize("source", BOMBS, ids=lambda source: source[:40])
def test_a_template_that_would_take_too_much_is_stopped_early(source):
    refusal(source, name="Acme", items=["a", "b"])


def test_a_table_of_ten_thousand_invoices_is_within_the_bounds():
    row = (
        "{% for i in invoices %}<tr>"
        + "<td>{{ i.number }}</td>" * 4
        + "<td>{% if i.days %}{{ i.days }}{% endif %}</td>{% endfor %}"
    )
    invoices = [{"number": f"INV-{n:06}", "days": n % 90} for n in range(10_000)]
    assert len(as_html(row, invoices=invoices)) < MAX_OUTPUT_CHARS


@settings(max_examples=300, deadline=None)
@given(source=st.text(st.sampled_from(list("{}%|.[]()'\"~*+-_ \nabinforse01,=#")), max_size=60))
def test_any_template_renders_or_is_refused_with_a_line_that_exists(source):
    try:
        render_mail(template(source, html=source), {"a": "x", "b": ["y"]})
    except TemplateError as error:
        line = error.line or 1
    else:
        line = 1
    assert 1 <= line <= source.count("\n") + 1


def test_rendering_twice_is_the_same_and_leaves_the_data_alone():
    data = {"items": [{"a": "1"}], "name": "x"}
    source = "{% for i in items %}{% set name = i.a %}{{ name }}{% endfor %}{{ name }}"
    assert [rendered(source, **data) for _ in range(2)] == ["1x", "1x"]
    assert data == {"items": [{"a": "1"}], "name": "x"}

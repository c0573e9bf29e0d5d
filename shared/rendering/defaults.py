"""The mail templates that Paidup comes with, and the check that an admin's own must pass. PRODUCT 6."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from shared.rendering.mail import MailTemplate, RenderedMail, render_mail
from shared.rendering.samples import KINDS, all_samples, sample_data
from shared.rendering.speech import ENGLISH, LANGUAGES, Speech, speech_of

TEMPLATES: Final = Path(__file__).parent / "templates"
TEMPLATE_NAMES: Final = tuple(KINDS)
PART: Final = re.compile(r"\[\[(\w+)(?: (.*?))?\]\]")  # [[name]] or [[name text that goes into it]]
WORDS: Final = re.compile(r"\[\[=(.*?)\]\]")  # [[=fixed words]], said in the language of the template
# The currency comes first in English only.
AMOUNT: Final = re.compile(r"(\{\{ [a-z]+\.currency \}\}) (\{\{ [a-z]+\.[a-z]+ \}\})")


@lru_cache(maxsize=len(TEMPLATE_NAMES) * len(LANGUAGES))
def default_template(name: str, language: str = ENGLISH) -> MailTemplate:
    """The template for a kind of notice, whole in itself so that an admin can edit it. KeyError if none."""
    if name not in TEMPLATE_NAMES:
        raise KeyError(name)
    speech = speech_of(language)
    folder = "" if speech.language == ENGLISH else f"{speech.language}/"
    preheader, _, content = _read(f"{folder}{name}.html").partition("\n\n")
    html = _read("layout.html").replace("[[preheader]]", preheader).replace("[[content]]", content.rstrip())
    text = _read("layout.txt").replace("[[content]]", _read(f"{folder}{name}.txt").rstrip())
    return MailTemplate(
        name=name,
        subject=_placed(_read(f"{folder}{name}.subject.txt").strip(), speech),
        text=_assembled(text, "txt", speech),
        html=_assembled(html, "html", speech),
    )


def check_template(template: MailTemplate, language: str = ENGLISH) -> RenderedMail:
    """The template rendered with sample data, as its preview; TemplateError if any sample does not render."""
    preview, *_ = [render_mail(template, data) for data in all_samples(template.name, language)]
    return preview


def _assembled(source: str, kind: str, speech: Speech) -> str:
    def part(match: re.Match[str]) -> str:
        if match[1] == "language":
            return speech.language
        return _read(f"parts/{match[1]}.{kind}").rstrip("\n").replace("[[text]]", match[2] or "")

    return _placed(WORDS.sub(lambda said: speech.say(said[1]), PART.sub(part, source)), speech)


def _placed(source: str, speech: Speech) -> str:
    """With every amount's currency where the language has it."""
    return source if speech.language == ENGLISH else AMOUNT.sub(r"\2 \1", source)


@lru_cache(maxsize=128)
def _read(file: str) -> str:
    return (TEMPLATES / file).read_text(encoding="utf-8")


__all__ = ["TEMPLATE_NAMES", "check_template", "default_template", "sample_data"]

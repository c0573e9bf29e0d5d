"""The mail templates that Paidup comes with, and the check that an admin's own must pass. PRODUCT 6."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from shared.rendering.mail import MailTemplate, RenderedMail, render_mail
from shared.rendering.samples import KINDS, all_samples, sample_data

TEMPLATES: Final = Path(__file__).parent / "templates"
TEMPLATE_NAMES: Final = tuple(KINDS)
PART: Final = re.compile(r"\[\[(\w+)(?: (.*?))?\]\]")  # [[name]] or [[name text that goes into it]]


@lru_cache(maxsize=len(TEMPLATE_NAMES))
def default_template(name: str) -> MailTemplate:
    """The template for a kind of notice, whole in itself so that an admin can edit it. KeyError if none."""
    if name not in TEMPLATE_NAMES:
        raise KeyError(name)
    preheader, _, content = _read(f"{name}.html").partition("\n\n")
    html = _read("layout.html").replace("[[preheader]]", preheader).replace("[[content]]", content.rstrip())
    text = _read("layout.txt").replace("[[content]]", _read(f"{name}.txt").rstrip())
    return MailTemplate(
        name=name,
        subject=_read(f"{name}.subject.txt").strip(),
        text=_assembled(text, "txt"),
        html=_assembled(html, "html"),
    )


def check_template(template: MailTemplate) -> RenderedMail:
    """The template rendered with sample data, as its preview; TemplateError if any sample does not render."""
    preview, *_ = [render_mail(template, data) for data in all_samples(template.name)]
    return preview


def _assembled(source: str, kind: str) -> str:
    def part(match: re.Match[str]) -> str:
        return _read(f"parts/{match[1]}.{kind}").rstrip("\n").replace("[[text]]", match[2] or "")

    return PART.sub(part, source)


@lru_cache(maxsize=64)
def _read(file: str) -> str:
    return (TEMPLATES / file).read_text(encoding="utf-8")


__all__ = ["TEMPLATE_NAMES", "check_template", "default_template", "sample_data"]

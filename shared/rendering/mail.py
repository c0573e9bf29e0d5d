"""A mail from a template that an admin wrote: subject, text and HTML. PRODUCT 6."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from types import TracebackType
from typing import Final

from jinja2 import TemplateError as JinjaError
from jinja2 import TemplateSyntaxError

from shared.rendering.plain import one_line
from shared.rendering.sandbox import compiled, plain, run

MAX_SUBJECT_CHARS: Final = 200
BLANK_LINES: Final = re.compile(r"\n{3,}")  # what a part that was left out leaves behind
TEMPLATE_FILE: Final = "<template>"  # what jinja2 calls a template that came from no file

# All that compiling or running an admitted template can raise, besides jinja2's own: wrong types, a number
# out of range, nesting that exhausts the parser or the compiler.
FAILURES: Final = (
    JinjaError, ArithmeticError, LookupError, MemoryError, RecursionError, SyntaxError, TypeError, ValueError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MailTemplate:
    name: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class RenderedMail:
    subject: str
    text: str
    html: str


class TemplateError(Exception):
    """A template does not compile or render. `part` is subject, text or html; `line` counts from 1 in it."""

    def __init__(self, line: int | None, message: str, part: str | None = None) -> None:
        self.line = line
        self.message = message
        self.part = part
        where = " ".join(filter(None, (part, f"line {line}" if line else None)))
        super().__init__(f"{where}: {message}" if where else message)


def render_mail(template: MailTemplate, data: Mapping[str, object]) -> RenderedMail:
    """The mail for this data: text, integers, booleans, None, lists and dicts; amounts and dates as text.

    Raises TemplateError if the template is at fault, TypeError or ValueError if the data is not plain.
    """
    values = plain(data)
    return RenderedMail(
        subject=_subject(_rendered("subject", template.subject, values)),
        text=BLANK_LINES.sub("\n\n", _rendered("text", template.text, values)).strip("\n") + "\n",
        html=_rendered("html", template.html, values),
    )


def with_link(mail: RenderedMail, name: str, url: str) -> RenderedMail:
    """The mail with a link at its end to what is too large to be attached."""
    shown = f'<p style="margin:16px 24px;"><a href="{escape(url)}">{escape(name)}</a></p>'
    before, end, after = mail.html.rpartition("</body>")
    html = f"{before}{shown}{end}{after}" if end else f"{mail.html}{shown}"
    return RenderedMail(mail.subject, f"{mail.text}\n{name}: {url}\n", html)


def _subject(text: str) -> str:
    """One line without control characters, whatever template and data hold: it becomes a mail header."""
    subject = " ".join(one_line(text).split())
    if not subject:
        raise TemplateError(None, "the subject is empty", "subject")
    return subject if len(subject) <= MAX_SUBJECT_CHARS else subject[: MAX_SUBJECT_CHARS - 1] + "…"


def _rendered(part: str, source: str, values: dict[str, object]) -> str:
    try:
        return run(compiled(source, html=part == "html"), values)
    except FAILURES as failure:
        raise TemplateError(_line(failure), _message(failure), part) from failure


def _line(failure: BaseException) -> int | None:
    """Known to a syntax error; else that of the innermost frame which jinja2 maps to the source."""
    if isinstance(failure, TemplateSyntaxError):
        return failure.lineno
    line = None
    frame: TracebackType | None = failure.__traceback__
    while frame:
        if frame.tb_frame.f_code.co_filename in (TEMPLATE_FILE, "<unknown>"):
            line = frame.tb_lineno
        frame = frame.tb_next
    return line


def _message(failure: BaseException) -> str:
    if isinstance(failure, RecursionError | MemoryError) or type(failure) in (SyntaxError, IndentationError):
        return "the template is nested too deeply"
    said = failure.message if isinstance(failure, JinjaError) else str(failure)
    return re.sub(r"\s+", " ", one_line(said or "it cannot be rendered"))

"""Mail templates, read and shown. API.md "Shapes"."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field

from shared.contracts.api_fields import Body, CustomerId
from shared.rendering.mail import RenderedMail
from shared.rendering.sandbox import MAX_SOURCE_CHARS
from shared.use_cases.templates import Template

SUBJECT_CHARS_MAX: Final = 1_000  # of the source: what it becomes is cut shorter

Subject = Annotated[str, Field(max_length=SUBJECT_CHARS_MAX)]
Source = Annotated[str, Field(max_length=MAX_SOURCE_CHARS)]


class TemplateBody(Body):
    """A template as it was read may be sent back: what cannot be set is ignored if it is right."""

    name: str | None = None
    subject: Subject
    text: Source
    html: Source
    version: int | None = None
    customised: bool | None = None


class PreviewBody(Body):
    """For whom, and with which parts in place of those that count: nothing of it is kept."""

    customer_id: CustomerId | None = None
    subject: Subject | None = None
    text: Source | None = None
    html: Source | None = None


def template_json(template: Template) -> dict[str, Any]:
    content = template.content
    return {
        "name": content.name,
        "subject": content.subject,
        "text": content.text,
        "html": content.html,
        "version": template.version,
        "customised": template.customised,
    }


def mail_json(mail: RenderedMail) -> dict[str, Any]:
    return {"subject": mail.subject, "text": mail.text, "html": mail.html}

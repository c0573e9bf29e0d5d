"""Mail templates, as they are sent in. API.md "Shapes"."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from shared.contracts.api_fields import Body, CustomerId

SUBJECT_CHARS_MAX: Final = 1_000  # of the source: what it becomes is cut shorter
SOURCE_CHARS_MAX: Final = 100_000  # what the sandbox takes too

Subject = Annotated[str, Field(max_length=SUBJECT_CHARS_MAX)]
Source = Annotated[str, Field(max_length=SOURCE_CHARS_MAX)]


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

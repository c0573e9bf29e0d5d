"""Mail templates that an admin wrote in place of, or beside, those that Paidup comes with. PRODUCT 6, 12."""

from __future__ import annotations

from datetime import datetime

from shared.domain.values import dataclass

PARTITION = "templates"


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """The template of a name. Without content it was reset: the default counts again, and the versions go on."""

    name: str
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    changed_at: datetime | None = None
    changed_by: str = ""
    version: int = 0

    @property
    def customised(self) -> bool:
        return self.subject is not None and self.text is not None and self.html is not None


@dataclass(frozen=True, slots=True)
class TemplateChange:
    """One version of a template, kept for good. `template_version` is the one it became."""

    name: str
    template_version: int
    changed_at: datetime
    changed_by: str
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    version: int = 0

"""An entry of a customer's timeline, and the order of entries. API.md "Resources"."""

from __future__ import annotations

from datetime import date, datetime
from zlib import crc32

from shared.domain.account_event import instant_text
from shared.domain.money import format_minor
from shared.domain.values import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened (`planned` False) or is to come, at an instant or on a local date, in plain words.

    `rank` orders what carries the same time: a draft before its posting, what happened before what is planned.
    """

    kind: str
    subject_id: str
    message: str
    at: datetime | None = None
    on: date | None = None
    amount_minor: int | None = None
    currency: str | None = None
    planned: bool = False
    rank: str = "5"

    @property
    def when(self) -> str:
        """The order of time: a local date comes before the instants that begin with it."""
        return instant_text(self.at) if self.at is not None else str(self.on)

    @property
    def place(self) -> str:
        """What it is sorted by, and where the next page goes on."""
        rank, words = "9" if self.planned else self.rank, crc32(self.message.encode())
        return "\x00".join((self.when, rank, self.kind, self.subject_id, f"{words:08x}"))


def money(amount_minor: int, currency: str) -> str:
    """An amount in words: "249.95 USD"."""
    return f"{format_minor(amount_minor, currency)} {currency}"

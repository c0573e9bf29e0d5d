"""A rehearsal: what the next days would bring, and in what two sets of settings differ. PRODUCT 12."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import field
from datetime import date, datetime
from typing import Final, Literal, get_args

from shared.domain.values import dataclass

RehearsalStatus = Literal["pending", "done", "failed"]
Category = Literal["invoices", "charges", "emails", "fees", "steps"]
CATEGORIES: Final[tuple[Category, ...]] = get_args(Category)
DAYS_MAX: Final = 90


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What was asked for and how far it is. Its result is a file: no record could hold it.

    `settings` and `classes` are merge patches as JSON text; None: only what is set today is rehearsed.
    """

    id: str
    days: int
    status: RehearsalStatus = "pending"
    settings: str | None = None
    classes: str | None = None
    reason: str | None = None  # why it failed
    created_at: datetime | None = None
    created_by: str | None = None
    finished_at: datetime | None = None
    version: int = 0

    @property
    def compares(self) -> bool:
        """Whether it has a second run, with something changed."""
        return self.settings is not None or self.classes is not None

    def file_key(self, end: str) -> str:
        """Where its result is kept: "json" is the answer, "1.csv" the first part of all its rows."""
        return f"rehearsals/{self.id}.{end}"


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that would happen, on the customer's local date `on`.

    `key` is what makes it the same thing in another run, without ids and numbers, which depend on everything that
    happened before. `shown` is what people see of it. The amount is that of an invoice, a charge or a fee.
    """

    category: Category
    customer_id: str
    on: date
    at: datetime
    word: str  # which of its category: an invoice's status, a charge's outcome, a mail's kind, a step
    key: tuple[object, ...]
    amount_minor: int = 0
    currency: str = ""
    shown: dict[str, object] = field(default_factory=dict)

    @property
    def identity(self) -> tuple[object, ...]:
        return (self.category, self.customer_id, self.on, self.word, self.amount_minor, self.currency, *self.key)


Change = Literal["added", "removed"]


def difference(base: Sequence[Happening], changed: Sequence[Happening]) -> list[tuple[Change, Happening]]:
    """What only one of two runs has, in order of time. The same thing twice counts twice."""
    found: list[tuple[Change, Happening]] = [("removed", h) for h in _beyond(base, changed)]
    found += [("added", h) for h in _beyond(changed, base)]
    return sorted(found, key=lambda pair: (pair[1].at, pair[1].customer_id, pair[0], pair[1].word))


def _beyond(these: Iterable[Happening], those: Iterable[Happening]) -> Iterable[Happening]:
    left = Counter(h.identity for h in those)
    for happening in these:
        if left[happening.identity]:
            left[happening.identity] -= 1
        else:
            yield happening

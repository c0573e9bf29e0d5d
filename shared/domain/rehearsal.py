"""A rehearsal: what the next days would bring, and in what two sets of settings differ. PRODUCT 12."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from datetime import date, datetime, timedelta
from typing import Final, Literal, get_args

from shared.domain.values import dataclass

RehearsalStatus = Literal["pending", "done", "failed"]
Category = Literal["invoices", "charges", "emails", "fees", "steps"]
CATEGORIES: Final[tuple[Category, ...]] = get_args(Category)
DAYS_MAX: Final = 90
Word = Literal[
    "billed", "posted", "held", "mailed", "charged", "declined", "retried", "chased", "limited", "suspended",
    "terminated", "restored",
]  # fmt: skip
WORDS: Final[tuple[Word, ...]] = get_args(Word)
RESULT_KEPT: Final = timedelta(days=180)  # twice what the longest looks ahead; it names customers, erased ones too
CHASING: Final = ("past_due_", "template:")  # kinds of mails that begin so; what triggers send is a template


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What was asked for and how far it is. Its result is a file: no record could hold it.

    `settings` and `classes` are merge patches as JSON text; None: only what is set today is rehearsed. With a `seed`
    customers behave as they did before, drawn from their history; without one, cards do what they did last.
    """

    id: str
    days: int
    status: RehearsalStatus = "pending"
    settings: str | None = None
    classes: str | None = None
    seed: int | None = None
    since: date | None = None  # of a back-test: the past day that it begins after
    reason: str | None = None  # why it failed
    created_at: datetime | None = None
    created_by: str | None = None
    finished_at: datetime | None = None
    version: int = 0

    @property
    def compares(self) -> bool:
        """Whether it has a second run, with something changed."""
        return self.settings is not None or self.classes is not None

    def kept(self, now: datetime) -> bool:
        """Whether its result is still there to be read."""
        return self.finished_at is None or now - self.finished_at < RESULT_KEPT

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


def words_of(happening: Happening) -> Iterator[tuple[str, Word]]:
    """What a calendar tells of it, each with its date: what was billed on one day may be posted on another."""
    shown, on, word = happening.shown, str(happening.on), happening.word
    if happening.category == "invoices":
        billed_on = shown["billed_on"]
        if billed_on is not None:
            yield str(billed_on), "billed"
        if word == "posted":
            yield on, "posted"
        elif word == "draft" and shown["flags"]:
            yield on, "held"
    elif happening.category == "charges":
        if word in ("succeeded", "refunded"):
            yield on, "charged"
        elif word == "declined":
            yield on, "declined"
        if shown["attempt"] not in (None, 1):
            yield on, "retried"
    elif happening.category == "emails":
        yield on, "mailed"
        if word.startswith(CHASING):
            yield on, "chased"
    elif happening.category == "steps":
        yield from ((on, step) for step in WORDS if step == word)


Change = Literal["added", "removed"]


@dataclass(frozen=True, slots=True)
class Net:
    """Of a customer's mails of a kind, or service steps, so many more or fewer; `on` is the first such day."""

    change: Change
    category: Category
    customer_id: str
    word: str
    times: int
    on: date


def net_changes(base: Iterable[Happening], changed: Iterable[Happening]) -> list[Net]:
    """Who gets a mail that they would not have got, whose service changes: what only moves to another day is neither.

    In order of their days.
    """
    days: dict[tuple[Category, str, str], tuple[list[date], list[date]]] = {}
    for run, happenings in enumerate((base, changed)):
        for h in happenings:
            if h.category in ("emails", "steps"):
                days.setdefault((h.category, h.customer_id, h.word), ([], []))[run].append(h.on)
    found = []
    for (category, customer_id, word), (was, will) in days.items():
        if len(was) == len(will):
            continue
        change: Change = "added" if len(will) > len(was) else "removed"
        more, fewer = (will, was) if change == "added" else (was, will)
        first = min((Counter(more) - Counter(fewer)).elements())
        found.append(Net(change, category, customer_id, word, len(more) - len(fewer), first))
    return sorted(found, key=lambda net: (net.on, net.customer_id, net.category, net.word))


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

"""Rehearsals: what is asked for, and what would happen. API.md "Shapes", PRODUCT 12."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import BeforeValidator, Field, WithJsonSchema
from typing_extensions import TypedDict

from shared.contracts.api_answers import MoneyByCurrency
from shared.contracts.api_business import new_logo
from shared.contracts.api_classes import ClassBody, class_json, read_class
from shared.contracts.api_fields import Body, Day, Instant, RehearsalId, iso, read_body, refuse, rfc3339
from shared.contracts.api_json import loads, merge_patch
from shared.contracts.api_payments import money_json
from shared.contracts.api_settings import read_settings, settings_tree
from shared.contracts.export_csv import text_of
from shared.domain.policy import CustomerClass
from shared.domain.rehearsal import (
    CATEGORIES,
    DAYS_MAX,
    WORDS,
    Category,
    Change,
    Happening,
    Rehearsal,
    RehearsalStatus,
    difference,
    net_changes,
    words_of,
)
from shared.domain.settings import Settings
from shared.domain.task import Task

ITEMS_MAX: Final = 1_000  # listed of one category; its counts are of all
CLASSES_MAX: Final = 50
SEED_MAX: Final = 1_000_000
CSV_HEADER: Final = (
    "run", "change", "category", "on", "customer_id", "name", "what", "amount", "currency", "reference", "detail",
    "attempt",
)  # fmt: skip
_CASH: Final = ("charged", "received", "low", "expected", "high")
_AMOUNTS: Final = {"invoices": "totals", "charges": "collected", "fees": "totals"}


def _object(value: object) -> object:
    if value is not None and not isinstance(value, dict):
        raise ValueError("must be an object")
    return value


Patch = Annotated[dict[str, Any] | None, BeforeValidator(_object), WithJsonSchema({"type": ["object", "null"]})]


class RehearsalBody(Body):
    """`settings` is a merge patch as for PATCH /v1/settings; `classes` are parts of classes to be replaced, by id.

    With a `seed`, what cards do and when customers pay by hand is drawn from what each did before. With `since`, a day
    long enough ago, the forecast begins after that day, knows no more than was known then, and is compared with what
    came in.
    """

    id: RehearsalId | None = None
    days: Annotated[int, Field(ge=1, le=DAYS_MAX)]
    settings: Patch = None
    classes: Patch = None
    seed: Annotated[int | None, Field(ge=0, le=SEED_MAX)] = None
    since: Day | None = None


# ---- changes to rehearse with -----------------------------------------------------------------------------------


def patched_settings(text: str, before: Settings) -> Settings:
    """The settings after a merge patch. Raises InvalidBody exactly as PATCH /v1/settings does."""
    patch = {key: value for key, value in loads(text).items() if key != "version"}
    if new_logo(patch) is not None:
        patch = merge_patch(patch, {"business": {"logo": None}})  # no document is typeset
    return read_settings(merge_patch(settings_tree(before), patch), before.version)


def patched_class(part: Any, before: CustomerClass) -> CustomerClass:
    """The class with the given parts replaced. null is a value here, since it switches some rules off."""
    tree = {key: value for key, value in class_json(before).items() if key != "version"}
    body = read_body(ClassBody, _replaced(tree, part))
    if body.id != before.id:
        refuse("id", "must be left out: a class keeps its id")
    return read_class(body, before.id, before.version, before.created_at)


def _replaced(tree: Any, part: Any) -> Any:
    if not isinstance(tree, dict) or not isinstance(part, dict):
        return part
    return {**tree, **{key: _replaced(tree.get(key), value) for key, value in part.items()}}


# ---- showing ----------------------------------------------------------------------------------------------------


class CategoryAnswer(TypedDict):
    count: int
    by: dict[str, int]
    totals: NotRequired[MoneyByCurrency]  # of invoices and fees
    collected: NotRequired[MoneyByCurrency]  # of charges
    added: NotRequired[int]  # of a difference
    removed: NotRequired[int]
    partial: bool
    truncated: int  # how many more there are than are listed
    items: list[dict[str, Any]]


RunAnswer = TypedDict(
    "RunAnswer",
    {
        "from": Instant, "through": Instant, "invoices": CategoryAnswer, "charges": CategoryAnswer,
        "emails": CategoryAnswer, "fees": CategoryAnswer, "steps": CategoryAnswer, "tasks": list[dict[str, Any]],
        "failures": list[dict[str, Any]], "errors": list[str], "days": list[dict[str, Any]],
        "customers": list[dict[str, Any]], "cash": list[dict[str, Any]],
    },
)  # fmt: skip


class ApartAnswer(TypedDict):
    invoices: CategoryAnswer
    charges: CategoryAnswer
    emails: CategoryAnswer
    fees: CategoryAnswer
    steps: CategoryAnswer


class DifferenceAnswer(ApartAnswer):
    customers: CategoryAnswer  # who gets more or fewer mails of a kind, or service steps
    cash: list[dict[str, Any]]  # what is in by then in either run


class SettingsPreviewAnswer(TypedDict):
    effects: dict[str, int]
    tomorrow: ApartAnswer
    warnings: NotRequired[list[dict[str, Any]]]


class RehearsalAnswer(TypedDict):
    id: str
    status: RehearsalStatus
    days: int
    settings: dict[str, Any] | None
    classes: dict[str, Any] | None
    seed: int | None
    since: str | None
    reason: str | None
    created_at: Instant
    created_by: str | None
    finished_at: Instant | None
    base: RunAnswer | None
    changed: RunAnswer | None
    difference: DifferenceAnswer | None
    warnings: list[dict[str, Any]]  # of what is changed, as when it is saved
    backtest: dict[str, Any] | None  # of `since`: the forecast beside what came in
    csv_parts: int | None  # as CSV it is whole: ?part=1 to this


def rehearsal_json(asked: Rehearsal, result: Mapping[str, Any] | None) -> dict[str, Any]:
    """A rehearsal with its result, which is null until it is done."""
    found = result or {}
    return {
        "id": asked.id, "status": asked.status, "days": asked.days,
        "settings": loads(asked.settings) if asked.settings is not None else None,
        "classes": loads(asked.classes) if asked.classes is not None else None, "seed": asked.seed,
        "since": iso(asked.since),
        "reason": asked.reason,
        "created_at": rfc3339(asked.created_at), "created_by": asked.created_by,
        "finished_at": rfc3339(asked.finished_at),
        **{part: found.get(part) for part in ("base", "changed", "difference", "backtest", "csv_parts")},
        "warnings": found.get("warnings", []),
    }  # fmt: skip


def run_json(run: Any) -> dict[str, Any]:
    """One run of a rehearsal: each category counted, summed and listed, then by day, by customer, and its cash."""
    found: Sequence[Happening] = run.happenings
    return {
        "from": rfc3339(run.since), "through": rfc3339(run.through),
        **{category: _category(category, [h for h in found if h.category == category]) for category in CATEGORIES},
        "tasks": [_task(t) for t in run.tasks[:ITEMS_MAX]],
        "failures": [
            {"customer_id": f.customer_id, "code": f.code, "message": f.message} for f in run.failures[:ITEMS_MAX]
        ],
        "errors": list(run.errors), "days": _by_day(found),
        "customers": _by_customer(found, run.names)[:ITEMS_MAX],
        "cash": [
            {"on": str(week.on), **{name: money_json(getattr(week, name)) for name in _CASH}} for week in run.cash
        ],
    }  # fmt: skip


def difference_json(base: Any, changed: Any) -> dict[str, Any]:
    """What only one of two runs has: `added` is in changed alone, `removed` in base alone; by customer; and cash."""
    found = difference(base.happenings, changed.happenings)
    return {
        **{category: _changes(category, [p for p in found if p[1].category == category]) for category in CATEGORIES},
        "customers": _net(base, changed), "cash": _sooner(base, changed),
    }  # fmt: skip


def _net(base: Any, changed: Any) -> dict[str, Any]:
    found = net_changes(base.happenings, changed.happenings)
    counts, names = Counter(net.change for net in found), changed.names
    items = [
        {"change": n.change, "customer_id": n.customer_id, "name": names.get(n.customer_id, ""), "category": n.category,
         "what": n.word, "times": n.times, "on": str(n.on)} for n in found[:ITEMS_MAX]
    ]  # fmt: skip
    return {
        "count": len(found), "added": counts["added"], "removed": counts["removed"],
        "by": dict(sorted(Counter(net.word for net in found).items())), "partial": len(found) > ITEMS_MAX,
        "truncated": len(found) - len(items), "items": items,
    }  # fmt: skip


def _sooner(base: Any, changed: Any) -> list[dict[str, Any]]:
    """Week by week, what is expected to be in by then: `more` is what comes in sooner, below zero what comes later."""
    found = []
    for was, will in zip(base.cash, changed.cash, strict=True):
        currencies = sorted({*was.expected, *will.expected})
        more = {c: will.expected.get(c, 0) - was.expected.get(c, 0) for c in currencies}
        found.append({"on": str(will.on), "base": money_json(was.expected), "changed": money_json(will.expected),
                      "more": money_json(more)})  # fmt: skip
    return found


def backtest_json(test: Any) -> dict[str, Any] | None:
    """Week by week, and how far the forecast was off, in percent of what was owed on the mean over the weeks."""
    if test is None:
        return None
    errors = {c: {way: _hundredths(test.off_by(c, way)) for way in ("expected", "by_due_date")} for c in test.owed}
    return {
        "since": str(test.since), "owed": money_json(test.owed), "error_percent": errors,
        "weeks_within_band": {c: test.within_band(c) for c in test.owed},
        "weeks": [
            {"on": str(w.forecast.on), "really": money_json(w.really), "low": money_json(w.forecast.low),
             "expected": money_json(w.forecast.expected), "high": money_json(w.forecast.high),
             "by_due_date": money_json(w.by_due_date)} for w in test.weeks
        ],
    }  # fmt: skip


def _hundredths(number: int | None) -> str | None:
    return None if number is None else f"{number // 100}.{number % 100:02}"


def _category(category: Category, found: Sequence[Happening]) -> dict[str, Any]:
    sums = {_AMOUNTS[category]: _sums(category, found)} if category in _AMOUNTS else {}
    counts = dict(sorted(Counter(h.word for h in found).items()))
    items = [dict(h.shown) for h in found[:ITEMS_MAX]]
    return {
        "count": len(found),
        "by": counts,
        **sums,
        "partial": len(found) > ITEMS_MAX,
        "truncated": len(found) - len(items),
        "items": items,
    }


def _changes(category: Category, found: Sequence[tuple[Change, Happening]]) -> dict[str, Any]:
    counts = Counter(change for change, _ in found)
    words = Counter(h.word for _, h in found)
    items = [{"change": change, **h.shown} for change, h in found[:ITEMS_MAX]]
    return {
        "count": len(found), "added": counts["added"], "removed": counts["removed"], "by": dict(sorted(words.items())),
        "partial": len(found) > ITEMS_MAX, "truncated": len(found) - len(items), "items": items,
    }  # fmt: skip


def _sums(category: Category, found: Iterable[Happening]) -> dict[str, str]:
    sums: Counter[str] = Counter()
    for h in found:
        if category != "charges" or h.word in ("succeeded", "refunded"):
            sums[h.currency] += h.amount_minor
    return money_json(sums)


def _by_day(found: Iterable[Happening]) -> list[dict[str, Any]]:
    """How much of each category and word there is on each day that has anything, in order."""
    days: dict[str, Counter[str]] = {}
    for h in found:
        days.setdefault(str(h.on), Counter())[h.category] += 1
        for on, word in words_of(h):
            days.setdefault(on, Counter())[word] += 1
    return [{"on": on, **_counts(days[on])} for on in sorted(days)]


def _by_customer(found: Iterable[Happening], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """The same for each customer to whom anything happens."""
    owners: dict[str, Counter[str]] = {}
    for h in found:
        counts = owners.setdefault(h.customer_id, Counter())
        counts[h.category] += 1
        counts.update(word for _, word in words_of(h))
    return [{"customer_id": id, "name": names.get(id, ""), **_counts(owners[id])} for id in sorted(owners)]


def _counts(counted: Counter[str]) -> dict[str, int]:
    return {name: counted[name] for name in (*CATEGORIES, *WORDS)}


def _task(task: Task) -> dict[str, Any]:
    return {
        "kind": task.kind, "reason": task.reason, "customer_id": task.customer_id,
        "created_at": rfc3339(task.created_at),
    }  # fmt: skip


# ---- as CSV -----------------------------------------------------------------------------------------------------

Part = Literal["base", "changed", "difference"]
_WHAT: Final = {"invoices": "status", "charges": "status", "emails": "kind", "fees": "status", "steps": "step"}
_DETAIL: Final = {"invoices": "due_on", "charges": "code", "emails": "subject", "fees": "due_on", "steps": "from"}


def csv_rows(
    run: Part, found: Iterable[Happening] | Iterable[tuple[Change, Happening]], names: Mapping[str, str]
) -> Iterator[list[str]]:
    """All that happens in a run, or all that is different, as rows under CSV_HEADER."""
    for each in found:
        change, happening = each if isinstance(each, tuple) else (None, each)
        yield [text_of(cell) for cell in _row(run, change, happening, names)]


def _row(run: Part, change: Change | None, happening: Happening, names: Mapping[str, str]) -> list[Any]:
    item, category, owner = happening.shown, happening.category, happening.customer_id
    amount = item.get("amount", item.get("total"))
    reference = item.get("number") or item.get("invoice_id") or item.get("to")
    return [
        run, change, category, item["on"], owner, names.get(owner), item.get(_WHAT[category]), amount,
        item.get("currency"), reference, item.get(_DETAIL[category]), item.get("attempt"),
    ]  # fmt: skip

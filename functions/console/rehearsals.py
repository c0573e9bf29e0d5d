"""Rehearsals: what the next days would bring, as things are set and with a few of them changed. PRODUCT 12."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from functions.console.api import Api
from functions.console.forms import Reader, put, typed, whole, whole_list
from functions.console.rendering import Answer, html
from functions.console.requests import ConsoleRequest
from functions.console.views import frame, view
from functions.console.words import place, set_to
from shared.bootstrap import ports
from shared.contracts.api_json import loads
from shared.contracts.api_rehearsals import rehearsal_json
from shared.domain.money import format_minor
from shared.domain.rehearsal import CATEGORIES, Rehearsal
from shared.use_cases.lookups import settings_of
from shared.use_cases.rehearsals import earlier_rehearsals

DAYS_ASKED: Final = "30"
SHOWN: Final = 50  # customers listed of each difference
SWITCHES: Final = (
    ("bill_run.enabled", "Bill on schedule"), ("bill_run.auto_post", "Post by itself"),
    ("bill_run.auto_email", "Mail what a run posts"), ("payment_run.enabled", "Collect on schedule"),
    ("automations.send_new_invoices.enabled", "Mail new invoices"),
    ("automations.past_due.enabled", "Chase what is past due"),
    ("automations.account_summary.enabled", "Mail account summaries"),
)  # fmt: skip
OTHERS: Final[Mapping[str, Reader]] = {"bill_run.gate": str, "retries.retry_days": whole_list}
LISTED: Final = 20  # earlier rehearsals on one page
CHANGES_SHOWN: Final = 4  # of one of them
POLICY: Final = (
    ("terms_days", "Days to pay"), ("limit_after_days", "Limit after days"),
    ("suspend_after_days", "Suspend after days"), ("terminate_after_days", "Terminate after days"),
)  # fmt: skip
DRAWN: Final = ("billed", "charged", "declined", "mailed", "chased")  # each as a chart
TOLD: Final = (
    ("billed", "billed"), ("posted", "posted"), ("held", "held for review"), ("mailed", "mailed"),
    ("charged", "charged"), ("declined", "declined"), ("retried", "retried"), ("chased", "chased"), ("fees", "fees"),
    ("limited", "limited"), ("suspended", "suspended"), ("terminated", "terminated"), ("restored", "restored"),
)  # fmt: skip
WIDE, HIGH = 1_000, 240  # of a chart; what it is drawn at is the page's business


def show_form(request: ConsoleRequest, api: Api) -> Answer:
    named = [(c["id"], c["name"]) for c in api.items("/v1/customer-classes", limit=200)]
    earlier = earlier_rehearsals(ports(), LISTED, request.query.get("cursor"))
    return view(
        request, api, "rehearsals", "/rehearsals", given={"days": DAYS_ASKED} | typed(request.fields),
        switches=SWITCHES, policy=POLICY, named=named, may=api.may("POST", "/v1/rehearsals"),
        earlier=[rehearsal_json(r, None) | {"changes": _changes(r, dict(named))} for r in earlier.items],
        next_cursor=earlier.cursor, later=bool(request.query.get("cursor")),
    )  # fmt: skip


def _changes(asked: Rehearsal, classes: Mapping[str, str]) -> list[str]:
    """What was changed in it, each as a field and its value; what is too much to read is counted."""
    found = [*_leaves(loads(asked.settings or "{}"))]
    for class_id, part in loads(asked.classes or "{}").items():
        found += [f"{classes.get(class_id, class_id)}: {said}" for said in _leaves(part)]
    more = len(found) - CHANGES_SHOWN
    return found[:CHANGES_SHOWN] + ([f"and {more} more"] if more > 0 else [])


def _leaves(tree: Any, at: str = "") -> Iterator[str]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _leaves(value, f"{at}.{key}" if at else key)
    else:
        yield f"{place(at)} {set_to(tree)}"


def start(request: ConsoleRequest, api: Api) -> str:
    """Rehearse; where the result is shown."""
    made = api.send("POST", "/v1/rehearsals", asked(request))
    return request.url(f"/rehearsals/{made['id']}")


def asked(request: ConsoleRequest) -> dict[str, Any]:
    """The body that the form stands for: what was left as it is, is left out."""
    one = request.fields.one
    body: dict[str, Any] = {"days": whole(one("days"))}
    if given := one("seed"):
        body["seed"] = whole(given)
    if given := one("since"):
        body["since"] = given
    settings: dict[str, Any] = {}
    policy: dict[str, Any] = {}
    readers: Mapping[str, Reader] = {**{path: _on for path, _ in SWITCHES}, **OTHERS}
    for path, read in readers.items():
        if given := one(f"settings.{path}"):
            put(settings, path, read(given))
    for name, _ in POLICY:
        if given := one(f"policy.{name}"):
            policy[name] = None if given == "never" else whole(given)
    if settings:
        body["settings"] = settings
    if policy:
        body["classes"] = {one("class_id"): {"regular": policy}}
    return body


def _on(text: str) -> bool:
    return text == "on"


def show(request: ConsoleRequest, api: Api) -> Answer:
    found = api.get(f"/v1/rehearsals/{request.id()}")
    if found["status"] != "done":
        return view(request, api, "rehearsal", "/rehearsals", found=found, **_nothing())
    runs = [run for run in (found["base"], found["changed"]) if run]
    most = {word: max((d[word] for run in runs for d in run["days"]), default=0) for word in DRAWN}
    shown = found["changed"] or found["base"]
    return view(
        request, api, "rehearsal", "/rehearsals", found=found, categories=CATEGORIES, weeks=_weeks(shown), told=TOLD,
        apart=_apart(found), customers=_customers(shown),
        charts=[(word, *_per_day(shown, word, most[word])) for word in DRAWN if most[word]],
        bands={c: _band(shown["cash"], c) for c in _currencies(shown["cash"])}, sooner=_sooner(found), run=shown,
    )  # fmt: skip


def _nothing() -> dict[str, Any]:
    return {"categories": (), "weeks": [], "told": (), "apart": {}, "customers": [], "charts": [], "bands": {},
            "sooner": [], "run": None}  # fmt: skip


def progress(request: ConsoleRequest, api: Api) -> Answer:
    """The part that is asked for again while the worker is at it. Once it is done, the whole page."""
    found = api.get(f"/v1/rehearsals/{request.id()}")
    headers = {} if found["status"] == "pending" else {"HX-Refresh": "true"}
    return html("rehearsal_progress", headers=headers, found=found, **frame(request, settings_of(ports())))


# ---- what is different ------------------------------------------------------------------------------------------


def _apart(found: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Who gets more mails of a kind or fewer, and whose service changes more often or less."""
    if found["difference"] is None:
        return {}
    items = found["difference"]["customers"]["items"]
    return {
        f"{change} {category}": [i for i in items if (i["change"], i["category"]) == (change, category)][:SHOWN]
        for category in ("emails", "steps")
        for change in ("added", "removed")
    }


def _sooner(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Week by week and currency, what is expected to be in by then in both runs."""
    weeks = found["difference"]["cash"] if found["difference"] else ()
    return [
        {"on": week["on"], "currency": currency, "was": week["base"].get(currency, nothing(currency)),
         "will": week["changed"].get(currency, nothing(currency)), "apart": more.lstrip("-"),
         "word": "sooner" if Decimal(more) > 0 else "later" if Decimal(more) < 0 else ""}
        for week in weeks
        for currency, more in week["more"].items()
    ]  # fmt: skip


def nothing(currency: str) -> str:
    """`0.00`"""
    return format_minor(0, currency)


def _customers(run: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those first to whom something happens that nobody likes."""
    unwelcome = ("terminated", "suspended", "limited", "fees", "chased", "declined", "held")
    return sorted(run["customers"], key=lambda c: ([-c[word] for word in unwelcome], c["name"]))[:SHOWN]


# ---- pictures ---------------------------------------------------------------------------------------------------


def _weeks(run: Mapping[str, Any]) -> list[list[dict[str, Any] | None]]:
    """A calendar: weeks from Monday, each with its seven days; None before the first and after the last."""
    first, last = (date.fromisoformat(run[end][:10]) for end in ("from", "through"))
    told = {day["on"]: day for day in run["days"]}
    day, weeks = first - timedelta(days=first.weekday()), []
    while day <= last:
        week = [day + timedelta(days=n) for n in range(7)]
        weeks.append([told.get(str(on), {"on": str(on)}) if first <= on <= last else None for on in week])
        day += timedelta(days=7)
    return weeks


def _per_day(run: Mapping[str, Any], category: str, most: int) -> tuple[int, list[dict[str, int | str]]]:
    """How many there are at most, and a bar for each day; both runs are drawn to the same height."""
    days = [day for week in _weeks(run) for day in week if day is not None]
    step = WIDE // max(len(days), 1)
    bars: list[dict[str, int | str]] = []
    for n, day in enumerate(days):
        count = day.get(category, 0)
        bars.append({"x": n * step, "width": max(step - 2, 1), "height": HIGH * count // max(most, 1), "count": count,
                     "on": day["on"]})  # fmt: skip
    return most, bars


def _currencies(cash: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted({currency for week in cash for currency in week["high"]})


def _band(cash: Sequence[Mapping[str, Any]], currency: str) -> dict[str, Any]:
    """The forecast as a line, and its band as an area; both begin with nothing."""
    lines = {name: [Decimal(week[name].get(currency, "0")) for week in cash] for name in ("low", "expected", "high")}
    most = max(lines["high"], default=Decimal(0)) or Decimal(1)
    step = WIDE // max(len(cash), 1)
    points = {
        name: [f"{n * step},{HIGH - int(HIGH * amount // most)}" for n, amount in enumerate([Decimal(0), *line])]
        for name, line in lines.items()
    }
    columns = [
        name for name in ("charged", "received", *lines) if any(week.get(name, {}).get(currency) for week in cash)
    ]
    weeks = [
        {"on": week["on"], "sums": [week[name].get(currency, nothing(currency)) for name in columns]} for week in cash
    ]
    return {
        "band": " ".join([*points["high"], *reversed(points["low"])]), "line": " ".join(points["expected"]),
        "most": str(most), "columns": columns, "weeks": weeks,
    }  # fmt: skip

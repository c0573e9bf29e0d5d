"""Past-due triggers: what is done at exactly so many days of being past due without a break. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from functions.console.api import Api, Refusal
from functions.console.forms import whole
from functions.console.rendering import Answer
from functions.console.requests import ConsoleRequest, Problem
from functions.console.settings import settings_warnings
from functions.console.views import view
from functions.pay_page.requests import Fields
from shared.contracts.api_settings import ACTIONS_MAX, TRIGGERS_MAX
from shared.domain.copies import replace

AT: Final = "automations.past_due.triggers"
# What each kind of action needs beside its type.
VALUE: Final[Mapping[str, str]] = {
    "send_template": "template", "late_fee": "amount", "emit_event": "name", "task": "title",
}  # fmt: skip

Tree = dict[str, Any]


def show(request: ConsoleRequest, api: Api) -> Answer:
    tree = api.get("/v1/settings")
    return _page(request, api, tree["automations"]["past_due"]["triggers"], tree["version"])


def save(request: ConsoleRequest, api: Api) -> Answer | str:
    triggers, version = read_triggers(request.fields), whole(request.fields.one("version"))
    try:
        api.send("PATCH", "/v1/settings", {"version": version, "automations": {"past_due": {"triggers": triggers}}})
    except Refusal as refused:
        return _page(replace(request, problem=_beside_fields(refused.problem)), api, triggers, version)
    return request.url("/triggers", done="saved")


def _page(request: ConsoleRequest, api: Api, triggers: list[Tree], version: object) -> Answer:
    rows = [{"days": t["days"], "actions": [_row(a) for a in t["actions"]]} for t in triggers]
    return view(
        request, api, "triggers", "/settings", rows=rows, version=version, at=AT,
        templates=[t["name"] for t in api.items("/v1/templates", limit=200)],
        warnings=[w for w in settings_warnings() if w["field"].startswith(AT)],
        most={"triggers": TRIGGERS_MAX, "actions": ACTIONS_MAX},
    )  # fmt: skip


def _row(action: Tree) -> Tree:
    return {"type": action["type"], "value": action.get(VALUE.get(action["type"], ""), "")}


def _beside_fields(problem: Problem) -> Problem:
    """What an action needs is one field of the form, whatever the API calls it."""
    named = tuple(f".{name}" for name in VALUE.values())
    errors = [
        {**e, "field": f"{e['field'].rpartition('.')[0]}.value" if e["field"].endswith(named) else e["field"]}
        for e in problem.errors
    ]
    return replace(problem, errors=errors)


def read_triggers(fields: Fields) -> list[Tree]:
    """The triggers of the form, without those that are left empty."""
    found = [_trigger(fields, f"trigger.{n}") for n in range(TRIGGERS_MAX + 1)]
    return [t for t in found if t["days"] != "" or t["actions"]]


def _trigger(fields: Fields, at: str) -> Tree:
    actions = [_action(fields, f"{at}.{n}") for n in range(ACTIONS_MAX + 1)]
    return {"days": whole(fields.one(f"{at}.days")), "actions": [a for a in actions if a is not None]}


def _action(fields: Fields, at: str) -> Tree | None:
    kind, value = fields.one(f"{at}.type"), fields.one(f"{at}.value")
    if not kind:
        return None
    return {"type": kind, **({VALUE[kind]: value} if kind in VALUE else {})}

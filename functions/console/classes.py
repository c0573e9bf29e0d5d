"""Customer classes: the collection policies, and what a change of one would do before it is saved. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from functions.console.api import Api, Refusal
from functions.console.forms import (
    Reader,
    flat,
    put,
    text_or_none,
    tree_of,
    typed,
    whole,
    whole_list,
    whole_or_none,
    yes,
)
from functions.console.rendering import Answer, html
from functions.console.requests import ConsoleRequest, Problem
from functions.console.today import names_of
from functions.console.views import frame, view
from functions.pay_page.requests import Fields
from shared.bootstrap import ports
from shared.contracts.api_classes import class_json
from shared.contracts.api_warnings import warnings_json
from shared.domain.policy import CustomerClass
from shared.domain.policy_lint import lint_class
from shared.use_cases.lookups import class_of, settings_of

POLICIES: Final = ("regular", "out_of_turn")
CLASSES_SHOWN: Final = 200
NAMED_MAX: Final = 5  # customers of each effect
DAY_OF_MONTH: Final = "day_of_month"
POLICY: Final[Mapping[str, Reader]] = {
    "terms_days": whole, "reminders_before_due": whole_list, "collection_threshold": str,
    "late_fee.amount": str, "late_fee.percent": str, "late_fee.grace_days": whole, "late_fee.repeat": str,
    "late_fee.cap": text_or_none, "limit_after_days": whole_or_none, "suspend_after_days": whole_or_none,
    "terminate_after_days": whole_or_none, "step_notice_days": whole, "confirm_termination": yes,
}  # fmt: skip


def show_list(request: ConsoleRequest, api: Api) -> Answer:
    found = api.items("/v1/customer-classes", limit=CLASSES_SHOWN)
    return view(request, api, "classes", "/settings", classes=found)


def show_new(request: ConsoleRequest, api: Api) -> Answer:
    """The form of a new class, with the defaults."""
    blank = flat(class_json(CustomerClass("", "")))
    return view(request, api, "class_new", "/settings", given=_given(request, blank))


def create(request: ConsoleRequest, api: Api) -> str:
    id = request.fields.one("id")
    body = {k: v for k, v in _body(request.fields).items() if k != "version"}
    made = api.send("POST", "/v1/customer-classes", {**body, **({"id": id} if id else {})})
    return request.url(f"/classes/{made['id']}", done="saved")


def show(request: ConsoleRequest, api: Api) -> Answer:
    return _page(request, api, None)


def save(request: ConsoleRequest, api: Api) -> str:
    api.send("PUT", f"/v1/customer-classes/{request.id()}", _body(request.fields))
    return request.url(f"/classes/{request.id()}", done="saved")


def effects(request: ConsoleRequest, api: Api) -> Answer:
    """What saving the form would change and do, with nothing written."""
    body, path = _body(request.fields), f"/v1/customer-classes/{request.id()}"
    try:
        found = api.send("PUT", path, body, dry_run=True)
    except Refusal as refused:
        if not request.by_script:
            raise
        return effects_part(request, refused.problem, None)
    seen = would(found, flat(api.get(path)), flat(body))
    return effects_part(request, None, seen) if request.by_script else _page(request, api, seen)


def _page(request: ConsoleRequest, api: Api, seen: dict[str, Any] | None) -> Answer:
    shown = api.get(f"/v1/customer-classes/{request.id()}")
    found = warnings_json(lint_class(class_of(ports(), request.id()), settings_of(ports())))
    return view(
        request, api, "class", "/settings", klass=shown, given=_given(request, flat(shown)), would=seen,
        warnings=found.get("warnings", ()),
    )  # fmt: skip


def effects_part(request: ConsoleRequest, problem: Problem | None, seen: dict[str, Any] | None) -> Answer:
    about = frame(request, settings_of(ports()))
    return html("class_effects", **{**about, "problem": problem, "would": seen})


def would(found: Mapping[str, Any], before: dict[str, str], after: dict[str, str]) -> dict[str, Any]:
    """The fields that differ, and what the API's dry run says would come of them by tomorrow."""
    effects = found["effects"]
    shown = {which: _shown(effects[which]) for which in ("would", "would_not")}
    named = [id for effect in shown.values() for f in effect.values() for id in f["ids"]]
    return {**effects, **shown, "changes": _changes(before, after), "names": names_of(named),
            "warnings": found.get("warnings", ())}  # fmt: skip


def _shown(effects: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Those that anybody is met by, with the first of them."""
    found = ((effect, f["count"], f["customer_ids"]) for effect, f in effects.items())
    return {effect: {"count": count, "ids": ids[:NAMED_MAX]} for effect, count, ids in found if count}


def _changes(before: dict[str, str], after: dict[str, str]) -> list[tuple[str, str, str]]:
    both = [name for name in dict.fromkeys([*after, *before]) if name not in ("id", "version")]
    return [(name, before.get(name, ""), after.get(name, "")) for name in both if before.get(name) != after.get(name)]


def _given(request: ConsoleRequest, otherwise: dict[str, str]) -> dict[str, str]:
    """What the form holds: as it was sent, if it was, so that nothing typed is lost."""
    return typed(request.fields) if request.fields.pairs else otherwise


def _body(fields: Fields) -> dict[str, Any]:
    body: dict[str, Any] = {"name": fields.one("name"), "version": whole(fields.one("version"))}
    for policy in POLICIES:
        body |= tree_of(fields, {f"{policy}.{name}": read for name, read in POLICY.items()})
        put(body, f"{policy}.auto_charge", _auto_charge(fields, policy))
    return body


def _auto_charge(fields: Fields, policy: str) -> dict[str, Any] | None:
    """Of the day and the days before or after only what the choice needs: the other field is still shown."""
    on, at = fields.one(f"{policy}.auto_charge.on"), f"{policy}.auto_charge"
    if not on:
        return None
    if on == DAY_OF_MONTH:
        return {"on": on, "day": whole_or_none(fields.one(f"{at}.day"))}
    return {"on": on, "offset_days": whole(fields.one(f"{at}.offset_days") or "0")}

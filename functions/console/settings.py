"""Settings: every switch with what it will do, schedules with the times that they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from functions.console.api import Api, Refusal
from functions.console.forms import (
    ADDRESS,
    Reader,
    flat,
    laid_over,
    line_list,
    text_or_none,
    tree_of,
    whole,
    whole_list,
    whole_or_none,
    yes,
)
from functions.console.rendering import Answer, html
from functions.console.requests import ConsoleRequest, Problem
from functions.console.views import frame, view
from functions.console.words import spoken
from functions.pay_page.requests import Fields
from shared.bootstrap import ports
from shared.contracts.api_fields import refuse
from shared.contracts.api_settings import change_json
from shared.contracts.api_warnings import warnings_json
from shared.domain.calendar import InvalidCron, UnknownTimezone
from shared.domain.policy_lint import lint_settings
from shared.domain.settings import SettingsChange
from shared.rendering.speech import LANGUAGES
from shared.use_cases.classes import classes_of
from shared.use_cases.look_today import times_of
from shared.use_cases.lookups import settings_of

TIMES_SHOWN: Final = 5
TIERS: Final = 3
CHANGES_SHOWN: Final = 50  # of the history
TOO_MUCH: Final = 413  # more customers than are lived through within one request


# The fields of each form, by section: the path in the settings, and how the field is read.
SECTIONS: Final[Mapping[str, Mapping[str, Reader]]] = {
    "business": {
        "business.name": str, "business.timezone": str, "business.email_from": str, "business.currency": str,
        "business.language": str,
    },
    "documents": {
        **{f"business.address.{name}": str for name in ADDRESS}, "business.tax_id": text_or_none,
        "business.iban": text_or_none, "business.bic": text_or_none, "business.payment_instructions": line_list,
        "business.accent_colour": str, "business.e_invoice": str,
    },
    "bill_run": {
        "bill_run.enabled": yes, "bill_run.schedule": str, "bill_run.auto_post": yes, "bill_run.auto_email": yes,
        "bill_run.gate": str, "bill_run.spot_check.change_percent": whole,
        "bill_run.spot_check.flag_first_invoice": yes,
    },
    "payment_run": {
        "payment_run.enabled": yes, "payment_run.schedule": str, "payment_run.wait_for_bill_run": yes,
        "payment_run.max_wait_hours": whole, "retries.retry_days": whole_list,
        "retries.max_attempts_per_card_30_days": whole,
    },
    "send_new_invoices": {"automations.send_new_invoices.enabled": yes},
    "account_summary": {
        "automations.account_summary.enabled": yes, "automations.account_summary.schedule": str,
        "automations.account_summary.format": str, "automations.account_summary.send_when_empty": yes,
    },
    "past_due": {
        "automations.past_due.enabled": yes, "automations.past_due.schedule": str,
    },
    "terms": {"due_date_basis": str, "pay_link.expires_days": whole},
}  # fmt: skip
TIER_FIELDS: Final[Mapping[str, Reader]] = {
    "from_days": whole, "template": str, "repeat_every_days": whole_or_none, "repeat_max": whole_or_none,
}  # fmt: skip


def show(request: ConsoleRequest, api: Api) -> Answer:
    tree = api.get("/v1/settings")
    zone = tree["business"]["timezone"]
    if request.fields.one("section") in SECTIONS:  # refused: nothing that was typed is lost
        tree = laid_over(tree, patch_of(request.fields))
    schedules = {
        "bill_run.schedule": tree["bill_run"]["schedule"], "payment_run.schedule": tree["payment_run"]["schedule"],
        "automations.account_summary.schedule": tree["automations"]["account_summary"]["schedule"],
        "automations.past_due.schedule": tree["automations"]["past_due"]["schedule"],
    }  # fmt: skip
    return view(
        request, api, "settings", "/settings", tree=tree,
        times={name: _times(schedule, zone) for name, schedule in schedules.items()}, warnings=settings_warnings(),
        languages=LANGUAGES,
        templates=[t["name"] for t in api.items("/v1/templates", limit=200)], effects=None,
    )  # fmt: skip


def history(request: ConsoleRequest, api: Api) -> Answer:
    """Who changed what and when, the latest first."""
    store, settings = ports().store, settings_of(ports())
    keys = [("settings", f"{n:08d}") for n in range(settings.version, max(settings.version - CHANGES_SHOWN, 0), -1)]
    api.get("/v1/settings/history", limit=1)  # whoever may not see it is told so there
    changes = [change_json(c) for c in store.get_many(SettingsChange, keys)]
    for c in changes:
        before, after = flat(c["before"]), flat(c["after"])
        c["fields"] = [(name, before.get(name, ""), after.get(name, "")) for name in dict.fromkeys([*before, *after])]
    return view(request, api, "settings_history", "/settings", changes=changes, most=CHANGES_SHOWN)


def settings_warnings() -> list[dict[str, str]]:
    """What was saved and is hardly meant."""
    warned = lint_settings(settings_of(ports()), ports().clock.now(), classes_of(ports()))
    found: list[dict[str, str]] = warnings_json(warned).get("warnings", [])
    return found


def patch_of(fields: Fields) -> dict[str, Any]:
    """The merge patch that a section's form stands for. A box that is not ticked is not sent, and means no."""
    section = fields.one("section")
    if section not in SECTIONS:
        refuse("section", "is none of the settings'")
    patch = {"version": whole(fields.one("version")), **tree_of(fields, SECTIONS[section])}
    if section == "past_due":
        tiers = [
            {name: read(fields.one(f"tier.{n}.{name}")) for name, read in TIER_FIELDS.items()} for n in range(TIERS)
        ]
        patch["automations"]["past_due"]["tiers"] = tiers
    return patch


def save(request: ConsoleRequest, api: Api) -> str:
    api.send("PATCH", "/v1/settings", patch_of(request.fields))
    return request.url("/settings", done="saved") + f"#{request.fields.one('section')}"


def effects(request: ConsoleRequest, api: Api) -> Answer:
    """What saving a form would do, with nothing written: part of the page, or a page of its own without script."""
    problem: Problem | None = None
    found: dict[str, Any] = {}
    try:
        found = _tried(patch_of(request.fields), api)
    except Refusal as refusal:
        problem = refusal.problem
    zone = settings_of(ports()).business.timezone
    schedule = next((v for n, v in request.fields.pairs if n.endswith(".schedule")), "")
    on = any(n.endswith(".enabled") and v == "yes" for n, v in request.fields.pairs)
    about = frame(request, settings_of(ports()))
    times = _times(schedule, zone) if schedule and not problem else None
    data = {"problem": problem, "effects": found.get("effects", {}), "tomorrow": found.get("tomorrow"), "times": times,
            "warnings": found.get("warnings", ()), "on": on, "section": request.fields.one("section")}  # fmt: skip
    if request.by_script:
        return html("settings_effects", **{**about, **data})
    return view(request, api, "settings_would", "/settings", would=data)


def _tried(patch: dict[str, Any], api: Api) -> dict[str, Any]:
    """What a change would do; with tomorrow lived through both ways, unless there are too many customers."""
    try:
        found: dict[str, Any] = api.send("PATCH", "/v1/settings", patch, dry_run=True, tomorrow=True)
    except Refusal as refused:
        if refused.problem.status != TOO_MUCH:
            raise
        found = api.send("PATCH", "/v1/settings", patch, dry_run=True)
    return found


def times(request: ConsoleRequest, api: Api) -> Answer:
    """The next times of a schedule as it is typed."""
    zone = api.get("/v1/settings")["business"]["timezone"]
    typed = next((v for n, v in request.query.items() if n.endswith("schedule")), "")
    return html("times", **frame(request, settings_of(ports())), times=_times(typed, zone))


def _times(schedule: str, zone: str) -> dict[str, Any]:
    """In words; or what is wrong with it."""
    try:
        found = times_of(schedule, zone, ports().clock.now(), TIMES_SHOWN)
    except (InvalidCron, UnknownTimezone) as wrong:
        return {"wrong": str(wrong), "words": []}
    return {"wrong": None, "words": [spoken(at, zone) for at in found]}

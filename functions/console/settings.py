"""Settings: every switch with what it will do, schedules with the times that they mean, templates as they will look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from functions.console.api import Api, Refusal
from functions.console.rendering import Answer, html
from functions.console.requests import ConsoleRequest, Problem
from functions.console.views import frame, view
from functions.console.words import spoken
from functions.pay_page.requests import Fields
from shared.bootstrap import ports
from shared.contracts.api_fields import refuse
from shared.domain.calendar import InvalidCron, UnknownTimezone
from shared.use_cases.look_today import times_of
from shared.use_cases.lookups import settings_of

TIMES_SHOWN: Final = 5
TIERS: Final = 3
TEMPLATE_PARTS: Final = ("subject", "text", "html")


def _yes(text: str) -> bool:
    return text == "yes"


def _whole(text: str) -> int | str:
    """A number if it is one; what it should have been is for the API to say."""
    return int(text) if text.isdecimal() and len(text) <= 9 else text


def _whole_or_none(text: str) -> int | str | None:
    return _whole(text) if text else None


def _days(text: str) -> list[int | str]:
    return [_whole(word) for word in text.replace(",", " ").split()]


Reader = Callable[[str], Any]
# The fields of each form, by section: the path in the settings, and how the field is read.
SECTIONS: Final[Mapping[str, Mapping[str, Reader]]] = {
    "business": {
        "business.name": str, "business.timezone": str, "business.email_from": str, "business.currency": str,
    },
    "bill_run": {
        "bill_run.enabled": _yes, "bill_run.schedule": str, "bill_run.auto_post": _yes, "bill_run.auto_email": _yes,
        "bill_run.gate": str, "bill_run.spot_check.change_percent": _whole,
        "bill_run.spot_check.flag_first_invoice": _yes,
    },
    "payment_run": {
        "payment_run.enabled": _yes, "payment_run.schedule": str, "payment_run.wait_for_bill_run": _yes,
        "payment_run.max_wait_hours": _whole, "retries.retry_days": _days,
        "retries.max_attempts_per_card_30_days": _whole,
    },
    "send_new_invoices": {"automations.send_new_invoices.enabled": _yes},
    "account_summary": {
        "automations.account_summary.enabled": _yes, "automations.account_summary.schedule": str,
        "automations.account_summary.format": str, "automations.account_summary.send_when_empty": _yes,
    },
    "past_due": {
        "automations.past_due.enabled": _yes, "automations.past_due.schedule": str,
    },
    "terms": {"due_date_basis": str, "pay_link.expires_days": _whole},
}  # fmt: skip
TIER_FIELDS: Final[Mapping[str, Reader]] = {
    "from_days": _whole, "template": str, "repeat_every_days": _whole_or_none, "repeat_max": _whole_or_none,
}  # fmt: skip


def show(request: ConsoleRequest, api: Api) -> Answer:
    tree = api.get("/v1/settings")
    zone = tree["business"]["timezone"]
    schedules = {
        "bill_run.schedule": tree["bill_run"]["schedule"], "payment_run.schedule": tree["payment_run"]["schedule"],
        "automations.account_summary.schedule": tree["automations"]["account_summary"]["schedule"],
        "automations.past_due.schedule": tree["automations"]["past_due"]["schedule"],
    }  # fmt: skip
    return view(
        request, api, "settings", "/settings", tree=tree,
        times={name: _times(schedule, zone) for name, schedule in schedules.items()},
        templates=[t["name"] for t in api.items("/v1/templates", limit=200)], effects=None,
    )  # fmt: skip


def patch_of(fields: Fields) -> dict[str, Any]:
    """The merge patch that a section's form stands for. A box that is not ticked is not sent, and means no."""
    section = fields.one("section")
    if section not in SECTIONS:
        refuse("section", "is none of the settings'")
    patch: dict[str, Any] = {"version": _whole(fields.one("version"))}
    for path, read in SECTIONS[section].items():
        *groups, name = path.split(".")
        at = patch
        for group in groups:
            at = at.setdefault(group, {})
        at[name] = read(fields.one(path))
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
        found = api.send("PATCH", "/v1/settings", patch_of(request.fields), dry_run=True)["effects"]
    except Refusal as refusal:
        problem = refusal.problem
    zone = settings_of(ports()).business.timezone
    schedule = next((v for n, v in request.fields.pairs if n.endswith(".schedule")), "")
    on = any(n.endswith(".enabled") and v == "yes" for n, v in request.fields.pairs)
    about = frame(request, settings_of(ports()))
    times = _times(schedule, zone) if schedule and not problem else None
    data = {"problem": problem, "effects": found, "times": times, "on": on, "section": request.fields.one("section")}
    if request.by_script:
        return html("settings_effects", **{**about, **data})
    return view(request, api, "settings_would", "/settings", would=data)


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


# ---- templates --------------------------------------------------------------------------------------------------


def template(request: ConsoleRequest, api: Api) -> Answer:
    found = api.get(f"/v1/templates/{request.id('name')}")
    typed = {part: request.fields.one(part) for part in TEMPLATE_PARTS} if request.fields.pairs else found
    return view(
        request, api, "template", "/settings", template=found, typed=typed, mail=None, wrong=None,
        customer_id=request.query.get("customer_id", ""),
    )  # fmt: skip


def template_preview(request: ConsoleRequest, api: Api) -> Answer:
    """The mail as it would be with what is typed; or the line that is wrong."""
    name, customer = request.id("name"), request.fields.one("customer_id")
    typed = {part: _text(request.fields, part) for part in TEMPLATE_PARTS}
    mail, wrong = None, None
    try:
        body = {**typed, **({"customer_id": customer} if customer else {})}
        mail = api.send("POST", f"/v1/templates/{name}/preview", body)
    except Refusal as refusal:
        wrong = refusal.problem
    if request.by_script:
        return html("template_mail", **frame(request, settings_of(ports())), mail=mail, wrong=wrong)
    found = api.get(f"/v1/templates/{name}")
    return view(
        request, api, "template", "/settings", template=found, typed=typed, mail=mail, wrong=wrong, customer_id=customer
    )


def template_save(request: ConsoleRequest, api: Api) -> str:
    name = request.id("name")
    body = {part: _text(request.fields, part) for part in TEMPLATE_PARTS}
    api.send("PUT", f"/v1/templates/{name}", {**body, "version": _whole(request.fields.one("version"))})
    return request.url(f"/templates/{name}", done="saved")


def _text(fields: Fields, name: str) -> str:
    """As it was typed, with the line ends of a file rather than those of a form."""
    return next(iter(fields.all(name)), "").replace("\r\n", "\n")

"""The settings tree, its changes and their history."""

from __future__ import annotations

from typing import Any, Final

from functions.admin_api.calls import Answer, Call, boolean, expect
from functions.admin_api.listing import PAGING, Source, page_of, pairs
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_business import new_logo
from shared.contracts.api_json import dumps, merge_patch
from shared.contracts.api_settings import (
    SettingsBody,
    change_json,
    read_settings,
    settings_json,
    settings_tree,
    settings_version,
)
from shared.contracts.api_warnings import warnings_json
from shared.domain.policy_lint import lint_settings
from shared.domain.rehearsal import CATEGORIES, Rehearsal
from shared.domain.settings import Settings, SettingsChange
from shared.use_cases.change_settings import change_settings, keep_logo
from shared.use_cases.classes import classes_of
from shared.use_cases.lookups import settings_of

router = new_router()

DRY: Final = {"dry_run": boolean, "tomorrow": boolean}
TOMORROW_CUSTOMERS_MAX: Final = 1_000  # lived through twice within one request; more are rehearsed apart


@endpoint(router, "GET", "/v1/settings")
def get_settings(call: Call[Any]) -> Answer:
    """The whole tree."""
    return Answer(200, settings_json(settings_of(call.ports)))


@endpoint(
    router, "PATCH", "/v1/settings", body=SettingsBody, merges=True, filters={"dry_run": boolean, "tomorrow": boolean}
)
def patch_settings(call: Call[Any]) -> Answer:
    """Change settings by a JSON merge patch; answers the tree and the effects of switched automations.

    A dry run answers the effects alone; with `tomorrow` also who would be billed, charged, mailed and chased
    differently within a day, from a rehearsal under both settings.
    """
    patch = {key: value for key, value in call.raw.items() if key != "version"}
    dry_run = call.query.get("dry_run", False)
    if (logo := new_logo(patch)) is not None:
        kept = None if dry_run else keep_logo(logo, call.ports)
        patch = merge_patch(patch, {"business": {"logo": kept}})

    def edit(before: Settings) -> Settings:
        expect(call, settings_version(before))
        return read_settings(merge_patch(settings_tree(before), patch), before.version)

    done = change_settings(edit, call.ports, by=call.caller.id, show=settings_tree, dry_run=dry_run)
    effects = {"effects": done.effects}
    warnings = warnings_json(lint_settings(done.after, call.ports.clock.now(), classes_of(call.ports)))
    if not dry_run:
        return Answer(200, {**settings_json(done.settings), **effects, **warnings})
    return Answer(200, {**effects, **warnings, **(_tomorrow(patch, call) if call.query.get("tomorrow") else {})})


def _tomorrow(patch: dict[str, Any], call: Call[Any]) -> dict[str, Any]:
    """A picture changes nobody's day, and a copy could not find it."""
    from functions.rehearsal.rehearse import (  # with every handler there is: few requests need them
        rehearse,
        result_json,
    )

    business = {key: value for key, value in (patch.get("business") or {}).items() if key != "logo"}
    asked = Rehearsal("reh_tomorrow", days=1, settings=dumps({**patch, "business": business}))
    apart = result_json(rehearse(asked, call.ports, TOMORROW_CUSTOMERS_MAX))["difference"]
    return {"tomorrow": {category: apart[category] for category in CATEGORIES}}


@endpoint(router, "GET", "/v1/settings/history", filters=PAGING)
def settings_history(call: Call[Any]) -> Answer:
    """Who changed what and when, oldest first."""
    history: Source[SettingsChange] = Source(
        lambda after, most: call.ports.store.list(SettingsChange, "settings", after=after, limit=most),
        lambda change: f"{change.settings_version:08d}",
    )
    return page_of(call, [history], pairs, lambda found: [change_json(c) for c in found])

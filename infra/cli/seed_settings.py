"""`paidup seed-settings`: a first set of settings, with every automation left as it is unless asked for. PRODUCT 2."""

from __future__ import annotations

import argparse
import json
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.cli.client import Answer, Api, add_server_options, server
from infra.cli.outcome import Refused, Subparsers

STARTER: Final[dict[str, Any]] = {
    "bill_run": {"schedule": "0 4 * * *", "gate": "clean_only", "spot_check": {"change_percent": 30}},
    "payment_run": {"schedule": "0 11 * * *", "wait_for_bill_run": True},
    "automations": {
        "account_summary": {"schedule": "0 8 1 * *", "format": "open_invoices"},
        "past_due": {
            "schedule": "0 14 * * *",
            "triggers": [
                {"days": 14, "actions": []},
                {"days": 30, "actions": [{"type": "task", "title": "Call the customer: 30 days past due"}]},
            ],
        },
    },
    "retries": {"retry_days": [3, 5, 7]},
}
ON: Final = True
# What `--on` may name, and the setting behind it.
SWITCHES: Final[dict[str, tuple[str, ...]]] = {
    "bill_run": ("bill_run", "enabled"),
    "auto_post": ("bill_run", "auto_post"),
    "auto_email": ("bill_run", "auto_email"),
    "payment_run": ("payment_run", "enabled"),
    "send_new_invoices": ("automations", "send_new_invoices", "enabled"),
    "account_summary": ("automations", "account_summary", "enabled"),
    "past_due": ("automations", "past_due", "enabled"),
}


def add_to(commands: Subparsers) -> None:
    seed = commands.add_parser(
        "seed-settings",
        help="apply a sensible first set of settings",
        description="Apply a sensible first set of settings to a running Paidup and print what changed. "
        "Nothing is switched on that is not named with --on.",
    )
    seed.add_argument(
        "--on", nargs="*", choices=[*SWITCHES, "all"], metavar="SWITCH",
        help=f"switch these on: {', '.join(SWITCHES)}, or all (also when none is named)",
    )  # fmt: skip
    seed.add_argument("--name", help="the company's name")
    seed.add_argument("--timezone", metavar="ZONE", help="the business time zone")
    seed.add_argument("--currency", metavar="CODE", help="the currency of new customers")
    seed.add_argument("--email-from", metavar="ADDRESS", help="sender of every mail")
    seed.add_argument("--dry-run", action="store_true", help="change nothing; say what would be switched, and for whom")
    add_server_options(seed)
    seed.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    with server(arguments) as api:
        report = apply(api, patch_of(arguments), dry_run=arguments.dry_run)
    show(report, Console(), dry_run=arguments.dry_run)


def patch_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """The merge patch that the options ask for."""
    patch: dict[str, Any] = {**STARTER}
    business = {key: getattr(arguments, key) for key in ("name", "timezone", "currency", "email_from")}
    patch["business"] = {key: value for key, value in business.items() if value is not None}
    return _merged(patch, switched(arguments.on))


def switched(names: list[str] | None) -> dict[str, Any]:
    """The patch that switches these on; an empty list means all, None nothing."""
    if names is None:
        return {}
    chosen = list(SWITCHES) if not names or "all" in names else names
    patch: dict[str, Any] = {}
    for name in chosen:
        leaf: Any = ON
        for key in reversed(SWITCHES[name]):
            leaf = {key: leaf}
        patch = _merged(patch, leaf)
    return patch


def apply(api: Api, patch: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
    """Patch the settings; answers what changed (path, before, after) and the API's own `effects`."""
    before = _leaves(_ok(api.call("GET", "/v1/settings")))
    answer = _ok(api.call("PATCH", "/v1/settings" + ("?dry_run=true" if dry_run else ""), patch))
    after = before | _leaves(patch) if dry_run else _leaves(_ok(api.call("GET", "/v1/settings")))
    changed = [(path, before.get(path), value) for path, value in after.items() if before.get(path) != value]
    return {"changed": [c for c in changed if c[0] != "version"], "effects": answer.get("effects") or {}}


def show(report: dict[str, Any], console: Console, *, dry_run: bool) -> None:
    if not report["changed"]:
        console.print("The settings are as they should be; nothing changed.")
        return
    table = Table(title="Would change" if dry_run else "Changed", title_justify="left")
    for heading in ("setting", "before", "after"):
        table.add_column(heading, overflow="fold")
    for path, before, after in report["changed"]:
        table.add_row(path, Text(_word(before)), Text(_word(after)))
    console.print(table)
    on = [path for path, _, after in report["changed"] if after is True and path in _SWITCH_PATHS]
    console.print("Switched on: " + ", ".join(on) if on else "No automation was switched on.")
    for automation, effect in report["effects"].items():
        console.print(f"  {automation}: {_effect(effect)}")


_SWITCH_PATHS: Final = frozenset(".".join(path) for path in SWITCHES.values())


def _effect(effect: Any) -> str:
    if isinstance(effect, dict):
        return ", ".join(f"{key} {value}" for key, value in effect.items())
    return f"acts for {effect} customers now"


def _ok(answer: Answer) -> Any:
    if answer.status != 200:
        raise Refused(f"the settings were refused: {answer.words()}")
    return answer.body


def _merged(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    merged = dict(one)
    for key, value in other.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _leaves(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The tree by dotted path; lists are leaves."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        path = f"{prefix}{key}"
        leaves |= _leaves(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return leaves


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)

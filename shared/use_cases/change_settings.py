"""Changing the settings: with history, looking forward, and honoured by everything not yet claimed. PRODUCT 2, 12."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from shared import ports as p
from shared.domain.calendar import local_date
from shared.domain.copies import replace
from shared.domain.customer import Customer, why_off
from shared.domain.errors import Invalid
from shared.domain.ids import SHARDS
from shared.domain.picture import MEDIA_TYPES, Picture
from shared.domain.runs import Job, Watermark
from shared.domain.settings import AUTOMATIONS, Automation, PastDue, Settings, SettingsChange, SettingsGate
from shared.domain.values import dataclass
from shared.ports import Change, Conflict, Ports, Save, Unavailable
from shared.rendering.defaults import TEMPLATE_NAMES
from shared.use_cases.lookups import CONFLICT_RETRIES, settings_of, shards
from shared.use_cases.templates import template_names, used_in

CUSTOMER_PAGES_MAX = 5_000  # per shard, of 200: more customers than Paidup is built for
JOBS: tuple[Job, ...] = ("bill_run", "payment_run", "past_due", "account_summary")

Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SettingsChanged:
    """The settings as they are now, and for each automation that was switched, how many customers it will act for."""

    settings: Settings
    effects: dict[Automation, int]
    after: Settings  # what they are, or with a dry run would be


def change_settings(
    edit: Callable[[Settings], Settings],
    ports: Ports,
    *,
    by: str,
    show: Callable[[Settings], Tree],
    dry_run: bool = False,
) -> SettingsChanged:
    """Replace the settings by their edited form, in one transaction with its history and every claim's gate.

    Jobs whose switch, schedule or time zone changed start anew from now: no backlog (PRODUCT 2). With `dry_run` nothing
    is written. `show` gives the tree that the history compares. `edit` is called again if someone else was faster.
    """
    for _ in range(CONFLICT_RETRIES):
        before = settings_of(ports)
        after = replace(edit(before), version=before.version)
        _check_templates(after.automations.past_due, ports)
        _check_logo(before, after, ports)
        if dry_run or after == before:
            return SettingsChanged(before, effects_of(before, after, ports), after)
        try:
            ports.store.commit(*_changes(before, after, by, show, ports))
        except Conflict:
            continue
        saved = replace(after, version=before.version + 1)
        return SettingsChanged(saved, effects_of(before, saved, ports), saved)
    raise Unavailable("the settings kept changing")


def _check_templates(past_due: PastDue, ports: Ports) -> None:
    """Raises Invalid for a template that there is none of: better now than on the day it is to be sent."""
    named = used_in(past_due)
    if set(named.values()) <= set(TEMPLATE_NAMES):
        return
    known = template_names(ports)
    for field, template in named.items():
        if template not in known:
            raise Invalid(field, f"is not the name of a template; there are {', '.join(sorted(known))}")


def keep_logo(logo: Picture, ports: Ports) -> str:
    """Keep a picture before the settings name it; its key."""
    ports.files.write_once(logo.key, logo.content, MEDIA_TYPES[logo.format])
    return logo.key


def _check_logo(before: Settings, after: Settings, ports: Ports) -> None:
    """Raises Invalid for the reference of a picture that nobody gave."""
    key = after.business.logo
    if key is not None and key != before.business.logo and ports.files.read(key) is None:
        raise Invalid("business.logo", "names a picture that is not kept; give the image itself as base64")


def effects_of(before: Settings, after: Settings, ports: Ports) -> dict[Automation, int]:
    """For each automation switched on or off: how many customers it acts for afterwards."""
    switched = [a for a in AUTOMATIONS if _enabled(before, a) != _enabled(after, a)]
    counts = dict.fromkeys(switched, 0)
    if not any(_enabled(after, a) for a in switched):
        return counts
    now = ports.clock.now()
    for customer in all_customers(ports):
        on = local_date(now, customer.zone(after))
        for automation in switched:
            counts[automation] += why_off(automation, customer, after, on) is None
    return counts


def all_customers(ports: Ports) -> Iterator[Customer]:
    for shard in shards():
        after: str | None = None
        for _ in range(CUSTOMER_PAGES_MAX):
            page = ports.store.find(p.CUSTOMERS, shard, after=after)
            yield from ports.store.get_many(Customer, [e.key for e in page.items])
            after = page.cursor
            if after is None:
                break


def _changes(
    before: Settings, after: Settings, by: str, show: Callable[[Settings], Tree], ports: Ports
) -> Iterator[Change]:
    now = ports.clock.now()
    old, new = difference(show(before), show(after))
    yield Save(after)
    yield Save(SettingsChange(before.version + 1, now, by, old, new))
    gates = {g.shard: g for g in ports.store.get_many(SettingsGate, [(f"gate{n}", "") for n in range(SHARDS)])}
    yield from (Save(gates.get(n) or SettingsGate(n)) for n in range(SHARDS))
    for job in JOBS:
        if _timing(before, job) != _timing(after, job):
            yield Save(_from_now(job, now, ports))


def _from_now(job: Job, now: datetime, ports: Ports) -> Watermark:
    mark = ports.store.get(Watermark, "watermarks", job) or Watermark(job, now)
    return replace(mark, through=now)


def _timing(settings: Settings, job: Job) -> tuple[object, ...]:
    """What a job's schedule depends on."""
    if job == "bill_run":
        return settings.bill_run.enabled, settings.bill_run.schedule, settings.business.timezone
    if job == "payment_run":
        return settings.payment_run.enabled, settings.payment_run.schedule, settings.business.timezone
    automation = settings.automations.past_due if job == "past_due" else settings.automations.account_summary
    return automation.enabled, automation.schedule, settings.business.timezone


def _enabled(settings: Settings, automation: Automation) -> bool:
    enabled: bool = getattr(settings.automations, automation).enabled
    return enabled


def difference(before: Tree, after: Tree) -> tuple[Tree, Tree]:
    """The parts of two trees that differ, as two trees."""
    old: Tree = {}
    new: Tree = {}
    for key in sorted(before.keys() | after.keys()):
        was, now = before.get(key), after.get(key)
        if was == now:
            continue
        if isinstance(was, dict) and isinstance(now, dict):
            old[key], new[key] = difference(was, now)
        else:
            old[key], new[key] = was, now
    return old, new

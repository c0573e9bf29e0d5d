"""One rehearsal from the live store to its result: a copy for today's settings, and one for the changed ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from functions.rehearsal.drive import SERVED, drive
from shared.bootstrap import copied
from shared.contracts.api_fields import FieldError, InvalidBody, harmless, identifier, refuse
from shared.contracts.api_json import loads
from shared.contracts.api_rehearsals import (
    CLASSES_MAX,
    difference_json,
    patched_class,
    patched_settings,
    run_json,
)
from shared.contracts.api_settings import settings_tree
from shared.domain.policy import CustomerClass
from shared.domain.rehearsal import Rehearsal
from shared.domain.settings import Settings
from shared.ports import Ports
from shared.use_cases.change_settings import change_settings
from shared.use_cases.classes import found_class, put_class
from shared.use_cases.copy_records import copy_records
from shared.use_cases.rehearsed import Known, Rehearsed, outcomes_of, read_rehearsed

BY: Final = "rehearsal"  # who changed the settings of a copy


def check_changes(asked: Rehearsal, ports: Ports) -> None:
    """Raises InvalidBody for a change that could not be saved, naming the field below `settings` or `classes`."""
    try:
        if asked.settings is not None:
            change_settings(_settings_edit(asked.settings), ports, by=BY, show=settings_tree, dry_run=True)
    except InvalidBody as wrong:
        raise _below("settings", wrong) from None
    except ValueError as wrong:
        refuse(f"settings.{getattr(wrong, 'field', '')}".rstrip("."), getattr(wrong, "message", str(wrong)))
    for class_id, part in _classes(asked).items():
        before = found_class(class_id, ports) if _is_identifier(class_id) else None
        if before is None:
            refuse(f"classes.{harmless(class_id)}", "is not the id of a class")
        try:
            patched_class(part, before)
        except InvalidBody as wrong:
            raise _below(f"classes.{class_id}", wrong) from None


def _is_identifier(text: str) -> bool:
    """Whether anything could be stored under it."""
    try:
        return bool(identifier(text))
    except ValueError:
        return False


def _below(at: str, wrong: InvalidBody) -> InvalidBody:
    return InvalidBody([FieldError(f"{at}.{e.field}" if e.field != "body" else at, e.message) for e in wrong.errors])


def _classes(asked: Rehearsal) -> dict[str, Any]:
    found: dict[str, Any] = loads(asked.classes) if asked.classes is not None else {}
    if len(found) > CLASSES_MAX:
        refuse("classes", f"must have at most {CLASSES_MAX} entries")
    return found


def _settings_edit(text: str) -> Callable[[Settings], Settings]:
    return lambda before: patched_settings(text, before)


def rehearse(asked: Rehearsal, ports: Ports, customers_max: int) -> dict[str, Any]:
    """The result: base, changed and difference. Reads the live store, and writes nothing anywhere."""
    records = copy_records(ports, customers_max).all
    base = rehearse_records(records, asked, ports, changed=False)
    if not asked.compares:
        return {"base": run_json(base), "changed": None, "difference": None}
    changed = rehearse_records(records, asked, ports, changed=True)
    apart = difference_json(base.happenings, changed.happenings)
    return {"base": run_json(base), "changed": run_json(changed), "difference": apart}


def rehearse_records(records: Sequence[Any], asked: Rehearsal, live: Ports, *, changed: bool) -> Rehearsed:
    """Live through the days once in a copy of these records, which are as of the live clock's now."""
    start = live.clock.now()
    copy = copied(records, outcomes_of(records), start, SERVED)
    if changed:
        _change(asked, copy.ports)
    driven = drive(copy, start + timedelta(days=asked.days))
    return read_rehearsed(copy.ports, start, Known.of(records), copy.mailer.noted, driven.failures)


def _change(asked: Rehearsal, ports: Ports) -> None:
    """As the admin's own requests would, so that schedules start anew and nothing looks back."""
    if asked.settings is not None:
        change_settings(_settings_edit(asked.settings), ports, by=BY, show=settings_tree)
    for class_id, part in _classes(asked).items():
        put_class(class_id, lambda before, part=part: _edited(part, before), ports)  # type: ignore[misc]


def _edited(part: Any, before: CustomerClass | None) -> CustomerClass:
    if before is None:
        raise LookupError("the class is not in the copy")
    after = patched_class(part, before)
    return replace(after, version=before.version)

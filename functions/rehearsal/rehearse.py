"""One rehearsal from the live store to its result: a copy for today's settings, and one for the changed ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any, Final

from functions.rehearsal.drive import SERVED, drive, uncollected
from shared.bootstrap import copied
from shared.contracts.api_fields import FieldError, InvalidBody, harmless, identifier, refuse
from shared.contracts.api_json import dumps, loads
from shared.contracts.api_rehearsals import (
    CLASSES_MAX,
    CSV_HEADER,
    backtest_json,
    csv_rows,
    difference_json,
    patched_class,
    patched_settings,
    run_json,
)
from shared.contracts.api_settings import settings_tree
from shared.contracts.api_warnings import warnings_json
from shared.contracts.export_csv import written
from shared.domain.calendar import local_date
from shared.domain.copies import replace
from shared.domain.policy import CustomerClass
from shared.domain.policy_lint import Warned, lint_class, lint_settings
from shared.domain.rehearsal import Rehearsal, difference
from shared.domain.settings import Settings
from shared.domain.values import dataclass
from shared.ports import Ports
from shared.use_cases.back_test import BackTest, as_they_were, back_test, end_of
from shared.use_cases.change_settings import change_settings
from shared.use_cases.classes import classes_of, found_class, put_class
from shared.use_cases.copy_records import copy_records
from shared.use_cases.lookups import settings_of
from shared.use_cases.pay_as_before import Payers
from shared.use_cases.rehearsed import Known, Rehearsed, outcomes_of, read_rehearsed

CSV_ROWS_MAX: Final = 20_000  # in one part: some 3 MB, and Lambda answers with six at most
BY: Final = "rehearsal"  # who changed the settings of a copy


def check_changes(asked: Rehearsal, ports: Ports) -> None:
    """Raises InvalidBody for a change that could not be saved, naming the field below `settings` or `classes`."""
    _check_since(asked, ports)
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


def _check_since(asked: Rehearsal, ports: Ports) -> None:
    """What then happened is compared whole, and with today's settings: nobody knows what others would have brought."""
    if asked.since is None:
        return
    if asked.compares:
        refuse("since", "cannot be combined with other settings or classes: nobody knows what they would have brought")
    today = local_date(ports.clock.now(), settings_of(ports).business.timezone)
    if asked.since + timedelta(days=asked.days) > today:
        refuse("since", f"must be at least {asked.days} days ago, so that what came in is known")


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


@dataclass(frozen=True, slots=True)
class Lived:
    """What both runs came to; `changed` is None where nothing was to be changed. `warned` is said of the changes."""

    base: Rehearsed
    changed: Rehearsed | None
    warned: tuple[Warned, ...] = ()
    tested: BackTest | None = None


def rehearse(asked: Rehearsal, ports: Ports, customers_max: int) -> Lived:
    """Live through the days, once or twice. Reads the live store, and writes nothing anywhere."""
    records = copy_records(ports, customers_max).all
    if asked.since is not None:
        return _back_tested(records, asked, asked.since, ports)
    base = rehearse_records(records, asked, ports, changed=False)
    if not asked.compares:
        return Lived(base, None)
    return Lived(base, rehearse_records(records, asked, ports, changed=True), tuple(_warned(asked, ports)))


def _back_tested(records: Sequence[Any], asked: Rehearsal, since: date, ports: Ports) -> Lived:
    """From the end of that day, with what was known then."""
    timezone = settings_of(ports).business.timezone
    at = end_of(since, timezone).astimezone(UTC)
    known = as_they_were(records, at)
    base = rehearse_records(known, asked, ports, changed=False, start=at)
    return Lived(base, None, tested=back_test(records, known, base.cash, since, timezone))


def _warned(asked: Rehearsal, ports: Ports) -> Iterator[Warned]:
    """What in the changes is hardly meant, by its field below `settings` or `classes`."""
    settings = settings_of(ports)
    stored = {c.id: c for c in classes_of(ports)}
    before = {id: found_class(id, ports) for id in _classes(asked)}
    patched = {id: patched_class(_classes(asked)[id], c) for id, c in before.items() if c is not None}
    if asked.settings is not None:
        settings = patched_settings(asked.settings, settings)
        found = lint_settings(settings, ports.clock.now(), (stored | patched).values())
        yield from (replace(w, field=f"settings.{w.field}") for w in found)
    for id, its_class in patched.items():
        yield from (replace(w, field=f"classes.{id}.{w.field}") for w in lint_class(its_class, settings))


def result_json(lived: Lived) -> dict[str, Any]:
    """Base, changed and difference, each with its first items listed."""
    base, changed = lived.base, lived.changed
    return {
        "base": run_json(base), "changed": run_json(changed) if changed else None,
        "difference": difference_json(base, changed) if changed else None,
        "backtest": backtest_json(lived.tested), "warnings": warnings_json(lived.warned).get("warnings", []),
    }  # fmt: skip


def rows_of(lived: Lived) -> Iterator[list[str]]:
    """Everything that happens in either run, and what is different, as rows of CSV under CSV_HEADER."""
    base, changed = lived.base, lived.changed
    yield from csv_rows("base", base.happenings, base.names)
    if changed is not None:
        yield from csv_rows("changed", changed.happenings, changed.names)
        yield from csv_rows("difference", difference(base.happenings, changed.happenings), changed.names)


def files_of(lived: Lived) -> dict[str, bytes]:
    """What is kept of it, by the ends of the files' names: the answer, and all rows in parts that fit into one each."""
    rows = rows_of(lived)
    parts = [written([CSV_HEADER, *part]) for part in iter(lambda: list(islice(rows, CSV_ROWS_MAX)), [])]
    parts = parts or [written([CSV_HEADER])]
    result = dumps({**result_json(lived), "csv_parts": len(parts)}).encode()
    return {"json": result, **{f"{n}.csv": part.encode() for n, part in enumerate(parts, start=1)}}


@uncollected()
def rehearse_records(
    records: Sequence[Any], asked: Rehearsal, live: Ports, *, changed: bool, start: datetime | None = None
) -> Rehearsed:
    """Live through the days once in a copy of these records, which are as of `start`: the live clock's now."""
    start = start or live.clock.now()
    copy = copied(records, outcomes_of(records, asked.seed), start, SERVED)
    payers = Payers.of(records, copy.ports, asked.seed) if asked.seed is not None else None
    if changed:
        _change(asked, copy.ports)
    driven = drive(copy, start + timedelta(days=asked.days), daily=payers.pay if payers else None)
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

"""The audit log: who changed what, and whether the log is whole. PRODUCT 12."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from functions.admin_api.calls import Answer, Call
from functions.admin_api.listing import LIMIT_DEFAULT, PAGING, read_cursor, refuse_cursor, write_cursor
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_audit import Moment, entry_json, moment
from shared.contracts.api_fields import identifier, refuse, text
from shared.domain.audit import AuditEntry
from shared.ports import PAGE_LIMIT, Entry
from shared.use_cases.lookups import settings_of
from shared.use_cases.verify_audit import VERIFY_MAX, Place, Spot, entries_at, newest_first, spot_of, verify_audit

router = new_router()

READS_MAX: Final = 40  # pages of entries read for one answer; a rare match may come with a later page
TESTS: Final[Mapping[str, Callable[[AuditEntry, str], bool]]] = {
    "subject_id": lambda entry, value: value in entry.subjects,
    "by": lambda entry, value: entry.by == value,
}


@endpoint(
    router,
    "GET",
    "/v1/audit",
    filters={**PAGING, "subject_id": identifier, "by": text, "from": moment, "to": moment},
)
def list_audit(call: Call[Any]) -> Answer:
    """Every write and who made it, newest first; `from` and `to` are dates or instants, and included."""
    since, until = _bounds(call)
    wanted: int = call.query.get("limit", LIMIT_DEFAULT)
    asked = [(test, call.query[name]) for name, test in TESTS.items() if name in call.query]
    found = newest_first(call.ports, since, until, _behind(call))
    kept: list[tuple[Entry, AuditEntry]] = []
    last: Entry | None = None
    size = PAGE_LIMIT if asked else wanted + 1
    for _ in range(READS_MAX):
        named, read = entries_at(call.ports, found, size)
        kept += [(place, entry) for place, entry in read if all(test(entry, value) for test, value in asked)]
        last = named[-1] if len(named) == size else None
        if last is None or len(kept) > wanted:
            break
    if len(kept) > wanted:
        last = kept[wanted - 1][0]
    items = [entry_json(entry) for _, entry in kept[:wanted]]
    return Answer(200, {"items": items, "next_cursor": write_cursor(call, *spot_of(last)) if last else None})


def _bounds(call: Call[Any]) -> tuple[Any, Any]:
    """The instants from which and before which entries are listed."""
    since: Moment | None = call.query.get("from")
    until: Moment | None = call.query.get("to")
    if since is None and until is None:
        return None, None
    zone = settings_of(call.ports).business.timezone
    start, end = since.start(zone) if since else None, until.end(zone) if until else None
    if start and end and end <= start:
        refuse("to", "must not be before `from`")
    return start, end


def _behind(call: Call[Any]) -> Spot | None:
    match read_cursor(call):
        case None:
            return None
        case [str(at), str(shard)]:
            return at, shard
        case _:
            return refuse_cursor()


@endpoint(router, "GET", "/v1/audit/verify", filters={"cursor": str})
def verify(call: Call[Any]) -> Answer:
    """Check the whole log: `first_bad` names what is not as it was written. A very long log brings a `next_cursor`."""
    done = verify_audit(call.ports, _from(call), VERIFY_MAX)
    answer: dict[str, Any] = {"valid": done.first_bad is None, "entries": done.entries, "first_bad": done.first_bad}
    if done.rest is not None:
        rest = done.rest
        answer["next_cursor"] = write_cursor(call, rest.shard, rest.after, rest.seq, rest.hash, rest.entries)
    return Answer(200, answer)


def _from(call: Call[Any]) -> Place | None:
    match read_cursor(call):
        case None:
            return None
        case [int(shard), None | str() as after, int(seq), str(hash), int(entries)] if shard >= 0:
            return Place(shard, after, seq, hash, entries)
        case _:
            return refuse_cursor()

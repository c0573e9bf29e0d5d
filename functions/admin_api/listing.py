"""Pages of lists: `limit`, an opaque `cursor`, and filters that combine. API.md "Conventions".

A list reads one or more sources in order (the shards of an index, or one partition). A cursor says where in which
source the next page goes on, so that what is added meanwhile is neither shown twice nor pushes anything out.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, NoReturn, TypeVar

from functions.admin_api.calls import Answer, Call, Filters
from shared.contracts.api_fields import refuse
from shared.contracts.api_json import Malformed, dumps, fingerprint, loads
from shared.domain.values import dataclass
from shared.ports import PAGE_LIMIT, Entry, Index, Page, Ports

LIMIT_MAX: Final = 200
LIMIT_DEFAULT: Final = 50
PAGES_MAX: Final = 40  # read for one answer; a rare match may come with a later page
WEIGHT_MAX: Final = 12_000  # invoice lines in one answer, which Lambda limits to 6 MB
CURSOR_CHARS_MAX: Final = 8_000

E = TypeVar("E")
X = TypeVar("X")
Y = TypeVar("Y")


def limit(value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 4 or not 1 <= int(value) <= LIMIT_MAX:
        raise ValueError(f"must be a whole number from 1 to {LIMIT_MAX}")
    return int(value)


PAGING: Final[Filters] = {"limit": limit, "cursor": str}


@dataclass(frozen=True, slots=True)
class Source(Generic[X]):
    """`fetch(after, limit)` is a page in order; `place` is the value it is ordered by, unique within the source."""

    fetch: Callable[[str | None, int], Page[X]]
    place: Callable[[X], str]


@dataclass(frozen=True, slots=True)
class _At:
    """Where a list goes on: in a source, on the page after `after`, behind `place`."""

    source: int = 0
    after: str | None = None
    place: str = ""


def page_of(
    call: Call[Any],
    sources: Sequence[Source[X]],
    keep: Callable[[Sequence[X]], list[tuple[X, Y]]],
    show: Callable[[Sequence[Y]], list[Any]],
    *,
    ahead: int = 0,
    weigh: Callable[[Y], int] = lambda y: 0,
) -> Answer:
    """One page: `keep` gives what is listed of a page of the source, `show` the JSON of those that are chosen.

    Where few may match, `ahead` says how many are read at a time. A page ends early once its items weigh more than
    WEIGHT_MAX.
    """
    wanted: int = call.query.get("limit", LIMIT_DEFAULT)
    at = _read_cursor(call)
    size = ahead or min(wanted + 1, PAGE_LIMIT)
    found: list[tuple[_At, Y]] = []  # each with where the list goes on behind it
    for _ in range(PAGES_MAX):
        if at.source >= len(sources) or len(found) > wanted:
            break
        source = sources[at.source]
        page = source.fetch(at.after, size)
        fresh = [x for x in page.items if source.place(x) > at.place]
        found += [(_At(at.source, at.after, source.place(x)), y) for x, y in keep(fresh)]
        at = _At(at.source, page.cursor, at.place) if page.cursor is not None else _At(at.source + 1)
    taken = _light_enough([y for _, y in found[:wanted]], weigh)
    if len(found) > taken:
        at = found[taken - 1][0]
    more = at.source < len(sources)
    items = show([y for _, y in found[:taken]])
    return Answer(200, {"items": items, "next_cursor": _write_cursor(call, at) if more else None})


OUTER_PAGES_MAX: Final = 20  # of things without anything below them, for one page


def nested(outer: Source[X], inner: Callable[[X], Source[Y]]) -> Source[tuple[X, Y]]:
    """Everything below each of the outer things, in their order, each with its outer thing."""

    def fetch(after: str | None, most: int) -> Page[tuple[X, Y]]:
        at, behind, inside_of, below = loads(after) if after is not None else (None, "", "", None)
        found: list[tuple[X, Y]] = []
        for _ in range(OUTER_PAGES_MAX):
            page = outer.fetch(at, most)
            for thing in page.items:
                place = outer.place(thing)
                if place <= behind:
                    continue
                inside = inner(thing).fetch(below if place == inside_of else None, most)
                found += [(thing, one) for one in inside.items]
                if inside.cursor is not None:
                    return Page(tuple(found), dumps([at, behind, place, inside.cursor]))
                behind = place
                if len(found) >= most:
                    return Page(tuple(found), dumps([at, behind, "", None]))
            if page.cursor is None:
                return Page(tuple(found))
            at, behind = page.cursor, ""
        return Page(tuple(found), dumps([at, behind, "", None]))

    return Source(fetch, lambda pair: f"{outer.place(pair[0])}\x00{inner(pair[0]).place(pair[1])}")


def _light_enough(found: Sequence[Y], weigh: Callable[[Y], int]) -> int:
    """How many of them fit into one answer; at least one."""
    weight = 0
    for n, item in enumerate(found):
        weight += weigh(item)
        if weight > WEIGHT_MAX and n:
            return n
    return len(found)


def indexed(ports: Ports, index: Index[E], *partitions: str, prefix: str = "") -> list[Source[Entry]]:
    """The partitions of an index, in order."""

    def source(partition: str) -> Source[Entry]:
        return Source(
            lambda after, most: ports.store.find(index, partition, prefix=prefix, after=after, limit=most),
            lambda entry: f"{entry.at}\x00{entry.partition}\x00{entry.sort}",
        )

    return [source(partition) for partition in partitions]


def _write_cursor(call: Call[Any], at: _At) -> str:
    return write_cursor(call, at.source, at.after, at.place)


def write_cursor(call: Call[Any], *place: str | int | None) -> str:
    """An opaque text of a place in this list."""
    text = dumps([_list_of(call), *place])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(call: Call[Any]) -> _At:
    match read_cursor(call):
        case None:
            return _At()
        case [int(source), None | str() as after, str(place)] if source >= 0:
            return _At(source, after, place)
        case _:
            return refuse_cursor()


def read_cursor(call: Call[Any]) -> list[Any] | None:
    """The place that the request's cursor names, None without one. Refuses a cursor of another list."""
    given: str | None = call.query.get("cursor")
    if not given:
        return None
    try:
        padded = given + "=" * (-len(given) % 4)
        parts = (
            loads(base64.b64decode(padded, altchars=b"-_", validate=True)) if len(given) <= CURSOR_CHARS_MAX else None
        )
    except (Malformed, binascii.Error, ValueError):
        parts = None
    match parts:
        case [str(asked), *place] if asked == _list_of(call):
            return place
        case _:
            return refuse_cursor()


def refuse_cursor() -> NoReturn:
    refuse("cursor", "is not of this list: use next_cursor of its last page, with the same filters")


def _list_of(call: Call[Any]) -> str:
    """A cursor belongs to one list with one set of filters."""
    filters = {name: str(value) for name, value in call.query.items() if name not in PAGING}
    return fingerprint([call.scope, filters])[:16]


def stored(ports: Ports, entity: type[E], found: Sequence[Entry]) -> list[tuple[Entry, E]]:
    """The entities that an index named, read from the store: those that are still there."""
    read = {_id(e): e for e in ports.store.get_many(entity, [entry.key for entry in found])}
    return [(entry, read[entry.partition]) for entry in found if entry.partition in read]


def _id(entity: object) -> str:
    found: str = entity.id  # type: ignore[attr-defined]
    return found


def pairs(found: Sequence[X]) -> list[tuple[X, X]]:
    """What is listed is what was fetched."""
    return [(x, x) for x in found]

"""Pieces of work side by side, so that what several of them ask for goes to the store or a queue in one call.

Each piece runs in a greenlet: as ordinary code that is put aside wherever it asks, until all the others wait for
something too or are done. So nothing runs at the same time, nothing is decided by chance, and what a piece of work does
is what it would do alone: a transaction of its own, at a moment of its own, with others in between.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextvars import copy_context
from dataclasses import field
from typing import Any, Final, Literal, TypeVar, cast

from greenlet import GreenletExit, getcurrent, greenlet

from shared.domain.copies import replace
from shared.domain.values import dataclass
from shared.ports import (
    PAGE_LIMIT,
    Change,
    Check,
    Entry,
    Index,
    Key,
    LooksAhead,
    Page,
    Ports,
    Queue,
    QueueName,
    Remove,
    Save,
    Store,
)
from shared.storage.records import commit_each

E = TypeVar("E")
R = TypeVar("R")
T = TypeVar("T")

What = Literal["read", "look", "commit", "send"]
ORDER: Final[tuple[What, ...]] = ("read", "look", "commit", "send")  # reading brings up those that are behind


@dataclass(slots=True)
class _Ask:
    """What a piece of work waits for, and of whom it asks it."""

    what: What
    of: Any
    args: tuple[Any, ...]


@dataclass(slots=True)
class _Piece:
    """A piece of work on its way."""

    position: int
    lane: Hashable
    greenlet: greenlet
    correlation: str | None
    ask: _Ask | None = None
    answer: Any = None
    error: Exception | None = None  # to be raised where it asked
    result: Any = None
    failed: Exception | None = None  # what the work raised


@dataclass(frozen=True, slots=True)
class Correlation:
    """What log lines and messages are told apart by: each piece of work goes on under what it began with."""

    get: Callable[[], str | None] = lambda: None
    set: Callable[[str | None], None] = lambda began: None


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Implements shared.ports.Abreast."""

    correlation: Correlation = field(default_factory=Correlation)

    def each(
        self, work: Callable[[T, Ports], R], things: Sequence[T], ports: Ports,
        lane: Callable[[T], Hashable] | None = None,
    ) -> list[R]:  # fmt: skip
        if len(things) < 2:
            return [work(thing, ports) for thing in things]
        return _Walk(self.correlation).through(work, things, ports, lane)


class _Walk:
    def __init__(self, correlation: Correlation) -> None:
        self._correlation = correlation
        self._here = getcurrent()
        self._now: _Piece | None = None

    def ask(self, what: What, of: Any, *args: Any) -> Any:
        """Called in a piece of work: put it aside until it has its answer."""
        piece = cast(_Piece, self._now)
        piece.ask = _Ask(what, of, args)
        return self._here.switch()

    def through(
        self, work: Callable[[T, Ports], R], things: Sequence[T], ports: Ports,
        lane: Callable[[T], Hashable] | None,
    ) -> list[R]:  # fmt: skip
        began = self._correlation.get()
        own = replace(ports, store=_AskingStore(ports.store, self), queue=_AskingQueue(ports.queue, self))
        pieces = [
            _Piece(n, lane(thing) if lane else n, greenlet(work, self._here), began) for n, thing in enumerate(things)
        ]
        lanes: dict[Hashable, deque[_Piece]] = {}
        for piece, thing in zip(pieces, things, strict=True):
            piece.greenlet.gr_context = copy_context()
            piece.answer = (thing, own)
            lanes.setdefault(piece.lane, deque()).append(piece)
        try:
            self._walk(lanes)
        finally:
            self._correlation.set(began)
            for piece in pieces:
                if piece.greenlet and not piece.greenlet.dead:
                    piece.greenlet.throw(GreenletExit)
        for piece in pieces:
            if piece.failed is not None:
                raise piece.failed
        return [cast(R, piece.result) for piece in pieces]

    def _walk(self, lanes: dict[Hashable, deque[_Piece]]) -> None:
        ready = deque(lane.popleft() for lane in lanes.values())
        waiting: list[_Piece] = []
        while ready or waiting:
            while ready:
                piece = ready.popleft()
                self._go_on(piece)
                if not piece.greenlet.dead:
                    waiting.append(piece)
                elif lanes[piece.lane]:
                    ready.append(lanes[piece.lane].popleft())
            asked = [piece.ask.what for piece in waiting if piece.ask]
            what = next((w for w in ORDER if w in asked), None)
            served = sorted((p for p in waiting if p.ask and p.ask.what == what), key=lambda p: p.position)
            waiting = [p for p in waiting if not p.ask or p.ask.what != what]
            self._serve(served)
            ready.extend(served)

    def _go_on(self, piece: _Piece) -> None:
        """Until it asks for something or is done. What is no ordinary error, as a crash, comes through at once."""
        self._now = piece
        self._correlation.set(piece.correlation)
        answer, error, begun = piece.answer, piece.error, bool(piece.greenlet)
        piece.ask = piece.answer = piece.error = None
        try:
            if error is not None:
                said = piece.greenlet.throw(error)
            elif begun:
                said = piece.greenlet.switch(answer)
            else:
                said = piece.greenlet.switch(*answer)
        except Exception as failed:  # noqa: BLE001 - raised once all the others are done
            piece.failed = failed
            return
        piece.correlation = self._correlation.get()
        piece.result = said

    def _serve(self, pieces: list[_Piece]) -> None:
        for group in _alike(pieces):
            ask = cast(_Ask, group[0].ask)
            self._correlation.set(group[0].correlation)
            try:
                answers = _SERVED[ask.what](ask.of, [cast(_Ask, piece.ask).args for piece in group])
            except Exception as error:  # noqa: BLE001 - theirs to deal with
                answers = [error] * len(group)
            for piece, answer in zip(group, answers, strict=True):
                if isinstance(answer, Exception):
                    piece.error = answer
                else:
                    piece.answer = answer


def _alike(pieces: list[_Piece]) -> Iterator[list[_Piece]]:
    """Those that can be served together: they ask the same, and messages have begun with the same."""
    groups: dict[Hashable, list[_Piece]] = {}
    for piece in pieces:
        ask = cast(_Ask, piece.ask)
        about = (ask.args[0], ask.args[2], piece.correlation) if ask.what == "send" else ()
        groups.setdefault((id(ask.of), *about), []).append(piece)
    yield from groups.values()


def _read(store: Store, asked: Sequence[tuple[Any, ...]]) -> list[Any]:
    keys = list(dict.fromkeys(key for (keys,) in asked for key in keys))
    values = [store.get(*keys[0])] if len(keys) == 1 else store.get_all(keys)
    found = dict(zip(keys, values, strict=True))
    return [[found[key] for key in keys] for (keys,) in asked]


def _look(store: Store, asked: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Pages cannot be had together; but many ask for the same one, as who hears of payments."""
    found: dict[Hashable, Any] = {}
    for args in asked:
        if args not in found:
            found[args] = _page(store, *args)
    return [found[args] for args in asked]


def _page(store: Store, listed: bool, *args: Any) -> Page[Any] | Exception:
    try:
        if listed:
            return store.list(*args)
        index, partition, prefix, last, after, limit, reverse = args
        return store.find(index, partition, prefix=prefix, last=last, after=after, limit=limit, reverse=reverse)
    except Exception as error:  # noqa: BLE001 - raised where it was asked for
        return error


def _commit(store: Store, asked: Sequence[tuple[Any, ...]]) -> list[Any]:
    return commit_each(store, [changes for (changes,) in asked])


def _send(queue: Queue, asked: Sequence[tuple[Any, ...]]) -> list[Any]:
    name, _, delay_seconds = asked[0]
    queue.send(name, [body for _, bodies, _ in asked for body in bodies], delay_seconds)
    return [None] * len(asked)


_SERVED: Final[dict[What, Callable[[Any, Sequence[tuple[Any, ...]]], list[Any]]]] = {
    "read": _read,
    "look": _look,
    "commit": _commit,
    "send": _send,
}


class _AskingStore(LooksAhead):
    """Implements shared.ports.Store for a piece of work."""

    def __init__(self, inner: Store, walk: _Walk) -> None:
        self._inner = inner
        self._remembers = inner if isinstance(inner, LooksAhead) else None
        self._walk = walk

    def ahead(self, keys: Sequence[Key]) -> None:
        if self._remembers is not None:
            self._remembers.ahead(keys)

    def knows(self, keys: Sequence[Key]) -> bool:
        return self._remembers is not None and self._remembers.knows(keys)

    @property
    def afresh(self) -> Store:
        return self if self._remembers is None else _AskingStore(self._remembers.afresh, self._walk)

    def get(self, kind: type[E], partition: str, sort: str = "") -> E | None:
        (found,) = self.get_all([(kind, partition, sort)])
        return cast(E | None, found)

    def get_many(self, kind: type[E], keys: Sequence[tuple[str, str]]) -> list[E]:
        return [found for found in self.get_all([(kind, *key) for key in keys]) if found is not None]

    def get_all(self, keys: Sequence[Key]) -> list[Any]:
        if not keys:
            return []
        if self.knows(keys):
            return self._inner.get_all(keys)
        found: list[Any] = self._walk.ask("read", self._inner, keys)
        return found

    def list(
        self, kind: type[E], partition: str, prefix: str = "", after: str | None = None, limit: int = PAGE_LIMIT
    ) -> Page[E]:
        page: Page[E] = self._walk.ask("look", self._inner, True, kind, partition, prefix, after, limit)
        return page

    def find(
        self, index: Index[E], partition: str, *, prefix: str = "", last: str | None = None,
        after: str | None = None, limit: int = PAGE_LIMIT, reverse: bool = False,
    ) -> Page[Entry]:  # fmt: skip
        page: Page[Entry] = self._walk.ask(
            "look", self._inner, False, index, partition, prefix, last, after, limit, reverse
        )
        return page

    def commit(self, *changes: Save[E] | Remove[E] | Check[E]) -> None:
        if changes:
            self._walk.ask("commit", self._inner, cast(tuple[Change, ...], changes))


class _AskingQueue:
    """Implements shared.ports.Queue for a piece of work."""

    def __init__(self, inner: Queue, walk: _Walk) -> None:
        self._inner = inner
        self._walk = walk

    def send(self, queue: QueueName, bodies: Sequence[str], delay_seconds: int = 0) -> None:
        if bodies:
            self._walk.ask("send", self._inner, queue, tuple(bodies), delay_seconds)

"""The store in DynamoDB.

Every write is conditional: *absent* or *version is n*. Each record carries the digest of the transaction that wrote
it, so that a write which landed although its answer was lost is recognised when it is repeated.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar, cast

from shared.ports import (
    PAGE_LIMIT,
    Change,
    Check,
    Commit,
    CommitsEach,
    Conflict,
    Entry,
    Failures,
    Index,
    Key,
    Page,
    Remove,
    Save,
    Unavailable,
)
from shared.storage.client import ATTEMPTS_MAX, Client, ConditionFailed, Contended
from shared.storage.codec import Item, decode, encode, index_attributes, item_of, key_item
from shared.storage.packing import Pack, Part, Request, places_of, requests_of
from shared.storage.records import (
    check_within,
    commit_alone,
    decode_cursor,
    encode_cursor,
    keys_of,
    kind_of,
    with_version,
)
from shared.storage.schema import KINDS, Kind

E = TypeVar("E")

BATCH_KEYS_MAX = 100  # keys per BatchGetItem: DynamoDB's limit
BATCH_ROUNDS_MAX = 8  # calls for the keys of one batch that were left unprocessed
QUERY_CALLS_MAX = 500  # calls for one page: each brings up to 1 MB
CONTENDED_ATTEMPTS_MAX = 5  # for one transaction that meets others
BACKOFF_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.4)  # longest pause before the next attempt
TX_BYTES = 16

_Items = list[Item]
_Place = tuple[str, str, str]  # table, partition key and sort key
_Stored = list[tuple[Any, bytes]]  # each change's entity as it will be stored, and its body

_ABSENT = "attribute_not_exists(pk)"
_IS_VERSION = "#v = :v"
_KIND_OF_INDEX = {rule.index: kind for kind in KINDS for rule in kind.indexes}


class DynamoStore(CommitsEach):
    """Implements shared.ports.Store. Opens no connection before the first call.

    `table_name` gives the name a table of the schema has in this deployment. `writer` tells processes apart, so that
    none takes another's equal transaction for its own.
    """

    def __init__(
        self, table_name: Callable[[str], str], region: str, writer: str = "", *,
        attempts_max: int = ATTEMPTS_MAX, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._table_name = table_name
        self._names: dict[str, str] = {}
        self._writer = writer.encode()
        self._client = Client(region, attempts_max)
        self._sleep = sleep

    # ---- reading --------------------------------------------------------------------------------

    def get(self, kind: type[E], partition: str, sort: str = "") -> E | None:
        stored = kind_of(kind)
        answer = self._client.call("GetItem", {
            "TableName": self._table(stored),
            "Key": key_item(stored, partition, sort),
            "ConsistentRead": True,
            "ProjectionExpression": "body",
        })  # fmt: skip
        item = answer.get("Item")
        return None if item is None else cast(E, decode(kind, item["body"]["B"]))

    def get_many(self, kind: type[E], keys: Sequence[tuple[str, str]]) -> list[E]:
        return [found for found in self.get_all([(kind, *key) for key in keys]) if found is not None]

    def get_all(self, keys: Sequence[Key]) -> list[Any]:
        wanted = list(dict.fromkeys(keys))
        found: dict[Key, Any] = {}
        for start in range(0, len(wanted), BATCH_KEYS_MAX):
            asked = {self._place(key): key for key in wanted[start : start + BATCH_KEYS_MAX]}
            for table, item in self._batch(asked):
                key = asked[table, item["pk"]["S"], item["sk"]["S"]]
                found[key] = decode(key[0], item["body"]["B"])
        return [found.get(key) for key in keys]

    def _place(self, key: Key) -> _Place:
        kind = kind_of(key[0])
        return (self._table(kind), key[1], kind.prefix + key[2])

    def _batch(self, places: Iterable[_Place]) -> Iterator[tuple[str, Item]]:
        """What is there, with its table."""
        request: dict[str, dict[str, Any]] = {}
        for table, partition, sort in places:
            read = {"Keys": [], "ConsistentRead": True, "ProjectionExpression": "pk, sk, body"}
            request.setdefault(table, read)["Keys"].append({"pk": {"S": partition}, "sk": {"S": sort}})
        for round_ in range(BATCH_ROUNDS_MAX):
            answer = self._client.call("BatchGetItem", {"RequestItems": request})
            for table, items in answer["Responses"].items():
                yield from ((table, item) for item in items)
            request = answer.get("UnprocessedKeys", {})
            if not request:
                return
            self._pause(round_, sum(len(read["Keys"]) for read in request.values()))
        left = sum(len(read["Keys"]) for read in request.values())
        raise Unavailable(f"DynamoDB BatchGetItem: {left} keys left unprocessed")

    def list(
        self, kind: type[E], partition: str, prefix: str = "",
        after: str | None = None, limit: int = PAGE_LIMIT,
    ) -> Page[E]:  # fmt: skip
        stored = kind_of(kind)
        start = None
        if after is not None:
            (sort,) = decode_cursor(after, 1)
            check_within(sort, prefix, None)
            start = key_item(stored, partition, sort)
        request = {
            "TableName": self._table(stored),
            "KeyConditionExpression": "pk = :p AND begins_with(sk, :s)",
            "ExpressionAttributeValues": {":p": {"S": partition}, ":s": {"S": stored.prefix + prefix}},
            "ConsistentRead": True,
            "ProjectionExpression": "sk, body",
        }
        found, more = self._query(request, start, limit)
        items = tuple(cast(E, decode(kind, item["body"]["B"])) for item in found)
        return Page(items, encode_cursor(found[-1]["sk"]["S"][len(stored.prefix) :]) if more else None)

    def find(
        self, index: Index[E], partition: str, *, prefix: str = "", last: str | None = None,
        after: str | None = None, limit: int = PAGE_LIMIT, reverse: bool = False,
    ) -> Page[Entry]:  # fmt: skip
        if prefix and last is not None:
            raise ValueError("find by prefix or up to a last value, not both")
        stored, (pk, sk) = _KIND_OF_INDEX[index], index_attributes(index)
        values, condition = {":p": {"S": partition}}, f"{pk} = :p"
        if prefix or last is not None:
            values[":s"] = {"S": prefix or last or ""}
            condition += f" AND begins_with({sk}, :s)" if prefix else f" AND {sk} <= :s"
        start = None
        if after is not None:
            at, owner, sort = decode_cursor(after, 3)
            check_within(at, prefix, last)
            start = {**key_item(stored, owner, sort), pk: {"S": partition}, sk: {"S": at}}
        request = {
            "TableName": self._table(stored),
            "IndexName": index.name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            "ProjectionExpression": f"pk, sk, {sk}",
            "ScanIndexForward": not reverse,
        }
        found, more = self._query(request, start, limit)
        cut = len(stored.prefix)
        entries = tuple(Entry(i[sk]["S"], i["pk"]["S"], i["sk"]["S"][cut:]) for i in found)
        end = entries[-1] if more else None
        return Page(entries, encode_cursor(end.at, *end.key) if end else None)

    def _query(self, request: dict[str, Any], start: Item | None, limit: int) -> tuple[Sequence[Item], bool]:
        """Up to `limit` items from after `start`, and whether there are more: one more than asked for is read."""
        if limit < 1:
            raise ValueError(f"a page of {limit} records")
        items: _Items = []
        for _ in range(QUERY_CALLS_MAX):
            request["Limit"] = limit + 1 - len(items)
            if start:
                request["ExclusiveStartKey"] = start
            answer = self._client.call("Query", dict(request))
            items += answer["Items"]
            start = answer.get("LastEvaluatedKey")
            if not start or len(items) > limit:
                return items[:limit], len(items) > limit
        return items, bool(items)

    # ---- writing --------------------------------------------------------------------------------

    def commit(self, *changes: Save[E] | Remove[E] | Check[E]) -> None:
        part = self._prepared(cast(Commit, changes))
        if not part.requests:
            return
        for attempt in range(CONTENDED_ATTEMPTS_MAX):
            try:
                self._write(part.requests)
                return
            except ConditionFailed as failure:
                conflict = _conflict(part, failure)
                if conflict is None:
                    return
                raise conflict from failure
            except Contended:
                if attempt == CONTENDED_ATTEMPTS_MAX - 1:
                    raise
                self._pause(attempt, part.tx[attempt])

    def commit_each(self, commits: Sequence[Commit]) -> Failures:
        """Those of several changes go together, as many as a transaction holds. A single change goes alone: its units
        count double in a transaction. What cannot go with the others goes alone, so none is in another's way.
        """
        results: Failures = [None] * len(commits)
        pack = Pack()
        for position, commit in enumerate(commits):
            try:
                part = self._prepared(commit, position)
            except Exception as error:  # noqa: BLE001 - raised where it was asked for
                results[position] = error
                continue
            if not pack.holds(part):
                self._write_pack(pack, results)
                pack = Pack()
            pack.add(part)
        self._write_pack(pack, results)
        return results

    def _write_pack(self, pack: Pack, results: Failures) -> None:
        """Leaves out what fails and tries the rest again, until all is written, has failed or goes alone."""
        alone = [part for part in pack.parts if len(part.requests) == 1]
        together = [part for part in pack.parts if len(part.requests) > 1]
        for attempt in range(CONTENDED_ATTEMPTS_MAX):
            if len(together) < 2:
                break
            try:
                self._client.call("TransactWriteItems", {"TransactItems": requests_of(together)})
                together = []
            except ConditionFailed as failure:
                together = _left(together, failure, results)
            except Contended:
                self._pause(attempt, together[0].tx[attempt])
            except Unavailable as error:
                for part in together:
                    results[part.position] = error
                together = []
            except Exception:  # noqa: BLE001 - a mistake in one of them: each finds out by itself
                break
        for part in sorted([*alone, *together], key=lambda part: part.position):
            results[part.position] = commit_alone(self, part.changes)

    def _write(self, requests: Sequence[Request]) -> None:
        """One change is a plain conditional write: a transaction costs twice the units."""
        ((verb, request),) = requests[0].items()
        if len(requests) == 1 and verb != "ConditionCheck":
            self._client.call(f"{verb}Item", dict(request))
        else:
            self._client.call("TransactWriteItems", {"TransactItems": requests})

    def _prepared(self, changes: Commit, position: int = 0) -> Part:
        keys = keys_of(changes)
        digest = hashlib.sha256(self._writer)
        stored: _Stored = []
        for change, key in zip(changes, keys, strict=True):
            version = cast(Any, change.entity).version
            entity = with_version(change.entity, version + 1) if isinstance(change, Save) else change.entity
            body = encode(entity) if isinstance(change, Save) else b""
            facts = f"{type(change).__name__} {key[0].__name__} {key[1]!r} {key[2]!r} {version} {len(body)}\n"
            digest.update(facts.encode())
            digest.update(body)
            stored.append((entity, body))
        tx = digest.digest()[:TX_BYTES]
        requests: list[Request] = []
        for change, (cls, partition, sort), (entity, body) in zip(changes, keys, stored, strict=True):
            kind = kind_of(cls)
            request = self._conditional(kind, cast(Any, change.entity).version)
            if isinstance(change, Save):
                request["Item"] = item_of(kind, partition, sort, entity, body, tx)
                requests.append({"Put": request})
            else:
                request["Key"] = key_item(kind, partition, sort)
                requests.append({"Delete" if isinstance(change, Remove) else "ConditionCheck": request})
        return Part(position, changes, keys, tx, requests, sum(len(body) for _, body in stored))

    def _conditional(self, kind: Kind, version: int) -> dict[str, Any]:
        request: dict[str, Any] = {
            "TableName": self._table(kind),
            "ConditionExpression": _IS_VERSION if version else _ABSENT,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if version:
            request["ExpressionAttributeNames"] = {"#v": "version"}
            request["ExpressionAttributeValues"] = {":v": {"N": str(version)}}
        return request

    def _table(self, kind: Kind) -> str:
        name = self._names.get(kind.table)
        if name is None:
            name = self._names[kind.table] = self._table_name(kind.table)
        return name

    def _pause(self, attempt: int, chance: int) -> None:
        """Jitter comes from what is being done, which differs between those who meet: no dice in here."""
        longest = BACKOFF_SECONDS[min(attempt, len(BACKOFF_SECONDS) - 1)]
        self._sleep(longest * (1 + chance % 256 / 255) / 2)


def _left(parts: Sequence[Part], failure: ConditionFailed, results: Failures) -> list[Part]:
    """Those whose own conditions held; what came of the others goes into `results`."""
    left: list[Part] = []
    places = places_of(parts)
    for part in parts:
        own = {n: failure.items[places[key]] for n, key in enumerate(part.keys) if places[key] in failure.items}
        if not own:
            left.append(part)
            continue
        results[part.position] = _conflict(part, ConditionFailed(own, retried=failure.retried))
    return left


def _conflict(part: Part, failure: ConditionFailed) -> Conflict | None:
    """None if what is in the way is our own write, whose answer was lost."""
    if _landed_before(failure, part.tx, part.changes):
        return None
    return Conflict(tuple(sorted(failure.items)))


def _landed_before(failure: ConditionFailed, tx: bytes, changes: tuple[Change, ...]) -> bool:
    """Whether what is in the way is our own: the first answer was lost, by the SDK or by our caller."""
    for position, item in failure.items.items():
        if item is not None and isinstance(changes[position], Save) and item["tx"]["B"] == tx:
            return True
    # Of removals nothing is left to tell by. If the SDK repeated the call and all of them are gone, they are ours.
    removed = {n for n, change in enumerate(changes) if isinstance(change, Remove)}
    saves_nothing = not any(isinstance(change, Save) for change in changes)
    gone = all(item is None for item in failure.items.values())
    return failure.retried and saves_nothing and gone and set(failure.items) == removed

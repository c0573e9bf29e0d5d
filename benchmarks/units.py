"""What DynamoDB charges for a series of requests, worked out from the sizes of the items and of their indexes.

Rules (DynamoDB Developer Guide, "Read and write capacity", "Global secondary indexes"): a write costs a unit per 1 KB
begun, twice that in a transaction, of the larger of the old and the new item; a strongly consistent read one per 4 KB
begun, an eventually consistent one half. An index whose entry appears, changes or disappears costs a write of its own
(a changed key: two). A condition check costs what a transactional write of the item would. Nothing found costs one.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.tape import Call

WRITE_BYTES: Final = 1024
READ_BYTES: Final = 4096

Item = Mapping[str, Mapping[str, Any]]


@dataclass(slots=True)
class Units:
    write: float = 0
    read: float = 0


@dataclass(slots=True)
class Meter:
    """Follows what is stored, so that it knows each write's old item; feed it every call from the first on."""

    items: dict[tuple[str, str, str], Item] = field(default_factory=dict)

    def cost(self, call: Call) -> Units:
        """Of one call; others than DynamoDB's cost nothing here."""
        match call.operation:
            case "TransactWriteItems":
                parts = json.loads(call.body)["TransactItems"]
                return Units(write=sum(self._part(verb, part, 2) for p in parts for verb, part in p.items()))
            case "PutItem" | "DeleteItem":
                return Units(write=self._part(call.operation.removesuffix("Item"), json.loads(call.body), 1))
            case "GetItem":
                return Units(read=_reads([json.loads(_text(call)).get("Item", {})], consistent=True))
            case "BatchGetItem":
                found = json.loads(_text(call))["Responses"].values()
                asked = sum(len(t["Keys"]) for t in json.loads(call.body)["RequestItems"].values())
                items = [item for table in found for item in table]
                return Units(read=_reads(items, consistent=True) + asked - len(items))
            case "Query":
                return Units(read=self._query(json.loads(call.body), json.loads(_text(call))["Items"]))
        return Units()

    def _part(self, verb: str, part: Any, factor: int) -> float:
        key = part.get("Key") or part["Item"]
        place = (part["TableName"], key["pk"]["S"], key["sk"]["S"])
        old, new = self.items.get(place), part.get("Item")
        if verb == "ConditionCheck":
            return factor * _begun(_size(old or {}), WRITE_BYTES)
        if verb == "Put":
            self.items[place] = new
        else:
            self.items.pop(place, None)
        base = factor * _begun(max(_size(old or {}), _size(new or {})), WRITE_BYTES)
        return base + sum(_index_writes(name, old or {}, new or {}) for name in _indexes(old, new))

    def _query(self, request: Any, items: list[Item]) -> float:
        """A query is charged for the sum of what it reads; a whole item of the base table, or an index's entry."""
        sizes = 0
        for item in items:
            place = (request["TableName"], item.get("pk", {"S": ""})["S"], item["sk"]["S"])
            stored = self.items.get(place, item)
            sizes += _size(item) if "IndexName" in request else _size(stored)
        return _begun(sizes, READ_BYTES) * (1 if request.get("ConsistentRead") else 0.5)


def _indexes(*items: Item | None) -> set[str]:
    return {name.removesuffix("_pk") for item in items if item for name in item if name.endswith("_pk")}


def _index_writes(name: str, old: Item, new: Item) -> int:
    """Entries hold keys alone, so no other change reaches them."""
    before, after = _entry(name, old), _entry(name, new)
    if before == after:
        return 0
    return (before is not None) + (after is not None)


def _entry(name: str, item: Item) -> tuple[Any, Any] | None:
    return (item[f"{name}_pk"], item[f"{name}_sk"]) if f"{name}_pk" in item else None


def _reads(items: Iterable[Item], *, consistent: bool) -> float:
    return sum(_begun(_size(item), READ_BYTES) * (1 if consistent else 0.5) for item in items)


def _begun(size: int, block: int) -> int:
    return max(1, -(-size // block))


def _size(item: Item) -> int:
    return sum(len(name.encode()) + part for name, value in item.items() for part in _sizes(value))


def _sizes(value: Mapping[str, Any]) -> Iterator[int]:
    for type, content in value.items():
        if type == "B":
            yield len(base64.b64decode(content))
        elif type == "N":
            yield len(content) // 2 + 1
        else:
            yield len(str(content).encode())


def _text(call: Call) -> Any:
    return call.answer[2]

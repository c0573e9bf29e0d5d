"""What DynamoDB charges for a series of requests, worked out from the sizes of the items and of their indexes.

Rules (DynamoDB Developer Guide: "Read and write operations", "Item sizes and formats", "Global secondary indexes"): a
write costs a unit per 1 KB begun of the larger of the old and the new item, twice that in a transaction, whether its
condition holds or not; a condition check as much as a transactional write of the item. An index entry that appears or
disappears is a write of its own size, one whose key changes two, and one that stays as it was none; transactions do
not double these. A strongly consistent read costs a unit per 4 KB begun, an eventually consistent one half: of each
item, or for a query of all that it reads together, whatever is projected of it. Nothing found costs as much as the
smallest.
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
CONTAINER_BYTES: Final = 3  # a list or map, and one more for each of its elements
OK: Final = 200

Item = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Share:
    """What one partition of a table, or of an index (`table/index`), has to do for a call."""

    space: str
    partition: str
    write: float = 0
    read: float = 0


@dataclass(slots=True)
class Units:
    write: float = 0
    read: float = 0


@dataclass(slots=True)
class Meter:
    """Follows what is stored, so that it knows each write's old item; feed it every call from the first on."""

    items: dict[tuple[str, str, str], Item] = field(default_factory=dict)

    def cost(self, call: Call) -> Units:
        """Of one call; other services' cost nothing here. Raises NotImplementedError for what it cannot tell."""
        shares = self.shares(call)
        return Units(sum(s.write for s in shares), sum(s.read for s in shares))

    def shares(self, call: Call) -> list[Share]:
        """The same, by the partitions that bear it."""
        match call.operation:
            case "TransactWriteItems":
                parts = json.loads(call.body)["TransactItems"]
                written = call.answer[0] == OK
                return [s for part in parts for verb, what in part.items() for s in self._part(verb, what, 2, written)]
            case "PutItem" | "DeleteItem":
                verb = call.operation.removesuffix("Item")
                return list(self._part(verb, json.loads(call.body), 1, call.answer[0] == OK))
            case "GetItem":
                request = json.loads(call.body)
                return [self._read(request["TableName"], request["Key"], request)]
            case "BatchGetItem":
                asked = json.loads(call.body)["RequestItems"]
                return [self._read(table, key, its) for table, its in asked.items() for key in its["Keys"]]
            case "Query":
                return [self._query(json.loads(call.body), json.loads(call.answer[2])["Items"])]
            case "UpdateItem" | "BatchWriteItem" | "TransactGetItems" | "Scan":
                raise NotImplementedError(f"what {call.operation} costs")
        return []

    def _stored(self, table: str, key: Item) -> Item:
        return self.items.get((table, key["pk"]["S"], key["sk"]["S"]), {})

    def _part(self, verb: str, part: Any, factor: int, written: bool) -> Iterator[Share]:
        key, table = part.get("Key") or part["Item"], part["TableName"]
        old, new = self._stored(table, key), part.get("Item", {})
        partition = key["pk"]["S"]
        if verb == "ConditionCheck":
            yield Share(table, partition, write=factor * write_units(old, {}))
            return
        yield Share(table, partition, write=factor * write_units(old, new))
        if not written:
            return
        place = (table, partition, key["sk"]["S"])
        if new:
            self.items[place] = new
        else:
            self.items.pop(place, None)
        for name in _indexes(old, new):
            before, after = entry(name, old), entry(name, new)
            for one in (before, after) if before != after else ():
                if one is not None:
                    yield Share(f"{table}/{name}", one[f"{name}_pk"]["S"], write=entry_units(one))

    def _read(self, table: str, key: Item, request: Any) -> Share:
        item, consistent = self._stored(table, key), request.get("ConsistentRead", False)
        return Share(table, key["pk"]["S"], read=read_units([item], consistent=consistent))

    def _query(self, request: Any, found: list[Item]) -> Share:
        """Of the base table whole items, of an index its entries."""
        table, key = request["TableName"], request["ExpressionAttributeValues"][":p"]
        items = [self._stored(table, {"pk": item.get("pk", key), "sk": item["sk"]}) for item in found]
        space = table
        if index := request.get("IndexName"):
            items, space = [entry(index, item) or {} for item in items], f"{table}/{index}"
        return Share(space, key["S"], read=query_units(items, consistent=request.get("ConsistentRead", False)))


# ---- the rules --------------------------------------------------------------------------------------------------


def write_units(old: Item, new: Item) -> int:
    """Of a put, an update or a delete, its indexes apart."""
    return _begun(max(size(old), size(new)), WRITE_BYTES)


def index_units(old: Item | None, new: Item | None) -> int:
    """Of one index, by the entry that it had and the one it gets."""
    if old == new:
        return 0
    return sum(entry_units(entry) for entry in (old, new) if entry is not None)


def entry_units(entry: Item) -> int:
    """Of putting an entry into an index, or of taking it out."""
    return _begun(size(entry), WRITE_BYTES)


def read_units(items: Iterable[Item], *, consistent: bool) -> float:
    """Of items read one by one, or in a batch; an empty one stands for one that is not there."""
    return sum(_begun(size(item), READ_BYTES) for item in items) * (1 if consistent else 0.5)


def query_units(items: Iterable[Item], *, consistent: bool) -> float:
    """Of a page: all its items together."""
    return _begun(sum(map(size, items)), READ_BYTES) * (1 if consistent else 0.5)


def entry(index: str, item: Item) -> Item | None:
    """An item's entry in a keys-only index; None while it lacks the index's keys."""
    keys = (f"{index}_pk", f"{index}_sk")
    if not all(key in item for key in keys):
        return None
    return {name: item[name] for name in ("pk", "sk", *keys)}


def size(item: Item) -> int:
    """Bytes of an item as DynamoDB counts them: names, and values by their type."""
    return sum(len(name.encode()) + _value(value) for name, value in item.items())


def _value(value: Mapping[str, Any]) -> int:
    ((type, content),) = value.items()
    match type:
        case "S":
            return len(content.encode())
        case "B":
            return len(base64.b64decode(content))
        case "N":
            return _digits(content) // 2 + 1 + _digits(content) % 2
        case "BOOL" | "NULL":
            return 1
        case "L":
            return CONTAINER_BYTES + sum(1 + _value(part) for part in content)
        case "M":
            return CONTAINER_BYTES + sum(1 + len(name.encode()) + _value(part) for name, part in content.items())
    raise NotImplementedError(f"the size of a value of type {type}")


def _digits(number: str) -> int:
    """Significant ones: zeroes before and after cost nothing."""
    return len(number.lstrip("-").replace(".", "").strip("0"))


def _indexes(*items: Item) -> set[str]:
    return {name.removesuffix("_pk") for item in items for name in item if name.endswith("_pk")}


def _begun(size: int, block: int) -> int:
    return max(1, -(-size // block))

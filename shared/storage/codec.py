"""Entities as DynamoDB items: keys and index attributes to find them by, and the rest as one compact body.

The body is JSON without what has its default value, compressed when it is not short. One opaque attribute costs a
fraction of what twenty mapped ones do, in client CPU and in stored bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Any

import msgspec

from shared.ports import Index
from shared.storage.dictionary import BODIES
from shared.storage.records import places_of
from shared.storage.schema import Kind

COMPRESS_OVER_BYTES = 400  # with its keys and indexes, an item may then exceed the kilobyte that a unit writes
LONG_BYTES = 8 * 1024  # where what it says itself is dictionary enough
COMPRESSION_LEVEL = 6
WINDOW_BITS = 12  # 4 KB, for short bodies: a window of 32 KB takes longer to set up than they take to compress
ITEM_BYTES_MAX = 400 * 1024  # DynamoDB's limit, attribute names included

Item = dict[str, dict[str, Any]]

_PLAIN = (str, int, bool)  # types whose equal values are written equally; Decimal("1.0") == Decimal("1") is not so
_Shape = tuple[tuple[str, ...], tuple[Any, ...], Callable[[Any], tuple[Any, ...]]]

_encode_json = msgspec.json.Encoder().encode


class TooLarge(ValueError):
    """An entity does not fit into one item."""


def index_attributes(index: Index[Any]) -> tuple[str, str]:
    return f"{index.name}_pk", f"{index.name}_sk"


def key_item(kind: Kind, partition: str, sort: str) -> Item:
    return {"pk": {"S": partition}, "sk": {"S": kind.prefix + sort}}


def item_of(kind: Kind, partition: str, sort: str, entity: Any, body: bytes, tx: bytes) -> Item:
    """The whole item. Index attributes are there only if the index's rule answers, so indexes stay sparse."""
    item = key_item(kind, partition, sort)
    item["version"] = {"N": str(entity.version)}
    item["tx"] = {"B": tx}
    item["body"] = {"B": body}
    for rule, place in zip(kind.indexes, places_of(kind, entity), strict=True):
        if place is not None:
            pk, sk = index_attributes(rule.index)
            item[pk] = {"S": place[0]}
            item[sk] = {"S": place[1]}
    if kind.expires is not None and (at := kind.expires(entity)) is not None:
        item["expires"] = {"N": str(_epoch_seconds(at))}
    _check_size(kind, item)
    return item


def encode(entity: Any) -> bytes:
    text = _encode_json(_slim(entity))
    if len(text) <= COMPRESS_OVER_BYTES:
        return text
    return zlib.compress(text, COMPRESSION_LEVEL) if len(text) > LONG_BYTES else _with_dictionary(text)


def _with_dictionary(text: bytes) -> bytes:
    packer = zlib.compressobj(COMPRESSION_LEVEL, zlib.DEFLATED, WINDOW_BITS, zdict=BODIES)
    return packer.compress(text) + packer.flush()


def decode(cls: Any, body: bytes) -> Any:
    return _decoder(cls).decode(text_of(body))


def text_of(body: bytes) -> bytes:
    """JSON begins with "{", what zlib wrote with anything else, and it says itself whether it needs the dictionary."""
    return body if body[:1] == b"{" else zlib.decompressobj(zdict=BODIES).decompress(body)


@cache
def _decoder(cls: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(cls)


@cache
def _shape(cls: Any) -> _Shape | None:
    """Names, defaults and a getter of all values of a dataclass; None for any other type."""
    if not is_dataclass(cls):
        return None
    names = tuple(field.name for field in fields(cls))
    defaults = tuple(MISSING if f.default_factory is not MISSING else f.default for f in fields(cls))
    if len(names) == 1:
        first = attrgetter(names[0])
        return names, defaults, lambda entity: (first(entity),)
    return names, defaults, attrgetter(*names)


def _slim(entity: Any) -> dict[str, Any]:
    cls: Any = type(entity)
    shape = _shape(cls)
    if shape is None:
        raise TypeError(f"{cls.__name__} is not an entity")
    names, defaults, values_of = shape
    out: dict[str, Any] = {}
    for name, default, value in zip(names, defaults, values_of(entity), strict=True):
        if value is default:
            continue
        cls = type(value)
        if cls in _PLAIN:
            if cls is not type(default) or value != default:
                out[name] = value
        elif cls is tuple:
            out[name] = [_slim(part) if is_dataclass(part) else part for part in value]
        else:
            out[name] = _slim(value) if _shape(cls) else value
    return out


def _epoch_seconds(at: datetime) -> int:
    return int(at.timestamp()) + (at.microsecond > 0)


def _check_size(kind: Kind, item: Item) -> None:
    if len(item["body"]["B"]) < ITEM_BYTES_MAX // 2:  # all the rest takes a few KB at most
        return
    size = sum(len(name) + _size(value) for name, value in item.items())
    if size > ITEM_BYTES_MAX:
        key = f"{item['pk']['S']} {item['sk']['S']}"
        raise TooLarge(f"{kind.entity.__name__} {key} takes {size:,} bytes; a record holds {ITEM_BYTES_MAX:,}")


def _size(value: dict[str, Any]) -> int:
    (content,) = value.values()
    return len(content if isinstance(content, bytes) else content.encode())

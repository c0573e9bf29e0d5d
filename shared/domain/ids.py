"""Ids derived from business keys, so that the same thing made twice is the same record."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final
from zlib import crc32

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS: Final = tuple(a + b for a in _LETTERS for b in _LETTERS)

SHARDS = 8  # partitions of every index that would otherwise be one hot key


def derive_id(prefix: str, *parts: object) -> str:
    """`prefix` plus 96 bits of the parts' digest: equal parts always give the equal id."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    bits = int.from_bytes(digest[:12], "big") << 4  # to a hundred, as base 32 pads them: twenty letters, two at a time
    return prefix + "".join([_PAIRS[bits >> place & 1023] for place in range(90, -10, -10)])


@lru_cache(maxsize=65_536)
def shard_of(key: str) -> int:
    """The index shard of a customer (or other owner) id; stable for ever, it is part of stored keys."""
    return crc32(key.encode()) % SHARDS

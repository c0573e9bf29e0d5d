"""Reading the audit log: newest first, and checking that nobody has changed it. PRODUCT 12."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from shared.domain.audit import AuditEntry, AuditHead, ChainCheck, Witnessed, entry_id, head_id, seq_key
from shared.domain.ids import SHARDS
from shared.domain.values import dataclass
from shared.ports import AUDIT, PAGE_LIMIT, Entry, Ports
from shared.use_cases.lookups import shards

VERIFY_PAGE = 1_000  # entries read at a time
VERIFY_MAX = 50_000  # entries checked at a time; a function behind the API has 29 seconds
PAGES_MAX = 100_000  # of one shard
FIRST, LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)

Spot = tuple[str, str]  # sort value in the index, and shard


@dataclass(frozen=True, slots=True)
class Place:
    """Where a verification goes on: in a shard, behind the entry `seq` with this hash; `entries` were checked."""

    shard: int = 0
    after: str | None = None
    seq: int = 0
    hash: str = ""
    entries: int = 0


@dataclass(frozen=True, slots=True)
class Verified:
    """`first_bad` is the id of the first entry, or head, that is not as it was written; `rest`: where to go on."""

    entries: int
    first_bad: str | None
    rest: Place | None


def verify_audit(ports: Ports, start: Place | None = None, most: int = VERIFY_MAX) -> Verified:
    """Walk the chains from `start`: numbers, links, hashes, heads, and what shards say of each other."""
    start = start or Place()
    checked, claims = 0, dict[int, Witnessed]()
    first_bad: str | None = None
    for shard in range(start.shard, SHARDS):
        if checked >= most:
            return _so_far(first_bad or _contradicted(claims, ports), Place(shard, entries=start.entries + checked))
        place = start if shard == start.shard else Place(shard)
        chain = ChainCheck(shard, place.seq, place.hash)
        read, after = _walk(chain, place.after, most - checked, ports)
        checked += read
        _merge(claims, chain.claims)
        first_bad = first_bad or chain.first_bad
        if after is not None:
            rest = Place(shard, after, chain.seq, chain.hash, start.entries + checked)
            return _so_far(first_bad or _contradicted(claims, ports), rest)
    return Verified(start.entries + checked, first_bad or _contradicted(claims, ports), None)


def _so_far(first_bad: str | None, rest: Place) -> Verified:
    """What was found bad is said at once."""
    return Verified(rest.entries, first_bad, None if first_bad else rest)


def _walk(chain: ChainCheck, after: str | None, most: int, ports: Ports) -> tuple[int, str | None]:
    """Check one shard, or at most about so many entries of it: how many, and where the rest begins."""
    partition, read = str(chain.shard), 0
    before = ports.store.get(AuditHead, partition) or AuditHead(chain.shard)
    if before.seq < chain.seq or (before.seq == chain.seq and before.hash != chain.hash):
        chain.blame(head_id(chain.shard))
    for _ in range(PAGES_MAX):
        if read >= most:
            return read, after
        page = ports.store.list(AuditEntry, partition, after=after, limit=min(VERIFY_PAGE, most - read))
        for entry in page.items:
            chain.follow(entry)
            if entry.seq == before.seq and entry.hash != before.hash:
                chain.blame(head_id(chain.shard))
        read, after = read + len(page.items), page.cursor
        if after is None:
            break
    if chain.seq < before.seq:
        chain.blame(entry_id(chain.shard, chain.seq + 1))
    now = ports.store.get(AuditHead, partition) or AuditHead(chain.shard)
    if now.seq < chain.seq:
        chain.blame(head_id(chain.shard))
    return read, None


def _merge(claims: dict[int, Witnessed], more: dict[int, Witnessed]) -> None:
    for shard, claim in more.items():
        if shard not in claims or claims[shard].seq < claim.seq:
            claims[shard] = claim


def _contradicted(claims: dict[int, Witnessed], ports: Ports) -> str | None:
    """The first entry that another shard has seen, and that is not there or is another one."""
    for shard, claim in sorted(claims.items()):
        seen = ports.store.get(AuditEntry, str(shard), seq_key(claim.seq))
        if seen is None or seen.hash != claim.hash:
            return entry_id(shard, claim.seq)
    return None


# ---- newest first ---------------------------------------------------------------------------------------------


def newest_first(ports: Ports, since: datetime | None, until: datetime | None, behind: Spot | None) -> Iterator[Entry]:
    """Entries of all shards, from `since` on and before `until`; those that come behind a spot, if one is given."""
    first, last = _sort(since or FIRST), _sort(until or LAST)
    found = [_of_shard(ports, shard, first, min(last, behind[0]) if behind else last) for shard in shards()]
    for entry in heapq.merge(*found, key=spot_of, reverse=True):
        if behind is None or spot_of(entry) < behind:
            yield entry


def spot_of(entry: Entry) -> Spot:
    """Where an entry stands in the order of the list."""
    return (entry.at, entry.partition)


def _sort(at: datetime) -> str:
    """As the index writes instants: what is sooner is less."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")[:26]


def _of_shard(ports: Ports, shard: str, since: str, until: str) -> Iterator[Entry]:
    after: str | None = None
    for _ in range(PAGES_MAX):
        page = ports.store.find(AUDIT, shard, last=until, after=after, limit=PAGE_LIMIT, reverse=True)
        for entry in page.items:
            if entry.at < since:
                return
            yield entry
        after = page.cursor
        if after is None:
            return


def entries_at(ports: Ports, found: Iterator[Entry], most: int) -> tuple[list[Entry], list[tuple[Entry, AuditEntry]]]:
    """The next so many that the index names; and those of them that are there, read from the store."""
    named = list(islice(found, most))
    read = {(str(e.shard), seq_key(e.seq)): e for e in ports.store.get_many(AuditEntry, [e.key for e in named])}
    return named, [(entry, read[entry.key]) for entry in named if entry.key in read]

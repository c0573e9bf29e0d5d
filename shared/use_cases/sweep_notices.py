"""Picking up notices whose hint to the sender was lost. PRODUCT 6."""

from __future__ import annotations

from datetime import timedelta

from shared import ports as p
from shared.ports import Ports
from shared.use_cases.lookups import shards
from shared.use_cases.notices import hint

HINT_LOST = timedelta(minutes=5)  # a pending notice older than this has lost its hint
SWEEP_PAGES = 8  # per shard: together as many mails as the usual quota of SES, 14 a second, takes until the next sweep


def sweep_notices(ports: Ports) -> int:
    """Hint again whatever is pending and should have been looked at by now; how many that was."""
    limit = (ports.clock.now() - HINT_LOST).strftime("%Y-%m-%dT%H:%M:%S.%fZ~")
    hinted = 0
    for shard in shards():
        after: str | None = None
        for _ in range(SWEEP_PAGES):
            page = ports.store.find(p.NOTICES_PENDING, shard, last=limit, after=after)
            hint(ports, *(e.partition for e in page.items))
            hinted += len(page.items)
            after = page.cursor
            if after is None:
                break
    return hinted

"""Makes a failing seed small: the shortest list of faults, by leaving out, under which the same law is broken."""

from __future__ import annotations

TRIES_MAX = 150


def shrunk(seen, run):
    """`run(listed)` replays a seed with exactly those faults. The answer is the smallest run found that still fails."""
    law = _law(seen)
    tries = 0

    def fails(places):
        nonlocal tries
        tries += 1
        again = run({place: seen.met[place] for place in places})
        return again if any(text.partition(":")[0] == law for text in again.broken) else None

    best, kept, parts = seen, list(seen.met), 2
    if (none := fails([])) is not None:
        return none  # it needs no fault at all
    while len(kept) > 1 and tries < TRIES_MAX:
        size = -(-len(kept) // parts)
        for start in range(0, len(kept), size):
            rest = kept[:start] + kept[start + size :]
            if (again := fails(rest)) is not None:
                best, kept, parts = again, [p for p in rest if p in again.met], max(parts - 1, 2)
                break
            if tries >= TRIES_MAX:
                break
        else:
            if size == 1:
                break
            parts = min(parts * 2, len(kept))
    return best


def _law(seen) -> str:
    return seen.broken[0].partition(":")[0]


def standalone(seen, how: str = "Simulation") -> str:
    """A test that replays it."""
    faults = "".join(f"        {place!r}: {kind!r},\n" for place, kind in sorted(seen.met.items()))
    return (
        f"def test_seed_{seen.seed}(wiring):\n"
        f"    # {seen.broken[0][:200]}\n"
        f"    faults = {{\n{faults}    }}\n"
        f"    assert {how}({seen.seed}, faults, wiring).run().broken == []\n"
    )

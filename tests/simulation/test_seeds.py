"""Whole small companies, one per seed, with faults of every kind: whatever happens, every law holds.

CI lives through SEEDS of them, two processes at a time; `make simulate SEEDS=… START_SEED=…` goes on from any number.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from infra.wiring import load_wiring
from tests.simulation.planted_bugs import BUGS, a_number_passed_over
from tests.simulation.shrink import shrunk, standalone
from tests.simulation.simulator import Simulation
from tests.simulation.storm import KINDS, swarm_of

SEEDS = 300
PARTS = 10
EXPECTED = 5  # a fault that should have happened so often to a function has happened
WIRING = load_wiring()

# The console serves files and calls no port; a rehearsal writes only its own record, and no workload asks for one.
APART = {"ConsoleFunction", "RehearsalRunFunction"}

LAWS = {
    name
    for file in ("watch", "laws", "workload")
    for name in re.findall(r'\blaw\(\s*"([^"]+)"', (Path(__file__).parent / f"{file}.py").read_text())
}


@pytest.fixture(scope="module")
def lived():
    """What each law and each pair of fault and function saw, over all seeds of this process."""
    return {"laws": Counter(), "pairs": Counter(), "chances": Counter(), "seeds": 0}


@pytest.mark.slow
@pytest.mark.xdist_group("seeds")
@pytest.mark.parametrize("part", range(PARTS))
def test_every_law_holds_whatever_happens(part, lived):
    size = SEEDS // PARTS
    for seed in range(part * size + 1, part * size + size + 1):
        seen = Simulation(seed, wiring=WIRING).run()
        lived["laws"] += seen.laws
        lived["pairs"] += seen.pairs
        lived["chances"] += seen.chances
        lived["seeds"] += 1
        if not seen.well:
            small = shrunk(seen, lambda listed, seed=seed: Simulation(seed, listed, WIRING).run())
            pytest.fail(f"seed {seed}: {seen.broken[0]}\n{standalone(small)}")


@pytest.mark.slow
@pytest.mark.xdist_group("seeds")
def test_no_law_was_idle_and_no_fault_never_met_a_function(lived):
    """A law that never had an instance proves nothing; nor does a fault that never happened to some function."""
    if lived["seeds"] < SEEDS:
        pytest.skip("says something only after all seeds")
    assert LAWS - set(lived["laws"]) == set()
    functions = set(WIRING.functions) - APART
    called = {function for _, function in lived["chances"]}
    assert functions - called == set(), "no seed ever comes to these"
    often = {pair for pair, times in lived["chances"].items() if times >= EXPECTED and pair[1] in functions}
    assert often - set(lived["pairs"]) == set(), "these could have happened, and never did"
    assert {kind for kind, _ in lived["pairs"]} == set(KINDS)


@pytest.mark.slow
@pytest.mark.moto
@pytest.mark.parametrize("seed", [142])  # two days with hundreds of faults; any costs twenty seconds there
def test_every_law_holds_through_the_sdk_too(seed):
    seen = Simulation(seed, wiring=WIRING, backend="moto").run()
    assert seen.broken == []
    assert {"crash_before", "crash_after", "lose_request", "lose_response", "drop"} <= set(seen.met.values())


def test_the_same_seed_is_the_same_world():
    seed = next(s for s in range(1, 100) if len(swarm_of(s)) >= 5)
    once, again = (Simulation(seed, wiring=WIRING).run() for _ in range(2))
    assert once.trace == again.trace
    assert once.met == again.met != {}
    assert Simulation(seed, once.met, WIRING).run().trace == once.trace, "the list of its faults replays it"
    assert Simulation(seed + 1, wiring=WIRING).run().trace != once.trace


def test_a_failing_seed_becomes_a_short_test_that_fails_alone(monkeypatch):
    a_number_passed_over(monkeypatch)
    seen = next(s for s in (Simulation(n, wiring=WIRING).run() for n in range(1, 20)) if not s.well)
    small = shrunk(seen, lambda listed: Simulation(seen.seed, listed, WIRING).run())
    assert small.met == {}, "this bug needs no fault"
    room: dict = {"Simulation": Simulation}
    exec(standalone(small), room)
    with pytest.raises(AssertionError):
        room[f"test_seed_{seen.seed}"](WIRING)
    monkeypatch.undo()
    room[f"test_seed_{seen.seed}"](WIRING)


@pytest.mark.slow
@pytest.mark.parametrize(("bug", "start", "budget"), BUGS, ids=[bug.__name__ for bug, _, _ in BUGS])
def test_a_planted_bug_is_found_within_its_budget_of_seeds(bug, start, budget, monkeypatch):
    bug(monkeypatch)
    assert any(not Simulation(seed, wiring=WIRING).run().well for seed in range(start, start + budget))


def test_there_are_enough_planted_bugs():
    assert len(BUGS) >= 20

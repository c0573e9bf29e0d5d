"""Seeded swarms of faults, then calm: everything must finish, and come to what a night without faults comes to."""

from __future__ import annotations

import pytest

from infra.local.cloud import LocalCloud
from tests.integration.world import World
from tests.simulation.crash_sweep import START, state
from tests.simulation.invariants import broken
from tests.simulation.test_crash_sweep import ACTED, COLLECTING, NIGHTLY

SEEDS = range(1, 26)
TICKS = "ticks_dlq"
CALM = "2026-01-02T09:00:00Z"  # after the next payment run, which takes up what a storm kept from the first
SWARMS = (
    {"duplicate": 0.5, "delay": 0.3},
    {"crash": 0.05},
    {"throttle": 0.05},
    {"duplicate": 0.2, "delay": 0.2, "crash": 0.03, "throttle": 0.05},
)


def night(scenario, wiring, faults):
    with LocalCloud("memory", START, wiring=wiring, log_level="CRITICAL") as cloud:
        world = World(cloud)
        scenario.prepare(world)
        world.post("/_local/faults", faults)
        world.to(ACTED)
        world.post("/_local/faults", {})
        world.rest()  # what failed too often is put aside by now
        redrive(cloud)
        world.to(CALM)
        return broken(cloud), state(cloud)


def redrive(cloud):
    """Give what was put aside another chance; ticks need none, the next one finds what they would have."""
    broker = cloud.engine.broker
    for queue in cloud.wiring.queues.values():
        if queue.label == TICKS:
            sources = []
        elif not (sources := [q.name for q in cloud.wiring.queues.values() if q.dlq == queue.name]):
            continue
        while broker.is_ready(queue.name):
            letters = broker.receive(queue.name, 10)
            for source in sources:
                broker.put(source, [letter.body for letter in letters])
            broker.delete(queue.name, letters)


@pytest.mark.slow
@pytest.mark.parametrize("swarm", SWARMS, ids=lambda swarm: "+".join(swarm))
@pytest.mark.parametrize("scenario", [NIGHTLY, COLLECTING], ids=lambda s: s.name)
def test_a_swarm_of_faults_leaves_no_trace_after_a_calm(scenario, swarm, wiring):
    assert night(scenario, wiring, {})[0] == []
    expected = night(scenario, wiring, {})[1]
    for seed in SEEDS:
        wrong, found = night(scenario, wiring, {"seed": seed, **swarm})
        assert wrong == [], f"seed {seed}"
        assert found == expected, f"seed {seed}"

"""Every handler with every sample payload: crash before and after each call, lose its answer, throttle it. QUALITY.

Then the payload comes again, as its queue, rule, browser or admin would send it, and the sweeps come by. What is left
is what is left without a fault.
"""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest

from infra.local.cloud import LocalCloud
from infra.local.faults import FAULTS, Calls, NoFaults, OneFault
from infra.local.invoker import SimulatedCrash
from shared.ports import Unavailable
from tests.integration.sample_world import NOW, make_sample_world
from tests.integration.test_events import API, CALLS, DIRECT, FUNCTIONS, PAYLOADS, WIRING, invoke, request_of
from tests.simulation.crash_sweep import FAULTS_OF_A_READ, READS, state

DELIVERIES_MAX = 6
RECOVERY = timedelta(hours=1)


def lived(function, event, plan):
    """The world after one event and all that follows, the calls that were made, and how often it had to come."""
    with LocalCloud("memory", NOW, wiring=WIRING, every=timedelta(minutes=30), log_level="CRITICAL") as cloud:
        make_sample_world(cloud.ports)
        calls = Calls(plan, frozenset({function.id}))
        cloud.inject(calls)
        times = next(n for n in range(1, DELIVERIES_MAX + 1) if answered(cloud, function, event, calls))
        cloud.use_ports(cloud.ports)
        cloud.advance_to(NOW + RECOVERY)
        return state(cloud), calls.seen, times


def answered(cloud, function, event, calls):
    """Whether it need not come again."""
    calls.begin(function.id)
    try:
        answer = invoke(cloud, function, copy.deepcopy(event))
    except (SimulatedCrash, Unavailable):
        return False
    finally:
        calls.end()
    if not isinstance(answer, dict):
        return True
    return not answer.get("batchItemFailures") and answer.get("statusCode", 200) < 500


def sweep(function, event):
    expected, seen, _ = lived(function, event, NoFaults())
    for call in seen:
        for kind in FAULTS_OF_A_READ if call.name.startswith(READS) else FAULTS:
            found, _, times = lived(function, event, OneFault(call.number, kind))
            if found != expected:
                extra, missing = set(found) - set(expected), set(expected) - set(found)
                yield f"{kind} at {call}, came {times} times: extra {extra}, missing {missing}"


@pytest.mark.slow
@pytest.mark.parametrize("name", DIRECT)
def test_a_payload_recovers_from_every_fault_at_every_call(name):
    function = FUNCTIONS[name.rpartition("/")[0]]
    event = PAYLOADS[name]
    for one in event if isinstance(event, list) else [event]:
        assert list(sweep(function, one)) == []


def requests():
    """Those that write: reading is swept by the crashes of those."""
    for position, call in enumerate(CALLS):
        if not call["route"].startswith("GET") and call["status"] < 300:
            event = request_of(call)
            if call["route"].startswith("POST"):
                event["headers"] = {**(event.get("headers") or {}), "Idempotency-Key": f"sweep-{position}"}
            yield pytest.param(event, id=f"{call['route']} {position}")


@pytest.mark.slow
@pytest.mark.parametrize("event", list(requests()))
def test_a_request_that_is_made_again_recovers_from_every_fault_at_every_call(event):
    assert list(sweep(FUNCTIONS[API], event)) == []

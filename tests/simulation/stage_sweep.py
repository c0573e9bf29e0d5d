"""One message's work on a stage, with every way that every call of it can go wrong; then delivered again, and calm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from infra.local.faults import FAULTS, Call, Calls, NoFaults, OneFault, Plan, faulty
from infra.local.invoker import SimulatedCrash
from shared.ports import Conflict, Unavailable
from tests.integration.stage import Stage

Work = Callable[[Stage], object]
DELIVERIES_MAX: Final = 5
PASSING: Final = (SimulatedCrash, Unavailable, Conflict)
CALLS_MIN: Final = 4  # a work of fewer is not what its sweep was written for


def swept(
    made: Callable[[], Stage], work: Work, calm: Work, state_of: Callable[[Stage], dict[str, Any]]
) -> tuple[dict[str, Any], list[str]]:
    """The state without a fault, and the faults that leave another one behind."""
    stage = made()
    recovered(stage, work, calm)
    expected, wrong = state_of(stage), []
    calls = calls_of(made(), work)
    assert len(calls) >= CALLS_MIN
    for call in calls:
        for kind in FAULTS:
            stage = made()
            with_calls(stage, work, OneFault(call.number, kind))
            recovered(stage, work, calm)
            if state_of(stage) != expected:
                wrong.append(f"{kind} at {call}")
    return expected, wrong


def recovered(stage: Stage, work: Work, calm: Work) -> None:
    """As the queue does: again, until it succeeds; then what comes by anyway."""
    for _ in range(DELIVERIES_MAX):
        try:
            work(stage)
            break
        except PASSING:
            continue
    else:
        raise AssertionError("the message went to the dead letters")
    calm(stage)
    stage.deliver()


def calls_of(stage: Stage, work: Work) -> list[Call]:
    return with_calls(stage, work, NoFaults()).seen


def with_calls(stage: Stage, work: Work, plan: Plan) -> Calls:
    """The work done once, its calls counted and the plan's faults among them."""
    plain, calls = stage.ports, Calls(plan)
    calls.begin("Worker")
    stage.ports = faulty(plain, calls)
    try:
        work(stage)
    except PASSING:
        pass
    finally:
        stage.ports = plain
    return calls


def unprepared(stage: Stage) -> None:
    """Leaves the world as it was made."""

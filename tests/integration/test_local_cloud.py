"""The local cloud by itself: rules, queues and quiescence, with toy handlers."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from infra.aws_resources import create_resources
from infra.local.clock import VirtualClock
from infra.local.engine import Engine, NotQuiescent
from infra.local.invoker import SimulatedCrash
from infra.local.moto_queues import MotoQueues, moto_aws
from infra.local.queues import MemoryQueues
from tests.integration import toys
from tests.integration.toys import LOG, START


@pytest.fixture(autouse=True)
def _fresh():
    toys.forget()


@pytest.fixture(params=["memory", pytest.param("moto", marks=pytest.mark.moto)])
def engine_of(request):
    """Makes an engine over toy wiring, on either kind of queue."""
    clock = VirtualClock(START)
    if request.param == "memory":
        yield lambda wiring: Engine(wiring, clock, MemoryQueues(wiring.queues.values(), clock.now))
        return

    def make(wiring):
        create_resources(wiring)
        return Engine(wiring, clock, MotoQueues(wiring.queues))

    with moto_aws(clock.now):
        yield make


def at(minutes=0, seconds=0):
    return START + timedelta(minutes=minutes, seconds=seconds)


# ---- rules --------------------------------------------------------------------------------------


def test_rules_fire_in_time_order_and_at_one_instant_in_the_templates_order(engine_of):
    cloud = engine_of(toys.wiring(rules=[("tick_b", "cron(0/15 * * * ? *)"), ("tick_a", "cron(0/10 * * * ? *)")]))
    moved = cloud.advance_to(at(minutes=30))
    assert [(name, time[14:16]) for name, time in LOG] == [
        ("a", "10"), ("b", "15"), ("a", "20"), ("b", "30"), ("a", "30"),
    ]  # fmt: skip
    assert moved.invocations == {"tick_a": 3, "tick_b": 2}


def test_a_rule_due_at_the_start_itself_is_past_and_one_due_at_the_end_fires(engine_of):
    cloud = engine_of(toys.wiring(rules=[("tick_a", "rate(1 hour)")]))
    cloud.advance_to(at(minutes=59))
    assert LOG == []
    cloud.advance_to(at(minutes=60))
    cloud.advance_to(at(minutes=60))
    assert LOG == [("a", "2026-01-01T01:00:00Z")]


def test_each_rules_messages_are_worked_off_before_the_next_rule_fires(engine_of):
    cloud = engine_of(toys.wiring(rules=[("tick_a", "rate(1 hour)"), ("tick_b", "rate(1 hour)")]))
    toys.BEHAVIOUR["a"] = lambda _: cloud.broker.put("jobs", ["job"])
    cloud.advance_to(at(minutes=60))
    assert [name for name, _ in LOG] == ["a", "job", "b"]


def test_a_tick_that_fails_is_tried_twice_more_and_then_put_aside(engine_of):
    cloud = engine_of(toys.wiring(rules=[("tick_a", "rate(1 hour)")]))
    seen = []
    toys.BEHAVIOUR["a"] = lambda _: seen.append(cloud.clock.now()) or 1 // 0
    cloud.advance_to(at(minutes=90))
    assert seen == [at(minutes=60), at(minutes=61), at(minutes=63)]
    (letter,) = cloud.broker.bodies("ticks-dlq")
    assert json.loads(letter)["requestPayload"]["time"] == "2026-01-01T01:00:00Z"


def test_a_rule_that_raises_is_recorded_and_stops_nothing(engine_of):
    cloud = engine_of(toys.wiring(rules=[("tick_a", "rate(1 hour)"), ("tick_b", "rate(1 hour)")]))
    toys.BEHAVIOUR["a"] = lambda _: 1 // 0
    cloud.advance_to(at(minutes=60))
    assert [name for name, _ in LOG] == ["a", "b"]
    assert "ZeroDivisionError" in cloud.invoker.failures[0].text


def test_ticks_can_be_thinned_out_to_those_on_the_hour():
    clock = VirtualClock(START)
    wiring = toys.wiring(rules=[("tick_a", "cron(0/15 * * * ? *)")])
    cloud = Engine(wiring, clock, MemoryQueues(wiring.queues.values(), clock.now), every=timedelta(hours=1))
    cloud.advance_to(at(minutes=150))
    assert [time[11:16] for _, time in LOG] == ["01:00", "02:00"]


def test_the_clock_never_goes_back(engine_of):
    cloud = engine_of(toys.wiring())
    cloud.advance_to(at(minutes=1))
    with pytest.raises(ValueError, match="cannot go back"):
        cloud.advance_to(at())


# ---- queues -------------------------------------------------------------------------------------


def test_a_move_of_zero_drains_the_queues(engine_of):
    cloud = engine_of(toys.wiring(batch_size=2))
    cloud.broker.put("jobs", ["1", "2", "3"])
    moved = cloud.advance_to(START)
    assert LOG == [("1", 1), ("2", 1), ("3", 1)]
    assert moved.invocations == {"work": 2}
    assert moved.records == {"succeeded": 3}
    assert cloud.broker.depths() == {"jobs": 0, "jobs-dlq": 0, "ticks-dlq": 0}


def test_a_delayed_message_is_worked_at_its_own_instant_and_not_before(engine_of):
    cloud = engine_of(toys.wiring())
    seen = []
    toys.BEHAVIOUR["late"] = lambda _: seen.append(cloud.clock.now())
    cloud.broker.put("jobs", ["late"], delay_seconds=90)
    cloud.advance_to(at(seconds=89))
    assert seen == []
    cloud.advance_to(at(minutes=10))
    assert seen == [at(seconds=90)]


def test_only_the_failed_records_of_a_batch_come_back_after_the_visibility_timeout(engine_of):
    cloud = engine_of(toys.wiring(visibility_seconds=60))
    toys.BEHAVIOUR["bad"] = lambda record: record["attributes"]["ApproximateReceiveCount"] == "1"
    cloud.broker.put("jobs", ["good", "bad"])
    cloud.advance_to(at(seconds=59))
    assert LOG == [("good", 1), ("bad", 1)]
    moved = cloud.advance_to(at(seconds=60))
    assert LOG[2:] == [("bad", 2)]
    assert moved.records == {"succeeded": 1}
    assert cloud.broker.depths()["jobs"] == 0


def test_a_message_that_fails_to_the_last_goes_to_the_dead_letters(engine_of):
    cloud = engine_of(toys.wiring(visibility_seconds=60, max_receives=3))
    toys.BEHAVIOUR["poison"] = lambda _: True
    cloud.broker.put("jobs", ["poison"])
    cloud.advance_to(at(minutes=30))
    assert LOG == [("poison", 1), ("poison", 2), ("poison", 3)]
    assert cloud.broker.depths() == {"jobs": 0, "jobs-dlq": 1, "ticks-dlq": 0}
    assert cloud.broker.bodies("jobs-dlq") == ["poison"]


def _raise(_):
    raise RuntimeError("the whole batch")


def _crash(_):
    raise SimulatedCrash("before the second call")


@pytest.mark.parametrize("end", [_raise, _crash])
def test_a_worker_that_dies_leaves_its_whole_batch(engine_of, end):
    cloud = engine_of(toys.wiring(visibility_seconds=60))
    toys.BEHAVIOUR["bad"] = lambda record: (
        end(record) if record["attributes"]["ApproximateReceiveCount"] == "1" else False
    )
    cloud.broker.put("jobs", ["good", "bad"])
    cloud.advance_to(at(minutes=2))
    assert LOG == [("good", 1), ("bad", 1), ("good", 2), ("bad", 2)]


def test_without_partial_failures_in_the_template_the_answer_of_a_worker_is_not_read(engine_of):
    cloud = engine_of(toys.wiring(partial_failures=False))
    toys.BEHAVIOUR["bad"] = lambda _: True
    cloud.broker.put("jobs", ["bad"])
    cloud.advance_to(at(minutes=10))
    assert LOG == [("bad", 1)]


def test_a_message_that_begets_itself_for_ever_is_an_error_and_not_a_hang(engine_of, monkeypatch):
    monkeypatch.setattr("infra.local.engine.ROUNDS_PER_DRAIN_MAX", 20)
    cloud = engine_of(toys.wiring())
    toys.BEHAVIOUR["again"] = lambda _: cloud.broker.put("jobs", ["again"])
    cloud.broker.put("jobs", ["again"])
    with pytest.raises(NotQuiescent, match="2026-01-01"):
        cloud.advance_to(START)

"""A rehearsal's own list of rules and workers, held against the template: the same handlers, the same wiring."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from functions.rehearsal.wiring import LEFT_OUT, RULES, WORKERS
from infra.local.schedules import read_schedule

MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)


def name_of(handler):
    return f"{handler.__module__}.{handler.__name__}"


def test_every_rule_of_the_template_is_rehearsed_in_its_order_or_left_out_for_a_reason(wiring):
    scheduled = [wiring.functions[rule.function].handler for rule in wiring.rules]
    assert [h for h in scheduled if h not in LEFT_OUT] == [name_of(rule.handler) for rule in RULES]


def test_a_rehearsed_rule_fires_as_often_as_the_templates(wiring):
    for rule in RULES:
        (real,) = (r for r in wiring.rules if wiring.functions[r.function].handler == name_of(rule.handler))
        schedule, at = read_schedule(real.expression, MIDNIGHT), MIDNIGHT
        for n in range(1, 200):
            at = schedule.next_after(at)
            assert at == MIDNIGHT + n * rule.every


def test_every_worker_of_the_template_is_rehearsed_as_it_is_fed_or_left_out_for_a_reason(wiring):
    fed = [(f.handler, m) for f, m in wiring.consumers() if f.handler not in LEFT_OUT]
    assert [handler for handler, _ in fed] == [name_of(worker.handler) for worker in WORKERS]
    for (_, mapping), worker in zip(fed, WORKERS, strict=True):
        queue = wiring.queues[mapping.queue]
        assert (queue.label, mapping.batch_size) == (worker.queue, worker.batch)
        assert (timedelta(seconds=queue.visibility_seconds), queue.max_receives) == (worker.hidden, worker.receives_max)


def test_what_is_left_out_is_there_to_be_left_out(wiring):
    assert set(LEFT_OUT) <= {f.handler for f in wiring.functions.values()}

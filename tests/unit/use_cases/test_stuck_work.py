"""When a person is asked to look at work that makes no progress."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest

from shared.domain.notice import Notice
from shared.domain.runs import BillRun, PaymentRun
from shared.domain.task import Task
from shared.ports import TASKS, Save
from shared.storage.memory import MemoryStore
from shared.use_cases.late_runs import LATE_AFTER
from shared.use_cases.stuck_work import NOTICE_STUCK_AFTER, ask_about_mail, ask_about_run

NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def world():
    now = SimpleNamespace(at=NOW)
    return SimpleNamespace(store=MemoryStore(), clock=SimpleNamespace(now=lambda: now.at), time=now)


def tasks(world, status="open"):
    found = world.store.find(TASKS, status).items
    return world.store.get_many(Task, [e.key for e in found])


def notice(n, created_at, **more):
    return Notice(
        id=f"ntc_{n}",
        customer_id="cus_1",
        kind="invoice",
        subject_id="inv_1",
        episode="",
        created_at=created_at,
        **more,
    )


def test_a_late_run_is_asked_about_once_even_after_the_task_was_done(world):
    run = BillRun(id="brn_1", as_of=date(2026, 3, 1), status="generating", created_at=NOW - LATE_AFTER)
    assert ask_about_run(run, world)
    (task,) = tasks(world)
    assert (task.kind, task.subject_id) == ("run_stuck", "brn_1")
    assert "bill run brn_1 is still generating" in task.reason
    assert not ask_about_run(run, world)
    world.store.commit(Save(replace(task, status="done")))
    assert not ask_about_run(run, world)
    assert tasks(world) == []


def test_a_run_that_has_only_just_begun_though_it_was_due_long_ago_is_given_its_time(world):
    run = BillRun(id="brn_1", as_of=date(2026, 2, 1), status="generating", created_at=NOW - LATE_AFTER + SECOND)
    assert not ask_about_run(run, world)


def test_a_payment_run_is_called_one(world):
    run = PaymentRun(id="prn_1", as_of=date(2026, 3, 1), occurred_at=NOW, status="waiting", created_at=NOW - LATE_AFTER)
    assert ask_about_run(run, world)
    assert "payment run prn_1 is still waiting" in tasks(world)[0].reason


def test_mail_is_asked_about_when_the_oldest_has_waited_for_the_named_time(world):
    for n in range(20):
        world.store.commit(Save(notice(n, NOW + SECOND * n)))
    world.time.at = NOW + NOTICE_STUCK_AFTER - SECOND
    assert not ask_about_mail(world)
    world.time.at = NOW + NOTICE_STUCK_AFTER
    assert ask_about_mail(world)
    (task,) = tasks(world)
    assert (task.kind, task.subject_id) == ("mail_stuck", "ntc_0")
    assert not ask_about_mail(world)
    world.time.at += timedelta(days=1)
    assert ask_about_mail(world)
    assert len(tasks(world)) == 2


def test_mail_that_was_sent_or_is_tried_again_later_is_not_stuck(world):
    world.store.commit(Save(notice(1, NOW, status="sent")), Save(notice(2, NOW, retry_at=NOW + timedelta(days=2))))
    world.time.at = NOW + timedelta(days=2)
    assert not ask_about_mail(world)

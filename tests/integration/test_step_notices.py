"""Notices of service steps that reach nobody: told again, and told to a person. PRODUCT 9."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.customer import Customer
from shared.domain.notice import Notice
from shared.domain.task import Task
from tests.integration.test_collections import DUE, at, evening_of, stage

__all__ = ["stage"]


def test_a_notice_of_a_step_that_was_lost_is_called_for_again(stage):
    stage.klass(suspend_after_days=4, step_notice_days=2)
    stage.posted(due_on=DUE)
    evening_of(stage, 2)
    [first] = [n for n in stage.every(Notice) if n.kind == "service_step"]
    stage.save(replace(first, status="bounced"))
    evening_of(stage, 4)
    assert stage.get(Customer, "cus_a").service == "active"  # told nobody yet
    evening_of(stage, 5)
    evening_of(stage, 6)
    assert stage.get(Customer, "cus_a").service == "suspended"  # two days after the 4th, when it was told again
    assert len([n for n in stage.every(Notice) if n.kind == "service_step"]) == 2
    assert not stage.every(Task)  # it was on its way again when the step's day came


def test_a_notice_of_a_step_that_turns_out_lost_on_the_step_s_day_is_told_to_a_person(stage):
    stage.klass(suspend_after_days=4, step_notice_days=2)
    stage.posted(due_on=DUE)
    evening_of(stage, 2)
    evening_of(stage, 3)
    [first] = [n for n in stage.every(Notice) if n.kind == "service_step"]
    stage.save(replace(first, status="bounced"))
    for day in (4, 5, 6):
        evening_of(stage, day)
    [task] = [t for t in stage.every(Task) if t.kind == "notice_undeliverable"]
    assert task.created_at.date() == at(4).date()
    assert stage.get(Customer, "cus_a").service == "suspended"  # it was told again on the 4th


def test_a_customer_without_an_address_is_not_suspended_but_a_person_is_told_once(stage):
    stage.klass(suspend_after_days=4, step_notice_days=2)
    stage.save(replace(stage.get(Customer, "cus_a"), email=None))
    stage.posted(due_on=DUE)
    for day in range(1, 12):
        evening_of(stage, day)
    assert stage.get(Customer, "cus_a").service == "active"
    [task] = [t for t in stage.every(Task) if t.kind == "notice_undeliverable"]
    assert (task.status, task.subject_id) == ("open", "cus_a")

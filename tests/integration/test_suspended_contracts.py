"""Contracts that come into service while their customer is suspended by collections: they follow. PRODUCT 9."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.contract import Contract, Suspension
from shared.domain.records import Owner
from shared.use_cases.change_contract import resume_contract
from shared.use_cases.contracts import create_contract
from tests.integration.test_collections import DUE, evening_of, stage, state

__all__ = ["stage"]


def in_service(stage, day):
    return sorted(c.id for c in stage.every(Contract) if c.status(DUE + timedelta(days=day)) == "active")


def suspended_on_day_1(stage):
    """With a contract in service, one that begins on day 5, and two that a person suspended: one until day 4."""
    on = DUE - timedelta(days=30)
    away = (Suspension(on, DUE + timedelta(days=4)),)
    stage.save(Contract("con_now", "cus_a", "IT", "USD", on, on, 1))
    stage.save(Contract("con_later", "cus_a", "IT", "USD", DUE + timedelta(days=5), DUE + timedelta(days=5), 1))
    stage.save(Contract("con_away", "cus_a", "IT", "USD", on, on, 1, suspensions=away))
    stage.save(
        Contract("con_off", "cus_a", "IT", "USD", on, on, 1, suspensions=(Suspension(on),)), Owner("con_off", "cus_a")
    )
    stage.klass(suspend_after_days=1, step_notice_days=0)
    stage.posted(due_on=DUE)
    for day in (1, 2):
        evening_of(stage, day)


def test_a_contract_that_comes_into_service_follows_the_suspension_on_that_day(stage):
    suspended_on_day_1(stage)
    assert state(stage).next_on == DUE + timedelta(days=4)
    left = {}
    for day in (3, 4, 5, 6):
        left[day] = in_service(stage, day)
        evening_of(stage, day)
        assert [c for c in in_service(stage, day) if c != "con_later"] == []
    assert left == {3: ["con_later"], 4: ["con_away", "con_later"], 5: ["con_later"], 6: []}


@pytest.mark.parametrize("change", ["made", "resumed"])
def test_a_contract_that_a_person_brings_into_service_follows_the_suspension_on_the_next_day(stage, change):
    suspended_on_day_1(stage)
    on = DUE + timedelta(days=2)
    if change == "made":
        create_contract(Contract("con_new", "cus_a", "IT", "USD", on, on, 1), stage.ports)
    else:
        resume_contract("con_off", on, stage.ports)
    assert len(in_service(stage, 2)) == 2
    evening_of(stage, 3)
    assert in_service(stage, 3) == ["con_later"]  # which is in service from day 5 on only


def test_a_suspended_customer_is_looked_at_every_four_weeks_whatever_is_known_of_his_contracts(stage):
    suspended_on_day_1(stage)
    for day in (4, 5, 6, 14, 30):
        evening_of(stage, day)
    on = DUE + timedelta(days=31)
    stage.save(Contract("con_lost", "cus_a", "IT", "USD", on, on, 1))  # and nobody was told
    following = (state(stage).next_on - DUE).days
    assert following == 30 + 28
    evening_of(stage, following - 2)
    assert in_service(stage, following - 2) == ["con_lost"]
    evening_of(stage, following)
    assert in_service(stage, following) == []

"""When a run counts as late."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest

from shared.domain.runs import BillRun, PaymentRun
from shared.domain.settings import PaymentRunSettings, Settings
from shared.ports import Save
from shared.storage.memory import MemoryStore
from shared.use_cases.late_runs import LATE_AFTER, late_bill_runs, late_payment_runs

DUE = datetime(2026, 3, 1, 4, tzinfo=UTC)
ON = date(2026, 3, 1)


@pytest.fixture
def world():
    now = SimpleNamespace(at=DUE)
    return SimpleNamespace(store=MemoryStore(), clock=SimpleNamespace(now=lambda: now.at), time=now)


def bill_run(status):
    return BillRun(id=f"brn_{status}", as_of=ON, status=status, scheduled_for=DUE, created_at=DUE)


def payment_run(status):
    return PaymentRun(id=f"prn_{status}", as_of=ON, occurred_at=DUE, status=status, scheduled_for=DUE, created_at=DUE)


def test_a_bill_run_is_late_two_hours_after_it_was_due_unless_it_has_ended(world):
    for status in ("pending", "generating", "completed", "posting", "posted", "cancelled"):
        world.store.commit(Save(bill_run(status)))
    world.time.at = DUE + LATE_AFTER - timedelta(seconds=1)
    assert late_bill_runs(world) == []
    world.time.at = DUE + LATE_AFTER
    assert {r.status for r in late_bill_runs(world)} == {"pending", "generating", "posting"}


def test_an_ad_hoc_run_counts_from_when_it_was_asked_for(world):
    world.store.commit(Save(BillRun(id="brn_1", as_of=ON, status="generating", created_at=DUE)))
    world.time.at = DUE + LATE_AFTER
    assert [r.id for r in late_bill_runs(world)] == ["brn_1"]


def test_a_payment_run_may_first_wait_for_its_bill_run_as_long_as_the_settings_say(world):
    world.store.commit(Save(Settings(payment_run=PaymentRunSettings(max_wait_hours=6))))
    for status in ("pending", "waiting", "collecting", "completed"):
        world.store.commit(Save(payment_run(status)))
    world.time.at = DUE + timedelta(hours=6) + LATE_AFTER - timedelta(seconds=1)
    assert late_payment_runs(world) == []
    world.time.at = DUE + timedelta(hours=6) + LATE_AFTER
    assert {r.status for r in late_payment_runs(world)} == {"pending", "waiting", "collecting"}

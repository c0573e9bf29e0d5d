"""Invoices left unpaid by earlier payment runs: looked at many at a time, as they would be one by one. PRODUCT 7."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.domain.autopay import AutopayList, AutopayRule, Criterion
from shared.domain.customer import Hold
from shared.domain.runs import Chunk
from shared.use_cases import payment_runs
from shared.use_cases.payment_runs import charge_chunk
from tests.integration.stage import TODAY, Stage
from tests.integration.test_payment_runs import collect, outcomes

DAYS = 14
NEVER = 10_000  # so large a chunk is never sifted
STOLEN = "declined:stolen_card"


def lived(monkeypatch, chunk):
    """Each day's outcomes, of customers of every kind with three invoices each."""
    monkeypatch.setattr(payment_runs, "CHUNK_INVOICES", chunk)
    stage = Stage(datetime(2026, 1, 31, 12, tzinfo=UTC))
    stage.settings()
    rule = AutopayRule("rul_1", "pm_listed", (Criterion("amount", "gte", (500_00,)),))
    for name, behaves in (
        ("poor", None), ("pays", ["succeeded"]), ("hard", [STOLEN]), ("renewed", [STOLEN]),
        ("soft", ["declined:insufficient_funds"]), ("listed", ["succeeded"]), ("off", ["succeeded"]), ("late", None),
    ):  # fmt: skip
        stage.customer(f"cus_{name}", **({"hold": Hold("other", TODAY + timedelta(days=3))} if name == "late" else {}))
        if behaves:
            stage.card(f"cus_{name}", *behaves, id=f"pm_{name}")
        for n in range(3):
            stage.posted(f"cus_{name}", due_on=TODAY, id=f"inv_{name}_{n}")
    stage.save(AutopayList("cus_listed", "USD", rules=(rule,)), AutopayList("cus_off", "USD", enabled=False))
    days = []
    for day in range(DAYS):
        days.append(outcomes(stage, collect(stage)))
        stage.advance(days=1)
        if day == 5:
            for name in ("late", "renewed"):
                stage.card(f"cus_{name}", id=f"pm_new_{name}")
    return stage, days


def test_what_is_sifted_has_the_outcomes_of_looking_one_by_one(monkeypatch):
    sifted, one_by_one = lived(monkeypatch, chunk=1), lived(monkeypatch, chunk=NEVER)
    assert sifted[1] == one_by_one[1]
    assert [c.invoice_id for c in sifted[0].gateway.charges] != []
    reasons = {reason for day in sifted[1] for _, reason in day.values()}
    assert reasons >= {
        "no_payment_method", "attempts_exhausted", "retry_scheduled", "autopay_off", "no_rule", "on_hold", None
    }  # fmt: skip
    assert {i for i, (word, _) in sifted[1][6].items() if word == "succeeded"} == {
        f"inv_{name}_{n}" for name in ("late", "renewed") for n in range(3)
    }  # who have a new card since


@pytest.mark.parametrize("count", [10, 11, 100, 101])
def test_many_left_unpaid_are_one_message_and_each_has_its_outcome(count):
    stage = Stage(datetime(2026, 1, 31, 12, tzinfo=UTC))
    stage.settings()
    stage.customer()
    for _ in range(count):
        stage.posted(due_on=TODAY)
    collect(stage)
    stage.advance(days=1)
    run = collect(stage)
    chunks = [c for c in stage.every(Chunk) if c.run_id == run.id]
    assert len(chunks) == -(-count // 100)
    assert len(outcomes(stage, run)) == count
    assert set(outcomes(stage, run).values()) == {("skipped", "no_payment_method")}


def test_a_message_of_what_was_sifted_that_comes_again_changes_nothing(monkeypatch):
    stage, _ = lived(monkeypatch, chunk=1)
    before = stage.store.dump()
    for chunk in stage.every(Chunk):
        charge_chunk(chunk.run_id, chunk.number, stage.ports)
    assert stage.store.dump() == before

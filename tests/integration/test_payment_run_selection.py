"""Choosing the invoices of a payment run, a bounded number of pages per message. PRODUCT 7."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.calendar import local_date
from shared.domain.ids import SHARDS
from shared.domain.invoice import Invoice
from shared.domain.policy import AutoCharge, CustomerClass, Policy
from shared.domain.runs import Chunk
from shared.domain.terms import collection_date
from shared.ports import PAGE_LIMIT
from shared.storage.memory import MemoryStore
from shared.use_cases import payment_runs
from shared.use_cases.payment_runs import select_invoices, start_payment_run
from tests.integration.stage import NOW, TODAY, Stage


def test_a_selection_that_ends_on_a_message_s_last_page_hands_out_every_chunk(monkeypatch):
    """It must not leave that to the next message, which would take the run for one that only needs a reminder."""
    monkeypatch.setattr(payment_runs, "CHUNK_INVOICES", 1)
    monkeypatch.setattr(payment_runs, "SELECT_PAGES", SHARDS)  # one page per shard: done with the very last one
    stage, invoices = Stage(), PAGE_LIMIT + 1  # more chunks than a reminder hands out
    stage.settings()
    stage.klass(terms_days=0)
    for number in range(invoices):
        stage.customer(f"cus_{number:03d}")
        stage.posted(f"cus_{number:03d}")
    run = start_payment_run(stage.ports)
    stage.queue.waiting.clear()

    select_invoices(run.id, stage.ports)

    assert stage.store.list(Chunk, run.id, limit=invoices + 1).items
    assert stage.queue.depth("charge") == invoices


# ---- what is due later ----------------------------------------------------------------------------------------


class Reading(MemoryStore):
    """Notes the invoices that are read."""

    def __init__(self):
        super().__init__()
        self.read = []

    def get_many(self, kind, keys):
        self.read += [key[0] for key in keys if kind is Invoice]
        return super().get_many(kind, keys)


def company(days_to_due, *rules, timezone=None):
    """A customer of each class, with an invoice for each number of days; the stage, and the class of each invoice."""
    stage = Stage(store=Reading())
    stage.settings()
    owed = {}
    for number, rule in enumerate(rules):
        its_class = CustomerClass(f"cls_{number}", "", Policy(auto_charge=rule), Policy(auto_charge=rule))
        stage.save(its_class)
        stage.customer(f"cus_{number}", class_id=its_class.id, timezone=timezone)
        for days in days_to_due:
            owed[stage.posted(f"cus_{number}", due_on=TODAY + timedelta(days=days))] = its_class
    return stage, owed


def chosen(stage):
    """What a run that begins now considers, and the invoices that it reads to find out."""
    run = start_payment_run(stage.ports)
    stage.queue.waiting.clear()
    stage.store.read.clear()
    select_invoices(run.id, stage.ports)
    read = set(stage.store.read)
    return {id for chunk in stage.store.list(Chunk, run.id).items for id in chunk.subjects}, read


@pytest.mark.parametrize("before", [0, 3])
def test_an_invoice_is_read_from_the_day_on_that_it_may_be_collected_somewhere(before):
    """At noon it is tomorrow already in the east."""
    stage, owed = company([before - 1, before, before + 1, before + 2, 400], AutoCharge("due_on", -before))
    considered, read = chosen(stage)
    by_day = sorted(owed, key=lambda id: stage.store.get(Invoice, id).due_on)
    assert considered == set(by_day[:2])
    assert read == set(by_day[:3])


@pytest.mark.parametrize("other", [AutoCharge("invoice_date"), AutoCharge("day_of_month", day=TODAY.day)])
def test_every_open_invoice_is_read_where_some_class_collects_by_another_date(other):
    stage, owed = company([0, 1, 400], AutoCharge(), other)
    considered, read = chosen(stage)
    assert read == set(owed)
    assert considered == {id for id in owed if owed[id].regular.auto_charge == other} | {next(iter(owed))}


RULES = st.one_of(
    st.none(), st.builds(AutoCharge, st.just("due_on"), st.integers(-5, 5)),
    st.builds(AutoCharge, st.just("invoice_date"), st.integers(-5, 5)),
    st.builds(AutoCharge, st.just("day_of_month"), day=st.integers(1, 31)),
)  # fmt: skip
ZONES = st.sampled_from([None, "Pacific/Kiritimati", "Pacific/Niue", "Asia/Tokyo", "America/New_York"])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-3, 8), min_size=1, max_size=4, unique=True), st.lists(RULES, min_size=1, max_size=3), ZONES
)
def test_what_is_considered_is_what_looking_at_each_invoice_would_find(days, rules, zone):
    stage, owed = company(days, *rules, timezone=zone)
    today = TODAY if zone is None else local_date(NOW, zone)
    expected = set()
    for id, its_class in owed.items():
        rule = its_class.regular.auto_charge or AutoCharge()
        if collection_date(stage.store.get(Invoice, id), rule) <= today:
            expected.add(id)
    assert chosen(stage)[0] == expected

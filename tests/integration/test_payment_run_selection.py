"""Choosing the invoices of a payment run, a bounded number of pages per message. PRODUCT 7."""

from __future__ import annotations

from shared.domain.ids import SHARDS
from shared.domain.runs import Chunk
from shared.ports import PAGE_LIMIT
from shared.use_cases import payment_runs
from shared.use_cases.payment_runs import select_invoices, start_payment_run
from tests.integration.stage import Stage


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

"""Choosing the customers of a bill run: pages of due contracts become chunks of work. PRODUCT 4."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

from shared import ports as p
from shared.contracts.messages import GenerateDrafts, SelectCustomers
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.ids import SHARDS
from shared.domain.runs import BillRun, Chunk
from shared.ports import PAGE_LIMIT, Conflict, Entry, Ports, Save
from shared.use_cases.bill_runs import bill_run_of, complete_bill_run, open_chunks
from shared.use_cases.cancel_bill_run import remove_drafts

CHUNK_CUSTOMERS: Final = 25
SELECT_PAGES: Final = 20  # per message
SEND_TOGETHER: Final = 100  # messages
AFTER_DATE: Final = "#~"  # sorts behind every customer of that date


def select_customers(run_id: str, ports: Ports) -> None:
    """Go on choosing customers, a bounded number of pages at a time; then hand the chunks out."""
    for _ in range(SELECT_PAGES):
        run = bill_run_of(run_id, ports)
        if run.status == "cancelled":
            remove_drafts(run, ports)
            return
        if run.status not in ("pending", "generating"):
            return
        if run.cursor is None:
            _hand_out(run, ports)
            return
        try:
            _select_page(run, ports)
        except Conflict:
            continue  # another delivery of this message is at it too
    ports.queue.send("bill_run", [SelectCustomers(run_id=run_id).body()])


def _select_page(run: BillRun, ports: Ports) -> None:
    """One page of one shard becomes chunks, in the transaction that moves the cursor (`shard|page`) behind it."""
    cursor: str | None = None
    if run.customer_ids is not None:
        ids = of_class(run.customer_ids, run.class_id, ports)
    else:
        shard, _, after = (run.cursor or "0|").partition("|")
        page = ports.store.find(p.CONTRACTS_DUE, shard, last=f"{run.as_of}{AFTER_DATE}", after=after or None)
        ids = customers_in(page.items, run.class_id, ports)
        cursor = f"{shard}|{page.cursor}" if page.cursor else following(shard)
    chunks = chunks_of(run, ids)
    moved = replace(run, status="generating", cursor=cursor, chunks=run.chunks + len(chunks))
    ports.store.commit(Save(moved), *map(Save, chunks))


def following(shard: str) -> str | None:
    """The cursor at the start of the next shard; None after the last."""
    return f"{int(shard) + 1}|" if int(shard) + 1 < SHARDS else None


def chunks_of(run: BillRun, customer_ids: Sequence[str]) -> list[Chunk]:
    starts = range(0, len(customer_ids), CHUNK_CUSTOMERS)
    return [
        Chunk(run.id, "generate", run.chunks + n, tuple(customer_ids[at : at + CHUNK_CUSTOMERS]))
        for n, at in enumerate(starts)
    ]


def customers_in(entries: Iterable[Entry], class_id: str | None, ports: Ports) -> list[str]:
    """The customers of a page of due contracts, once each, of one class or all."""
    return of_class([e.partition for e in entries], class_id, ports)


def of_class(customer_ids: Sequence[str], class_id: str | None, ports: Ports) -> list[str]:
    ids = list(dict.fromkeys(customer_ids))
    if class_id is None:
        return ids
    return [c.id for c in ports.store.get_many(Customer, [(i, "") for i in ids]) if c.class_id == class_id]


def _hand_out(run: BillRun, ports: Ports) -> None:
    """All is selected: send the chunks that are open; complete the run if there are none."""
    bodies: list[str] = []
    for chunk in open_chunks(run, ports):
        bodies.append(GenerateDrafts(run_id=run.id, chunk=chunk.number).body())
        if len(bodies) == SEND_TOGETHER:
            ports.queue.send("bill_run", bodies)
            bodies = []
    if bodies:
        ports.queue.send("bill_run", bodies)
    complete_bill_run(run.id, ports)


def due_customers(as_of: date, class_id: str | None, ports: Ports, most: int) -> list[str]:
    """All customers with something due, at most `most`: for a preview."""
    found: dict[str, None] = {}
    cursor: str | None = "0|"
    while cursor is not None and len(found) < most:
        shard, _, after = cursor.partition("|")
        page = ports.store.find(
            p.CONTRACTS_DUE, shard, last=f"{as_of}{AFTER_DATE}", after=after or None, limit=PAGE_LIMIT
        )
        found.update(dict.fromkeys(customers_in(page.items, class_id, ports)))
        cursor = f"{shard}|{page.cursor}" if page.cursor else following(shard)
    return list(found)[:most]

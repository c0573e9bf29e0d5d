"""What only the store in memory can do: be copied, be put back, be looked at whole."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from shared import ports
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice, InvoiceLines
from shared.ports import Conflict, Remove, Save
from shared.storage import memory
from shared.storage.memory import MemoryStore
from tests.contract.samples import customer, invoice, lines


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    store.commit(Save(customer()), Save(invoice()), Save(lines(0)), Save(lines(1)))
    return store


def seen(store: MemoryStore):
    return (
        store.dump(),
        store.get(Invoice, "inv_1"),
        store.list(InvoiceLines, "inv_1"),
        store.find(ports.INVOICES_BY_CUSTOMER, "cus_1"),
        store.find(ports.INVOICES_BY_RUN, "brn_1"),
    )


def change(store: MemoryStore) -> None:
    store.commit(Save(replace(store.get(Invoice, "inv_1"), bill_run_id="brn_1")), Save(invoice("inv_2")))
    store.commit(Remove(store.get(InvoiceLines, "inv_1", "0000")))


def test_a_snapshot_is_put_back_any_number_of_times(store):
    before, snapshot = seen(store), store.snapshot()
    for _ in range(3):
        change(store)
        assert seen(store) != before
        store.restore(snapshot)
        assert seen(store) == before


def test_a_snapshot_makes_a_second_world_that_goes_its_own_way(store):
    other = MemoryStore()
    other.restore(store.snapshot())
    before = seen(store)
    change(other)
    assert seen(store) == before
    change(store)
    assert seen(store) == seen(other)


def test_what_a_snapshot_had_seen_is_still_recognised(store):
    last = Save(customer(name="New", version=1))
    store.commit(last)
    snapshot = store.snapshot()
    store.restore(snapshot)
    store.commit(last)  # its answer was lost in the crash
    assert store.get(Customer, "cus_1").version == 2


def test_a_dump_shows_each_record_but_not_how_often_it_was_written(store):
    store.commit(Save(customer(version=1)))
    assert store.dump() == {
        "Customer": {("cus_1", ""): customer()},
        "Invoice": {("inv_1", ""): invoice()},
        "InvoiceLines": {("inv_1", "0000"): lines(0), ("inv_1", "0001"): lines(1)},
    }
    assert MemoryStore().dump() == {}


def test_commits_are_recalled_for_a_while_only(store, monkeypatch):
    monkeypatch.setattr(memory, "RECALLED_MAX", 10)
    first = Save(customer("cus_2"))
    store.commit(first)
    for n in range(10):
        store.commit(Save(customer(f"cus_x{n}")))
    with pytest.raises(Conflict):
        store.commit(first)
    assert len(store._recalled) <= 11


def test_nothing_is_left_of_what_is_gone(store):
    for cls, key in ((Customer, ("cus_1", "")), (Invoice, ("inv_1", ""))):
        store.commit(Remove(store.get(cls, *key)))
    for part in store.list(InvoiceLines, "inv_1").items:
        store.commit(Remove(part))
    assert store.dump() == {}
    assert all(not table.orders and not any(table.indexes) for table in store._tables.values())


def test_after_many_random_changes_every_index_is_what_its_rules_say():
    """Beside the store a plain dictionary, from which the indexes are made anew at the end."""
    random, store, plain = Random(7), MemoryStore(), {}
    for step in range(2_000):
        id = f"inv_{random.randrange(60)}"
        now = plain.get(id) or invoice(id, f"cus_{random.randrange(5)}", minutes=step)
        if id in plain and random.random() < 0.2:
            store.commit(Remove(plain.pop(id)))
            continue
        status = random.choice(["draft", "posted", "void"])
        run, residual = random.choice([None, "brn_1", "brn_2"]), random.choice([0, 100])
        changed = replace(now, status=status, bill_run_id=run, residual_minor=residual)
        store.commit(Save(changed))
        plain[id] = replace(changed, version=changed.version + 1)
    table = store._tables[Invoice]
    for position, rule in enumerate(table.kind.indexes):
        expected: dict = {}
        for entity in plain.values():
            if (partition := rule.partition(entity)) is not None:
                expected.setdefault(partition, []).append((rule.sort(entity), entity.id, ""))
        assert table.indexes[position] == {partition: sorted(found) for partition, found in expected.items()}
    assert store.dump()["Invoice"] == {(id, ""): replace(entity, version=0) for id, entity in plain.items()}

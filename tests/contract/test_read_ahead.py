"""The store for one batch: in front of either store, it answers what the store would have, in fewer calls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.customer import Customer
from shared.domain.invoice import Invoice, InvoiceLines
from shared.ports import Check, Conflict, LooksAhead, Remove, Save, Store, Unavailable
from shared.storage.memory import MemoryStore
from shared.storage.read_ahead import ReadAhead, Remembering
from tests.contract.network import Network
from tests.contract.samples import customer, invoice, lines

BOTH = [(Invoice, "inv_1", ""), (Customer, "cus_1", ""), (InvoiceLines, "inv_1", "0000")]


class Counting(MemoryStore):
    """Counts what is read, and can be away."""

    def __init__(self):
        super().__init__()
        self.reads = []
        self.away = False

    def get(self, kind, partition, sort=""):
        self.reads.append(kind)
        return super().get(kind, partition, sort)

    def get_all(self, keys):
        self.reads.append(len(keys))
        return [MemoryStore.get(self, *key) for key in keys]

    def commit(self, *changes):
        if self.away:
            raise Unavailable("away")
        super().commit(*changes)


@pytest.fixture
def inner():
    return Counting()


def test_records_of_several_kinds_are_read_at_once_with_none_for_what_is_not_there(store: Store):
    store.commit(Save(invoice()), Save(customer()))
    keys = [*BOTH, BOTH[0]]
    assert store.get_all(keys) == [invoice(version=1), customer(version=1), None, invoice(version=1)]
    assert store.get_all([]) == []


def test_they_are_one_call_to_dynamodb_whatever_their_tables(dynamo, wire: Network):
    dynamo.commit(Save(invoice()), Save(customer()))
    before = len(wire.calls)
    dynamo.get_all(BOTH)
    assert wire.names()[before:] == ["BatchGetItem"]


def test_what_was_read_ahead_is_not_read_again_even_if_it_is_not_there(inner):
    inner.commit(Save(invoice()))
    batch = ReadAhead(inner)
    batch.ahead(BOTH)
    batch.ahead(BOTH)
    assert batch.get(Invoice, "inv_1") == invoice(version=1)
    assert batch.get(Customer, "cus_1") is None
    assert batch.get_many(InvoiceLines, [("inv_1", "0000")]) == []
    assert inner.reads == [3]


def test_anything_else_is_read_each_time(inner):
    batch = ReadAhead(inner)
    assert batch.get(Invoice, "inv_1") is None
    inner.commit(Save(invoice()))
    assert batch.get(Invoice, "inv_1") == invoice(version=1)
    assert batch.get_many(Invoice, [("inv_1", "")]) == [invoice(version=1)]


def test_one_s_own_writes_are_seen(inner):
    batch = ReadAhead(inner)
    batch.ahead(BOTH)
    batch.commit(Save(invoice()), Save(customer()))
    batch.commit(Save(invoice(version=1, attempts=1)), Check(customer(version=1)))
    assert batch.get(Invoice, "inv_1") == invoice(version=2, attempts=1) == inner.get(Invoice, "inv_1")
    batch.commit(Remove(customer(version=1)))
    assert batch.get(Customer, "cus_1") is None


def test_a_conflict_makes_it_read_again(inner):
    inner.commit(Save(invoice()))
    batch = ReadAhead(inner)
    batch.ahead(BOTH)
    inner.commit(Save(invoice(version=1, attempts=7)))
    with pytest.raises(Conflict):
        batch.commit(Save(batch.get(Invoice, "inv_1")))
    assert batch.get(Invoice, "inv_1") == invoice(version=2, attempts=7)


def test_after_an_answer_was_lost_nothing_is_taken_for_known(inner):
    batch = ReadAhead(inner)
    batch.ahead(BOTH)
    inner.away = True
    with pytest.raises(Unavailable):
        batch.commit(Save(invoice()))
    MemoryStore.commit(inner, Save(invoice()))  # it had landed
    assert batch.get(Invoice, "inv_1") == invoice(version=1)


def test_who_has_to_know_what_is_there_now_reads_afresh(inner):
    batch = ReadAhead(inner)
    batch.ahead(BOTH)
    inner.commit(Save(invoice()))
    assert isinstance(batch, LooksAhead)
    assert not isinstance(inner, LooksAhead)
    assert batch.get(Invoice, "inv_1") is None
    assert batch.afresh.get(Invoice, "inv_1") == invoice(version=1)


def test_more_than_is_remembered_is_read_when_it_is_needed(inner, monkeypatch):
    monkeypatch.setattr("shared.storage.read_ahead.KNOWN_MAX", 2)
    inner.commit(Save(lines(0)), Save(lines(1)))
    batch = ReadAhead(inner)
    batch.ahead(BOTH)
    inner.commit(Save(replace(lines(0, 2), version=1)))
    assert batch.get_many(InvoiceLines, [("inv_1", "0000"), ("inv_1", "0001")]) == [
        replace(lines(0, 2), version=2), replace(lines(1), version=1),
    ]  # fmt: skip


def test_a_request_that_only_reads_asks_once_for_a_record_however_it_is_asked_for(inner):
    inner.commit(Save(invoice()), Save(customer()))
    once = Remembering(inner)
    assert once.get(Customer, "cus_1") == once.get(Customer, "cus_1") == customer(version=1)
    assert once.get(Customer, "cus_none") is once.get(Customer, "cus_none") is None
    assert once.get_many(Invoice, [("inv_1", ""), ("inv_none", "")]) == [invoice(version=1)]
    assert once.get(Invoice, "inv_1") == invoice(version=1)
    assert once.get_all(BOTH) == [invoice(version=1), customer(version=1), None]
    assert inner.reads == [Customer, Customer, 2, 1]


def test_beyond_what_is_remembered_records_are_read_as_ever(inner, monkeypatch):
    monkeypatch.setattr("shared.storage.read_ahead.KNOWN_MAX", 1)
    inner.commit(Save(invoice()), Save(customer()))
    once = Remembering(inner)
    assert once.get_all(BOTH[:2]) == once.get_all(BOTH[:2]) == [invoice(version=1), customer(version=1)]
    assert [once.get(*BOTH[1]) for _ in range(2)] == [customer(version=1)] * 2
    assert [once.get(*BOTH[0]) for _ in range(2)] == [invoice(version=1)] * 2
    assert inner.reads == [2, 2, Customer, Invoice, Invoice]

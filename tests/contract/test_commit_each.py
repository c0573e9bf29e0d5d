"""Transactions that have nothing to do with each other go in fewer calls, and come out as if each went alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.ports import COMMIT_MAX, Check, Conflict, Remove, Save, Unavailable
from shared.storage import dynamo as dynamo_module
from shared.storage.codec import TooLarge
from shared.storage.memory import MemoryStore
from shared.storage.read_ahead import ReadAhead
from shared.storage.records import commit_each
from tests.contract.network import Network
from tests.contract.samples import customer, invoice
from tests.contract.tables import clear_tables
from tests.contract.test_dynamo import CONFLICTED, THROTTLED, cancelled, noise

GATE = customer("cus_gate")
IDS = ("1", "2", "3")


def claim(n: int, *more):
    """A transaction of two records of its own and a check that all make."""
    return (Save(invoice(f"inv_{n}")), Save(customer(f"cus_{n}")), Check(GATE), *more)


def transactions(wire: Network) -> list[int]:
    """How many records each transaction named."""
    return [len(json.loads(body)["TransactItems"]) for name, body in wire.calls if name == "TransactWriteItems"]


@pytest.mark.moto
def test_they_are_one_call_with_the_check_made_once(dynamo, wire: Network):
    assert commit_each(dynamo, [claim(n) for n in range(5)]) == [None] * 5
    assert transactions(wire) == [11]
    assert all(dynamo.get(Invoice, f"inv_{n}").version == 1 for n in range(5))


@pytest.mark.moto
def test_a_transaction_holds_a_hundred_records(dynamo, wire: Network):
    assert commit_each(dynamo, [claim(n) for n in range(50)]) == [None] * 50
    assert transactions(wire) == [99, 3]


@pytest.mark.moto
def test_a_single_change_goes_alone_at_half_the_units(dynamo, wire: Network):
    assert commit_each(dynamo, [(Save(invoice(f"inv_{n}")),) for n in range(3)]) == [None] * 3
    assert wire.names() == ["PutItem"] * 3


@pytest.mark.moto
@pytest.mark.parametrize("bad", [0, 1, 2])
def test_the_one_whose_condition_fails_is_left_out_and_the_others_are_written(dynamo, wire: Network, bad):
    dynamo.commit(Save(customer(f"cus_{bad}")))
    failures = commit_each(dynamo, [claim(n) for n in range(3)])
    assert [n for n, failure in enumerate(failures) if failure] == [bad]
    assert isinstance(failures[bad], Conflict)
    assert failures[bad].failed == (1,)
    assert transactions(wire) == [7, 5]
    assert [n for n in range(3) if dynamo.get(Invoice, f"inv_{n}") is None] == [bad]


@pytest.mark.moto
def test_a_check_that_all_make_fails_all_of_them(dynamo, wire: Network):
    dynamo.commit(Save(GATE))
    failures = commit_each(dynamo, [claim(n) for n in range(3)])
    assert [failure.failed for failure in failures] == [(2,)] * 3
    assert dynamo.get(Invoice, "inv_0") is None


@pytest.mark.moto
def test_one_that_cannot_be_written_at_all_is_in_nobodys_way(dynamo, wire: Network):
    """Too large is found out here; what only DynamoDB can say makes each of them go alone."""
    large = Save(customer("cus_large", name=noise(300_000)))
    wire.refuse("TransactWriteItems", 400, {"__type": "com.amazon.coral.validate#ValidationException", "message": "no"})
    failures = commit_each(dynamo, [claim(0), claim(1, large), claim(2)])
    assert [type(failure) for failure in failures] == [type(None), TooLarge, type(None)]
    assert transactions(wire) == [5, 3, 3]


@pytest.mark.moto
def test_they_are_recognised_each_when_the_answer_was_lost(dynamo, wire: Network):
    wire.lose_answers("TransactWriteItems")
    assert commit_each(dynamo, [claim(n) for n in range(3)]) == [None] * 3
    assert transactions(wire) == [7, 7]
    assert dynamo.get(Customer, "cus_2").version == 1


@pytest.mark.moto
def test_after_all_answers_were_lost_each_may_be_said_again_alone(dynamo, wire: Network):
    wire.lose_answers("TransactWriteItems", 3)
    failures = commit_each(dynamo, [claim(n) for n in range(2)])
    assert [type(failure) for failure in failures] == [Unavailable, Unavailable]
    dynamo.commit(*claim(1))
    assert commit_each(dynamo, [claim(0), claim(2)]) == [None, None]
    assert dynamo.get(Customer, "cus_0").version == 1


@pytest.mark.moto
def test_throttled_together_is_throttled_each(dynamo, wire: Network):
    wire.refuse("TransactWriteItems", 400, THROTTLED, 3)
    assert [type(failure) for failure in commit_each(dynamo, [claim(0), claim(1)])] == [Unavailable, Unavailable]
    assert dynamo.get(Invoice, "inv_0") is None


@pytest.mark.moto
@pytest.mark.parametrize("busy", [CONFLICTED, cancelled("None", "TransactionConflict")])
def test_who_meets_others_tries_again_and_at_last_alone(dynamo, wire: Network, busy):
    wire.refuse("TransactWriteItems", 400, busy, dynamo_module.CONTENDED_ATTEMPTS_MAX)
    assert commit_each(dynamo, [claim(0), claim(1)]) == [None, None]
    assert transactions(wire) == [5] * dynamo_module.CONTENDED_ATTEMPTS_MAX + [3, 3]


def test_those_that_change_the_same_record_come_one_after_the_other(store):
    last = (Save(customer("cus_1", version=1)), Check(GATE))
    failures = commit_each(store, [claim(0), (Save(customer("cus_0", "Other")), Check(GATE)), claim(1), last])
    assert [type(failure) for failure in failures] == [type(None), Conflict, type(None), type(None)]
    assert store.get(Customer, "cus_1").version == 2


def test_a_mistake_of_one_is_its_own(store):
    many = tuple(Save(customer(f"cus_{n}")) for n in range(COMMIT_MAX + 1))
    failures = commit_each(store, [many, (), claim(1)])
    assert [type(failure) for failure in failures] == [ValueError, type(None), type(None)]


def test_a_batch_remembers_what_was_written_and_forgets_all_after_a_conflict():
    inner = MemoryStore()
    inner.commit(Save(customer("cus_9")))
    batch = ReadAhead(inner)
    batch.ahead([(Invoice, f"inv_{n}", "") for n in range(2)])
    assert batch.commit_each([claim(0)]) == [None]
    assert batch.knows([(Invoice, "inv_0", "")])
    assert batch.get(Invoice, "inv_0") == invoice("inv_0", version=1)
    batch.commit_each([claim(1), (Save(customer("cus_9", "Other")),)])
    assert not batch.knows([(Invoice, "inv_0", "")])


# ---- the same as one by one -----------------------------------------------------------------------------------

ENTITIES = st.builds(
    lambda make, id, version: make(id, version=version),
    st.sampled_from([lambda id, **v: invoice(f"inv_{id}", **v), lambda id, **v: customer(f"cus_{id}", **v)]),
    st.sampled_from(IDS), st.integers(0, 2),
)  # fmt: skip
CHANGES = st.builds(lambda wrap, entity: wrap(entity), st.sampled_from([Save, Save, Remove, Check]), ENTITIES)
COMMITS = st.lists(
    st.lists(CHANGES, min_size=1, max_size=3, unique_by=lambda c: (type(c.entity), c.entity.id)).map(tuple), max_size=5
)


def outcome(failure: Exception | None) -> object:
    return failure.failed if isinstance(failure, Conflict) else failure


@pytest.mark.moto
@settings(max_examples=10, deadline=None)
@given(rounds=st.lists(COMMITS, min_size=1, max_size=3))
def test_whatever_they_are_they_come_out_as_one_by_one(dynamo_of_module, rounds):
    clear_tables()
    memory = MemoryStore()
    for commits in rounds:
        expected = [outcome(failure) for failure in commit_each(memory, commits)]
        assert [outcome(failure) for failure in commit_each(dynamo_of_module, commits)] == expected
    for id in IDS:
        for kind, key in ((Invoice, f"inv_{id}"), (Customer, f"cus_{id}")):
            assert dynamo_of_module.get(kind, key) == memory.get(kind, key)

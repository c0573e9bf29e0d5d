"""The calculator of DynamoDB's units, on the examples and rules of its developer guide."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.tape import Call
from benchmarks.units import Meter, entry, index_units, query_units, read_units, size, write_units

KB = 1024


def item(bytes_):
    """An item of so many bytes: the attribute's name is one of them."""
    return {"a": {"S": "x" * (bytes_ - 1)}}


@pytest.mark.parametrize(
    ("bytes_", "units"), [(1, 1), (500, 1), (1 * KB, 1), (1 * KB + 1, 2), (2 * KB, 2), (int(3.5 * KB), 4)]
)
def test_a_write_costs_a_unit_per_kilobyte_begun(bytes_, units):
    assert write_units({}, item(bytes_)) == units


def test_a_write_counts_the_larger_of_what_was_there_and_what_is_there_then():
    assert write_units(item(3 * KB), item(KB)) == write_units(item(KB), item(3 * KB)) == 3
    assert write_units(item(3 * KB), {}) == 3  # a delete costs what it deletes
    assert write_units({}, {}) == 1  # deleting what is not there costs the least there is


@pytest.mark.parametrize(("bytes_", "units"), [(4 * KB, 1), (4 * KB + 1, 2), (8 * KB, 2), (int(3.5 * KB), 1)])
def test_a_strongly_consistent_read_costs_a_unit_per_four_kilobytes_begun_and_an_eventual_one_half(bytes_, units):
    assert read_units([item(bytes_)], consistent=True) == units
    assert read_units([item(bytes_)], consistent=False) == units / 2


def test_a_batch_rounds_each_item_up_by_itself():
    assert read_units([item(int(1.5 * KB)), item(int(6.5 * KB))], consistent=True) == 3  # 4 KB and 8 KB, not 8 KB


def test_a_query_rounds_up_the_sum_of_what_it_reads():
    assert query_units([item(int(4.08 * KB))] * 10, consistent=True) == 11  # 40.8 KB count as 44
    assert query_units([item(64)] * 1500, consistent=True) == 24  # 96 KB
    assert query_units([], consistent=False) == 0.5


def test_an_item_is_as_large_as_its_names_and_values_by_type():
    assert size({"name": {"S": "Zürich"}}) == 4 + 7
    assert size({"b": {"B": base64.b64encode(bytes(100)).decode()}}) == 101
    assert [size({"n": {"N": n}}) for n in ("0", "7", "12", "123", "-45", "1000", "0.5")] == [2, 3, 3, 4, 3, 3, 3]
    assert size({"t": {"BOOL": True}}) == size({"t": {"NULL": True}}) == 2
    assert size({"l": {"L": []}}) == 4
    assert size({"m": {"M": {"k": {"S": "v"}}}}) == 1 + 3 + 1 + 1 + 1


OPEN = {"pk": {"S": "inv_1"}, "sk": {"S": "invoice"}, "open_pk": {"S": "3"}, "open_sk": {"S": "cus_1#2026-01-31"}}
MOVED = {**OPEN, "open_sk": {"S": "cus_1#2026-02-28"}}
CLOSED = {name: value for name, value in OPEN.items() if not name.startswith("open")}


@pytest.mark.parametrize(
    ("old", "new", "units"),
    [
        ({}, OPEN, 1),  # a new item that defines the key: one write to put the entry
        (OPEN, MOVED, 2),  # the key changes from A to B: one to delete the old entry, one to put the new
        (OPEN, CLOSED, 1),  # the key's attribute goes: one to delete the entry
        ({}, CLOSED, 0),  # never in the index
        (OPEN, {**OPEN, "body": {"B": ""}}, 0),  # nothing that is projected changes
        (OPEN, {}, 1),
    ],
)
def test_an_index_costs_what_changes_in_it(old, new, units):
    assert index_units(entry("open", old), entry("open", new)) == units


def test_an_entry_with_long_keys_costs_more_than_one_unit():
    long = {**OPEN, "pk": {"S": "x" * KB}}
    assert index_units(None, entry("open", long)) == 2


# ---- whole calls ------------------------------------------------------------------------------------------------


def call(operation, request, answer=None, status=200):
    return Call("Some", operation, json.dumps(request).encode(), (status, {}, json.dumps(answer or {})))


def put(new, **more):
    return {"TableName": "t", "Item": {"pk": {"S": "p"}, "sk": {"S": "s"}, **new}, **more}


def test_a_transaction_costs_twice_but_for_its_indexes():
    alone, together = Meter(), Meter()
    assert alone.cost(call("PutItem", put(OPEN))).write == 1 + 1
    assert together.cost(call("TransactWriteItems", {"TransactItems": [{"Put": put(OPEN)}]})).write == 2 + 1


def test_a_condition_check_costs_a_transactional_write_of_what_it_looks_at():
    meter = Meter()
    meter.cost(call("PutItem", put(item(3 * KB))))
    check = {"TableName": "t", "Key": {"pk": {"S": "p"}, "sk": {"S": "s"}}}
    assert (
        meter.cost(call("TransactWriteItems", {"TransactItems": [{"ConditionCheck": check}]})).write == 8
    )  # 3 KB and its key


def test_a_condition_that_fails_costs_the_write_and_changes_nothing():
    meter = Meter()
    meter.cost(call("PutItem", put(CLOSED)))
    failed = meter.cost(call("PutItem", put({**OPEN, **item(2 * KB)}), status=400))
    assert failed.write == 3
    key = {"TableName": "t", "Key": {"pk": {"S": "p"}, "sk": {"S": "s"}}, "ConsistentRead": True}
    assert meter.cost(call("PutItem", put(CLOSED))).write == 1  # so no entry has to be taken out of the index
    assert meter.cost(call("GetItem", key)).read == 1


def test_a_read_costs_the_whole_item_however_little_of_it_is_projected():
    meter = Meter()
    meter.cost(call("PutItem", put(item(4 * KB))))
    key = {"pk": {"S": "p"}, "sk": {"S": "s"}}
    get = {"TableName": "t", "Key": key, "ConsistentRead": True, "ProjectionExpression": "pk"}
    assert meter.cost(call("GetItem", get, {"Item": {"pk": {"S": "p"}}})).read == 2
    batch = {"RequestItems": {"t": {"Keys": [key, {**key, "sk": {"S": "none"}}], "ConsistentRead": True}}}
    assert meter.cost(call("BatchGetItem", batch, {"Responses": {"t": []}})).read == 3  # nothing found costs one
    query = {"TableName": "t", "ConsistentRead": True, "ExpressionAttributeValues": {":p": {"S": "p"}}}
    assert meter.cost(call("Query", query, {"Items": [{"sk": {"S": "s"}}]})).read == 2


def test_a_query_of_an_index_costs_its_entries_only():
    meter = Meter()
    meter.cost(call("PutItem", put({**OPEN, **item(40 * KB)})))
    query = {"TableName": "t", "IndexName": "open", "ExpressionAttributeValues": {":p": {"S": "3"}}}
    stored = {"pk": OPEN["pk"], "sk": OPEN["sk"]}
    assert meter.cost(call("Query", query, {"Items": [stored]})).read == 0.5


def test_what_the_calculator_does_not_know_is_refused_and_other_services_cost_nothing():
    with pytest.raises(NotImplementedError):
        Meter().cost(call("Scan", {}))
    units = Meter().cost(call("SendMessageBatch", {}))
    assert (units.write, units.read) == (0, 0)


@given(st.integers(1, 400 * KB), st.integers(1, 400 * KB))
def test_more_bytes_never_cost_less(some, more):
    few, many = sorted((some, more))
    assert write_units({}, item(few)) <= write_units({}, item(many))
    assert read_units([item(few)], consistent=True) <= read_units([item(many)], consistent=True)

"""What only the store in DynamoDB has to get right: lost answers, throttling, sizes, and what it costs."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from dataclasses import replace
from decimal import Decimal
from random import Random

import msgspec
import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings

from shared import ports
from shared.domain.customer import Customer
from shared.domain.ids import shard_of
from shared.domain.invoice import Invoice, InvoiceLines
from shared.domain.records import Answered
from shared.ports import Check, Conflict, Remove, Save, Unavailable
from shared.storage import client
from shared.storage import dynamo as dynamo_module
from shared.storage.codec import LONG_BYTES, TooLarge, decode, encode
from shared.storage.dictionary import BODIES
from shared.storage.dynamo import DynamoStore
from shared.storage.memory import MemoryStore
from shared.storage.schema import KINDS
from tests.contract import tables as moto_tables
from tests.contract.network import Network
from tests.contract.samples import AT, any_of, customer, invoice, lines
from tests.contract.tables import REGION, items_of, table_name

pytestmark = pytest.mark.moto

THROTTLED = {"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "message": "slow"}
CONFLICTED = {"__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException", "message": "busy"}


def cancelled(*codes: str) -> dict:
    return {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": [{"Code": code} for code in codes],
    }


def noise(characters: int, seed: int = 0) -> str:
    """Text that does not compress much."""
    return "".join(Random(seed).choices([chr(code) for code in range(0x4E00, 0x9E00)], k=characters))


# ---- answers that are lost ------------------------------------------------------------------------


def test_a_write_whose_answer_was_lost_is_recognised_as_ours(dynamo: DynamoStore, wire: Network):
    wire.lose_answers("PutItem")
    dynamo.commit(Save(customer()))
    assert wire.names() == ["PutItem", "PutItem"]  # the second one met the first
    assert dynamo.get(Customer, "cus_1").version == 1


def test_a_transaction_whose_answer_was_lost_is_recognised_as_ours(dynamo: DynamoStore, wire: Network):
    dynamo.commit(Save(customer("cus_2")))
    wire.lose_answers("TransactWriteItems", 2)
    dynamo.commit(Save(customer()), Remove(customer("cus_2", version=1)), Check(customer("cus_3")), Save(invoice()))
    assert wire.names().count("TransactWriteItems") == 3
    assert dynamo.get(Invoice, "inv_1").version == 1


@pytest.mark.parametrize("more", [(), (Check(customer("cus_3")),)])
def test_a_removal_whose_answer_was_lost_is_no_conflict(dynamo: DynamoStore, wire: Network, more):
    dynamo.commit(Save(customer()))
    wire.lose_answers("DeleteItem" if not more else "TransactWriteItems")
    dynamo.commit(Remove(customer(version=1)), *more)
    assert dynamo.get(Customer, "cus_1") is None


def test_when_all_answers_are_lost_the_caller_may_say_it_again(dynamo: DynamoStore, wire: Network):
    wire.lose_answers("PutItem", client.ATTEMPTS_MAX)
    with pytest.raises(Unavailable, match="ReadTimeout"):
        dynamo.commit(Save(customer()))
    dynamo.commit(Save(customer()))
    assert dynamo.get(Customer, "cus_1").version == 1


def test_another_process_is_not_taken_for_oneself(dynamo: DynamoStore):
    other = DynamoStore(table_name, REGION, writer="other")
    dynamo.commit(Save(customer()))
    with pytest.raises(Conflict):
        other.commit(Save(customer()))


def test_a_write_that_another_one_overtook_is_a_conflict(dynamo: DynamoStore, wire: Network):
    """The answer is lost, and before it is asked again another process has changed the record."""
    other = DynamoStore(table_name, REGION, writer="other")
    wire.lose_answers("PutItem", client.ATTEMPTS_MAX)
    with pytest.raises(Unavailable):
        dynamo.commit(Save(customer()))
    other.commit(Save(customer(name="Other", version=1)))
    with pytest.raises(Conflict):
        dynamo.commit(Save(customer()))


# ---- throttling and contention --------------------------------------------------------------------


def test_throttling_is_waited_out_a_little(dynamo: DynamoStore, wire: Network):
    wire.refuse("PutItem", 400, THROTTLED, client.ATTEMPTS_MAX - 1)
    dynamo.commit(Save(customer()))
    wire.refuse("GetItem", 500, {"__type": "InternalServerError"}, client.ATTEMPTS_MAX - 1)
    assert dynamo.get(Customer, "cus_1") is not None


CALLS = {
    "GetItem": lambda store: store.get(Customer, "cus_1"),
    "BatchGetItem": lambda store: store.get_many(Customer, [("cus_1", "")]),
    "Query": lambda store: store.find(ports.INVOICES, "0"),
    "PutItem": lambda store: store.commit(Save(customer())),
    "DeleteItem": lambda store: store.commit(Remove(customer(version=1))),
    "TransactWriteItems": lambda store: store.commit(Save(customer()), Save(invoice())),
}


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("answer", [(400, THROTTLED), (503, {"__type": "ServiceUnavailable"})])
def test_throttling_that_lasts_is_left_to_the_caller(dynamo: DynamoStore, wire: Network, operation: str, answer):
    wire.refuse(operation, *answer, times=client.ATTEMPTS_MAX)
    with pytest.raises(Unavailable, match=operation):
        CALLS[operation](dynamo)
    assert len(wire.calls) == client.ATTEMPTS_MAX


def test_a_transaction_that_meets_another_is_tried_again(tables, wire: Network):
    pauses: list[float] = []
    store = DynamoStore(table_name, REGION, sleep=pauses.append)
    wire.refuse("TransactWriteItems", 400, cancelled("None", "TransactionConflict"), 2)
    store.commit(Save(customer()), Save(invoice()))
    wire.refuse("PutItem", 400, CONFLICTED)
    store.commit(Save(customer("cus_2")))
    assert len(pauses) == 3
    longest = dynamo_module.BACKOFF_SECONDS
    assert all(most / 2 <= pause <= most for pause, most in zip(pauses, (*longest[:2], longest[0]), strict=True))


def test_contention_that_lasts_is_left_to_the_caller(dynamo: DynamoStore, wire: Network):
    attempts = dynamo_module.CONTENDED_ATTEMPTS_MAX
    wire.refuse("TransactWriteItems", 400, cancelled("TransactionConflict", "ThrottlingError"), attempts)
    with pytest.raises(Unavailable, match="TransactionConflict"):
        dynamo.commit(Save(customer()), Save(invoice()))
    assert len(wire.calls) == attempts


def test_a_condition_that_fails_beside_contention_is_a_conflict(dynamo: DynamoStore, wire: Network):
    wire.refuse("TransactWriteItems", 400, cancelled("TransactionConflict", "ConditionalCheckFailed"))
    with pytest.raises(Conflict) as conflict:
        dynamo.commit(Save(customer()), Save(invoice()))
    assert conflict.value.failed == (1,)


def test_a_mistake_of_ours_is_not_called_trouble(dynamo: DynamoStore, wire: Network):
    wire.refuse("GetItem", 400, {"__type": "ValidationException", "message": "no"})
    with pytest.raises(ClientError, match="Validation"):
        dynamo.get(Customer, "cus_1")
    wire.refuse("TransactWriteItems", 400, cancelled("None", "ValidationError"))
    with pytest.raises(ClientError, match="Transaction"):
        dynamo.commit(Save(customer()), Save(invoice()))


def test_keys_that_a_batch_leaves_are_asked_for_again(dynamo: DynamoStore, wire: Network):
    for n in range(3):
        dynamo.commit(Save(lines(n)))

    def leave_one(answer: dict) -> dict:
        (table, items), *_ = answer["Responses"].items()
        left = items.pop()
        keys = [{"pk": left["pk"], "sk": left["sk"]}]
        return {**answer, "UnprocessedKeys": {table: {"Keys": keys, "ConsistentRead": True}}}

    wire.answer("BatchGetItem", leave_one)
    found = dynamo.get_many(InvoiceLines, [("inv_1", f"{n:04d}") for n in range(3)])
    assert [part.part for part in found] == [0, 1, 2]


def test_keys_that_are_left_for_ever_are_left_to_the_caller(dynamo: DynamoStore, wire: Network):
    def leave_all(answer: dict) -> dict:
        keys = [{"pk": {"S": "inv_1"}, "sk": {"S": "lines#0000"}}]
        return {"Responses": {}, "UnprocessedKeys": {table_name("invoices"): {"Keys": keys}}}

    for _ in range(dynamo_module.BATCH_ROUNDS_MAX):
        wire.answer("BatchGetItem", leave_all)
    with pytest.raises(Unavailable, match="1 keys left"):
        dynamo.get_many(InvoiceLines, [("inv_1", "0000")])


# ---- what goes over the wire ----------------------------------------------------------------------


def test_one_change_is_a_plain_write_and_several_are_a_transaction(dynamo: DynamoStore, wire: Network):
    dynamo.commit(Save(customer()))
    dynamo.commit(Save(invoice()), Save(lines(0)))
    dynamo.commit(Remove(customer(version=1)))
    assert wire.names() == ["PutItem", "TransactWriteItems", "DeleteItem"]


def test_records_are_read_as_they_are_now(dynamo: DynamoStore, wire: Network):
    dynamo.get(Customer, "cus_1")
    dynamo.list(InvoiceLines, "inv_1")
    dynamo.get_many(Customer, [("cus_1", "")])
    sent = [json.loads(body) for _, body in wire.calls]
    assert [s.get("ConsistentRead") for s in sent[:2]] == [True, True]
    assert sent[2]["RequestItems"][table_name("accounts")]["ConsistentRead"] is True


def test_an_answer_of_several_megabytes_is_read_page_by_page(dynamo: DynamoStore, wire: Network):
    for n in range(40):  # 40 × 45 KB even when compressed
        dynamo.commit(Save(lines(n, 1, name=noise(25_000, seed=n))))
    wire.calls.clear()
    page = dynamo.list(InvoiceLines, "inv_1", limit=40)
    assert [part.part for part in page.items] == list(range(40))
    assert len(wire.calls) > 1
    assert page.cursor is None


def test_index_attributes_are_written_only_where_the_rule_answers(dynamo: DynamoStore):
    dynamo.commit(Save(invoice()))
    (item,) = items_of("invoices")
    assert {name for name in item if name.endswith("_pk")} == {"invoices_pk", "invoices_by_customer_pk"}
    due = AT.date()
    dynamo.commit(Save(invoice(status="posted", residual_minor=1, due_on=due, bill_run_id="brn_1", version=1)))
    (item,) = items_of("invoices")
    assert item["invoices_open_pk"]["S"] == str(shard_of("cus_1"))
    assert item["invoices_by_run_sk"]["S"].startswith("posted#cus_1#")


def test_a_record_that_may_be_forgotten_says_when(dynamo: DynamoStore):
    dynamo.commit(Save(Answered("key", "digest", 201, "{}", expires_at=AT)))
    (item,) = items_of("settings")
    assert item["expires"] == {"N": str(int(AT.timestamp()))}
    dynamo.commit(Save(customer()))
    (item,) = items_of("accounts")
    assert "expires" not in item


def test_a_long_body_is_stored_compressed_and_a_short_one_readable(dynamo: DynamoStore):
    dynamo.commit(Save(lines(0, 300, name="Оплата 料金 फ़ीस 😀 " * 8)), Save(lines(1)))
    long, short = (item["body"]["B"] for item in sorted(items_of("invoices"), key=lambda item: item["sk"]["S"]))
    assert len(long) < LONG_BYTES
    assert json.loads(short)["lines"][0]["name"] == "Support 0"


def test_a_posted_invoice_and_all_its_keys_fit_into_one_write_unit(dynamo: DynamoStore):
    """Its body refers to a dictionary, which what is stored can only be read with: so that never changes."""
    posted = invoice(
        "inv_fzuxnquomgo2eiad5lwq", "cus_3kq7xw2mzr4tnd6vplyu", status="posted", number="INV-104233", line_count=2,
        bill_run_id="brn_jnonq7jyfdhagwhpryia", contract_ids=("con_a7gq2kzx", "con_b1mr9wte"), subtotal_minor=8_245_173,
        total_minor=9_811_756, tax_minor=1_566_583, tax_rate_percent=Decimal("19"), residual_minor=9_811_756,
        posted_on=AT.date(), posted_at=AT, due_on=AT.date(), bill_on=AT.date(), attempts=2, retries=1,
    )  # fmt: skip
    dynamo.commit(Save(posted))
    (item,) = items_of("invoices")
    assert sum(len(name) + len(next(iter(value.values()))) for name, value in item.items()) < 850
    assert dynamo.get(Invoice, posted.id) == replace(posted, version=1)
    assert zlib.adler32(BODIES) == 2742275021


def test_bodies_of_before_the_dictionary_are_read_as_ever():
    whole = lines(0, 300, name="Support of everything")
    text = msgspec.json.encode(whole)
    assert decode(InvoiceLines, text) == decode(InvoiceLines, zlib.compress(text)) == whole


def test_a_record_that_does_not_fit_says_which_and_by_how_much(dynamo: DynamoStore):
    with pytest.raises(TooLarge, match=r"InvoiceLines inv_1 lines#0000 takes [\d,]+ bytes; a record holds 409,600"):
        dynamo.commit(Save(customer()), Save(lines(0, 1, name=noise(250_000))))
    assert dynamo.get(Customer, "cus_1") is None


def test_defaults_take_no_room(dynamo: DynamoStore):
    assert encode(customer(version=1)) == b'{"id":"cus_1","name":"Acme Ltd","version":1}'
    assert encode(replace(invoice(), tax_rate_percent=Decimal("0.00"))) != encode(invoice())  # shown as it was given


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.entity.__name__)
def test_any_value_of_a_kind_survives_its_encoding(kind):
    @settings(max_examples=60)
    @given(any_of(kind.entity))
    def survives(entity):
        assert repr(decode(kind.entity, encode(entity))) == repr(entity)

    survives()


# ---- beside the memory ------------------------------------------------------------------------------


def test_the_same_changes_leave_the_same_world_in_both(dynamo: DynamoStore):
    memory = MemoryStore()
    for store in (memory, dynamo):
        store.commit(Save(customer()), Save(invoice()), Save(lines(0)))
        store.commit(Save(replace(store.get(Invoice, "inv_1"), attempts=1)), Save(lines(1)))
        store.commit(Remove(store.get(InvoiceLines, "inv_1", "0000")))
    assert moto_tables.dump() == memory.dump()
    assert set(memory.dump()) == {"Customer", "Invoice", "InvoiceLines"}


def test_cursors_of_both_are_the_same(dynamo: DynamoStore):
    memory = MemoryStore()
    for store in (memory, dynamo):
        for n in range(3):
            store.commit(Save(invoice(f"inv_{n}", minutes=n)), Save(lines(n)))
    assert dynamo.list(InvoiceLines, "inv_1", limit=2).cursor == memory.list(InvoiceLines, "inv_1", limit=2).cursor
    found = [store.find(ports.INVOICES_BY_CUSTOMER, "cus_1", limit=2) for store in (memory, dynamo)]
    assert found[0] == found[1]


# ---- at rest until it is used -----------------------------------------------------------------------

IMPORTED = """
import os, socket, sys
class Watched(dict):
    def __getitem__(self, name): raise AssertionError(f"reads {name}")
def refuse(*args, **kwargs): raise AssertionError("opens a connection")
before = dict(os.environ)
socket.socket.connect = refuse
import shared.bootstrap
from shared.storage.dictionary import BODIES
from shared.storage.dynamo import DynamoStore
store = DynamoStore(lambda table: sys.exit("asks for a table's name"), "eu-central-1")
assert store._client._connection is None
assert dict(os.environ) == before
shared.bootstrap.install(None)
"""


def test_importing_and_making_it_opens_nothing():
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")

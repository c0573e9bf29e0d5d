"""What a Store promises, for both of them: shared/ports.py says it, these are the examples."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, assume, given, settings

from shared import ports
from shared.domain.errors import Invalid
from shared.domain.ids import SHARDS, shard_of
from shared.domain.invoice import Invoice, InvoiceLines
from shared.domain.records import Answered, Owner
from shared.domain.runs import Chunk
from shared.ports import COMMIT_MAX, Check, Conflict, Index, Remove, Save, Store
from shared.storage.schema import KINDS
from tests.contract.samples import AT, any_of, customer, invoice, lines


def all_pages(page_of):
    """Every item, and the number of pages; a page is asked for with the cursor of the one before."""
    items, pages, cursor = [], 0, None
    while True:
        page = page_of(cursor)
        items += page.items
        pages += 1
        if page.cursor is None:
            return items, pages
        cursor = page.cursor


# ---- reading ------------------------------------------------------------------------------------


def test_what_was_saved_is_read_back_one_version_on(store: Store):
    store.commit(Save(invoice()))
    assert store.get(Invoice, "inv_1") == replace(invoice(), version=1)


def test_what_is_not_there_is_none(store: Store):
    assert store.get(Invoice, "inv_1") is None
    assert store.get_many(Invoice, [("inv_1", ""), ("inv_2", "")]) == []
    assert store.get_many(Invoice, []) == []
    assert store.list(InvoiceLines, "inv_1").items == ()
    assert store.find(ports.INVOICES_BY_CUSTOMER, "cus_1").items == ()


def test_kinds_in_one_partition_do_not_meet(store: Store):
    store.commit(Save(Owner("cus_1", "cus_1")), Save(customer("cus_1")))
    assert store.list(type(customer()), "cus_1").items == (customer(version=1),)
    assert store.get(Owner, "cus_1") == Owner("cus_1", "cus_1", version=1)


def test_many_are_read_in_the_order_asked_for_without_those_that_are_missing(store: Store):
    for n in range(130):
        store.commit(Save(lines(n)))
    keys = [("inv_1", f"{n:04d}") for n in reversed(range(140))]
    assert [found.part for found in store.get_many(InvoiceLines, keys)] == list(reversed(range(130)))


def test_a_key_asked_for_twice_is_given_twice(store: Store):
    store.commit(Save(lines(0)))
    assert len(store.get_many(InvoiceLines, [("inv_1", "0000")] * 2)) == 2


def test_a_partition_is_listed_in_key_order_and_by_prefix(store: Store):
    for round_, number in ((1, 0), (0, 11), (0, 2), (1, 1)):
        store.commit(Save(Chunk("brn_1", "post", number, ("inv_1",), round=round_)))
    store.commit(Save(Chunk("brn_2", "post", 0, ())))
    assert [(c.round, c.number) for c in store.list(Chunk, "brn_1").items] == [(0, 2), (0, 11), (1, 0), (1, 1)]
    assert [c.number for c in store.list(Chunk, "brn_1", "post#0001#").items] == [0, 1]
    assert store.list(Chunk, "brn_1", "charge#").items == ()


def test_a_record_that_is_alone_in_its_partition_can_be_listed(store: Store):
    store.commit(Save(invoice()))
    assert [i.id for i in store.list(Invoice, "inv_1").items] == ["inv_1"]
    assert store.list(Invoice, "inv_1", "x").items == ()


def test_pages_of_a_partition_hold_what_they_are_asked_for(store: Store):
    for n in range(7):
        store.commit(Save(lines(n)))
    items, pages = all_pages(lambda after: store.list(InvoiceLines, "inv_1", after=after, limit=3))
    assert ([found.part for found in items], pages) == (list(range(7)), 3)
    exact = store.list(InvoiceLines, "inv_1", limit=7)
    assert (len(exact.items), exact.cursor) == (7, None)


def test_paging_neither_skips_nor_repeats_while_records_come_and_go(store: Store):
    for n in range(0, 20, 2):
        store.commit(Save(lines(n)))
    first = store.list(InvoiceLines, "inv_1", limit=4)  # 0 2 4 6
    store.commit(Remove(first.items[-1]), Remove(first.items[0]), Save(lines(1)), Save(lines(7)))
    rest, _ = all_pages(lambda after: store.list(InvoiceLines, "inv_1", after=after or first.cursor, limit=4))
    assert [found.part for found in rest] == [7, 8, 10, 12, 14, 16, 18]


# ---- indexes ------------------------------------------------------------------------------------


def test_an_index_names_keys_in_the_order_of_its_sort_values(store: Store):
    for n in (3, 1, 2):
        store.commit(Save(invoice(f"inv_{n}", minutes=n)))
    found = store.find(ports.INVOICES_BY_CUSTOMER, "cus_1").items
    assert [entry.key for entry in found] == [("inv_1", ""), ("inv_2", ""), ("inv_3", "")]
    assert found[0].at == "2026-01-01T09:31:00.000000Z#inv_1"
    assert [i.id for i in store.get_many(Invoice, [entry.key for entry in found])] == ["inv_1", "inv_2", "inv_3"]


def test_the_entry_of_a_record_with_a_sort_key_leads_to_it(store: Store):
    payment_method_owner = customer("cus_1")
    store.commit(Save(payment_method_owner))
    (entry,) = store.find(ports.CUSTOMERS, str(shard_of("cus_1"))).items
    assert (entry.key, entry.at) == (("cus_1", ""), "acme ltd||cus_1")


def test_an_index_follows_what_changes_and_forgets_what_goes(store: Store):
    shard = str(shard_of("cus_1"))
    store.commit(Save(invoice()))
    assert store.find(ports.INVOICES_OPEN, shard).items == ()  # a draft owes nothing
    draft = store.get(Invoice, "inv_1")
    due = AT.date() + timedelta(days=30)
    store.commit(Save(replace(draft, status="posted", residual_minor=100, total_minor=100, due_on=due)))
    assert [e.at for e in store.find(ports.INVOICES_OPEN, shard).items] == ["cus_1#2026-01-31#inv_1"]
    posted = store.get(Invoice, "inv_1")
    store.commit(Save(replace(posted, residual_minor=0)))
    assert store.find(ports.INVOICES_OPEN, shard).items == ()
    store.commit(Remove(store.get(Invoice, "inv_1")))
    assert store.find(ports.INVOICES_BY_CUSTOMER, "cus_1").items == ()


def test_shards_together_hold_each_record_once(store: Store):
    for n in range(30):
        store.commit(Save(invoice(f"inv_{n}", f"cus_{n}")))
    shards = [store.find(ports.INVOICES, str(shard)).items for shard in range(SHARDS)]
    assert sum(map(len, shards)) == 30
    assert len({entry.partition for shard in shards for entry in shard}) == 30
    assert sum(1 for shard in shards if shard) > 1


def run_of_five(store: Store) -> Index[Invoice]:
    for n, status in enumerate(("draft", "posted", "draft", "void", "posted")):
        store.commit(Save(invoice(f"inv_{n}", f"cus_{n}", status=status, bill_run_id="brn_1", residual_minor=0)))
    return ports.INVOICES_BY_RUN


def test_an_index_is_searched_by_prefix(store: Store):
    index = run_of_five(store)
    assert [e.partition for e in store.find(index, "brn_1", prefix="posted#").items] == ["inv_1", "inv_4"]
    assert [e.partition for e in store.find(index, "brn_1", prefix="draft#cus_2").items] == ["inv_2"]
    assert store.find(index, "brn_1", prefix="e").items == ()


def test_an_index_is_read_up_to_a_last_value_which_is_included(store: Store):
    for n in range(5):
        store.commit(Save(invoice(f"inv_{n}", minutes=n)))
    every = store.find(ports.INVOICES_BY_CUSTOMER, "cus_1").items
    assert store.find(ports.INVOICES_BY_CUSTOMER, "cus_1", last=every[2].at).items == every[:3]
    assert store.find(ports.INVOICES_BY_CUSTOMER, "cus_1", last="2025").items == ()
    assert store.find(ports.INVOICES_BY_CUSTOMER, "cus_1", last="9999").items == every


def test_a_prefix_and_a_last_value_together_are_refused(store: Store):
    with pytest.raises(ValueError, match="not both"):
        store.find(ports.INVOICES, "0", prefix="2026", last="2027")


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 5, 6])
@pytest.mark.parametrize("bounds", [{}, {"prefix": "2026-01-01T09:3"}, {"last": "2026-01-01T09:35"}])
def test_pages_of_an_index_together_are_the_whole(store: Store, reverse: bool, limit: int, bounds: dict):
    for n in range(6):
        store.commit(Save(invoice(f"inv_{n}", minutes=n)))
    index = ports.INVOICES_BY_CUSTOMER
    whole = store.find(index, "cus_1", reverse=reverse, **bounds).items
    expected = [f"inv_{n}" for n in range(5 if "last" in bounds else 6)]
    assert [e.partition for e in whole] == (expected[::-1] if reverse else expected)
    paged, pages = all_pages(
        lambda after: store.find(index, "cus_1", after=after, limit=limit, reverse=reverse, **bounds)
    )
    assert (tuple(paged), pages) == (whole, -(-len(whole) // limit))


@pytest.mark.parametrize("reverse", [False, True])
def test_paging_an_index_neither_skips_nor_repeats_while_records_come_and_go(store: Store, reverse: bool):
    for n in range(0, 12, 2):
        store.commit(Save(invoice(f"inv_{n:02d}", minutes=n)))
    index = ports.INVOICES_BY_CUSTOMER
    first = store.find(index, "cus_1", limit=3, reverse=reverse)
    gone = [store.get(Invoice, *entry.key) for entry in first.items]
    store.commit(*map(Remove, gone), Save(invoice("inv_05", minutes=5)))
    rest, _ = all_pages(lambda after: store.find(index, "cus_1", after=after or first.cursor, limit=2, reverse=reverse))
    assert [e.partition for e in rest] == (
        ["inv_05", "inv_04", "inv_02", "inv_00"] if reverse else ["inv_05", "inv_06", "inv_08", "inv_10"]
    )


# ---- cursors travel to clients and back -----------------------------------------------------------

FORGED = ["", "x", "e30=", "bnVsbA==", "W10=", "WzFd", "WyJhIiwiYiJd", "WyJhIiwiYiIsImMiLCJkIl0=", "é", "W1siYSJdXQ=="]


@pytest.mark.parametrize("cursor", FORGED)
def test_a_forged_cursor_is_refused_by_name(store: Store, cursor: str):
    with pytest.raises(Invalid, match=r"^cursor"):
        store.list(InvoiceLines, "inv_1", after=cursor)
    with pytest.raises(Invalid, match=r"^cursor"):
        store.find(ports.INVOICES, "0", after=cursor)


def test_a_cursor_of_another_question_is_refused(store: Store):
    index = run_of_five(store)
    cursor = store.find(index, "brn_1", prefix="posted#", limit=1).cursor
    with pytest.raises(Invalid, match=r"^cursor"):
        store.find(index, "brn_1", prefix="draft#", after=cursor)
    with pytest.raises(Invalid, match=r"^cursor"):
        store.find(index, "brn_1", last="a", after=cursor)


def test_a_cursor_shows_nothing_of_another_partition(store: Store):
    for n in range(3):
        store.commit(Save(invoice(f"inv_a{n}", "cus_a", n)), Save(invoice(f"inv_b{n}", "cus_b", n)))
    cursor = store.find(ports.INVOICES_BY_CUSTOMER, "cus_a", limit=1).cursor
    assert {e.partition[:5] for e in store.find(ports.INVOICES_BY_CUSTOMER, "cus_b", after=cursor).items} == {"inv_b"}


@pytest.mark.parametrize("limit", [0, -1])
def test_a_page_holds_something(store: Store, limit: int):
    with pytest.raises(ValueError, match="page"):
        store.list(InvoiceLines, "inv_1", limit=limit)
    with pytest.raises(ValueError, match="page"):
        store.find(ports.INVOICES, "0", limit=limit)


# ---- conditions -----------------------------------------------------------------------------------


def test_what_is_new_must_be_absent(store: Store):
    store.commit(Save(customer(name="First")))
    with pytest.raises(Conflict):
        store.commit(Save(customer(name="Second")))
    assert store.get(type(customer()), "cus_1").name == "First"


def test_what_is_changed_must_be_what_was_read(store: Store):
    store.commit(Save(customer()))
    read = store.get(type(customer()), "cus_1")
    store.commit(Save(replace(read, name="Mine")))
    with pytest.raises(Conflict):
        store.commit(Save(replace(read, name="Yours")))
    with pytest.raises(Conflict):
        store.commit(Save(replace(read, version=7)))
    assert store.get(type(customer()), "cus_1") == customer(name="Mine", version=2)


def test_what_was_removed_cannot_be_changed_but_made_again(store: Store):
    store.commit(Save(customer()))
    read = store.get(type(customer()), "cus_1")
    store.commit(Remove(read))
    assert store.get(type(customer()), "cus_1") is None
    for change in (Save(read), Remove(read), Check(read)):
        with pytest.raises(Conflict):
            store.commit(change)
    store.commit(Save(customer()))
    assert store.get(type(customer()), "cus_1").version == 1


def test_removing_needs_the_version_that_is_there(store: Store):
    store.commit(Save(customer()))
    with pytest.raises(Conflict):
        store.commit(Remove(customer(version=2)))
    with pytest.raises(Conflict):
        store.commit(Remove(customer()))
    store.commit(Remove(customer("cus_2")))  # absent, as its version says: nothing to do
    assert store.get(type(customer()), "cus_1") is not None


def test_a_check_writes_nothing(store: Store):
    store.commit(Save(customer()))
    store.commit(Check(customer(version=1)), Check(customer("cus_2")))
    store.commit(Check(customer(version=1)))
    assert store.get(type(customer()), "cus_1").version == 1
    assert store.get(type(customer()), "cus_2") is None


@pytest.mark.parametrize("stale", [customer(version=2), customer("cus_2", version=1), customer()])
def test_a_check_that_fails_fails_everything(store: Store, stale):
    store.commit(Save(customer()))
    with pytest.raises(Conflict) as conflict:
        store.commit(Save(invoice()), Check(stale), Save(lines(0)))
    assert conflict.value.failed == (1,)
    assert store.get(Invoice, "inv_1") is None
    assert store.list(InvoiceLines, "inv_1").items == ()


def test_a_conflict_names_each_change_that_failed_and_writes_none(store: Store):
    store.commit(Save(customer("cus_a")), Save(customer("cus_b")))
    changes = (
        Save(customer("cus_new")),
        Save(customer("cus_a", name="Other")),
        Check(customer("cus_b", version=1)),
        Remove(customer("cus_b2", version=4)),
        Save(invoice()),
    )
    with pytest.raises(Conflict) as conflict:
        store.commit(*changes)
    assert conflict.value.failed == (1, 3)
    assert [store.get(type(customer()), i) for i in ("cus_new", "cus_b2")] == [None, None]
    assert store.find(ports.INVOICES_BY_CUSTOMER, "cus_1").items == ()


def test_changes_of_every_sort_are_made_together(store: Store):
    store.commit(Save(customer("cus_a")), Save(customer("cus_b")), Save(customer("cus_c")))
    store.commit(
        Remove(customer("cus_a", version=1)),
        Save(customer("cus_b", name="New", version=1)),
        Check(customer("cus_c", version=1)),
        Save(customer("cus_d")),
    )
    found = store.get_many(type(customer()), [(f"cus_{x}", "") for x in "abcd"])
    assert [(c.id, c.name, c.version) for c in found] == [
        ("cus_b", "New", 2),
        ("cus_c", "Acme Ltd", 1),
        ("cus_d", "Acme Ltd", 1),
    ]


def test_no_changes_are_no_trouble(store: Store):
    store.commit()


def test_as_many_changes_as_a_use_case_may_ask_for_fit_into_one_transaction_and_no_more(store: Store):
    store.commit(*(Save(lines(n)) for n in range(COMMIT_MAX)))
    assert len(store.list(InvoiceLines, "inv_1").items) == COMMIT_MAX
    with pytest.raises(ValueError, match="99 changes"):
        store.commit(*(Save(lines(n, invoice_id="inv_2")) for n in range(COMMIT_MAX + 1)))
    assert store.list(InvoiceLines, "inv_2").items == ()


def test_one_record_is_changed_once_per_transaction(store: Store):
    for second in (Save(customer(name="Other")), Remove(customer()), Check(customer())):
        with pytest.raises(ValueError, match=r"Customer cus_1.* twice"):
            store.commit(Save(customer()), second)
    assert store.get(type(customer()), "cus_1") is None


def test_a_key_that_cannot_be_stored_is_refused(store: Store):
    with pytest.raises(ValueError, match="empty key"):
        store.commit(Save(customer("")))
    with pytest.raises(ValueError, match="empty key"):
        store.commit(Save(invoice(customer_id="")))
    with pytest.raises(ValueError, match="longer"):
        store.commit(Save(customer("x" * 2049)))
    with pytest.raises(ValueError, match="longer"):
        store.commit(Save(replace(lines(0), invoice_id="é" * 1025)))


def test_something_that_is_no_entity_is_refused(store: Store):
    with pytest.raises(TypeError, match="schema"):
        store.commit(Save(AT))
    with pytest.raises(TypeError, match="schema"):
        store.get(type(AT), "x")


# ---- the very same changes again ------------------------------------------------------------------


def test_the_same_changes_again_are_recognised(store: Store):
    changes = (Save(customer()), Save(invoice()), Check(customer("cus_2")))
    store.commit(*changes)
    store.commit(*changes)
    assert store.get(Invoice, "inv_1").version == 1
    paid = (Save(replace(store.get(Invoice, "inv_1"), attempts=1)),)
    store.commit(*paid)
    store.commit(*paid)
    assert store.get(Invoice, "inv_1") == invoice(attempts=1, version=2)


def test_part_of_the_same_changes_is_a_conflict(store: Store):
    store.commit(Save(customer()), Save(invoice()))
    for again in ((Save(customer()),), (Save(customer()), Save(invoice()), Save(lines(0)))):
        with pytest.raises(Conflict):
            store.commit(*again)
    assert store.get(InvoiceLines, "inv_1", "0000") is None


def test_the_same_changes_after_others_are_a_conflict(store: Store):
    store.commit(Save(customer()))
    store.commit(Save(customer(name="New", version=1)))
    with pytest.raises(Conflict):
        store.commit(Save(customer()))


def test_removing_again_is_a_conflict_since_nothing_is_left_to_tell_by(store: Store):
    store.commit(Save(customer()))
    gone = customer(version=1)
    store.commit(Remove(gone), Save(invoice()))
    store.commit(Remove(gone), Save(invoice()))  # recognised by the invoice
    store.commit(Remove(invoice(version=1)))
    with pytest.raises(Conflict):
        store.commit(Remove(invoice(version=1)))


# ---- what is stored -------------------------------------------------------------------------------


def test_a_part_of_300_lines_with_names_in_any_script_is_stored(store: Store):
    part = lines(0, 300, name="Оплата 料金 फ़ीस 😀 " * 8)
    store.commit(Save(part))
    assert store.get(InvoiceLines, "inv_1", "0000") == replace(part, version=1)
    assert store.list(InvoiceLines, "inv_1").items == (replace(part, version=1),)


def test_what_may_be_forgotten_is_there_until_it_is(store: Store):
    answered = Answered("key", "digest", 201, "{}", expires_at=AT + timedelta(hours=24, microseconds=1))
    store.commit(Save(answered))
    assert store.get(Answered, "key") == replace(answered, version=1)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.entity.__name__)
def test_every_kind_comes_back_as_it_was(store: Store, kind):
    @settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(any_of(kind.entity))
    def comes_back(entity):
        partition, sort = kind.partition(entity), kind.sort(entity)
        assume(partition and all(rule.partition(entity) != "" for rule in kind.indexes))
        old = store.get(kind.entity, partition, sort)
        store.commit(Save(replace(entity, version=old.version if old else 0)))
        found = store.get(kind.entity, partition, sort)
        assert repr(found) == repr(replace(entity, version=found.version))

    comes_back()

"""Every write with its entry in the audit log, and every way to tamper with the log, on both stores. PRODUCT 12."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.audit import AuditedRequest, AuditEntry, AuditHead, hash_of, witness_of
from shared.domain.customer import Customer
from shared.domain.ids import SHARDS
from shared.domain.invoice import InvoiceLines
from shared.domain.policy import CustomerClass
from shared.domain.records import Answered, Owner, external_key
from shared.domain.settings import BillRunSettings, Settings
from shared.domain.template import StoredTemplate
from shared.ports import COMMIT_MAX, TRANSACTION_MAX, Check, Conflict, Remove, Save, Throttled, Unavailable
from shared.storage.audited import HEAD_ATTEMPTS_MAX, AuditedStore
from shared.use_cases.verify_audit import verify_audit
from tests.contract.samples import AT, customer, lines

SHARD = 3
PARTITION = str(SHARD)
LENGTH = 15 + SHARDS  # entries of the log that is tampered with


class Clock:
    def now(self):
        return AT


class OnlyStore:
    """Ports of which only the store is asked for."""

    def __init__(self, store):
        self.store = store


def request_in(shard, n=0):
    ids = (f"request-{n}-{tried}" for tried in range(1_000))
    return next(r for r in (AuditedRequest("ada", "admin", "POST /v1/customers", id) for id in ids) if r.shard == shard)


def audited(store, shard=SHARD, n=0):
    return AuditedStore(store, request_in(shard, n), Clock())


def entries(store, shard=SHARD):
    return list(store.list(AuditEntry, str(shard)).items)


def verified(store):
    return verify_audit(OnlyStore(store))


# ---- writing ----------------------------------------------------------------------------------------------------


def test_a_write_and_its_entry_are_one_and_say_who_and_what(store):
    audited(store).commit(Save(customer()), Save(lines(0, invoice_id="inv_9")))
    (entry,) = entries(store)
    assert (entry.by, entry.role, entry.action, entry.at) == ("ada", "admin", "POST /v1/customers", AT)
    assert entry.subjects == ("cus_1", "inv_9")
    assert [(c.kind, c.key, c.before, c.after) for c in entry.changes] == [
        ("Customer", "cus_1", 0, 1), ("InvoiceLines", "inv_9/0000", 0, 1),
    ]  # fmt: skip
    assert store.get(AuditHead, PARTITION) == AuditHead(SHARD, 1, entry.hash, version=1)


def test_a_refused_write_leaves_no_entry_and_names_the_caller_s_own_positions(store):
    store.commit(Save(customer("cus_2")))
    with pytest.raises(Conflict) as caught:
        audited(store).commit(Save(customer("cus_1")), Save(customer("cus_2")))
    assert caught.value.failed == (1,)
    assert entries(store) == []
    assert store.get(Customer, "cus_1") is None


def test_what_only_keeps_an_answer_or_checks_is_not_told(store):
    store.commit(Save(customer()))
    answered = Answered("k", "f", 200, "", AT + timedelta(days=1))
    audited(store).commit(Save(answered))
    audited(store).commit(Remove(replace(answered, version=1)))
    audited(store).commit(Check(customer(version=1)), Check(customer("cus_2")))
    audited(store).commit()
    assert entries(store) == []


def test_a_removal_is_told(store):
    store.commit(Save(customer()))
    audited(store).commit(Remove(customer(version=1)))
    (entry,) = entries(store)
    assert [(c.before, c.after) for c in entry.changes] == [(1, 0)]


def test_settings_classes_and_templates_are_told_before_and_after_and_customers_without_what_is_personal(store):
    gold = CustomerClass("cls_gold", "Gold")
    acme = customer(email="ap@acme.example", external_id="4711")
    wordy = StoredTemplate("invoice", "Hi", "x" * 5_000, "<p>Hi</p>")
    found_by = Owner(external_key("4711"), "cus_1")
    audited(store).commit(Save(gold), Save(acme), Save(found_by), Save(Settings()), Save(wordy))
    changed = Settings(bill_run=BillRunSettings(enabled=True), version=1)
    regular = replace(gold.regular, terms_days=10)
    audited(store).commit(
        Save(changed), Save(replace(gold, regular=regular, version=1)),
        Save(replace(acme, name="Acme & Sons", email="x@acme.example", tax_rate_percent=19, version=1)),
        Remove(replace(wordy, version=1)),
    )  # fmt: skip
    first, second = entries(store)
    told = {c.kind: {f.name: (f.before, f.after) for f in c.fields if not f.hidden} for c in second.changes}
    assert told["Settings"] == {"bill_run.enabled": (False, True)}
    assert told["CustomerClass"] == {"regular.terms_days": (30, 10)}
    assert told["Customer"].keys() == {"tax_rate_percent"}
    assert told["StoredTemplate"]["subject"] == ("Hi", None)
    assert told["StoredTemplate"]["text"][0].startswith("sha256:")
    hidden = {f.name for c in second.changes for f in c.fields if f.hidden}
    assert hidden == {"name", "email"}
    assert {"cus_1", "cls_gold", "settings", "invoice"} <= set(first.subjects)
    for secret in ("Acme", "ap@", "4711"):
        assert secret not in repr((first, second))


def test_as_many_changes_fit_as_a_use_case_may_ask_for_and_no_more(store):
    audited(store).commit(*(Save(lines(n)) for n in range(COMMIT_MAX)))
    assert len(store.list(InvoiceLines, "inv_1").items) == COMMIT_MAX == TRANSACTION_MAX - 2
    assert len(entries(store)[0].changes) == COMMIT_MAX
    with pytest.raises(ValueError, match="99 changes"):
        audited(store).commit(*(Save(lines(n, invoice_id="inv_2")) for n in range(COMMIT_MAX + 1)))


class Interrupted:
    """A store at which something happens before or after some of its commits."""

    def __init__(self, inner):
        self.inner, self.before, self.after = inner, [], []

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def commit(self, *changes):
        if self.before:
            self.before.pop(0)()
        self.inner.commit(*changes)
        if self.after:
            self.after.pop(0)()


def lost():
    raise Unavailable("the answer was lost")


def other(store, n):
    return lambda: audited(store, n=n).commit(Save(customer(f"cus_other{n}")))


def test_whoever_comes_second_appends_behind_the_first(store):
    between = Interrupted(store)
    between.before = [other(store, 1), other(store, 2)]
    audited(between).commit(Save(customer()))
    assert [e.subjects[0] for e in entries(store)] == ["cus_other1", "cus_other2", "cus_1"]
    assert verified(store).first_bad is None


def test_who_never_gets_a_turn_is_told_to_come_again_and_has_written_nothing(store):
    between = Interrupted(store)
    between.before = [other(store, n) for n in range(HEAD_ATTEMPTS_MAX)]
    with pytest.raises(Throttled):
        audited(between).commit(Save(customer()))
    assert store.get(Customer, "cus_1") is None


def test_the_same_changes_again_after_a_lost_answer_are_recognised(store):
    between = Interrupted(store)
    between.after = [lost]
    mine = audited(between)
    with pytest.raises(Unavailable):
        mine.commit(Save(customer()))
    other(store, 1)()  # the chain went on meanwhile
    mine.commit(Save(customer()))
    assert [e.subjects for e in entries(store)] == [("cus_1",), ("cus_other1",)]
    assert verified(store).first_bad is None


def test_the_same_changes_again_after_a_call_that_never_came_are_written_once(store):
    between = Interrupted(store)
    between.before = [lost]
    mine = audited(between)
    with pytest.raises(Unavailable):
        mine.commit(Save(customer()))
    other(store, 1)()
    mine.commit(Save(customer()))
    mine.commit(Save(customer("cus_2")))
    assert [e.subjects[0] for e in entries(store)] == ["cus_other1", "cus_1", "cus_2"]
    assert verified(store).first_bad is None


# ---- tampering --------------------------------------------------------------------------------------------------


@pytest.fixture
def log(store):
    """Five entries in each of three shards, and some more in one of them, which has looked round at all the others."""
    for n in range(5):
        for shard in (2, 3, 4):
            audited(store, shard, n).commit(Save(customer(f"cus_{shard}{n}")))
    for n in range(5, 5 + SHARDS):
        audited(store, 2, n).commit(Save(customer(f"cus_2{n}")))
    assert (verified(store).entries, verified(store).first_bad) == (LENGTH, None)
    return store


def entry_of(store, seq):
    return entries(store)[seq - 1]


def head_of(store):
    return store.get(AuditHead, PARTITION)


def overwrite(store, seq, entry):
    store.commit(Save(replace(entry, seq=seq, version=1)))


def a_field(store):
    overwrite(store, 3, replace(entry_of(store, 3), by="somebody else"))


def a_field_with_its_hash(store):
    """The next entry still knows the old hash."""
    changed = replace(entry_of(store, 3), by="somebody else")
    overwrite(store, 3, replace(changed, hash=hash_of(changed)))


def the_same_again(store):
    """Rewritten as it was: harmless, and yet somebody was there."""
    overwrite(store, 3, entry_of(store, 3))


def removed(store):
    store.commit(Remove(entry_of(store, 3)))


def removed_tail(store):
    store.commit(Remove(entry_of(store, 5)))
    store.commit(Remove(entry_of(store, 4)))


def removed_tail_and_head_set_back(store):
    """Only the other shards know better."""
    fourth = entry_of(store, 4)
    store.commit(Remove(entry_of(store, 5)))
    store.commit(Save(replace(head_of(store), seq=4, hash=fourth.hash)))


def all_rewritten_from_there_on(store):
    """With every hash and the head made good: only the other shards know better."""
    previous = entry_of(store, 3).previous
    for old in entries(store)[2:]:
        changed = replace(old, by="somebody else" if old.seq == 3 else old.by, previous=previous, version=0)
        changed = replace(changed, hash=hash_of(changed))
        store.commit(Remove(old))
        store.commit(Save(changed))
        previous = changed.hash
    store.commit(Save(replace(head_of(store), hash=previous)))


def swapped(store):
    third, fourth = entry_of(store, 3), entry_of(store, 4)
    overwrite(store, 3, fourth)
    overwrite(store, 4, third)


def a_head_set_back(store):
    store.commit(Save(replace(head_of(store), seq=4, hash=entry_of(store, 4).hash)))


def a_head_with_another_hash(store):
    store.commit(Save(replace(head_of(store), hash="0" * 64)))


def no_head(store):
    store.commit(Remove(head_of(store)))


def an_entry_slipped_in(store):
    fake = replace(entry_of(store, 5), seq=6, previous=entry_of(store, 5).hash, by="nobody", version=0)
    store.commit(Save(replace(fake, hash=hash_of(fake))))


THIRD, HEAD = "aud_3_0000000003", "aud_3_head"
WITNESSED = "aud_3_0000000005"  # the last entry of shard 3 that another shard has seen


@pytest.mark.parametrize(("tamper", "named"), [
    (a_field, THIRD), (a_field_with_its_hash, THIRD), (the_same_again, THIRD), (removed, THIRD),
    (removed_tail, "aud_3_0000000004"), (removed_tail_and_head_set_back, WITNESSED),
    (all_rewritten_from_there_on, WITNESSED), (swapped, THIRD), (a_head_set_back, HEAD),
    (a_head_with_another_hash, HEAD), (no_head, HEAD), (an_entry_slipped_in, HEAD),
], ids=lambda x: getattr(x, "__name__", x))  # fmt: skip
def test_whatever_is_tampered_with_is_found_and_named(log, tamper, named):
    tamper(log)
    assert verified(log).first_bad == named


def test_each_shard_bears_witness_to_each_of_the_others_in_its_turn():
    for shard in range(SHARDS):
        seen = {witness_of(AuditHead(shard, seq)) for seq in range(SHARDS - 1)}
        assert seen == set(range(SHARDS)) - {shard}


@pytest.mark.parametrize("most", [1, 2, 5, LENGTH - 1, LENGTH, LENGTH + 1])
def test_a_long_log_is_checked_in_parts(log, most):
    ports, place, parts = OnlyStore(log), None, 0
    while True:
        done = verify_audit(ports, place, most)
        assert done.first_bad is None
        parts += 1
        if done.rest is None:
            break
        place = done.rest
    assert done.entries == LENGTH
    assert parts >= LENGTH // most


def test_a_log_checked_in_parts_is_found_out_in_any_of_them(log):
    a_field(log)
    ports, place, found = OnlyStore(log), None, []
    for _ in range(30):
        done = verify_audit(ports, place, 2)
        found.append(done.first_bad)
        if done.rest is None:
            break
        place = done.rest
    assert found[-1] == THIRD

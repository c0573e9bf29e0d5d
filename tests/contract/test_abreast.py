"""Work side by side: what is asked for goes in few calls, and each piece of work ends as it would alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.customer import Customer
from shared.ports import CommitsEach, Conflict, InTurn, LooksAhead, Save, Unavailable
from shared.storage.abreast import Correlation, SideBySide
from shared.storage.memory import MemoryStore
from shared.storage.read_ahead import ReadAhead
from tests.contract.samples import customer
from tests.integration.stage import Stage

IDS = ["cus_1", "cus_2", "cus_3"]


class Noting(MemoryStore, CommitsEach):
    def __init__(self):
        super().__init__()
        self.asked = []
        self.away = False

    def get_all(self, keys):
        self.asked.append(("read", [key[1] for key in keys]))
        if self.away:
            raise Unavailable("away")
        return [MemoryStore.get(self, *key) for key in keys]

    def get(self, kind, partition, sort=""):
        self.asked.append(("read", [partition]))
        return super().get(kind, partition, sort)

    def commit_each(self, commits):
        self.asked.append(("commit", [commit[0].entity.id for commit in commits]))
        failures = []
        for commit in commits:
            try:
                self.commit(*commit)
                failures.append(None)
            except Conflict as conflict:
                failures.append(conflict)
        return failures


class NotingQueue:
    def __init__(self, correlation):
        self.sent = []
        self._correlation = correlation

    def send(self, queue, bodies, delay_seconds=0):
        self.sent.append((queue, tuple(bodies), delay_seconds, self._correlation.get()))


class Told:
    """What stands for the logger's correlation."""

    def __init__(self):
        self.now = "began"

    def of(self):
        return Correlation(lambda: self.now, lambda began: setattr(self, "now", began))


@pytest.fixture
def told():
    return Told()


@pytest.fixture
def ports(told):
    return replace(Stage().ports, store=Noting(), queue=NotingQueue(told.of()), abreast=SideBySide(told.of()))


def renamed(id, ports):
    found = ports.store.get(Customer, id) or customer(id)
    ports.store.commit(Save(replace(found, name="New")))
    ports.queue.send("notice", [id])
    return id.upper()


def test_what_they_ask_for_goes_together_and_each_has_its_own_answer(ports):
    assert ports.abreast.each(renamed, IDS, ports) == [id.upper() for id in IDS]
    assert ports.store.asked == [("read", IDS), ("commit", IDS)]
    assert ports.queue.sent == [("notice", tuple(IDS), 0, "began")]


def test_it_comes_out_as_one_after_another(ports):
    other = replace(ports, store=MemoryStore())
    InTurn().each(renamed, IDS, other)
    ports.abreast.each(renamed, IDS, ports)
    assert ports.store.dump() == other.store.dump()


def test_one_that_raises_stops_no_other_and_is_heard_of_at_the_end(ports):
    def work(id, own):
        if id == "cus_1":
            raise LookupError(id)
        return renamed(id, own)

    with pytest.raises(LookupError, match="cus_1"):
        ports.abreast.each(work, IDS, ports)
    assert ports.store.get(Customer, "cus_3").version == 1


def test_a_conflict_is_raised_where_it_was_asked_for(ports):
    MemoryStore.commit(ports.store, Save(customer("cus_2", "Other")))

    def work(id, own):
        try:
            own.store.commit(Save(customer(id)))
        except Conflict as conflict:
            return conflict.failed
        return own.store.get(Customer, id).version

    assert ports.abreast.each(work, IDS, ports) == [1, (0,), 1]


def test_what_nobody_answers_is_each_ones_to_deal_with(ports):
    ports.store.away = True

    def work(id, own):
        with pytest.raises(Unavailable):
            own.store.get(Customer, id)
        return id

    assert ports.abreast.each(work, IDS, ports) == IDS


def test_those_of_one_lane_never_meet(ports):
    def work(n, own):
        found = own.store.get(Customer, "cus_1") or customer("cus_1")
        own.store.commit(Save(replace(found, name=str(n))))
        return found.version

    assert ports.abreast.each(work, range(4), ports, lane=lambda n: "same") == [0, 1, 2, 3]
    with pytest.raises(Conflict):
        ports.abreast.each(work, range(2), ports)


class Crash(BaseException):
    pass


@pytest.mark.parametrize("where", ["in a piece of work", "in the store"])
def test_a_crash_ends_them_all_at_once(ports, where):
    ended, went_on = [], []

    def crash(*args):
        raise Crash

    def work(id, own):
        try:
            if id == "cus_2" and where == "in a piece of work":
                raise Crash
            own.store.commit(Save(customer(id)))
            went_on.append(id)
        except Exception:  # noqa: BLE001 - a crash is none
            went_on.append(id)
        finally:
            ended.append(id)

    if where == "in the store":
        ports.store.commit_each = crash
    with pytest.raises(Crash):
        ports.abreast.each(work, IDS, ports)
    assert went_on == []
    assert "cus_1" in ended
    assert ports.store.dump() == {}


def test_each_goes_on_under_what_it_began_with(ports, told):
    def work(id, own):
        told.now = id
        own.store.get(Customer, id)
        own.queue.send("notice", [id])
        return told.now

    assert ports.abreast.each(work, IDS, ports) == IDS
    assert [began for *_, began in ports.queue.sent] == IDS
    assert told.now == "began"


def test_messages_of_other_queues_and_delays_are_sent_apart(ports):
    def work(n, own):
        own.queue.send("notice" if n else "charge", [str(n)], delay_seconds=n // 2)

    ports.abreast.each(work, range(4), ports)
    assert ports.queue.sent == [
        ("charge", ("0",), 0, "began"), ("notice", ("1",), 0, "began"), ("notice", ("2", "3"), 1, "began")
    ]  # fmt: skip


def test_what_a_batch_knows_is_not_asked_for_and_afresh_is(ports):
    inner = ports.store
    ports = replace(ports, store=ReadAhead(inner))
    ports.store.ahead([(Customer, id, "") for id in IDS])

    def work(id, own):
        assert isinstance(own.store, LooksAhead)
        assert own.store.get(Customer, id) is None
        return own.store.afresh.get(Customer, id)

    ports.abreast.each(work, IDS, ports)
    assert inner.asked == [("read", IDS), ("read", IDS)]


def test_one_thing_alone_is_worked_on_as_ever(ports):
    assert ports.abreast.each(lambda id, own: own is ports, ["cus_1"], ports) == [True]


def test_work_within_work_goes_together_too(ports):
    def work(n, own):
        return own.abreast.each(renamed, [f"cus_{n}{m}" for m in range(2)], own)

    assert ports.abreast.each(work, range(2), ports) == [["CUS_00", "CUS_01"], ["CUS_10", "CUS_11"]]
    assert ports.store.asked[0] == ("read", ["cus_00", "cus_01", "cus_10", "cus_11"])

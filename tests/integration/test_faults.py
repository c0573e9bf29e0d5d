"""Faults at the ports, on toy handlers: each kind leaves exactly what the real thing would leave."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

import pytest

from infra.local.clock import CountingIds
from infra.local.cloud import LocalCloud
from infra.local.faults import FAULTS, Calls, OneFault, Poisoned, RandomFaults, Rates
from shared.bootstrap import ports
from shared.domain.contract import Contract
from shared.domain.payment import Payment
from shared.domain.task import Task
from shared.ports import Mail, Save, Unavailable
from tests.integration import toys
from tests.integration.toys import START

pytestmark = pytest.mark.slow_on_moto

TASK = Task("tsk_1", "kind", "reason", "inv_1", START)
PAYMENT = Payment("pay_1", "cus_1", "USD", 1_00, "card", "pending", START, token="tok_1")
MAIL = Mail("ntc_1", "billing@example.com", "ap@acme.example", "Hello", "text", "<p>html</p>")


def save_task():
    ports().store.commit(Save(TASK))


def charge():
    toys.LOG.append(("charge", ports().gateway.charge(PAYMENT).status))


def send_mail():
    ports().mailer.send(MAIL)


def write_file():
    ports().files.write_once("a.pdf", b"pdf", "application/pdf")


def publish():
    ports().bus.publish("invoice.posted", {"id": "inv_1"})


# What is called, and what of it can be seen in the world afterwards.
CALLS = {
    "store.commit": (save_task, lambda cloud: cloud.ports.store.get(Task, "tsk_1") is not None),
    "gateway.charge": (charge, lambda cloud: len(cloud.gateway.charges) == 1),
    "mailer.send": (send_mail, lambda cloud: len(cloud.mail.sent) == 1),
    "files.write_once": (write_file, lambda cloud: cloud.ports.files.read("a.pdf") == b"pdf"),
    "bus.publish": (publish, lambda cloud: len(cloud.bus.published) == 1),
}


@pytest.fixture(params=["memory", pytest.param("moto", marks=pytest.mark.moto)])
def cloud(request, wiring):
    """A toy function behind one route, with the stores and services of the real template."""
    toys.forget()
    toy = toys.wiring()
    functions = {name: replace(f, on_failure=None) for name, f in toy.functions.items()}
    functions["api"] = replace(functions["api"], env=next(iter(wiring.functions.values())).env)
    made = replace(wiring, functions=functions, queues=wiring.queues | toy.queues, rules=(), routes=())
    with LocalCloud(request.param, wiring=made) as cloud:
        yield cloud


def run(cloud, act, plan, functions=None):
    """Do something inside an invocation while the plan's faults are in place; the result's status."""
    toys.BEHAVIOUR["api"] = lambda _: act()
    calls = Calls(plan, functions)
    cloud.inject(calls)
    result = cloud.engine.invoker.invoke("api", {"httpMethod": "POST", "path": "/"})
    cloud.use_ports(cloud.ports)
    return result.status, calls


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_leaves_the_effect_or_not_as_its_kind_says(cloud, name, kind):
    act, happened = CALLS[name]
    status, calls = run(cloud, act, OneFault(1, kind))
    assert [call.name for call in calls.seen] == [name]
    assert happened(cloud) == (kind in ("crash_after", "lose_response"))
    if kind.startswith("crash"):
        assert status == "crash"
    elif name == "gateway.charge":  # never an exception: a lost answer is unknown, a refused call provably failed
        assert toys.LOG[-1] == ("charge", "unknown" if kind == "lose_response" else "failed")
    else:
        assert status == "error"
        assert re.search("Unavailable|Throttled", cloud.engine.invoker.failures[-1].text)


def test_only_the_chosen_call_meets_the_fault(cloud):
    def thrice():
        for n in range(3):
            ports().bus.publish("tick", {"n": n})

    status, calls = run(cloud, thrice, OneFault(3, "crash_before"))
    assert status == "crash"
    assert [e.detail for e in cloud.bus.published] == [{"n": 0}, {"n": 1}]
    assert str(calls.seen[2]) == "call 3, bus.publish (3 of api#1)"


def test_functions_that_are_not_named_are_left_alone(cloud):
    status, calls = run(cloud, publish, OneFault(1, "crash_before"), functions=frozenset({"work"}))
    assert (status, calls.seen) == ("ok", [])


def test_a_commit_whose_answer_was_lost_can_be_repeated(cloud):
    def twice():
        with pytest.raises(Unavailable):
            save_task()
        save_task()

    status, _ = run(cloud, twice, OneFault(1, "lose_response"))
    assert status == "ok", cloud.engine.invoker.failures
    assert cloud.ports.store.get(Task, "tsk_1").version == 1


def test_a_poisoned_customer_cannot_be_read_by_the_functions_that_bill(cloud):
    contract = Contract("con_1", "cus_1", "IT", "USD", date(2026, 1, 1), date(2026, 1, 1), 1)
    cloud.ports.store.commit(Save(contract))

    def read():
        return len(ports().store.list(Contract, "cus_1").items)

    for billing, expected in ((frozenset({"api"}), "error"), (frozenset({"work"}), "ok")):
        toys.BEHAVIOUR["api"] = lambda _: read()
        cloud.inject(Calls(), Poisoned(frozenset({"cus_1"}), billing))
        assert cloud.engine.invoker.invoke("api", {"httpMethod": "GET", "path": "/"}).status == expected


def test_random_faults_are_the_same_for_the_same_seed():
    def drawn(seed):
        faults = RandomFaults(seed, Rates(0.2, 0.2, 0.2, 0.2))
        return [(faults.fault(None), faults.twice(), faults.delay_seconds()) for _ in range(200)]

    assert drawn(7) == drawn(7) != drawn(8)
    kinds = {fault for fault, _, _ in drawn(7)}
    assert kinds == {None, *FAULTS}


def test_messages_are_duplicated_and_delayed_at_their_rates(cloud):
    cloud.set_faults(frozenset(), 1, Rates(duplicate=1.0, delay=1.0))
    ports().queue.send("notice", ['{"n": 1}'])
    assert cloud.engine.broker.depths()[next(n for n in cloud.wiring.queues if n.endswith("NoticeQueue"))] == 2
    assert not cloud.engine.broker.is_ready(next(n for n in cloud.wiring.queues if n.endswith("NoticeQueue")))
    cloud.set_faults(frozenset(), 0, Rates())
    ports().queue.send("post", ['{"n": 1}'])
    assert cloud.engine.broker.depths()[next(n for n in cloud.wiring.queues if n.endswith("PostQueue"))] == 1


def test_counted_ids_are_the_same_in_every_world_and_never_twice_in_one():
    one, other = CountingIds(), CountingIds()
    made = [one.new("inv_") for _ in range(100)]
    assert made == [other.new("inv_") for _ in range(100)]
    assert len(set(made)) == 100
    assert all(id.startswith("inv_") for id in made)

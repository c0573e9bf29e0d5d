"""Every write of the admin API is told in the audit log, whatever else happens at the same moment. PRODUCT 12."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from moto import mock_aws

from functions.admin_api import app
from functions.admin_api.routing import ENDPOINTS, respond
from infra.local.aws_faults import faulty_aws
from infra.local.cloud import LocalCloud
from infra.local.faults import FAULTS, Calls, NoFaults, OneFault, faulty
from infra.local.invoker import SimulatedCrash
from shared import bootstrap
from shared.domain.audit import AuditEntry
from shared.domain.customer import Customer
from shared.domain.ids import SHARDS
from shared.storage.dynamo import DynamoStore
from shared.use_cases.verify_audit import verify_audit
from tests.contract.tables import REGION, clear_tables, create_tables, table_name
from tests.integration.api.client import Client, new_ports
from tests.integration.sample_world import NOW, make_sample_world
from tests.integration.test_events import API, CALLS, FUNCTIONS, WIRING, invoke, request_of
from tests.races.interleaver import Interleaver

BESIDE = ("Answered", "AuditEntry", "AuditHead")  # kept beside what a request is about
TOLD_MIN = 50  # calls of the samples that change something
SCHEDULES = 60

assert app.ROUTERS  # the routes are there


def entries(ports):
    return [e for n in range(SHARDS) for e in ports.store.list(AuditEntry, str(n)).items]


# ---- every route -----------------------------------------------------------------------------------------------


def as_caller(call, role, number):
    event = request_of(call)
    event["requestContext"]["authorizer"] = {"claims": {"sub": f"sample-{role}", "cognito:groups": role}}
    event["requestContext"]["requestId"] = f"request-{number}"
    return event


def test_every_call_that_changes_anything_is_told_with_who_made_it_and_a_refused_one_is_not():
    wrong, changing = [], 0
    with LocalCloud("memory", NOW, wiring=WIRING) as cloud:
        make_sample_world(cloud.ports)
        for number, call in enumerate(CALLS):
            method = call["route"].split()[0]
            invoke(cloud, FUNCTIONS[API], as_caller(call, "nobody", f"{number}-refused"))
            before = records(cloud.ports)
            status = invoke(cloud, FUNCTIONS[API], as_caller(call, "admin", number))["statusCode"]
            changed = records(cloud.ports) != before
            told = [e for e in entries(cloud.ports) if e.request_id == f"request-{number}"]
            assert {(e.by, e.role) for e in told} <= {("sample-admin", "admin")}
            assert {e.action.partition(" ")[0] for e in told} <= {method}
            if (changed and not told) or (told and (method == "GET" or status >= 400)):
                wrong.append(f"{call['route']}: {status}, {len(told)} entries")
            changing += changed
            cloud.engine.drain()
        assert {e.by for e in entries(cloud.ports)} == {"sample-admin"}
        assert verify_audit(cloud.ports).first_bad is None
        assert len(entries(cloud.ports)) == verify_audit(cloud.ports).entries
    assert wrong == []
    assert changing >= TOLD_MIN


def records(ports):
    """All that is stored of what requests are about."""
    return {kind: found for kind, found in ports.store.dump().items() if kind not in BESIDE}


# ---- races -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(SCHEDULES))
def test_of_admins_at_the_same_shard_at_the_same_moment_each_is_told(seed):
    plain, steps = new_ports(), Interleaver(seed)
    bootstrap.install(steps.wrap(plain))
    try:
        actors = steps.run({f"admin{n}": lambda n=n: create(f"cus_{n}") for n in range(4)})
    finally:
        bootstrap.uninstall()
    assert [a.error for a in actors.values()] == [None] * 4
    assert [a.result for a in actors.values()] == [201] * 4
    told = entries(plain)
    assert len({e.shard for e in told}) == 1
    assert sorted(e.subjects for e in told) == [(f"cus_{n}",) for n in range(4)]
    assert verify_audit(plain).first_bad is None


def create(id):
    (endpoint,) = (e for e in ENDPOINTS if (e.method, e.path) == ("POST", "/v1/customers"))
    return respond(endpoint, event_of("POST", "/v1/customers", {"id": id, "name": "Acme"}), {}).status_code


def event_of(method, path, body):
    caller = {"authorizer": {"claims": {"sub": "ada", "cognito:groups": "admin"}}, "requestId": "all-at-once"}
    return {"path": path, "httpMethod": method, "requestContext": caller, "body": json.dumps(body)}


# ---- faults ----------------------------------------------------------------------------------------------------


def rename():
    (endpoint,) = (e for e in ENDPOINTS if (e.method, e.path) == ("PATCH", "/v1/customers/<customer_id>"))
    try:
        event = event_of("PATCH", "/v1/customers/cus_acme", {"name": "Renamed"})
        return respond(endpoint, event, {"customer_id": "cus_acme"}).status_code
    except SimulatedCrash:
        return None


def renamed_and_told(ports):
    """Whether the effect is there, and whether it is told."""
    effect = ports.store.get(Customer, "cus_acme").name == "Renamed"
    told = [e for e in entries(ports) if e.action.startswith("PATCH")]
    assert verify_audit(ports).first_bad is None
    assert len(told) <= 1
    return effect, bool(told)


def prepared(store=None):
    ports = new_ports() if store is None else replace(new_ports(), store=store)
    bootstrap.install(ports)
    Client(ports).customer()
    return ports


def test_an_effect_and_its_entry_are_both_there_or_neither_whatever_goes_wrong_with_any_call():
    def one(plan):
        ports, calls = prepared(), Calls(plan)
        calls.begin("AdminApiFunction")
        bootstrap.install(faulty(ports, calls))
        rename()
        return ports, calls.seen

    try:
        assert swept(one) == {(True, True), (False, False)}
    finally:
        bootstrap.uninstall()


@pytest.mark.slow
@pytest.mark.moto
def test_the_same_holds_for_each_request_to_dynamodb():
    def one(plan):
        clear_tables()
        ports, calls = prepared(store), Calls(plan)
        calls.begin("AdminApiFunction")
        with faulty_aws(calls):
            rename()
        return ports, calls.seen

    try:
        with mock_aws():
            create_tables()
            store = DynamoStore(table_name, REGION, writer="test", sleep=lambda seconds: None)
            assert swept(one) == {(True, True), (False, False)}
    finally:
        bootstrap.uninstall()


def swept(one):
    """What the faults of all calls left behind: whether the effect is there, and whether it is told."""
    ports, calls = one(NoFaults())
    assert renamed_and_told(ports) == (True, True)
    assert len(calls) > 3
    return {renamed_and_told(one(OneFault(call.number, kind))[0]) for call in calls for kind in FAULTS}

"""Who may do what: every route, every role, and ids that are there, of something else, and of nothing. PRODUCT 12."""

from __future__ import annotations

import json

import pytest

from functions.admin_api.access import ROLES, needed_role
from functions.admin_api.app import ENDPOINTS
from infra.access import DOCUMENT, written
from infra.local.cloud import LocalCloud
from shared import bootstrap
from shared.config import Config
from tests.integration.api.client import Client, new_ports
from tests.integration.sample_world import NOW, make_sample_world
from tests.integration.test_events import API, CALLS, FUNCTIONS, WIRING, invoke, request_of

NOBODY = ("none", "stranger")  # without a token, and signed in without a group
IDS = ("own", "other", "unknown")
PUTS_CREATE = {"/v1/customer-classes/{class_id}", "/v1/templates/{name}"}


def test_the_table_of_routes_and_roles_is_current():
    assert DOCUMENT.read_text(encoding="utf-8") == written(WIRING), "run `make access`"


# ---- route × role × id ------------------------------------------------------------------------------------------


def nameless(path):
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


@pytest.fixture(scope="module")
def world():
    """The sample world with, for each route, its first call that succeeds and how the store was just before."""
    with LocalCloud("memory", NOW, wiring=WIRING) as cloud:
        make_sample_world(cloud.ports)
        stages = {}
        for call in CALLS:
            method, path = call["route"].split()
            before = cloud.ports.store.snapshot()
            status = invoke(cloud, FUNCTIONS[API], request_of(call))["statusCode"]
            assert status == call["status"], call["route"]
            known = stages.get((method, nameless(path)))
            if known is None or (status < 300 <= known[1]["status"]):
                stages[method, nameless(path)] = (before, call)
            cloud.engine.drain()
        yield cloud, stages


def with_ids(call, ids):
    """The call with its own ids, those of something else, or ids that nothing has."""
    if ids == "own" or "path" not in call:
        return call
    path = dict(call["path"])
    for name, value in path.items():
        prefix, _, rest = value.partition("_")
        if not rest:
            continue  # the name of an automation or a template
        path[name] = f"{prefix}_nothing" if ids == "unknown" else "inv_due" if prefix != "inv" else "cus_acme"
    return {**call, "path": path}


def asked(cloud, call, role):
    event = request_of(call)
    claims = {"sub": "ada", "token_use": "id", **({"cognito:groups": role} if role in ROLES else {})}
    event["requestContext"]["authorizer"] = {"claims": claims}
    if role == "none":
        del event["requestContext"]["authorizer"]
    answer = invoke(cloud, FUNCTIONS[API], event)
    return answer["statusCode"], answer.get("body")


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda e: f"{e.method} {e.shown}")
def test_every_route_answers_every_role_as_the_table_says_whatever_the_id(world, endpoint):
    cloud, stages = world
    before, call = stages[endpoint.method, nameless(endpoint.shown)]
    needed = "none" if endpoint.public else needed_role(endpoint.method, endpoint.path)
    order = (*NOBODY, *ROLES)
    refused = {}
    for ids in IDS:
        for role in order:
            cloud.ports.store.restore(before)
            status, body = asked(cloud, with_ids(call, ids), role)
            if order.index(role) < order.index(needed):
                assert status == (401 if role == "none" else 403), (role, ids)
                assert refused.setdefault(role, body) == body, "a refusal tells nothing of what is there"
                assert cloud.ports.store.dump() == restored(cloud, before), (role, ids)
            elif ids == "own" or with_ids(call, ids) == call:
                assert status in (call["status"], 200), (role, ids, status, body)
            else:
                missing = {404, 422} | ({200, 201} if endpoint.shown in PUTS_CREATE else set())
                assert status in missing, (role, ids, status, body)


def restored(cloud, snapshot):
    found = cloud.ports.store.dump()
    cloud.ports.store.restore(snapshot)
    assert found == cloud.ports.store.dump()
    return found


# ---- tokens -----------------------------------------------------------------------------------------------------

ISSUER, CLIENT = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_pool", "client-1"
CLAIMS = {"sub": "u-1", "email": "ada@paidup.example", "cognito:groups": "admin", "token_use": "id", "iss": ISSUER,
          "aud": CLIENT}  # fmt: skip


@pytest.fixture
def api(monkeypatch):
    monkeypatch.setenv("USERS_ISSUER", ISSUER)
    monkeypatch.setenv("USERS_CLIENT", CLIENT)
    ports = new_ports()
    bootstrap.install(ports)
    yield Client(ports)
    bootstrap.uninstall()


def test_an_id_token_of_this_pool_for_this_client_is_a_person(api):
    assert api.get("/v1/settings", claims=CLAIMS).status == 200


@pytest.mark.parametrize("wrong", [
    {"token_use": "access"}, {"token_use": ""}, {"iss": ISSUER + "2"}, {"iss": None}, {"aud": "client-2"},
    {"aud": None}, {"aud": [CLIENT, "client-2"]},
], ids=json.dumps)  # fmt: skip
def test_any_other_token_is_none(api, wrong):
    reply = api.get("/v1/settings", claims={k: v for k, v in {**CLAIMS, **wrong}.items() if v is not None})
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == "Bearer"


def test_an_access_token_is_refused_even_where_no_pool_is_configured(api, monkeypatch):
    monkeypatch.delenv("USERS_ISSUER")
    monkeypatch.delenv("USERS_CLIENT")
    assert Config().token_claims == {}
    assert api.get("/v1/settings", claims={**CLAIMS, "token_use": "access"}).status == 401

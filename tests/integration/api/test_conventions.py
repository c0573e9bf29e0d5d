"""What holds for every route: who may call it, what is no request, one effect per key, pages."""

from __future__ import annotations

import json

import pytest

from functions.admin_api.access import NEEDS, ROLES, needed_role
from functions.admin_api.calls import JSON_TYPE
from functions.admin_api.routing import BODY_BYTES_MAX, ENDPOINTS

GUARDED = [e for e in ENDPOINTS if not e.public]


def filled(path: str) -> str:
    return path.replace("<automation>", "past_due").replace("<", "").replace(">", "_1")


def ids(endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


# ---- who may call -------------------------------------------------------------------------------


def test_health_needs_no_token(api):
    reply = api.get("/v1/health", role=None)
    assert (reply.status, reply.json["status"]) == (200, "ok")


@pytest.mark.parametrize("endpoint", GUARDED, ids=ids)
def test_every_other_route_needs_a_token_and_the_role_of_the_table(api, endpoint):
    call = (endpoint.method, filled(endpoint.path), {})
    assert api(*call, role=None).status == 401
    for role in ROLES:
        enough = ROLES.index(role) >= ROLES.index(needed_role(endpoint.method, endpoint.path))
        assert (api(*call, role=role).status == 403) == (not enough), role
    assert api(*call, claims={"sub": "ada"}).status == 403


def test_viewers_only_read_operators_write_and_admins_steer():
    needed = {(e.method, e.path): needed_role(e.method, e.path) for e in GUARDED}
    assert {role for (method, _), role in needed.items() if method == "GET"} == {"viewer"}
    assert {key for key, role in needed.items() if role == "admin"} == {
        ("PATCH", "/v1/settings"),
        ("POST", "/v1/customer-classes"),
        ("PUT", "/v1/customer-classes/<class_id>"),
        ("PUT", "/v1/templates/<name>"),
        ("DELETE", "/v1/templates/<name>"),
        ("POST", "/v1/customers/<customer_id>/erase"),
        ("POST", "/v1/webhook-endpoints"),
        ("DELETE", "/v1/webhook-endpoints/<endpoint_id>"),
        ("POST", "/v1/webhook-endpoints/<endpoint_id>/rotate"),
        ("POST", "/v1/webhook-endpoints/<endpoint_id>/enable"),
    }
    assert {role for (method, _), role in needed.items() if method != "GET"} == {"operator", "admin"}
    assert set(NEEDS) <= set(needed), "the table names a route that does not exist"


@pytest.mark.parametrize(
    ("groups", "status"),
    [("viewer", 403), ("operator", 200), ("viewer,operator", 200), ("[viewer operator]", 200), (["operator"], 200),
     ("administrator", 403), ("", 403), (None, 403), ("nobody admin", 200)],
)  # fmt: skip
def test_groups_come_as_a_list_or_in_any_of_the_ways_api_gateway_writes_one(api, groups, status):
    api.customer()
    claims = {"sub": "grace", "cognito:groups": groups}
    assert api.put("/v1/customers/cus_acme/hold", {"reason": "other"}, claims=claims).status == status


# ---- what is no request -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/nothing", "/v2/health", "/v1/customers/cus_1/nothing", "/v1//customers"]
)
def test_an_unknown_path_is_not_found(api, path):
    assert (api.get(path).status, api.get(path).headers["content-type"]) == (404, "application/problem+json")


def test_an_id_with_odd_characters_is_of_nothing(api):
    for path in ("/v1/tasks/¢/done", "/v1/customers/%C2%A2/restore", "/v1/invoices/a b/post"):
        assert api.post(path, {}).status == 404, path


def test_a_known_path_with_another_method_says_which_it_has(api):
    reply = api.delete("/v1/customers")
    assert (reply.status, reply.headers["allow"]) == (405, "GET, POST")
    assert api.post("/v1/health").status == 405


@pytest.mark.parametrize(
    "raw",
    ["{", "", "nul", '{"a": NaN}', '{"a": Infinity}', "[" * 100_000, '{"a":' * 40 + "1" + "}" * 40, "\x00",
     '{"a": ' + "9" * 5000 + "}", "{'name': 1}", '{"name": "A"} x'],
)  # fmt: skip
def test_what_is_no_json_is_malformed(api, raw):
    reply = api.post("/v1/customers", raw=raw)
    assert reply.status == (422 if raw == "" else 400)
    assert reply.json["status"] == reply.status


@pytest.mark.parametrize("body", [[], "text", 5, None, True, [{}]])
def test_a_body_that_is_no_object_is_invalid(api, body):
    assert api.post("/v1/customers", raw=json.dumps(body)).fields == ["body"]
    assert api.patch("/v1/settings", raw=json.dumps(body)).fields == ["body"]


def test_a_body_that_is_too_large_is_refused_unread(api):
    assert api.post("/v1/customers", raw='{"name": "' + "x" * BODY_BYTES_MAX + '"}').status == 413


@pytest.mark.parametrize("endpoint", [e for e in GUARDED if e.method != "DELETE"], ids=ids)
def test_unknown_fields_and_query_parameters_are_named(api, endpoint):
    path = filled(endpoint.path)
    assert api(endpoint.method, f"{path}?colour=red", {}).fields == ["colour"]
    if endpoint.method != "GET" and not endpoint.merges and endpoint.takes == JSON_TYPE:
        assert "colour" in api(endpoint.method, path, {"colour": "red"}).fields


@pytest.mark.parametrize("endpoint", [e for e in GUARDED if "<" in e.path and e.method != "PUT"], ids=ids)
def test_what_does_not_exist_is_never_a_server_error(api, endpoint):
    for name in ("x", "cus_none", "inv_" + "9" * 60, "'; --", "%2e%2e"):
        path = endpoint.path.split("<")[0] + name + endpoint.path.split(">")[1].replace("<automation", "past_due")
        assert api(endpoint.method, path, {}).status in (404, 405, 422), path


def test_problems_never_hold_a_stack_trace_even_of_a_bug(api, monkeypatch):
    monkeypatch.setattr("functions.admin_api.customers.customer_of", lambda ports, id: 1 // 0)
    reply = api.get("/v1/customers/cus_1")
    assert (reply.status, reply.headers["content-type"]) == (500, "application/problem+json")
    assert "Traceback" not in reply.text
    assert "ZeroDivision" not in reply.text


def test_a_store_that_throttles_asks_to_come_again(api, monkeypatch):
    from shared.ports import Unavailable

    def busy(*args, **more):
        raise Unavailable("throttled")

    monkeypatch.setattr(type(api.ports.store), "get", busy)
    reply = api.get("/v1/settings")
    assert (reply.status, reply.headers["retry-after"]) == (503, "2")


# ---- one effect per key -------------------------------------------------------------------------


def test_the_same_key_and_body_give_the_same_answer_and_one_effect(api):
    first = api.post("/v1/customers", {"name": "Acme"}, headers={"Idempotency-Key": "k1"})
    again = api.post("/v1/customers", {"name": "Acme"}, headers={"idempotency-key": "k1"})
    assert (first.status, again.status, again.json) == (201, 201, first.json)
    assert len(api.items("/v1/customers")) == 1


def test_a_key_with_another_body_is_refused_until_a_day_has_passed(api):
    api.post("/v1/customers", {"name": "Acme"}, headers={"Idempotency-Key": "k1"})
    assert api.post("/v1/customers", {"name": "Bolt"}, headers={"Idempotency-Key": "k1"}).status == 409
    api.ports.clock.advance(hours=24, seconds=1)
    assert api.post("/v1/customers", {"name": "Bolt"}, headers={"Idempotency-Key": "k1"}).status == 201


def test_after_a_day_the_same_key_and_body_have_an_effect_of_their_own(api):
    key, made = {"Idempotency-Key": "k1"}, []
    for _ in range(3):
        made.append(api.post("/v1/customers", {"name": "Acme"}, headers=key))
        assert api.post("/v1/customers", {"name": "Acme"}, headers=key).json == made[-1].json
        api.ports.clock.advance(hours=24, seconds=1)
    assert [m.status for m in made] == [201, 201, 201]
    assert len({m.json["id"] for m in made}) == len(api.items("/v1/customers")) == 3


def test_a_refusal_after_a_day_does_not_bring_the_first_effect_back(api):
    key, body = {"Idempotency-Key": "k1"}, {"name": "Acme", "external_id": "7"}
    first = api.post("/v1/customers", body, headers=key)
    api.ports.clock.advance(hours=24, seconds=1)
    assert api.post("/v1/customers", body, headers=key).status == 409  # the external id is taken
    api.patch(f"/v1/customers/{first.json['id']}", {"external_id": None})
    second = api.post("/v1/customers", body, headers=key)
    assert (second.status, second.json["id"] == first.json["id"]) == (201, False)


def test_keys_belong_to_a_path_and_a_caller(api):
    for user in ("ada", "grace"):
        api.user = user
        assert api.post("/v1/customers", {"name": "Acme"}, headers={"Idempotency-Key": "k1"}).status == 201
    new_class = api.post("/v1/customer-classes", {"name": "Acme"}, headers={"Idempotency-Key": "k1"})
    assert new_class.status == 201
    assert len(api.items("/v1/customers")) == 2


def test_a_request_that_was_refused_leaves_its_key_free(api):
    key = {"Idempotency-Key": "k1"}
    assert api.post("/v1/customers", {"name": "Acme", "class_id": "cls_gold"}, headers=key).status == 422
    assert api.put("/v1/customer-classes/cls_gold", {"name": "Gold"}).status == 201
    assert api.post("/v1/customers", {"name": "Acme", "class_id": "cls_gold"}, headers=key).status == 201


def test_a_key_whose_first_answer_was_lost_finds_what_was_made(api, monkeypatch):
    """The function dies after creating the customer: the same request makes no second one."""
    monkeypatch.setattr("functions.admin_api.once._keep", lambda *args: None)
    first = api.post("/v1/customers", {"name": "Acme"}, headers={"Idempotency-Key": "k1"})
    assert api.post("/v1/customers", {"name": "Acme"}, headers={"Idempotency-Key": "k1"}).status == 409
    api.ports.clock.advance(seconds=61)
    again = api.post("/v1/customers", {"name": "Acme"}, headers={"Idempotency-Key": "k1"})
    assert again.json == first.json
    assert len(api.items("/v1/customers")) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb", "ä"])
def test_a_key_must_be_printable(api, key):
    assert api.post("/v1/customers", {"name": "Acme"}, headers={"Idempotency-Key": key}).fields == ["Idempotency-Key"]


# ---- pages --------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 7, 50, 200])
def test_pages_of_any_size_hold_everything_once(api, limit):
    made = {api.customer(f"cus_{n}")["id"] for n in range(23)}
    found = [c["id"] for c in api.items(f"/v1/customers?limit={limit}")]
    assert (set(found), len(found)) == (made, len(made))


def test_the_last_page_says_so_even_when_it_is_full(api):
    for n in range(6):
        api.customer(f"cus_{n}")
    first = api.get("/v1/customers?limit=3").json
    second = api.get(f"/v1/customers?limit=3&cursor={first['next_cursor']}").json
    assert (len(second["items"]), second["next_cursor"]) == (3, None)


def test_what_is_created_between_two_pages_is_not_shown_twice_and_hides_nothing(api):
    before = {api.customer(f"cus_{n:02d}")["id"] for n in range(20)}
    found, cursor = [], ""
    for n in range(30):
        page = api.get(f"/v1/customers?limit=3{cursor}").json
        found += [c["id"] for c in page["items"]]
        api.customer(f"cus_new{n}", name=f"A{n}")
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(found) == len(set(found))
    assert before <= set(found)


@pytest.mark.parametrize("limit", ["0", "201", "-1", "ten", "1.5", "", "9" * 30, "٣"])
def test_a_limit_is_a_whole_number_from_1_to_200(api, limit):
    assert api.get(f"/v1/customers?limit={limit}").fields == ["limit"]


@pytest.mark.parametrize("cursor", ["x", "e30", "bnVsbA", "W10", "%00", "x" * 5000, "WyJhIiwwLG51bGwsIiJd", "é"])
def test_a_cursor_that_was_never_given_out_is_refused(api, cursor):
    assert api.get(f"/v1/customers?cursor={cursor}").fields == ["cursor"]


def test_a_cursor_belongs_to_its_list_and_filters(api):
    for n in range(3):
        api.customer(f"cus_{n}")
    cursor = api.get("/v1/customers?limit=1").json["next_cursor"]
    assert api.get(f"/v1/invoices?cursor={cursor}").fields == ["cursor"]
    assert api.get(f"/v1/customers?query=acme&cursor={cursor}").fields == ["cursor"]

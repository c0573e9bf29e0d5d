"""The local server: which request reaches which function, and the endpoints under /_local. API.md "Local server"."""

from __future__ import annotations

import base64
import http.client
import json
from threading import Thread

import pytest

from infra.local.app import App, LocalClient
from infra.local.cloud import LocalCloud
from infra.local.server import Server
from tests.integration import toys

ROUTES = [
    ("GET", "/v1/things", "Cognito"),
    ("POST", "/v1/things", "Cognito"),
    ("GET", "/v1/things/special", "Cognito"),
    ("GET", "/v1/things/{id}", "Cognito"),
    ("GET", "/v1/health", None),
    ("GET", "/files/{path+}", None),
]


@pytest.fixture
def cloud():
    toys.forget()
    with LocalCloud(wiring=toys.wiring(routes=ROUTES, rules=[("tick_a", "rate(1 hour)")])) as cloud:
        yield cloud


@pytest.fixture
def client(cloud):
    return LocalClient(cloud)


def status_of(reply):
    status, headers, body = reply
    if status >= 400:
        assert headers["Content-Type"] == "application/problem+json"
        assert body["status"] == status
        assert body["title"]
    return status


# ---- routes -------------------------------------------------------------------------------------


def test_a_literal_path_wins_over_a_parameter(client):
    assert client.request("GET", "/v1/things/special")[2]["resource"] == "/v1/things/special"
    shown = client.request("GET", "/v1/things/a%20b?x=1&x=2&y=")[2]
    assert shown["resource"] == "/v1/things/{id}"
    assert shown["pathParameters"] == {"id": "a b"}
    assert shown["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": [""]}


def test_a_greedy_parameter_takes_the_rest_of_the_path(client):
    assert client.request("GET", "/files/a/b/c.css")[2]["pathParameters"] == {"path": "a/b/c.css"}


def test_unknown_paths_are_404_and_known_ones_with_another_method_405(client):
    assert status_of(client.request("GET", "/v1/nothing")) == 404
    assert status_of(client.request("GET", "/v1/things/1/2")) == 404
    reply = client.request("DELETE", "/v1/things")
    assert status_of(reply) == 405
    assert reply[1]["Allow"] == "GET, POST"


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_a_fixed_token_becomes_the_claims_of_its_role(client, role):
    assert client.request("GET", "/v1/things", token=f"local-{role}")[2]["claims"]["cognito:groups"] == role


@pytest.mark.parametrize("authorization", ["", "Bearer nobody", "Bearer", "Basic local-admin", "local-admin"])
def test_without_a_known_token_the_answer_is_401_and_no_function_is_called(client, authorization):
    reply = client.request("GET", "/v1/things", headers={"Authorization": authorization})
    assert status_of(reply) == 401
    assert reply[1]["WWW-Authenticate"] == "Bearer"
    assert toys.LOG == []


def test_an_open_route_needs_no_token_and_gives_no_claims(client):
    assert client.request("GET", "/v1/health", headers={"Authorization": ""})[2]["claims"] is None


def test_a_function_that_raises_is_a_502_that_gives_nothing_away(client, cloud):
    toys.BEHAVIOUR["api"] = lambda _: 1 // 0
    reply = client.request("GET", "/v1/health")
    assert status_of(reply) == 502
    assert "ZeroDivision" not in json.dumps(reply[2])
    assert "ZeroDivisionError" in cloud.engine.invoker.failures[-1].text


@pytest.mark.parametrize("answer", [None, "text", {"body": "x"}, {"statusCode": "200"}])
def test_what_api_gateway_cannot_read_is_a_502(client, answer):
    toys.BEHAVIOUR["api"] = lambda _: answer
    assert status_of(client.request("GET", "/v1/health")) == 502


def test_binary_bodies_travel_as_base64_both_ways(client):
    def echo(event):
        assert event["isBase64Encoded"]
        return {"statusCode": 200, "isBase64Encoded": True, "body": event["body"], "headers": {}}

    toys.BEHAVIOUR["api"] = echo
    assert client.request("POST", "/v1/things", b"\xff\x00pdf")[2] == b"\xff\x00pdf"


def test_a_body_over_ten_megabytes_is_413(client):
    assert status_of(client.request("POST", "/v1/things", b"x" * (10 * 1024 * 1024 + 1))) == 413


# ---- /_local ------------------------------------------------------------------------------------


def test_the_clock_moves_by_steps_and_to_instants(client):
    assert client.request("GET", "/_local/clock")[2] == {"now": "2026-01-01T00:00:00Z"}
    _, _, moved = client.request("POST", "/_local/clock", {"advance": {"hours": 1, "minutes": 30}})
    assert moved == {"now": "2026-01-01T01:30:00Z", "invocations": {"tick_a": 1}, "records": {}, "outcomes": {}}
    _, _, moved = client.request("POST", "/_local/clock", {"advance_to": "2026-01-02T02:00:00+02:00"})
    assert moved["now"] == "2026-01-02T00:00:00Z"
    assert moved["invocations"] == {"tick_a": 23}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "advance_to"),
        ({"advance": {}, "advance_to": "2026-01-02T00:00:00Z"}, "advance_to"),
        ({"advance_to": "2025-12-31T23:59:59Z"}, "advance_to"),
        ({"advance_to": "2026-01-02"}, "advance_to"),
        ({"advance_to": "2026-01-02T00:00:00"}, "advance_to"),
        ({"advance_to": "2226-01-02T00:00:00Z"}, "advance_to"),
        ({"advance": {"days": -1}}, "advance.days"),
        ({"advance": {"days": 1.5}}, "advance.days"),
        ({"advance": {"days": "1"}}, "advance.days"),
        ({"advance": {"weeks": 1}}, "advance.weeks"),
        ({"advance": {"days": 10**9}}, "advance.days"),
        ([], "body"),
    ],
)
def test_a_clock_that_cannot_be_moved_so_is_422_and_names_the_field(client, body, field):
    reply = client.request("POST", "/_local/clock", body)
    assert status_of(reply) == 422
    assert reply[2]["errors"][0]["field"] == field
    assert client.request("GET", "/_local/clock")[2] == {"now": "2026-01-01T00:00:00Z"}


def test_broken_json_is_400(client):
    assert status_of(client.request("POST", "/_local/clock", b"{")) == 400


def test_queues_show_their_depths(client, cloud):
    cloud.engine.broker.put("jobs", ["1", "2"])
    assert client.request("GET", "/_local/queues")[2]["items"][0] == {"name": "jobs", "depth": 2}
    client.request("POST", "/_local/clock", {"advance": {}})
    assert client.request("GET", "/_local/queues")[2]["items"][0] == {"name": "jobs", "depth": 0}


@pytest.mark.parametrize(("method", "waits", "status"), [("GET", True, 200), ("GET", False, 503), ("POST", True, 503)])
def test_what_is_still_being_made_is_made_where_time_does_not_pass_by_itself(cloud, method, waits, status):
    client = LocalClient(cloud)
    client.app = App(cloud, waits=waits)

    def made_by_the_queue(event):
        ready = cloud.engine.broker.depths()["jobs"] == 0
        return {"statusCode": 200} if ready else {"statusCode": 503, "headers": {"Retry-After": "5"}}

    toys.BEHAVIOUR["api"] = made_by_the_queue
    cloud.engine.broker.put("jobs", ["1"])
    assert client.request(method, "/v1/things")[0] == status


def test_a_reset_empties_the_world_and_sets_its_clock(client, cloud):
    cloud.engine.broker.put("jobs", ["1"])
    assert client.request("POST", "/_local/reset", {"now": "2024-02-28T00:00:00Z"})[2] == {
        "now": "2024-02-28T00:00:00Z"
    }
    assert cloud.engine.broker.depths()["jobs"] == 0
    client.request("POST", "/_local/clock", {"advance": {"hours": 1}})
    assert toys.LOG == [("a", "2024-02-28T01:00:00Z")]
    assert client.request("POST", "/_local/reset", {})[2] == {"now": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/_local/mail/a@b.example", {"outcome": "lost"}),
        ("PUT", "/_local/mail/a@b.example", {}),
        ("PUT", "/_local/gateway/methods/tok_1", {"outcomes": []}),
        ("PUT", "/_local/gateway/methods/tok_1", {"outcomes": ["exploded"]}),
        ("POST", "/_local/faults", {"crash": 1.5}),
        ("POST", "/_local/faults", {"crash": "often"}),
        ("POST", "/_local/faults", {"seed": 1.5}),
        ("POST", "/_local/faults", {"fail_customers": "cus_1"}),
        ("POST", "/_local/faults", {"nonsense": 1}),
        ("POST", "/_local/reset", {"now": "yesterday"}),
    ],
)
def test_what_local_endpoints_cannot_read_is_422(client, method, path, body):
    assert status_of(client.request(method, path, body)) == 422


def test_unknown_local_endpoints_are_404_and_405(client):
    assert status_of(client.request("GET", "/_local/nothing")) == 404
    assert status_of(client.request("DELETE", "/_local/clock")) == 405
    assert status_of(client.request("GET", "/_local/emails/1.eml")) == 404
    assert status_of(client.request("GET", "/_local/emails/x.eml")) == 404


# ---- the socket ---------------------------------------------------------------------------------


@pytest.fixture
def connection(cloud):
    server = Server(App(cloud), port=0)
    thread = Thread(target=server.serve)
    thread.start()
    made = http.client.HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]), timeout=10)
    yield made
    made.close()
    server.stop()
    thread.join(timeout=10)
    assert not thread.is_alive()


def test_requests_go_through_a_socket_that_stays_open(connection):
    for _ in range(2):
        connection.request("GET", "/v1/things?x=1", headers={"Authorization": "Bearer local-viewer"})
        response = connection.getresponse()
        assert response.status == 200
        assert json.loads(response.read())["claims"]["cognito:groups"] == "viewer"


def test_head_answers_as_get_does_without_the_body(connection):
    connection.request("GET", "/_local/clock")
    got = connection.getresponse()
    length = len(got.read())
    connection.request("HEAD", "/_local/clock")
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"")
    assert int(response.headers["Content-Length"]) == length


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": "10485761"}, 413),
        ({"Content-Length": "9" * 100}, 413),
        ({"Content-Length": "-1"}, 400),
        ({"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_a_body_that_cannot_be_taken_is_refused_unread(connection, headers, status):
    connection.putrequest("POST", "/v1/things")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == status
    assert response.headers["Content-Type"] == "application/problem+json"


def test_who_sends_far_too_much_before_listening_hears_that_it_is_too_much(connection):
    connection.request("POST", "/v1/things", b"x" * (30 * 1024 * 1024))  # more than the sockets hold between them
    assert connection.getresponse().status == 413


def test_bytes_that_are_no_text_reach_the_function_as_base64(connection):
    toys.BEHAVIOUR["api"] = lambda event: {
        "statusCode": 200,
        "headers": {"Content-Type": "application/pdf"},
        "body": base64.b64encode(base64.b64decode(event["body"]) * 2).decode(),
        "isBase64Encoded": True,
    }
    connection.request("POST", "/v1/things", b"\xff\xfe", {"Authorization": "Bearer local-admin"})
    response = connection.getresponse()
    assert response.read() == b"\xff\xfe\xff\xfe"
    assert response.headers["Content-Type"] == "application/pdf"

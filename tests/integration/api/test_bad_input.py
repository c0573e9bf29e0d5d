"""Whatever a body, a header or a query holds, the answer is never a server error. QUALITY "Bad input"."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.admin_api.routing import ENDPOINTS
from shared import bootstrap
from tests.integration.api.client import Client, new_ports

NASTY = [
    None, True, False, 0, -1, 1, 10**30, -(10**30), 1.5, 1e308, "", " ", "0", "-0", "-1", "1.00", "1e30", "NaN",
    "Infinity",
    "9" * 40, "1" * 5_000, "0." + "0" * 40 + "1", "null", "\x00", "a\r\nBcc: b@c.example", "\ud800", "\u202e",
    "ä" * 200, "💥",
    "{{ ''.__class__ }}", "{% for x in range(10**9) %}", "=cmd|' /C calc'!A0", "'; DROP TABLE x; --",
    "../../etc/passwd",
    "2026-02-29", "2024-02-29", "0000-00-00", "9999-12-31", "2026-01-01", "2026-01-01T00:00:00Z", "24:00", "USD", "JPY",
    "cus_acme", "con_1", "chg_1", "inv_1", "pm_1", "cls_standard", "cus_" + "x" * 60, "* * * * *", "0 0 31 2 *",
    "@reboot",
    "UTC", "Europe/Berlin", "email", "print", "credit", "debit", "recurring", "usage", "one_time", "check", "month",
    [], {},
    [None], [[]], [{}], {"": None}, {"type": "recurring"}, {"$ref": "#"}, ["email"] * 3, list(range(50)),
]  # fmt: skip
DATES = ["2026-01-01", "2025-12-01", "2026-01-15", "1900-01-01", "2999-12-31"]
FINE = [
    {"name": "A", "amount": "1.00"},
    {"name": "A", "type": "recurring", "amount": "1.00"},
    {"name": "A", "type": "usage", "metric": "gb", "unit_amount": "1.00"},
    {"id": "u1", "contract_id": "con_1", "metric": "gb", "quantity": "1", "occurred_at": "2026-01-01T00:00:00Z"},
]
values = st.sampled_from(NASTY) | st.sampled_from(DATES) | st.lists(st.sampled_from([*FINE, *NASTY]), max_size=3)
WITH_BODY = [e for e in ENDPOINTS if e.method in ("POST", "PUT", "PATCH")]


def bodies(endpoint):
    """Objects with the fields that the contract knows, most of them wrong, and now and then another one."""
    fields = st.sampled_from([*endpoint.body.model_fields, "version", "colour"])
    flat = st.dictionaries(fields, values, max_size=6)
    inner = st.sampled_from(["enabled", "name", "on", "type"])
    deep = st.dictionaries(fields, st.dictionaries(inner, values, max_size=2))
    return flat | deep


@pytest.fixture(scope="module")
def api():
    ports = new_ports()
    bootstrap.install(ports)
    client = Client(ports)
    client.customer(automations={"enabled": True})
    client.contract()
    card = {"id": "pm_1", "token": "tok_1", "brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030}
    client.made("/v1/customers/cus_acme/payment-methods", card)
    client.made("/v1/invoices", {"id": "inv_1", "customer_id": "cus_acme", "lines": FINE[:1], "post": True})
    client.made("/v1/invoices", {"id": "inv_2", "customer_id": "cus_acme", "lines": FINE[:1]})
    client.made("/v1/payments", {"id": "pay_1", "customer_id": "cus_acme", "amount": "0.10", "method": "cash"})
    yield client
    bootstrap.uninstall()


KNOWN = {
    "customer_id": "cus_acme", "contract_id": "con_1", "invoice_id": "inv_2", "payment_method_id": "pm_1",
    "class_id": "cls_standard", "automation": "past_due", "payment_id": "pay_1",
}  # fmt: skip


def path_of(endpoint) -> str:
    path = endpoint.path
    for name, value in KNOWN.items():
        path = path.replace(f"<{name}>", value)
    return path.replace("<", "").replace(">", "")


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=lambda e: f"{e.method} {e.path}")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_body_is_a_server_error(api, endpoint, data):
    body = data.draw(bodies(endpoint))
    reply = api(endpoint.method, path_of(endpoint), raw=json.dumps(body))
    assert reply.status < 500, (body, reply.text)
    if reply.status >= 400:
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.status != 422 or all(e["field"] and e["message"] for e in reply.json.get("errors", ()))


@pytest.mark.parametrize("endpoint", [e for e in ENDPOINTS if e.filters], ids=lambda e: f"{e.method} {e.path}")
@pytest.mark.parametrize("value", ["", "x", "-1", "null", "%00", "%0d%0aX:1", "\u202e", "9" * 5_000, "cus_1", "true"])
def test_no_query_is_a_server_error(api, endpoint, value):
    for name in endpoint.filters:
        assert api(endpoint.method, f"{path_of(endpoint)}?{name}={value}", {}).status < 500


@pytest.mark.parametrize("name", ["Idempotency-Key", "If-Match", "Content-Type", "Accept"])
@pytest.mark.parametrize("value", ["", "x", '"1"', "-1", "9" * 5_000, "ä", "a\r\nb", "*", 'W/"1"', "application/xml"])
def test_no_header_is_a_server_error(api, name, value):
    for endpoint in WITH_BODY:
        assert api(endpoint.method, path_of(endpoint), {}, headers={name: value}).status < 500


@pytest.mark.parametrize("endpoint", [e for e in ENDPOINTS if e.method == "GET"], ids=lambda e: e.path)
def test_reading_writes_nothing(api, endpoint):
    before = api.ports.store.dump()
    for path in (path_of(endpoint), path_of(endpoint).replace("inv_2", "inv_1"), f"{path_of(endpoint)}?limit=1"):
        assert api.get(path).status < 500 or path.endswith("/pdf")
    assert api.ports.store.dump() == before

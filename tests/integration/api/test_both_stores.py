"""The API answers the same, byte for byte, whichever store is behind it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from moto import mock_aws

from shared import bootstrap
from shared.storage.dynamo import DynamoStore
from tests.contract.tables import REGION, create_tables, table_name
from tests.integration.api.client import Client, new_ports

CURSOR = re.compile(r'"next_cursor":"[^"]+"')  # says where a store goes on, in the store's own words


def diary(api) -> list[tuple[int, str]]:
    """A day at the office, and everything that was answered."""
    said: list[tuple[int, str]] = []

    def ask(method, path, body=None, **more):
        reply = api(method, path, body, **more)
        said.append((reply.status, CURSOR.sub('"next_cursor":"…"', reply.text)))
        return reply

    ask(
        "PATCH",
        "/v1/settings",
        {"automations": {"send_new_invoices": {"enabled": True}}, "bill_run": {"auto_post": True}},
    )
    ask("PUT", "/v1/customer-classes/cls_gold", {"name": "Gold", "regular": {"terms_days": 60, "auto_charge": None}})
    for n in range(9):
        name = {"name": f"Kunde {n} ÄÖÜ", "email": f"ap{n}@acme.example", "class_id": "cls_gold"}
        ask("POST", "/v1/customers", {"id": f"cus_{n}", **name, "automations": {"enabled": bool(n % 2)}})
    ask("POST", "/v1/customers", {"id": "cus_1", "name": "Other"})
    ask("POST", "/v1/customers", {"name": "Keyed"}, headers={"Idempotency-Key": "k"})
    ask("POST", "/v1/customers", {"name": "Keyed"}, headers={"Idempotency-Key": "k"})
    ask("PATCH", "/v1/customers/cus_1", {"address": {"city": "Köln"}, "tax_rate_percent": "19"})
    ask("PATCH", "/v1/customers/cus_1", {"name": "x"}, headers={"If-Match": '"1"'})
    ask("PATCH", "/v1/customers/cus_2", {"external_id": "X"})
    ask("PATCH", "/v1/customers/cus_3", {"external_id": "X"})
    ask("PATCH", "/v1/customers/cus_2", {"external_id": None})
    ask("POST", "/v1/customers", {"id": "cus_x", "name": "X", "external_id": "X"})
    charges = [
        {"id": "chg_1", "name": "Support", "type": "recurring", "amount": "10.00", "quantity": "1.5"},
        {"id": "chg_2", "name": "Calls", "type": "usage", "metric": "min", "tier_mode": "volume",
         "tiers": [{"up_to": "10", "unit_amount": "0.05"}, {"up_to": None, "unit_amount": "0.04"}]},
    ]  # fmt: skip
    contract = {"id": "con_1", "name": "IT", "start_date": "2025-12-31", "bill_cycle_day": 31, "charges": charges}
    ask("POST", "/v1/customers/cus_1/contracts", contract)
    ask("POST", "/v1/contracts/con_1/changes", {"charge_id": "chg_1", "effective_on": "2026-02-01", "amount": "12.00"})
    record = {"contract_id": "con_1", "metric": "min", "quantity": "3.25", "occurred_at": "2026-01-01T10:00:00Z"}
    for _ in range(2):
        ask("POST", "/v1/usage", {"records": [{"id": f"u{n}", **record} for n in range(50)]})
    line = {"name": "Audit", "amount": "70.00", "service_start": "2025-12-01", "service_end": "2026-01-01"}
    for n in range(5):
        invoice = {"id": f"inv_{n}", "customer_id": "cus_1", "lines": [line] * (n * 200 + 1), "post": n < 4}
        ask("POST", "/v1/invoices", {**invoice, "invoice_date": "2025-11-01", "due_on": f"2025-12-{n + 10}"})
        api.ports.clock.advance(seconds=1)
    ask("PATCH", "/v1/invoices/inv_4", {"lines": [line] * 250})
    ask("POST", "/v1/payments", {"id": "pay_1", "customer_id": "cus_1", "amount": "100.00", "method": "transfer"})
    ask(
        "POST", "/v1/invoices/inv_2/adjustments", {"id": "adj_1", "kind": "credit", "amount": "1.19", "reason": "Sorry"}
    )
    ask("PUT", "/v1/invoices/inv_3/hold", {"reason": "dispute", "through": "2026-02-28"})
    ask("PUT", "/v1/customers/cus_1/pauses/past_due", {"through": "2026-03-31"})
    ask("POST", "/v1/bill-runs", {"id": "brn_1", "customer_ids": ["cus_1"]})
    ask("POST", "/v1/bill-runs", {"dry_run": True, "as_of": "2026-03-31"})
    ask("POST", "/v1/payment-runs", {"id": "prn_1"})
    hooks = {"url": "https://erp.example/hooks", "events": ["invoice.posted"]}
    for id in ("whk_a", "whk_b", "whk_a"):
        ask("POST", "/v1/webhook-endpoints", {"id": id, **hooks})
    ask("POST", "/v1/webhook-endpoints/whk_a/rotate", {"grace_hours": 1})
    ask("DELETE", "/v1/webhook-endpoints/whk_b")
    ask("POST", "/v1/invoices", {"id": "inv_told", "customer_id": "cus_1", "lines": [line], "post": True})
    for path in (
        "/v1/webhook-endpoints", "/v1/webhook-endpoints/whk_a", "/v1/webhook-endpoints/whk_a/deliveries",
        "/v1/settings", "/v1/settings/history", "/v1/customer-classes", "/v1/customers?limit=4",
        "/v1/customers?query=öü", "/v1/customers?external_id=X",
        "/v1/customers/cus_1", "/v1/customers/cus_1/automations", "/v1/customers/cus_1/account", "/v1/contracts/con_1",
        "/v1/customers/cus_1/timeline?limit=5", "/v1/customers/cus_1/timeline?planned=true",
        "/v1/customers/cus_2/timeline",
        "/v1/customers/cus_1/contracts", "/v1/invoices?customer_id=cus_1&limit=2",
        "/v1/invoices?payment_status=overdue",
        "/v1/invoices?status=draft", "/v1/invoices/inv_4", "/v1/invoices/inv_0/explain",
        "/v1/payments?invoice_id=inv_1",
        "/v1/payments", "/v1/notices?customer_id=cus_1", "/v1/notices?status=pending", "/v1/past-due", "/v1/bill-runs",
        "/v1/payment-runs/prn_1", "/v1/tasks", "/v1/customers/cus_none", "/v1/invoices?cursor=x",
    ):  # fmt: skip
        ask("GET", path)
    said.append((0, str([i["id"] for i in api.items("/v1/customers?limit=2")])))
    return said


def played(ports) -> list[tuple[int, str]]:
    bootstrap.install(ports)
    try:
        return diary(Client(ports))
    finally:
        bootstrap.uninstall()


@pytest.mark.moto
def test_a_day_is_answered_the_same_by_both_stores():
    in_memory = played(new_ports())
    with mock_aws():
        create_tables()
        store = DynamoStore(table_name, REGION, writer="test", sleep=lambda seconds: None)
        on_dynamodb = played(replace(new_ports(), store=store))
    assert on_dynamodb == in_memory
    assert {status for status, _ in in_memory} == {0, 200, 201, 204, 404, 409, 412, 422}

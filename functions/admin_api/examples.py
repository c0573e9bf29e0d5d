"""A body for each route that takes one, as the OpenAPI document shows it; a test holds them against their schemas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "PATCH /v1/settings": {
        "business": {"name": "Sample Services"},
        "automations": {"send_new_invoices": {"enabled": True}},
    },
    "PUT /v1/bill-runs/{bill_run_id}/review/{invoice_id}": {"verdict": "right", "note": "As agreed in the contract"},
    "POST /v1/customer-classes": {"id": "cls_gold", "name": "Gold", "regular": {"terms_days": 14}},
    "PUT /v1/customer-classes/{class_id}": {"name": "Gold", "regular": {"terms_days": 10}},
    "POST /v1/customers": {
        "id": "cus_sample",
        "name": "Sample Ltd",
        "email": "ap@sample.example",
        "class_id": "cls_gold",
        "currency": "USD",
        "automations": {"enabled": True},
    },
    "PATCH /v1/customers/{customer_id}": {"external_id": "4711"},
    "PUT /v1/customers/{customer_id}/pauses/{automation}": {"through": "2026-03-31"},
    "PUT /v1/customers/{customer_id}/hold": {"reason": "dispute", "through": "2026-03-31"},
    "POST /v1/customers/{customer_id}/promises": {"id": "prm_sample", "date": "2026-03-15", "amount": "100.00"},
    "POST /v1/customers/{customer_id}/payment-methods": {
        "id": "pm_sample",
        "token": "tok_sample",
        "brand": "visa",
        "last4": "4242",
        "exp_month": 12,
        "exp_year": 2030,
    },
    "PUT /v1/customers/{customer_id}/autopay": {
        "enabled": True,
        "fall_through_on_decline": False,
        "rules": [
            {
                "id": "apr_sample",
                "payment_method_id": "pm_sample",
                "criteria": [{"type": "amount", "operator": "gte", "values": ["200.00"]}],
            }
        ],
    },
    "PATCH /v1/autopay-rules/{rule_id}": {"disabled": True},
    "POST /v1/customers/{customer_id}/contracts": {
        "id": "con_sample",
        "name": "Managed IT",
        "start_date": "2026-03-01",
        "bill_cycle_day": 1,
        "charges": [
            {
                "id": "chg_support",
                "name": "Support",
                "type": "recurring",
                "amount": "249.95",
                "quantity": "1",
                "interval": "month",
                "timing": "advance",
            },
            {
                "id": "chg_backup",
                "name": "Backup GB",
                "type": "usage",
                "metric": "gb",
                "unit_amount": "0.05",
                "interval": "month",
            },
        ],
    },
    "PATCH /v1/contracts/{contract_id}": {"name": "Managed IT, silver"},
    "POST /v1/usage": {
        "records": [
            {
                "id": "use-1",
                "contract_id": "con_sample",
                "metric": "gb",
                "quantity": "12.5",
                "occurred_at": "2026-03-01T09:00:00Z",
            }
        ]
    },
    "POST /v1/contracts/{contract_id}/changes": {
        "charge_id": "chg_support",
        "effective_on": "2026-03-15",
        "amount": "299.95",
    },
    "POST /v1/bill-runs": {"id": "brn_sample", "customer_ids": ["cus_sample"]},
    "POST /v1/invoices": {
        "id": "inv_sample",
        "customer_id": "cus_sample",
        "type": "out_of_turn",
        "lines": [{"name": "Site visit", "amount": "120.00"}],
        "post": False,
    },
    "PATCH /v1/invoices/{invoice_id}": {"lines": [{"name": "Site visit", "unit_amount": "60.00", "quantity": "2"}]},
    "PUT /v1/invoices/{invoice_id}/hold": {"reason": "other"},
    "POST /v1/invoices/{invoice_id}/adjustments": {"kind": "credit", "amount": "20.00", "reason": "Late arrival"},
    "POST /v1/invoices/{invoice_id}/charge": {"payment_method_id": "pm_sample"},
    "POST /v1/payment-runs": {"id": "prn_sample", "customer_ids": ["cus_sample"]},
    "POST /v1/payments": {
        "id": "pay_sample",
        "customer_id": "cus_sample",
        "amount": "50.00",
        "method": "check",
        "reference": "No. 1007",
    },
    "POST /v1/payments/{payment_id}/refund": {"amount": "10.00"},
    "POST /v1/contracts/{contract_id}/suspend": {"on": "2026-04-01"},
    "POST /v1/contracts/{contract_id}/resume": {"on": "2026-05-01"},
    "POST /v1/contracts/{contract_id}/end": {"on": "2026-07-01"},
    "POST /v1/webhook-endpoints": {
        "id": "whk_sample",
        "url": "https://erp.sample.example/hooks",
        "events": ["customer.suspended"],
    },
    "POST /v1/webhook-endpoints/{endpoint_id}/rotate": {"grace_hours": 48},
    "PUT /v1/templates/{name}": {
        "subject": "Hello {{ customer.name }}",
        "text": "Pay soon.",
        "html": "<p>Pay soon.</p>",
    },
    "POST /v1/templates/{name}/preview": {"customer_id": "cus_late"},
}

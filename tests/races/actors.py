"""Who may be at an invoice at the same time: the payment run, pages and admins at the API, and the gateway's word."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

from functions.admin_api import app
from functions.admin_api.routing import ENDPOINTS, respond
from functions.autopay.charge import charge
from shared.contracts.messages import ChargeInvoices
from shared.use_cases.hear_gateway import hear_gateway
from shared.use_cases.reconcile_payments import reconcile_payments

ADMIN = {"authorizer": {"claims": {"sub": "ada", "cognito:groups": "admin"}}}
assert app.ROUTERS  # the routes are there


def ask(method, path, body=None):
    """A request to the API, as its function carries it out: the status and what it answered."""
    for endpoint in ENDPOINTS:
        match = re.fullmatch(re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", endpoint.path), path)
        if endpoint.method == method and match:
            event = {"path": path, "httpMethod": method, "requestContext": ADMIN, "headers": {}}
            event["body"] = json.dumps(body) if body is not None else None
            answer = respond(endpoint, event, match.groupdict())
            return answer.status_code, json.loads(answer.body) if answer.body else None
    raise AssertionError(f"{method} {path} is no route")


def worker(run_id, chunk=0):
    """The payment run's worker at one chunk."""
    body = ChargeInvoices(run_id=run_id, chunk=chunk).body()
    return lambda: charge(SimpleNamespace(body=body))


def by_hand(invoice_id):
    """Someone charges the invoice now, from a page or as an admin."""
    return lambda: ask("POST", f"/v1/invoices/{invoice_id}/charge", {})


def cheque(payment_id, customer_id, amount, allocations=None):
    body = {"id": payment_id, "customer_id": customer_id, "amount": amount, "method": "check"}
    return lambda: ask("POST", "/v1/payments", body | ({"allocations": allocations} if allocations else {}))


def hold(invoice_id):
    return lambda: ask("PUT", f"/v1/invoices/{invoice_id}/hold", {"reason": "dispute"})


def hold_customer(customer_id):
    return lambda: ask("PUT", f"/v1/customers/{customer_id}/hold", {"reason": "dispute"})


def refund(payment_id, amount=None):
    return lambda: ask("POST", f"/v1/payments/{payment_id}/refund", {"amount": amount} if amount else {})


def memo(invoice_id, amount):
    return lambda: ask(
        "POST", f"/v1/invoices/{invoice_id}/adjustments", {"kind": "credit", "amount": amount, "reason": "x"}
    )


def void(invoice_id):
    return lambda: ask("POST", f"/v1/invoices/{invoice_id}/void")


def new_invoice(invoice_id, customer_id, amount):
    line = {"name": "Work", "amount": amount}
    body = {"id": invoice_id, "customer_id": customer_id, "type": "out_of_turn", "lines": [line], "post": True}
    return lambda: ask("POST", "/v1/invoices", body)


def forget_card(method_id):
    return lambda: ask("DELETE", f"/v1/payment-methods/{method_id}")


def switch_off():
    return lambda: ask("PATCH", "/v1/settings", {"payment_run": {"enabled": False}})


def reconcile(ports):
    return lambda: reconcile_payments(ports)


def webhook(ports, gateway, times=1):
    """The gateway tells of its first charge, perhaps more than once."""

    def tell():
        for _ in range(times):
            body, signature = gateway.webhook(gateway.charges[0])
            hear_gateway(body, signature, ports)

    return tell

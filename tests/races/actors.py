"""Who may be at an invoice at the same time: the payment run, pages and admins at the API, and the gateway's word."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

from functions.admin_api import app
from functions.admin_api.routing import ENDPOINTS, respond
from functions.autopay.charge import charge
from shared.bootstrap import ports_for_batch
from shared.contracts.messages import ChargeInvoices, RetryCharge
from shared.domain.errors import DomainError
from shared.domain.pay_link import Asked
from shared.ports import Conflict
from shared.use_cases.charge_invoice import NotProcessed
from shared.use_cases.hear_gateway import hear_gateway
from shared.use_cases.lookups import customer_of
from shared.use_cases.pay_invoices import pay_invoices
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
    return lambda: charge(SimpleNamespace(body=body), ports_for_batch())


def by_hand(invoice_id):
    """Someone charges the invoice now, from a page or as an admin."""
    return lambda: ask("POST", f"/v1/invoices/{invoice_id}/charge", {})


def page(ports, customer_id, nonce, *shown, method_id="pm_1"):
    """The customer submits his page, which showed him these (invoice, amount owed)."""

    def submit():
        asked = [Asked(invoice_id, amount_minor) for invoice_id, amount_minor in shown]
        try:
            pay_invoices(customer_of(ports, customer_id), nonce, method_id, asked, ports)
        except (Conflict, DomainError):
            pass  # nothing was charged, and he is told so

    return submit


def redriven(run_id, invoice_id, attempt):
    """A charge comes back from the dead letters."""
    body = RetryCharge(run_id=run_id, invoice_id=invoice_id, attempt=attempt).body()

    def again():
        try:
            charge(SimpleNamespace(body=body), ports_for_batch())
        except NotProcessed:
            pass  # it stays in its queue

    return again


def given_back_at_the_gateway(ports, gateway, amount_minor):
    """A person gives money back at the gateway's dashboard, which tells of it twice."""

    def give():
        charge_id = gateway.charges[0].id
        try:
            refund_id = gateway.refund_elsewhere(charge_id, amount_minor)
        except ValueError:
            return  # too much by now
        for _ in range(2):
            hear_gateway(*gateway.reversal_webhook(charge_id, "charge.refunded", refund_id), ports)

    return give


def disputed(ports, gateway, status="open"):
    def dispute():
        charge_id = gateway.charges[0].id
        kind = "charge.dispute.created" if status == "open" else "charge.dispute.closed"
        hear_gateway(*gateway.reversal_webhook(charge_id, kind, gateway.dispute(charge_id, status).id), ports)

    return dispute


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

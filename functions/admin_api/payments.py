"""Payments: attempts on cards, money recorded by hand, refunds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args

from functions.admin_api.calls import Answer, Call, one_of
from functions.admin_api.listing import PAGING, Source, indexed, page_of, stored
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_fields import id_of, refuse
from shared.contracts.api_payments import PaymentBody, RefundBody, payment_json, read_allocations, read_refund
from shared.domain.errors import NotFound
from shared.domain.invoice import Invoice
from shared.domain.payment import Method, Payment
from shared.ports import PAGE_LIMIT, PAYMENTS, PAYMENTS_BY_CUSTOMER, Entry
from shared.use_cases.lookups import customer_of, shards
from shared.use_cases.record_payment import ManualPayment, record_payment
from shared.use_cases.refund_payment import refund_payment

router = new_router()

STATUSES = ("pending", "succeeded", "declined", "failed", "unknown", "refunded")


@endpoint(
    router,
    "GET",
    "/v1/payments",
    filters={
        **PAGING,
        "customer_id": id_of("cus_"),
        "invoice_id": id_of("inv_"),
        "status": one_of(*STATUSES),
        "method": one_of(*get_args(Method)),
    },
)
def list_payments(call: Call[Any]) -> Answer:
    """Payments that pass all filters given; a customer's are in the order in which they were made.

    Credit that was applied came in with an earlier payment or a memo. So that sums count no money twice, it is listed
    only among what paid one invoice, or as method=credit.
    """
    tests: Mapping[str, Callable[[Payment, str], bool]] = {
        "customer_id": lambda p, value: p.customer_id == value,
        "invoice_id": lambda p, value: p.invoice_id == value or any(a.invoice_id == value for a in p.allocations),
        "status": lambda p, value: p.status == value,
        "method": lambda p, value: p.method == value,
    }
    asked = [(tests[name], value) for name, value in call.query.items() if name in tests]
    credit_too = "invoice_id" in call.query or "method" in call.query

    def keep(found: Sequence[Entry]) -> list[tuple[Entry, Payment]]:
        listed = [(e, p) for e, p in stored(call.ports, Payment, found) if credit_too or p.method != "credit"]
        return [(e, p) for e, p in listed if all(test(p, value) for test, value in asked)]

    return page_of(
        call, _sources(call), keep, lambda found: [payment_json(p) for p in found], ahead=PAGE_LIMIT if asked else 0
    )  # fmt: skip


def _sources(call: Call[Any]) -> list[Source[Entry]]:
    """An invoice's payments are among its customer's: one payment may pay several invoices."""
    customer_id = call.query.get("customer_id")
    if "invoice_id" in call.query:
        invoice = call.ports.store.get(Invoice, call.query["invoice_id"])
        if invoice is None:
            return []
        customer_id = invoice.customer_id
    if customer_id is not None:
        return indexed(call.ports, PAYMENTS_BY_CUSTOMER, customer_id)
    return indexed(call.ports, PAYMENTS, *shards())


@endpoint(router, "GET", "/v1/payments/<payment_id>")
def get_payment(call: Call[Any], payment_id: str) -> Answer:
    """One payment."""
    return Answer(200, payment_json(_payment(call, payment_id)))


@endpoint(router, "POST", "/v1/payments", body=PaymentBody, creates="pay_")
def post_payment(call: Call[PaymentBody]) -> Answer:
    """Record money that came in by cheque, transfer or cash. Without allocations it pays the oldest due first."""
    body, ports = call.body, call.ports
    try:
        customer = customer_of(ports, body.customer_id)
    except NotFound:
        refuse("customer_id", f"there is no customer {body.customer_id!r}")
    currency = body.currency or customer.currency
    amount, allocations = read_allocations(body, currency)
    manual = ManualPayment(
        id=ports.ids.new("pay_"), customer_id=customer.id, currency=currency, amount_minor=amount,
        method=body.method, reference=body.reference, allocations=allocations,
    )  # fmt: skip
    return Answer(201, payment_json(record_payment(manual, ports)))


@endpoint(router, "POST", "/v1/payments/<payment_id>/refund", body=RefundBody)
def post_refund(call: Call[RefundBody], payment_id: str) -> Answer:
    """Give back an amount of a payment, or all that is left of it."""
    amount = read_refund(call.body, _payment(call, payment_id).currency)
    return Answer(200, payment_json(refund_payment(payment_id, amount, call.ports, call.caller.id)))


def _payment(call: Call[Any], payment_id: str) -> Payment:
    payment = call.ports.store.get(Payment, payment_id)
    if payment is None:
        raise NotFound("payment", payment_id)
    return payment

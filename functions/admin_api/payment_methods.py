"""The payment methods of customers: gateway tokens."""

from __future__ import annotations

from typing import Any

from functions.admin_api.calls import Answer, Call
from functions.admin_api.listing import PAGING, Source, page_of, pairs
from functions.admin_api.once import forget_creation
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_fields import refuse
from shared.contracts.api_methods import MethodBody, method_json, read_method
from shared.domain.payment import PaymentMethod
from shared.ports import Page
from shared.use_cases.lookups import customer_of
from shared.use_cases.payment_methods import add_method, methods_of, remove_method

router = new_router()


@endpoint(router, "GET", "/v1/customers/<customer_id>/payment-methods", filters=PAGING)
def list_methods(call: Call[Any], customer_id: str) -> Answer:
    """A customer's payment methods, in the order in which they are used."""
    customer_of(call.ports, customer_id)
    methods: Source[PaymentMethod] = Source(
        lambda after, most: Page(methods_of(customer_id, call.ports)), lambda m: f"{m.created_at}{m.id}"
    )
    return page_of(call, [methods], pairs, lambda found: [method_json(m) for m in found])


@endpoint(router, "POST", "/v1/customers/<customer_id>/payment-methods", body=MethodBody, creates="pm_")
def post_method(call: Call[MethodBody], customer_id: str) -> Answer:
    """Keep a gateway token for a customer."""
    problem = call.ports.gateway.token_problem(call.body.token)
    if problem is not None:
        refuse("token", problem)
    method = read_method(call.body, call.ports.ids.new("pm_"), customer_id)
    made = add_method(method, call.ports)
    return Answer(201 if made.fresh else 200, method_json(made.entity))


@endpoint(router, "DELETE", "/v1/payment-methods/<payment_method_id>")
def delete_method(call: Call[Any], payment_method_id: str) -> Answer:
    """Forget a payment method; its id stays taken."""
    remove_method(payment_method_id, call.ports)
    forget_creation(payment_method_id, call.ports)
    return Answer(204)

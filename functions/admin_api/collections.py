"""What a person does about a customer past due: note a promise, confirm a termination, restore service."""

from __future__ import annotations

from typing import Any

from functions.admin_api.calls import Answer, Call
from functions.admin_api.once import forget_creation
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_collections import PromiseBody, promise_json, read_promise
from shared.contracts.api_customers import customer_json
from shared.domain.customer import Customer
from shared.use_cases.erase_customer import erase_customer
from shared.use_cases.lookups import customer_of
from shared.use_cases.promises import make_promise, withdraw_promise
from shared.use_cases.restore_service import restore_service, terminate_service

router = new_router()


@endpoint(router, "POST", "/v1/customers/<customer_id>/promises", body=PromiseBody, creates="prm_")
def post_promise(call: Call[PromiseBody], customer_id: str) -> Answer:
    """Note a promise to pay: past-due notices and service steps wait through its date."""
    customer = customer_of(call.ports, customer_id)
    promise = read_promise(call.body, call.ports.ids.new("prm_"), customer, call.caller.id)
    return Answer(201, promise_json(make_promise(customer_id, promise, call.ports), customer))


@endpoint(router, "DELETE", "/v1/customers/<customer_id>/promises")
def delete_promise(call: Call[Any], customer_id: str) -> Answer:
    """Forget the promise to pay; collections go on."""
    withdraw_promise(customer_id, call.ports)
    return Answer(204)


@endpoint(router, "POST", "/v1/customers/<customer_id>/terminate")
def post_terminate(call: Call[Any], customer_id: str) -> Answer:
    """Confirm a termination of service that is due; it is final."""
    return Answer(200, _served(terminate_service(customer_id, call.caller.id, call.ports)))


@endpoint(router, "POST", "/v1/customers/<customer_id>/restore")
def post_restore(call: Call[Any], customer_id: str) -> Answer:
    """Restore service; it stays so until the episode ends or a more severe step is reached."""
    return Answer(200, _served(restore_service(customer_id, call.caller.id, call.ports)))


@endpoint(router, "POST", "/v1/customers/<customer_id>/erase")
def post_erase(call: Call[Any], customer_id: str) -> Answer:
    """Remove the personal data of a terminated customer; the accounts stay."""
    erased = erase_customer(customer_id, call.ports, lambda id: forget_creation(id, call.ports))
    return Answer(200, _served(erased))


def _served(customer: Customer) -> dict[str, Any]:
    return {**customer_json(customer), "service": customer.service}

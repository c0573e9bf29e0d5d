"""Pay links: the customer's way in without a password. PRODUCT 11."""

from __future__ import annotations

from typing import Any

from functions.admin_api.calls import Answer, Call
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_fields import rfc3339
from shared.use_cases.pay_links import create_link, revoke_links

router = new_router()


@endpoint(router, "POST", "/v1/customers/<customer_id>/pay-link", secret=True)
def post_pay_link(call: Call[Any], customer_id: str) -> Answer:
    """A link to the customer's page, good for `pay_link.expires_days`; each request makes another."""
    url, link = create_link(customer_id, call.ports)
    return Answer(200, {"url": url, "expires_at": rfc3339(link.expires_at)})


@endpoint(router, "DELETE", "/v1/customers/<customer_id>/pay-link")
def delete_pay_links(call: Call[Any], customer_id: str) -> Answer:
    """Revoke every link of the customer, also those in mails and documents that are out."""
    revoke_links(customer_id, call.ports)
    return Answer(204)

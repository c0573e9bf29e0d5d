"""Customers: search, one account, and who is past due."""

from __future__ import annotations

from typing import Any, Final

from functions.console.api import Api
from functions.console.rendering import Answer, html
from functions.console.requests import ConsoleRequest
from functions.console.today import names_of
from functions.console.views import frame, view
from shared.bootstrap import ports
from shared.contracts.api_invoices import invoice_json
from shared.domain.invoice import Invoice
from shared.ports import INVOICES_BY_CUSTOMER
from shared.use_cases.lookups import customer_of, settings_of, today

FOUND_SHOWN: Final = 25
INVOICES_SHOWN: Final = 15
PAST_SHOWN: Final = 40  # entries of a timeline
TIMELINE_MAX: Final = 200
PAST_DUE_SHOWN: Final = 25
AUTOMATIONS: Final = ("send_new_invoices", "account_summary", "past_due")


def search(request: ConsoleRequest, api: Api) -> Answer:
    asked = {"query": request.query.get("query", ""), "cursor": request.query.get("cursor", "")}
    found = api.get("/v1/customers", limit=FOUND_SHOWN, **asked)
    if request.by_script:
        return html("customers_found", **frame(request, settings_of(ports())), found=found, query=asked["query"])
    return view(request, api, "customers", "/customers", found=found, query=asked["query"])


def show(request: ConsoleRequest, api: Api) -> Answer:
    id = request.id()
    customer = api.get(f"/v1/customers/{id}")
    on = str(today(ports(), customer_of(ports(), id), settings_of(ports())))
    return view(
        request, api, "customer", "/customers", customer=customer, today=on,
        account=api.get(f"/v1/customers/{id}/account"),
        switches=api.get(f"/v1/customers/{id}/automations"), automations=AUTOMATIONS,
        contracts=api.items(f"/v1/customers/{id}/contracts"),
        methods=api.items(f"/v1/customers/{id}/payment-methods"),
        invoices=_latest_invoices(id, on),
        classes={c["id"]: c["name"] for c in api.items("/v1/customer-classes", limit=200)},
    )  # fmt: skip


def _latest_invoices(customer_id: str, on: str) -> list[dict[str, Any]]:
    """Newest first, without their lines."""
    store = ports().store
    found = store.find(INVOICES_BY_CUSTOMER, customer_id, limit=INVOICES_SHOWN, reverse=True).items
    day = today(ports(), customer_of(ports(), customer_id), settings_of(ports()))
    return [invoice_json(i, (), day, None) for i in store.get_many(Invoice, [e.key for e in found])]


def timeline(request: ConsoleRequest, api: Api) -> Answer:
    """What happened and is planned; asked for by the customer's page once that stands."""
    id = request.id()
    found = api.get(f"/v1/customers/{id}/timeline", limit=TIMELINE_MAX)
    planned = [e for e in found["items"] if e["planned"]]
    past = [e for e in found["items"] if not e["planned"]][::-1]
    data: dict[str, Any] = {
        "planned": planned,
        "past": past[:PAST_SHOWN],
        "more": len(past) > PAST_SHOWN or found["next_cursor"],
    }
    if request.by_script:
        return html("timeline_parts", **frame(request, settings_of(ports())), **data)
    customer = api.get(f"/v1/customers/{id}")
    return view(request, api, "timeline", "/customers", customer=customer, **data)


def pay_link(request: ConsoleRequest, api: Api) -> Answer:
    """A fresh link, shown once."""
    id = request.id()
    made = api.send("POST", f"/v1/customers/{id}/pay-link")
    return view(request, api, "pay_link", "/customers", customer=api.get(f"/v1/customers/{id}"), link=made)


def past_due(request: ConsoleRequest, api: Api) -> Answer:
    found = api.get("/v1/past-due", limit=PAST_DUE_SHOWN, cursor=request.query.get("cursor", ""))
    names = names_of(i["customer_id"] for i in found["items"])
    tiers = api.get("/v1/settings")["automations"]["past_due"]["tiers"]
    return view(request, api, "past_due", "/past-due", found=found, names=names, tiers=tiers)

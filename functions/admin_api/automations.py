"""What Paidup may do towards a customer, and why not: automations, pauses and holds. PRODUCT 2."""

from __future__ import annotations

from typing import Any

from functions.admin_api.calls import Answer, Call
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_customers import HoldBody, PauseBody, hold_json
from shared.contracts.api_fields import iso
from shared.domain.customer import Hold, why_off
from shared.domain.errors import NotFound
from shared.domain.invoice import InvoiceHold
from shared.domain.settings import AUTOMATIONS, Automation
from shared.use_cases.lookups import customer_of, settings_of, today
from shared.use_cases.pauses_and_holds import hold_customer, hold_invoice, pause, unpause

router = new_router()


@endpoint(router, "GET", "/v1/customers/<customer_id>/automations")
def get_automations(call: Call[Any], customer_id: str) -> Answer:
    """For each automation whether it acts for this customer today, and the first thing that turns it off."""
    customer, settings = customer_of(call.ports, customer_id), settings_of(call.ports)
    on = today(call.ports, customer, settings)
    shown: dict[str, Any] = {}
    for automation in AUTOMATIONS:
        reason = why_off(automation, customer, settings, on)
        shown[automation] = {"effective": reason is None, "reason": reason}
        waiting = customer.hold if customer.on_hold(on) else customer.promise
        stop = {"paused": customer.pause(automation), "on_hold": waiting}.get(reason or "")
        if stop is not None:
            shown[automation]["until"] = iso(stop.through)
    return Answer(200, shown)


@endpoint(router, "PUT", "/v1/customers/<customer_id>/pauses/<automation>", body=PauseBody)
def put_pause(call: Call[PauseBody], customer_id: str, automation: str) -> Answer:
    """Keep an automation quiet through a date, or until unpaused."""
    name = _automation(automation)
    pause(customer_id, name, call.body.through, call.ports)
    return Answer(200, {"automation": name, "through": iso(call.body.through)})


@endpoint(router, "DELETE", "/v1/customers/<customer_id>/pauses/<automation>")
def delete_pause(call: Call[Any], customer_id: str, automation: str) -> Answer:
    """Let an automation act again."""
    unpause(customer_id, _automation(automation), call.ports)
    return Answer(204)


@endpoint(router, "PUT", "/v1/customers/<customer_id>/hold", body=HoldBody)
def put_customer_hold(call: Call[HoldBody], customer_id: str) -> Answer:
    """Put all collection from a customer on hold."""
    hold = Hold(call.body.reason, call.body.through)
    return Answer(200, hold_json(hold_customer(customer_id, hold, call.ports).hold))


@endpoint(router, "DELETE", "/v1/customers/<customer_id>/hold")
def delete_customer_hold(call: Call[Any], customer_id: str) -> Answer:
    """Let collection from a customer go on."""
    hold_customer(customer_id, None, call.ports)
    return Answer(204)


@endpoint(router, "PUT", "/v1/invoices/<invoice_id>/hold", body=HoldBody)
def put_invoice_hold(call: Call[HoldBody], invoice_id: str) -> Answer:
    """Put the collection of one invoice on hold."""
    hold = InvoiceHold(call.body.reason, call.body.through)
    return Answer(200, hold_json(hold_invoice(invoice_id, hold, call.ports).hold))


@endpoint(router, "DELETE", "/v1/invoices/<invoice_id>/hold")
def delete_invoice_hold(call: Call[Any], invoice_id: str) -> Answer:
    """Let the collection of an invoice go on."""
    hold_invoice(invoice_id, None, call.ports)
    return Answer(204)


def _automation(name: str) -> Automation:
    found = next((a for a in AUTOMATIONS if a == name), None)
    if found is None:
        raise NotFound("automation", name)
    return found

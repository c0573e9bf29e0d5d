"""What the buttons do: each is one call of the API, and where it leads back to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from functions.console.api import Api
from functions.console.requests import ConsoleRequest
from shared.domain.values import dataclass

SWITCH: Final[Mapping[str, bool | None]] = {"on": True, "off": False, "inherit": None}


@dataclass(frozen=True, slots=True)
class Action:
    """A form of `path` calls `api`; then `back` is shown, with `done` said.

    `fields` go into the body by their names as far as they are filled in; a dot puts one into a group.
    """

    path: str
    method: str
    api: str
    back: str
    done: str
    fields: tuple[str, ...] = ()

    def run(self, request: ConsoleRequest, api: Api) -> str:
        """Make the call; where to go. Raises Refusal."""
        body = body_of(request, self.fields) if self.method in ("POST", "PUT", "PATCH") else None
        api.send(self.method, self.api.format(**request.parameters), body)
        return request.url(self.back.format(**request.parameters), done=self.done)


def body_of(request: ConsoleRequest, names: tuple[str, ...]) -> dict[str, Any]:
    """What the form's fields say. Switches are on, off or as for everybody; what is empty is left out."""
    body: dict[str, Any] = {}
    for name in names:
        value = request.fields.one(name)
        *groups, last = name.split(".")
        at = body
        for group in groups:
            at = at.setdefault(group, {})
        if groups == ["automations"]:
            at[last] = SWITCH.get(value)
        elif value:
            at[last] = value
    return body


CUSTOMER: Final = "/customers/{id}"
PAUSE: Final = "/v1/customers/{id}/pauses/{automation}"
ACTIONS: Final = (
    Action("/runs/{id}/post", "POST", "/v1/bill-runs/{id}/post", "/runs/{id}", "posted"),
    Action("/runs/{id}/send", "POST", "/v1/bill-runs/{id}/send", "/runs/{id}", "mailed"),
    Action("/runs/{id}/cancel", "POST", "/v1/bill-runs/{id}/cancel", "/runs/{id}", "cancelled"),
    Action(
        "/runs/{id}/review/{invoice}", "PUT", "/v1/bill-runs/{id}/review/{invoice}", "/runs/{id}/review", "noted",
        ("verdict", "note"),
    ),
    Action("/invoices/{id}/post", "POST", "/v1/invoices/{id}/post", "/invoices/{id}", "posted"),
    Action("/invoices/{id}/void", "POST", "/v1/invoices/{id}/void", "/invoices/{id}", "voided"),
    Action("/invoices/{id}/send", "POST", "/v1/invoices/{id}/send", "/invoices/{id}", "mailed"),
    Action(
        "/invoices/{id}/charge", "POST", "/v1/invoices/{id}/charge", "/invoices/{id}", "charged",
        ("payment_method_id",),
    ),
    Action(
        "/invoices/{id}/adjust", "POST", "/v1/invoices/{id}/adjustments", "/invoices/{id}", "adjusted",
        ("kind", "amount", "reason"),
    ),
    Action(
        "/invoices/{id}/payments/{payment}/refund", "POST", "/v1/payments/{payment}/refund", "/invoices/{id}",
        "refunded", ("amount",),
    ),
    Action("/invoices/{id}/hold", "PUT", "/v1/invoices/{id}/hold", "/invoices/{id}", "held", ("reason", "through")),
    Action("/invoices/{id}/release", "DELETE", "/v1/invoices/{id}/hold", "/invoices/{id}", "released"),
    Action(
        f"{CUSTOMER}/automations", "PATCH", "/v1/customers/{id}", CUSTOMER, "saved",
        ("automations.enabled", "automations.send_new_invoices", "automations.account_summary", "automations.past_due"),
    ),
    Action(f"{CUSTOMER}/pauses/{{automation}}", "PUT", PAUSE, CUSTOMER, "paused", ("through",)),
    Action(f"{CUSTOMER}/pauses/{{automation}}/end", "DELETE", PAUSE, CUSTOMER, "resumed"),
    Action(f"{CUSTOMER}/hold", "PUT", "/v1/customers/{id}/hold", CUSTOMER, "held", ("reason", "through")),
    Action(f"{CUSTOMER}/release", "DELETE", "/v1/customers/{id}/hold", CUSTOMER, "released"),
    Action(f"{CUSTOMER}/promise", "POST", "/v1/customers/{id}/promises", CUSTOMER, "promised", ("date", "amount")),
    Action(f"{CUSTOMER}/promise/withdraw", "DELETE", "/v1/customers/{id}/promises", CUSTOMER, "forgotten"),
    Action(f"{CUSTOMER}/terminate", "POST", "/v1/customers/{id}/terminate", CUSTOMER, "terminated"),
    Action(f"{CUSTOMER}/restore", "POST", "/v1/customers/{id}/restore", CUSTOMER, "restored"),
    Action(f"{CUSTOMER}/pay-link/revoke", "DELETE", "/v1/customers/{id}/pay-link", CUSTOMER, "revoked"),
    Action(f"{CUSTOMER}/methods/{{method}}/remove", "DELETE", "/v1/payment-methods/{method}", CUSTOMER, "removed"),
    Action("/contracts/{id}/suspend", "POST", "/v1/contracts/{id}/suspend", "/contracts/{id}", "suspended", ("on",)),
    Action("/contracts/{id}/resume", "POST", "/v1/contracts/{id}/resume", "/contracts/{id}", "serving", ("on",)),
    Action("/contracts/{id}/end", "POST", "/v1/contracts/{id}/end", "/contracts/{id}", "ended", ("on",)),
    Action("/contracts/{id}/name", "PATCH", "/v1/contracts/{id}", "/contracts/{id}", "saved", ("name",)),
    Action("/tasks/{id}/done", "POST", "/v1/tasks/{id}/done", "", "done"),
    Action("/dead-letters/{id}/redrive", "POST", "/v1/dead-letters/{id}/redrive", "", "redriven"),
    Action("/notices/{id}/resend", "POST", "/v1/notices/{id}/resend", "", "resent"),
    Action("/webhooks/{id}/enable", "POST", "/v1/webhook-endpoints/{id}/enable", "/webhooks/{id}", "enabled"),
    Action("/webhooks/{id}/remove", "DELETE", "/v1/webhook-endpoints/{id}", "/webhooks", "removed"),
    Action(
        "/webhooks/{id}/deliveries/{delivery}/redeliver", "POST",
        "/v1/webhook-endpoints/{id}/deliveries/{delivery}/redeliver", "/webhooks/{id}", "redelivered",
    ),
)  # fmt: skip


def record_payment(request: ConsoleRequest, api: Api) -> str:
    """Money that came in by cheque or transfer: the oldest due is paid first."""
    body = body_of(request, ("amount", "method", "reference", "currency"))
    api.send("POST", "/v1/payments", {"customer_id": request.id(), **body})
    return request.url(f"/customers/{request.id()}", done="recorded")

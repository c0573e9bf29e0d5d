"""The admin API: one function behind every `/v1` route. API.md."""

from __future__ import annotations

from typing import Any, Final

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response

from functions.admin_api import (
    accounts,
    audit,
    automations,
    autopay,
    bill_runs,
    classes,
    collections,
    contracts,
    customers,
    dead_letters,
    explain,
    exporting,
    health,
    importing,
    invoice_actions,
    invoices,
    notices,
    openapi,
    pay_links,
    payment_methods,
    payment_runs,
    payments,
    rehearsals,
    reports,
    settings,
    tasks,
    templates,
    usage,
    webhooks,
)
from functions.admin_api.problems import NoSuchPath, NotAllowedHere
from functions.admin_api.routing import ENDPOINTS, failed, methods_at
from shared.observability import observed

ROUTERS: Final = (
    accounts.router,
    audit.router,
    automations.router,
    bill_runs.router,
    autopay.router,
    classes.router,
    collections.router,
    contracts.router,
    customers.router,
    dead_letters.router,
    explain.router,
    exporting.router,
    health.router,
    importing.router,
    invoice_actions.router,
    invoices.router,
    notices.router,
    openapi.router,
    pay_links.router,
    payment_methods.router,
    payment_runs.router,
    payments.router,
    rehearsals.router,
    reports.router,
    settings.router,
    tasks.router,
    templates.router,
    usage.router,
    webhooks.router,
)

resolver = APIGatewayRestResolver()
for _router in ROUTERS:
    resolver.include_router(_router)


@resolver.not_found
def nothing_there(error: Exception) -> Response[str]:
    """405 where the path exists with another method, else 404."""
    event = resolver.current_event
    allowed = methods_at(str(event.path))
    # The resolver knows no ids with odd characters in them; there is nothing at such an id, whatever the method.
    elsewhere = allowed and event.http_method not in allowed
    return failed(NotAllowedHere(allowed) if elsewhere else NoSuchPath())


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    answer: dict[str, Any] = resolver.resolve(event, context)
    return answer


__all__ = ["ENDPOINTS", "lambda_handler"]

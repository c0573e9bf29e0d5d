"""Why things happened to an invoice, or did not."""

from __future__ import annotations

from typing import Any

from functions.admin_api.autopay import explain_autopay
from functions.admin_api.calls import Answer, Call
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_accounts import stops_json
from shared.contracts.api_explain import step_json
from shared.use_cases.explain_invoice import Step, explain_invoice
from shared.use_cases.lookups import invoice_of

router = new_router()


@endpoint(router, "GET", "/v1/invoices/<invoice_id>/explain")
def explain(call: Call[Any], invoice_id: str) -> Answer:
    """The decision record: why (not) billed, posted, mailed, collected, chased, and which autopay rule pays."""
    why = explain_invoice(invoice_id, call.ports)
    shown = {
        "billed": _step(why.billed),
        "posted": _step(why.posted),
        "mailed": _step(why.mailed),
        "collected": _step(why.collected),
        "chased": {**_step(why.chased), "stopped_by": stops_json(why.stops)},
        "autopay": explain_autopay(invoice_of(call.ports, invoice_id), call.ports),
    }
    return Answer(200, shown)


def _step(step: Step) -> dict[str, Any]:
    return step_json(step.done, step.reason, step.at, step.next_on)

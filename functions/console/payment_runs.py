"""Payment runs: the list, one run with what became of each invoice, and one that is started by hand. PRODUCT 7."""

from __future__ import annotations

from typing import Any, Final

from functions.console.api import Api
from functions.console.forms import typed
from functions.console.rendering import Answer
from functions.console.requests import ConsoleRequest
from functions.console.runs import run_asked, watched
from functions.console.today import names_of
from functions.console.views import view
from shared.bootstrap import ports
from shared.contracts.api_payments import payment_json, payment_run_json
from shared.domain.invoice import Invoice
from shared.use_cases.look_today import latest_payment_runs
from shared.use_cases.payment_runs import attempts_of, run_of

RUNS_SHOWN: Final = 30
ATTEMPTS_SHOWN: Final = 200
SKIPPED_SHOWN: Final = 50  # on one page
UNDER_WAY: Final = ("pending", "waiting", "collecting")
PAID: Final = ("succeeded", "refunded")


def show_list(request: ConsoleRequest, api: Api) -> Answer:
    found = latest_payment_runs(ports(), RUNS_SHOWN)
    api.get("/v1/payment-runs", limit=1)  # whoever may not see them is told so there
    return view(
        request, api, "payment_runs", "/payment-runs", runs=[payment_run_json(r, {}, {}) for r in found],
        today=str(ports().clock.now().date()), given=typed(request.fields),
    )  # fmt: skip


def start(request: ConsoleRequest, api: Api) -> str:
    """Start a run; where it is shown."""
    made = api.send("POST", "/v1/payment-runs", run_asked(request, ("as_of",)))
    return request.url(f"/payment-runs/{made['id']}", done="collecting")


def show(request: ConsoleRequest, api: Api) -> Answer:
    """What was charged, what went wrong first; and page by page what was skipped."""
    run = api.get(f"/v1/payment-runs/{request.id()}")
    skipped = api.get(
        f"/v1/payment-runs/{request.id()}/skipped", limit=SKIPPED_SHOWN, cursor=request.query.get("cursor", "")
    )
    attempts = [payment_json(a) for a in attempts_of(run_of(ports(), request.id()), ports(), ATTEMPTS_SHOWN)]
    attempts.sort(key=lambda a: a["status"] in PAID)
    invoices = _invoices([a["invoice_id"] for a in attempts] + [s["invoice_id"] for s in skipped["items"]])
    return view(
        request, api, "payment_run", "/payment-runs", run=run, under_way=run["status"] in UNDER_WAY, attempts=attempts,
        skipped=skipped, invoices=invoices, names=names_of(i.customer_id for i in invoices.values()),
        later=bool(request.query.get("cursor")), attempts_max=ATTEMPTS_SHOWN,
    )  # fmt: skip


def progress(request: ConsoleRequest, api: Api) -> Answer:
    run = api.get(f"/v1/payment-runs/{request.id()}")
    return watched(request, "payment_run_progress", run, run["status"] in UNDER_WAY)


def _invoices(ids: list[str]) -> dict[str, Any]:
    found = ports().store.get_many(Invoice, [(id, "") for id in dict.fromkeys(ids)])
    return {i.id: i for i in found}

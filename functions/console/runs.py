"""Bill runs: the list, one run with its drafts, and what a run would make."""

from __future__ import annotations

from typing import Any, Final

from functions.console.api import Api
from functions.console.forms import typed
from functions.console.rendering import Answer, html
from functions.console.requests import ConsoleRequest
from functions.console.today import names_of
from functions.console.views import frame, view
from shared.bootstrap import ports
from shared.contracts.api_bill_runs import bill_run_json
from shared.domain.invoice import Invoice
from shared.domain.money import format_minor
from shared.domain.spot_check import previous_of
from shared.ports import INVOICES_BY_CUSTOMER
from shared.use_cases.look_today import drafts_of, latest_bill_runs
from shared.use_cases.lookups import invoice_of, settings_of

RUNS_SHOWN: Final = 30
DRAFTS_SHOWN: Final = 50  # on one page of a run
DRAFTS_MAX: Final = 1_000  # that can be paged through; the flagged among them come first
LOOKED_BACK: Final = 100  # invoices, for the one before
UNDER_WAY: Final = ("pending", "generating", "posting")


def show_list(request: ConsoleRequest, api: Api) -> Answer:
    found = latest_bill_runs(ports(), RUNS_SHOWN)
    api.get("/v1/bill-runs", limit=1)  # whoever may not see them is told so there
    return view(
        request, api, "runs", "/runs", runs=[bill_run_json(r, {}, {}, (), {}) for r in found],
        today=str(ports().clock.now().date()), classes=api.items("/v1/customer-classes", limit=200), preview=None,
        given=typed(request.fields),
    )  # fmt: skip


def preview(request: ConsoleRequest, api: Api) -> Answer:
    """What a run would make, with nothing written."""
    found = api.send("POST", "/v1/bill-runs", {**asked(request), "dry_run": True})
    names = names_of(i["customer_id"] for i in found["invoices"])
    return view(request, api, "preview", "/runs", preview=found, names=names, asked=asked(request))


def start(request: ConsoleRequest, api: Api) -> str:
    """Start a run; where it is shown."""
    made = api.send("POST", "/v1/bill-runs", asked(request))
    return request.url(f"/runs/{made['id']}", done="started")


def asked(request: ConsoleRequest) -> dict[str, Any]:
    """The body that the form of a bill run stands for."""
    chosen = {
        name: request.fields.one(name) == "yes" for name in ("auto_post", "auto_email") if request.fields.one(name)
    }
    return run_asked(request, ("as_of", "class_id")) | chosen


def run_asked(request: ConsoleRequest, names: tuple[str, ...]) -> dict[str, Any]:
    """What a form says about a run of any kind; the ids of customers stand with commas or spaces between."""
    ids = request.fields.one("customer_ids").replace(",", " ").split()
    given: dict[str, Any] = {name: request.fields.one(name) for name in names}
    return {k: v for k, v in {**given, "customer_ids": ids}.items() if v}


def show(request: ConsoleRequest, api: Api) -> Answer:
    run = api.get(f"/v1/bill-runs/{request.id()}")
    page = max(int(request.query["page"]), 0) if request.query.get("page", "").isdecimal() else 0
    drafts = drafts_of(request.id(), ports(), DRAFTS_MAX) if run["counts"]["drafts"] else []
    shown = drafts[page * DRAFTS_SHOWN : (page + 1) * DRAFTS_SHOWN]
    names = names_of([*(d.customer_id for d in shown), *(f["customer_id"] for f in run["failures"])])
    rows = [{"id": d.id, "customer_id": d.customer_id, "flags": d.flags, "currency": d.currency,
             "total": format_minor(d.total_minor, d.currency)} for d in shown]  # fmt: skip
    return view(
        request, api, "run", "/runs", run=run, rows=rows, names=names, page=page, under_way=run["status"] in UNDER_WAY,
        more=len(drafts) > (page + 1) * DRAFTS_SHOWN, drafts=len(drafts), per_page=DRAFTS_SHOWN,
    )  # fmt: skip


def review(request: ConsoleRequest, api: Api) -> Answer:
    """A sample of what the spot check did not flag, to be found right or wrong, and what that proves of the rest."""
    found = api.get(f"/v1/bill-runs/{request.id()}/review")
    run = api.get(f"/v1/bill-runs/{request.id()}")
    names = names_of(i["customer_id"] for i in found["items"])
    return view(request, api, "run_review", "/runs", run=run, review=found, names=names)


def progress(request: ConsoleRequest, api: Api) -> Answer:
    run = api.get(f"/v1/bill-runs/{request.id()}")
    return watched(request, "run_progress", run, run["status"] in UNDER_WAY)


def watched(request: ConsoleRequest, template: str, run: dict[str, Any], under_way: bool) -> Answer:
    """The part of a run's page that is asked for again while the run is under way. Once it is done, the whole page."""
    headers = {} if under_way else {"HX-Refresh": "true"}
    return html(template, headers=headers, run=run, under_way=under_way, **frame(request, settings_of(ports())))


def invoice(request: ConsoleRequest, api: Api) -> Answer:
    """One invoice; a draft beside the invoice before it."""
    found = api.get(f"/v1/invoices/{request.id()}")
    customer = api.get(f"/v1/customers/{found['customer_id']}")
    previous = _previous(found, api) if found["status"] == "draft" else None
    methods = api.items(f"/v1/customers/{found['customer_id']}/payment-methods")
    payments = api.items("/v1/payments", invoice_id=found["id"]) if found["status"] != "draft" else []
    return view(
        request, api, "invoice", "/runs" if found["status"] == "draft" else "/customers",
        invoice=found, customer=customer, previous=previous, payments=payments, methods=methods,
        why=api.get(f"/v1/invoices/{request.id()}/explain"), cards={m["id"]: m for m in methods},
        before=_amounts(previous) if previous else {},
    )  # fmt: skip


def _previous(draft: dict[str, Any], api: Api) -> dict[str, Any] | None:
    """The invoice before it of the same contracts, which the spot check compares it with."""
    store = ports().store
    entries = store.find(INVOICES_BY_CUSTOMER, draft["customer_id"], limit=LOOKED_BACK, reverse=True).items
    history = [i for i in store.get_many(Invoice, [e.key for e in entries])
               if i.type == "regular" and i.status != "void" and i.id != draft["id"]]  # fmt: skip
    previous = previous_of(invoice_of(ports(), draft["id"]), history) if draft["type"] == "regular" else None
    if previous is None:
        return None
    shown: dict[str, Any] = api.get(f"/v1/invoices/{previous.id}")
    return shown


def _amounts(previous: dict[str, Any]) -> dict[str, str]:
    """By a line's charge (or name): what it was on the invoice before."""
    return {line["charge_id"] or line["name"]: line["amount"] for line in previous["lines"]}

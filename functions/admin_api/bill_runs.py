"""Bill runs: started by hand, reviewed, posted, mailed, cancelled."""

from __future__ import annotations

from typing import Any, Final

from functions.admin_api.calls import Answer, Call
from functions.admin_api.listing import PAGING, WEIGHT_MAX, indexed, page_of, stored
from functions.admin_api.problems import NotReady
from functions.admin_api.reports import whole
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_bill_runs import (
    BillRunBody,
    VerdictBody,
    bill_run_json,
    review_json,
    summary_json,
    verdict_json,
)
from shared.contracts.api_fields import iso
from shared.contracts.api_invoices import invoice_json
from shared.contracts.messages import MakePrintBatch
from shared.domain.errors import NotFound, Refused
from shared.domain.runs import BillRun
from shared.ports import BILL_RUNS, Ports
from shared.use_cases.bill_runs import bill_run_of, bill_run_summary
from shared.use_cases.cancel_bill_run import cancel_bill_run
from shared.use_cases.notices_by_hand import send_run
from shared.use_cases.post_invoices import post_now, start_posting
from shared.use_cases.preview_bill_run import Preview, preview_bill_run
from shared.use_cases.print_batch import PARTS_MAX, maybe_to_print, part_key, parts_of
from shared.use_cases.review_run import give_verdict, review_of
from shared.use_cases.start_bill_run import BillRunRequest, start_bill_run

router = new_router()

REVIEWED_DEFAULT: Final = 20  # of a run, besides its outliers
REVIEWED_MAX: Final = 100
DRAFTS_SHOWN: Final = 200  # of a preview
CUSTOMERS_PER_CHUNK: Final = 25
POSTED_AT_ONCE: Final = 25  # chunks: what is more is posted through the queue, as a scheduled run is


@endpoint(router, "GET", "/v1/bill-runs", filters=PAGING)
def list_bill_runs(call: Call[Any]) -> Answer:
    """All bill runs, oldest first."""
    return page_of(
        call,
        indexed(call.ports, BILL_RUNS, "all"),
        lambda found: stored(call.ports, BillRun, found),
        lambda found: [shown(run, call.ports) for run in found],
        weigh=lambda run: run.chunks * CUSTOMERS_PER_CHUNK,  # each is recounted
    )


@endpoint(router, "POST", "/v1/bill-runs", body=BillRunBody, creates="brn_")
def post_bill_run(call: Call[BillRunBody]) -> Answer:
    """Start a run for all customers or some; its drafts follow through the queue. A dry run only previews them."""
    body = call.body
    request = BillRunRequest(
        as_of=body.as_of, customer_ids=tuple(body.customer_ids) if body.customer_ids is not None else None,
        class_id=body.class_id, auto_post=body.auto_post, auto_email=body.auto_email,
    )  # fmt: skip
    if body.dry_run:
        return Answer(200, _previewed(preview_bill_run(request, call.ports)))
    return Answer(201, shown(start_bill_run(request, call.caller.id, call.ports), call.ports))


@endpoint(router, "GET", "/v1/bill-runs/<bill_run_id>")
def get_bill_run(call: Call[Any], bill_run_id: str) -> Answer:
    """One run, with its counts recounted."""
    return Answer(200, shown(bill_run_of(bill_run_id, call.ports), call.ports))


@endpoint(router, "GET", "/v1/bill-runs/<bill_run_id>/review", filters={"size": whole(1, REVIEWED_MAX)})
def get_review(call: Call[Any], bill_run_id: str) -> Answer:
    """A sample of the invoices that the spot check did not flag, what people found, and what it proves of the rest."""
    review = review_of(bill_run_id, call.query.get("size", REVIEWED_DEFAULT), call.ports)
    return Answer(200, review_json(bill_run_id, review))


@endpoint(router, "PUT", "/v1/bill-runs/<bill_run_id>/review/<invoice_id>", body=VerdictBody)
def put_verdict(call: Call[VerdictBody], bill_run_id: str, invoice_id: str) -> Answer:
    """Say whether an invoice of a run is right or wrong; the last word counts."""
    body = call.body
    given = give_verdict(bill_run_id, invoice_id, body.verdict, body.note, call.caller.id, call.ports)
    return Answer(200, verdict_json(given))


@endpoint(router, "POST", "/v1/bill-runs/<bill_run_id>/post")
def post_run(call: Call[Any], bill_run_id: str) -> Answer:
    """Post the drafts of a completed run, flagged ones too: whoever posts by hand has reviewed them."""
    done = call.tried_since is not None and bill_run_of(bill_run_id, call.ports).status == "posted"
    if not done:
        start_posting(bill_run_id, call.ports)
    return Answer(200, shown(post_now(bill_run_id, call.ports, POSTED_AT_ONCE), call.ports))


@endpoint(router, "POST", "/v1/bill-runs/<bill_run_id>/send")
def send_bill_run(call: Call[Any], bill_run_id: str) -> Answer:
    """Mail the posted invoices of a run that have not been mailed; the mails follow through the queue."""
    run = bill_run_of(bill_run_id, call.ports)
    if not bill_run_summary(bill_run_id, call.ports).counts["posted"]:
        raise Refused("not_posted", f"bill run {bill_run_id} has no posted invoice; only posted invoices are mailed")
    send_run(bill_run_id, call.ports)
    return Answer(200, shown(run, call.ports))


@endpoint(router, "POST", "/v1/bill-runs/<bill_run_id>/cancel")
def cancel_run(call: Call[Any], bill_run_id: str) -> Answer:
    """Delete the drafts of a run of which nothing is posted; their periods become billable again."""
    return Answer(200, shown(cancel_bill_run(bill_run_id, call.ports), call.ports))


def part(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and 1 <= int(value[:9]) <= PARTS_MAX):
        raise ValueError(f"must be 1 to {PARTS_MAX}")
    return int(value)


@endpoint(router, "GET", "/v1/bill-runs/<bill_run_id>/print-batch", filters={"part": part})
def get_print_batch(call: Call[Any], bill_run_id: str) -> Answer:
    """A PDF of the posted invoices that go out on paper, in address order; parts of up to 1,000 stay as made."""
    run = bill_run_of(bill_run_id, call.ports)
    if run.status == "posting":
        raise NotReady("the run is being posted: ask again when it is done")
    number: int = call.query.get("part", 1)
    content = call.ports.files.read(part_key(run.id, number))
    if content is None and maybe_to_print(run.id, number, call.ports):
        call.ports.queue.send("document", [MakePrintBatch(run_id=run.id, part=number).body()])
        raise NotReady("the print batch is being made: ask again in a moment")
    if not content:
        raise NotFound("invoice to print in bill run", run.id)
    headers = {"Content-Disposition": f'inline; filename="{run.id}-print-{number}.pdf"'}
    if len(parts_of(run.id, call.ports)) > number:
        headers["Link"] = f'</v1/bill-runs/{run.id}/print-batch?part={number + 1}>; rel="next"'
    return Answer(200, content, "application/pdf", headers)


def _previewed(preview: Preview) -> dict[str, Any]:
    """What the run would be, with the first of its drafts. Nothing of it has an id to come back to."""
    lines = 0
    drafts: list[dict[str, Any]] = []
    for draft in preview.drafts[:DRAFTS_SHOWN]:
        lines += len(draft.lines)
        if drafts and lines > WEIGHT_MAX:
            break
        drafts.append(invoice_json(draft.invoice, draft.lines, preview.as_of, None))
    its = preview.summary
    return {
        "id": None,
        "status": "preview",
        "as_of": iso(preview.as_of),
        **summary_json(its.counts, its.totals_minor, its.failures, its.flags),
        "invoices": [{**draft, "id": None} for draft in drafts],
        "partial": preview.partial,
    }


def shown(run: BillRun, ports: Ports) -> dict[str, Any]:
    summary = bill_run_summary(run.id, ports)
    return bill_run_json(run, summary.counts, summary.totals_minor, summary.failures, summary.flags)

"""Payment runs: what was considered, charged and skipped."""

from __future__ import annotations

from itertools import chain, islice
from typing import Any

from functions.admin_api.calls import Answer, Call
from functions.admin_api.listing import LIMIT_DEFAULT, PAGING, Source, indexed, page_of, stored
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_payments import PaymentRunBody, payment_run_json, skipped_json
from shared.domain.runs import Chunk, Outcome, PaymentRun
from shared.ports import PAYMENT_RUNS, Page, Ports
from shared.use_cases.payment_runs import ROUNDS, chunks_of, payment_run_summary, run_of, start_payment_run

router = new_router()


@endpoint(router, "GET", "/v1/payment-runs", filters=PAGING)
def list_payment_runs(call: Call[Any]) -> Answer:
    """All payment runs, oldest first."""
    return page_of(
        call,
        indexed(call.ports, PAYMENT_RUNS, "all"),
        lambda found: stored(call.ports, PaymentRun, found),
        lambda found: [_shown(run, call.ports) for run in found],
    )


@endpoint(router, "POST", "/v1/payment-runs", body=PaymentRunBody, creates="prn_")
def post_payment_run(call: Call[PaymentRunBody]) -> Answer:
    """Start a payment run as of today or earlier; its work follows through the queue."""
    body = call.body
    run = start_payment_run(call.ports, body.as_of, body.customer_ids, call.caller.id)
    return Answer(201, _with_skipped(run, call.ports))


@endpoint(router, "GET", "/v1/payment-runs/<payment_run_id>")
def get_payment_run(call: Call[Any], payment_run_id: str) -> Answer:
    """One payment run, with the first invoices that it skipped."""
    return Answer(200, _with_skipped(run_of(call.ports, payment_run_id), call.ports))


@endpoint(router, "GET", "/v1/payment-runs/<payment_run_id>/skipped", filters=PAGING)
def list_skipped(call: Call[Any], payment_run_id: str) -> Answer:
    """The invoices that a payment run skipped, with the reason."""
    run_of(call.ports, payment_run_id)
    return page_of(
        call,
        _outcomes(payment_run_id, call.ports),
        lambda found: [(place, o) for place, o in ((f, f[1]) for f in found) if o.outcome == "skipped"],
        lambda found: [skipped_json(o) for o in found],
        ahead=LIMIT_DEFAULT,
    )


def _outcomes(run_id: str, ports: Ports) -> list[Source[tuple[str, Outcome]]]:
    """What became of each invoice of the run, round by round, in the order of its finished chunks."""

    def of_round(round: int) -> Source[tuple[str, Outcome]]:
        def fetch(after: str | None, most: int) -> Page[tuple[str, Outcome]]:
            page = ports.store.list(Chunk, run_id, chunks_of(round, "done"), after=after, limit=most)
            found = [(f"{c.number:06d}#{n:04d}", o) for c in page.items for n, o in enumerate(c.outcomes)]
            return Page(tuple(found), page.cursor)

        return Source(fetch, lambda found: found[0])

    return [of_round(round) for round in ROUNDS]


def _shown(run: PaymentRun, ports: Ports) -> dict[str, Any]:
    summary = payment_run_summary(run, ports)
    return payment_run_json(run, summary.counts, summary.collected_minor)


def _with_skipped(run: PaymentRun, ports: Ports) -> dict[str, Any]:
    found = chain.from_iterable(s.fetch(None, LIMIT_DEFAULT).items for s in _outcomes(run.id, ports))
    skipped = (skipped_json(o) for _, o in found if o.outcome == "skipped")
    return {**_shown(run, ports), "skipped": list(islice(skipped, LIMIT_DEFAULT))}

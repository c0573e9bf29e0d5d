"""A dry run: what a bill run would make, with nothing written. Unlike a run it may look ahead. PRODUCT 4."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from shared.domain.calendar import local_date
from shared.domain.drafts import Draft
from shared.domain.runs import Failure
from shared.domain.values import dataclass
from shared.ports import Ports, Unavailable
from shared.use_cases.bill_customer import RunOf, work_of
from shared.use_cases.bill_runs import PARKED, BillRunSummary
from shared.use_cases.generate_drafts import failure_of
from shared.use_cases.lookups import settings_of
from shared.use_cases.select_customers import due_customers, of_class
from shared.use_cases.start_bill_run import BillRunRequest, check_request

CUSTOMERS_MAX: Final = 20_000  # looked at in one preview
PREVIEW: Final = "preview"


@dataclass(frozen=True, slots=True)
class Preview:
    """The drafts a run would make; `partial` if there are more customers than a preview looks at."""

    as_of: date
    drafts: tuple[Draft, ...]
    summary: BillRunSummary
    partial: bool = False


def preview_bill_run(request: BillRunRequest, ports: Ports) -> Preview:
    """The same computation as a run's. Raises Invalid, naming the field."""
    settings = settings_of(ports)
    check_request(request, settings, ports)
    as_of = request.as_of or local_date(ports.clock.now(), settings.business.timezone)
    if request.customer_ids is not None:
        ids = of_class(request.customer_ids, request.class_id, ports)
    else:
        ids = due_customers(as_of, request.class_id, ports, CUSTOMERS_MAX + 1)
    run = RunOf(PREVIEW, as_of, settings)
    results = [_previewed(customer_id, run, ports) for customer_id in ids[:CUSTOMERS_MAX]]
    drafts = tuple(d for r in results if not isinstance(r, Failure) for d in r)
    failures = tuple(r for r in results if isinstance(r, Failure))
    return Preview(as_of, drafts, _summary(drafts, failures), partial=len(ids) > CUSTOMERS_MAX)


def _previewed(customer_id: str, run: RunOf, ports: Ports) -> Sequence[Draft] | Failure:
    try:
        return work_of(customer_id, run, ports).drafts
    except Unavailable:
        raise
    except Exception as error:  # noqa: BLE001 - as in a run, one bad customer stops nobody else
        return failure_of(customer_id, error)


def _summary(drafts: Sequence[Draft], failures: tuple[Failure, ...]) -> BillRunSummary:
    totals: dict[str, int] = {}
    flags: dict[str, int] = {}
    for draft in drafts:
        totals[draft.invoice.currency] = totals.get(draft.invoice.currency, 0) + draft.invoice.total_minor
        for flag in draft.invoice.flags:
            flags[flag.code] = flags.get(flag.code, 0) + 1
    parked = len([f for f in failures if f.code == PARKED])
    counts = {
        "drafts": len(drafts), "posted": 0, "flagged": len([d for d in drafts if d.invoice.flags]),
        "failed": len(failures) - parked, "parked": parked, "emailed": 0,
    }  # fmt: skip
    return BillRunSummary(counts, dict(sorted(totals.items())), failures, dict(sorted(flags.items())))

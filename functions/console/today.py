"""Today: what ran, what will run, what needs a person."""

from __future__ import annotations

from collections.abc import Iterable

from functions.console.api import Api
from functions.console.rendering import Answer
from functions.console.requests import ConsoleRequest
from functions.console.views import view
from functions.console.words import spoken
from shared.bootstrap import ports
from shared.contracts.api_bill_runs import bill_run_json
from shared.contracts.api_notices import notice_json
from shared.contracts.api_payments import payment_json, payment_run_json
from shared.domain.customer import Customer
from shared.use_cases.look_today import look_today
from shared.use_cases.lookups import settings_of

TASKS_SHOWN = 20


def show(request: ConsoleRequest, api: Api) -> Answer:
    everything = ports()
    settings = settings_of(everything)
    tasks = api.items("/v1/tasks", status="open", limit=TASKS_SHOWN)
    letters = api.items("/v1/dead-letters", limit=TASKS_SHOWN)
    found = look_today(settings, everything)
    zone = settings.business.timezone
    named = [f.customer_id for f in found.parked] + [p.customer_id for p in found.unknown]
    named += [n.customer_id for n in found.unsent]
    return view(
        request, api, "today", "",
        tasks=tasks, letters=letters, names=names_of([*named, *(t["customer_id"] for t in tasks if t["customer_id"])]),
        review=[{"run": bill_run_json(r.run, {}, {}, (), {}), "drafts": r.drafts, "flagged": r.flagged}
                for r in found.review if r.drafts],
        parked=found.parked,
        unknown=[payment_json(p) for p in found.unknown],
        unsent=[notice_json(n) for n in found.unsent],
        bill_runs=[bill_run_json(r, {}, {}, (), {}) for r in found.bill_runs],
        payment_runs=[payment_run_json(r, {}, {}) for r in found.payment_runs],
        coming=[{"job": n.job, "at": spoken(n.at, zone) if n.at else None} for n in found.next_times],
    )  # fmt: skip


def names_of(customer_ids: Iterable[str]) -> dict[str, str]:
    """The names of customers, by id; of one that is not there, the id."""
    wanted = list(dict.fromkeys(customer_ids))
    found = ports().store.get_many(Customer, [(id, "") for id in wanted])
    return dict(zip(wanted, wanted, strict=True)) | {c.id: c.name for c in found}

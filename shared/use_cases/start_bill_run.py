"""An ad hoc bill run: as of today or earlier, for all customers or some. PRODUCT 4, 5."""

from __future__ import annotations

from datetime import date
from typing import Final

from shared.contracts.messages import SelectCustomers
from shared.domain.calendar import local_date
from shared.domain.customer import Customer
from shared.domain.errors import Invalid, NotFound, Refused
from shared.domain.runs import BillRun
from shared.domain.settings import Settings
from shared.domain.values import dataclass
from shared.ports import Conflict, Ports, Save
from shared.use_cases.lookups import class_of, settings_of

CUSTOMERS_MAX: Final = 1_000  # that one request may name


@dataclass(frozen=True, slots=True)
class BillRunRequest:
    """What a person asks for; None is "as usual": today, everybody, as the settings say."""

    as_of: date | None = None
    customer_ids: tuple[str, ...] | None = None
    class_id: str | None = None
    auto_post: bool | None = None
    auto_email: bool | None = None


def start_bill_run(request: BillRunRequest, by: str | None, ports: Ports) -> BillRun:
    """Record the run and set it going; the same under the same id again is the same run. Raises Invalid and Refused."""
    settings, now = settings_of(ports), ports.clock.now()
    today = local_date(now, settings.business.timezone)
    if request.as_of is not None and request.as_of > today:
        raise Invalid("as_of", f"must be {today} or earlier; only a dry run looks ahead")
    check_request(request, settings, ports)
    run = BillRun(
        id=ports.ids.new("brn_"), as_of=request.as_of or today, customer_ids=request.customer_ids,
        class_id=request.class_id, auto_post=request.auto_post, auto_email=request.auto_email, created_at=now,
        created_by=by,
    )  # fmt: skip
    try:
        ports.store.commit(Save(run))
    except Conflict:
        known = ports.store.get(BillRun, run.id)
        if known is None or _asked_for(known, request) != _asked_for(run, request):
            raise Refused("id_taken", f"the id {run.id} is taken: choose another") from None
    ports.queue.send("bill_run", [SelectCustomers(run_id=run.id).body()])
    return ports.store.get(BillRun, run.id) or run


def _asked_for(run: BillRun, request: BillRunRequest) -> tuple[object, ...]:
    as_of = run.as_of if request.as_of is not None else None  # "today" stays what it was when the run was made
    return as_of, run.customer_ids, run.class_id, run.auto_post, run.auto_email, run.created_by, run.scheduled_for


def check_request(request: BillRunRequest, settings: Settings, ports: Ports) -> None:
    """The filter names what exists, and mail is asked for only with posting. Raises Invalid."""
    ids = request.customer_ids or ()
    if len(ids) > CUSTOMERS_MAX:
        raise Invalid("customer_ids", f"must name at most {CUSTOMERS_MAX} customers; use a class, or several runs")
    known = {c.id for c in ports.store.get_many(Customer, [(i, "") for i in dict.fromkeys(ids)])}
    for position, customer_id in enumerate(ids):
        if customer_id not in known:
            raise Invalid(f"customer_ids[{position}]", "is not a known customer")
    if request.class_id is not None:
        try:
            class_of(ports, request.class_id)
        except NotFound:
            raise Invalid("class_id", "is not a known customer class") from None
    posts = settings.bill_run.auto_post if request.auto_post is None else request.auto_post
    if request.auto_email and not posts:
        raise Invalid("auto_email", "needs auto_post: only posted invoices are mailed")

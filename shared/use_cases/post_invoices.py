"""Posting: drafts get their number, dates and due date, and become owed. PRODUCT 4, 5.

A number is taken from its series in the very transaction that posts, so that the series has no gaps: a chunk posts
together or not at all, and a draft that cannot be posted is set aside without using a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from shared import ports as p
from shared.contracts.messages import PlanPosting, PostDrafts, RenderInvoice
from shared.domain.calendar import local_date
from shared.domain.customer import Customer
from shared.domain.errors import DomainError, NotFound, Refused
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice, notice_id
from shared.domain.payment import CreditBalance
from shared.domain.policy import CustomerClass
from shared.domain.runs import BillRun, BillRunStatus, Chunk, Failure, NumberSeries
from shared.domain.settings import Settings
from shared.domain.terms import due_date
from shared.ports import Conflict, Ports, Remove, Save
from shared.use_cases.apply_credit import apply_credit
from shared.use_cases.lookups import CONFLICT_RETRIES, class_of, customer_of, invoice_of, settings_of
from shared.use_cases.notices import hint, invoice_notice

CHUNK_DRAFTS = 20  # invoices posted in one transaction: each brings at most a notice and a credit with it
PLAN_PAGES = 10  # index pages per planning message
ROUNDS_MAX = 50  # postings of one run; each but the last must have posted something
SERIES = {"credit_memo": "CM-", "debit_memo": "DM-"}
INVOICE_PREFIX = "INV-"


# ---- a whole run ----------------------------------------------------------------------------------------------


def start_posting(run_id: str, ports: Ports, include_flagged: bool = True) -> BillRun:
    """Begin a round of posting what a completed run still has as drafts. Refused unless the run is completed."""
    run = run_of(ports, run_id)
    if run.status == "posting":
        return run
    if run.status != "completed":
        raise Refused("not_completed", f"bill run {run_id} is {run.status}; only a completed run can be posted")
    if run.post_round >= ROUNDS_MAX:
        raise Refused("too_many_rounds", f"bill run {run_id} was posted {ROUNDS_MAX} times; post the rest one by one")
    run = replace(
        run, status="posting", post_round=run.post_round + 1, post_cursor="", post_chunks=0, post_all=include_flagged
    )
    ports.store.commit(Save(run))
    ports.queue.send("post", [PlanPosting(run_id=run_id).body()])
    return run_of(ports, run_id)


def plan_posting(run_id: str, ports: Ports) -> None:
    """Divide the run's drafts into chunks, a bounded number of pages at a time."""
    for _ in range(PLAN_PAGES):
        run = run_of(ports, run_id)
        if run.status != "posting":
            return
        if run.post_cursor is None:
            _hand_out(run, ports)
            return
        try:
            _plan_page(run, ports)
        except Conflict:
            continue  # another delivery of this message is at it too
    ports.queue.send("post", [PlanPosting(run_id=run_id).body()])


def _plan_page(run: BillRun, ports: Ports) -> None:
    """One page of drafts becomes chunks, in the transaction that moves the cursor behind it."""
    after = run.post_cursor or None
    page = ports.store.find(p.INVOICES_BY_RUN, run.id, prefix="draft#", after=after)
    ids = [e.partition for e in page.items if run.post_all or not _flags(e.at)]
    chunks = [
        Chunk(run.id, "post", run.post_chunks + n, tuple(ids[at : at + CHUNK_DRAFTS]), round=run.post_round)
        for n, at in enumerate(range(0, len(ids), CHUNK_DRAFTS))
    ]
    moved = replace(run, post_cursor=page.cursor, post_chunks=run.post_chunks + len(chunks))
    ports.store.commit(Save(moved), *(Save(c) for c in chunks))


def _flags(sort: str) -> str:
    """The flag codes in an INVOICES_BY_RUN sort value."""
    return sort.split("#")[4]


def _hand_out(run: BillRun, ports: Ports) -> None:
    """Planning is done: send the chunks that are open, or finish at once if there are none."""
    after: str | None = None
    for _ in range(run.post_chunks // p.PAGE_LIMIT + 1):
        page = ports.store.list(Chunk, run.id, f"post#{run.post_round:04d}#open#", after=after)
        bodies = [PostDrafts(run_id=run.id, round=c.round, chunk=c.number).body() for c in page.items]
        ports.queue.send("post", bodies)
        after = page.cursor
        if after is None:
            break
    finish_posting(run.id, ports)


def post_chunk(run_id: str, round: int, number: int, ports: Ports) -> PostedChunk | None:
    """Post one chunk; None if it was done before. One bad draft is recorded and does not stop the others."""
    chunk = ports.store.get(Chunk, run_id, f"post#{round:04d}#open#{number:06d}")
    if chunk is None:
        finish_posting(run_id, ports)
        return None
    run = run_of(ports, run_id)
    posted = _post_isolating(chunk.subjects, ports, run)
    _follow_up(posted.invoices, posted.notices, ports)
    done = replace(chunk, done=True, version=0, failures=posted.failures)
    try:
        ports.store.commit(Remove(chunk), Save(done))
    except Conflict:
        return None  # another delivery of the same message was faster
    finish_posting(run_id, ports)
    return posted


def finish_posting(run_id: str, ports: Ports) -> None:
    """When no chunk of the round is open: posted if no drafts remain, otherwise completed again, awaiting review.

    Drafts the index did not show yet when the round was planned get another round at once.
    """
    run = run_of(ports, run_id)
    if run.status != "posting" or run.post_cursor is not None:
        return
    if ports.store.list(Chunk, run_id, f"post#{run.post_round:04d}#open#", limit=1).items:
        return
    failed = {f.invoice_id for f in post_run_failures(run, ports)}
    left = ports.store.find(p.INVOICES_BY_RUN, run_id, prefix="draft#")
    remaining = [i for i in ports.store.get_many(Invoice, [e.key for e in left.items]) if i.status == "draft"]
    missed = [i for i in remaining if i.id not in failed and (run.post_all or not i.flags)]
    if missed and run.post_round < ROUNDS_MAX:
        _commit_quietly(replace(run, post_round=run.post_round + 1, post_cursor="", post_chunks=0), ports)
        ports.queue.send("post", [PlanPosting(run_id=run_id).body()])
        return
    status: BillRunStatus = "completed" if remaining or failed else "posted"
    _commit_quietly(replace(run, status=status, posted_at=ports.clock.now()), ports)


def _commit_quietly(run: BillRun, ports: Ports) -> None:
    try:
        ports.store.commit(Save(run))
    except Conflict:
        pass  # another worker finished the same round


def sweep_posting(ports: Ports) -> int:
    """Remind the workers of every run that is posting; how many those are."""
    page = ports.store.find(p.BILL_RUNS_ACTIVE, "all")
    posting = [r for r in ports.store.get_many(BillRun, [e.key for e in page.items]) if r.status == "posting"]
    ports.queue.send("post", [PlanPosting(run_id=r.id).body() for r in posting])
    return len(posting)


def post_now(run_id: str, ports: Ports, chunks_max: int) -> BillRun:
    """Do the work of a posting run here and now, as far as `chunks_max` chunks go; the queue does the rest.

    For an admin who posts a run and wants to see it posted. The queue's messages then find nothing left to do.
    """
    plan_posting(run_id, ports)
    for _ in range(chunks_max):
        run = run_of(ports, run_id)
        open_chunks = ports.store.list(Chunk, run_id, f"post#{run.post_round:04d}#open#", limit=1).items
        if run.status != "posting" or not open_chunks:
            return run
        post_chunk(run_id, run.post_round, open_chunks[0].number, ports)
    return run_of(ports, run_id)


def post_run_failures(run: BillRun, ports: Ports) -> list[Failure]:
    """The failures of the latest round of posting."""
    page = ports.store.list(Chunk, run.id, f"post#{run.post_round:04d}#done#")
    return [f for c in page.items for f in c.failures]


def run_of(ports: Ports, run_id: str) -> BillRun:
    run = ports.store.get(BillRun, run_id)
    if run is None:
        raise NotFound("bill run", run_id)
    return run


# ---- invoices -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PostedChunk:
    """What became of a chunk: the invoices that are posted now, the notices recorded, and what failed."""

    invoices: tuple[Invoice, ...] = ()
    notices: tuple[Notice, ...] = ()
    failures: tuple[Failure, ...] = ()


@dataclass(slots=True)
class Known:
    """What posting reads beside the invoices, each thing once."""

    settings: Settings
    now: datetime
    run: BillRun | None
    customers: dict[str, Customer] = field(default_factory=dict)
    classes: dict[str, CustomerClass] = field(default_factory=dict)

    def by_run(self) -> bool:
        if self.run is None:
            return False
        return self.settings.bill_run.auto_email if self.run.auto_email is None else self.run.auto_email


def post_invoice(invoice_id: str, ports: Ports) -> Invoice:
    """Post one draft by hand; an invoice that is posted already is returned as it is."""
    invoice = invoice_of(ports, invoice_id)
    if invoice.status == "void":
        raise Refused("void", f"invoice {invoice_id} is void; create a new one")
    run = ports.store.get(BillRun, invoice.bill_run_id) if invoice.bill_run_id else None
    posted = _post_together((invoice_id,), ports, run)
    _follow_up(posted.invoices, posted.notices, ports)
    return invoice_of(ports, invoice_id)


def _post_isolating(invoice_ids: Sequence[str], ports: Ports, run: BillRun | None) -> PostedChunk:
    """All together if they can be; otherwise one by one, so that one bad draft costs nobody else anything."""
    try:
        return _post_together(invoice_ids, ports, run)
    except DomainError:
        results = [_post_alone(i, ports, run) for i in invoice_ids]
    return PostedChunk(
        tuple(i for r in results for i in r.invoices),
        tuple(n for r in results for n in r.notices),
        tuple(f for r in results for f in r.failures),
    )


def _post_alone(invoice_id: str, ports: Ports, run: BillRun | None) -> PostedChunk:
    try:
        return _post_together((invoice_id,), ports, run)
    except DomainError as error:
        owner = ports.store.get(Invoice, invoice_id)
        failure = Failure(owner.customer_id if owner else "", type(error).__name__, str(error), invoice_id)
        return PostedChunk(failures=(failure,))


def _post_together(invoice_ids: Sequence[str], ports: Ports, run: BillRun | None) -> PostedChunk:
    """Number and post these drafts in one transaction. Those posted before are named again, for their follow-up."""
    known = Known(settings_of(ports), ports.clock.now(), run)
    for _ in range(CONFLICT_RETRIES * CONFLICT_RETRIES):  # many workers share a series
        found = ports.store.get_many(Invoice, [(i, "") for i in invoice_ids])
        drafts = [i for i in found if i.status == "draft"]
        before = [i for i in found if i.status == "posted"]
        learn(known, drafts, ports)
        invoices, series = number(drafts, known, ports)
        notices = [n for i in invoices if (n := _notice(i, known))]
        balances = credited(invoices, ports)
        if not invoices:
            return PostedChunk(tuple(before), _recorded(before, ports))
        try:
            ports.store.commit(*map(Save, invoices), *map(Save, notices), *map(Save, balances), *map(Save, series))
        except Conflict:
            continue
        return PostedChunk((*before, *invoices), (*notices, *_recorded(before, ports)))
    raise p.Unavailable(f"invoices {', '.join(invoice_ids)} kept changing while they were posted")


def learn(known: Known, invoices: Iterable[Invoice], ports: Ports) -> None:
    """Read the customers and classes that are not known yet."""
    for customer_id in {i.customer_id for i in invoices} - known.customers.keys():
        known.customers[customer_id] = customer_of(ports, customer_id)
    for class_id in {c.class_id for c in known.customers.values()} - known.classes.keys():
        known.classes[class_id] = class_of(ports, class_id)


def number(drafts: Sequence[Invoice], known: Known, ports: Ports) -> tuple[list[Invoice], list[NumberSeries]]:
    """The drafts as posted invoices, and the series moved on by as many numbers as each gave."""
    series: dict[str, NumberSeries] = {}
    posted: list[Invoice] = []
    for draft in drafts:
        customer = known.customers[draft.customer_id]
        terms = known.classes[customer.class_id].policy(draft.type).terms_days
        on = posting_date(draft, customer, known)
        due_on = draft.due_on or due_date(draft, on, terms, known.settings.due_date_basis)
        posted.append(draft.posted(draft.number or _next(series, draft, ports), on, known.now, due_on))
    return posted, list(series.values())


def _next(series: dict[str, NumberSeries], draft: Invoice, ports: Ports) -> str:
    """The next number of the draft's series; the series is moved on in `series`, to be saved with the invoices."""
    prefix = SERIES.get(draft.type, INVOICE_PREFIX)
    current = series.get(prefix) or ports.store.get(NumberSeries, "series", prefix) or NumberSeries(prefix, prefix)
    series[prefix] = replace(current, last=current.last + 1)
    return current.number(current.last + 1)


def posting_date(draft: Invoice, customer: Customer, known: Known) -> date:
    """The customer's local date, but not before an invoice date that has come for the business.

    A run at 04:00 in the business's zone would otherwise post a customer further west the day before it billed him.
    """
    here = local_date(known.now, known.settings.business.timezone)
    return max(local_date(known.now, customer.zone(known.settings)), min(draft.invoice_date, here))


def credited(invoices: Iterable[Invoice], ports: Ports) -> list[CreditBalance]:
    """The credit balances grown by invoices below zero."""
    balances: dict[tuple[str, str], CreditBalance] = {}
    for invoice in invoices:
        if invoice.total_minor >= 0 or invoice.type == "credit_memo":
            continue  # a credit memo says itself what it pays, see adjust_invoice
        key = (invoice.customer_id, invoice.currency)
        balance = balances.get(key) or ports.store.get(CreditBalance, *key) or CreditBalance(*key)
        balances[key] = replace(balance, amount_minor=balance.amount_minor - invoice.total_minor)
    return list(balances.values())


def _notice(invoice: Invoice, known: Known) -> Notice | None:
    return invoice_notice(invoice, known.customers[invoice.customer_id], known.settings, known.now, known.by_run())


def _recorded(invoices: Iterable[Invoice], ports: Ports) -> tuple[Notice, ...]:
    """The notices recorded when these invoices were posted, to be hinted again."""
    keys = [(notice_id(i.customer_id, "invoice", i.id), "") for i in invoices]
    return tuple(n for n in ports.store.get_many(Notice, keys) if n.status == "pending")


def _follow_up(invoices: Iterable[Invoice], notices: Iterable[Notice], ports: Ports) -> None:
    """What comes after posting; safe to do again, as a chunk delivered twice does."""
    invoices = tuple(invoices)
    for customer_id, currency in sorted({(i.customer_id, i.currency) for i in invoices}):
        apply_credit(customer_id, currency, ports, also=[i.id for i in invoices if i.customer_id == customer_id])
    ports.queue.send("document", [RenderInvoice(invoice_id=i.id).body() for i in invoices])
    hint(ports, *(n.id for n in notices))

"""Posting: drafts get their number, dates and due date, and become owed. PRODUCT 4, 5.

A number is taken from its series in the very transaction that posts, so that the series has no gaps: a chunk posts
together or not at all, and a draft that cannot be posted is set aside without using a number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from datetime import date, datetime, timedelta

from shared import ports as p
from shared.contracts.messages import PlanPosting, PostDrafts, RenderInvoice
from shared.domain.calendar import local_date
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.errors import DomainError, NotFound, Refused
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice
from shared.domain.payment import CreditBalance
from shared.domain.policy import CustomerClass
from shared.domain.runs import ROUNDS_MAX, BillRun, Chunk, Failure, NumberSeries
from shared.domain.settings import Settings
from shared.domain.terms import due_date
from shared.domain.values import dataclass
from shared.ports import Change, Conflict, Ports, Remove, Save, Unavailable
from shared.use_cases.apply_credit import apply_credits
from shared.use_cases.bill_runs import done_chunks, posted_events
from shared.use_cases.lookups import CONFLICT_RETRIES, class_of, entries, invoice_of, settings_of
from shared.use_cases.money_events import invoice_events
from shared.use_cases.notices import invoice_notice
from shared.use_cases.outbox import announce

CHUNK_DRAFTS = 20  # invoices posted in one transaction: each brings at most a notice, a credit and an event with it
PLAN_PAGES = 10  # index pages per planning message
DRAFT_PAGES_MAX = 5_000  # of 200 drafts of one run
INDEX_SETTLED = timedelta(minutes=2)  # after the last write: longer than any index stays behind
LOOK_AGAIN_SECONDS = 5
LATELY = timedelta(days=1)  # within which the message, file or request of somebody who died comes again
POST_RETRIES = 64  # many workers share a series
PASSING = (Conflict, Unavailable)  # will be gone when the chunk is delivered again
SERIES = {"credit_memo": "CM-", "debit_memo": "DM-"}
INVOICE_PREFIX = "INV-"


# ---- a whole run ----------------------------------------------------------------------------------------------


def start_posting(run_id: str, ports: Ports, include_flagged: bool = True) -> BillRun:
    """Begin a round of posting what a completed run still has as drafts. Refused unless the run is completed."""
    for _ in range(CONFLICT_RETRIES):
        run = run_of(ports, run_id)
        if run.status == "posting":
            return run
        begun = run.posting(include_flagged)
        try:
            ports.store.commit(Save(begun))
        except Conflict:
            continue
        ports.queue.send("post", [PlanPosting(run_id=run_id).body()])
        return replace(begun, version=run.version + 1)
    raise Unavailable(f"bill run {run_id} kept changing")


def plan_posting(run_id: str, ports: Ports) -> None:
    """Divide the run's drafts into chunks, a bounded number of pages at a time, and send them to the workers.

    Once that is done, this reminds the workers of the first chunks that are still open.
    """
    run = run_of(ports, run_id)
    if run.status == "posting" and run.post_cursor is None:
        _hand_out(run, ports, pages=1)
        return
    for _ in range(PLAN_PAGES):
        if run.status != "posting":
            return
        if run.post_cursor is None:
            _hand_out(run, ports, pages=run.post_chunks // p.PAGE_LIMIT + 1)
            return
        try:
            _plan_page(run, ports)
        except Conflict:
            pass  # another delivery of this message is at it too
        run = run_of(ports, run_id)
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


def _hand_out(run: BillRun, ports: Ports, pages: int) -> None:
    """Send the chunks that are open, or finish at once if there are none."""
    after: str | None = None
    for _ in range(pages):
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
    posted = _post_isolating(chunk.subjects, ports, run_of(ports, run_id))
    _follow_up(posted, ports)
    done = replace(chunk, done=True, version=0, failures=posted.failures)
    try:
        ports.store.commit(Remove(chunk), Save(done))
    except Conflict:
        return None  # another delivery of the same message was faster
    finish_posting(run_id, ports)
    return posted


def finish_posting(run_id: str, ports: Ports) -> None:
    """When no chunk of the round is open: posted if no drafts remain, otherwise completed again, awaiting review.

    Drafts the index did not show yet when the round was planned get another round soon.
    """
    for _ in range(CONFLICT_RETRIES):
        run = run_of(ports, run_id)
        if run.status != "posting" or run.post_cursor is not None:
            return
        if ports.store.list(Chunk, run_id, f"post#{run.post_round:04d}#open#", limit=1).items:
            return
        ended = _round_ended(run, ports)
        try:
            _save_ended(ended, ports)
        except Conflict:
            continue
        if ended.status == "posting":
            ports.queue.send("post", [PlanPosting(run_id=run_id).body()], delay_seconds=LOOK_AGAIN_SECONDS)
        return
    raise Unavailable(f"bill run {run_id} kept changing")


def _round_ended(run: BillRun, ports: Ports) -> BillRun:
    if _index_lags(run, ports):
        return run.next_round(run.post_all)
    failed = {f.invoice_id for f in post_run_failures(run, ports)}
    remain = bool(failed)
    for draft in _drafts(run.id, ports):
        if draft.id not in failed and (run.post_all or not draft.flags) and run.post_round < ROUNDS_MAX:
            return run.next_round(run.post_all)
        remain = True
    return replace(run, status="completed") if remain else _all_posted(run, ports)


def _index_lags(run: BillRun, ports: Ports) -> bool:
    """Whether the index does not show yet what the run has made: it may be behind when a small run ends quickly.

    A draft that this read shows counts too: the read that planned the round may have been further behind.
    """
    recent = run.completed_at is not None and ports.clock.now() - run.completed_at < INDEX_SETTLED
    if not recent or run.post_round >= ROUNDS_MAX:
        return False
    made = sum(c.drafts for c in done_chunks(run, ports))
    seen = list(entries(ports, p.INVOICES_BY_RUN, run.id, most=made))
    if len(seen) < made:
        return True
    failed = {f.invoice_id for f in post_run_failures(run, ports)}
    drafts = ports.store.get_many(Invoice, [e.key for e in seen if e.at.startswith("draft#")])
    return any(d.status == "draft" and d.id not in failed and (run.post_all or not d.flags) for d in drafts)


def _save_ended(run: BillRun, ports: Ports) -> None:
    """With its event, if all of it is posted. Raises Conflict."""
    events = posted_events(run, ports) if run.status == "posted" else []
    ports.store.commit(Save(run), *map(Save, events))
    announce(ports, *(e.id for e in events))


def _all_posted(run: BillRun, ports: Ports) -> BillRun:
    return replace(run, status="posted", posted_at=ports.clock.now())


def _drafts(run_id: str, ports: Ports) -> Iterator[Invoice]:
    """The run's invoices that are drafts still, as far as the index shows them."""
    after: str | None = None
    for _ in range(DRAFT_PAGES_MAX):
        page = ports.store.find(p.INVOICES_BY_RUN, run_id, prefix="draft#", after=after)
        found = ports.store.get_many(Invoice, [e.key for e in page.items])
        yield from (i for i in found if i.status == "draft")
        after = page.cursor
        if after is None:
            return


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
    failures: list[Failure] = []
    after: str | None = None
    for _ in range(run.post_chunks // p.PAGE_LIMIT + 1):
        page = ports.store.list(Chunk, run.id, f"post#{run.post_round:04d}#done#", after=after)
        failures += [f for c in page.items for f in c.failures]
        after = page.cursor
        if after is None:
            break
    return failures


def run_of(ports: Ports, run_id: str) -> BillRun:
    run = ports.store.get(BillRun, run_id)
    if run is None:
        raise NotFound("bill run", run_id)
    return run


# ---- invoices -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PostedChunk:
    """What became of a chunk: the invoices that are posted now (also those that were before), and what failed."""

    invoices: tuple[Invoice, ...] = ()
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
        """Whether the run itself asks for mail."""
        return self.run is not None and self.run.mails(self.settings.bill_run)


def post_invoice(invoice_id: str, ports: Ports) -> Invoice:
    """Post one draft by hand; an invoice that is posted already is returned as it is."""
    invoice = invoice_of(ports, invoice_id)
    if invoice.status == "void":
        raise Refused("void", f"invoice {invoice_id} is void; create a new one")
    run = ports.store.get(BillRun, invoice.bill_run_id) if invoice.bill_run_id else None
    _follow_up(_post_together((invoice_id,), ports, run), ports)
    if run is not None:
        _finish_by_hand(run.id, ports)
    return invoice_of(ports, invoice_id)


def posted_lately(invoice: Invoice, ports: Ports) -> bool:
    """Whether who posted it may have died before what follows was done, and now comes again; twice is safe."""
    recent = invoice.posted_at is not None and ports.clock.now() - invoice.posted_at < LATELY
    return recent and invoice.status == "posted"


def _finish_by_hand(run_id: str, ports: Ports) -> None:
    """A reviewed run whose last draft was posted by hand is posted."""
    run = run_of(ports, run_id)
    if run.status == "completed" and next(_drafts(run_id, ports), None) is None:
        try:
            _save_ended(_all_posted(run, ports), ports)
        except Conflict:
            pass  # somebody else goes on with the run


def _post_isolating(invoice_ids: Sequence[str], ports: Ports, run: BillRun) -> PostedChunk:
    """All together if they can be; otherwise one by one, so that one bad draft costs nobody else anything."""
    try:
        return _post_together(invoice_ids, ports, run)
    except PASSING:
        raise
    except Exception:  # noqa: BLE001 - whatever is wrong with one of them, the others are posted
        results = [_post_alone(i, ports, run) for i in invoice_ids]
    return PostedChunk(
        tuple(i for r in results for i in r.invoices),
        tuple(f for r in results for f in r.failures),
    )


def _post_alone(invoice_id: str, ports: Ports, run: BillRun) -> PostedChunk:
    try:
        return _post_together((invoice_id,), ports, run)
    except PASSING:
        raise
    except Exception as error:  # noqa: BLE001 - recorded on the run, which a person reads
        draft = ports.store.get(Invoice, invoice_id)
        return PostedChunk(failures=(_failure(error, invoice_id, draft.customer_id if draft else ""),))


def _failure(error: Exception, invoice_id: str, customer_id: str) -> Failure:
    """The reason in words if it is one of ours; the text of other errors may quote what nobody should read."""
    if isinstance(error, DomainError):
        return Failure(customer_id, getattr(error, "code", "invalid"), str(error), invoice_id)
    return Failure(customer_id, "error", f"could not be posted: {type(error).__name__}", invoice_id)


def _post_together(invoice_ids: Sequence[str], ports: Ports, run: BillRun | None) -> PostedChunk:
    """Number and post these drafts in one transaction. Those posted before are named again, for their follow-up."""
    known = Known(settings_of(ports), ports.clock.now(), run)
    for _ in range(POST_RETRIES):
        found = ports.store.get_many(Invoice, [(i, "") for i in invoice_ids])
        before = tuple(i for i in found if i.status == "posted")
        drafts = [i for i in found if i.status == "draft"]
        if not drafts:
            return PostedChunk(before)
        changes, posted = _posting(drafts, known, ports)
        events = invoice_events("invoice.posted", posted, ports)
        try:
            ports.store.commit(*changes, *map(Save, events))
        except Conflict:
            known.run = run_of(ports, run.id) if run else None
            continue
        announce(ports, *(e.id for e in events))
        return PostedChunk((*before, *posted))
    raise Unavailable(f"invoices {', '.join(invoice_ids)} kept changing while they were posted")


def _posting(drafts: Sequence[Invoice], known: Known, ports: Ports) -> tuple[list[Change], list[Invoice]]:
    """The changes that post these drafts: their numbers, mails and credit with them."""
    learn(known, drafts, ports)
    posted, series = number(drafts, known, ports)
    notices = [n for i in posted if (n := _notice(i, known))]
    saves = (*posted, *notices, *credited(posted, ports), *series)
    return [*map(Save, saves), *_run_change(known.run)], posted


def _run_change(run: BillRun | None) -> list[Change]:
    """A run that is cancelled meanwhile makes the posting fail; one that has something posted is not cancelled."""
    if run is None:
        return []
    if run.status == "cancelled":
        raise Refused("cancelled", f"bill run {run.id} is cancelled; its invoices are billed again by another")
    return [] if run.something_posted else [Save(replace(run, something_posted=True))]


def learn(known: Known, invoices: Iterable[Invoice], ports: Ports) -> None:
    """Read the customers and classes that are not known yet."""
    missing = {i.customer_id for i in invoices} - known.customers.keys()
    known.customers |= {c.id: c for c in ports.store.get_many(Customer, [(i, "") for i in sorted(missing)])}
    for customer_id in missing - known.customers.keys():
        raise NotFound("customer", customer_id)
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
    moved = (series.get(prefix) or series_of(ports, prefix)).next()
    series[prefix] = moved
    return moved.number(moved.last)


def series_of(ports: Ports, prefix: str) -> NumberSeries:
    return ports.store.get(NumberSeries, "series", prefix) or NumberSeries(prefix, prefix)


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


def _follow_up(posted: PostedChunk, ports: Ports) -> None:
    """What comes after posting; safe to do again, as a chunk delivered twice does.

    Nobody is told of the notices: an invoice's mail needs its PDF, and who renders that lets the mail go.
    """
    apply_credits(posted.invoices, ports)
    ports.queue.send("document", [RenderInvoice(invoice_id=i.id, first=True).body() for i in posted.invoices])

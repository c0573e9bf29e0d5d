"""Bill runs: reading them, completing them, and recounting what they did. PRODUCT 4, 5."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from shared import ports as p
from shared.contracts.messages import PlanPosting
from shared.domain.copies import replace
from shared.domain.errors import NotFound
from shared.domain.money import format_minor
from shared.domain.outbox import OutboxEvent
from shared.domain.runs import BillRun, Chunk, Failure
from shared.domain.settings import Settings
from shared.domain.values import dataclass
from shared.ports import Conflict, Index, Ports, Save
from shared.use_cases.lookups import settings_of
from shared.use_cases.outbox import announce
from shared.use_cases.run_events import run_event
from shared.use_cases.webhook_endpoints import heard

E = TypeVar("E")
OPEN = "generate#0000#open#"
DONE = "generate#0000#done#"
ENTRIES_PER_PAGE = 1_000
PAGES_MAX = 2_000  # of one run's entries: two million invoices
PARKED = "parked"


def bill_run_of(run_id: str, ports: Ports) -> BillRun:
    run = ports.store.get(BillRun, run_id)
    if run is None:
        raise NotFound("bill run", run_id)
    return run


# ---- completing -----------------------------------------------------------------------------------------------


def complete_bill_run(run_id: str, ports: Ports) -> BillRun:
    """Completed once every customer is selected and no chunk is open; posting already if it posts itself."""
    run = bill_run_of(run_id, ports)
    if run.status != "generating" or run.cursor is not None or ports.store.list(Chunk, run_id, OPEN, limit=1).items:
        return run
    done = replace(run, status="completed", completed_at=ports.clock.now())
    settings = settings_of(ports)
    if posts_itself(run, settings) and _has_drafts(run, ports):
        done = done.posting(include_flagged=settings.bill_run.gate == "all")
    events = [_completed_event(done, ports)] if heard("bill_run.completed", ports) else []
    try:
        ports.store.commit(Save(done), *map(Save, events))
    except Conflict:
        return bill_run_of(run_id, ports)  # another worker completed it
    announce(ports, *(e.id for e in events))
    if done.status == "posting":
        ports.queue.send("post", [PlanPosting(run_id=run_id).body()])
    return replace(done, version=done.version + 1)


def _completed_event(run: BillRun, ports: Ports) -> OutboxEvent:
    """The index may be behind: what is there is the larger number."""
    counted = sum(c.drafts for c in done_chunks(run, ports))
    shown = sum(1 for _ in invoices_in(run.id, ports))
    return run_event("bill_run.completed", run, {"drafts": max(counted, shown), **_failed(run, ports)}, ports)


def posted_events(run: BillRun, ports: Ports) -> list[OutboxEvent]:
    """The one of a run whose last draft was posted, with what it comes to per currency; none if nobody hears it."""
    if not heard("bill_run.posted", ports):
        return []
    made = [seen for seen in invoices_in(run.id, ports) if seen.status != "void"]
    totals = {
        currency: format_minor(sum(seen.total_minor for seen in made if seen.currency == currency), currency)
        for currency in sorted({seen.currency for seen in made})
    }
    counts = {"posted": len(made), **_failed(run, ports)}
    return [run_event("bill_run.posted", run, counts, ports, totals=totals)]


def _failed(run: BillRun, ports: Ports) -> dict[str, int]:
    """How many customers could not be billed, and how many wait to be billed again."""
    failures = failures_of(run, ports)
    parked = len([f for f in failures if f.code == PARKED])
    return {"failed": len(failures) - parked, "parked": parked}


def posts_itself(run: BillRun, settings: Settings) -> bool:
    return settings.bill_run.auto_post if run.auto_post is None else run.auto_post


def _has_drafts(run: BillRun, ports: Ports) -> bool:
    """Told by the chunks, or by the index: it alone may not show them yet."""
    if any(c.drafts for c in done_chunks(run, ports)):
        return True
    return bool(ports.store.find(p.INVOICES_BY_RUN, run.id, prefix="draft#", limit=1).items)


def done_chunks(run: BillRun, ports: Ports) -> Iterator[Chunk]:
    yield from _chunks(run, DONE, ports)


def open_chunks(run: BillRun, ports: Ports) -> Iterator[Chunk]:
    yield from _chunks(run, OPEN, ports)


def _chunks(run: BillRun, prefix: str, ports: Ports) -> Iterator[Chunk]:
    after: str | None = None
    for _ in range(run.chunks // p.PAGE_LIMIT + 1):
        page = ports.store.list(Chunk, run.id, prefix, after=after)
        yield from page.items
        after = page.cursor
        if after is None:
            return


# ---- recounting -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BillRunSummary:
    """Recounted from the run's invoices, notices and chunks each time. `drafts` are those that still are."""

    counts: dict[str, int]
    totals_minor: dict[str, int]
    failures: tuple[Failure, ...]
    flags: dict[str, int]


@dataclass(frozen=True, slots=True)
class SeenInvoice:
    """What the index tells of one invoice of a run; the parts of its sort value are in shared/ports.py."""

    id: str
    customer_id: str
    status: str
    flags: tuple[str, ...]
    currency: str
    total_minor: int


def bill_run_summary(run_id: str, ports: Ports) -> BillRunSummary:
    """What a run has made so far: every count is of what is there, none is kept."""
    run = bill_run_of(run_id, ports)
    counts = dict.fromkeys(("drafts", "posted", "flagged", "failed", "parked", "emailed"), 0)
    totals: dict[str, int] = {}
    flags: dict[str, int] = {}
    for seen in invoices_in(run_id, ports):
        if seen.status == "void":
            continue
        counts["drafts" if seen.status == "draft" else "posted"] += 1
        counts["flagged"] += bool(seen.flags)
        totals[seen.currency] = totals.get(seen.currency, 0) + seen.total_minor
        for code in seen.flags:
            flags[code] = flags.get(code, 0) + 1
    counts |= _failed(run, ports)
    counts["emailed"] = sum(1 for _ in _entries(p.NOTICES_BY_RUN, run_id, "sent#", ports))
    return BillRunSummary(counts, dict(sorted(totals.items())), failures_of(run, ports), dict(sorted(flags.items())))


def failures_of(run: BillRun, ports: Ports) -> tuple[Failure, ...]:
    """One per customer: one with several bill dates may have been tried more than once."""
    found = {f.customer_id: f for c in done_chunks(run, ports) for f in c.failures}
    return tuple(found.values())


def invoices_in(run_id: str, ports: Ports) -> Iterator[SeenInvoice]:
    for sort in _entries(p.INVOICES_BY_RUN, run_id, "", ports):
        status, customer_id, _bill_on, id, codes, currency, total = sort.split("#")
        yield SeenInvoice(id, customer_id, status, tuple(codes.split(",")) if codes else (), currency, int(total))


def _entries(index: Index[E], partition: str, prefix: str, ports: Ports) -> Iterator[str]:
    after: str | None = None
    for _ in range(PAGES_MAX):
        page = ports.store.find(index, partition, prefix=prefix, after=after, limit=ENTRIES_PER_PAGE)
        yield from (e.at for e in page.items)
        after = page.cursor
        if after is None:
            return

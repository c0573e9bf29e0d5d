"""The payment run: which invoices are considered, charged and skipped, and why. PRODUCT 7."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from shared import ports as p
from shared.contracts.messages import ChargeInvoices, SelectInvoices
from shared.domain.calendar import local_date, parse_cron, start_of_day
from shared.domain.customer import Customer
from shared.domain.errors import Invalid, NotFound
from shared.domain.ids import SHARDS, derive_id
from shared.domain.invoice import Invoice
from shared.domain.payment import Payment, PaymentState
from shared.domain.policy import AutoCharge, CustomerClass
from shared.domain.runs import BillRun, Chunk, Outcome, OutcomeWord, PaymentRun, PaymentRunStatus, Watermark
from shared.domain.settings import Settings
from shared.domain.terms import collection_date
from shared.ports import Conflict, Ports, Remove, Save
from shared.use_cases.autopay_rules import choose_payer
from shared.use_cases.charge_invoice import SkipReason, charge_invoice, why_not_chargeable
from shared.use_cases.lookups import class_of, customer_of, local_on, settings_of

OCCURRENCES_MAX = 31  # missed occurrences taken up by one tick
CHUNK_INVOICES = 10  # gateway calls per message
SELECT_PAGES = 20  # index pages per message
AUTOMATIC = AutoCharge()  # stands in where a class does not charge automatically: considered when due, then skipped

OUTCOME_OF: dict[PaymentState, OutcomeWord] = {
    "succeeded": "succeeded", "refunded": "succeeded", "declined": "declined", "failed": "failed",
    "pending": "unknown", "unknown": "unknown",
}  # fmt: skip


# ---- planning -------------------------------------------------------------------------------------------------


def plan_payment_runs(ports: Ports) -> list[PaymentRun]:
    """Record a run for each due occurrence, and start those whose bill run has finished."""
    settings = settings_of(ports)
    made = _record_due(settings, ports) if settings.payment_run.enabled else []
    for run in active_runs(ports):
        if run.status in ("pending", "waiting"):
            _start_or_wait(run, settings, ports)
        else:
            ports.queue.send("charge", [SelectInvoices(run_id=run.id).body()])
    return made


def active_runs(ports: Ports) -> list[PaymentRun]:
    page = ports.store.find(p.PAYMENT_RUNS_ACTIVE, "all")
    found = ports.store.get_many(PaymentRun, [e.key for e in page.items])
    return [r for r in found if r.status in ("pending", "waiting", "collecting")]


def _record_due(settings: Settings, ports: Ports) -> list[PaymentRun]:
    now = ports.clock.now()
    mark = ports.store.get(Watermark, "watermarks", "payment_run") or Watermark("payment_run", now)
    cron = parse_cron(settings.payment_run.schedule)
    due = cron.between(mark.through, now, settings.business.timezone, OCCURRENCES_MAX)
    runs = [_scheduled(at, settings, now) for at in due]
    if not runs and mark.version:
        return []
    moved = replace(mark, through=due[-1] if due else mark.through)
    try:
        ports.store.commit(Save(moved), *map(Save, runs))
    except Conflict:
        return []  # another tick recorded them
    return runs


def scheduled_run_id(occurrence: datetime) -> str:
    """Derived from the occurrence: each has one run."""
    return derive_id("prn_", "payment_run", occurrence.isoformat())


def _scheduled(occurrence: datetime, settings: Settings, now: datetime) -> PaymentRun:
    return PaymentRun(
        id=scheduled_run_id(occurrence), occurred_at=occurrence, scheduled_for=occurrence,
        as_of=local_date(occurrence, settings.business.timezone), created_at=now,
    )  # fmt: skip


def _start_or_wait(run: PaymentRun, settings: Settings, ports: Ports) -> None:
    """A scheduled run waits for bill runs that were due before it, up to the set limit."""
    patience = timedelta(hours=settings.payment_run.max_wait_hours)
    waits = settings.payment_run.wait_for_bill_run and run.scheduled_for is not None
    waits = waits and ports.clock.now() - run.occurred_at < patience and _bill_run_under_way(run, ports)
    status: PaymentRunStatus = "waiting" if waits else "collecting"
    if run.status != status:
        try:
            ports.store.commit(Save(replace(run, status=status)))
        except Conflict:
            return
    if status == "collecting":
        ports.queue.send("charge", [SelectInvoices(run_id=run.id).body()])


def _bill_run_under_way(run: PaymentRun, ports: Ports) -> bool:
    page = ports.store.find(p.BILL_RUNS_ACTIVE, "all")
    found = ports.store.get_many(BillRun, [e.key for e in page.items])
    active = [r for r in found if r.status in ("pending", "generating", "posting")]
    return any((r.scheduled_for or r.created_at or run.occurred_at) <= run.occurred_at for r in active)


def start_payment_run(
    ports: Ports, as_of: date | None = None, customer_ids: Sequence[str] | None = None, by: str | None = None
) -> PaymentRun:
    """An ad hoc run, as of today or earlier (the business's local date)."""
    settings, now = settings_of(ports), ports.clock.now()
    zone = settings.business.timezone
    today = local_date(now, zone)
    if as_of is not None and as_of > today:
        raise Invalid("as_of", f"{as_of} is in the future; a payment run can be as of {today} or earlier")
    for n, customer_id in enumerate(customer_ids or ()):
        try:
            customer_of(ports, customer_id)
        except NotFound:
            raise Invalid(f"customer_ids[{n}]", f"there is no customer {customer_id!r}") from None
    occurred_at = now if as_of in (None, today) else start_of_day(as_of, zone) + timedelta(hours=12)
    run = PaymentRun(
        id=ports.ids.new("prn_"), as_of=as_of or today, occurred_at=occurred_at, status="collecting", created_by=by,
        customer_ids=tuple(customer_ids) if customer_ids is not None else None, created_at=now,
    )  # fmt: skip
    ports.store.commit(Save(run))
    ports.queue.send("charge", [SelectInvoices(run_id=run.id).body()])
    return replace(run, version=1)


# ---- selecting ------------------------------------------------------------------------------------------------


def select_invoices(run_id: str, ports: Ports) -> None:
    """Choose the invoices whose collection date has come, a bounded number of pages at a time."""
    settings = settings_of(ports)
    for _ in range(SELECT_PAGES):
        run = run_of(ports, run_id)
        if run.status != "collecting":
            return
        if run.cursor is None:
            _hand_out(run, ports)
            return
        try:
            _select_page(run, settings, ports)
        except Conflict:
            continue  # another delivery of this message is at it too
    ports.queue.send("charge", [SelectInvoices(run_id=run_id).body()])


def _select_page(run: PaymentRun, settings: Settings, ports: Ports) -> None:
    """One page of one shard becomes chunks, in the transaction that moves the cursor (`shard|page`) behind it."""
    shard, _, after = (run.cursor or "0|").partition("|")
    page = ports.store.find(p.INVOICES_OPEN, shard, after=after or None)
    ids = [i.id for i in _considered(page.items, run, settings, ports)]
    chunks = [
        Chunk(run.id, "charge", run.chunks + n, tuple(ids[at : at + CHUNK_INVOICES]))
        for n, at in enumerate(range(0, len(ids), CHUNK_INVOICES))
    ]
    following = str(int(shard) + 1) + "|" if int(shard) + 1 < SHARDS else None
    cursor = f"{shard}|{page.cursor}" if page.cursor else following
    ports.store.commit(Save(replace(run, cursor=cursor, chunks=run.chunks + len(chunks))), *map(Save, chunks))


def _considered(found: Sequence[p.Entry], run: PaymentRun, settings: Settings, ports: Ports) -> Iterator[Invoice]:
    """The open invoices of a page whose collection date has come on their customer's date."""
    wanted = [e for e in found if run.customer_ids is None or e.at.split("#")[0] in run.customer_ids]
    owners = sorted({e.at.split("#")[0] for e in wanted})
    customers = {c.id: c for c in ports.store.get_many(Customer, [(i, "") for i in owners])}
    classes = {c.class_id: class_of(ports, c.class_id) for c in customers.values()}
    for invoice in ports.store.get_many(Invoice, [e.key for e in wanted]):
        customer = customers.get(invoice.customer_id)
        if customer is not None and invoice.collectable() and collection_due(
            invoice, customer, classes[customer.class_id], run, settings
        ):  # fmt: skip
            yield invoice


def collection_due(
    invoice: Invoice, customer: Customer, its_class: CustomerClass, run: PaymentRun, settings: Settings
) -> bool:
    """Whether the collection date, or the day of a retry, has come."""
    rule = its_class.policy(invoice.type).auto_charge or AUTOMATIC
    on = local_on(run.occurred_at, customer, settings)
    retry_due = invoice.next_attempt_on is not None and invoice.next_attempt_on <= on
    return retry_due or collection_date(invoice, rule) <= on


def _hand_out(run: PaymentRun, ports: Ports) -> None:
    after: str | None = None
    for _ in range(run.chunks // p.PAGE_LIMIT + 1):
        page = ports.store.list(Chunk, run.id, "charge#0000#open#", after=after)
        ports.queue.send("charge", [ChargeInvoices(run_id=run.id, chunk=c.number).body() for c in page.items])
        after = page.cursor
        if after is None:
            break
    finish_run(run.id, ports)


# ---- charging -------------------------------------------------------------------------------------------------


def charge_chunk(run_id: str, number: int, ports: Ports) -> tuple[Outcome, ...] | None:
    """Charge the invoices of one chunk; None if that was done before. Retries of the day come first."""
    chunk = ports.store.get(Chunk, run_id, f"charge#0000#open#{number:06d}")
    if chunk is None:
        finish_run(run_id, ports)
        return None
    run = run_of(ports, run_id)
    outcomes = tuple(_charge_one(i, run, ports) for i in chunk.subjects)
    try:
        ports.store.commit(Remove(chunk), Save(replace(chunk, done=True, version=0, outcomes=outcomes)))
    except Conflict:
        return None  # another delivery of the same message was faster
    finish_run(run_id, ports)
    return outcomes


def _charge_one(invoice_id: str, run: PaymentRun, ports: Ports) -> Outcome:
    """One invoice of a run. If the run has an attempt on it already, from a delivery that died, that is its outcome."""
    last = ports.store.find(p.PAYMENTS_BY_INVOICE, invoice_id, reverse=True, limit=1).items
    before = ports.store.get(Payment, last[0].partition) if last else None
    if before is not None and before.run_id == run.id:
        if before.status != "declined" or not before.falls_through:
            return _outcome(before)
        following = charge_invoice(invoice_id, ports, run_id=run.id, as_of=run.occurred_at).payment
        return _outcome(following or before)
    if (reason := why_skipped(invoice_id, run, ports)) is not None:
        return Outcome(invoice_id, "skipped", reason)
    result = charge_invoice(invoice_id, ports, run_id=run.id, as_of=run.occurred_at)
    return _outcome(result.payment) if result.payment else Outcome(invoice_id, "skipped", result.skipped)


def _outcome(payment: Payment) -> Outcome:
    """A pending attempt is one whose caller died: nobody knows yet what became of it."""
    return Outcome(payment.invoice_id or "", OUTCOME_OF[payment.status], payment.code, payment.id)


def why_skipped(invoice_id: str, run: PaymentRun, ports: Ports) -> SkipReason | None:
    """Why a payment run leaves a considered invoice alone; None if it charges it."""
    settings = settings_of(ports)
    invoice = ports.store.get(Invoice, invoice_id)
    if invoice is None:
        return "not_posted"
    customer = customer_of(ports, invoice.customer_id)
    on = local_on(run.occurred_at, customer, settings)
    if (reason := why_not_chargeable(invoice, customer, on)) is not None:
        return reason
    if class_of(ports, customer.class_id).policy(invoice.type).auto_charge is None:
        return "autopay_off"
    if invoice.autopay_ended:
        return "attempts_exhausted"
    if invoice.next_attempt_on is not None and invoice.next_attempt_on > on:
        return "retry_scheduled"
    return choose_payer(invoice, ports, on).skipped


def finish_run(run_id: str, ports: Ports) -> None:
    """Completed once everything is selected and no chunk is open."""
    run = run_of(ports, run_id)
    if run.status != "collecting" or run.cursor is not None:
        return
    if ports.store.list(Chunk, run_id, "charge#0000#open#", limit=1).items:
        return
    try:
        ports.store.commit(Save(replace(run, status="completed", completed_at=ports.clock.now())))
    except Conflict:
        pass  # another worker finished it


def run_of(ports: Ports, run_id: str) -> PaymentRun:
    run = ports.store.get(PaymentRun, run_id)
    if run is None:
        raise NotFound("payment run", run_id)
    return run


# ---- what a run did -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PaymentRunSummary:
    """Recounted from the run's chunks each time, with unknown outcomes as they are known by now."""

    counts: dict[str, int]
    collected_minor: dict[str, int]


def payment_run_summary(run: PaymentRun, ports: Ports) -> PaymentRunSummary:
    counts = dict.fromkeys(("considered", "succeeded", "declined", "failed", "unknown", "skipped"), 0)
    collected: dict[str, int] = {}
    for outcomes in done_outcomes(run, ports):
        ids = [(o.payment_id, "") for o in outcomes if o.payment_id]
        payments = {payment.id: payment for payment in ports.store.get_many(Payment, ids)}
        for outcome in outcomes:
            payment = payments.get(outcome.payment_id or "")
            now = _outcome(payment) if payment else outcome
            counts["considered"] += 1
            counts[now.outcome] += 1
            if payment is not None and now.outcome == "succeeded":
                collected[payment.currency] = collected.get(payment.currency, 0) + payment.amount_minor
    return PaymentRunSummary(counts, dict(sorted(collected.items())))


def done_outcomes(run: PaymentRun, ports: Ports) -> Iterator[tuple[Outcome, ...]]:
    """The outcomes of the run's finished chunks, in order."""
    after: str | None = None
    for _ in range(run.chunks // p.PAGE_LIMIT + 1):
        page = ports.store.list(Chunk, run.id, "charge#0000#done#", after=after)
        yield from (c.outcomes for c in page.items)
        after = page.cursor
        if after is None:
            return

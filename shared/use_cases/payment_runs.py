"""The payment run: which invoices are considered, charged and skipped, and why. PRODUCT 7."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Literal

from shared import ports as p
from shared.contracts.messages import ChargeInvoices, SelectInvoices
from shared.domain.calendar import local_date, parse_cron, start_of_day
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.errors import DomainError, Invalid, NotFound, Refused
from shared.domain.ids import SHARDS, derive_id, shard_of
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice
from shared.domain.outbox import OutboxEvent
from shared.domain.payment import Payment, PaymentState, attempt_id
from shared.domain.policy import DEFAULT_CLASS, AutoCharge, CustomerClass
from shared.domain.runs import BillRun, Chunk, Outcome, OutcomeWord, PaymentRun, PaymentRunStatus, Watermark
from shared.domain.settings import Settings
from shared.domain.terms import collection_date
from shared.domain.values import dataclass
from shared.ports import Conflict, Ports, Remove, Save
from shared.use_cases.charge_invoice import (
    ChargeResult,
    charge_invoice,
    goes_on,
    retry_failed,
    retry_later,
)
from shared.use_cases.expiring_cards import PLACES as CARD_PLACES
from shared.use_cases.expiring_cards import card_notices, expiring_page
from shared.use_cases.look_ahead import ahead_of_charges
from shared.use_cases.lookups import EASTMOST, all_classes, customer_of, local_on, settings_of
from shared.use_cases.notices import hint
from shared.use_cases.outbox import announce
from shared.use_cases.plan_bill_runs import scheduled_bill_run_id
from shared.use_cases.refresh_episode import refresh_episode
from shared.use_cases.run_events import run_event
from shared.use_cases.sift_invoices import sift
from shared.use_cases.webhook_endpoints import heard

OCCURRENCES_MAX = 31  # missed occurrences taken up by one tick
BILL_RUNS_WAITED_FOR_MAX = 1_000  # occurrences of the bill run within the limit of patience
CHUNK_INVOICES = 10  # gateway calls per message
SIFTED_INVOICES = 100  # looked at per message, of those that earlier runs left unpaid
ROUNDS = RETRIES, NEW = (0, 1)  # what was tried before is all taken before anything new
SELECT_PAGES = 40  # index pages per message
NOT_OWED = frozenset({"not_posted", "nothing_due"})  # API.md: no reasons of a run
TAKEN = frozenset({"nothing_due", "attempt_open", "retry_scheduled", "attempts_exhausted"})  # what a charge leaves
Classes = Mapping[str, CustomerClass]  # by id
NO_DATE = "9999"  # comes after the text of every date that is one
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
    for run in active_runs(ports, made):
        if run.status in ("pending", "waiting"):
            _start_or_wait(run, settings, ports)
        else:
            ports.queue.send("charge", [SelectInvoices(run_id=run.id).body()])
    return made


def active_runs(ports: Ports, made: Sequence[PaymentRun] = ()) -> list[PaymentRun]:
    """Those not ended. The index may not show yet what was recorded a moment ago, so that is looked at too."""
    page = ports.store.find(p.PAYMENT_RUNS_ACTIVE, "all")
    ids = dict.fromkeys([*(e.partition for e in page.items), *(r.id for r in made)])
    found = ports.store.get_many(PaymentRun, [(i, "") for i in ids])
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
    waits = waits and ports.clock.now() - run.occurred_at < patience and _bill_run_under_way(run, settings, ports)
    status: PaymentRunStatus = "waiting" if waits else "collecting"
    if run.status != status:
        try:
            ports.store.commit(Save(replace(run, status=status)))
        except Conflict:
            return
    if status == "collecting":
        ports.queue.send("charge", [SelectInvoices(run_id=run.id).body()])


def _bill_run_under_way(run: PaymentRun, settings: Settings, ports: Ports) -> bool:
    """Whether a bill run that was due, or asked for, before this run is not finished, or not even recorded yet."""
    ids = [*_scheduled_bill_runs(run.occurred_at, settings, ports)]
    page = ports.store.find(p.BILL_RUNS_ACTIVE, "all")
    ids += [e.partition for e in page.items]
    found = ports.store.get_many(BillRun, [(i, "") for i in dict.fromkeys(ids)])
    active = [r for r in found if r.status in ("pending", "generating", "posting")]
    if any((r.scheduled_for or r.created_at or run.occurred_at) <= run.occurred_at for r in active):
        return True
    mark = ports.store.get(Watermark, "watermarks", "bill_run")
    if mark is None or not settings.bill_run.enabled:
        return False
    cron = parse_cron(settings.bill_run.schedule)
    return bool(cron.between(mark.through, run.occurred_at, settings.business.timezone, 1))


def _scheduled_bill_runs(until: datetime, settings: Settings, ports: Ports) -> list[str]:
    """The ids of those due within the limit of patience: an index may not show the latest of them yet."""
    if not settings.bill_run.enabled:
        return []
    patience = timedelta(hours=settings.payment_run.max_wait_hours)
    cron = parse_cron(settings.bill_run.schedule)
    due = cron.between(until - patience, until, settings.business.timezone, BILL_RUNS_WAITED_FOR_MAX)
    return [scheduled_bill_run_id(at) for at in due]


def start_payment_run(
    ports: Ports, as_of: date | None = None, customer_ids: Sequence[str] | None = None, by: str | None = None
) -> PaymentRun:
    """An ad hoc run, as of today or earlier (the business's local date); the same under the same id is the same run."""
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
        cursor=None if customer_ids is not None and not customer_ids else "",
    )  # fmt: skip
    try:
        ports.store.commit(Save(run))
    except Conflict:
        known = ports.store.get(PaymentRun, run.id)
        if known is None or not _alike(known, run, as_of):
            raise Refused("id_taken", f"the id {run.id} is taken: choose another") from None
        run = known
    ports.queue.send("charge", [SelectInvoices(run_id=run.id).body()])
    return replace(run, version=max(run.version, 1))


def _alike(known: PaymentRun, run: PaymentRun, as_of: date | None) -> bool:
    """Whether both were asked for by the same words; "today" stays what it was when the run was made."""
    same = (known.customer_ids, known.created_by, known.scheduled_for) == (run.customer_ids, run.created_by, None)
    return same and as_of in (None, known.as_of)


# ---- selecting ------------------------------------------------------------------------------------------------


def select_invoices(run_id: str, ports: Ports) -> None:
    """Choose the invoices whose collection date has come, a bounded number of pages at a time.

    Once that is done, this reminds the workers of the first chunks that are still open.
    """
    run = run_of(ports, run_id)
    if run.status == "collecting" and run.cursor is None:
        _hand_out(run, ports, pages=1)  # a reminder: some message may have been lost
        return
    settings, classes = settings_of(ports), {c.id: c for c in all_classes(ports)}
    for _ in range(SELECT_PAGES):
        if run.status != "collecting":
            return
        try:
            _select_page(run, settings, classes, ports)
        except Conflict:
            pass  # another delivery of this message is at it too
        run = run_of(ports, run_id)
        if run.cursor is None:  # asked right here: a further message would find a run to be reminded of only
            _hand_out(run, ports, pages=run.chunks // p.PAGE_LIMIT + 1)
            return
    ports.queue.send("charge", [SelectInvoices(run_id=run_id).body()])


def _select_page(run: PaymentRun, settings: Settings, classes: Classes, ports: Ports) -> None:
    """One page of one place becomes chunks, in the transaction that moves the cursor (`place|page`) behind it.

    The places are the index's shards, or the customers that were asked for; then, of scheduled runs, those of the cards
    that expire.
    """
    place, _, after = (run.cursor or "0|").partition("|")
    number, first_of_cards = int(place), SHARDS if run.customer_ids is None else len(run.customer_ids)
    chunks: list[Chunk] = []
    numbers = 0
    notices: list[Notice] = []
    if number < first_of_cards:
        shard, prefix = _place(run, number)
        page = ports.store.find(p.INVOICES_OPEN, shard, prefix=prefix, after=after or None)
        last_due = _last_due(run, classes)
        found = [entry for entry in page.items if not last_due < _due_of(entry) < NO_DATE]
        chunks, numbers = _chunks(list(_considered(found, run, settings, classes, ports)), run)
    else:
        cards = expiring_page(number - first_of_cards, run.as_of, after or None, ports)
        page, notices = cards, card_notices(cards.items, run, settings, ports)
    places = first_of_cards + (CARD_PLACES if run.scheduled_for is not None else 0)
    following = f"{number + 1}|" if number + 1 < places else None
    cursor = f"{place}|{page.cursor}" if page.cursor else following
    moved = replace(run, cursor=cursor, chunks=run.chunks + numbers)
    ports.store.commit(Save(moved), *map(Save, chunks), *map(Save, notices))
    hint(ports, *(n.id for n in notices))


def _chunks(considered: Sequence[tuple[Invoice, bool]], run: PaymentRun) -> tuple[list[Chunk], int]:
    """Invoices that were tried before make chunks of the first round, all others of the second. How many numbers they
    take: what is to be sifted has some left for the chunks that it becomes.
    """
    ids: dict[tuple[int, bool], list[str]] = {}
    for invoice, is_fresh in considered:
        ids.setdefault((_round(invoice), not is_fresh), []).append(invoice.id)
    chunks: list[Chunk] = []
    numbers = 0
    for (round, left_before), alike in sorted(ids.items()):
        for part in _cut(alike, SIFTED_INVOICES if left_before else CHUNK_INVOICES):
            chunks.append(Chunk(run.id, "charge", run.chunks + numbers, part, round=round))
            numbers += 1 + (len(_cut(part, CHUNK_INVOICES)) if len(part) > CHUNK_INVOICES else 0)
    return chunks, numbers


def _cut(ids: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(ids[at : at + size]) for at in range(0, len(ids), size)]


def _round(invoice: Invoice) -> int:
    """A retry may be due, or possible because there is a new card."""
    return RETRIES if invoice.next_attempt_on is not None or invoice.autopay_ended else NEW


def _place(run: PaymentRun, number: int) -> tuple[str, str]:
    """A partition of INVOICES_OPEN, and the prefix within it."""
    if not run.customer_ids:
        return str(number), ""
    customer_id = run.customer_ids[number]
    return str(shard_of(customer_id)), f"{customer_id}#"


def _last_due(run: PaymentRun, classes: Classes) -> str:
    """The last due date, wherever the customer is, of an invoice that may have to be collected by now.

    The index tells due dates, so that what is due later costs no read. NO_DATE where a class collects by another date.
    A retry comes after its invoice's collection date; if the class was changed to a later one, it waits for that.
    """
    policies = [policy for c in classes.values() for policy in (c.regular, c.out_of_turn)]
    rules = [policy.auto_charge or AUTOMATIC for policy in policies]
    if any(rule.on != "due_on" for rule in rules):
        return NO_DATE
    ahead = max(0, *(-rule.offset_days for rule in rules))
    return str((run.occurred_at + EASTMOST).date() + timedelta(days=ahead))


def _due_of(entry: p.Entry) -> str:
    """The due date in an open invoice's place: customer, due date, id."""
    return entry.at.split("#", 2)[1]


def _considered(
    found: Sequence[p.Entry], run: PaymentRun, settings: Settings, classes: Classes, ports: Ports
) -> Iterator[tuple[Invoice, bool]]:
    """The open invoices of a page whose collection date has come on their customer's date, and whether it, or the day
    of a retry, came on that very day: if not, an earlier run left it unpaid.
    """
    invoices = [i for i in ports.store.get_many(Invoice, [e.key for e in found]) if i.collectable()]
    owners = sorted({i.customer_id for i in invoices})
    customers = ports.store.get_many(Customer, [(i, "") for i in owners])
    dates = {c.id: local_on(run.occurred_at, c, settings) for c in customers}
    its_class = {c.id: classes.get(c.class_id, DEFAULT_CLASS) for c in customers}
    for invoice in invoices:
        owner = invoice.customer_id
        if owner not in dates:
            continue
        on, due_on = dates[owner], _collected_on(invoice, its_class[owner])
        retry_due = invoice.next_attempt_on is not None and invoice.next_attempt_on <= on
        if retry_due or due_on <= on:
            yield invoice, retry_due or due_on == on


def collection_due(invoice: Invoice, its_class: CustomerClass, on: date) -> bool:
    """Whether the collection date, or the day of a retry, has come on the customer's local date."""
    retry_due = invoice.next_attempt_on is not None and invoice.next_attempt_on <= on
    return retry_due or _collected_on(invoice, its_class) <= on


def _collected_on(invoice: Invoice, its_class: CustomerClass) -> date:
    return collection_date(invoice, its_class.policy(invoice.type).auto_charge or AUTOMATIC)


def _hand_out(run: PaymentRun, ports: Ports, pages: int) -> None:
    """Send the chunks of the round that is under way, or finish if there are none."""
    round = _round_of(run.id, ports)
    if round is None:
        finish_run(run.id, ports)
        return
    after: str | None = None
    for _ in range(pages):
        page = ports.store.list(Chunk, run.id, chunks_of(round, "open"), after=after)
        ports.queue.send("charge", [ChargeInvoices(run_id=run.id, chunk=c.number).body() for c in page.items])
        after = page.cursor
        if after is None:
            break


def _round_of(run_id: str, ports: Ports) -> int | None:
    """The first round with a chunk that is open."""
    return next((r for r in ROUNDS if ports.store.list(Chunk, run_id, chunks_of(r, "open"), limit=1).items), None)


def chunks_of(round: int, which: Literal["open", "done"]) -> str:
    """What the keys of a round's chunks begin with."""
    return f"charge#{round:04d}#{which}#"


# ---- charging -------------------------------------------------------------------------------------------------


def charge_chunk(run_id: str, number: int, ports: Ports) -> tuple[Outcome, ...] | None:
    """Charge the invoices of one chunk, retries of the day first; None if that was done before."""
    run = run_of(ports, run_id)
    found = ports.store.get_many(Chunk, [(run_id, f"{chunks_of(r, 'open')}{number:06d}") for r in ROUNDS])
    if not found:
        finish_run(run_id, ports)
        return None
    (chunk,) = found
    ports = replace(ports, gate=f"{run_id}{number}")
    ahead_of_charges(chunk.subjects, ports)
    if len(chunk.subjects) > CHUNK_INVOICES:
        return _sift_chunk(chunk, run, ports)
    owners = {i.id: i.customer_id for i in ports.store.get_many(Invoice, [(i, "") for i in chunk.subjects])}
    outcomes = _considered_still(
        ports.abreast.each(lambda i, own: _charge_one(i, run, own), chunk.subjects, ports, lane=owners.get)
    )
    try:
        ports.store.commit(Remove(chunk), Save(replace(chunk, done=True, version=0, outcomes=outcomes)))
    except Conflict:
        return None  # another delivery of the same message was faster
    _go_on(run, chunk, ports)
    return outcomes


def _sift_chunk(chunk: Chunk, run: PaymentRun, ports: Ports) -> tuple[Outcome, ...] | None:
    """Write down what is skipped, and make chunks of what may be charged; None if that was done before."""
    skipped, left = sift(chunk.subjects, run, ports)
    outcomes, first = _considered_still(skipped), chunk.number + 1
    parts = [
        replace(chunk, number=first + n, subjects=ids, version=0) for n, ids in enumerate(_cut(left, CHUNK_INVOICES))
    ]
    done = replace(chunk, done=True, version=0, outcomes=outcomes)
    try:
        ports.store.commit(Remove(chunk), Save(done), *map(Save, parts))
    except Conflict:
        return None
    ports.queue.send("charge", [ChargeInvoices(run_id=run.id, chunk=part.number).body() for part in parts])
    _go_on(run, chunk, ports)
    return outcomes


def _go_on(run: PaymentRun, chunk: Chunk, ports: Ports) -> None:
    """After the last chunk of a round comes the next round, and after the last of all the end."""
    under_way = _round_of(run.id, ports)
    if under_way is None:
        finish_run(run.id, ports)
    elif under_way != chunk.round:
        _hand_out(run, ports, pages=run.chunks // p.PAGE_LIMIT + 1)


def _considered_still(outcomes: Iterable[Outcome]) -> tuple[Outcome, ...]:
    """Without the invoices that were paid, or voided, before their turn came: a run considers what is owed."""
    return tuple(o for o in outcomes if o.reason not in NOT_OWED)


def _charge_one(invoice_id: str, run: PaymentRun, ports: Ports) -> Outcome:
    """One invoice of a run. What is wrong with one keeps no other from being charged."""
    try:
        result = _charged_before(invoice_id, run, ports) or charge_invoice(invoice_id, ports, run=run)
        if result.skipped in TAKEN:  # by another delivery of this very message, it may be
            result = _charged_before(invoice_id, run, ports) or result
    except DomainError as error:
        return Outcome(invoice_id, "failed", getattr(error, "code", "not_found"))
    if result.payment is None:
        return Outcome(invoice_id, "skipped", result.skipped)
    retry_later(result.payment, ports)
    return _outcome(result.payment)


def _charged_before(invoice_id: str, run: PaymentRun, ports: Ports) -> ChargeResult | None:
    """If the run has an attempt on the invoice already, from a delivery that died, that is its outcome."""
    invoice = ports.store.get(Invoice, invoice_id)
    last = attempt_id(invoice_id, invoice.attempts) if invoice is not None and invoice.attempts else None
    before = ports.store.get(Payment, last) if last else None
    if before is None or before.run_id != run.id:
        return None
    if before.status == "succeeded":
        refresh_episode(before.customer_id, ports)  # who charged it may have died before that
    following = charge_invoice(invoice_id, ports, run=run, again=True) if goes_on(before) else None
    return following if following is not None and following.payment else ChargeResult(before)


def retry_charge(run_id: str, invoice_id: str, attempt: int, ports: Ports) -> Outcome | None:
    """Try again what the gateway did not process; None if there is nothing to try (any more)."""
    result = retry_failed(run_of(ports, run_id), invoice_id, attempt, ports)
    if result is None:
        return None
    return _outcome(result.payment) if result.payment else Outcome(invoice_id, "skipped", result.skipped)


def _outcome(payment: Payment) -> Outcome:
    """A pending attempt is one whose caller died: nobody knows yet what became of it."""
    return Outcome(payment.invoice_id or "", OUTCOME_OF[payment.status], payment.code, payment.id)


def finish_run(run_id: str, ports: Ports) -> None:
    """Completed once everything is selected and no chunk is open."""
    run = run_of(ports, run_id)
    if run.status != "collecting" or run.cursor is not None:
        return
    if _round_of(run_id, ports) is not None:
        return
    done = replace(run, status="completed", completed_at=ports.clock.now())
    events = [_completed_event(done, ports)] if heard("payment_run.completed", ports) else []
    try:
        ports.store.commit(Save(done), *map(Save, events))
    except Conflict:
        return  # another worker finished it
    announce(ports, *(e.id for e in events))


def _completed_event(run: PaymentRun, ports: Ports) -> OutboxEvent:
    """With the outcomes as they are written down: what was unknown then may be known later."""
    counts = _no_outcomes()
    for outcomes in done_outcomes(run, ports):
        for outcome in outcomes:
            counts["considered"] += 1
            counts[outcome.outcome] += 1
    return run_event("payment_run.completed", run, counts, ports)


def _no_outcomes() -> dict[str, int]:
    return dict.fromkeys(("considered", "succeeded", "declined", "failed", "unknown", "skipped"), 0)


def run_of(ports: Ports, run_id: str) -> PaymentRun:
    run = ports.store.get(PaymentRun, run_id)
    if run is None:
        raise NotFound("payment run", run_id)
    return run


# ---- what a run did -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PaymentRunSummary:
    """Recounted from the run's chunks each time, with outcomes as they are known by now."""

    counts: dict[str, int]
    collected_minor: dict[str, int]


def payment_run_summary(run: PaymentRun, ports: Ports) -> PaymentRunSummary:
    counts = _no_outcomes()
    collected: dict[str, int] = {}
    for outcomes in done_outcomes(run, ports):
        payments = _as_known_now(outcomes, run, ports)
        for outcome in outcomes:
            payment = payments.get(outcome.invoice_id)
            now = _outcome(payment) if payment else outcome
            counts["considered"] += 1
            counts[now.outcome] += 1
            if payment is not None and now.outcome == "succeeded":
                collected[payment.currency] = collected.get(payment.currency, 0) + payment.amount_minor
    return PaymentRunSummary(counts, dict(sorted(collected.items())))


def attempts_of(run: PaymentRun, ports: Ports, most: int) -> list[Payment]:
    """The run's last attempt per invoice as it is known now, at most so many, in the order of the run's chunks."""
    found = (a for outcomes in done_outcomes(run, ports) for a in _as_known_now(outcomes, run, ports).values())
    return list(islice(found, most))


def _as_known_now(outcomes: Sequence[Outcome], run: PaymentRun, ports: Ports) -> dict[str, Payment]:
    """The run's last attempt per invoice: what the gateway did not process at first may have been tried again."""
    found = ports.store.get_many(Payment, [(o.payment_id, "") for o in outcomes if o.payment_id])
    unpaid = {a.invoice_id or "": a.attempt or 0 for a in found if _not_paid(a)}
    invoices = ports.store.get_many(Invoice, [(i, "") for i in unpaid])
    again = [(attempt_id(i.id, n), "") for i in invoices for n in range(unpaid[i.id] + 1, i.attempts + 1)]
    tried = [a for a in ports.store.get_many(Payment, again) if a.run_id == run.id]
    return {a.invoice_id or "": a for a in (*found, *sorted(tried, key=lambda a: a.attempt or 0))}


def _not_paid(attempt: Payment) -> bool:
    return attempt.status not in ("succeeded", "refunded")


def done_outcomes(run: PaymentRun, ports: Ports) -> Iterator[tuple[Outcome, ...]]:
    """The outcomes of the run's finished chunks, in order."""
    for round in ROUNDS:
        after: str | None = None
        for _ in range(run.chunks // p.PAGE_LIMIT + 1):
            page = ports.store.list(Chunk, run.id, chunks_of(round, "done"), after=after)
            yield from (c.outcomes for c in page.items)
            after = page.cursor
            if after is None:
                break

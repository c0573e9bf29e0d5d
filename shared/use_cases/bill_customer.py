"""Billing one customer: its drafts and the contracts they bill are written together. PRODUCT 4.

So trying again finds nothing left to do. Only what is too much for one transaction takes several, and each of these
is complete in itself: a bill date at a time, and then some contracts at a time, with which the draft grows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

from shared import ports as p
from shared.domain.billing import Due, billing_invoices
from shared.domain.contract import Contract
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.drafts import Billing, Draft, contracts_after, drafts_of, due_of, flagged, longer
from shared.domain.errors import NotFound, Refused
from shared.domain.invoice import Invoice, InvoiceLines, parts
from shared.domain.settings import Settings
from shared.domain.spot_check import Findings
from shared.domain.usage import UsageMeter
from shared.domain.values import dataclass
from shared.ports import COMMIT_MAX, Change, Conflict, Ports, Remove, Save, Unavailable
from shared.use_cases.lookups import CONFLICT_RETRIES, lines_of
from shared.use_cases.usage_lookup import StoredUsage

CONTRACT_PAGES: Final = 50  # of one customer
TRANSACTIONS_MAX: Final = 500  # for one customer in one run
CONTRACTS_PER_COMMIT: Final = 30  # where those of a bill date do not all fit into one transaction
HISTORY_FIRST: Final = 4  # invoices looked at for the spot check: usually enough ...
HISTORY_MAX: Final = 40  # ... and at most, where other contracts were invoiced since


@dataclass(frozen=True, slots=True)
class RunOf:
    """Of a bill run, what billing a customer needs to know."""

    id: str
    as_of: date
    settings: Settings


@dataclass(frozen=True, slots=True)
class Work:
    """What a customer has due, with the drafts for it."""

    customer: Customer
    dues: tuple[Due, ...] = ()
    meters: tuple[UsageMeter, ...] = ()
    drafts: tuple[Draft, ...] = ()


def bill_customer(customer_id: str, run: RunOf, ports: Ports) -> int:
    """Bill all that a customer has due as of the run's date; how many drafts that made, now or before a worker died.

    Raises Parked and other refusals, and Unavailable if the customer's records do not stand still.
    """
    made: set[str] = set()
    conflicts, grow = 0, False  # a draft of the bill date may be there already once something was written
    for _ in range(TRANSACTIONS_MAX):
        work = work_of(customer_id, run, ports)
        if not work.dues:
            return len(made | _made_before(customer_id, run, ports))
        part, changes = _transaction(work, run, ports, grow)
        grow = True
        try:
            ports.store.commit(*changes)
        except Conflict:
            conflicts += 1
            if conflicts > CONFLICT_RETRIES:
                raise Unavailable(f"customer {customer_id} kept changing while being billed") from None
            continue
        made.update(d.invoice.id for d in part.drafts)
        if part is work:
            return len(made)
    raise Refused("too_much", f"more is due than {TRANSACTIONS_MAX} transactions hold; the next run goes on with it")


def _made_before(customer_id: str, run: RunOf, ports: Ports) -> set[str]:
    """The invoices of this run that the customer's contracts know of: an index may not show them yet."""
    known = {id for contract in contracts_of(customer_id, ports) for id in billing_invoices(contract)}
    found = ports.store.get_many(Invoice, [(id, "") for id in sorted(known)])
    return {invoice.id for invoice in found if invoice.bill_run_id == run.id}


def work_of(customer_id: str, run: RunOf, ports: Ports) -> Work:
    """All that a customer has due, as drafts that are not written yet. Raises Parked."""
    customer = ports.store.get(Customer, customer_id)
    if customer is None:
        raise NotFound("customer", customer_id)
    contracts = [c for c in contracts_of(customer_id, ports) if c.next_bill_on and c.next_bill_on <= run.as_of]
    metered = [c.id for c in contracts if any(charge.type == "usage" for charge in c.charges)]
    meters = {m.contract_id: m for m in ports.store.get_many(UsageMeter, [(i, "") for i in metered])}
    dues = due_of(contracts, StoredUsage(ports), run.as_of)  # reads the usage after its meters: see UsageMeter
    guards = tuple(meters.get(i) or UsageMeter(i) for i in metered)
    return _drafted(Work(customer, tuple(dues), guards), run, ports)


def contracts_of(customer_id: str, ports: Ports) -> Iterator[Contract]:
    after: str | None = None
    for _ in range(CONTRACT_PAGES):
        page = ports.store.list(Contract, customer_id, after=after)
        yield from page.items
        after = page.cursor
        if after is None:
            return
    raise Refused("too_many_contracts", f"there are more than {CONTRACT_PAGES * p.PAGE_LIMIT} contracts")


def _drafted(work: Work, run: RunOf, ports: Ports) -> Work:
    billing = Billing(run.id, run.as_of, ports.clock.now(), work.customer)
    drafts = drafts_of(billing, work.dues)
    history = history_of(work.customer.id, drafts, ports)
    check = run.settings.bill_run.spot_check
    return replace(work, drafts=tuple(flagged(drafts, work.customer, history, check)))


# ---- writing --------------------------------------------------------------------------------------------------


def _transaction(work: Work, run: RunOf, ports: Ports, grow: bool) -> tuple[Work, list[Change]]:
    """The most of the work that one transaction holds, as changes."""
    for part in _parts(work, run, ports):
        changes = _changes(part, run, ports, grow)
        if len(changes) <= COMMIT_MAX:
            return part, changes
    raise Refused("too_much", f"what contract {work.dues[0].contract.id} has due does not fit into one transaction")


def _parts(work: Work, run: RunOf, ports: Ports) -> Iterator[Work]:
    """All of it; the first bill date of it; of that, some contracts; of these, one."""
    yield work
    first = min(s.bill_on for d in work.dues for s in d.steps)
    dated = [replace(d, steps=tuple(s for s in d.steps if s.bill_on == first)) for d in work.dues]
    dues = tuple(d for d in dated if d.steps)
    for count in (len(dues), CONTRACTS_PER_COMMIT, 1):
        yield _drafted(replace(work, dues=dues[:count], drafts=()), run, ports)


def _changes(work: Work, run: RunOf, ports: Ports, grow: bool) -> list[Change]:
    changes: list[Change] = []
    for draft in work.drafts:
        known = ports.store.get(Invoice, draft.invoice.id) if grow else None
        changes += _grown(known, draft, work.customer, run, ports) if known else _new(draft)
    billed = {d.contract.id for d in work.dues}
    changes += map(Save, contracts_after(work.dues, work.drafts))
    changes += (Save(m) for m in work.meters if m.contract_id in billed)
    return changes


def _new(draft: Draft) -> Iterator[Change]:
    yield Save(draft.invoice)
    yield from map(Save, parts(draft.invoice.id, draft.lines))


def _grown(known: Invoice, more: Draft, customer: Customer, run: RunOf, ports: Ports) -> Iterator[Change]:
    """The draft that this run has made for the bill date before, with the lines added."""
    if known.status != "draft":
        raise Refused("invoiced_already", f"{known.id} is {known.status} already; the next run bills the rest")
    grown = longer(Draft(known, lines_of(ports, known), Findings()), more)
    history = history_of(customer.id, [grown], ports)
    (checked,) = flagged([grown], customer, history, run.settings.bill_run.spot_check)
    noticed = tuple(f for f in known.flags if f.code in ("expected_usage_missing", "late_usage"))
    codes = {f.code for f in checked.invoice.flags}
    yield Save(replace(checked.invoice, flags=(*checked.invoice.flags, *(f for f in noticed if f.code not in codes))))
    stored = {part.part: part for part in ports.store.list(InvoiceLines, known.id).items}
    wanted = parts(known.id, grown.lines)
    for part in wanted:
        before = stored.get(part.part) or InvoiceLines(known.id, part.part, ())
        if before.lines != part.lines:
            yield Save(replace(part, version=before.version))
    yield from (Remove(old) for number, old in stored.items() if number >= len(wanted))


# ---- the spot check's history ---------------------------------------------------------------------------------


def history_of(customer_id: str, drafts: Iterable[Draft], ports: Ports) -> list[Invoice]:
    """Posted regular invoices of the customer, newest first: until each draft has one of the same contracts."""
    wanted = {(d.invoice.contract_ids, d.invoice.currency) for d in drafts}
    history: list[Invoice] = []
    after: str | None = None
    for limit in (HISTORY_FIRST, HISTORY_MAX - HISTORY_FIRST):
        page = ports.store.find(p.INVOICES_BY_CUSTOMER, customer_id, reverse=True, limit=limit, after=after)
        found = ports.store.get_many(Invoice, [e.key for e in page.items])
        history += [i for i in found if i.type == "regular" and i.status == "posted"]
        after = page.cursor
        if after is None or wanted <= {(i.contract_ids, i.currency) for i in history}:
            break
    return history

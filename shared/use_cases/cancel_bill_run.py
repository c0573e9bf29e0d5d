"""Cancelling a bill run: its drafts are deleted, their periods and usage become billable again. PRODUCT 4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared import ports as p
from shared.contracts.messages import SelectCustomers
from shared.domain.billing import is_billed_by, unbill
from shared.domain.contract import Contract
from shared.domain.copies import replace
from shared.domain.errors import Refused
from shared.domain.invoice import Invoice, InvoiceLines
from shared.domain.runs import BillRun, Chunk
from shared.ports import COMMIT_MAX, Change, Conflict, Ports, Remove, Save, Unavailable
from shared.use_cases.bill_customer import contracts_of
from shared.use_cases.bill_runs import bill_run_of, open_chunks
from shared.use_cases.lookups import CONFLICT_RETRIES

REMOVED_TOGETHER: Final = 250  # drafts per call; the rest follow through the queue
LOOK_AGAIN_SECONDS: Final = 60  # by then the index shows what workers wrote while the run was being cancelled


def cancel_bill_run(run_id: str, ports: Ports) -> BillRun:
    """Cancel a run of which nothing is posted; safe to repeat. Workers stop first, then the drafts go.

    Raises Refused once something is posted, or if a later run has adjusted a draft's periods.
    """
    for _ in range(CONFLICT_RETRIES):
        run = bill_run_of(run_id, ports)
        if run.status == "cancelled":
            break
        _check_cancellable(run)
        try:
            ports.store.commit(Save(replace(run, status="cancelled", reason="cancelled by a person")))
        except Conflict:
            continue
        ports.queue.send("bill_run", [SelectCustomers(run_id=run_id).body()], delay_seconds=LOOK_AGAIN_SECONDS)
        break
    else:
        raise Unavailable(f"bill run {run_id} kept changing while it was cancelled")
    run = bill_run_of(run_id, ports)
    refusals = remove_drafts(run, ports)
    if refusals:
        raise refusals[0]
    return run


def _check_cancellable(run: BillRun) -> None:
    if run.something_posted or run.status in ("posting", "posted"):
        raise Refused("posted", f"bill run {run.id} has posted invoices; void these one by one instead")
    if run.status == "failed":
        raise Refused("failed", f"bill run {run.id} has failed; there is nothing to cancel")


def remove_drafts(run: BillRun, ports: Ports) -> list[Refused]:
    """Delete what a cancelled run has left: open chunks, so that no worker goes on, and drafts, latest bill date first.

    Drafts whose periods a later run has adjusted stay; the answer says why.
    """
    for chunk in open_chunks(run, ports):
        _remove_chunk(chunk, ports)
    page = ports.store.find(p.INVOICES_BY_RUN, run.id, prefix="draft#", limit=REMOVED_TOGETHER, reverse=True)
    refusals: list[Refused] = []
    for entry in page.items:  # in reverse, each customer's drafts come with the latest bill date first
        try:
            remove_draft(entry.partition, ports)
        except Refused as refused:
            refusals.append(refused)
    if page.cursor and len(refusals) < len(page.items):
        ports.queue.send("bill_run", [SelectCustomers(run_id=run.id).body()])
    return refusals


def _remove_chunk(chunk: Chunk, ports: Ports) -> None:
    try:
        ports.store.commit(Remove(chunk))
    except Conflict:
        pass  # its worker has finished it; the drafts are found below


def remove_draft(invoice_id: str, ports: Ports) -> None:
    """Delete one draft with its lines, and open its periods again, in one transaction where that is possible."""
    for _ in range(CONFLICT_RETRIES):
        draft = ports.store.get(Invoice, invoice_id)
        if draft is None or draft.status != "draft":
            return
        lines = ports.store.list(InvoiceLines, invoice_id).items
        contracts = billed_contracts(draft, ports)
        try:
            release(contracts, draft.id, [Remove(draft), *map(Remove, lines)], ports)
        except Conflict:
            continue
        return
    raise Unavailable(f"draft {invoice_id} kept changing while it was deleted")


def billed_contracts(invoice: Invoice, ports: Ports) -> list[Contract]:
    """The customer's contracts with periods that this invoice has billed, whatever lines a person has left on it."""
    return [c for c in contracts_of(invoice.customer_id, ports) if is_billed_by(c, invoice.id)]


def release(contracts: Sequence[Contract], invoice_id: str, last: Sequence[Change], ports: Ports) -> None:
    """Open the periods that the invoice has billed; the changes that end the invoice are in the last transaction.

    Where all does not fit into one, a crash in between leaves an invoice that is still there, to be ended again.
    """
    freed = [Save(unbill(c, invoice_id)) for c in contracts]
    early = freed[: max(len(freed) + len(last) - COMMIT_MAX, 0)]
    for at in range(0, len(early), COMMIT_MAX):
        ports.store.commit(*early[at : at + COMMIT_MAX])
    ports.store.commit(*freed[len(early) :], *last)

"""Reading what an evaluation of collections looks at. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from shared.domain.collection import CollectionState
from shared.domain.collection_facts import Facts
from shared.domain.contract import Contract
from shared.domain.copies import replace
from shared.domain.customer import Customer, Service
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice
from shared.domain.payment import Payment, attempt_id
from shared.domain.policy import CustomerClass
from shared.domain.retry import RETRY_STALE
from shared.domain.settings import Settings
from shared.ports import Ports
from shared.use_cases.change_service import contracts_of
from shared.use_cases.late_fees import standing
from shared.use_cases.lookups import class_of, local_on, open_invoices

LOST = ("suppressed", "failed", "bounced")  # a notice that did not reach anybody, or never will


def state_of(customer: Customer, ports: Ports) -> CollectionState:
    """What collections remember of the customer. Service that was restricted or ended otherwise counts as theirs."""
    state = ports.store.get(CollectionState, customer.id)
    return state or CollectionState(customer.id, step=customer.service)


def facts_of(
    customer: Customer, state: CollectionState, settings: Settings, on: date, ports: Ports, *, ahead: bool = False,
    its_class: CustomerClass | None = None, found: Sequence[Invoice] | None = None,
) -> Facts:  # fmt: skip
    """What an evaluation needs to know of a customer; `ahead`: also what later days ask for.

    `its_class` stands in for the class that is saved; `found` are the open invoices, where they have been read.
    """
    found = open_invoices(ports, customer.id, also=state.past_due_ids) if found is None else found
    found = [_as_charged(invoice, on, ports) for invoice in found]
    still = {i.id for i in found}
    gone = ports.store.get_many(Invoice, [(i, "") for i in state.past_due_ids if i not in still])
    ends = (i.settled_at or i.voided_at for i in gone)
    its_class = its_class or class_of(ports, customer.class_id)
    late = any(i.payment_status(on) == "overdue" for i in found)
    return Facts(
        customer=customer, its_class=its_class, settings=settings, open=found, state=state,
        settled_on=tuple(local_on(at, customer, settings) if at else None for at in ends),
        contracts=_contracts(customer, state, settings, ports) if late or (ahead and found) else (),
        notices_out=_notices_out(customer, state, settings, ports),
        charged=standing(found, ports) if _capped(its_class) else {},
    )  # fmt: skip


def _as_charged(invoice: Invoice, on: date, ports: Ports) -> Invoice:
    """With its last attempt as under way if the gateway did not process it and its run tries again within hours: nobody
    is chased because of what went wrong at the gateway.
    """
    declined = invoice.autopay_ended or (invoice.next_attempt_on is not None and invoice.next_attempt_on > on)
    if not invoice.attempts or invoice.open_attempt_id is not None or declined:
        return invoice
    last = ports.store.get(Payment, attempt_id(invoice.id, invoice.attempts))
    failed = last is not None and last.status == "failed" and last.run_id is not None
    if last is None or not failed or ports.clock.now() - last.at >= RETRY_STALE:
        return invoice
    return replace(invoice, open_attempt_id=last.id)


def _contracts(customer: Customer, state: CollectionState, settings: Settings, ports: Ports) -> Sequence[Contract]:
    """Triggers ask for them, and a suspension, which contracts that come into service later are to follow."""
    asked = state.step == "suspended" or any(t.actions for t in settings.automations.past_due.triggers)
    return contracts_of(customer.id, ports) if asked else ()


def _capped(its_class: CustomerClass) -> bool:
    return any(policy.late_fee.cap is not None for policy in (its_class.regular, its_class.out_of_turn))


def _notices_out(
    customer: Customer, state: CollectionState, settings: Settings, ports: Ports
) -> dict[tuple[Service, str], date | None]:
    """Since when the notices of service steps are out. One that was lost counts for nothing: it is called for again."""
    if not state.warned:
        return {}
    notices = {n.id: n for n in ports.store.get_many(Notice, [(w.notice_id, "") for w in state.warned])}
    out: dict[tuple[Service, str], date | None] = {}
    for warned in state.warned:
        notice = notices.get(warned.notice_id)
        if notice is not None and notice.status not in LOST:
            sent_on = local_on(notice.sent_at, customer, settings) if notice.sent_at else None
            out[(warned.step, warned.invoice_id)] = sent_on
    return out

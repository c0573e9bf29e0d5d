"""Which late fees fall due on a day, and which have to wait. PRODUCT 2, 9."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from shared.domain.collection_facts import Facts, above_threshold
from shared.domain.invoice import Invoice
from shared.domain.late_fees import Fee, charges, fee_amount, is_fee, next_fee_date, occurrence_on
from shared.domain.policy import LateFee


def fees_due(facts: Facts, late: Sequence[Invoice], chased: Sequence[Invoice], on: date) -> tuple[list[Fee], list[str]]:
    """The fees of the policies in force that are charged on a day, and the occurrences that wait.

    One that falls due during a hold, or while a charge is under way, waits for the end of it; of several that have
    waited only the latest is charged. One that falls due below the threshold or while the customer is switched off is
    passed over for good.
    """
    if not facts.customer.automated(on):
        return [], []
    free, kept = {i.id for i in chased}, {i.id for i in above_threshold(late, facts.its_class)}
    fees: list[Fee] = []
    waiting: list[str] = []
    for invoice, policy in _charged(facts, late):
        occurrence = _occurrence(invoice, policy, facts.state.waiting, on)
        if occurrence is None:
            continue
        if invoice.id in free:
            amount = fee_amount(invoice, policy, facts.charged.get(invoice.id, 0))
            fees += [Fee(invoice, str(occurrence), amount)] if amount > 0 else []
        elif invoice.id in kept and (facts.held(invoice, on) or invoice.open_attempt_id is not None):
            waiting.append(f"{invoice.id}#{occurrence}")
    return fees, waiting


def _occurrence(invoice: Invoice, policy: LateFee, waiting: Sequence[str], on: date) -> int | None:
    """The occurrence to charge: that of the day, or else the latest that has waited. Never one charged before."""
    if invoice.due_on is None:
        return None
    today = occurrence_on(invoice.due_on, policy, on)
    waited = [int(key.rpartition("#")[2]) for key in waiting if key.startswith(f"{invoice.id}#")]
    found = max([*waited, *([] if today is None else [today])], default=None)
    return None if found is None or str(found) in invoice.late_fees else found


def _charged(facts: Facts, late: Sequence[Invoice]) -> Iterator[tuple[Invoice, LateFee]]:
    """The invoices that their policy charges late fees on: never another fee."""
    for invoice in late:
        policy = facts.its_class.policy(invoice.type).late_fee
        if charges(policy) and not is_fee(invoice):
            yield invoice, policy


def fee_dates(facts: Facts, late: Sequence[Invoice], on: date) -> Iterator[date]:
    """The next fee day of each overdue invoice."""
    for invoice, policy in _charged(facts, late):
        if invoice.due_on is not None and (at := next_fee_date(invoice.due_on, policy, on)) is not None:
            yield at

"""Invoices that earlier payment runs left unpaid: which of them this one skips again, many at a time. PRODUCT 7.

Most are skipped day after day for the same reason: no card, or no attempts left. What is skipped is told from the
invoice, its customer, the class and what the customer could pay with; whatever may be charged is left to be charged,
one by one, by those who look at all of it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from shared.domain.autopay import AutopayList
from shared.domain.customer import Customer
from shared.domain.errors import NotFound
from shared.domain.invoice import Invoice
from shared.domain.payment import PaymentMethod
from shared.domain.policy import CustomerClass
from shared.domain.runs import Outcome, PaymentRun
from shared.domain.settings import Settings
from shared.domain.values import dataclass
from shared.ports import Ports
from shared.use_cases.autopay_rules import SkipReason, saved_list
from shared.use_cases.charge_invoice import why_not_chargeable, why_outside_autopay
from shared.use_cases.lookups import class_of, customer_of, local_on, settings_of, today
from shared.use_cases.new_methods import other_than_at_posting
from shared.use_cases.payment_methods import methods_of

UNLESS_NEW: Final = (None, "retry_scheduled", "attempts_exhausted")  # what a new method pays all the same


@dataclass(frozen=True, slots=True)
class _Owner:
    """A customer, what he could pay with, and his local date now and at the run's occurrence."""

    customer: Customer
    its_class: CustomerClass
    listed: AutopayList | None
    methods: tuple[PaymentMethod, ...]
    today: date
    on: date


def sift(invoice_ids: Sequence[str], run: PaymentRun, ports: Ports) -> tuple[list[Outcome], list[str]]:
    """What is skipped, with the reason, and the ids of what may have to be charged."""
    settings = settings_of(ports)
    owners: dict[str, _Owner | None] = {}
    skipped: list[Outcome] = []
    left: list[str] = []
    found = {i.id: i for i in ports.store.get_many(Invoice, [(id, "") for id in invoice_ids])}
    for id in invoice_ids:
        invoice = found.get(id)
        if invoice is not None and invoice.customer_id not in owners:
            owners[invoice.customer_id] = _owner_of(invoice.customer_id, run, settings, ports)
        owner = owners[invoice.customer_id] if invoice is not None else None
        reason = _why_skipped(invoice, owner) if invoice is not None and owner is not None else None
        if reason is None:
            left.append(id)
        else:
            skipped.append(Outcome(id, "skipped", reason))
    return skipped, left


def _owner_of(customer_id: str, run: PaymentRun, settings: Settings, ports: Ports) -> _Owner | None:
    """None where something is missing, of which who charges has to tell."""
    try:
        customer = customer_of(ports, customer_id)
        its_class = class_of(ports, customer.class_id)
    except NotFound:
        return None
    return _Owner(
        customer, its_class, saved_list(customer_id, ports), methods_of(customer_id, ports),
        today(ports, customer, settings), local_on(run.occurred_at, customer, settings),
    )  # fmt: skip


def _why_skipped(invoice: Invoice, owner: _Owner) -> SkipReason | None:
    """Why the run surely skips it; None if it may be charged."""
    reason = why_not_chargeable(invoice, owner.customer, owner.today)
    if owner.on != owner.today:
        reason = reason or why_not_chargeable(invoice, owner.customer, owner.on)
    if reason is not None:
        return reason
    reason = why_outside_autopay(invoice, owner.its_class, owner.on)
    declined = invoice.next_attempt_on is not None or invoice.autopay_ended
    may_pay = declined and reason in UNLESS_NEW and not invoice.refunded_minor
    if may_pay and other_than_at_posting(invoice, owner.listed, owner.methods):
        return None
    return "no_payment_method" if reason is None and owner.listed is None and not owner.methods else reason

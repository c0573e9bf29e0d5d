"""Invoices that earlier payment runs left unpaid: which of them this one skips again, many at a time. PRODUCT 7.

Most are skipped day after day for the same reason: no card, or no attempts left. What is skipped is told from the
invoice, its customer, the class and what the customer could pay with; whatever may be charged is left to be charged,
one by one, by those who look at all of it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shared.domain.autopay import AutopayList
from shared.domain.card import CardTries
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.payment import PaymentMethod
from shared.domain.runs import Outcome, PaymentRun
from shared.domain.settings import Settings
from shared.domain.values import dataclass
from shared.ports import Ports
from shared.use_cases.autopay_rules import SkipReason, saved_list
from shared.use_cases.charge_invoice import Read, why_left_alone, why_not_chargeable
from shared.use_cases.lookups import local_on, settings_of
from shared.use_cases.new_methods import other_than_at_posting
from shared.use_cases.payment_methods import methods_of

PASSING: tuple[SkipReason | None, ...] = (None, "retry_scheduled", "attempts_exhausted")  # unless there is a new method


@dataclass(frozen=True, slots=True)
class _Owner:
    """What a customer could pay with."""

    customer: Customer
    listed: AutopayList | None
    methods: tuple[PaymentMethod, ...]


def sift(invoice_ids: Sequence[str], run: PaymentRun, ports: Ports) -> tuple[list[Outcome], list[str]]:
    """What is skipped, with the reason, and the ids of what may have to be charged."""
    settings, now = settings_of(ports), ports.clock.now()
    owners: dict[str, _Owner | None] = {}
    skipped: list[Outcome] = []
    left: list[str] = []
    found = {i.id: i for i in ports.store.get_many(Invoice, [(id, "") for id in invoice_ids])}
    for id in invoice_ids:
        invoice = found.get(id)
        reason = _why_skipped(invoice, owners, run, settings, now, ports) if invoice is not None else None
        if reason is None:
            left.append(id)
        else:
            skipped.append(Outcome(id, "skipped", reason))
    return skipped, left


def _why_skipped(
    invoice: Invoice, owners: dict[str, _Owner | None], run: PaymentRun, settings: Settings, now: datetime, ports: Ports
) -> SkipReason | None:
    """Why the run surely skips it; None if it may be charged."""
    if invoice.customer_id not in owners:
        owners[invoice.customer_id] = _owner_of(invoice.customer_id, ports)
    owner = owners[invoice.customer_id]
    if owner is None:
        return None
    tries = CardTries(owner.customer.id, now)  # of nobody: nothing is claimed by what is read here
    read = Read(invoice, tries, owner.customer, settings, None, now)
    if (reason := why_not_chargeable(invoice, owner.customer, local_on(now, owner.customer, settings))) is not None:
        return reason
    reason = why_left_alone(read, run, again=False, ports=ports)
    declined = invoice.next_attempt_on is not None or invoice.autopay_ended
    new = declined and reason in PASSING and other_than_at_posting(invoice, owner.listed, owner.methods)
    if new and not invoice.refunded_minor:
        return None
    if reason is None and owner.listed is None and not owner.methods:
        return "no_payment_method"
    return reason


def _owner_of(customer_id: str, ports: Ports) -> _Owner | None:
    customer = ports.store.get(Customer, customer_id)
    if customer is None:
        return None
    return _Owner(customer, saved_list(customer_id, ports), methods_of(customer_id, ports))

"""Voiding a posted invoice on which nothing is paid: its periods can then be billed again. PRODUCT 4."""

from __future__ import annotations

from typing import Final

from shared.domain.copies import replace
from shared.domain.errors import Refused
from shared.domain.ids import derive_id
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice, notice_id
from shared.domain.payment import CreditBalance
from shared.domain.task import Task
from shared.ports import Change, Conflict, Ports, Save, Unavailable
from shared.use_cases.cancel_bill_run import billed_contracts, release
from shared.use_cases.late_fees import fees_of
from shared.use_cases.lookups import CONFLICT_RETRIES, invoice_of
from shared.use_cases.money_events import invoice_events
from shared.use_cases.outbox import announce
from shared.use_cases.refresh_episode import refresh_episode

FEES_MAX: Final = 20  # reversed, or asked about, in the transaction of their invoice


def void_invoice(invoice_id: str, ports: Ports) -> Invoice:
    """Void it and its late fees, and open its periods, in one transaction; one that is void is returned as it is.

    Raises Refused if something is paid, a charge is under way, or a later invoice has adjusted one of its periods.
    """
    for _ in range(CONFLICT_RETRIES):
        invoice = invoice_of(ports, invoice_id)
        if invoice.status == "void":
            refresh_episode(invoice.customer_id, ports)  # who voided it may have died before that
            return invoice
        if invoice.type == "credit_memo":
            raise Refused("credit_memo", f"credit memo {invoice.number} is spent; issue a debit memo instead")
        void = invoice.voided(ports.clock.now())
        contracts = billed_contracts(invoice, ports)
        if invoice.bill_run_id and invoice.contract_ids and not contracts:
            raise Refused(
                "too_old", f"what invoice {invoice.number} billed is too long ago; issue a credit memo instead"
            )
        fees, asked = _fees_reversed(invoice, ports)
        stopped = [change for i in (invoice, *fees) for change in _mail_stopped(i, ports)]
        events = invoice_events("invoice.voided", [void, *fees], ports)
        ended = [Save(void), *stopped, *_credit_taken_back(invoice, ports), *asked, *map(Save, [*fees, *events])]
        try:
            release(contracts, invoice.id, ended, ports)
        except Conflict:
            continue
        announce(ports, *(e.id for e in events))
        refresh_episode(invoice.customer_id, ports)
        return replace(void, version=invoice.version + 1)
    raise Unavailable(f"invoice {invoice_id} kept changing while it was voided")


def _fees_reversed(invoice: Invoice, ports: Ports) -> tuple[list[Invoice], list[Change]]:
    """What was charged for paying it late, as void; and for each fee that cannot be any more, a task for a person.

    Those that do not fit into one transaction with the invoice are left to him too: they are years of monthly fees.
    """
    void, asked = list[Invoice](), list[Change]()
    for fee in (f for f in fees_of(invoice, ports) if f.status == "posted"):
        try:
            if len(void) == FEES_MAX:
                raise Refused("too_many", f"no more than {FEES_MAX} fees are reversed with their invoice")
            void.append(fee.voided(ports.clock.now()))
        except Refused as refused:
            reason = f"reverse late fee {fee.number}, whose invoice {invoice.number} is void: {refused}"
            id = derive_id("tsk_", "void_fee", fee.id)
            if ports.store.get(Task, id) is None and len(asked) < FEES_MAX:
                asked.append(Save(Task(id, "void_fee", reason, fee.id, ports.clock.now(), fee.customer_id)))
    return void, asked


def _mail_stopped(invoice: Invoice, ports: Ports) -> list[Change]:
    """Its own mail, while nobody has claimed it: who does so at this moment finds it changed. See send_notice."""
    notice = ports.store.get(Notice, notice_id(invoice.customer_id, "invoice", invoice.id))
    if notice is None or not notice.unclaimed:
        return []
    return [Save(replace(notice, status="suppressed", reason="not_posted"))]


def _credit_taken_back(invoice: Invoice, ports: Ports) -> list[Change]:
    """An invoice below zero became credit when it was posted; if that is spent, the invoice is used."""
    if invoice.total_minor >= 0:
        return []
    balance = ports.store.get(CreditBalance, invoice.customer_id, invoice.currency)
    left = (balance.amount_minor if balance else 0) + invoice.total_minor
    if balance is None or left < 0:
        raise Refused("credit_spent", f"the credit from invoice {invoice.number} is spent; issue a debit memo instead")
    return [Save(replace(balance, amount_minor=left))]

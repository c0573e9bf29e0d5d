"""Voiding a posted invoice on which nothing is paid: its periods can then be billed again. PRODUCT 4."""

from __future__ import annotations

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


def void_invoice(invoice_id: str, ports: Ports) -> Invoice:
    """Void it, and open its periods in the same transaction; one that is void already is returned as it is.

    Raises Refused if something is paid, a charge is under way, or a later invoice has adjusted one of its periods.
    """
    for _ in range(CONFLICT_RETRIES):
        invoice = invoice_of(ports, invoice_id)
        if invoice.status == "void":
            return invoice
        if invoice.type == "credit_memo":
            raise Refused("credit_memo", f"credit memo {invoice.number} is spent; issue a debit memo instead")
        void = invoice.voided(ports.clock.now())
        contracts = billed_contracts(invoice, ports)
        if invoice.bill_run_id and invoice.contract_ids and not contracts:
            raise Refused(
                "too_old", f"what invoice {invoice.number} billed is too long ago; issue a credit memo instead"
            )
        events = invoice_events("invoice.voided", [void], ports)
        ended = [Save(void), *_mail_stopped(invoice, ports), *_credit_taken_back(invoice, ports), *map(Save, events)]
        try:
            release(contracts, invoice.id, ended, ports)
        except Conflict:
            continue
        announce(ports, *(e.id for e in events))
        _void_fees(invoice, ports)
        refresh_episode(invoice.customer_id, ports)
        return replace(void, version=invoice.version + 1)
    raise Unavailable(f"invoice {invoice_id} kept changing while it was voided")


def _void_fees(invoice: Invoice, ports: Ports) -> None:
    """What was charged for paying it late is reversed with it; a fee that cannot be any more is left to a person."""
    for fee in fees_of(invoice, ports):
        if fee.status != "posted":
            continue
        try:
            void_invoice(fee.id, ports)
        except Refused as refused:
            reason = f"reverse late fee {fee.number}, whose invoice {invoice.number} is void: {refused}"
            task = Task(derive_id("tsk_", "void_fee", fee.id), "void_fee", reason, fee.id, ports.clock.now())
            try:
                ports.store.commit(Save(replace(task, customer_id=fee.customer_id)))
            except Conflict:
                pass  # asked before


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

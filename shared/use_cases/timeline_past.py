"""What happened to a customer, read off the records that tell of it, as entries of the timeline. PRODUCT 2, 9."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from shared.domain.contract import Contract
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.late_fees import is_fee
from shared.domain.notice import Notice
from shared.domain.payment import Payment, Refund
from shared.domain.timeline_entry import Entry, money

MEMOS = {"credit_memo": "Credit memo", "debit_memo": "Debit memo"}
NOTICE_WORDS = {
    "invoice": "The invoice", "account_summary": "The account summary", "reminder": "A reminder before the due date",
    "past_due_1": "Past-due notice 1", "past_due_2": "Past-due notice 2", "past_due_3": "Past-due notice 3",
    "payment_failed": "Word of a failed payment", "payment_received": "Thanks for a payment",
    "card_expiring": "Word of a card that expires", "service_step": "Advance notice of a service step",
}  # fmt: skip
OUTCOMES = {
    "pending": "is under way", "succeeded": "succeeded", "declined": "was declined", "failed": "failed unprocessed",
    "unknown": "has an unknown outcome", "refunded": "succeeded and was given back",
}  # fmt: skip


def of_customer(customer: Customer) -> Iterator[Entry]:
    if customer.created_at is not None:
        yield Entry("customer_created", customer.id, "The customer was created", customer.created_at, rank="0")
    if customer.erased_at is not None:
        yield Entry("customer_erased", customer.id, "Personal data was erased; the accounts stay", customer.erased_at)


# ---- contracts ------------------------------------------------------------------------------------------------


def of_contract(contract: Contract, today: date) -> Iterator[Entry]:
    """Changes that are dated ahead are planned."""
    id, name = contract.id, contract.name
    if contract.created_at is not None:
        yield Entry("contract_created", id, f"Contract {name} was created", contract.created_at, rank="1")
    for on, words in _changes_of(contract):
        yield _dated("contract_changed", id, f"Contract {name}: {words}", on, today)
    for stop in contract.suspensions:
        by = " for unpaid invoices" if stop.by_collections else ""
        yield _dated("contract_suspended", id, f"Contract {name} is suspended{by}", stop.suspended_on, today)
        if stop.resumed_on is not None:
            yield _dated("contract_resumed", id, f"Contract {name} is resumed", stop.resumed_on, today)
    if contract.end_date is not None:
        words = f"Contract {name} ends: the first day without service"
        yield _dated("contract_ended", id, words, contract.end_date, today)


def _changes_of(contract: Contract) -> Iterator[tuple[date, str]]:
    for charge in contract.charges:
        if charge.starts_on is not None:
            yield charge.starts_on, f"{charge.name} is added"
        for change in charge.changes:
            amount = change.amount_minor
            parts = [] if amount is None else [money(amount, contract.currency)]
            parts += [] if change.quantity is None else [f"quantity {change.quantity.normalize():f}"]
            yield change.effective_on, f"{charge.name} changes to {', '.join(parts)}"


def _dated(kind: str, subject_id: str, message: str, on: date, today: date) -> Entry:
    return Entry(kind, subject_id, message, on=on, planned=on > today)


# ---- invoices -------------------------------------------------------------------------------------------------


def of_invoice(invoice: Invoice) -> Iterator[Entry]:
    name, worth = named(invoice), (invoice.total_minor, invoice.currency)
    if invoice.created_at is not None and invoice.created_at != invoice.posted_at:
        words = f"An invoice over {money(*worth)} was drafted"
        yield Entry("invoice_drafted", invoice.id, words, invoice.created_at, None, *worth, rank="2")
    if invoice.posted_at is not None:
        kind, words = _posted(invoice)
        yield Entry(kind, invoice.id, words, invoice.posted_at, None, *worth, rank="3")
    if invoice.voided_at is not None:
        yield Entry("invoice_voided", invoice.id, f"{name} was voided", invoice.voided_at, None, *worth, rank="7")
    elif invoice.settled_at is not None and invoice.total_minor > 0 and invoice.residual_minor == 0:
        how = "settled by credit memo" if invoice.credited_minor >= invoice.total_minor else "paid in full"
        yield Entry("invoice_paid", invoice.id, f"{name} is {how}", invoice.settled_at, None, *worth, rank="7")


def named(invoice: Invoice) -> str:
    return f"{MEMOS.get(invoice.type, 'Invoice')} {invoice.number or invoice.id}"


def _posted(invoice: Invoice) -> tuple[str, str]:
    if is_fee(invoice):
        return "late_fee", f"{invoice.reason or 'Late fee'}: {money(invoice.total_minor, invoice.currency)}"
    reason = f": {invoice.reason}" if invoice.reason else ""
    if invoice.type == "credit_memo":
        return "invoice_credited", f"{named(invoice)} over {money(invoice.total_minor, invoice.currency)}{reason}"
    words = f"{named(invoice)} over {money(invoice.total_minor, invoice.currency)} was posted, due {invoice.due_on}"
    return ("invoice_debited" if invoice.adjusts_invoice_id else "invoice_posted"), words + reason


# ---- payments -------------------------------------------------------------------------------------------------


def of_payment(payment: Payment, names: dict[str, str]) -> Iterator[Entry]:
    at, worth = payment.settled_at or payment.at, (payment.amount_minor, payment.currency)
    on = _paying(payment, names)
    if payment.method == "credit":
        words = f"Credit of {money(*worth)} was applied{on}"
        yield Entry("credit_applied", payment.id, words, at, None, *worth, rank="6")
        return
    if payment.method != "card":
        words = f"{money(*worth)} received by {payment.method}{on}"
        yield Entry("payment_received", payment.id, words, at, None, *worth, rank="6")
    else:
        kind = "payment_succeeded" if payment.status == "refunded" else f"payment_{payment.status}"
        words = f"The charge of {money(*worth)}{on} {OUTCOMES[payment.status]}"
        words += f" ({payment.code})" if payment.code and payment.status in ("declined", "failed") else ""
        words += f"; the next attempt is on {payment.next_attempt_on}" if payment.next_attempt_on else ""
        yield Entry(kind, payment.id, words, at, None, *worth, rank="6")
    yield from (_refunded(payment, refund) for refund in payment.refunds)


def _paying(payment: Payment, names: dict[str, str]) -> str:
    ids = [a.invoice_id for a in payment.allocations] or ([payment.invoice_id] if payment.invoice_id else [])
    return f" for {', '.join(names.get(i, i) for i in ids)}" if ids else ""


def _refunded(payment: Payment, refund: Refund) -> Entry:
    kind = "payment_refunded" if refund.status == "succeeded" else f"refund_{refund.status}"
    words = f"The refund of {money(refund.amount_minor, payment.currency)} {OUTCOMES[refund.status]}"
    at = refund.settled_at or refund.at
    return Entry(kind, payment.id, words, at, None, refund.amount_minor, payment.currency, rank="7")


# ---- notices --------------------------------------------------------------------------------------------------


def of_notices(notices: Iterable[Notice]) -> Iterator[Entry]:
    for notice in notices:
        at = notice.sent_at if notice.status in ("sent", "bounced") and notice.sent_at else notice.created_at
        yield Entry(f"notice_{notice.status}", notice.id, _told(notice), at, rank="8")


def _told(notice: Notice) -> str:
    what = NOTICE_WORDS.get(notice.kind, f"Mail from {notice.kind.replace(':', ' ')}")
    if notice.kind == "service_step" and notice.step:
        what = f"Advance notice that service is to be {notice.step}"
    to, why = f" to {notice.to}" if notice.to else "", f": {notice.reason}" if notice.reason else ""
    words = {
        "pending": "waits to be sent", "sent": f"was mailed{to}", "suppressed": f"was not sent{why}",
        "failed": f"could not be sent{why}", "bounced": f"was mailed{to} and came back",
    }  # fmt: skip
    return f"{what} {words[notice.status]}"


def names_of(invoices: Sequence[Invoice]) -> dict[str, str]:
    return {i.id: named(i).lower() if not i.number else i.number for i in invoices}

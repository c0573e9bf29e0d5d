"""Adjusting a posted invoice with a credit or debit memo that posts to the same account. PRODUCT 4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from shared.contracts.messages import RenderInvoice
from shared.domain.copies import replace
from shared.domain.errors import Invalid, Refused
from shared.domain.ids import derive_id
from shared.domain.invoice import Invoice, Line, parts, totalled
from shared.domain.late_fees import credited_share
from shared.domain.money import format_minor
from shared.domain.payment import Allocation, Payment
from shared.domain.task import Task
from shared.domain.values import dataclass
from shared.ports import Change, Conflict, Ports, Save, Unavailable
from shared.use_cases.create_invoice import create_invoice
from shared.use_cases.late_fees import fees_of
from shared.use_cases.lookups import CONFLICT_RETRIES, customer_of, invoice_of, local_on, settings_of
from shared.use_cases.money_events import invoice_events
from shared.use_cases.outbox import announce
from shared.use_cases.post_invoices import SERIES, series_of
from shared.use_cases.refresh_episode import refresh_episode
from shared.use_cases.settle_payment import grown_credit

Kind = Literal["credit", "debit"]


@dataclass(frozen=True, slots=True)
class Adjustment:
    """A memo and the invoice it adjusts; `amount_minor` is positive, tax included."""

    id: str
    kind: Kind
    invoice_id: str
    memo: Invoice
    amount_minor: int
    reason: str


def adjust_invoice(
    invoice_id: str, kind: Kind, lines: Sequence[Line] | None, amount_minor: int | None, reason: str, ports: Ports,
    adjustment_id: str | None = None,
) -> Adjustment:  # fmt: skip
    """Credit or debit a posted invoice: `lines` in full or one `amount_minor` of the whole, tax included in it.

    A credit pays the invoice's residual first; the rest becomes the customer's credit. A debit is owed as an invoice
    of its own, due when posted. A credit of more than the invoice's total, less what was credited before, is refused.
    """
    adjustment_id = adjustment_id or ports.ids.new("adj_")
    invoice = invoice_of(ports, invoice_id)
    if invoice.type == "credit_memo":
        raise Refused("credit_memo", f"invoice {invoice_id} is a credit memo; adjust the invoice that it credits")
    if invoice.status != "posted":
        raise Refused("not_posted", f"invoice {invoice_id} is {invoice.status}; only a posted invoice can be adjusted")
    wanted = tuple(lines) if lines is not None else _whole(amount_minor or 0, reason)
    memo = _memo(invoice, kind, reason, adjustment_id, ports)
    if kind == "debit":
        done = _post_debit(memo, wanted, ports)
    else:
        done = _post_credit(memo, tuple(_negated(line) for line in wanted), invoice_id, ports)
        ports.queue.send("document", [RenderInvoice(invoice_id=done.id).body()])
        _credit_fees(invoice_id, adjustment_id, reason, ports)
        refresh_episode(invoice.customer_id, ports)
    return Adjustment(adjustment_id, kind, invoice_id, done, abs(done.total_minor), reason)


def _credit_fees(invoice_id: str, adjustment_id: str, reason: str, ports: Ports) -> None:
    """Late fees go in proportion with what is credited of their invoice. PRODUCT 9.

    A fee that is being paid just now cannot be credited: a person is asked to.
    """
    invoice = invoice_of(ports, invoice_id)
    for fee in fees_of(invoice, ports):
        amount = credited_share(fee.total_minor, invoice) - fee.credited_minor
        if fee.status != "posted" or amount <= 0:
            continue
        line = Line(name=reason, amount_minor=-amount, unit_amount_minor=-amount, taxable=False)
        memo = _memo(fee, "credit", reason, derive_id("adj_", adjustment_id, fee.id), ports)
        try:
            done = _post_credit(memo, (line,), fee.id, ports)
        except Refused as refused:
            _ask_to_credit(fee, amount, str(refused), ports)
            continue
        ports.queue.send("document", [RenderInvoice(invoice_id=done.id).body()])


def _ask_to_credit(fee: Invoice, amount_minor: int, why: str, ports: Ports) -> None:
    id, amount = derive_id("tsk_", "credit_fee", fee.id, amount_minor), format_minor(amount_minor, fee.currency)
    reason = f"credit {amount} {fee.currency} of late fee {fee.number}, whose invoice was credited: {why}"
    task = Task(id, "credit_fee", reason, fee.id, ports.clock.now(), fee.customer_id)
    try:
        ports.store.commit(Save(task))
    except Conflict:
        pass  # asked before


def _memo(invoice: Invoice, kind: Kind, reason: str, adjustment_id: str, ports: Ports) -> Invoice:
    customer, settings, now = customer_of(ports, invoice.customer_id), settings_of(ports), ports.clock.now()
    return Invoice(
        id=derive_id("inv_", adjustment_id), customer_id=invoice.customer_id, currency=invoice.currency,
        invoice_date=local_on(now, customer, settings), type="credit_memo" if kind == "credit" else "debit_memo",
        adjusts_invoice_id=invoice.id, reason=reason, created_at=now, tax_rate_percent=invoice.tax_rate_percent,
    )  # fmt: skip


def _whole(amount_minor: int, reason: str) -> tuple[Line, ...]:
    """One untaxed line for an amount that has the tax in it; nothing taxable is left to compute a rate on."""
    if amount_minor <= 0:
        raise Invalid("amount", "must be more than zero")
    return (Line(name=reason, amount_minor=amount_minor, unit_amount_minor=amount_minor, taxable=False),)


def _post_debit(memo: Invoice, lines: tuple[Line, ...], ports: Ports) -> Invoice:
    if totalled(memo, lines).total_minor <= 0:
        raise Invalid("lines", "a debit must be more than zero in sum")
    begun = ports.store.get(Invoice, memo.id)  # perhaps on another day
    return create_invoice(replace(memo, invoice_date=begun.invoice_date) if begun else memo, lines, True, ports)


def _negated(line: Line) -> Line:
    unit = None if line.unit_amount_minor is None else -line.unit_amount_minor
    return replace(line, amount_minor=-line.amount_minor, unit_amount_minor=unit)


def _post_credit(memo: Invoice, lines: tuple[Line, ...], invoice_id: str, ports: Ports) -> Invoice:
    """Number and post the memo, pay the invoice with it and keep the rest as credit, in one transaction."""
    memo = totalled(memo, lines)
    for _ in range(CONFLICT_RETRIES):
        known = ports.store.get(Invoice, memo.id)
        if known is not None:
            return known
        invoice = invoice_of(ports, invoice_id)
        _check_amount(memo, invoice)
        posted, changes = _credit_changes(memo, invoice, ports)
        events = invoice_events("invoice.posted", [posted], ports)
        try:
            ports.store.commit(*changes, *map(Save, (*parts(memo.id, lines), *events)))
        except Conflict:
            continue
        announce(ports, *(e.id for e in events))
        return replace(posted, version=1)
    raise Unavailable(f"invoice {invoice_id} kept changing while it was credited")


def _check_amount(memo: Invoice, invoice: Invoice) -> None:
    left = invoice.total_minor - invoice.credited_minor
    if memo.total_minor >= 0:
        raise Invalid("lines", "a credit must be more than zero in sum")
    if -memo.total_minor > left:
        most = format_minor(left, invoice.currency)
        raise Invalid("amount", f"at most {most} of invoice {invoice.number} is left to credit")
    if invoice.open_attempt_id is not None:
        raise Refused("attempt_open", f"invoice {invoice.number} has a payment under way; wait for its outcome")


def _credit_changes(memo: Invoice, invoice: Invoice, ports: Ports) -> tuple[Invoice, list[Change]]:
    now, amount = ports.clock.now(), -memo.total_minor
    customer, settings = customer_of(ports, invoice.customer_id), settings_of(ports)
    series = series_of(ports, SERIES["credit_memo"]).next()
    on = local_on(now, customer, settings)
    posted = memo.posted(series.number(series.last), on, now, on)
    paid = min(amount, invoice.residual_minor)
    payment = Payment(
        id=derive_id("pay_", memo.id), customer_id=customer.id, currency=memo.currency, amount_minor=amount,
        method="credit", status="succeeded", at=now, reference=posted.number, credited_minor=amount - paid,
        allocations=(Allocation(invoice.id, paid),) if paid else (),
    )  # fmt: skip
    credited = replace(invoice, credited_minor=invoice.credited_minor + amount)
    changes: list[Change] = [
        Save(posted), Save(series), Save(payment),
        Save(credited.paid(paid, now) if paid else credited),
    ]  # fmt: skip
    if amount > paid:
        changes.append(Save(grown_credit(customer.id, memo.currency, amount - paid, ports)))
    return posted, changes

"""Posting late fees, and taking them back with the invoice they are charged on. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.contracts.messages import RenderInvoice
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice, Line, parts, totalled
from shared.domain.late_fees import Fee, fee_id
from shared.domain.outbox import OutboxEvent
from shared.domain.settings import Settings
from shared.domain.values import dataclass
from shared.ports import Change, Ports, Save
from shared.use_cases.apply_credit import apply_credits
from shared.use_cases.lookups import local_on
from shared.use_cases.money_events import invoice_events
from shared.use_cases.notices import invoice_notice
from shared.use_cases.outbox import announce
from shared.use_cases.post_invoices import SERIES, series_of

FEES_PER_COMMIT = 8  # each is a memo, its line, its mail, its event and its invoice


@dataclass(frozen=True, slots=True)
class PostedFees:
    """Fees as debit memos, and the changes that post them."""

    memos: tuple[Invoice, ...]
    changes: tuple[Change, ...]
    events: tuple[OutboxEvent, ...]


NO_FEES: Final = PostedFees((), (), ())


def post_fees(fees: Sequence[Fee], customer: Customer, settings: Settings, ports: Ports) -> PostedFees:
    """A numbered debit memo for each, due today. In the same transaction its invoice remembers that it was charged."""
    if not fees:
        return NO_FEES
    memos: list[Invoice] = []
    changes: list[Change] = []
    series, now = series_of(ports, SERIES["debit_memo"]), ports.clock.now()
    on = local_on(now, customer, settings)
    charged: dict[str, Invoice] = {}
    for fee in fees:
        invoice, name = fee.invoice, f"Late fee on invoice {fee.invoice.number}"
        line = Line(name, fee.amount_minor, fee.amount_minor, taxable=False)
        draft = Invoice(
            id=fee_id(invoice.id, fee.key), customer_id=customer.id, currency=invoice.currency, invoice_date=on,
            type="debit_memo", adjusts_invoice_id=invoice.id, reason=name, late_fee=fee.key, created_at=now,
        )  # fmt: skip
        series = series.next()
        memo = totalled(draft, (line,)).posted(series.number(series.last), on, now, on)
        memos.append(memo)
        before = charged.get(invoice.id, invoice)
        charged[invoice.id] = replace(before, late_fees=(*before.late_fees, fee.key))
        notice = invoice_notice(memo, customer, settings, now)
        changes += [Save(memo), *map(Save, parts(memo.id, (line,))), *([Save(notice)] if notice else [])]
    changes += [Save(series), *map(Save, charged.values())]
    events = invoice_events("invoice.posted", memos, ports)
    return PostedFees(tuple(memos), (*changes, *map(Save, events)), tuple(events))


def fees_posted(posted: PostedFees, ports: Ports) -> None:
    """What comes after posting, as for any invoice: credit pays it, and its PDF is rendered, which lets its mail go."""
    if posted.memos:
        announce(ports, *(e.id for e in posted.events))
        follow_up(posted.memos, ports)


def follow_up(memos: Sequence[Invoice], ports: Ports) -> None:
    """Safe to repeat."""
    apply_credits(memos, ports)
    ports.queue.send("document", [RenderInvoice(invoice_id=m.id).body() for m in memos])


def fees_of(invoice: Invoice, ports: Ports) -> list[Invoice]:
    """The late fees charged on an invoice, those reversed by voiding too."""
    return ports.store.get_many(Invoice, [(fee_id(invoice.id, key), "") for key in invoice.late_fees])


def standing(invoices: Sequence[Invoice], ports: Ports) -> dict[str, int]:
    """What the late fees charged on each of these invoices come to, less what was reversed and credited."""
    sums: dict[str, int] = {}
    keys = [(fee_id(i.id, key), "") for i in invoices for key in i.late_fees]
    for memo in ports.store.get_many(Invoice, keys) if keys else []:
        if memo.status == "posted" and memo.adjusts_invoice_id is not None:
            left = memo.total_minor - memo.credited_minor
            sums[memo.adjusts_invoice_id] = sums.get(memo.adjusts_invoice_id, 0) + left
    return sums

"""Which notice a change calls for; recorded in the same transaction as the change. PRODUCT 2, 6."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from shared.contracts.messages import SendNotice
from shared.domain.customer import Customer, why_off
from shared.domain.ids import derive_id
from shared.domain.invoice import Invoice
from shared.domain.notice import BY_TRIGGER, Notice, notice_id
from shared.domain.payment import Payment
from shared.domain.settings import Settings
from shared.ports import Ports
from shared.use_cases.lookups import local_on


def invoice_notice(
    invoice: Invoice, customer: Customer, settings: Settings, now: datetime, by_run: bool = False
) -> Notice | None:
    """The mail of a newly posted invoice, or None where delivery or a switch says no.

    `by_run`: the bill run asks for mail itself, which stands in for the global switch only.
    """
    off = why_off("send_new_invoices", customer, settings, local_on(now, customer, settings), ignore_global=by_run)
    if "email" not in customer.delivery or off is not None or invoice.type == "credit_memo":
        return None
    return Notice(
        id=notice_id(customer.id, "invoice", invoice.id), customer_id=customer.id, kind="invoice",
        subject_id=invoice.id, episode="", created_at=now, bill_run_id=invoice.bill_run_id, by_run=by_run,
    )  # fmt: skip


def mails_of(invoices: Iterable[Invoice], ports: Ports) -> dict[str, Notice]:
    """By invoice the mail that tells how it was delivered: the last that went out, or else the last at all."""
    ids = [notice_id(i.customer_id, "invoice", i.id) for i in invoices if i.status != "draft"]
    own = ports.store.get_many(Notice, [(id, "") for id in ids])
    followed = [(id, "") for n in own for id in n.again_ids]
    again = {n.id: n for n in ports.store.get_many(Notice, followed)} if followed else {}
    return {n.subject_id: _telling([n, *(again[id] for id in n.again_ids if id in again)]) for n in own}


def _telling(mails: Sequence[Notice]) -> Notice:
    return next((n for n in reversed(mails) if n.sent_at is not None), mails[-1])


def payment_notice(kind: str, payment: Payment, customer: Customer, now: datetime) -> Notice | None:
    """A word on a payment: needs the customer's master switch and nothing more."""
    if not customer.automations.enabled or not customer.mailable():
        return None
    return Notice(
        id=notice_id(customer.id, kind, payment.id), customer_id=customer.id, kind=kind,
        subject_id=payment.id, episode="", created_at=now,
    )  # fmt: skip


def hint(ports: Ports, *notice_ids: str) -> None:
    """Tell the sender at once; the sweep finds notices whose hint was lost."""
    if notice_ids:
        ports.queue.send("notice", [SendNotice(notice_id=i).body() for i in notice_ids])


def template_name(notice: Notice, settings: Settings) -> str:
    """A trigger names its template, and so does a tier; everything else has the template of its kind."""
    if notice.kind.startswith(BY_TRIGGER):
        return notice.kind.removeprefix(BY_TRIGGER)
    tiers = settings.automations.past_due.tiers
    if notice.tier is not None and notice.kind == f"past_due_{notice.tier}" and notice.tier <= len(tiers):
        return tiers[notice.tier - 1].template
    return notice.kind


def task_of(notice_id: str) -> str:
    """The id of the task that a notice's failure opens."""
    return derive_id("tsk_", notice_id)

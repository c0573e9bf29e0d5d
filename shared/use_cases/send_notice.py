"""Sending a notice: claimed, handed to the mail service, marked. PRODUCT 2, 6.

The claim is a transaction that fails if the customer's switches or the settings changed since they were read, so
nothing is claimed after a pause was accepted. Between the claim and the mark lies the mail service: a sender that dies
there leaves a claim behind. Once that claim is stale an invoice is sent again (at least once: a second copy does no
harm), a past-due notice or reminder is not (at most once: nobody is chased twice), and a person is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Literal

from shared import ports as p
from shared.contracts.messages import RenderInvoice, SendNotice, SendRun
from shared.domain.customer import Customer
from shared.domain.errors import Invalid, NotFound, Refused
from shared.domain.ids import derive_id, shard_of
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice, notice_id
from shared.domain.settings import Settings, SettingsGate
from shared.domain.task import Task
from shared.ports import Check, Conflict, Mail, MailRefused, Ports, Save, Unavailable
from shared.use_cases.compose_notice import PAST_DUE_KINDS, Composed, NotReady, Suppressed, compose
from shared.use_cases.lookups import CONFLICT_RETRIES, customer_of, invoice_of, local_on, settings_of, shards
from shared.use_cases.notices import hint

CLAIM_STALE = timedelta(minutes=15)  # longer than any sender lives
HINT_LOST = timedelta(minutes=5)  # a pending notice older than this has lost its hint
ATTEMPTS_MAX = 20
BACKOFF_FIRST_SECONDS, BACKOFF_MAX_SECONDS = 30, 900
AT_MOST_ONCE = (*PAST_DUE_KINDS, "reminder")
RUN_PAGES_INLINE = 5

Sending = Literal["sent", "suppressed", "failed", "not_ready", "claimed", "throttled", "done"]


def send_notice(id: str, ports: Ports) -> Sending:
    """Send one notice if it is still to be sent; what became of it."""
    for _ in range(CONFLICT_RETRIES):
        notice = ports.store.get(Notice, id)
        if notice is None or notice.status != "pending":
            return "done"
        if notice.claimed_at is not None:
            return _stale_claim(notice, ports)
        try:
            return _send(notice, ports)
        except Conflict:
            continue  # a switch was flipped, or another sender was faster: look again
    raise Unavailable(f"notice {id} kept changing while it was sent")


def _send(notice: Notice, ports: Ports) -> Sending:
    gate = _gate(notice, ports)
    settings, customer = settings_of(ports), customer_of(ports, notice.customer_id)
    now = ports.clock.now()
    composed = compose(notice, customer, settings, local_on(now, customer, settings), ports)
    if isinstance(composed, NotReady):
        ports.queue.send("document", [RenderInvoice(invoice_id=composed.invoice_id).body()])
        return "not_ready"
    if isinstance(composed, Suppressed):
        ports.store.commit(Save(replace(notice, status="suppressed", reason=composed.reason)))
        return "suppressed"
    claimed = replace(notice, claimed_at=now, attempts=notice.attempts + 1, to=customer.email)
    ports.store.commit(Save(claimed), Check(customer), Check(gate))
    return _hand_over(replace(claimed, version=notice.version + 1), composed, settings, ports)


def _gate(notice: Notice, ports: Ports) -> SettingsGate:
    """Read before the settings: the claim fails if they change after this."""
    shard = shard_of(notice.id)
    return ports.store.get(SettingsGate, f"gate{shard}") or SettingsGate(shard)


def _hand_over(notice: Notice, composed: Composed, settings: Settings, ports: Ports) -> Sending:
    """Give a claimed notice to the mail service and write down its answer."""
    mail = Mail(
        notice_id=notice.id, sender=settings.business.email_from, to=notice.to or "", subject=composed.mail.subject,
        text=composed.mail.text, html=composed.mail.html, attachments=composed.attachments,
    )  # fmt: skip
    try:
        message_id = ports.mailer.send(mail)
    except Unavailable:
        return _later(notice, ports)
    except MailRefused as refused:
        ports.store.commit(Save(replace(notice, status="failed", reason=str(refused))))
        return "failed"
    ports.store.commit(Save(replace(notice, status="sent", sent_at=ports.clock.now(), message_id=message_id)))
    return "sent"


def _later(notice: Notice, ports: Ports) -> Sending:
    """Throttled, so surely not sent: release the claim and come back, waiting longer each time."""
    if notice.attempts >= ATTEMPTS_MAX:
        ports.store.commit(Save(replace(notice, status="failed", reason="the mail service would not take it")))
        return "failed"
    ports.store.commit(Save(replace(notice, claimed_at=None)))
    delay = min(BACKOFF_FIRST_SECONDS * 2 ** (notice.attempts - 1), BACKOFF_MAX_SECONDS)
    ports.queue.send("notice", [SendNotice(notice_id=notice.id).body()], delay_seconds=delay)
    return "throttled"


def _stale_claim(notice: Notice, ports: Ports) -> Sending:
    """Someone claimed it and never wrote down the end: see the module's text for what follows."""
    now = ports.clock.now()
    if notice.claimed_at is None or now - notice.claimed_at < CLAIM_STALE:
        return "claimed"
    if notice.kind in AT_MOST_ONCE:
        reason = "the sender stopped while sending; it may have gone out, so it is not sent again"
        task = Task(derive_id("tsk_", notice.id), "notice_uncertain", reason, notice.id, now, notice.customer_id)
        ports.store.commit(Save(replace(notice, status="failed", reason=reason)), Save(task))
        return "failed"
    ports.store.commit(Save(replace(notice, claimed_at=None)))
    return send_notice(notice.id, ports)


# ---- the sweep ------------------------------------------------------------------------------------------------


def sweep_notices(ports: Ports) -> int:
    """Hint again whatever is pending and should have been looked at by now; how many that was."""
    limit = (ports.clock.now() - HINT_LOST).strftime("%Y-%m-%dT%H:%M:%S")
    hinted = 0
    for shard in shards():
        page = ports.store.find(p.NOTICES_PENDING, shard, last=limit)
        hint(ports, *(e.partition for e in page.items))
        hinted += len(page.items)
    return hinted


# ---- by hand --------------------------------------------------------------------------------------------------


def send_invoice(invoice_id: str, ports: Ports) -> Notice:
    """Mail a posted invoice by hand, as often as asked: needs an address and nothing else."""
    invoice = invoice_of(ports, invoice_id)
    customer = customer_of(ports, invoice.customer_id)
    if invoice.status != "posted":
        raise Refused("not_posted", f"invoice {invoice_id} is {invoice.status}; only a posted invoice can be mailed")
    if not customer.mailable():
        raise Invalid("email", f"customer {customer.id} has no usable e-mail address; give one first")
    notice = _by_hand(invoice, ports)
    ports.store.commit(Save(notice))
    hint(ports, notice.id)
    return notice


def _by_hand(invoice: Invoice, ports: Ports) -> Notice:
    """The invoice's own notice if it was never made, otherwise a further one of its own episode."""
    first = notice_id(invoice.customer_id, "invoice", invoice.id)
    again = ports.store.get(Notice, first) is not None
    episode = ports.ids.new("") if again else ""
    return Notice(
        id=notice_id(invoice.customer_id, "invoice", invoice.id, episode), customer_id=invoice.customer_id,
        kind="invoice", subject_id=invoice.id, episode=episode, created_at=ports.clock.now(),
        bill_run_id=None if again else invoice.bill_run_id, by_hand=True,
    )  # fmt: skip


def resend_notice(id: str, ports: Ports) -> Notice:
    """Send the same notice again by hand, to the address on file now."""
    notice = ports.store.get(Notice, id)
    if notice is None:
        raise NotFound("notice", id)
    if notice.status == "pending":
        raise Refused("pending", f"notice {id} has not been sent yet; wait for it")
    episode = ports.ids.new("")
    again = replace(
        notice, id=notice_id(notice.customer_id, notice.kind, notice.subject_id, episode), episode=episode,
        status="pending", reason=None, by_hand=True, claimed_at=None, attempts=0, sent_at=None, message_id=None,
        bill_run_id=None, created_at=ports.clock.now(), to=None, version=0,
    )  # fmt: skip
    ports.store.commit(Save(again))
    hint(ports, again.id)
    return again


def send_run(run_id: str, ports: Ports, after: str | None = None) -> str | None:
    """Mail a run's posted invoices that have no notice yet: some pages now, the rest through the queue.

    The place where the queue goes on, or None when this was all.
    """
    for _ in range(RUN_PAGES_INLINE):
        page = ports.store.find(p.INVOICES_BY_RUN, run_id, prefix="posted#", after=after, limit=p.COMMIT_MAX)
        _send_page(ports.store.get_many(Invoice, [e.key for e in page.items]), ports)
        after = page.cursor
        if after is None:
            return None
    ports.queue.send("post", [SendRun(run_id=run_id, after=after).body()])
    return after


def _send_page(invoices: Iterable[Invoice], ports: Ports) -> None:
    for invoice in invoices:
        customer = customer_of(ports, invoice.customer_id)
        known = ports.store.get(Notice, notice_id(customer.id, "invoice", invoice.id))
        if known is None and invoice.status == "posted" and _by_email(customer):
            notice = _by_hand(invoice, ports)
            ports.store.commit(Save(notice))
            hint(ports, notice.id)


def _by_email(customer: Customer) -> bool:
    return "email" in customer.delivery and customer.mailable()

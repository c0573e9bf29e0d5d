"""Sending a notice: claimed, handed to the mail service, marked. PRODUCT 2, 6.

The claim is a transaction that fails if the customer's switches or the settings changed since they were read, so
nothing is claimed after a pause was accepted. Between the claim and the mark lies the mail service: a sender that dies
there, or hears no answer, leaves a claim behind. What the mail service reports settles it. Once it is stale, an invoice
is sent again (at least once: a second copy does no harm), a past-due notice or reminder is not (at most once: nobody is
chased twice), and a person is told.

How fast it goes is for the pace to say, which waits for the sender's turn. What the mail service will not take
today, or not from this sender, waits for an hour at a time, however long that lasts; a person is told once a day.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from shared.domain.settings import Settings
from shared.domain.task import Task
from shared.ports import (
    Check,
    Conflict,
    Mail,
    MailRefused,
    Ports,
    QuotaUsed,
    Save,
    SenderRefused,
    Throttled,
    Unavailable,
)
from shared.use_cases.compose_notice import PAST_DUE_KINDS, Composed, NotReady, Suppressed, Unsayable, compose
from shared.use_cases.lookups import CONFLICT_RETRIES, customer_of, gate_of, invoice_of, local_on, settings_of, shards
from shared.use_cases.notices import hint

CLAIM_STALE = timedelta(minutes=15)  # longer than any sender lives
HINT_LOST = timedelta(minutes=5)  # a pending notice older than this has lost its hint
GIVE_UP_AFTER = timedelta(days=3)  # as mail servers do
HELD_FOR = timedelta(hours=1)  # the window of the day's quota moves on, or a person has seen to the sender
SWEEP_PAGES = 8  # per shard: together as many mails as the usual quota of SES, 14 a second, takes until the next sweep
BACKOFF_FIRST_SECONDS, BACKOFF_MAX_SECONDS = 30, 900
BACKOFF_STEPS_MAX = 10  # doublings, after which the wait is the longest anyway
AT_MOST_ONCE = (*PAST_DUE_KINDS, "reminder")
RUN_PAGES_INLINE = 5
BY_RUN = "run"  # episode of the mails that an admin asked for by run

Sending = Literal[
    "sent", "suppressed", "failed", "not_ready", "claimed", "throttled", "held", "waiting", "uncertain", "done"
]  # fmt: skip


def send_notice(id: str, ports: Ports) -> Sending:
    """Send one notice if it is still to be sent; what became of it."""
    for _ in range(CONFLICT_RETRIES):
        notice = ports.store.get(Notice, id)
        if notice is None or notice.status != "pending":
            return "done"
        try:
            if notice.claimed_at is not None and (left := _left_claimed(notice, ports)) is not None:
                return left
            return _send(notice, ports)
        except Conflict:
            continue  # a switch was flipped, or another sender was faster: look again
    raise Unavailable(f"notice {id} kept changing while it was sent")


def _send(notice: Notice, ports: Ports) -> Sending:
    now = ports.clock.now()
    if notice.retry_at is not None and now < notice.retry_at:
        return "waiting"  # a reminder from the sweep; the message that is to come at that time is on its way
    gate = gate_of(ports, shard_of(notice.id))
    settings, customer = settings_of(ports), customer_of(ports, notice.customer_id)
    composed = compose(notice, customer, settings, local_on(now, customer, settings), ports)
    if isinstance(composed, NotReady):
        ports.queue.send("document", [RenderInvoice(invoice_id=composed.invoice_id).body()])
        return _later(replace(notice, attempts=notice.attempts + 1), "not_ready", "its PDF could not be made", ports)
    if isinstance(composed, Suppressed):
        ports.store.commit(Save(replace(notice, status="suppressed", reason=composed.reason)))
        return "suppressed"
    if isinstance(composed, Unsayable):
        return _failed(notice, "notice_failed", composed.reason, ports)
    try:
        ports.pace.wait()
    except (QuotaUsed, SenderRefused) as told:
        return _held(notice, told, ports)
    claimed = replace(
        notice, claimed_at=ports.clock.now(), claim=ports.ids.new(""), attempts=notice.attempts + 1,
        to=customer.email, retry_at=None,
    )  # fmt: skip
    link = [Save(composed.link)] if composed.link is not None else []
    ports.store.commit(Save(claimed), Check(customer), Check(gate), *link, *map(Check, composed.about))
    return _hand_over(replace(claimed, version=notice.version + 1), composed, settings, ports)


def _hand_over(notice: Notice, composed: Composed, settings: Settings, ports: Ports) -> Sending:
    """Give a claimed notice to the mail service and write down its answer."""
    mail = Mail(
        notice_id=notice.id, sender=settings.business.email_from, to=notice.to or "", subject=composed.mail.subject,
        text=composed.mail.text, html=composed.mail.html, attachments=composed.attachments,
        unsubscribe_url=composed.unsubscribe_url,
    )  # fmt: skip
    try:
        message_id = ports.mailer.send(mail)
    except (QuotaUsed, SenderRefused) as told:
        return _held(replace(notice, claimed_at=None), told, ports)
    except Throttled:
        return _later(replace(notice, claimed_at=None), "throttled", "the mail service would not take it", ports)
    except Unavailable:
        return "uncertain"  # it may be on its way: the claim stays until it is known, or stale
    except MailRefused as refused:
        return _failed(notice, "notice_failed", str(refused), ports)
    ports.store.commit(Save(replace(notice, status="sent", sent_at=ports.clock.now(), message_id=message_id)))
    return "sent"


def _later(notice: Notice, why: Sending, reason: str, ports: Ports) -> Sending:
    """It surely did not go: come back, waiting longer each time, until it is no use any more."""
    now = ports.clock.now()
    if now - notice.created_at >= GIVE_UP_AFTER:
        return _failed(notice, "notice_failed", reason, ports)
    steps = min(notice.attempts - 1, BACKOFF_STEPS_MAX)
    seconds = min(BACKOFF_FIRST_SECONDS * 2**steps, BACKOFF_MAX_SECONDS)
    ports.store.commit(Save(replace(notice, retry_at=now + timedelta(seconds=seconds))))
    ports.queue.send("notice", [SendNotice(notice_id=notice.id).body()], delay_seconds=seconds)
    return why


def _held(notice: Notice, told: QuotaUsed | SenderRefused, ports: Ports) -> Sending:
    """Nothing goes for now, whosever mail it is: the sweep hints it again, and one task a day says why."""
    now = ports.clock.now()
    ports.store.commit(Save(replace(notice, retry_at=now + HELD_FOR)))
    kind = "mail_quota_used" if isinstance(told, QuotaUsed) else "mail_sender_refused"
    todo = (
        "ask AWS for a higher quota if this happens often" if isinstance(told, QuotaUsed)
        else "verify the sender with SES, or correct business.email_from in the settings"
    )  # fmt: skip
    reason = f"{told}; mails wait and are tried again every hour: {todo}"
    try:
        ports.store.commit(Save(Task(derive_id("tsk_", kind, now.date()), kind, reason, notice.id, now)))
    except Conflict:
        pass  # told today
    return "held"


def _left_claimed(notice: Notice, ports: Ports) -> Sending | None:
    """Someone claimed it and never wrote down the end: None if it may be claimed anew."""
    if notice.claimed_at is not None and ports.clock.now() - notice.claimed_at < CLAIM_STALE:
        return "claimed"
    if notice.kind in AT_MOST_ONCE or notice.kind.startswith("template:"):
        reason = "the sender stopped while sending; it may have gone out, so it is not sent again"
        return _failed(notice, "notice_uncertain", reason, ports)
    return None


def _failed(notice: Notice, kind: str, reason: str, ports: Ports) -> Sending:
    """It does not go; a person is told."""
    task = Task(task_of(notice.id), kind, reason, notice.id, ports.clock.now(), notice.customer_id)
    ports.store.commit(Save(replace(notice, status="failed", reason=reason)), Save(task))
    return "failed"


def task_of(notice_id: str) -> str:
    """The id of the task that a notice's failure opens."""
    return derive_id("tsk_", notice_id)


# ---- the sweep ------------------------------------------------------------------------------------------------


def sweep_notices(ports: Ports) -> int:
    """Hint again whatever is pending and should have been looked at by now; how many that was."""
    limit = (ports.clock.now() - HINT_LOST).strftime("%Y-%m-%dT%H:%M:%S.%fZ~")
    hinted = 0
    for shard in shards():
        after: str | None = None
        for _ in range(SWEEP_PAGES):
            page = ports.store.find(p.NOTICES_PENDING, shard, last=limit, after=after)
            hint(ports, *(e.partition for e in page.items))
            hinted += len(page.items)
            after = page.cursor
            if after is None:
                break
    return hinted


# ---- by hand --------------------------------------------------------------------------------------------------


def send_invoice(invoice_id: str, ports: Ports) -> Notice:
    """Mail a posted invoice by hand, as often as asked: needs an address and nothing else."""
    for _ in range(CONFLICT_RETRIES):
        invoice = invoice_of(ports, invoice_id)
        customer = customer_of(ports, invoice.customer_id)
        if invoice.status != "posted":
            raise Refused("not_posted", f"invoice {invoice_id} is {invoice.status}; only a posted one can be mailed")
        if not customer.mailable():
            raise Invalid("email", f"customer {customer.id} has no usable e-mail address; give one first")
        first = ports.store.get(Notice, notice_id(customer.id, "invoice", invoice.id))
        notice = _by_hand(invoice, first, ports.ids.new(""), ports)
        try:
            ports.store.commit(Save(notice))
        except Conflict:
            continue
        hint(ports, notice.id)
        return replace(notice, version=notice.version + 1)
    raise Unavailable(f"the mail of invoice {invoice_id} kept changing")


def _by_hand(invoice: Invoice, first: Notice | None, episode: str, ports: Ports) -> Notice:
    """The invoice's own notice if it has not gone yet, otherwise a further one of an episode of its own."""
    if first is not None and first.status == "pending" and first.claimed_at is None:
        return replace(first, by_hand=True, retry_at=None)
    episode = "" if first is None else episode
    return Notice(
        id=notice_id(invoice.customer_id, "invoice", invoice.id, episode), customer_id=invoice.customer_id,
        kind="invoice", subject_id=invoice.id, episode=episode, created_at=ports.clock.now(),
        bill_run_id=None if first is not None and first.sent_at else invoice.bill_run_id, by_hand=True,
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
        status="pending", reason=None, by_hand=True, claimed_at=None, claim=None, attempts=0, sent_at=None,
        message_id=None, delivered_at=None, bill_run_id=None, created_at=ports.clock.now(), to=None, retry_at=None,
        version=0,
    )  # fmt: skip
    ports.store.commit(Save(again))
    hint(ports, again.id)
    return replace(again, version=1)


def send_run(run_id: str, ports: Ports, after: str | None = None) -> str | None:
    """Mail a run's posted invoices that have not been mailed: some pages now, the rest through the queue.

    The place where the queue goes on, or None when this was all. Asking twice mails nothing twice.
    """
    for _ in range(RUN_PAGES_INLINE):
        page = ports.store.find(p.INVOICES_BY_RUN, run_id, prefix="posted#", after=after, limit=p.COMMIT_MAX)
        _send_page(ports.store.get_many(Invoice, [e.key for e in page.items]), ports)
        after = page.cursor
        if after is None:
            return None
    ports.queue.send("post", [SendRun(run_id=run_id, after=after).body()])
    return after


def _send_page(invoices: Sequence[Invoice], ports: Ports) -> None:
    """Record the notices that are missing, together if nobody else is at it; what is recorded by others goes anyway."""
    owners = sorted({i.customer_id for i in invoices})
    customers = {c.id: c for c in ports.store.get_many(Customer, [(i, "") for i in owners])}
    mailed = [i for i in invoices if i.status == "posted" and _by_email(customers.get(i.customer_id))]
    missing = _missing(mailed, ports)
    try:
        ports.store.commit(*map(Save, missing))
    except Conflict:
        missing = [n for n in missing if _saved(n, ports)]
    hint(ports, *(n.id for n in missing))


def _missing(invoices: Sequence[Invoice], ports: Ports) -> list[Notice]:
    """A notice for each invoice that has none, or whose own did not go and was not followed by another."""
    own = {i.id: notice_id(i.customer_id, "invoice", i.id) for i in invoices}
    again = {i.id: notice_id(i.customer_id, "invoice", i.id, BY_RUN) for i in invoices}
    known = {n.id: n for n in ports.store.get_many(Notice, [(n, "") for n in (*own.values(), *again.values())])}
    missing = [i for i in invoices if again[i.id] not in known and _not_sent(known.get(own[i.id]))]
    return [_by_hand(i, known.get(own[i.id]), BY_RUN, ports) for i in missing]


def _not_sent(first: Notice | None) -> bool:
    return first is None or first.status in ("suppressed", "failed")


def _saved(notice: Notice, ports: Ports) -> bool:
    try:
        ports.store.commit(Save(notice))
    except Conflict:
        return False
    return True


def _by_email(customer: Customer | None) -> bool:
    return customer is not None and "email" in customer.delivery and customer.mailable()

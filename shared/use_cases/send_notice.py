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

from datetime import timedelta
from typing import Literal

from shared.contracts.messages import RenderInvoice, SendNotice
from shared.domain.copies import replace
from shared.domain.ids import derive_id
from shared.domain.notice import Notice
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
from shared.use_cases.lookups import CONFLICT_RETRIES, customer_of, gate_of, local_on, settings_of
from shared.use_cases.notices import task_of

CLAIM_STALE = timedelta(minutes=15)  # longer than any sender lives
GIVE_UP_AFTER = timedelta(days=3)  # as mail servers do
HELD_FOR = timedelta(hours=1)  # the window of the day's quota moves on, or a person has seen to the sender
BACKOFF_FIRST_SECONDS, BACKOFF_MAX_SECONDS = 30, 900
BACKOFF_STEPS_MAX = 10  # doublings, after which the wait is the longest anyway
AT_MOST_ONCE = (*PAST_DUE_KINDS, "reminder")

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
    gate = gate_of(ports, notice.id)
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
    claimed = replace(
        notice, claimed_at=ports.clock.now(), claim=ports.ids.new(""), attempts=notice.attempts + 1,
        to=customer.email, retry_at=None,
    )  # fmt: skip
    link = [Save(composed.link)] if composed.link is not None else []
    about = () if _stopped_by_void(notice) else composed.about
    ports.store.commit(Save(claimed), Check(customer), Check(gate), *link, *map(Check, about))
    return _hand_over(replace(claimed, version=notice.version + 1), composed, settings, ports)


def _stopped_by_void(notice: Notice) -> bool:
    """Whether voiding its invoice changes the notice itself, so that the claim need not check the invoice too."""
    return notice.kind == "invoice" and not notice.episode and notice.unclaimed


def _hand_over(notice: Notice, composed: Composed, settings: Settings, ports: Ports) -> Sending:
    """Give a claimed notice to the mail service and write down its answer."""
    mail = Mail(
        notice_id=notice.id, sender=settings.business.email_from, to=notice.to or "", subject=composed.mail.subject,
        text=composed.mail.text, html=composed.mail.html, attachments=composed.attachments,
        unsubscribe_url=composed.unsubscribe_url,
    )  # fmt: skip
    try:
        ports.pace.wait()
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

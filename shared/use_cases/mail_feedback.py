"""What the mail service says of a mail it took. PRODUCT 6."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.ids import derive_id
from shared.domain.notice import Notice, NoticeStatus
from shared.domain.task import Task
from shared.domain.values import dataclass
from shared.ports import Conflict, Ports, Save, Unavailable
from shared.use_cases.lookups import CONFLICT_RETRIES
from shared.use_cases.notices import task_of

MailKind = Literal["sent", "delivered", "bounced", "complained", "undelivered", "rejected"]
UNDELIVERED = "undelivered"


@dataclass(frozen=True, slots=True)
class MailEvent:
    """One event of one mail; events come more than once and in any order.

    `undelivered`: it did not arrive, but its address may be good. `rejected`: the mail service took it, then found
    something harmful in it. `detail` says why, in the service's word.
    """

    notice_id: str
    kind: MailKind
    message_id: str | None = None
    detail: str = ""


def take_mail_event(event: MailEvent, ports: Ports) -> str:
    """Settle the notice; after a bounce or complaint, mail the address no more. What was done.

    `sent` and `delivered` prove that a notice went out though its sender never wrote that down.
    """
    for _ in range(CONFLICT_RETRIES):
        notice = ports.store.get(Notice, event.notice_id)
        if notice is None:
            return "unknown"
        try:
            return _SETTLE[event.kind](notice, event, ports)
        except Conflict:
            continue
    raise Unavailable(f"notice {event.notice_id} kept changing")


def _went_out(notice: Notice, event: MailEvent, ports: Ports) -> str:
    """`sent` settles only what nobody knew the end of; `delivered` is also written down, and beats a soft bounce."""
    delivered = event.kind == "delivered"
    unknown = notice.status == "pending" or (notice.status == "failed" and notice.sent_at is None)
    answered_for = delivered and notice.status == "bounced" and notice.reason == UNDELIVERED
    arrived = delivered and notice.status == "sent" and notice.delivered_at is None
    if not (unknown or answered_for or arrived):
        return "known"
    now = ports.clock.now()
    sent = replace(
        notice, status="sent", reason=None, sent_at=notice.sent_at or now,
        message_id=event.message_id or notice.message_id, delivered_at=now if delivered else None,
    )  # fmt: skip
    task = None if arrived else ports.store.get(Task, task_of(notice.id))
    asked = [Save(replace(task, status="done", done_at=now))] if task is not None and task.status == "open" else []
    ports.store.commit(Save(sent), *asked)
    return "delivered" if arrived else "settled"


def _not_delivered(notice: Notice, event: MailEvent, ports: Ports) -> str:
    """The mail service gave up. What was delivered before is an automatic answer. The address is mailed again."""
    if notice.status == "bounced" or notice.delivered_at is not None:
        return "known"
    why = f" ({event.detail})" if event.detail else ""
    reason = f"mail to {notice.customer_id} could not be delivered{why}; send it again, or ask for another address"
    _ended(notice, "bounced", UNDELIVERED, "email_undelivered", reason, ports)
    return UNDELIVERED


def _rejected(notice: Notice, event: MailEvent, ports: Ports) -> str:
    if notice.status in ("failed", "bounced"):
        return "known"
    reason = f"the mail service did not send it on ({event.detail or 'rejected'}); look at its template"
    _ended(notice, "failed", reason, "notice_failed", reason, ports)
    return "rejected"


def _ended(notice: Notice, status: NoticeStatus, reason: str, kind: str, said: str, ports: Ports) -> None:
    now = ports.clock.now()
    task = ports.store.get(Task, task_of(notice.id)) or Task(task_of(notice.id), kind, said, notice.id, now)
    task = replace(task, kind=kind, reason=said, customer_id=notice.customer_id, status="open", done_at=None)
    ended = replace(notice, status=status, reason=reason, sent_at=notice.sent_at or now)
    ports.store.commit(Save(ended), Save(task))


def _came_back(notice: Notice, event: MailEvent, ports: Ports) -> str:
    """The notice bounced; the customer's address is marked and a person told, unless it was changed since."""
    if notice.status == "bounced" and notice.reason != UNDELIVERED:
        return "known"
    problem: Literal["bounced", "complained"] = "bounced" if event.kind == "bounced" else "complained"
    bounced = replace(notice, status="bounced", reason=problem, sent_at=notice.sent_at or ports.clock.now())
    customer = ports.store.get(Customer, notice.customer_id)
    if customer is None or customer.email != notice.to or customer.email_problem is not None:
        ports.store.commit(Save(bounced))
    else:
        task = Task(
            derive_id("tsk_", problem, notice.id), f"email_{problem}", f"mail to {customer.id} {problem}: nothing more "
            f"is mailed there; correct the address{_on_paper(notice)}", notice.id, ports.clock.now(), customer.id,
        )  # fmt: skip
        ports.store.commit(Save(bounced), Save(replace(customer, email_problem=problem)), Save(task))
    return problem


def _on_paper(notice: Notice) -> str:
    """Where the invoice that did not reach its customer is to be printed from."""
    if notice.kind != "invoice":
        return ""
    if notice.bill_run_id is None:
        return f"; print invoice {notice.subject_id} from its PDF"
    return f"; invoice {notice.subject_id} goes into a further part of the print batch of {notice.bill_run_id}"


_SETTLE: dict[MailKind, Callable[[Notice, MailEvent, Ports], str]] = {
    "sent": _went_out,
    "delivered": _went_out,
    "bounced": _came_back,
    "complained": _came_back,
    "undelivered": _not_delivered,
    "rejected": _rejected,
}

"""What the mail service says of a mail it took. PRODUCT 6."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from shared.domain.customer import Customer
from shared.domain.ids import derive_id
from shared.domain.notice import Notice
from shared.domain.task import Task
from shared.ports import Conflict, Ports, Save, Unavailable
from shared.use_cases.lookups import CONFLICT_RETRIES
from shared.use_cases.send_notice import task_of

MailKind = Literal["sent", "delivered", "bounced", "complained"]


@dataclass(frozen=True, slots=True)
class MailEvent:
    """One event of one mail; events come more than once and in any order."""

    notice_id: str
    kind: MailKind
    message_id: str | None = None


def take_mail_event(event: MailEvent, ports: Ports) -> str:
    """Settle the notice; after a bounce or complaint, mail the address no more. What was done.

    `sent` and `delivered` prove that a notice went out though its sender never wrote that down.
    """
    for _ in range(CONFLICT_RETRIES):
        notice = ports.store.get(Notice, event.notice_id)
        if notice is None:
            return "unknown"
        try:
            settle = _went_out if event.kind in ("sent", "delivered") else _came_back
            return settle(notice, event, ports)
        except Conflict:
            continue
    raise Unavailable(f"notice {event.notice_id} kept changing")


def _went_out(notice: Notice, event: MailEvent, ports: Ports) -> str:
    if notice.status not in ("pending", "failed"):
        return "known"
    now = ports.clock.now()
    sent = replace(notice, status="sent", reason=None, sent_at=now, message_id=event.message_id)
    task = ports.store.get(Task, task_of(notice.id))
    asked = [Save(replace(task, status="done", done_at=now))] if task is not None and task.status == "open" else []
    ports.store.commit(Save(sent), *asked)
    return "settled"


def _came_back(notice: Notice, event: MailEvent, ports: Ports) -> str:
    """The notice bounced; the customer's address is marked and a person told, unless it was changed since."""
    if notice.status == "bounced":
        return "known"
    problem: Literal["bounced", "complained"] = "bounced" if event.kind == "bounced" else "complained"
    bounced = replace(notice, status="bounced", reason=problem, sent_at=notice.sent_at or ports.clock.now())
    customer = ports.store.get(Customer, notice.customer_id)
    if customer is None or customer.email != notice.to or customer.email_problem is not None:
        ports.store.commit(Save(bounced))
    else:
        task = Task(
            derive_id("tsk_", problem, notice.id), f"email_{problem}", f"mail to {customer.id} {problem}: nothing more "
            "is mailed there; correct the address", notice.id, ports.clock.now(), customer.id,
        )  # fmt: skip
        ports.store.commit(Save(bounced), Save(replace(customer, email_problem=problem)), Save(task))
    return problem

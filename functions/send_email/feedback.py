"""Take in what SES says of mails: deliveries, bounces and complaints, through SNS and a queue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from shared.bootstrap import ports_for_batch
from shared.observability import observed, report
from shared.ports import Ports
from shared.queue_batches import BatchAnswer, QueueRecord, handle_abreast
from shared.use_cases.look_ahead import ahead_of_mail_events
from shared.use_cases.mail_feedback import MailEvent, MailKind, take_mail_event

SES_TYPES: dict[str, MailKind] = {
    "Send": "sent",
    "Delivery": "delivered",
    "Bounce": "bounced",
    "Complaint": "complained",
    "Reject": "rejected",
}
PERMANENT = "Permanent"  # the bounces after which an address is mailed no more; SES has tried the others for hours
NOT_SPAM = "not-spam"  # somebody took the mail out of the spam folder


def take(record: QueueRecord, ports: Ports) -> None:
    event = mail_event(json.loads(record.body))
    if event is not None:
        report(f"mail_{take_mail_event(event, ports)}", notice_id=event.notice_id)


def mail_event(body: dict[str, Any]) -> MailEvent | None:
    """The event in an SNS envelope; None for kinds that nothing follows from, or mail that is no notice.

    Whether to believe the envelope is for the queue's policy: it takes messages of the one topic that SES writes to.
    """
    message = _said(body)
    kind = SES_TYPES.get(str(message.get("eventType") or message.get("notificationType")))
    tags = message.get("mail", {}).get("tags", {}).get("notice_id", [])
    if kind is None or not tags or message.get("complaint", {}).get("complaintFeedbackType") == NOT_SPAM:
        return None
    bounce = message.get("bounce", {})
    if kind == "bounced" and bounce.get("bounceType") != PERMANENT:
        kind = "undelivered"
    detail = bounce.get("bounceSubType") or message.get("reject", {}).get("reason") or ""
    return MailEvent(notice_id=tags[0], kind=kind, message_id=message["mail"].get("messageId"), detail=str(detail))


def _said(body: dict[str, Any]) -> dict[str, Any]:
    """What SES says. Nothing in what SNS itself sends (confirmations), nor in the words in which SES tries a topic."""
    if body.get("Type") != "Notification":
        return {}
    try:
        message = json.loads(body["Message"])
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _noticed(event: dict[str, Any]) -> Iterator[str]:
    """The notices of the records that can be read; the others fail by themselves."""
    for record in event["Records"]:
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            found = mail_event(json.loads(record["body"]))
            if found is not None:
                yield found.notice_id


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> BatchAnswer:
    ports = ports_for_batch()
    ahead_of_mail_events(list(_noticed(event)), ports)
    return handle_abreast(event, context, take, ports)

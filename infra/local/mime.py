"""A mail read back from its MIME text, to be looked at."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage

from shared.ports import Attachment, Mail


def mail_of(raw: bytes) -> Mail:
    """What a reader sees of a mail; its tags are the provider's and not in it."""
    message = message_from_bytes(raw, policy=policy.default)
    return Mail(
        notice_id="",
        sender=str(message["From"]),
        to=str(message["To"]),
        subject=str(message["Subject"]),
        text=_part(message, "plain"),
        html=_part(message, "html"),
        attachments=tuple(
            Attachment(part.get_filename() or "", part.get_content(), part.get_content_type())
            for part in message.iter_attachments()
        ),
    )


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    return str(part.get_content()) if part is not None else ""

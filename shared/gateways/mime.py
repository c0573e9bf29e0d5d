"""A mail as the text that travels: headers that nobody can break out of, text, HTML and attachments.

Written out by hand: email.message takes 2 to 4 ms of CPU for an invoice mail, more than all else that is done for one.
"""

from __future__ import annotations

import hashlib
import re
from binascii import b2a_base64
from collections.abc import Mapping
from email.header import Header
from email.utils import encode_rfc2231, formataddr, parseaddr

from shared.ports import Attachment, Mail, MailRefused

BREAKING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # would end a line, or travel badly
LINE = 76  # characters of base64 per line
ADDRESS_CHARS_MAX = 320
EOL = b"\r\n"


def check(mail: Mail) -> None:
    """Raises MailRefused for what must not become a header: control characters, or no address."""
    values = (mail.sender, mail.to, mail.subject, mail.notice_id, *(a.name for a in mail.attachments))
    if any(BREAKING.search(value) for value in values):
        raise MailRefused("a line break or control character in an address, the subject or an attachment's name")
    address_of(mail.sender)
    address_of(mail.to)


def address_of(value: str) -> str:
    """The address in `a@b` or `Name <a@b>`, fit for SMTP: its domain in ASCII. Raises MailRefused."""
    _, address = parseaddr(value)
    if value.strip() != address and not value.rstrip().endswith(f"<{address}>"):
        address = ""  # more than one, or something else beside it: versions of Python differ in what they make of it
    local, at, domain = address.rpartition("@")
    if not (at and local and domain and local.isascii() and len(address) <= ADDRESS_CHARS_MAX) or " " in address:
        raise MailRefused("not an address that mail can be sent to")
    try:
        return address if domain.isascii() else f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        raise MailRefused("not an address that mail can be sent to") from None


def headers_of(mail: Mail) -> dict[str, str]:
    """What only some mails say beside sender, recipient and subject. RFC 2369, RFC 8058."""
    if mail.unsubscribe_url is None:
        return {}
    if BREAKING.search(mail.unsubscribe_url) or set("<> ") & set(mail.unsubscribe_url):
        raise MailRefused("not an address to unsubscribe at")
    return {"List-Unsubscribe": f"<{mail.unsubscribe_url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def compose(mail: Mail, headers: Mapping[str, str] | None = None) -> bytes:
    """The whole message. `headers` are added: SES sets Date and Message-ID itself, others do not."""
    check(mail)
    lines = [
        f"From: {_mailbox(mail.sender)}",
        f"To: {_mailbox(mail.to)}",
        f"Subject: {_words(mail.subject)}",
        *(f"{name}: {value}" for name, value in {**headers_of(mail), **(headers or {})}.items()),
        "MIME-Version: 1.0",
    ]
    # "_" is no base64 character, so no part can contain a boundary.
    token = hashlib.sha256(mail.notice_id.encode()).hexdigest()[:16]
    body = _multipart("alternative", f"=_text_{token}", [_text("plain", mail.text), _text("html", mail.html)])
    if mail.attachments:
        body = _multipart("mixed", f"=_mail_{token}", [body, *map(_attachment, mail.attachments)])
    return EOL.join(line.encode("ascii") for line in lines) + EOL + body


def _multipart(kind: str, boundary: str, parts: list[bytes]) -> bytes:
    mark = b"--" + boundary.encode()
    head = f'Content-Type: multipart/{kind}; boundary="{boundary}"'.encode()
    return head + EOL + EOL + b"".join(mark + EOL + part + EOL for part in parts) + mark + b"--" + EOL


def _text(kind: str, text: str) -> bytes:
    return _part(f"text/{kind}; charset=utf-8", text.encode(errors="replace"))


def _attachment(attachment: Attachment) -> bytes:
    return _part(attachment.media_type, attachment.content, f"attachment; {_filename(attachment.name)}")


def _part(media_type: str, content: bytes, disposition: str | None = None) -> bytes:
    head = [f"Content-Type: {media_type}", "Content-Transfer-Encoding: base64"]
    if disposition:
        head.append(f"Content-Disposition: {disposition}")
    text = b2a_base64(content, newline=False)
    lines = (text[start : start + LINE] for start in range(0, len(text), LINE))
    return EOL.join(line.encode("ascii") for line in head) + EOL + EOL + EOL.join(lines)


def _filename(name: str) -> str:
    if _is_plain(name) and not set(name) & set('"\\'):
        return f'filename="{name}"'
    return f"filename*={encode_rfc2231(name, 'utf-8')}"


def _mailbox(value: str) -> str:
    name, address = parseaddr(value)[0], address_of(value)
    if _is_plain(name):
        return formataddr((name, address))
    return f"{_words(name)} <{address}>"


def _words(text: str) -> str:
    """As it is in ASCII, else as encoded words; folded into lines of bearable length."""
    header = Header(text) if _is_plain(text) else Header(text, "utf-8")
    return header.encode(linesep="\r\n")


def _is_plain(text: str) -> bool:
    """Needs no encoding, and does not look as if it were encoded already."""
    return text.isascii() and "=?" not in text

"""A request to the customer's page, and the fields of its forms. Fields that are not known are refused."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from dataclasses import field
from email import message_from_string
from typing import Any, Final
from urllib.parse import parse_qsl

from shared.contracts.api_fields import identifier, refuse
from shared.domain.errors import NotFound
from shared.domain.settings import Settings
from shared.domain.values import dataclass
from shared.rendering.speech import Speech

BODY_BYTES_MAX: Final = 64 * 1024  # a hundred invoices take six
FIELDS_MAX: Final = 300
PARTS_MAX: Final = 10  # of a form in parts: no page of ours sends any
VALUE_CHARS_MAX: Final = 5_000
TRAP: Final = "subject"  # a field that people do not see; who fills it is no person
_DIGITS: Final = re.compile(r"(?:[0-9][ -]?){13,19}")


class Unreadable(Exception):
    """The body is no form, or larger than any of ours."""


def known_id(text: str) -> str:
    """An id that may exist. Raises NotFound for a text that can be none, which no store need be asked about."""
    try:
        return identifier(text)
    except ValueError:
        raise NotFound("such thing", "") from None


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a form, in order; a field may come several times."""

    pairs: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        return [value for given, value in self.pairs if given == name]

    def one(self, name: str) -> str:
        """The field's value, "" if it is left out. Raises InvalidBody if it comes more than once."""
        found = self.all(name)
        if len(found) > 1:
            refuse(name, "must be given once")
        return found[0].strip() if found else ""

    def only(self, known: Collection[str]) -> Fields:
        """These fields. Raises InvalidBody for any other, and for what looks like the number of a card."""
        for name, value in self.pairs:
            if _is_card_number(value):
                refuse("card", "never type a card number here: add the card through the payment gateway's own form")
            if name == TRAP and value:
                refuse(TRAP, "must be left empty")
            if name not in known and name != TRAP:
                refuse("form", "has a field that is not known")
        return self


@dataclass(frozen=True, slots=True)
class PageRequest:
    """`root` is what stands before /pay in the address: the stage's name, unless there is a domain of its own.

    Once the link has opened, `speech` is its customer's and `settings` are those of this moment.
    """

    method: str
    resource: str
    root: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    fields: Fields = Fields(())
    number: str = ""  # API Gateway's of the request
    settings: Settings = field(default_factory=Settings)
    speech: Speech = field(default_factory=Speech)

    @property
    def token(self) -> str:
        return self.parameters.get("token", "")

    @property
    def id(self) -> str:
        """The id in the path. Raises NotFound for what can be none."""
        return known_id(self.parameters.get("id", ""))

    @property
    def home(self) -> str:
        return f"{self.root}/pay/{self.token}"


def read_request(event: Mapping[str, Any]) -> PageRequest:
    """Raises Unreadable."""
    method, path = str(event.get("httpMethod") or "GET"), str(event.get("path") or "")
    context = event.get("requestContext") or {}
    asked = str(context.get("path") or path)
    root = asked.removesuffix(path) if asked.endswith(path) else ""
    parameters = {str(k): str(v) for k, v in (event.get("pathParameters") or {}).items()}
    fields = read_fields(event) if method == "POST" else Fields(())
    return PageRequest(
        method, str(event.get("resource") or ""), root, parameters, fields, str(context.get("requestId") or "")
    )


def read_fields(
    event: Mapping[str, Any], body_bytes_max: int = BODY_BYTES_MAX, value_chars_max: int = VALUE_CHARS_MAX,
    fields_max: int = FIELDS_MAX,
) -> Fields:  # fmt: skip
    """The fields of a form that was posted. Raises Unreadable."""
    text = event.get("body") or ""
    if len(text) > body_bytes_max * 4 // 3 + 4:
        raise Unreadable("the form is too large")
    try:
        body = base64.b64decode(text, validate=True).decode() if event.get("isBase64Encoded") else str(text)
        body.encode()  # half characters could be shown to nobody
        if (parts := _multipart(event, body)) is not None:
            return Fields(parts)
        pairs = parse_qsl(body, keep_blank_values=True, max_num_fields=fields_max, errors="strict")
    except (binascii.Error, ValueError):
        raise Unreadable("the form cannot be read") from None
    if any(len(value) > value_chars_max or "\x00" in value for _, value in pairs):
        raise Unreadable("a field of the form is too long")
    return Fields(tuple(pairs))


def _multipart(event: Mapping[str, Any], body: str) -> tuple[tuple[str, str], ...] | None:
    """The fields of a form in parts, as a mail program may send its one click; None if it is a plain one."""
    headers = {str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    kind = headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data") or "\n" in kind:
        return None
    parts = [p for p in message_from_string(f"Content-Type: {kind}\n\n{body}").walk() if not p.is_multipart()]
    if len(parts) > PARTS_MAX:
        raise Unreadable("the form has too many parts")
    return tuple(
        (str(p.get_param("name", "", "content-disposition")), str(p.get_payload())[:VALUE_CHARS_MAX].strip())
        for p in parts
    )


def _is_card_number(value: str) -> bool:
    """Thirteen to nineteen digits whose check digit fits, with or without spaces between them."""
    if not _DIGITS.fullmatch(value.strip()):
        return False
    digits = [int(c) for c in reversed(value) if c.isascii() and c.isdigit()]
    doubled = [d * 2 - 9 if d > 4 else d * 2 for d in digits[1::2]]
    return (sum(digits[0::2]) + sum(doubled)) % 10 == 0

"""A request to the console, and who makes it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from functions.pay_page.requests import Fields, read_fields
from shared.domain.console_session import ConsoleSession, form_value, is_form_of
from shared.domain.values import dataclass

BODY_BYTES_MAX: Final = 512 * 1024  # a template in both forms
VALUE_CHARS_MAX: Final = 110_000
FIELDS_MAX: Final = 4_000  # a draft of some hundred lines
COOKIE: Final = "paidup_console"
STATE_COOKIE: Final = "paidup_sign_in"
FORM_FIELD: Final = "form"  # what makes a form one of ours
NO_FIELDS: Final = Fields(())
_PART: Final = re.compile(r"[A-Za-z0-9_.:-]{1,80}")


class NoSuchPage(Exception):
    """Nothing is at this address."""


class ForeignForm(Exception):
    """A form that is not of a page of this session."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What the API said against something that was asked for."""

    status: int
    detail: str
    errors: Sequence[Mapping[str, str]] = ()


@dataclass(frozen=True, slots=True)
class ConsoleRequest:
    """`path` begins behind /console, `root` is what stands before it: the stage's name, unless there is a domain.

    `problem` is told on top of the page that is shown, after a form was refused.
    """

    method: str
    path: str
    root: str
    query: Mapping[str, str] = field(default_factory=dict)
    fields: Fields = NO_FIELDS
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    number: str = ""  # API Gateway's of the request
    host: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    session: ConsoleSession | None = None
    problem: Problem | None = None

    @property
    def token(self) -> str:
        return self.cookies.get(COOKIE, "")

    @property
    def form(self) -> str:
        return form_value(self.token)

    @property
    def by_script(self) -> bool:
        """Asked for by htmx, which puts the answer into a page."""
        return self.headers.get("hx-request") == "true"

    def id(self, name: str = "id") -> str:
        return self.parameters[name]

    def url(self, path: str = "", **query: object) -> str:
        asked = {k: v for k, v in query.items() if v not in (None, "")}
        return f"{self.root}/console{path}" + (f"?{urlencode(asked)}" if asked else "")

    def check_form(self) -> None:
        """Raises ForeignForm unless this is a form of a page of this session, sent from this site."""
        origin, site = self.headers.get("origin"), self.headers.get("sec-fetch-site")
        ours = {self.host, self.headers.get("host", "")} - {""}
        if origin is not None and urlsplit(origin).netloc not in ours:
            raise ForeignForm
        if site not in (None, "same-origin") or not is_form_of(self.token, self.fields.one(FORM_FIELD)):
            raise ForeignForm


def read_request(event: Mapping[str, Any]) -> ConsoleRequest:
    """Raises Unreadable for what is no form, NoSuchPage for an address that can be none of ours."""
    method, path = str(event.get("httpMethod") or "GET"), str(event.get("path") or "")
    context = event.get("requestContext") or {}
    asked = str(context.get("path") or path)
    headers = {str(k).lower(): str(v) for k, v in (event.get("headers") or {}).items()}
    inside = path.removeprefix("/console").rstrip("/")
    if not all(_PART.fullmatch(part) for part in inside.split("/")[1:]):
        raise NoSuchPage
    return ConsoleRequest(
        method=method,
        path=inside,
        root=asked.removesuffix(path) if asked.endswith(path) else "",
        query={str(k): str(v) for k, v in (event.get("queryStringParameters") or {}).items()},
        fields=read_fields(event, BODY_BYTES_MAX, VALUE_CHARS_MAX, FIELDS_MAX) if method == "POST" else Fields(()),
        headers=headers,
        cookies=_cookies(headers.get("cookie", "")),
        number=str(context.get("requestId") or ""),
        host=str(context.get("domainName") or ""),
    )


def _cookies(text: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(text).items()}
    except CookieError:
        return {}

"""How commands talk to a running Paidup: the admin API over HTTP, or in the same process."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import quote, urlsplit

from infra.cli.outcome import Refused

if TYPE_CHECKING:  # a command that talks to a server needs no local cloud
    from infra.local.app import LocalClient

JSON: Final = "application/json"
CSV: Final = "text/csv"
URL_DEFAULT: Final = "http://127.0.0.1:8642"
TOKEN_DEFAULT: Final = "local-admin"  # noqa: S105 - the fixed token of the local server, refused elsewhere
TIMEOUT_SECONDS: Final = 60
PAGES_MAX: Final = 10_000  # of one list


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP status, and the body: the value of its JSON, bytes for what is none. Names of headers in lower case."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def errors(self) -> list[tuple[str, str]]:
        """(field, message) of a problem; its detail, without a field, where it names none."""
        problem = self.body if isinstance(self.body, dict) else {}
        named = [(e.get("field", ""), e.get("message", "")) for e in problem.get("errors") or []]
        return named or [("", problem.get("detail") or problem.get("title") or f"the server answered {self.status}")]

    def words(self) -> str:
        return "; ".join(f"{field}: {message}" if field else message for field, message in self.errors())


class Api(Protocol):
    """The admin API as an admin; a body of bytes is CSV. Raises Refused when there is no answer at all."""

    def call(self, method: str, path: str, body: Any = None, accept: str = JSON) -> Answer: ...


def ask(api: Api, method: str, path: str, body: Any = None) -> Any:
    """The body of the answer. Raises Refused, in the server's words, unless it is a success."""
    answer = api.call(method, path, body)
    if not answer.ok:
        raise Refused(f"{method} {path} was answered with {answer.status}: {answer.words()}")
    return answer.body


def every(api: Api, path: str) -> Iterator[dict[str, Any]]:
    """Every item of a list, page by page. Raises Refused."""
    cursor: str | None = None
    for _ in range(PAGES_MAX):
        more = f"{'&' if '?' in path else '?'}limit=200" + (f"&cursor={quote(cursor, safe='')}" if cursor else "")
        page = ask(api, "GET", path + more)
        yield from page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return
    raise Refused(f"{path} has more than {PAGES_MAX} pages")


def add_server_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--url", default=URL_DEFAULT, help=f"where Paidup runs (default: {URL_DEFAULT})")
    command.add_argument("--token", help="bearer token (default: PAIDUP_TOKEN, or the local server's token for admins)")


@contextmanager
def server(arguments: argparse.Namespace) -> Iterator[Api]:
    """The running Paidup that the options name."""
    token = arguments.token or os.environ.get("PAIDUP_TOKEN") or TOKEN_DEFAULT
    http = HttpApi(arguments.url, token)
    try:
        yield http
    finally:
        http.close()


class HttpApi:
    """Keeps one connection open, and opens it again once if the server has closed it meanwhile."""

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused(f"{url!r} is no address of a server: give one such as {URL_DEFAULT}")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        try:
            self._connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
        except ValueError:
            raise Refused(f"{url!r} has no valid port") from None
        self._base = parts.path.rstrip("/")
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}

    def call(self, method: str, path: str, body: Any = None, accept: str = JSON) -> Answer:
        payload = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        kind = "text/csv; charset=utf-8" if isinstance(body, bytes) else "application/json"
        headers = self._headers | {"Accept": accept} | ({"Content-Type": kind} if payload is not None else {})
        for attempt in (1, 2):  # creates carry their own id, so that asking again does nothing twice
            try:
                self._connection.request(method, self._base + path, payload, headers)
                response = self._connection.getresponse()
                found = {name.lower(): value for name, value in response.getheaders()}
                content = response.read()
                return Answer(
                    response.status, _json(content) if "json" in found.get("content-type", "") else content, found
                )
            except (OSError, HTTPException) as gone:
                self._connection.close()
                if attempt == 2 or isinstance(gone, ConnectionRefusedError):
                    raise Refused(f"no answer from {self._url}: {gone} (is `paidup serve` running?)") from None
        raise AssertionError("unreachable")

    def close(self) -> None:
        self._connection.close()


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return {}


class LocalApi:
    """The admin API of a local cloud in this process: for the demo, the benchmarks and tests."""

    def __init__(self, client: LocalClient) -> None:
        self._client = client

    def call(self, method: str, path: str, body: Any = None, accept: str = JSON) -> Answer:
        status, headers, value = self._client.request(method, path, body, headers={"Accept": accept})
        return Answer(status, value, {name.lower(): text for name, text in headers.items()})

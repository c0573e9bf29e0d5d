"""Webhooks to the company's other systems, over HTTP. One bounded attempt; what comes of it is a value.

The name is looked up once, every address it has must be allowed, and the connection goes to the address that was
checked: a name that changes its mind in between reaches nothing inside our network. Redirects are not followed.
"""

from __future__ import annotations

import secrets
import socket
import ssl
from collections.abc import Callable
from threading import Timer
from typing import Final
from urllib.parse import SplitResult, urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from shared.domain.web_address import is_address, is_loopback, is_public
from shared.gateways.webhooks import sign
from shared.ports import WebhookAnswer, WebhookMessage

SIGNATURE: Final = "Paidup-Signature"
EVENT_ID: Final = "Paidup-Event-Id"
EVENT_TYPE: Final = "Paidup-Event-Type"
CONNECT_SECONDS_MAX: Final = 3.0
SILENCE_SECONDS_MAX: Final = 8.0  # between two bytes of the answer
TOTAL_SECONDS_MAX: Final = 10.0  # from the first byte sent, however slowly the answer trickles in
ANSWER_BYTES_MAX: Final = 16 * 1024  # read of the answer's body, of which only its end is of interest
ADDRESSES_MAX: Final = 3  # tried, of those that a name has
SECRET_BYTES: Final = 32
PORTS: Final = {"https": 443, "http": 80}

Resolve = Callable[[str, int], list[str]]


class _Refused(Exception):
    """It is not sent, and the text says why."""


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, each once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class HttpWebhookSender:
    """Implements shared.ports.WebhookSender. `local` may speak to loopback and to nothing else."""

    def __init__(
        self, local: Callable[[], bool], *, resolve: Resolve = resolve, total_seconds: float = TOTAL_SECONDS_MAX
    ) -> None:
        self._local = local
        self._resolve = resolve
        self._total_seconds = total_seconds

    def new_secret(self) -> str:
        return f"whsec_{secrets.token_urlsafe(SECRET_BYTES)}"

    def refuses(self, url: str) -> str | None:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        ours = is_loopback(host) or host == "localhost" or host.endswith(".localhost")
        if parts.scheme == "http" and not (self._local() and ours):
            return "must be an https URL"
        if not self._local() and (ours or (is_address(host) and not is_public(host))):
            return "must lead to a host on the public internet"
        return None

    def send(self, message: WebhookMessage) -> WebhookAnswer:
        parts = urlsplit(message.url)
        try:
            if (reason := self.refuses(message.url)) is not None:
                raise _Refused(f"the URL {reason}")
            return self._try_each(parts, self._addresses(parts), message)
        except _Refused as refused:
            return WebhookAnswer(None, str(refused))

    def _addresses(self, parts: SplitResult) -> list[str]:
        """Those to connect to; one that is not allowed spoils them all."""
        host = parts.hostname or ""
        try:
            found = self._resolve(host, _port(parts))
        except (OSError, UnicodeError):
            raise _Refused("the host's name could not be resolved") from None
        local = self._local()
        if not found or not all(is_loopback(a) if local else is_public(a) for a in found):
            where = "this machine, and locally nothing else is called" if local else "the public internet"
            raise _Refused(f"the host has an address that is not of {where}")
        return found[:ADDRESSES_MAX]

    def _try_each(self, parts: SplitResult, addresses: list[str], message: WebhookMessage) -> WebhookAnswer:
        """The next address only if nothing was sent to the one before."""
        answer = WebhookAnswer(None, "the host has no address")
        for address in addresses:
            connection = _connection(parts, address)
            try:
                try:
                    connection.connect()
                except (HTTPError, OSError) as error:
                    answer = WebhookAnswer(None, _words(error, "no connection could be made"))
                    continue
                return self._exchange(connection, parts, message)
            finally:
                connection.close()
        return answer

    def _exchange(self, connection: HTTPConnection, parts: SplitResult, message: WebhookMessage) -> WebhookAnswer:
        late: list[bool] = []
        line = connection.sock

        def cut() -> None:
            late.append(True)
            if line is not None:
                try:
                    line.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # closed already

        timer = Timer(self._total_seconds, cut)
        timer.start()
        try:
            if line is not None:
                line.settimeout(SILENCE_SECONDS_MAX)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, body=message.body, headers=_headers(parts, message), preload_content=False)
            response = connection.getresponse()
            status = response.status
            response.read(ANSWER_BYTES_MAX, decode_content=False)
        except (HTTPError, OSError, ValueError) as error:
            reason = "timed out" if late else _words(error, "the connection broke before an answer came")
            return WebhookAnswer(None, reason)
        finally:
            timer.cancel()
        return WebhookAnswer(None, "timed out") if late else WebhookAnswer(status)


def _port(parts: SplitResult) -> int:
    return parts.port or PORTS[parts.scheme]


def _connection(parts: SplitResult, address: str) -> HTTPConnection:
    """To the address, while the certificate must be the name's."""
    if parts.scheme == "http":
        return HTTPConnection(address, _port(parts), timeout=CONNECT_SECONDS_MAX)
    host = parts.hostname or ""
    context = ssl.create_default_context()
    return HTTPSConnection(
        address, _port(parts), timeout=CONNECT_SECONDS_MAX, ssl_context=context, cert_reqs="CERT_REQUIRED",
        server_hostname=host, assert_hostname=host,
    )  # fmt: skip


def _headers(parts: SplitResult, message: WebhookMessage) -> dict[str, str]:
    return {
        "Host": parts.netloc,
        "Content-Type": "application/json",
        "User-Agent": "Paidup",
        SIGNATURE: sign(message.body, message.secrets, message.at),
        EVENT_ID: message.event_id,
        EVENT_TYPE: message.event_type,
    }


def _words(error: Exception, otherwise: str) -> str:
    """What went wrong, without what the other side said."""
    reason = getattr(error, "__cause__", None) or error
    if isinstance(reason, TimeoutError) or "timeout" in type(error).__name__.lower():
        return "timed out"
    if isinstance(reason, ssl.SSLError) or isinstance(error, ssl.SSLError):
        return "the host's certificate is not valid"
    return otherwise

"""Webhooks to the company's other systems, over HTTP. One bounded attempt; what comes of it is a value.

The name is looked up once, every address it has must be allowed, and the connection goes to the address that was
checked: a name that changes its mind in between reaches nothing inside our network. Redirects are not followed.
"""

from __future__ import annotations

import secrets
import socket
import ssl
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException
from threading import Timer
from typing import Final
from urllib.parse import SplitResult, urlsplit

from shared.domain.web_address import is_address, is_loopback, is_public
from shared.gateways.webhooks import sign
from shared.ports import WebhookAnswer, WebhookMessage

SIGNATURE: Final = "Paidup-Signature"
EVENT_ID: Final = "Paidup-Event-Id"
CONNECT_SECONDS_MAX: Final = 3.0
SILENCE_SECONDS_MAX: Final = 8.0  # between two bytes of the answer
TOTAL_SECONDS_MAX: Final = 10.0  # from the first connection on, however slowly the answer trickles in
ANSWER_BYTES_MAX: Final = 16 * 1024  # read of the answer's body, of which only its end is of interest
ADDRESSES_MAX: Final = 3  # tried, of those that a name has
SECRET_BYTES: Final = 32
PORTS: Final = {"https": 443, "http": 80}
BROKEN: Final = (HTTPException, OSError, ValueError)  # what a connection may raise; the last of bad names

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
        host = parts.hostname or ""
        ours = _is_this_machine(host)
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
        if self._local() and not _is_this_machine(host):
            raise _Refused("locally nothing but this machine is called")  # nor is the name of anything else looked up
        try:
            found = self._resolve(host, _port(parts))
        except (OSError, UnicodeError):
            raise _Refused("the host's name could not be resolved") from None
        allowed = is_loopback if self._local() else is_public
        if not found or not all(map(allowed, found)):
            where = "this machine" if self._local() else "the public internet"
            raise _Refused(f"the host has an address that is not of {where}")
        return found[:ADDRESSES_MAX]

    def _try_each(self, parts: SplitResult, addresses: list[str], message: WebhookMessage) -> WebhookAnswer:
        """The next address only if no connection was made to the one before."""
        answer = WebhookAnswer(None, "the host has no address")
        with _Patience(self._total_seconds) as patience:
            for address in addresses:
                reached = False
                try:
                    with _connected(parts, address, patience) as line:
                        reached = True
                        return WebhookAnswer(_exchange(line, parts, message, patience))
                except BROKEN as error:
                    answer = WebhookAnswer(None, _words(error, reached, patience))
                if reached or patience.over:
                    break
        return answer


class _Patience:
    """Ends the connection it watches after so many seconds, however often a byte comes in between."""

    def __init__(self, seconds: float) -> None:
        self.over = False
        self._line: socket.socket | None = None
        self._timer = Timer(seconds, self._end)

    def __enter__(self) -> _Patience:
        self._timer.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._timer.cancel()

    def watch(self, line: socket.socket) -> None:
        self._line = line

    def _end(self) -> None:
        self.over = True
        if self._line is not None:
            try:
                self._line.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed already


def _connected(parts: SplitResult, address: str, patience: _Patience) -> socket.socket:
    """A connection to the address; under TLS the certificate must be the name's."""
    plain = socket.create_connection((address, _port(parts)), CONNECT_SECONDS_MAX)
    patience.watch(plain)
    if parts.scheme == "http":
        return plain
    context = ssl.create_default_context()
    with plain:  # closed unless TLS takes it over
        line = context.wrap_socket(plain, server_hostname=parts.hostname, do_handshake_on_connect=False)
    patience.watch(line)
    try:
        line.do_handshake()
    except BROKEN:
        line.close()
        raise
    return line


def _exchange(line: socket.socket, parts: SplitResult, message: WebhookMessage, patience: _Patience) -> int:
    """Send it and hear the status; a little of the body is read so that the other side sees a proper end."""
    line.settimeout(SILENCE_SECONDS_MAX)
    connection = HTTPConnection(parts.hostname or "", _port(parts))
    connection.sock = line
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("POST", path, body=message.body, headers=_headers(parts, message))
    with connection.getresponse() as response:
        if patience.over:  # what was cut off may look like the end of the headers
            raise TimeoutError
        try:
            response.read(ANSWER_BYTES_MAX)
        except BROKEN:
            pass  # the status has come, and nothing else is of interest
        return response.status


def _is_this_machine(host: str) -> bool:
    name = host.rstrip(".").lower()
    return is_loopback(name) or name == "localhost" or name.endswith(".localhost")


def _port(parts: SplitResult) -> int:
    return parts.port or PORTS[parts.scheme]


def _headers(parts: SplitResult, message: WebhookMessage) -> dict[str, str]:
    return {
        "Host": parts.netloc,
        "Content-Type": "application/json",
        "User-Agent": "Paidup",
        SIGNATURE: sign(message.body, message.secrets, message.at),
        EVENT_ID: message.event_id,
    }


def _words(error: Exception, reached: bool, patience: _Patience) -> str:
    """What went wrong, without what the other side said."""
    if patience.over or isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "the host's certificate is not valid"
    return "the connection broke before an answer came" if reached else "no connection could be made"

"""A system of the customer's own that hears webhooks: a real HTTP server on loopback that behaves as it is told."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

SLOW_SECONDS = 5.0  # much longer than the patience of any test, and cut short by the receiver's end


@dataclass
class Heard:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def event_id(self):
        return self.headers["paidup-event-id"]


@dataclass
class Receiver:
    """`answers` are statuses, or functions of the request handler, for the next requests; the last one repeats."""

    answers: list = field(default_factory=lambda: [200])
    tls: ssl.SSLContext | None = None
    port: int = 0  # any that is free
    heard: list[Heard] = field(default_factory=list)
    ended: Event = field(default_factory=Event)

    def __enter__(self) -> Receiver:
        handler = type("Handler", (_Handler,), {"receiver": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self.port = self._server.server_address[1]
        self._server.daemon_threads = True
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    @property
    def ids(self) -> list[str]:
        return [h.event_id for h in self.heard]

    def next_answer(self):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Handler(BaseHTTPRequestHandler):
    receiver: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.receiver.heard.append(Heard(self.path, headers, body))
        answer = self.receiver.next_answer()
        if isinstance(answer, int):
            self.answer(answer)
        else:
            answer(self)

    def do_GET(self) -> None:
        raise AssertionError("a webhook is only ever posted")

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


# ---- ways to answer -------------------------------------------------------------------------------------------


def never(handler: _Handler) -> None:
    """Takes the request and says nothing."""
    handler.receiver.ended.wait(SLOW_SECONDS)


def drips(handler: _Handler) -> None:
    """Always sends one more byte before anybody can call it silent, and never comes to an end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    _until_it_breaks(handler, b"x", pause=0.05)


def dribbles(handler: _Handler) -> None:
    """Its status comes at once, and its body byte by byte for ever."""
    handler.send_response(200)
    handler.end_headers()
    _until_it_breaks(handler, b"x", pause=0.05)


def endless(handler: _Handler) -> None:
    """An answer whose body has no end."""
    handler.send_response(200)
    handler.end_headers()
    _until_it_breaks(handler, b"x" * 65_536, pause=0)


def hangs_up(handler: _Handler) -> None:
    """Closes the connection without an answer."""
    handler.close_connection = True


def garbage(handler: _Handler) -> None:
    handler.wfile.write(b"SMTP ready\r\n\r\n")


def redirects_to(url: str, status: int = 302) -> Callable[[_Handler], None]:
    return lambda handler: handler.answer(status, Location=url)


def _until_it_breaks(handler: _Handler, piece: bytes, pause: float) -> None:
    try:
        while not handler.receiver.ended.wait(pause):
            handler.wfile.write(piece)
    except OSError:
        pass

"""`paidup serve`: the App on a loopback socket. One request at a time is worked on; clients may be many."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import FrameType
from typing import Any, Final

from functions.admin_api.problems import Problem
from infra.local.app import BODY_BYTES_MAX, PROBLEM_TYPE, TOKENS, App, Reply
from infra.local.cloud import LocalCloud
from infra.local.events import Request

HOST: Final = "127.0.0.1"
PORT_DEFAULT: Final = 8642
LIVE_STEP_SECONDS: Final = 1.0
SOCKET_SECONDS_MAX: Final = 60.0  # a client that says nothing for so long is let go
UNREAD_BYTES_MAX: Final = 64 * 1024 * 1024  # of a body that is refused: many clients listen only when they have sent it
UNREAD_AT_A_TIME: Final = 64 * 1024


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = SOCKET_SECONDS_MAX
    app: App

    def _serve(self) -> None:
        length = self.headers.get("Content-Length") or "0"
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            self._refuse(411, "send a Content-Length")
        elif not (length.isascii() and length.isdigit()):
            self._refuse(400, "Content-Length is no number")
        elif len(length) > len(str(BODY_BYTES_MAX)) or int(length) > BODY_BYTES_MAX:
            self._refuse(413, f"a body has at most {BODY_BYTES_MAX} bytes")
            self._let_finish(min(int(length[:20]), UNREAD_BYTES_MAX))
        else:
            self._write(self.app.handle(self._request(self.rfile.read(int(length)))))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815

    def _request(self, body: bytes) -> Request:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, path, query, headers, body)

    def _refuse(self, status: int, detail: str) -> None:
        self.close_connection = True  # the body has not been read
        problem = Problem(status, detail)
        self._write(Reply(status, {"Content-Type": PROBLEM_TYPE}, problem.body().encode()))

    def _let_finish(self, unread: int) -> None:
        """Read what a client still sends to no purpose: closing at once would take the answer from it."""
        with suppress(OSError):
            while unread > 0 and (part := self.rfile.read(min(unread, UNREAD_AT_A_TIME))):
                unread -= len(part)

    def _write(self, reply: Reply) -> None:
        self.send_response(reply.status)
        given = {name.lower() for name in reply.headers}
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if "content-length" not in given:
            self.send_header("Content-Length", str(len(reply.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(reply.body)

    def version_string(self) -> str:
        return "Paidup"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class calls it so
        """Quiet: what matters is printed by the server itself."""


class _Sockets(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Server:
    """Serves an App until it is stopped. `port` 0 takes any that is free."""

    def __init__(self, app: App, port: int = PORT_DEFAULT, live: bool = False) -> None:
        self.app = app
        handler = type("Handler", (_Handler,), {"app": app})
        self._sockets = _Sockets((HOST, port), handler)
        self._stopping = Event()
        self._live = Thread(target=self._follow_wall_time, daemon=True) if live else None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._sockets.server_address[1]}"

    def serve(self) -> None:
        """Until `stop`, which may be called from any other thread."""
        if self._live is not None:
            self._live.start()
        try:
            self._sockets.serve_forever(poll_interval=0.2)
        finally:
            self._stopping.set()
            self._sockets.server_close()

    def stop(self) -> None:
        self._stopping.set()
        self._sockets.shutdown()

    def _follow_wall_time(self) -> None:
        while not self._stopping.wait(LIVE_STEP_SECONDS):
            with self.app.lock:
                try:
                    self.app.cloud.advance_to(max(datetime.now(UTC), self.app.cloud.clock.now()))
                except Exception:  # noqa: BLE001 - the clock goes on, as time does
                    self.app.complain(traceback.format_exc())


def run(cloud: LocalCloud, port: int, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError if the port is taken."""
    cloud.engine.invoker.on_failure = lambda failure: _complain(failure.text)
    server = Server(App(cloud, waits=not cloud.live), port, cloud.live)
    server.app.complain = _complain
    cloud.address = server.url
    for line in greeting(server.url, cloud):
        say(line)

    def stop(number: int, frame: FrameType | None) -> None:
        Thread(target=server.stop).start()  # shutdown waits for the loop that this signal interrupts

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.serve()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        cloud.close()


def _complain(text: str) -> None:
    sys.stderr.write(text.rstrip() + "\n")


def greeting(url: str, cloud: LocalCloud) -> list[str]:
    """What a developer needs to begin."""
    clock = "follows wall time" if cloud.live else f"stands at {cloud.clock.now():%Y-%m-%dT%H:%M:%SZ}"
    day = """-d '{"advance": {"days": 1}}'"""
    return [
        f"Paidup on {url} ({cloud.backend} backend; the clock {clock})",
        f"  API     {url}/v1/…      health: {url}/v1/health",
        f"  Tokens  {'  '.join(TOKENS)}",
        f"  Console {url}/console",
        f"  Mail    {url}/_local/emails",
        f"  Clock   curl -X POST {url}/_local/clock {day}",
    ]

"""The account on the wire: HTTP on a loopback port, with everything that can happen to a request on its way.

Faults, each for one request that moves money:

    timeout_before    never processed, and nobody answers
    timeout_after     processed, and nobody answers
    timeout_late      processed only when the test calls `finish_late`; until then the key is at work
    reset_before      the connection is cut before processing
    reset_after       … and after it
    garbled_after     processed, and the answer is not Stripe's
    cut_after         processed, and the answer ends in the middle
    500_before        Stripe fails before it charges; the key stands for that failure
    500_after         Stripe fails after it charged; the key stands for the failure all the same
    503_before        turned away by what stands before Stripe: nothing is remembered
    429_before        turned away by the limiter
    409_before        the key is at work in another request
    401_before        the API key is not believed for a moment
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from tests.stripe_server.account import Account, Answer, Call
from tests.stripe_server.forms import parse_form

HANG_SECONDS_MAX = 10.0  # a client that waits this long has no timeout of its own
FAULTS = (
    "timeout_before", "timeout_after", "reset_before", "reset_after", "garbled_after", "cut_after", "500_before",
    "500_after", "503_before", "429_before", "409_before", "401_before",
)  # fmt: skip
MONEY = ("/v1/payment_intents", "/v1/refunds")
_REFUSALS = {
    "503_before": Answer(503, {"error": {"type": "api_error"}}),
    "429_before": Answer(429, {"error": {"type": "invalid_request_error", "code": "rate_limit"}}),
    "409_before": Answer(409, {"error": {"type": "idempotency_error", "code": "idempotency_key_in_use"}}),
    "401_before": Answer(401, {"error": {"type": "invalid_request_error", "code": "api_key_invalid"}}),
}


class StripeServer:
    """Serves an account on 127.0.0.1 until it is closed."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.late: list[Call] = []
        self._closing = threading.Event()
        handler = type("Handler", (_Handler,), {"server_": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def __enter__(self) -> StripeServer:
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def finish_late(self) -> None:
        """What was still on its way is processed now."""
        while self.late:
            call = self.late.pop(0)
            self.account.let_go(call)
            self.account.answer(call)

    def hang(self) -> None:
        self._closing.wait(HANG_SECONDS_MAX)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_: ClassVar[StripeServer]

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        call = Call("GET", path, parse_form(query), self._headers())
        self.server_.account.calls.append(call)
        self._send(self.server_.account.answer(call))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        call = Call("POST", self.path, parse_form(body), self._headers())
        account = self.server_.account
        account.calls.append(call)
        fault = account.faults.pop(0) if account.faults and call.path in MONEY else ""
        self._meet(fault, call)

    def _meet(self, fault: str, call: Call) -> None:
        account = self.server_.account
        if fault in _REFUSALS:
            self._send(_REFUSALS[fault])
        elif fault.startswith("500"):
            self._send(account.fail_inside(call, charged=fault == "500_after"))
        elif fault == "timeout_late":
            account.hold(call)
            self.server_.late.append(call)
            self._hang_up()
        else:
            answer = None if fault.endswith("_before") else account.answer(call)
            self._lose(fault, answer)

    def _lose(self, fault: str, answer: Answer | None) -> None:
        if fault.startswith("timeout"):
            self._hang_up()
        elif fault.startswith("reset"):
            self._reset()
        elif fault == "garbled_after":
            self._write(200, b"<html>Bad gateway</html>", {})
        elif fault == "cut_after":
            self._write(200, b'{"id": "pi_0000', {"Content-Length": "5000"})
            self._reset()
        else:
            self._send(answer)

    def _hang_up(self) -> None:
        self.server_.hang()
        self.close_connection = True

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def _send(self, answer: Answer | None) -> None:
        if answer is not None:
            self._write(answer.status, json.dumps(answer.body).encode(), answer.headers)

    def _write(self, status: int, body: bytes, headers: dict) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def log_message(self, *args: object) -> None:
        """Nothing: tests look at the account."""

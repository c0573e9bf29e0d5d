"""What can go wrong between the SDK and AWS: answers that are lost, calls that are refused.

Wraps moto's own entrance. A hook on `before-send` would run before moto and lose the call instead of its answer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ReadTimeoutError
from moto.core.models import botocore_stubber

Respond = Callable[[Any], Any]


class Network:
    """Counts what gets through, and does to the next calls of an operation what it is told."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._plans: list[tuple[str, Callable[[Any], Any]]] = []
        self.calls: list[tuple[str, bytes]] = []

    def __call__(self, request: Any) -> Any:
        operation = request.headers.get("X-Amz-Target", b"").decode().rpartition(".")[2] or request.method
        self.calls.append((operation, request.body))
        for plan in self._plans:
            if plan[0] in (operation, "*"):
                self._plans.remove(plan)
                return plan[1](request)
        return self._respond(request)

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def lose_answers(self, operation: str, times: int = 1) -> None:
        """The call takes effect, and nobody hears of it."""

        def lost(request: Any) -> Any:
            self._respond(request)
            raise ReadTimeoutError(endpoint_url=request.url)

        self._plans += [(operation, lost)] * times

    def refuse(self, operation: str, status: int, body: dict[str, Any], times: int = 1) -> None:
        """The call has no effect; this is the answer."""
        self.refuse_text(operation, status, json.dumps(body), times)

    def refuse_text(self, operation: str, status: int, body: str, times: int = 1) -> None:
        answer = (status, {"x-amzn-requestid": "0"}, body.encode())
        self._plans += [(operation, lambda request: answer)] * times

    def answer(self, operation: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """The call takes effect, and its answer is changed on the way back."""

        def changed(request: Any) -> Any:
            status, headers, body = self._respond(request)
            headers = {name: value for name, value in headers.items() if name.lower() != "x-amz-crc32"}
            return status, headers, json.dumps(change(json.loads(body))).encode()

        self._plans.append((operation, changed))


def install(patch: Any) -> Network:
    """Put it in front of moto until `patch`, a pytest MonkeyPatch, is undone. The SDK's pauses are cut short."""
    network = Network(botocore_stubber.process_request)
    patch.setattr(botocore_stubber, "process_request", network)
    patch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    return network

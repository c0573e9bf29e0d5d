"""What goes over the wire to AWS: recorded once from moto, then played back, so that the SDK's work alone is timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from unittest import mock

from moto.core.models import botocore_stubber

from infra.aws_resources import create_resources
from infra.local.moto_queues import moto_aws
from infra.wiring import Wiring

SENT: Final = b'{"Successful": [], "Failed": []}'  # what SQS says of a batch; the messages themselves go another way

Answer = tuple[int, Any, Any]


class OutOfStep(Exception):
    """The second run asks for something else than the first did."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it was sent, and its answer."""

    function: str  # which function was running
    operation: str
    body: bytes
    answer: Answer


@dataclass(slots=True)
class Tape:
    """The calls in their order. `function` is kept up to date by who runs the functions."""

    calls: list[Call] = field(default_factory=list)
    function: str = ""
    played: int = 0  # calls of this run, recorded or played back

    @contextmanager
    def recording(self, wiring: Wiring, now: Callable[[], datetime]) -> Iterator[None]:
        """moto answers."""
        with moto_aws(now):
            create_resources(wiring)
            original = botocore_stubber.process_request

            def respond(request: Any) -> Answer:
                operation = _operation(request)
                answer = (200, {}, SENT) if operation == "SendMessageBatch" else original(request)
                assert answer is not None
                self.played += 1
                self.calls.append(Call(self.function, operation, _body(request), answer))
                return answer

            with mock.patch.object(botocore_stubber, "process_request", respond):
                yield

    @contextmanager
    def playing(self, now: Callable[[], datetime]) -> Iterator[None]:
        """The tape answers, in the recorded order. Raises OutOfStep."""
        calls = iter(self.calls)

        def respond(request: Any) -> Answer:
            recorded, asked = next(calls, None), _operation(request)
            self.played += 1
            if recorded is None or recorded.operation != asked:
                raise OutOfStep(f"{asked} instead of {recorded and recorded.operation}")
            return recorded.answer

        with moto_aws(now), mock.patch.object(botocore_stubber, "process_request", respond):
            yield


def _operation(request: Any) -> str:
    """The operation's name, or for services that have none in their headers, the method and the service."""
    target = request.headers.get("X-Amz-Target", b"")
    name = target.decode() if isinstance(target, bytes) else str(target)
    if name:
        return name.rpartition(".")[2]
    return f"{request.method} {request.url.split('/')[2].split('.')[0 if 'email' in request.url else -4]}"


def _body(request: Any) -> bytes:
    """Files are sent as streams, which are left as they were found."""
    body = request.body
    if hasattr(body, "seek"):
        body.seek(0)
        content: bytes = body.read()
        body.seek(0)
        return content
    return body if isinstance(body, bytes) else b""

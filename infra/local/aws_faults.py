"""The same faults one layer down: at each request that the SDK sends, under moto.

There the SDK's own retries take part. A lost answer makes it send the request again although the first has landed,
which is where writes that are not repeatable show. moto must be wrapped from within: hooks of botocore that are
registered last run before it, and would see nothing happen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from unittest import mock

from botocore.exceptions import ConnectionClosedError
from moto.core.botocore_stubber import BotocoreStubber

from infra.local.faults import Calls

Response = tuple[int, dict[str, str], Any]

_HOST = re.compile(r"https?://(?:[^/]+\.)?(dynamodb|sqs|s3|events|email)[.-]")
_S3_SLOW_DOWN = "<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"


@contextmanager
def faulty_aws(calls: Calls) -> Iterator[None]:
    """Count the requests that invocations send, and let the plan's faults happen to them."""
    original: Callable[[BotocoreStubber, Any], Response | None] = BotocoreStubber.process_request

    def process(stubber: BotocoreStubber, request: Any) -> Response | None:
        service, operation = named(request)

        def lost() -> NoReturn:
            raise ConnectionClosedError(endpoint_url=request.url)

        return calls.around(
            f"{service}.{operation}",
            lambda: original(stubber, request),
            lost=lost,
            throttled=lambda: throttled(service),
        )

    with mock.patch.object(BotocoreStubber, "process_request", process):
        yield


def named(request: Any) -> tuple[str, str]:
    """Service and operation of a request, the latter by its method and path where no header names it."""
    host = _HOST.match(request.url)
    target = request.headers.get("X-Amz-Target", "")
    target = target.decode() if isinstance(target, bytes) else target
    operation = target.rpartition(".")[2] or f"{request.method} {request.url.partition('?')[0].rpartition('/')[2]}"
    return host[1] if host else "aws", operation


def throttled(service: str) -> Response:
    """The service's own way of saying that it will not now."""
    if service == "s3":
        return 503, {"Content-Type": "application/xml"}, _S3_SLOW_DOWN
    code = "TooManyRequestsException" if service == "email" else "ThrottlingException"
    headers = {"Content-Type": "application/json", "x-amzn-errortype": code}
    return (429 if service == "email" else 400), headers, json.dumps({"__type": code, "message": "Rate exceeded"})

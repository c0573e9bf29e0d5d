"""SDK clients with bounded patience, made when first used and shared by the gateways of one process.

Through botocore itself: boto3 adds resources and session magic that nothing here needs, and a fifth of its import.
"""

from __future__ import annotations

from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError

from shared.ports import Throttled, Unavailable

CONNECT_SECONDS_MAX = 1
READ_SECONDS_MAX = 5
ATTEMPTS_MAX = 3
USER_AGENT = "paidup"  # fixed: composing the usual one takes a fifth of the CPU of a call

TURNED_AWAY = frozenset({  # before anything was done
    "LimitExceededException", "RequestThrottled", "SlowDown", "Throttling", "ThrottlingException",
    "ThrottledException", "TooManyRequestsException", "RequestLimitExceeded", "SendingPausedException",
    "AWS.SimpleQueueService.OverLimit",
})  # fmt: skip
PASSING = frozenset({
    "InternalError", "InternalException", "InternalFailure", "InternalServerError", "InternalServiceError",
    "OperationAborted", "RequestTimeout", "ServiceUnavailable",
})  # fmt: skip


class Clients:
    """The SDK's clients of one region."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._session: Any = None
        self._clients: dict[tuple[str, int], Any] = {}

    def get(self, service: str, attempts_max: int = ATTEMPTS_MAX) -> Any:
        client = self._clients.get((service, attempts_max))
        if client is None:
            if self._session is None:
                self._session = botocore.session.get_session()
            client = self._clients[service, attempts_max] = self._session.create_client(
                service, region_name=self._region, config=_config(attempts_max)
            )
        return client

    def call(self, service: str, operation: str, request: dict[str, Any], attempts_max: int = ATTEMPTS_MAX) -> Any:
        """One call. Raises Unavailable for what will pass, and the SDK's ClientError for what will not.

        Throttled is certain only with one attempt: an earlier one may have had its effect and lost its answer.
        """
        try:
            return getattr(self.get(service, attempts_max), operation)(**request)
        except ClientError as error:
            if code_of(error) in TURNED_AWAY:
                raise Throttled(f"{service} {operation}: {code_of(error)}") from error
            if code_of(error) in PASSING or _status_of(error) >= 500:
                raise Unavailable(f"{service} {operation}: {code_of(error)}") from error
            raise
        except (HTTPClientError, BotoConnectionError) as error:
            raise Unavailable(f"{service} {operation}: {type(error).__name__}") from error


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status_of(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _config(attempts_max: int) -> Config:
    return Config(
        connect_timeout=CONNECT_SECONDS_MAX,
        read_timeout=READ_SECONDS_MAX,
        retries={"total_max_attempts": attempts_max, "mode": "standard"},
        user_agent=USER_AGENT,
        parameter_validation=False,  # only the adapters beside this make requests; checking doubles their cost
    )

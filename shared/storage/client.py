"""Calls to DynamoDB with bounded patience, and its errors told apart: a condition failed, contention, trouble."""

from __future__ import annotations

from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError
from pynamodb.connection import Connection

from shared.ports import Unavailable

CONNECT_SECONDS_MAX = 1
READ_SECONDS_MAX = 3
ATTEMPTS_MAX = 3  # per call, made by the SDK with its own backoff
CONNECTIONS_MAX = 10
USER_AGENT = "paidup"  # fixed: composing the usual one takes a fifth of the CPU of a call

CONDITION_FAILED = "ConditionalCheckFailed"
CONTENDED = frozenset({
    "TransactionConflict", "TransactionConflictException", "TransactionInProgressException",
})  # fmt: skip
PASSING = frozenset({
    "ProvisionedThroughputExceeded", "ProvisionedThroughputExceededException", "ThrottlingError",
    "ThrottlingException", "Throttling", "RequestLimitExceeded", "LimitExceededException",
    "InternalServerError", "ServiceUnavailable", "RequestTimeout", "RequestTimeoutException",
})  # fmt: skip


class ConditionFailed(Exception):
    """Conditions at these positions failed; `items` are the records found there, where DynamoDB gave them."""

    def __init__(self, items: dict[int, dict[str, Any] | None], *, retried: bool) -> None:
        super().__init__(f"conditions failed at {sorted(items)}")
        self.items = items
        self.retried = retried  # the SDK sent the call more than once: an earlier one may have landed


class Contended(Unavailable):
    """Another transaction was at the same records; trying again soon will do."""


class Client:
    """One connection for all tables, opened by the first call."""

    def __init__(self, region: str, attempts_max: int = ATTEMPTS_MAX) -> None:
        self._region = region
        self._attempts_max = attempts_max
        self._connection: Connection | None = None

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Raises ConditionFailed, Contended or Unavailable; anything else is a mistake of ours."""
        connection = self._connection or self._open()
        try:
            return connection.dispatch(operation, request)
        except ClientError as error:
            raise _translated(operation, error) from error
        except (HTTPClientError, BotoConnectionError) as error:
            raise Unavailable(f"DynamoDB {operation}: {type(error).__name__}") from error

    def _open(self) -> Connection:
        connection = Connection(
            region=self._region,
            connect_timeout_seconds=CONNECT_SECONDS_MAX,
            read_timeout_seconds=READ_SECONDS_MAX,
            max_retry_attempts=self._attempts_max - 1,
            max_pool_connections=CONNECTIONS_MAX,
        )
        connection.session.set_default_client_config(Config(user_agent=USER_AGENT))
        self._connection = connection
        return connection


def _translated(operation: str, error: ClientError) -> Exception:
    # pynamodb's error leaves out the record that was in the way; the SDK's own, its cause, has it.
    cause = error.__cause__ if isinstance(error.__cause__, ClientError) else error
    response: dict[str, Any] = dict(cause.response)
    code = response["Error"]["Code"]
    retried = response.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0
    if code == "ConditionalCheckFailedException":
        return ConditionFailed({0: response.get("Item")}, retried=retried)
    reasons = response.get("CancellationReasons", [])
    failed = {n: reason.get("Item") for n, reason in enumerate(reasons) if reason["Code"] == CONDITION_FAILED}
    if failed:
        return ConditionFailed(failed, retried=retried)
    codes = {code, *(reason["Code"] for reason in reasons)} - {"None", "TransactionCanceledException"}
    if codes and codes <= CONTENDED | PASSING:
        named = ", ".join(sorted(codes))
        text = f"DynamoDB {operation}: {named}"
        return Contended(text) if reasons or code in CONTENDED else Unavailable(text)
    unknown: Exception = error
    return unknown

"""Secrets from Secrets Manager, read when first needed and kept for a while."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Final

from botocore.exceptions import ClientError

from shared.gateways.clients import Clients, code_of

KEPT_SECONDS: Final = 900  # a key that was replaced is used for at most this long


class SecretUnusable(Exception):
    """A secret is not there, may not be read, or does not hold what it should; says which, and never what is in it."""


class Secrets:
    """The secrets that one process may read, by ARN."""

    def __init__(self, clients: Clients, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._clients = clients
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, Mapping[str, str]]] = {}

    def read(self, arn: str) -> Mapping[str, str]:
        """The fields of a secret, a JSON object of strings. Raises SecretUnusable, and Unavailable for what passes."""
        kept = self._kept.get(arn)
        if kept is not None and self._monotonic() - kept[0] < KEPT_SECONDS:
            return kept[1]
        fields = self._fetch(arn)
        self._kept[arn] = (self._monotonic(), fields)
        return fields

    def forget(self, arn: str) -> None:
        """Read it anew the next time: it was refused where it was used."""
        self._kept.pop(arn, None)

    def _fetch(self, arn: str) -> Mapping[str, str]:
        try:
            answer = self._clients.call("secretsmanager", "get_secret_value", {"SecretId": arn})
        except ClientError as error:
            raise SecretUnusable(f"secret {arn} cannot be read: {code_of(error)}") from error
        try:
            fields = json.loads(answer.get("SecretString") or "")
        except ValueError:
            raise SecretUnusable(f"secret {arn} is not JSON") from None  # its text is in the original error
        if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
            raise SecretUnusable(f"secret {arn} is not a JSON object of strings")
        return fields

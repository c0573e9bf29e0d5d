"""The deployment's configuration, from the environment. The only place that reads it.

Nothing is read on import, and each variable only when it is asked for: a function is given those it needs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from typing import Literal, cast, get_args

from shared.domain.values import dataclass

LOCAL = "local"
GatewayName = Literal["simulated", "stripe"]


class Misconfigured(Exception):
    """An environment variable is missing or wrong; the message names it and says what it is for."""


def _environment() -> Mapping[str, str]:
    return os.environ


@dataclass(frozen=True, slots=True)
class Config:
    """Reads variables from `environ` as they are asked for."""

    environ: Mapping[str, str] = field(default_factory=_environment, repr=False)

    def table(self, name: str) -> str:
        """The name of a table of shared/storage/schema.py."""
        return self._required(f"{name.upper()}_TABLE", f"name of the table of {name}")

    def queue_url(self, queue: str) -> str:
        return self._required(f"{queue.upper()}_QUEUE_URL", f"URL of the queue {queue}")

    def dlq_url(self, queue: str) -> str:
        """Only the function that shows dead letters is told."""
        return self._required(f"{queue.upper()}_DLQ_URL", f"URL of the dead letters of the queue {queue}")

    @property
    def files_bucket(self) -> str:
        return self._required("FILES_BUCKET", "bucket of the PDFs")

    @property
    def event_bus(self) -> str:
        return self._required("EVENT_BUS", "name of the event bus")

    @property
    def pay_base_url(self) -> str:
        """Where the pay page is, without a slash at the end."""
        return self._required("PAY_BASE_URL", "address of the pay page").rstrip("/")

    @property
    def gateway(self) -> GatewayName:
        name = self._required("GATEWAY", "payment gateway: simulated or stripe")
        if name not in get_args(GatewayName):
            raise Misconfigured(f"GATEWAY is {name!r}; it must be simulated or stripe")
        return cast(GatewayName, name)

    @property
    def gateway_secret(self) -> str:
        """Where Secrets Manager keeps the gateway's keys; only the functions that speak to it are told."""
        return self._required("GATEWAY_SECRET", "ARN of the gateway's keys")

    @property
    def token_claims(self) -> Mapping[str, str]:
        """What a person's token must say of itself: who issued it, and for which client. Only the API is told."""
        wanted = {"iss": self.environ.get("USERS_ISSUER"), "aud": self.environ.get("USERS_CLIENT")}
        return {name: value for name, value in wanted.items() if value}

    @property
    def sign_in_page(self) -> str | None:
        """The user pool's hosted page; only the console is told."""
        return self.environ.get("USERS_DOMAIN") or None

    @property
    def region(self) -> str:
        """Lambda sets AWS_REGION; other places at least AWS_DEFAULT_REGION."""
        return self.environ.get("AWS_REGION") or self._required("AWS_DEFAULT_REGION", "region of the stack")

    @property
    def mail_configuration_set(self) -> str | None:
        """The SES configuration set that reports bounces and complaints, if there is one."""
        return self.environ.get("MAIL_CONFIGURATION_SET") or None

    @property
    def mail_senders(self) -> int:
        """How many senders of mail may run at once, and so share the quota of SES."""
        said = self._required("MAIL_SENDERS", "number of senders that may run at once")
        if not (said.isascii() and said.isdecimal() and int(said) > 0):
            raise Misconfigured(f"MAIL_SENDERS is {said!r}; it must be a whole number above zero")
        return int(said)

    @property
    def stage(self) -> str:
        return self.environ.get("STAGE") or "production"

    @property
    def local(self) -> bool:
        """Only then are the fixed tokens of the local server accepted."""
        return self.stage == LOCAL

    def _required(self, name: str, what: str) -> str:
        value = self.environ.get(name)
        if not value:
            raise Misconfigured(f"environment variable {name} is not set ({what})")
        return value

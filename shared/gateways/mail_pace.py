"""How fast mail may go: the quota of the account, shared out among the senders that run at once.

Each sender keeps to its own share and waits for its turn, so nobody has to be asked before each mail: what does not fit
stays on the queue. The number of senders is the concurrency that the queue's mapping allows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from shared.domain.copies import replace
from shared.domain.values import dataclass
from shared.ports import Clock, QuotaUsed, SenderRefused, Unavailable

KNOWN_FOR = timedelta(minutes=5)  # an account's quota changes rarely; SES answers one question a second
WAIT_SECONDS_MAX = 5.0  # for one mail: ten of them fit into an invocation


@dataclass(frozen=True, slots=True)
class MailAccount:
    """What the mail service says of the account. None: no limit."""

    rate: float | None = None  # mails a second
    left: int | None = None  # of the last 24 hours' quota
    day_max: int | None = None
    sandboxed: bool = False  # takes mail to verified addresses only
    paused: str | None = None  # why it takes no mail at all


# While the account cannot be read: as slowly as the smallest there is, and the service itself counts.
SLOWEST = MailAccount(rate=1.0)


class AccountPace:
    """Implements shared.ports.Pace for one of `senders` that share an account."""

    def __init__(
        self, read: Callable[[], MailAccount], senders: Callable[[], int], clock: Clock,
        *, sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._read = read
        self._senders = senders
        self._clock = clock
        self._sleep = sleep
        self._account: MailAccount | None = None
        self._known_until: datetime | None = None
        self._next_at: datetime | None = None

    def wait(self) -> None:
        account = self.account()
        if account.paused is not None:
            raise SenderRefused(account.paused)
        if account.left is not None and account.left <= 0:
            raise QuotaUsed(f"the {account.day_max} mails that the mail service allows in 24 hours are used up")
        if account.left is not None:  # the others send as many
            self._account = replace(account, left=account.left - self._senders())
        if account.rate is not None:
            self._keep_to(account.rate)

    def _keep_to(self, rate: float) -> None:
        now = self._clock.now()
        if self._next_at is not None and self._next_at > now:
            self._sleep(min((self._next_at - now).total_seconds(), WAIT_SECONDS_MAX))
        self._next_at = max(self._next_at or now, now) + timedelta(seconds=self._senders() / rate)

    def account(self) -> MailAccount:
        """As it was read in the last KNOWN_FOR, less what was sent since."""
        now = self._clock.now()
        if self._account is None or self._known_until is None or now >= self._known_until:
            try:
                self._account = self._read()
            except Unavailable:
                self._account = self._account or SLOWEST
            self._known_until = now + KNOWN_FOR
        return self._account

    def forget(self) -> None:
        """Read the account again before the next mail."""
        self._account = self._next_at = None

"""The local cloud: the template's functions, driven in this process over one of two backends.

`memory` keeps everything in plain objects and is fast; `moto` goes through pynamodb, boto3 and moto, as near to AWS
as a process gets. The functions do not know which of them they are in.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Final, Literal
from unittest import mock

from infra.local import memory_backend, moto_backend
from infra.local.clock import CountingIds, VirtualClock
from infra.local.engine import Engine, Moved
from infra.local.faults import Behind, Calls, Poisoned, RandomFaults, Rates, faulty
from infra.local.outside import MailLimits, Post, RecordedBus, Sent
from infra.local.webhooks import Webhooks
from infra.wiring import TEMPLATE, Wiring, load_wiring
from shared import bootstrap, observability
from shared.gateways.mail_pace import AccountPace, MailAccount
from shared.ports import Mail, Ports

BackendName = Literal["memory", "moto"]
ADDRESS: Final = "http://127.0.0.1:8642"
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
BILLING: Final = "functions.bill_run.generate."  # the handlers on which `fail_customers` acts
_BACKENDS: Final = {"memory": memory_backend.open_world, "moto": moto_backend.open_world}


class LocalCloud:
    """One world at a time per process: it installs its ports, and closing it removes them.

    `live` says that the clock follows wall time, which is the server's doing; `every` thins ticks out (see Engine).
    """

    def __init__(
        self,
        backend: BackendName = "memory",
        start: datetime = START,
        template: Path | str = TEMPLATE,
        *,
        wiring: Wiring | None = None,
        live: bool = False,
        every: timedelta | None = None,
        log_level: str = "ERROR",
    ) -> None:
        self.backend: BackendName = backend
        self.live = live
        self.start = start
        self.every = every
        self.log_level = log_level
        self.wiring = wiring or load_wiring(Path(template))
        self.address = ADDRESS  # where pages are served; the server says where it really is
        self._stack = ExitStack()
        self._watching: Calls | None = None
        self._open(start)

    def __enter__(self) -> LocalCloud:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget the world, and leave the process as it was."""
        self._stack.close()

    def reset(self, now: datetime | None = None) -> None:
        """An empty world at `now`, by default where this one started."""
        self.close()
        self._open(now or self.start)

    def advance_to(self, instant: datetime) -> Moved:
        """See Engine.advance_to."""
        return self.engine.advance_to(instant)

    # ---- faults ---------------------------------------------------------------------------------

    def set_faults(self, fail_customers: frozenset[str], seed: int, rates: Rates) -> None:
        """From now on; nothing at all clears them. Only rules and queues meet them: requests are left alone.

        While messages come twice or late, so do webhooks of the gateway; at other times there are none.
        """
        if not fail_customers and rates == Rates():
            self.use_ports(self.ports)
            return
        chance = RandomFaults(seed, rates)
        functions = self.wiring.functions.values()
        billing = frozenset(f.id for f in functions if f.handler.startswith(BILLING))
        background = frozenset(f.id for f in functions if not f.routes)
        self.inject(Calls(chance, background), Poisoned(fail_customers, billing))
        self.engine.tick_faults = chance
        if rates.duplicate or rates.delay:
            self.engine.when_quiet = Webhooks(self.engine, self.gateway, seed, rates).tell

    def inject(self, calls: Calls, poisoned: Poisoned | None = None, behind: Behind | None = None) -> None:
        """Put these faults in front of the ports, in place of any others."""
        self.use_ports(faulty(self.ports, calls, poisoned, behind))
        self.watch(calls)

    def use_ports(self, ports: Ports) -> None:
        """What the functions get from now on, without faults unless these bring them."""
        bootstrap.install(ports)
        self.watch(None)
        self.engine.tick_faults = None
        self.engine.when_quiet = lambda: False

    def watch(self, calls: Calls | None) -> None:
        """Tell these calls, and no longer any others, when an invocation begins and ends."""
        invoker = self.engine.invoker
        if self._watching is not None:
            invoker.before.remove(self._watching.begin)
            invoker.after.remove(self._watching.end)
        if calls is not None:
            invoker.before.append(calls.begin)
            invoker.after.append(calls.end)
        self._watching = calls

    # ---- mail -----------------------------------------------------------------------------------

    def limit_mail(self, limits: MailLimits) -> None:
        """What the mail service allows from now on; its quota is read anew."""
        self.mail.limits = limits
        self.pace.forget()

    def eml(self, sent: Sent) -> bytes:
        """The mail as the MIME text that went to the provider, with the date that SES adds."""
        return f"Date: {format_datetime(sent.at)}\r\n".encode() + self._backend.eml(sent)

    def mail_as_sent(self, sent: Sent) -> Mail:
        """The mail as the provider has it."""
        return self._backend.mail(sent)

    # ---- making ---------------------------------------------------------------------------------

    def _open(self, start: datetime) -> None:
        stack = self._stack = ExitStack()
        try:
            environ = {name: value for f in self.wiring.functions.values() for name, value in f.env.items()}
            stack.enter_context(mock.patch.dict("os.environ", environ | {"AWS_REGION": self.wiring.region}))
            self.clock = VirtualClock(start)
            self._backend = stack.enter_context(_BACKENDS[self.backend](self.wiring, self.clock, CountingIds()))
            self._watching = None
            self.engine = Engine(self.wiring, self.clock, self._backend.broker, self.every)
            self.gateway = self._backend.gateway
            self.mail = Post(self._backend.ports.mailer, self.clock, self._feedback)
            self.bus = RecordedBus(self._backend.ports.bus, self.clock)
            self.pace = AccountPace(self._mail_account, lambda: 1, self.clock, sleep=self.clock.sleep)
            self.ports = replace(
                self._backend.ports, mailer=self.mail, bus=self.bus, pay_url=self._pay_url, pace=self.pace
            )
            observability.quiet(self.log_level, listener=self.engine.outcomes.update)
            stack.callback(observability.loud)
            stack.callback(bootstrap.uninstall)
            self.use_ports(self.ports)
        except Exception:
            stack.close()
            raise

    def _mail_account(self) -> MailAccount:
        """Asking the mail service is a call that can fail, like any of the functions'."""
        calls = self._watching
        return self.mail.account() if calls is None else calls.plain("mailer.account", self.mail.account)

    def _pay_url(self, token: str) -> str:
        return f"{self.address}/pay/{token}"

    def _feedback(self, body: str) -> None:
        """What the mail service reports goes to the queues that subscribe to it."""
        for queue in self.wiring.subscriptions.values():
            self.engine.broker.put(queue, [body])

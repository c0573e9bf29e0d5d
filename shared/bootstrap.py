"""Which adapters stand behind the ports. The one place that knows concrete classes.

Adapters open nothing until they are used, so a function needs only the variables and rights of what it calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import observability
from shared.config import Config
from shared.domain.audit import AuditedRequest
from shared.domain.copies import replace
from shared.domain.payment import ChargeOutcome, GivenBack, Payment
from shared.domain.records import FailedMessage
from shared.domain.values import dataclass
from shared.gateways.clients import Clients
from shared.gateways.dead_letters import SqsDeadLetters
from shared.gateways.eventbridge import EventBridgeBus
from shared.gateways.mail_pace import AccountPace
from shared.gateways.s3 import S3Files
from shared.gateways.secrets import Secrets
from shared.gateways.ses import SesMailer, read_account
from shared.gateways.sign_in import CognitoSignIn, FixedTokens
from shared.gateways.sqs import SqsQueue
from shared.gateways.system import RandomIds, SystemClock
from shared.gateways.webhook_sender import HttpWebhookSender
from shared.ports import CardSetup, Conflict, Gateway, GatewayEvent, Ports, Save, SavedCard, SignIn
from shared.storage.audited import AuditedStore
from shared.storage.dynamo import DynamoStore
from shared.storage.read_ahead import ReadAhead, Remembering

if TYPE_CHECKING:
    from shared.gateways.rehearsal import NotingMailer, SetClock, WaitingQueue

REMEMBERED = timedelta(days=14)  # as long as SQS keeps a dead letter

_installed: Ports | None = None
_rehearsed = False


def ports() -> Ports:
    """The ports of this process: those installed, or the ones its environment names, made on first use."""
    global _installed
    if _installed is None:
        _installed = ports_from(Config())
    return _installed


def ports_for_batch() -> Ports:
    """The same for one batch of messages, and no longer: what is read is remembered, and work goes side by side.

    A rehearsal's store is memory: there are no calls to be saved.
    """
    once = ports()
    if _rehearsed:
        return once
    from shared.storage.abreast import Correlation, SideBySide  # what answers requests starts without it

    abreast = SideBySide(Correlation(observability.correlation, observability.correlate))
    return replace(once, store=ReadAhead(once.store), abreast=abreast)


def install(replacement: Ports) -> None:
    """Use these from now on: tests and the local cloud bring their own."""
    global _installed
    _installed = replacement


def token_claims() -> Mapping[str, str]:
    """What the claims of a person's token must be in this deployment."""
    return Config().token_claims


def remembering(ports: Ports) -> Ports:
    """The same ports for one request that only reads."""
    return replace(ports, store=Remembering(ports.store))


def audited(ports: Ports, request: AuditedRequest) -> Ports:
    """The same ports for one request, whose every write is told in the audit log."""
    return replace(ports, store=AuditedStore(ports.store, request, ports.clock))


def remember_failure(message_id: str, reason: str, attempts: int) -> None:
    """Keep why a message goes to the dead letters; if it was told before, what was told first."""
    now = ports().clock.now()
    failed = FailedMessage(message_id, reason, attempts, now, now + REMEMBERED)
    try:
        ports().store.commit(Save(failed))
    except Conflict:
        pass


observability.tell_failures(remember_failure)


def uninstall() -> None:
    """Forget them; the next use reads the environment again."""
    global _installed
    _installed = None


class Rehearsing(Exception):
    """Adapters for what is outside were asked for in the midst of a rehearsal, which has none."""


def ports_from(config: Config) -> Ports:
    """The adapters for AWS (or what answers in its place), as configured. Raises Rehearsing while one is under way."""
    if _rehearsed:
        raise Rehearsing
    ids = RandomIds()
    clients, clock = Clients(config.region), SystemClock()
    pace = AccountPace(lambda: read_account(clients), lambda: config.mail_senders, clock)
    return Ports(
        store=DynamoStore(config.table, config.region, writer=ids.new("")),
        clock=clock,
        ids=ids,
        queue=SqsQueue(config.queue_url, clients, correlation=observability.correlation),
        dead_letters=SqsDeadLetters(config.dlq_url, config.queue_url, clients),
        gateway=_ConfiguredGateway(config, clients),
        mailer=SesMailer(clients, config.mail_configuration_set, pace.account),
        files=S3Files(lambda: config.files_bucket, clients),
        bus=EventBridgeBus(lambda: config.event_bus, clients),
        pay_url=lambda token: f"{config.pay_base_url}/pay/{token}",
        webhooks=HttpWebhookSender(lambda: config.local),
        sign_in=_sign_in(config),
        pace=pace,
    )


@dataclass(frozen=True, slots=True)
class Copy:
    """A world of its own, in memory to the last port, with what moves it and what it notes."""

    ports: Ports
    clock: SetClock
    queue: WaitingQueue
    mailer: NotingMailer


def copied(records: Sequence[Any], outcomes: Mapping[str, Sequence[str]], at: datetime, queues: Sequence[str]) -> Copy:
    """These records in a world in which it is `at`, and charges on each token end as `outcomes` says. PRODUCT 12.

    No adapter here can reach anything: whatever the copy does, it does to itself. `queues` are those that are served.
    They are imported here, since every function would start with them and only a rehearsal uses them.
    """
    from shared.gateways import rehearsal as notes
    from shared.gateways.memory import MemoryWebhookSender
    from shared.gateways.simulated import SimulatedGateway
    from shared.storage.memory import MemoryStore

    clock = notes.SetClock(at)
    store, gateway, mailer = MemoryStore(), SimulatedGateway(clock), notes.NotingMailer(clock)
    store.load(records)
    for token, script in outcomes.items():
        gateway.behave(token, script)
    queue = notes.WaitingQueue(clock, frozenset(queues))
    ports = Ports(
        store=store, clock=clock, ids=notes.RehearsedIds(), queue=queue, dead_letters=notes.NoDeadLetters(),
        gateway=gateway, mailer=mailer, files=notes.RehearsedFiles(), bus=notes.NotingBus(),
        webhooks=MemoryWebhookSender(), words_wanted=mailer.words_wanted,
    )  # fmt: skip
    return Copy(ports, clock, queue, mailer)


@contextmanager
def rehearsing(copy: Copy) -> Iterator[None]:
    """Handlers get the copy's ports and nobody hears what they count or log; then all is as it was."""
    global _installed, _rehearsed
    before = _installed
    _installed, _rehearsed = copy.ports, True
    try:
        with observability.unheard():
            yield
    finally:
        _installed, _rehearsed = before, False


def _sign_in(config: Config) -> SignIn | None:
    """Fixed tokens in local mode only; elsewhere the hosted page, where the function is told of it."""
    if config.local:
        return FixedTokens()
    if config.sign_in_page is None:
        return None
    return CognitoSignIn(config.sign_in_page, config.token_claims, f"{config.pay_base_url}/console", SystemClock())


class _ConfiguredGateway:
    """Chooses the gateway on first use: only the functions that charge are told which one it is."""

    def __init__(self, config: Config, clients: Clients) -> None:
        self._config = config
        self._clients = clients
        self._chosen: Gateway | None = None

    def charge(self, payment: Payment) -> ChargeOutcome:
        return self._gateway().charge(payment)

    def look_up(self, payment: Payment) -> ChargeOutcome:
        return self._gateway().look_up(payment)

    def refund(self, payment: Payment, amount_minor: int, key: str) -> ChargeOutcome:
        return self._gateway().refund(payment, amount_minor, key)

    def hear(self, body: bytes, signature: str) -> GatewayEvent:
        return self._gateway().hear(body, signature)

    def attempt_of(self, reference: str) -> str | None:
        return self._gateway().attempt_of(reference)

    def given_back(self, payment: Payment) -> GivenBack:
        return self._gateway().given_back(payment)

    def start_card(self, customer_id: str, key: str, tokens: Sequence[str] = ()) -> CardSetup:
        return self._gateway().start_card(customer_id, key, tokens)

    def finish_card(self, reference: str, customer_id: str) -> SavedCard | None:
        return self._gateway().finish_card(reference, customer_id)

    def token_problem(self, token: str) -> str | None:
        return self._gateway().token_problem(token)

    def _gateway(self) -> Gateway:
        if self._chosen is None:
            self._chosen = self._simulated() if self._config.gateway == "simulated" else self._stripe()
        return self._chosen

    # Either is imported when it is chosen: most functions never charge, and the SDK costs a cold start something.

    def _simulated(self) -> Gateway:
        from shared.gateways.simulated import SimulatedGateway

        return SimulatedGateway(SystemClock())

    def _stripe(self) -> Gateway:
        from shared.gateways.stripe import StripeGateway

        secrets, arn = Secrets(self._clients), self._config.gateway_secret
        return StripeGateway(lambda: secrets.read(arn), SystemClock(), forget=lambda: secrets.forget(arn))

"""What the use cases need from the outside world, as protocols. Adapters are in shared/storage and shared/gateways."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

from shared.domain.account_summary import SummarySchedule
from shared.domain.audit import AuditEntry
from shared.domain.collection import CollectionState
from shared.domain.contract import Contract
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice
from shared.domain.outbox import OutboxEvent
from shared.domain.payment import ChargeOutcome, CreditBalance, GivenBack, Payment, PaymentMethod
from shared.domain.rehearsal import Rehearsal
from shared.domain.runs import BillRun, PaymentRun
from shared.domain.task import Task
from shared.domain.values import dataclass
from shared.domain.webhook import WebhookDelivery

E = TypeVar("E")
R = TypeVar("R")
T = TypeVar("T")

PAGE_LIMIT = 200  # records per page wherever nothing else is said
TRANSACTION_MAX = 100  # changes per transaction: DynamoDB's limit
COMMIT_MAX = TRANSACTION_MAX - 2  # that a use case may ask for: the audit log adds an entry and its head


# ---- the store ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Save(Generic[E]):
    """Write an entity: `version` 0 means it must be absent, n that the stored one is version n; stored as n + 1."""

    entity: E


@dataclass(frozen=True, slots=True)
class Remove(Generic[E]):
    """Delete an entity, if the stored one still has its version."""

    entity: E


@dataclass(frozen=True, slots=True)
class Check(Generic[E]):
    """Write nothing, but fail the transaction unless the stored entity still has this version (0: is still absent)."""

    entity: E


Change = Save[Any] | Remove[Any] | Check[Any]


class Conflict(Exception):
    """A condition of a transaction failed and nothing was written. `failed` are the positions of the changes."""

    def __init__(self, failed: tuple[int, ...]) -> None:
        super().__init__(f"changed meanwhile: {failed}")
        self.failed = failed


class Unavailable(Exception):
    """A service is throttling or away; the work is left where it is and tried again later.

    The call may have had its effect: an answer may only have been lost. Throttled says that it had none.
    """


class Throttled(Unavailable):
    """The service turned the call away unread: it had no effect."""


class QuotaUsed(Throttled):
    """The mails of the day are used up; more may go as the window of 24 hours moves on."""


class SenderRefused(Throttled):
    """The mail service takes nothing from this sender or account until a person sees to it: the text says why."""


@dataclass(frozen=True, slots=True)
class Index(Generic[E]):
    """A way to find entities that is eventually consistent: what it names must be read from the store before use."""

    name: str
    entity: type[E]


class Entry(NamedTuple):
    """What an index knows: the sort value an entity is found under, and its key, for `get`."""

    at: str
    partition: str
    sort: str

    @property
    def key(self) -> tuple[str, str]:
        return self[1:]


@dataclass(frozen=True, slots=True)
class Page(Generic[E]):
    items: tuple[E, ...]
    cursor: str | None = None  # pass as `after` for the next page; None: this was the last


Key = tuple[type[Any], str, str]  # of a record: its kind, partition and sort value


class Store(Protocol):
    """Typed records with transactions. Which key and indexes a type has is said in shared/storage/schema.py."""

    def get(self, kind: type[E], partition: str, sort: str = "") -> E | None:
        """The record as it is now (strongly consistent)."""

    def get_many(self, kind: type[E], keys: Sequence[tuple[str, str]]) -> list[E]:
        """Those that exist, in the order of `keys` (any number of them), strongly consistent."""

    def get_all(self, keys: Sequence[Key]) -> list[Any]:
        """Records of any kinds, each strongly consistent, in as few calls as may be; None for those not there."""

    def list(
        self, kind: type[E], partition: str, prefix: str = "", after: str | None = None, limit: int = PAGE_LIMIT
    ) -> Page[E]:
        """The records of one partition in key order, strongly consistent; `after` is a page's cursor."""

    def find(
        self, index: Index[E], partition: str, *, prefix: str = "", last: str | None = None,
        after: str | None = None, limit: int = PAGE_LIMIT, reverse: bool = False,
    ) -> Page[Entry]:  # fmt: skip
        """Entries of one index partition in the order of their sort values.

        `prefix` restricts to sort values that start with it, `last` to those at or below it (not both). `after` is a
        page's cursor. `reverse` gives the highest first.
        """

    def commit(self, *changes: Change) -> None:
        """All of at most COMMIT_MAX changes, or none. Raises Conflict when a condition fails, Unavailable when
        throttled or nobody answers.

        Committing the very same changes again after an answer was lost is recognised, and is not a conflict.
        """


class LooksAhead(ABC):  # whether a store is one is asked for each charge and mail, and of protocols that is dear
    """A store that remembers what it has read, for one batch of work (shared/storage/read_ahead.py)."""

    @abstractmethod
    def ahead(self, keys: Sequence[Key]) -> None:
        """These will be read: read together those that it does not know yet."""

    @abstractmethod
    def knows(self, keys: Sequence[Key]) -> bool:
        """Whether it remembers all of them, so that reading them costs nothing."""

    @property
    @abstractmethod
    def afresh(self) -> Store:
        """The store itself, for those who have to know what is there at this moment."""


Commit = tuple[Change, ...]  # of one transaction
Failures = list[Exception | None]  # of several: what each raised


class CommitsEach(ABC):
    """A store that writes transactions which have nothing to do with each other in fewer calls."""

    @abstractmethod
    def commit_each(self, commits: Sequence[Commit]) -> Failures:
        """As if each was given to `commit` by itself, in this order; what each of them would have raised.

        A caller that dies in the middle leaves some done and others not.
        """


# Sharded indexes have partitions "0" … "7" (shard_of the owner); see SHARDS.
CUSTOMERS = Index("customers", Customer)  # sharded; sort: lower-case name|email|id
CUSTOMERS_SUMMARIZED = Index(
    "customers_summarized", Customer
)  # partition: schedule|time zone|shard, those whose own switches are on; sort: customer
CARDS_EXPIRING = Index("cards_expiring", PaymentMethod)  # sharded by customer; sort: month#customer#id
CREDITS = Index("credits", CreditBalance)  # sharded by customer, those above zero; sort: customer#currency
CONTRACTS_DUE = Index(
    "contracts_due", Contract
)  # sharded by customer, only with a next bill date; sort: date#customer#contract
COLLECTION_STATES = Index(
    "collection_states", CollectionState
)  # sharded, those followed; sort: customer#next_on#seen#settings_version#class_id#class_version
INVOICES = Index("invoices", Invoice)  # sharded by invoice; sort: created_at#id
INVOICES_BY_CUSTOMER = Index("invoices_by_customer", Invoice)  # sort: created_at#id
INVOICES_BY_RUN = Index("invoices_by_run", Invoice)  # sort: status#customer#bill_on#id#flag codes#currency#total_minor
INVOICES_OPEN = Index(
    "invoices_open", Invoice
)  # sharded by customer, posted with residual > 0; sort: customer#due_on#id
INVOICES_ASIDE = Index(
    "invoices_aside", Invoice
)  # sharded by invoice, void or posted below zero (no memos): what reports of past days must know; sort: at#id
PAYMENTS = Index("payments", Payment)  # sharded by payment; sort: at#id
PAYMENTS_BY_CUSTOMER = Index("payments_by_customer", Payment)  # sort: at#id
PAYMENTS_LATER = Index(
    "payments_later", Payment
)  # sharded, those that something happened to a day or more after they were made; sort: when it last did#id
PAYMENTS_UNRESOLVED = Index("payments_unresolved", Payment)  # sharded, those awaited; sort: next_check_at#id
NOTICES = Index("notices", Notice)  # sharded by notice; sort: created_at#id
NOTICES_BY_CUSTOMER = Index("notices_by_customer", Notice)  # sort: created_at#id
NOTICES_BY_RUN = Index("notices_by_run", Notice)  # by what became of it, not while it is pending; sort: status#id
NOTICES_PENDING = Index("notices_pending", Notice)  # sharded; sort: retry_at or created_at#id
BILL_RUNS = Index("bill_runs", BillRun)  # partition "all"; sort: created_at#id
BILL_RUNS_ACTIVE = Index("bill_runs_active", BillRun)  # partition "all", pending, generating or posting; sort: due#id
PAYMENT_RUNS = Index("payment_runs", PaymentRun)  # partition "all"; sort: created_at#id
PAYMENT_RUNS_ACTIVE = Index("payment_runs_active", PaymentRun)  # partition "all", not ended; sort: due#id
EVENTS_PENDING = Index("events_pending", OutboxEvent)  # partition "all"; sort: created_at#id
SUMMARIES_DUE = Index("summaries_due", SummarySchedule)  # partition "all"; sort: next_at (or ~, for never)#id
WEBHOOK_DELIVERIES = Index("webhook_deliveries", WebhookDelivery)  # partition: endpoint; sort: created_at#id
WEBHOOK_DELIVERIES_DUE = Index("webhook_deliveries_due", WebhookDelivery)  # sharded, pending; sort: next_at#id
REHEARSALS = Index("rehearsals", Rehearsal)  # partition "all"; sort: created_at#id
TASKS = Index("tasks", Task)  # partition: status; sort: created_at#id
AUDIT = Index("audit", AuditEntry)  # sharded by request; sort: at#seq


# ---- the rest of the world ------------------------------------------------------------------------------------


class Clock(Protocol):
    def now(self) -> datetime:
        """The current instant, aware, in UTC."""


class Ids(Protocol):
    def new(self, prefix: str) -> str:
        """A fresh id that nobody can guess."""


class Forged(Exception):
    """A message that claims to be the gateway's and is not, or is too old to tell. The text says what is wrong."""


@dataclass(frozen=True, slots=True)
class GatewayEvent:
    """Something the gateway tells of its own accord: a hint to look an attempt up, and never the outcome itself."""

    id: str  # the same each time it is told
    payment_id: str | None  # the attempt; None for things that are not ours
    succeeded: bool = False  # it speaks of a success, perhaps of one that we took for a failure
    reversal: bool = False  # it speaks of money that goes back: a refund or a dispute
    reference: str | None = None  # the gateway's own id of the charge, where no attempt is named


@dataclass(frozen=True, slots=True)
class CardChoice:
    """A card that a gateway without hosted fields offers: what to show, and the reference that stands for it."""

    label: str
    reference: str


@dataclass(frozen=True, slots=True)
class CardSetup:
    """What a page needs to ask for a new card: its number goes to the gateway alone, and `reference` names the card.

    Hosted fields take the client secret, which is good for this one card, and the gateway's publishable key. A gateway
    that has none offers `choices` instead, each with a reference of its own.
    """

    reference: str
    client_secret: str
    publishable_key: str = ""
    choices: tuple[CardChoice, ...] = ()


@dataclass(frozen=True, slots=True)
class SavedCard:
    """A card as the gateway keeps it."""

    token: str
    brand: str
    last4: str
    exp_month: int
    exp_year: int


class Gateway(Protocol):
    """The payment gateway. A decline is a value; an answer that never came is `unknown`, never an exception.

    What is about cards and moves no money raises Unavailable while the gateway cannot be asked.
    """

    def charge(self, payment: Payment) -> ChargeOutcome:
        """Charge `payment.token` once; `payment.id` is the idempotency key."""

    def look_up(self, payment: Payment) -> ChargeOutcome:
        """What became of an attempt: `failed` if the gateway never processed it, `unknown` if it cannot say yet."""

    def refund(self, payment: Payment, amount_minor: int, key: str) -> ChargeOutcome:
        """Give back part or all of a successful charge; `key` is the refund's own idempotency key."""

    def hear(self, body: bytes, signature: str) -> GatewayEvent:
        """The event in a webhook, given as its raw bytes and its signature. Raises Forged, and Unavailable."""

    def attempt_of(self, reference: str) -> str | None:
        """The attempt that a charge of the gateway's was made for; None if it is none of ours. Raises Unavailable."""

    def given_back(self, payment: Payment) -> GivenBack:
        """Every refund and dispute of a charge, by whomever. Raises Unavailable."""

    def start_card(self, customer_id: str, key: str, tokens: Sequence[str] = ()) -> CardSetup:
        """Prepare for a new card of a customer whose other cards are `tokens`; the same `key` prepares the same."""

    def finish_card(self, reference: str, customer_id: str) -> SavedCard | None:
        """The card that was given; None while there is none, and if it was prepared for somebody else."""

    def token_problem(self, token: str) -> str | None:
        """What is wrong with a token that this gateway cannot have given; None if it may be one of its own."""


@dataclass(frozen=True, slots=True)
class Attachment:
    name: str
    content: bytes
    media_type: str = "application/pdf"


@dataclass(frozen=True, slots=True)
class Mail:
    notice_id: str  # tag of the mail: the provider's events carry it back
    sender: str
    to: str
    subject: str
    text: str
    html: str
    attachments: tuple[Attachment, ...] = ()
    unsubscribe_url: str | None = None  # takes the POST of a mail program's "unsubscribe" (RFC 8058)


class MailRefused(Exception):
    """The provider will not take this mail, now or later: the message says why."""


class Mailer(Protocol):
    def send(self, mail: Mail) -> str:
        """The provider's message id. Raises Throttled when it was turned away (SenderRefused: as everything from this
        sender), Unavailable when nobody knows whether it went, MailRefused when it never will go.
        """


class Pace(Protocol):
    def wait(self) -> None:
        """Wait for this sender's turn to hand over a mail: some seconds at most. Raises QuotaUsed, SenderRefused."""


class Unpaced:
    """Implements Pace where nothing limits how fast mail goes."""

    def wait(self) -> None:
        return


QueueName = Literal[
    "bill_run", "post", "notice", "document", "charge", "assess", "summary", "webhook", "rehearsal", "report"
]


class Queue(Protocol):
    def send(self, queue: QueueName, bodies: Sequence[str], delay_seconds: int = 0) -> None:
        """Durably enqueue messages (JSON texts, any number). At least once, in no order. Delay ≤ 900 s."""


DeadLetterQueue = Literal[QueueName, "feedback", "ticks"]  # ticks have no queue of their own to go back to


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """A message that was put aside because its worker failed each time."""

    id: str
    body: str
    sent_at: datetime


class DeadLetters(Protocol):
    """What was put aside, per queue. Another look may find other messages first: SQS promises no order."""

    def waiting(self, queue: DeadLetterQueue, most: int) -> list[DeadMessage]:
        """Up to `most` of them, which stay where they are."""

    def redrive(self, queue: DeadLetterQueue, id: str) -> bool:
        """Put a message back on its queue, then take it from the dead letters; whether it was there.

        At least once: after a crash in between it is on both. A tick is only taken away: the next has done its work.
        """


class Files(Protocol):
    def read(self, key: str) -> bytes | None: ...

    def write_once(self, key: str, content: bytes, media_type: str) -> bool:
        """Store content under a key, and whether that was done; if the key exists already, what is there stays."""


class Bus(Protocol):
    def publish(self, detail_type: str, detail: dict[str, object]) -> None:
        """Put one event of source `paidup` on the bus."""


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """One attempt to deliver an event. The body is signed with each of the secrets."""

    url: str
    event_id: str
    body: bytes
    secrets: tuple[str, ...] = field(repr=False)
    at: datetime


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What came of it: the status of the answer, or None and what went wrong in words that hold nothing secret."""

    status: int | None
    problem: str | None = None


class WebhookSender(Protocol):
    """Sends events to other systems. Whatever happens is an answer, never an exception."""

    def new_secret(self) -> str:
        """A fresh secret that nobody can guess, whoever asks for it twice."""

    def refuses(self, url: str) -> str | None:
        """Why it would never send to a URL of this form ("must be …"); None if it may. Looks nothing up."""

    def send(self, message: WebhookMessage) -> WebhookAnswer:
        """One attempt of bounded length. Redirects are answers like any other."""


class Abreast(Protocol):
    """Does the same work for several things, so that what they read, write and send takes fewer calls."""

    def each(
        self, work: Callable[[T, Ports], R], things: Sequence[T], ports: Ports,
        lane: Callable[[T], Hashable] | None = None,
    ) -> list[R]:  # fmt: skip
        """What the work comes to for each thing. It is given ports of its own and may not talk to the others.

        Each write is a transaction by itself, as ever; but the works take turns, so there is time between one's calls.
        Things of the same `lane`, which would only be in each other's way, are worked on one after another. If any work
        raises, the others go on to their ends and then the first error is raised.
        """


class InTurn:
    """Implements Abreast where no call is to be saved: one after another."""

    def each(
        self, work: Callable[[T, Ports], R], things: Sequence[T], ports: Ports,
        lane: Callable[[T], Hashable] | None = None,
    ) -> list[R]:  # fmt: skip
        return [work(thing, ports) for thing in things]


class SignIn(Protocol):
    """Where people sign in to the console."""

    def page(self, state: str, challenge: str) -> str | None:
        """The address of the page to sign in at; None where a token is typed in on a page of ours."""

    def claims(self, given: str, verifier: str) -> Mapping[str, Any] | None:
        """What is vouched for of who brings a code or token; None if it is no good. Raises Unavailable."""

    def goodbye(self) -> str | None:
        """Where signing out leads, for that page to forget too; None where there is no such page."""


def _always(kind: str) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything a use case may touch. Made in shared/bootstrap.py; tests make their own."""

    store: Store
    clock: Clock
    ids: Ids
    queue: Queue
    dead_letters: DeadLetters
    gateway: Gateway
    mailer: Mailer
    files: Files
    bus: Bus
    webhooks: WebhookSender
    pay_url: Callable[[str], str] = "/pay/{}".format  # where the page of a pay link is, by its token
    pace: Pace = field(default_factory=Unpaced)
    abreast: Abreast = field(default_factory=InTurn)
    gate: str | None = None  # whose copy of the settings' version a batch checks; None: each piece of work its own
    sign_in: SignIn | None = None  # None: nobody can sign in to the console
    words_wanted: Callable[[str], bool] = _always  # whether the next mail of a kind is to be written out

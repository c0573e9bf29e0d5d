"""Faults at the ports: every call of an invocation is counted, and a plan says what goes wrong with which.

A crash before or after a call is the end of the function's process; a lost response means that the effect happened
and the caller is told otherwise; a throttled call never reached the service.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random
from typing import Any, Literal, NoReturn, Protocol, TypeVar, runtime_checkable

from infra.local.invoker import SimulatedCrash
from shared.domain.contract import Contract
from shared.domain.payment import ChargeOutcome, GivenBack, Payment
from shared.ports import (
    PAGE_LIMIT,
    Bus,
    CardSetup,
    Change,
    Check,
    DeadLetterQueue,
    DeadLetters,
    DeadMessage,
    Entry,
    Files,
    Gateway,
    GatewayEvent,
    Index,
    Key,
    Mail,
    Mailer,
    Page,
    Ports,
    Queue,
    QueueName,
    Remove,
    Save,
    SavedCard,
    SignIn,
    Store,
    Throttled,
    Unavailable,
    WebhookAnswer,
    WebhookMessage,
    WebhookSender,
)
from shared.storage.records import keys_of

E = TypeVar("E")
T = TypeVar("T")

Fault = Literal["crash_before", "crash_after", "lose_response", "throttle", "lose_request", "stale"]
FAULTS: tuple[Fault, ...] = ("crash_before", "crash_after", "lose_response", "throttle")
RANDOM_DELAY_SECONDS_MAX = 900


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a port. `number` counts all calls from 1, `of_invocation` those of its invocation.

    `key` says what it is about, and `occurrence` how often this function has made this call about it, from 1: a place
    that stays where it is when other faults come or go.
    """

    number: int
    function: str
    invocation: int
    of_invocation: int
    name: str
    key: str = ""
    occurrence: int = 1

    def __str__(self) -> str:
        return f"call {self.number}, {self.name} ({self.of_invocation} of {self.function}#{self.invocation})"


class Plan(Protocol):
    """Says which fault a call meets, if any. Asked exactly once per call, in order."""

    def fault(self, call: Call) -> Fault | None: ...


@runtime_checkable
class Carrier(Protocol):
    """A plan that also says what becomes of messages on their way to a queue."""

    def carried(self, function: str, queue: str, body: str) -> Sequence[int]:
        """The delay in seconds of each copy that arrives; none if it is lost."""


class NoFaults:
    def fault(self, call: Call) -> Fault | None:
        return None


@dataclass(frozen=True, slots=True)
class OneFault:
    """The n-th call, counted from when the faults were put in, meets one fault."""

    number: int
    kind: Fault

    def fault(self, call: Call) -> Fault | None:
        return self.kind if call.number == self.number else None


@dataclass(frozen=True, slots=True)
class Rates:
    """How often things go wrong, each from 0 to 1: messages and ticks twice or late, calls crashed or throttled."""

    duplicate: float = 0.0
    delay: float = 0.0
    crash: float = 0.0
    throttle: float = 0.0


class RandomFaults:
    """Faults at the given rates, from one seeded stream: the same seed on the same world gives the same faults."""

    def __init__(self, seed: int, rates: Rates) -> None:
        self._random = Random(seed)
        self.rates = rates

    def fault(self, call: Call) -> Fault | None:
        dice = self._random.random()
        if dice < self.rates.crash:
            return self._random.choice(("crash_before", "crash_after", "lose_response"))
        return "throttle" if dice < self.rates.crash + self.rates.throttle else None

    def twice(self) -> bool:
        return self._random.random() < self.rates.duplicate

    def ticks(self, function: str, at: datetime) -> int:
        return 2 if self.twice() else 1

    def carried(self, function: str, queue: str, body: str) -> Sequence[int]:
        return [self.delay_seconds() for _ in range(2 if self.twice() else 1)]

    def delay_seconds(self) -> int:
        late = self._random.random() < self.rates.delay
        return self._random.randint(1, RANDOM_DELAY_SECONDS_MAX) if late else 0


@dataclass(slots=True)
class Calls:
    """Counts the calls of invocations, and lets the plan's faults happen to them.

    Calls outside any invocation, or of other functions than `functions`, are left alone.
    """

    plan: Plan = field(default_factory=NoFaults)
    functions: frozenset[str] | None = None  # None: all
    seen: list[Call] = field(default_factory=list)
    _function: str = ""
    _invocation: int = 0
    _of_invocation: int = 0
    _times: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def begin(self, function: str) -> None:
        """An invocation of `function` begins."""
        self._function = function
        self._invocation += 1
        self._of_invocation = 0

    def around(
        self, name: str, act: Callable[[], T], *, lost: Callable[[], T], throttled: Callable[[], T],
        key: str = "", stale: Callable[[], T] | None = None,
    ) -> T:  # fmt: skip
        """Make the call, or what the plan makes of it. `lost`, `throttled` and `stale` answer as the adapter would."""
        if not self._function or (self.functions is not None and self._function not in self.functions):
            return act()
        self._of_invocation += 1
        place = (self._function, key, name)
        self._times[place] += 1
        call = Call(
            len(self.seen) + 1, self._function, self._invocation, self._of_invocation, name, key, self._times[place]
        )
        self.seen.append(call)
        fault = self.plan.fault(call)
        if fault == "crash_before":
            raise SimulatedCrash(f"before {call}")
        if fault == "throttle":
            return throttled()
        if fault == "lose_request":
            return lost()
        result = stale() if fault == "stale" and stale is not None else act()
        if fault == "crash_after":
            raise SimulatedCrash(f"after {call}")
        return lost() if fault == "lose_response" else result

    def plain(self, name: str, act: Callable[[], T], key: str = "") -> T:
        """A call whose adapter raises Unavailable when it is throttled or hears nothing."""
        return self.around(name, act, lost=_unavailable, throttled=_throttled, key=key)

    def end(self) -> None:
        """The invocation has ended: what is called now is not the functions' doing."""
        self._function = ""

    @property
    def function(self) -> str:
        return self._function


def _unavailable() -> NoReturn:
    raise Unavailable("simulated: the answer was lost")


def _throttled() -> NoReturn:
    raise Throttled("simulated: throttled")


class FaultyStore:
    def __init__(
        self, inner: Store, calls: Calls, poisoned: Poisoned | None = None, behind: Behind | None = None
    ) -> None:
        self._inner = inner
        self._calls = calls
        self._poisoned = poisoned
        self._behind = behind

    def get(self, kind: type[E], partition: str, sort: str = "") -> E | None:
        self._poison(kind, [(partition, sort)])
        return self._calls.plain(
            "store.get", lambda: self._inner.get(kind, partition, sort), f"{kind.__name__} {partition}"
        )

    def get_many(self, kind: type[E], keys: Sequence[tuple[str, str]]) -> list[E]:
        self._poison(kind, keys)
        return self._calls.plain("store.get_many", lambda: self._inner.get_many(kind, keys), kind.__name__)

    def get_all(self, keys: Sequence[Key]) -> list[Any]:
        for kind, partition, sort in keys:
            self._poison(kind, [(partition, sort)])
        return self._calls.plain("store.get_all", lambda: self._inner.get_all(keys))

    def list(
        self, kind: type[E], partition: str, prefix: str = "", after: str | None = None, limit: int = PAGE_LIMIT
    ) -> Page[E]:
        self._poison(kind, [(partition, "")])
        return self._calls.plain(
            "store.list",
            lambda: self._inner.list(kind, partition, prefix, after, limit),
            f"{kind.__name__} {partition}",
        )

    def find(
        self, index: Index[E], partition: str, *, prefix: str = "", last: str | None = None,
        after: str | None = None, limit: int = PAGE_LIMIT, reverse: bool = False,
    ) -> Page[Entry]:  # fmt: skip
        def asked(store: Store) -> Page[Entry]:
            return store.find(index, partition, prefix=prefix, last=last, after=after, limit=limit, reverse=reverse)

        behind = self._behind
        return self._calls.around(
            "store.find", lambda: asked(self._inner), lost=_unavailable, throttled=_throttled,
            key=f"{index.name} {partition}", stale=None if behind is None else lambda: asked(behind.store()),
        )  # fmt: skip

    def commit(self, *changes: Save[E] | Remove[E] | Check[E]) -> None:
        self._calls.plain("store.commit", lambda: self._commit(changes), _name_of(changes[0]) if changes else "")

    def _commit(self, changes: tuple[Any, ...]) -> None:
        self._inner.commit(*changes)
        if self._behind is not None:
            self._behind.note(changes)

    def _poison(self, kind: type[Any], keys: Sequence[tuple[str, str]]) -> None:
        if self._poisoned is not None and self._poisoned.hits(self._calls.function, kind, keys):
            raise RuntimeError("billing this customer fails, as was asked of the local cloud")


def _name_of(change: Change) -> str:
    ((kind, partition, _),) = keys_of((change,))
    return f"{kind.__name__} {partition}"


class Behind(Protocol):
    """The store as an index may still see it."""

    def note(self, changes: tuple[Any, ...]) -> None: ...

    def store(self) -> Store: ...


@dataclass(frozen=True, slots=True)
class Poisoned:
    """Customers whose contracts cannot be read by the functions that bill."""

    customers: frozenset[str]
    functions: frozenset[str]

    def hits(self, function: str, kind: type[Any], keys: Sequence[tuple[str, str]]) -> bool:
        return kind is Contract and function in self.functions and any(p in self.customers for p, _ in keys)


class FaultyQueue:
    def __init__(self, inner: Queue, calls: Calls, carrier: Carrier | None) -> None:
        self._inner = inner
        self._calls = calls
        self._carrier = carrier

    def send(self, queue: QueueName, bodies: Sequence[str], delay_seconds: int = 0) -> None:
        self._calls.plain("queue.send", lambda: self._send(queue, bodies, delay_seconds), queue)

    def _send(self, queue: QueueName, bodies: Sequence[str], delay_seconds: int) -> None:
        if self._carrier is None:
            self._inner.send(queue, bodies, delay_seconds)
            return
        for body in bodies:
            for delay in self._carrier.carried(self._calls.function, queue, body):
                self._inner.send(queue, [body], max(delay_seconds, delay))


class FaultyDeadLetters:
    def __init__(self, inner: DeadLetters, calls: Calls) -> None:
        self._inner = inner
        self._calls = calls

    def waiting(self, queue: DeadLetterQueue, most: int) -> list[DeadMessage]:
        return self._calls.plain("dead_letters.waiting", lambda: self._inner.waiting(queue, most))

    def redrive(self, queue: DeadLetterQueue, id: str) -> bool:
        return self._calls.plain("dead_letters.redrive", lambda: self._inner.redrive(queue, id))


class FaultyGateway:
    """A gateway never raises: a lost answer is `unknown`, a refused call provably `failed`."""

    def __init__(self, inner: Gateway, calls: Calls) -> None:
        self._inner = inner
        self._calls = calls

    def charge(self, payment: Payment) -> ChargeOutcome:
        return self._call("gateway.charge", lambda: self._inner.charge(payment), _REFUSED, payment.id)

    def look_up(self, payment: Payment) -> ChargeOutcome:
        return self._call("gateway.look_up", lambda: self._inner.look_up(payment), _UNHEARD, payment.id)

    def refund(self, payment: Payment, amount_minor: int, key: str) -> ChargeOutcome:
        return self._call("gateway.refund", lambda: self._inner.refund(payment, amount_minor, key), _REFUSED, key)

    def hear(self, body: bytes, signature: str) -> GatewayEvent:
        return self._inner.hear(body, signature)  # reads what has come in, and asks nobody

    def attempt_of(self, reference: str) -> str | None:
        return self._calls.plain("gateway.attempt_of", lambda: self._inner.attempt_of(reference))

    def given_back(self, payment: Payment) -> GivenBack:
        return self._calls.plain("gateway.given_back", lambda: self._inner.given_back(payment), payment.id)

    def start_card(self, customer_id: str, key: str, tokens: Sequence[str] = ()) -> CardSetup:
        return self._calls.plain("gateway.start_card", lambda: self._inner.start_card(customer_id, key, tokens))

    def finish_card(self, reference: str, customer_id: str) -> SavedCard | None:
        return self._calls.plain("gateway.finish_card", lambda: self._inner.finish_card(reference, customer_id))

    def token_problem(self, token: str) -> str | None:
        return self._inner.token_problem(token)  # asks nobody

    def _call(self, name: str, act: Callable[[], ChargeOutcome], throttled: ChargeOutcome, key: str) -> ChargeOutcome:
        return self._calls.around(name, act, lost=lambda: _UNHEARD, throttled=lambda: throttled, key=key)


_UNHEARD = ChargeOutcome("unknown")
_REFUSED = ChargeOutcome("failed", code="rate_limited")


class FaultyMailer:
    def __init__(self, inner: Mailer, calls: Calls) -> None:
        self._inner = inner
        self._calls = calls

    def send(self, mail: Mail) -> str:
        return self._calls.plain("mailer.send", lambda: self._inner.send(mail), mail.notice_id)


class FaultyFiles:
    def __init__(self, inner: Files, calls: Calls) -> None:
        self._inner = inner
        self._calls = calls

    def read(self, key: str) -> bytes | None:
        return self._calls.plain("files.read", lambda: self._inner.read(key), key)

    def write_once(self, key: str, content: bytes, media_type: str) -> bool:
        return self._calls.plain("files.write_once", lambda: self._inner.write_once(key, content, media_type), key)


class FaultyBus:
    def __init__(self, inner: Bus, calls: Calls) -> None:
        self._inner = inner
        self._calls = calls

    def publish(self, detail_type: str, detail: dict[str, object]) -> None:
        self._calls.plain("bus.publish", lambda: self._inner.publish(detail_type, detail), detail_type)


class FaultyWebhookSender:
    """A sender never raises: a lost answer and a refused connection are both no answer."""

    def __init__(self, inner: WebhookSender, calls: Calls) -> None:
        self._inner = inner
        self._calls = calls

    def new_secret(self) -> str:
        return self._inner.new_secret()

    def refuses(self, url: str) -> str | None:
        return self._inner.refuses(url)  # asks nobody

    def send(self, message: WebhookMessage) -> WebhookAnswer:
        none = WebhookAnswer(None, "timed out")
        return self._calls.around(
            "webhooks.send",
            lambda: self._inner.send(message),
            lost=lambda: none,
            throttled=lambda: none,
            key=message.event_id,
        )


class FaultySignIn:
    """A code is good once: when the answer that says whose it is gets lost, its bearer signs in anew."""

    def __init__(self, inner: SignIn, calls: Calls) -> None:
        self._inner = inner
        self._calls = calls

    def page(self, state: str, challenge: str) -> str | None:
        return self._inner.page(state, challenge)  # asks nobody

    def claims(self, given: str, verifier: str) -> Mapping[str, Any] | None:
        return self._calls.plain("sign_in.claims", lambda: self._inner.claims(given, verifier))

    def goodbye(self) -> str | None:
        return self._inner.goodbye()  # asks nobody


def faulty(ports: Ports, calls: Calls, poisoned: Poisoned | None = None, behind: Behind | None = None) -> Ports:
    """The same ports with faults in front of them; the clock and the ids never fail."""
    carrier = calls.plan if isinstance(calls.plan, Carrier) else None
    return replace(
        ports,
        store=FaultyStore(ports.store, calls, poisoned, behind),
        queue=FaultyQueue(ports.queue, calls, carrier),
        dead_letters=FaultyDeadLetters(ports.dead_letters, calls),
        gateway=FaultyGateway(ports.gateway, calls),
        mailer=FaultyMailer(ports.mailer, calls),
        files=FaultyFiles(ports.files, calls),
        bus=FaultyBus(ports.bus, calls),
        webhooks=FaultyWebhookSender(ports.webhooks, calls),
        sign_in=FaultySignIn(ports.sign_in, calls) if ports.sign_in is not None else None,
    )

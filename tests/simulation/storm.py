"""What goes wrong in one seed: each fault is drawn from the seed and the place where it may happen.

A place is (function, key, call, occurrence). Because nothing but the place and the seed decides, the same fault happens
at the same place whatever else is taken away, which is what makes a failing seed small. A list of faults replays it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from random import Random

from infra.local.faults import Call, Calls

Place = tuple[str, str, str, int]

READS = (
    "store.get", "store.list", "store.find", "files.read", "gateway.look_up", "gateway.given_back", "mailer.account",
)  # fmt: skip
CALLS = ("crash_before", "crash_after", "throttle", "lose_response", "lose_request", "stale", "meanwhile")
MESSAGES = ("drop", "twice", "late")
TICKS = ("tick_lost", "tick_twice")
SILENCE = ("silence",)  # of the mail service, about one mail
WORLD = ("jump", "poison")  # by the driver, between two steps
KINDS = (*CALLS, *MESSAGES, *TICKS, *SILENCE, *WORLD)
STRENGTHS = (0.01, 0.03, 0.08)
RATES = {"drop": 0.5, "twice": 2.0, "late": 2.0, "tick_lost": 3.0, "tick_twice": 3.0, "jump": 3.0, "poison": 3.0,
         "meanwhile": 0.1, "stale": 4.0, "silence": 8.0}  # fmt: skip
EFFECTS = ("gateway.", "mailer.", "bus.", "webhooks.")  # few calls, on which everything hangs
EFFECTS_MORE = 4
REFUNDS_MORE = 8  # there are fewest of them
CLAIMS = ("Notice ", "Payment ")
MEANWHILE_CLAIMED = 60  # before a mail or a charge is claimed, which is when a switch has to be heeded
MEANWHILE_MORE = 15  # before what has an effect, rather than before one more read
BEFORE_EFFECTS = ("before store.commit", "before gateway.charge", "before gateway.refund", "before mailer.send")
LATE_SECONDS = (0, 1, 60, 300, 900)
TOGGLES = 1024  # of them, which is far more than there are kinds of them and customers


def share(*parts: object) -> float:
    """A number from 0 to 1 that belongs to these parts."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=7).digest()) / 2**56


def possible(call: str) -> tuple[str, ...]:
    """What can happen to a call of a port."""
    if call == "store.find":
        return ("crash_before", "throttle", "stale")
    if call.startswith(READS):
        return ("crash_before", "throttle")
    return ("crash_before", "crash_after", "throttle", "lose_response", "lose_request")


def swarm_of(seed: int) -> dict[str, float]:
    """The kinds of faults that a seed has, and how often each happens: a random subset of all."""
    random = Random(f"faults {seed}")
    strength = random.choice(STRENGTHS)
    return {kind: strength * RATES.get(kind, 1.0) for kind in KINDS if random.random() < 0.5}


def _often(place: Place) -> int:
    """How much more often than elsewhere something goes wrong at a place."""
    _, key, call, _ = place
    if call in BEFORE_EFFECTS:
        return MEANWHILE_CLAIMED if key.startswith(CLAIMS) else MEANWHILE_MORE
    if call == "gateway.refund":
        return REFUNDS_MORE
    return EFFECTS_MORE if call.startswith(EFFECTS) else 1


@dataclass
class Storm:
    """A plan of faults that is asked at each place. `listed` are the only ones, if given."""

    seed: int
    swarm: dict[str, float] = field(default_factory=dict)
    listed: dict[Place, str] | None = None
    raging: bool = True
    met: dict[Place, str] = field(default_factory=dict)
    chances: Counter[tuple[str, str]] = field(default_factory=Counter)  # (kind, function): how often to be expected
    _times: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def at(self, place: Place, kinds: tuple[str, ...]) -> str | None:
        if not self.raging:
            return None
        found = self.listed.get(place) if self.listed is not None else self._drawn(place, kinds)
        if found is not None:
            self.met[place] = found
        return found

    def _drawn(self, place: Place, kinds: tuple[str, ...]) -> str | None:
        often = _often(place)
        for kind in kinds:
            if kind not in self.swarm:
                continue
            self.chances[kind, place[0]] += self.swarm[kind] * often
            if share(self.seed, kind, place) < self.swarm[kind] * often:
                return f"meanwhile:{int(share(place) * TOGGLES)}" if kind == "meanwhile" else kind
        return None

    def fault(self, call: Call):
        return self.at((call.function, call.key, call.name, call.occurrence), possible(call.name))

    def carried(self, function: str, queue: str, body: str) -> list[int]:
        """One delay per copy of a message that arrives."""
        place = self._next(function, f"{queue} {body}", "message")
        found = self.at(place, MESSAGES)
        late = LATE_SECONDS[int(share(place, "late") * len(LATE_SECONDS))]
        return {None: [0], "drop": [], "twice": [0, late], "late": [late]}[found]

    def ticks(self, function: str, at: datetime) -> int:
        found = self.at((function, at.isoformat(), "tick", 1), TICKS)
        return {None: 1, "tick_lost": 0, "tick_twice": 2}[found]

    def _next(self, function: str, key: str, call: str) -> Place:
        self._times[function, key, call] = occurrence = self._times.get((function, key, call), 0) + 1
        return (function, key, call, occurrence)


class SteppedCalls(Calls):
    """Counts calls as all do, and lets an admin act just before one of them."""

    def __init__(self, storm: Storm, act: Callable[[int, str], None]) -> None:
        super().__init__(storm)
        self._act = act
        self._inside = False

    def around(self, name, act, **options):
        if self._inside or not self._function:
            return act()
        function, key = self._function, options.get("key", "")
        occurrence = self._times[function, key, name] + 1
        before = self.plan.at((function, key, f"before {name}", occurrence), ("meanwhile",))
        if before is not None:
            self._interrupt(int(before.partition(":")[2]), key)
        return super().around(name, act, **options)

    def _interrupt(self, number: int, key: str) -> None:
        kept = (self._function, self._invocation, self._of_invocation)
        self._inside = True
        try:
            self._act(number, key)
        finally:
            self._inside = False
            self._function, self._invocation, self._of_invocation = kept

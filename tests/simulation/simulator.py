"""One seed, from an empty world to one at rest: `python -m tests.simulation.simulator --seeds 300 --start-seed 1`.

Three streams that do not touch: what people do (`workload SEED`), in which order queues are served (`schedule SEED`),
and what goes wrong (storm.py). After the days of the workload comes a calm in which everything must finish.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import ClassVar
from unittest import mock

from infra.local.cloud import BackendName, LocalCloud
from infra.local.faults import Rates
from infra.local.webhooks import Webhooks
from infra.rights import Rights, guarded
from infra.wiring import Wiring, load_wiring
from shared.domain.customer import Customer
from shared.ports import WebhookAnswer
from shared.storage.memory import MemoryStore
from tests.integration.world import World
from tests.simulation.laws import at_rest
from tests.simulation.shrink import shrunk, standalone
from tests.simulation.storm import SILENCE, Place, SteppedCalls, Storm, share, swarm_of
from tests.simulation.watch import Watch
from tests.simulation.workload import People, Workload

TICKS = (2, 3, 4, 6)  # hours: rules fire as seldom as one of these: a tick is a reminder, and most find nothing to do
CALM_TICK = timedelta(hours=8)
CALM = timedelta(days=2)  # longer than any look at the gateway, retry of a mail or pause of the queues
FEEDBACK_LATER = 4  # times as late as a message that we sent: later than a claim is stale
STALE_COMMITS_MAX = 4
JUMP_HOURS = (2, 7, 26)
TICKS_DLQ = "ticks_dlq"
TWICE_EVERY = 8  # so many seeds, one is also lived through by office hours, with faults and without
SHRUNK_MAX = 3
POISON = ("", "{", '{"kind": "nothing"}', '{"kind": "send_notice", "notice_id": "ntc_nothing"}', "[]", "null")


@dataclass
class Seen:
    """What a seed came to."""

    seed: int
    broken: list[str]
    trace: str  # the same for the same seed
    met: dict[Place, str] = field(default_factory=dict)
    laws: Counter = field(default_factory=Counter)
    pairs: Counter = field(default_factory=Counter)  # (kind of fault, function): how often it happened
    chances: Counter = field(default_factory=Counter)  # … and how often to be expected

    @property
    def well(self) -> bool:
        return not self.broken


class Behind:
    """The store as an index that lags may still see it: without the newest commits of this instant."""

    def __init__(self, store: MemoryStore, now) -> None:
        self._store, self._now = MemoryStore(), now
        self._store.restore(store.snapshot())
        self._waiting = []

    def note(self, changes) -> None:
        self._waiting.append((self._now(), changes))

    def store(self) -> MemoryStore:
        while self._waiting and (len(self._waiting) > STALE_COMMITS_MAX or self._waiting[0][0] < self._now()):
            self._store.commit(*self._waiting.pop(0)[1])
        return self._store


class Shuffled:
    """A broker that hands out messages in an order that the schedule draws: SQS promises none."""

    def __init__(self, inner, random: Random) -> None:
        self._inner, self._random = inner, random

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def receive(self, queue, most):
        self._random.shuffle(self._inner._queues[queue].ready)
        return self._inner.receive(queue, self._random.randint(1, most))


class Receiver:
    """Endpoints of webhooks, some of which do not answer."""

    def __init__(self, inner, random: Random) -> None:
        self._inner, self._random = inner, random

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def refuses(self, url):
        return None

    def send(self, message):
        return WebhookAnswer(*self._random.choice(((200, ""), (200, ""), (500, ""), (None, "timed out"))))


class Feedback:
    """What the mail service reports: late, twice, or never."""

    def __init__(self, storm: Storm, cloud: LocalCloud) -> None:
        self._storm, self._cloud = storm, cloud

    def __call__(self, body: str) -> None:
        id = json.loads(body)["MessageId"]
        mail = id.rpartition("-")[0]  # it says several things of a mail, or nothing
        if self._storm.at(("mail", mail, "report", 1), SILENCE):
            return
        for delay in self._storm.carried("mail", "feedback", id):
            for queue in self._cloud.wiring.subscriptions.values():
                self._cloud.engine.broker.put(queue, [body], delay * FEEDBACK_LATER)


@dataclass
class Simulation:
    """One world of one seed. `listed` replays exactly these faults."""

    ticks: ClassVar = TICKS
    people: ClassVar = People
    storms: ClassVar = Storm
    seed: int
    listed: dict[Place, str] | None = None
    wiring: Wiring = field(default_factory=load_wiring)
    backend: BackendName = "memory"
    faultless: bool = False

    def run(self) -> Seen:
        workload, tick = self._workload(), timedelta(hours=Random(f"ticks {self.seed}").choice(self.ticks))
        with (
            plain_documents(),
            LocalCloud(self.backend, workload.start, wiring=self.wiring, every=tick, log_level="CRITICAL") as cloud,
        ):
            world, watch = World(cloud), Watch()
            world.failures_expected = True
            workload.prepare(world)
            storm = self.storms(self.seed, self._swarm(), {} if self.faultless else self.listed)
            people = self._begin(cloud, world, workload, watch, storm)
            try:
                self._live(cloud, people, workload, storm)
                today = self._calm(cloud, world, people, storm)
                at_rest(world, watch, today)
            except Exception as error:  # noqa: BLE001 - whatever it is, it has a seed, and is to be made small
                watch.broken.append(f"raised: {type(error).__name__}: {error}")
            watch.broken += [f"rights: {use}" for use in sorted(self.rights.denied)]
            return self._seen(cloud, watch, storm, people)

    def _workload(self) -> Workload:
        return Workload(self.seed)

    def _swarm(self) -> dict[str, float]:
        return swarm_of(self.seed)

    def _begin(self, cloud, world, workload, watch, storm) -> People:
        schedule = Random(f"schedule {self.seed}")
        self.store = cloud.ports.store
        people = self.people(world, workload, watch)
        watch.customers = workload.customers
        watch.now = cloud.clock.now
        watch.name_of = lambda id: self.store.get(Customer, id).name
        self.rights = Rights(self.wiring)
        receiver = Receiver(cloud.ports.webhooks, Random(f"receiver {self.seed}"))
        late = self.backend == "memory" and (storm.listed is not None or "stale" in storm.swarm)
        behind = Behind(cloud.ports.store, cloud.clock.now) if late else None
        cloud.ports = guarded(replace(watch.over(cloud.ports, cloud.gateway), webhooks=receiver), self.rights)
        if self.backend == "memory":
            cloud.engine.broker = Shuffled(cloud.engine.broker, schedule)
        consumers = list(cloud.engine._consumers)
        schedule.shuffle(consumers)
        cloud.engine._consumers = tuple(consumers)
        cloud.inject(SteppedCalls(storm, people.toggle), None, behind)
        cloud.engine.invoker.before.append(self.rights.begin)
        cloud.engine.invoker.after.append(self.rights.end)
        cloud.engine.tick_faults = storm
        cloud.mail._feedback = Feedback(storm, cloud)
        rates = Rates() if self.faultless else Rates(duplicate=0.3, delay=0.3)
        if self.seed % 2:
            cloud.engine.when_quiet = Webhooks(cloud.engine, cloud.gateway, self.seed, rates).tell
        return people

    def _live(self, cloud, people, workload, storm) -> None:
        for number, act in enumerate(workload.acts):
            self._weather(cloud, storm, number)
            cloud.advance_to(max(workload.start + act.after, cloud.clock.now()))
            people.act(act)
        self._weather(cloud, storm, len(workload.acts))
        cloud.advance_to(max(workload.start + timedelta(days=workload.days), cloud.clock.now()))

    def _weather(self, cloud, storm, number) -> None:
        """Between two steps everything may stand still for hours, or rubbish may lie on a queue."""
        if storm.at(("world", str(number), "jump", 1), ("jump",)):
            hours = JUMP_HOURS[int(share(self.seed, number) * len(JUMP_HOURS))]
            cloud.engine.jump_to(cloud.clock.now() + timedelta(hours=hours))
        if storm.at(("world", str(number), "poison", 1), ("poison",)):
            queues = [m.queue for _, m in self.wiring.consumers()]
            queue = queues[int(share(self.seed, number, "queue") * len(queues))]
            cloud.engine.broker.put(queue, [POISON[int(share(self.seed, number, "body") * len(POISON))]])

    def _calm(self, cloud, world, people, storm):
        """Nothing goes wrong any more: what was put aside is given another chance, and all is switched on."""
        storm.raging = False
        people.tell_again()
        for rule in cloud.engine._rules:
            rule.every = CALM_TICK
        world.settings(
            bill_run={"enabled": True}, payment_run={"enabled": True},
            automations={"past_due": {"enabled": True}, "send_new_invoices": {"enabled": True}},
        )  # fmt: skip
        cloud.advance_to(cloud.clock.now() + CALM)
        people.tell_again()
        redrive(cloud)
        for run in world.all("/v1/bill-runs"):
            if run["status"] == "completed":
                people.ask("POST", f"/v1/bill-runs/{run['id']}/post")
        cloud.advance_to(cloud.clock.now() + CALM)
        discard_poison(cloud)
        return (cloud.clock.now() - timedelta(days=1)).date()

    def _seen(self, cloud, watch, storm, people) -> Seen:
        facts = repr((
            sorted(self.store.dump().items(), key=lambda i: i[0]) if self.backend == "memory" else "",
            cloud.gateway.charges, [(s.mail.to, s.mail.subject, s.at) for s in cloud.mail.sent],
            people.statuses, sorted(storm.met.items()),
        ))  # fmt: skip
        pairs = Counter((kind.partition(":")[0], place[0]) for place, kind in storm.met.items())
        trace = hashlib.sha256(facts.encode()).hexdigest()
        return Seen(self.seed, watch.broken, trace, dict(storm.met), watch.seen, pairs, storm.chances)


@contextmanager
def plain_documents() -> Iterator[None]:
    """Typesetting takes most of a night's time and decides nothing."""
    pdf = lambda *args, **options: b"%PDF-1.7 plain"  # noqa: E731
    with mock.patch("shared.rendering.documents.render_invoice_pdf", pdf):
        yield


def redrive(cloud) -> None:
    """Give what was put aside another chance; ticks need none, the next one finds what they would have."""
    broker = cloud.engine.broker
    for queue in cloud.wiring.queues.values():
        sources = [q.name for q in cloud.wiring.queues.values() if q.dlq == queue.name]
        if sources or queue.label == TICKS_DLQ:
            bodies = broker.bodies(queue.name)
            for source in sources:
                broker.put(source, bodies)
            empty(broker, queue.name)


def discard_poison(cloud) -> None:
    """What can never be read stays among the dead letters, until a person throws it away."""
    broker = cloud.engine.broker
    for queue in cloud.wiring.queues.values():
        if queue.label.endswith("_dlq") and set(broker.bodies(queue.name)) <= set(POISON):
            empty(broker, queue.name)


def empty(broker, queue) -> None:
    while found := broker.receive(queue, 10):
        broker.delete(queue, found)


def _lived(how, seed, wiring, backend, listed) -> Seen:
    return how(seed, listed, wiring, backend).run() if how is Simulation else how(seed, listed, wiring).run()


def main() -> int:
    parser = argparse.ArgumentParser(description="Simulate seeds; a failing one is made small and printed as a test.")
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--start-seed", type=int, default=1)
    parser.add_argument("--backend", choices=("memory", "moto"), default="memory")
    asked = parser.parse_args()
    from tests.simulation.office_hours import Twice  # which is made of what is here

    wiring, failed, laws, pairs, began = load_wiring(), 0, Counter(), Counter(), time.process_time()
    for seed in range(asked.start_seed, asked.start_seed + asked.seeds):
        compared = asked.backend == "memory" and seed % TWICE_EVERY == 0
        for how in (Simulation, Twice) if compared else (Simulation,):
            run = partial(_lived, how, seed, wiring, asked.backend)
            seen = run(None)
            laws += seen.laws
            pairs += seen.pairs
            if not seen.well:
                failed += 1
                print(f"seed {seed}: {seen.broken[0]}", flush=True)
                if failed <= SHRUNK_MAX:
                    print(standalone(shrunk(seen, run), how.__name__), flush=True)
    cpu = time.process_time() - began
    print(f"{asked.seeds} seeds, {failed} failed; {cpu / asked.seeds:.2f} s CPU each")
    print(f"{sum(laws.values())} times a law was held, of {len(laws)} laws; {sum(pairs.values())} faults of "
          f"{len(pairs)} kinds and functions")  # fmt: skip
    kinds = Counter()
    for (kind, _), times in pairs.items():
        kinds[kind] += times
    print("faults: " + ", ".join(f"{times} {kind}" for kind, times in kinds.most_common()))
    print("laws: " + ", ".join(f"{times} × {name}" for name, times in laws.most_common()))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

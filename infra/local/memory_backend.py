"""The memory backend: plain objects behind the ports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from infra.local.backend import Backend
from infra.local.clock import CountingIds, VirtualClock
from infra.local.queues import MemoryDeadLetters, MemoryQueue, MemoryQueues
from infra.wiring import Wiring
from shared.gateways.memory import MemoryBus, MemoryFiles, MemoryMailer
from shared.gateways.mime import compose
from shared.gateways.sign_in import FixedTokens
from shared.gateways.simulated import SimulatedGateway
from shared.gateways.webhook_sender import HttpWebhookSender
from shared.ports import Ports
from shared.storage.memory import MemoryStore


@contextmanager
def open_world(wiring: Wiring, clock: VirtualClock, ids: CountingIds) -> Iterator[Backend]:
    broker = MemoryQueues(wiring.queues.values(), clock.now)
    names = {queue.label: queue.name for queue in wiring.queues.values()}
    gateway = SimulatedGateway(clock)
    ports = Ports(
        store=MemoryStore(),
        clock=clock,
        ids=ids,
        queue=MemoryQueue(broker, names),
        dead_letters=MemoryDeadLetters(broker, names),
        gateway=gateway,
        mailer=MemoryMailer(),
        files=MemoryFiles(),
        bus=MemoryBus(),
        webhooks=HttpWebhookSender(lambda: True),
        sign_in=FixedTokens(),
    )
    yield Backend(ports, broker, gateway, eml=lambda sent: compose(sent.mail), mail=lambda sent: sent.mail)

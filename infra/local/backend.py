"""What a backend of the local cloud provides: the adapters of one world, before anything is put in front of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from infra.local.outside import Sent
from infra.local.queues import Broker
from shared.gateways.simulated import SimulatedGateway
from shared.ports import Mail, Ports


@dataclass(frozen=True, slots=True)
class Backend:
    ports: Ports
    broker: Broker
    gateway: SimulatedGateway
    eml: Callable[[Sent], bytes]  # an accepted mail as MIME text
    mail: Callable[[Sent], Mail]  # the same, read again

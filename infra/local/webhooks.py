"""What the simulated gateway tells of its own accord: signed, and as unreliably as gateways do.

Without faults it tells nothing, so that what is asked, and when, stays as written down; but for what a person does at
the gateway's own dashboard, which nobody would hear of otherwise.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Final

from infra.local.engine import Engine
from infra.local.events import Request, proxy
from infra.local.faults import Rates
from infra.local.invoker import FunctionFailed
from shared.gateways.simulated import GatewayCharge, SimulatedGateway

PATH: Final = "/webhooks/gateway"
LATE: Final = timedelta(minutes=5)  # at least: whoever charges hears the answer first, if at all


class Webhooks:
    """Tells of each charge once or more: some later, some twice, in any order, and again until it is heard."""

    def __init__(self, engine: Engine, gateway: SimulatedGateway, seed: int, rates: Rates) -> None:
        self._engine = engine
        self._gateway = gateway
        self._random = Random(f"webhooks {seed}")  # a stream of its own: others keep theirs
        self._rates = rates
        self._seen = len(gateway.charges)
        self._waiting: list[GatewayCharge] = []

    def tell(self) -> bool:
        """Tell what is not put off any further; whether anything was told."""
        charges = self._gateway.charges
        self._waiting += charges[self._seen :]
        self._seen = len(charges)
        before = self._engine.clock.now() - LATE
        ripe = [charge for charge in self._waiting if charge.at <= before and not self._by_chance(self._rates.delay)]
        self._random.shuffle(ripe)
        heard = {charge.id for charge in ripe if self._tell_of(charge)}
        self._waiting = [charge for charge in self._waiting if charge.id not in heard]
        return bool(heard)

    def _tell_of(self, charge: GatewayCharge) -> bool:
        heard = self._post(charge)
        return self._post(charge) if self._by_chance(self._rates.duplicate) else heard

    def _post(self, charge: GatewayCharge) -> bool:
        return post(self._engine, *self._gateway.webhook(charge))

    def _by_chance(self, rate: float) -> bool:
        return self._random.random() < rate


def post(engine: Engine, body: bytes, signature: str) -> bool:
    """Deliver one message to the route of webhooks; whether it was heard."""
    function = next((route.function for route in engine.wiring.routes if route.path == PATH), None)
    if function is None:
        return False
    headers = {"content-type": "application/json; charset=utf-8", "stripe-signature": signature}
    number, now = engine.invoker.next_number(), engine.clock.now()
    event = proxy(Request("POST", PATH, headers=headers, body=body), PATH, {}, None, number, now)
    try:
        answer = engine.request(function, event)
    except FunctionFailed:
        return False
    return isinstance(answer, dict) and answer.get("statusCode") == 200

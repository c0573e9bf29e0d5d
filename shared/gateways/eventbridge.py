"""Events for the company's other systems, on an EventBridge bus."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from shared.gateways.clients import Clients
from shared.ports import Unavailable

SOURCE = "paidup"
ROUNDS_MAX = 4
PAUSE_SECONDS = 0.1  # before the second try; twice as long before each further one


class EventBridgeBus:
    """Implements shared.ports.Bus."""

    def __init__(
        self, bus: Callable[[], str], clients: Clients, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._bus = bus
        self._clients = clients
        self._sleep = sleep

    def publish(self, detail_type: str, detail: dict[str, object]) -> None:
        entry = {
            "Source": SOURCE,
            "DetailType": detail_type,
            "Detail": json.dumps(detail, ensure_ascii=False),
            "EventBusName": self._bus(),
        }
        code = None
        for round_ in range(ROUNDS_MAX):
            answer = self._clients.call("events", "put_events", {"Entries": [entry]})
            if not answer["FailedEntryCount"]:
                return
            code = answer["Entries"][0].get("ErrorCode")
            self._sleep(PAUSE_SECONDS * 2**round_)
        raise Unavailable(f"EventBridge does not take {detail_type}: {code}")

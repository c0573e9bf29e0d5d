"""Events on their way to the bus: stored with the change that they tell of, told at least once. PRODUCT 9.

The queue's worker publishes and then removes, storing in that transaction what webhook endpoints are to hear of it;
the sweep reminds it of what was left behind.
"""

from __future__ import annotations

from datetime import timedelta

from shared import ports as p
from shared.contracts.messages import PublishEvent
from shared.domain.ids import derive_id
from shared.domain.outbox import OutboxEvent
from shared.ports import Conflict, Ports, Remove, Save
from shared.use_cases.webhook_deliveries import deliveries_called_for, hint_deliveries

LEFT_BEHIND = timedelta(minutes=5)  # an event older than this has lost its message


def new_event(
    detail_type: str, customer_id: str, key: tuple[object, ...], ports: Ports, **detail: object
) -> OutboxEvent:
    """An event about a customer; `key` says which one it is, so that it is stored once."""
    id, now = derive_id("evt_", detail_type, customer_id, *key), ports.clock.now()
    told = {"id": id, "customer_id": customer_id, "at": now.isoformat(timespec="seconds"), **detail}
    return OutboxEvent(id, detail_type, now, told)


def announce(ports: Ports, *event_ids: str) -> None:
    """Ask for stored events to be published."""
    if event_ids:
        ports.queue.send("assess", [PublishEvent(event_id=i).body() for i in event_ids])


def publish_event(event_id: str, ports: Ports) -> bool:
    """Put it on the bus unless that was done, and store its deliveries to webhook endpoints; whether it was put now."""
    event = ports.store.get(OutboxEvent, event_id)
    if event is None:
        return False
    ports.bus.publish(event.detail_type, event.detail)
    deliveries = deliveries_called_for(event, ports)
    try:
        ports.store.commit(Remove(event), *map(Save, deliveries))
    except Conflict:
        return True  # another delivery of the same message published it too
    hint_deliveries(ports, *(d.id for d in deliveries))
    return True


def sweep_events(ports: Ports) -> int:
    """Ask again for whatever should have been published by now; how many that was."""
    limit = (ports.clock.now() - LEFT_BEHIND).strftime("%Y-%m-%dT%H:%M:%S")
    page = ports.store.find(p.EVENTS_PENDING, "all", last=limit)
    announce(ports, *(e.partition for e in page.items))
    return len(page.items)

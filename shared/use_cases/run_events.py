"""Events of runs that have ended, with what they counted, for webhook endpoints that ask for them. docs/WEBHOOKS.md.

Stored like every event in the transaction that they tell of. Counts are those of that moment; the run itself is
recounted each time it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.domain.ids import derive_id
from shared.domain.outbox import OutboxEvent
from shared.domain.runs import BillRun, PaymentRun
from shared.domain.webhook import RunEvent
from shared.ports import Ports


def run_event(
    event_type: RunEvent, run: BillRun | PaymentRun, counts: Mapping[str, int], ports: Ports, **detail: object
) -> OutboxEvent:
    """The one event of its kind that a run has."""
    id, now = derive_id("evt_", event_type, run.id), ports.clock.now()
    told = {"id": id, "run_id": run.id, "as_of": str(run.as_of), "at": now.isoformat(timespec="seconds")}
    return OutboxEvent(id, event_type, now, {**told, "counts": dict(counts), **detail})

"""A past-due episode ends the moment nothing is past due, even for an hour. PRODUCT 9."""

from __future__ import annotations

from shared.contracts.messages import RefreshCustomer
from shared.domain import account_event
from shared.domain.collection import CollectionState
from shared.domain.past_due import ended
from shared.ports import Conflict, Ports, Save, Unavailable
from shared.use_cases.lookups import CONFLICT_RETRIES, afresh, customer_of, open_invoices, settings_of, today

ASKED_AGAIN_SECONDS = 900  # the longest that SQS delays a message


def refresh_episode(customer_id: str, ports: Ports) -> bool:
    """End the running episode if nothing is past due any more; whether it did. Call after anything that settles.

    Service that was restricted is looked at by the queue's worker: it may be lifted though the episode goes on. The
    worker is asked twice, so that nobody who has paid waits for the next day's job because one message was lost.
    """
    ports = afresh(ports)  # of two who settle the last two invoices at once, one has to see both
    for _ in range(CONFLICT_RETRIES):
        state = ports.store.get(CollectionState, customer_id)
        if state is None or not state.followed:
            return False
        customer = customer_of(ports, customer_id)
        on = today(ports, customer, settings_of(ports))
        late = any(i.payment_status(on) == "overdue" for i in open_invoices(ports, customer_id, state.past_due_ids))
        try:
            if not late and state.episode_since is not None:
                ports.store.commit(Save(ended(state, on)), Save(account_event.of_episode_end(state, ports.clock.now())))
        except Conflict:
            continue
        if state.unsettled:
            asked = [RefreshCustomer(customer_id=customer_id).body()]
            ports.queue.send("assess", asked)
            ports.queue.send("assess", asked, delay_seconds=ASKED_AGAIN_SECONDS)
        return not late
    raise Unavailable(f"the collection state of {customer_id} kept changing")

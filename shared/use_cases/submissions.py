"""Forms of the customer's page that were submitted: each page's value works once. PRODUCT 11."""

from __future__ import annotations

from shared.domain.ids import derive_id
from shared.domain.pay_link import KEPT_SUBMITTED, Submission
from shared.ports import Conflict, Ports, Save


def submission_id(customer_id: str, nonce: str) -> str:
    """Of the page that was shown under this nonce."""
    return derive_id("sub_", customer_id, nonce)


def submitted(customer_id: str, nonce: str, ports: Ports) -> Submission | None:
    """What was submitted from that page, if anything."""
    return ports.store.get(Submission, submission_id(customer_id, nonce))


def burn(customer_id: str, nonce: str, ports: Ports) -> None:
    """From now on the page's value is used. For forms whose effect is the same however often they are sent at once."""
    now = ports.clock.now()
    try:
        used = Submission(submission_id(customer_id, nonce), customer_id, now, now + KEPT_SUBMITTED, done=True)
        ports.store.commit(Save(used))
    except Conflict:
        pass  # used by the same form, sent twice

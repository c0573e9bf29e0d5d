"""What the payment gateway tells of its own accord: a hint to ask it, once per event and in any order. PRODUCT 7.

Nothing in a webhook is believed but the name of the attempt that it concerns. Whether it comes late, twice, before the
answer to the charge or after a later one, the gateway is asked how things stand now.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal

from shared.domain.payment import Payment
from shared.domain.records import HeardEvent
from shared.ports import Conflict, GatewayEvent, Ports, Save, Unavailable
from shared.use_cases.charge_invoice import retry_once_settled
from shared.use_cases.refund_payment import ask_again, settle_refund
from shared.use_cases.reversals import take_back
from shared.use_cases.settle_payment import settle

KEPT: Final = timedelta(days=7)  # the gateway tells an event again for three days

Heard = Literal["settled", "nothing_new", "repeated", "ignored", "too_early"]


def hear_gateway(body: bytes, signature: str, ports: Ports) -> Heard:
    """Settle the attempt or refund that a webhook concerns, if it is open, or took money after all; and write down what
    was given back or disputed at the gateway itself.

    `ignored` is what concerns no attempt of ours, `too_early` what the gateway itself could not confirm yet: the event
    is not remembered, and the attempt is asked about at its time. Raises Forged, and Unavailable to be told again: what
    went back of an attempt that nobody knows the outcome of can be written down only once that is known.
    """
    event = ports.gateway.hear(body, signature)
    payment = _concerned(event, ports)
    if payment is None:
        return "ignored"
    if ports.store.get(HeardEvent, event.id) is not None:
        return "repeated"
    belied = (event.succeeded or event.reversal) and payment.status in ("failed", "declined")
    heard = _settled(payment, ports) if payment.awaited or belied else "nothing_new"
    if event.reversal and heard == "too_early":
        raise Unavailable(f"the gateway cannot say yet what became of {payment.id}")
    if event.reversal and take_back(payment.id, ports):
        heard = "settled"
    if heard != "too_early":
        _remember(event, ports)
    return heard


def _concerned(event: GatewayEvent, ports: Ports) -> Payment | None:
    """The attempt that an event names, or the one that its charge was made for: disputes name only that."""
    payment_id = event.payment_id
    if payment_id is None and event.reference is not None:
        payment_id = ports.gateway.attempt_of(event.reference)
    return ports.store.get(Payment, payment_id) if payment_id else None


def _settled(payment: Payment, ports: Ports) -> Heard:
    """While the gateway cannot say, nothing is written, so that hints cannot put off the time to ask."""
    refund = payment.open_refund
    outcome = ask_again(payment, refund, ports) if refund is not None else ports.gateway.look_up(payment)
    if outcome.status == "unknown":
        return "too_early"
    if refund is not None:
        settle_refund(payment.id, refund.ordinal, outcome, ports, asked=True)
    else:
        retry_once_settled(payment, outcome, ports)
        settle(payment, outcome, ports, asked=True)
    return "settled"


def _remember(event: GatewayEvent, ports: Ports) -> None:
    try:
        ports.store.commit(Save(HeardEvent(event.id, ports.clock.now() + KEPT)))
    except Conflict:
        pass  # told twice at the same moment

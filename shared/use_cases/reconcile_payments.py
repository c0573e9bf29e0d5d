"""Attempts and refunds whose outcome nobody knows: the gateway is asked until it can say. PRODUCT 7."""

from __future__ import annotations

from shared import ports as p
from shared.domain.payment import Payment
from shared.ports import Ports, Unavailable
from shared.use_cases.charge_invoice import retry_once_settled
from shared.use_cases.lookups import shards
from shared.use_cases.refund_payment import reconcile_refund
from shared.use_cases.settle_payment import settle


def reconcile_payments(ports: Ports) -> dict[str, int]:
    """Ask the gateway about every attempt and refund whose time to ask has come; how many had which outcome.

    One that cannot be settled now is left for the next time and keeps nobody else waiting. Raises what was wrong with
    it after all have been asked about, unless that will pass.
    """
    limit = ports.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%fZ~")
    counts: dict[str, int] = {}
    wrong: list[Exception] = []
    for shard in shards():
        page = ports.store.find(p.PAYMENTS_UNRESOLVED, shard, last=limit)
        for payment in ports.store.get_many(Payment, [e.key for e in page.items]):
            if payment.awaited:
                status = _ask(payment, wrong, ports)
                counts[status] = counts.get(status, 0) + 1
    if wrong:
        raise wrong[0]
    return counts


def _ask(payment: Payment, wrong: list[Exception], ports: Ports) -> str:
    try:
        if payment.open_refund is not None:
            return f"refund_{reconcile_refund(payment, ports).refunds[-1].status}"
        outcome = ports.gateway.look_up(payment)
        retry_once_settled(payment, outcome, ports)
        settled = settle(payment, outcome, ports, asked=True)
    except Unavailable:
        return "left_for_later"
    except Exception as error:  # noqa: BLE001 - raised by the caller, after everybody else's turn
        wrong.append(error)
        return "left_for_later"
    return settled.status

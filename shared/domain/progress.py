"""What has been billed of a charge: entering a billing, striking one out, what is open. PRODUCT 3, 4."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from shared.domain.calendar import Period
from shared.domain.contract import (
    PERIODS_KEPT,
    BilledPeriod,
    Billing,
    ChargeProgress,
    Contract,
)
from shared.domain.errors import Refused
from shared.domain.service import NEVER, joined, without


def progress_of(contract: Contract, charge_id: str) -> ChargeProgress:
    found = next((p for p in contract.progress if p.charge_id == charge_id), None)
    return found or ChargeProgress(charge_id)


def with_progress(contract: Contract, changed: ChargeProgress) -> Contract:
    """An entry that says nothing is left out."""
    others = [p for p in contract.progress if p.charge_id != changed.charge_id]
    entries = [*others, changed] if changed.billed_through else others
    order = {c.id: n for n, c in enumerate(contract.charges)}
    return replace(contract, progress=tuple(sorted(entries, key=lambda p: order.get(p.charge_id, len(order)))))


def open_ranges(progress: ChargeProgress, first_start: date) -> tuple[Period, ...]:
    """Where nothing is billed: the reopened ranges, and everything from `billed_through` on."""
    return (*(Period(*r) for r in progress.reopened), Period(progress.billed_through or first_start, NEVER))


def entered(progress: ChargeProgress, period: Period, billing: Billing, first_start: date) -> ChargeProgress:
    """With one more billing of a period. What is passed over on the way stays open. Keeps the last PERIODS_KEPT."""
    known = {p.start: p for p in progress.periods}
    before = known.get(period.start)
    billings = (*before.billings, billing) if before else (billing,)
    known[period.start] = BilledPeriod(period.start, period.end, billings)
    through = progress.billed_through or first_start
    passed = [Period(through, period.start)] if through < period.start else []
    still_open = without((*(Period(*r) for r in progress.reopened), *passed), [period])
    return replace(
        progress, billed_through=max(through, period.end),
        periods=tuple(known[start] for start in sorted(known))[-PERIODS_KEPT:],
        reopened=tuple((r.start, r.end) for r in joined(still_open)),
    )  # fmt: skip


def struck(progress: ChargeProgress, invoice_id: str, first_start: date) -> ChargeProgress:
    """Without an invoice's billings: the periods it alone had billed are open again.

    Raises Refused if another invoice has billed one of them since.
    """
    left: list[BilledPeriod] = []
    reopened = [Period(*r) for r in progress.reopened]
    for period in progress.periods:
        billings = _without(period, invoice_id)
        if billings:
            left.append(replace(period, billings=billings))
        else:
            reopened.append(Period(period.start, period.end))
    return _settled(replace(progress, periods=tuple(left)), joined(reopened), first_start)


def _without(period: BilledPeriod, invoice_id: str) -> tuple[Billing, ...]:
    mine = [n for n, b in enumerate(period.billings) if b.invoice_id == invoice_id]
    if not mine:
        return period.billings
    later = next((b.invoice_id for b in period.billings[mine[0] :] if b.invoice_id not in (invoice_id, "")), None)
    if later is not None:
        raise Refused(
            "adjusted_later",
            f"invoice {later} has adjusted the period from {period.start} since; take that one back first",
        )
    return period.billings[: mine[0]]


def _settled(progress: ChargeProgress, reopened: tuple[Period, ...], first_start: date) -> ChargeProgress:
    """Open ranges at the end move `billed_through` back instead; back at the start nothing is billed at all."""
    through = progress.billed_through
    while reopened and through is not None and reopened[-1].end >= through:
        through = reopened[-1].start
        reopened = reopened[:-1]
    if through is not None and through <= first_start:
        through = None
    return replace(progress, billed_through=through, reopened=tuple((r.start, r.end) for r in reopened))


def forgotten_before(progress: ChargeProgress, first_start: date) -> date | None:
    """The start of the oldest billed period still known, if older ones are not: nothing before it can change.

    None while everything billed is known.
    """
    if progress.billed_through is None:
        return None
    known = [Period(p.start, p.end) for p in progress.periods] + [Period(*r) for r in progress.reopened]
    if not without([Period(first_start, progress.billed_through)], known):
        return None
    return min((p.start for p in progress.periods), default=progress.billed_through)

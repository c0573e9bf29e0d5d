"""What has been billed of a charge: entering a billing, striking one out, what is open. PRODUCT 3, 4.

A billed period is kept as one line of text, such as

    2026-01-01/2026-02-01|inv_a;10000*1=10000|inv_b;10000*1=3226@2026-01-01/2026-01-11

which says that inv_a billed the whole of January at 100.00 and inv_b then corrected it to ten days of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import lru_cache

from shared.domain.calendar import Period
from shared.domain.contract import PERIODS_KEPT, BilledPeriod, Billing, ChargeProgress, Contract, Segment
from shared.domain.copies import replace
from shared.domain.errors import Refused
from shared.domain.service import NEVER, Timeline, joined, without

PARSED_KEPT = 4_096  # periods remembered in their parsed form

_DATE_CHARS = 10


# ---- one line per period --------------------------------------------------------------------------------------


def packed(period: BilledPeriod) -> str:
    whole = Period(period.start, period.end)
    billings = ("".join((b.invoice_id, *(_packed_segment(s, whole) for s in b.segments))) for b in period.billings)
    return "|".join((_packed_days(period.start, period.end), *billings))


def _packed_segment(segment: Segment, whole: Period) -> str:
    text = f";{segment.unit_amount_minor}*{segment.quantity}={segment.amount_minor}"
    is_whole = segment.start == whole.start and segment.end == whole.end
    return text if is_whole else f"{text}@{_packed_days(segment.start, segment.end)}"


def _packed_days(start: date, end: date) -> str:
    return f"{start}/{end}"


@lru_cache(maxsize=PARSED_KEPT)
def unpacked(text: str) -> BilledPeriod:
    days, *billings = text.split("|")
    whole = _unpacked_days(days)
    return BilledPeriod(whole.start, whole.end, tuple(_unpacked_billing(b, whole) for b in billings))


def _unpacked_billing(text: str, whole: Period) -> Billing:
    invoice_id, *segments = text.split(";")
    return Billing(invoice_id, tuple(_unpacked_segment(s, whole) for s in segments))


def _unpacked_segment(text: str, whole: Period) -> Segment:
    priced, _, days = text.partition("@")
    unit, _, rest = priced.partition("*")
    quantity, _, amount = rest.partition("=")
    span = _unpacked_days(days) if days else whole
    return Segment(span.start, span.end, int(unit), Decimal(quantity), int(amount))


def _unpacked_days(text: str) -> Period:
    start, _, end = text.partition("/")
    return Period(date.fromisoformat(start), date.fromisoformat(end))


# ---- the book -------------------------------------------------------------------------------------------------


def progress_of(contract: Contract, charge_id: str) -> ChargeProgress:
    return next((p for p in contract.progress if p.charge_id == charge_id), None) or ChargeProgress(charge_id)


def with_progress(contract: Contract, changed: Iterable[ChargeProgress]) -> Contract:
    """The contract with these entries, in the order of its charges; one that says nothing is left out."""
    entries = {p.charge_id: p for p in contract.progress} | {p.charge_id: p for p in changed}
    ordered = (entries[c.id] for c in contract.charges if c.id in entries)
    return replace(contract, progress=tuple(p for p in ordered if p.billed_through))


def billed_periods(progress: ChargeProgress) -> list[BilledPeriod]:
    return [unpacked(text) for text in progress.periods]


def billed_period(progress: ChargeProgress, start: date) -> BilledPeriod | None:
    text = _find(progress, start)
    return None if text is None else unpacked(text)


def _find(progress: ChargeProgress, start: date) -> str | None:
    sought = start.isoformat()
    return next((text for text in reversed(progress.periods) if text.startswith(sought)), None)


def open_ranges(progress: ChargeProgress, line: Timeline) -> tuple[Period, ...]:
    """Where nothing is billed: the reopened ranges, and everything from `billed_through` on."""
    return (*(Period(*r) for r in progress.reopened), Period(progress.billed_through or line.first_start, NEVER))


def entered(progress: ChargeProgress, period: Period, billing: Billing, line: Timeline) -> ChargeProgress:
    """With one more billing of a period. What is passed over on the way stays open. Keeps the last PERIODS_KEPT."""
    before = _find(progress, period.start)
    billings = (*unpacked(before).billings, billing) if before else (billing,)
    others = (text for text in progress.periods if text is not before)
    texts = sorted((*others, packed(BilledPeriod(period.start, period.end, billings))))  # they begin with their date
    through = progress.billed_through or line.first_start
    reopened = progress.reopened
    if reopened or through < period.start:
        passed = [Period(through, period.start)] if through < period.start else []
        reopened = _pairs(joined(without((*(Period(*r) for r in reopened), *passed), [period])))
    return replace(
        progress, billed_through=max(through, period.end), periods=tuple(texts[-PERIODS_KEPT:]), reopened=reopened
    )


def _pairs(ranges: Iterable[Period]) -> tuple[tuple[date, date], ...]:
    return tuple((r.start, r.end) for r in ranges)


def billed_by(progress: ChargeProgress, invoice_id: str) -> bool:
    return any(f"|{invoice_id};" in text or f"|{invoice_id}|" in f"{text}|" for text in progress.periods)


def struck(progress: ChargeProgress, invoice_id: str, line: Timeline) -> ChargeProgress:
    """Without an invoice's billings: the periods it alone had billed are open again.

    Raises Refused if another invoice has billed one of them since.
    """
    left: list[str] = []
    reopened = [Period(*r) for r in progress.reopened]
    for period in billed_periods(progress):
        billings = _without(period, invoice_id)
        if billings:
            left.append(packed(replace(period, billings=billings)))
        else:
            reopened.append(Period(period.start, period.end))
    return _settled(replace(progress, periods=tuple(left)), joined(reopened), line.first_start)


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
    return replace(progress, billed_through=through, reopened=_pairs(reopened))


def forgotten_before(progress: ChargeProgress, line: Timeline) -> date | None:
    """The start of the oldest billed period still known, if older ones are not: nothing before it can change.

    None while everything billed is known.
    """
    if progress.billed_through is None or (not progress.periods and not progress.reopened):
        return progress.billed_through
    days = (_unpacked_days(text.partition("|")[0]) for text in progress.periods)
    known = [*days, *(Period(*r) for r in progress.reopened)]
    if not without([Period(line.first_start, progress.billed_through)], known):
        return None
    oldest = next(iter(progress.periods), None)
    return date.fromisoformat(oldest[:_DATE_CHARS]) if oldest else progress.billed_through

"""Taking in usage records: each once, summed per local day of the customer. PRODUCT 3."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

from shared.domain.billing import scheduled
from shared.domain.calendar import local_date
from shared.domain.contract import Charge, Contract
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.errors import Invalid
from shared.domain.progress import billed_periods, forgotten_before, progress_of
from shared.domain.records import Owner
from shared.domain.service import timeline
from shared.domain.usage import UsageDay, UsageMeter, UsageRecord
from shared.domain.values import dataclass
from shared.ports import Change, Conflict, Ports, Save, Unavailable
from shared.use_cases.lookups import CONFLICT_RETRIES, settings_of

RECORDS_MAX: Final = 500  # per call
RECORDS_PER_COMMIT: Final = 40  # each may touch a day of its own; the meter and the contract come on top

Mark = tuple[str, date]  # a charge, and the start of its period that was billed before all its usage had come


@dataclass(frozen=True, slots=True)
class Rejected:
    id: str
    message: str


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What became of the records: taken, known already, or rejected with the reason."""

    accepted: int
    duplicate: int
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True, slots=True)
class _Meant:
    """A contract that usage is for, as it is now."""

    contract: Contract
    zone: str
    meter: UsageMeter


def record_usage(records: Sequence[UsageRecord], ports: Ports) -> UsageReport:
    """Take in up to RECORDS_MAX records. One that is wrong is reported and stops no other."""
    words = record_each(records, ports)
    rejected = (Rejected(r.id, w) for r, w in zip(records, words, strict=True) if w not in (ACCEPTED, DUPLICATE))
    return UsageReport(words.count(ACCEPTED), words.count(DUPLICATE), tuple(rejected))


def record_each(records: Sequence[UsageRecord], ports: Ports) -> list[str]:
    """Like record_usage; for each record ACCEPTED, DUPLICATE, or the words in which it is rejected."""
    if len(records) > RECORDS_MAX:
        raise Invalid("records", f"must have at most {RECORDS_MAX} entries")
    outcomes: dict[int, str] = {}
    by_contract: dict[str, list[int]] = {}
    for position, record in enumerate(records):
        by_contract.setdefault(record.contract_id, []).append(position)
    for contract_id, positions in by_contract.items():
        for at in range(0, len(positions), RECORDS_PER_COMMIT):
            some = positions[at : at + RECORDS_PER_COMMIT]
            results = _record_some(contract_id, [records[n] for n in some], ports)
            outcomes.update(zip(some, results, strict=True))
    return [outcomes[n] for n in range(len(records))]


ACCEPTED: Final = "accepted"
DUPLICATE: Final = "duplicate"


def _record_some(contract_id: str, records: Sequence[UsageRecord], ports: Ports) -> list[str]:
    """One transaction for records of one contract; for each `accepted`, `duplicate`, or why it is rejected."""
    for _ in range(CONFLICT_RETRIES):
        meant = _meant(contract_id, ports)
        if meant is None:
            return [f"there is no contract {contract_id}"] * len(records)
        known = {r.id: r for r in ports.store.get_many(UsageRecord, [(contract_id, r.id) for r in records])}
        outcomes, new, marks = _sorted_out(records, known, meant)
        if not new:
            return outcomes
        try:
            ports.store.commit(Save(meant.meter), *map(Save, new), *_days(new, meant, ports), *_marked(meant, marks))
        except Conflict:
            continue
        return outcomes
    raise Unavailable(f"the usage of contract {contract_id} kept changing")


def _meant(contract_id: str, ports: Ports) -> _Meant | None:
    """The meter is read first: see UsageMeter."""
    meter = ports.store.get(UsageMeter, contract_id) or UsageMeter(contract_id)
    owner = ports.store.get(Owner, contract_id)
    contract = ports.store.get(Contract, owner.customer_id, contract_id) if owner else None
    customer = ports.store.get(Customer, owner.customer_id) if owner else None
    if contract is None or customer is None:
        return None
    return _Meant(contract, customer.zone(settings_of(ports)), meter)


def _sorted_out(
    records: Iterable[UsageRecord], known: dict[str, UsageRecord], meant: _Meant
) -> tuple[list[str], list[UsageRecord], set[Mark]]:
    """For each record what becomes of it; those to write; and the billed periods that they come too late for."""
    outcomes: list[str] = []
    new: dict[str, UsageRecord] = {}
    marks: set[Mark] = set()
    for record in records:
        before = known.get(record.id) or new.get(record.id)
        if before is not None:
            outcomes.append(DUPLICATE if replace(before, version=0) == record else "another record has this id already")
            continue
        on = local_date(record.occurred_at, meant.zone)
        if (reason := why_rejected(record, on, meant.contract)) is not None:
            outcomes.append(reason)
            continue
        new[record.id] = record
        marks |= late_marks(meant.contract, record.metric, on)
        outcomes.append(ACCEPTED)
    return outcomes, list(new.values()), marks


def why_rejected(record: UsageRecord, on: date, contract: Contract) -> str | None:
    """In words for the sender; None for usage that the contract meters on that local date."""
    metered = _charges(contract, record.metric)
    if not metered:
        return f"contract {contract.id} has no usage charge for the metric {record.metric!r}"
    if not record.quantity.is_finite() or record.quantity < 0:
        return "the quantity must not be negative"
    lines = [timeline(contract, c) for c in metered]
    if not any(w.start <= on < w.end for line in lines for w in line.windows):
        return f"contract {contract.id} was not in service on {on}"
    for line in lines:
        floor = forgotten_before(progress_of(contract, line.charge.id), line)
        if floor is not None and on < floor:
            return f"{on} was billed too long ago; the earliest usage that can still be billed is of {floor}"
    return None


def late_marks(contract: Contract, metric: str, on: date) -> set[Mark]:
    """The billed periods that usage of a day belongs to."""
    return {
        (charge.id, period.start)
        for charge in _charges(contract, metric)
        for period in billed_periods(progress_of(contract, charge.id))
        if period.start <= on < period.end
    }


def _charges(contract: Contract, metric: str) -> list[Charge]:
    return [c for c in contract.charges if c.type == "usage" and c.metric == metric]


def _days(new: Sequence[UsageRecord], meant: _Meant, ports: Ports) -> Iterable[Change]:
    """The sums of the days that the records fall on."""
    places = [(r, local_date(r.occurred_at, meant.zone)) for r in new]
    keys = sorted({(r.metric, on) for r, on in places})
    stored = ports.store.get_many(UsageDay, [(meant.contract.id, f"{metric}#{on}") for metric, on in keys])
    days = {(metric, on): UsageDay(meant.contract.id, metric, on) for metric, on in keys}
    days |= {(d.metric, d.on): d for d in stored}
    for record, on in places:
        day = days[record.metric, on]
        days[record.metric, on] = replace(day, quantity=day.quantity + record.quantity, records=day.records + 1)
    return [Save(day) for day in days.values()]


def _marked(meant: _Meant, marks: set[Mark]) -> list[Change]:
    """The contract, if usage came for periods that are billed: it goes on the next invoice."""
    contract = meant.contract
    fresh = sorted(marks - set(contract.late_usage))
    if not fresh:
        return []
    return [Save(scheduled(replace(contract, late_usage=(*contract.late_usage, *fresh))))]

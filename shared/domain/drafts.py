"""Draft invoices of one customer: one per bill date and currency, with all contracts due on it. PRODUCT 4."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from shared.domain.billing import PERIODS_CAUGHT_UP_MAX, Due, apply_billing, due
from shared.domain.contract import Contract
from shared.domain.copies import replace
from shared.domain.customer import Customer
from shared.domain.errors import Refused
from shared.domain.ids import derive_id
from shared.domain.invoice import LINES_MAX, Invoice, Line, totalled
from shared.domain.metering import Step, UsageLookup
from shared.domain.settings import SpotCheckSettings
from shared.domain.spot_check import Findings, earlier_totals, flags_of
from shared.domain.values import dataclass

Key = tuple[date, str]  # bill date and currency


@dataclass(frozen=True, slots=True)
class Billing:
    """Whom a run bills, and as of when. `run_id` and `at` only name what is made."""

    run_id: str
    as_of: date
    at: datetime
    customer: Customer


@dataclass(frozen=True, slots=True)
class Draft:
    invoice: Invoice
    lines: tuple[Line, ...]
    found: Findings


class Parked(Refused):
    """More was missed than a run may catch up; a person has to decide. PRODUCT 4."""

    def __init__(self, contract: Contract, as_of: date) -> None:
        super().__init__(
            "parked",
            f"contract {contract.id} has more than {PERIODS_CAUGHT_UP_MAX} periods to bill as of {as_of}; "
            "bill it in steps, with runs as of earlier dates, or end it",
        )


def due_of(contracts: Iterable[Contract], usage: UsageLookup, as_of: date) -> list[Due]:
    """What each contract has due, of those that have anything. Raises Parked."""
    found: list[Due] = []
    for contract in contracts:
        if contract.next_bill_on is None or contract.next_bill_on > as_of:
            continue
        its = due(contract, usage, as_of)
        if its.missed > PERIODS_CAUGHT_UP_MAX:
            raise Parked(contract, as_of)
        if its.steps:
            found.append(its)
    return found


def drafts_of(what: Billing, dues: Sequence[Due]) -> list[Draft]:
    """The drafts, oldest bill date first. Raises Refused for one that would be too long."""
    keys = sorted({(s.bill_on, d.contract.currency) for d in dues for s in d.steps})
    drafts = (_draft(what, key, [s for d in dues if d.contract.currency == key[1] for s in d.steps]) for key in keys)
    return [d for d in drafts if d.lines]


def contracts_after(dues: Iterable[Due], drafts: Sequence[Draft]) -> list[Contract]:
    """The contracts as they stand once the drafts are there."""
    ids = {key_of(d.invoice): d.invoice.id for d in drafts}
    return [
        apply_billing(d, {on: i for (on, currency), i in ids.items() if currency == d.contract.currency}) for d in dues
    ]


def flagged(
    drafts: Iterable[Draft], customer: Customer, history: Iterable[Invoice], check: SpotCheckSettings
) -> list[Draft]:
    """The drafts with their flags; each is part of the history of the next."""
    known, done = list(history), list[Draft]()
    for draft in drafts:
        done.append(replace(draft, invoice=with_flags(draft, customer, known, check)))
        known.append(done[-1].invoice)
    return done


def with_flags(draft: Draft, customer: Customer, history: Iterable[Invoice], check: SpotCheckSettings) -> Invoice:
    known = tuple(history)
    flags = flags_of(draft.invoice, draft.found, customer, known, check)
    return replace(draft.invoice, flags=flags, earlier_minor=earlier_totals(draft.invoice, known))


def longer(draft: Draft, more: Draft) -> Draft:
    """A draft with the lines of another added, for the same bill date."""
    lines = (*draft.lines, *more.lines)
    found = Findings(
        (*draft.found.missing_usage, *more.found.missing_usage), (*draft.found.late_usage, *more.found.late_usage)
    )
    return Draft(totalled(draft.invoice, _bounded(lines, more.invoice)), lines, found)


def key_of(invoice: Invoice) -> Key:
    return (invoice.bill_on or invoice.invoice_date, invoice.currency)


def _draft(what: Billing, key: Key, steps: Sequence[Step]) -> Draft:
    bill_on, currency = key
    steps = [s for s in steps if s.bill_on == bill_on]
    head = Invoice(
        id=derive_id("inv_", what.run_id, what.customer.id, bill_on, currency), customer_id=what.customer.id,
        currency=currency, invoice_date=what.as_of, tax_rate_percent=what.customer.tax_rate_percent,
        bill_run_id=what.run_id, bill_on=bill_on, created_at=what.at,
    )  # fmt: skip
    lines = _bounded(_lines(steps), head)
    found = Findings(
        missing_usage=tuple(s.missing.name for s in steps if s.missing is not None),
        late_usage=tuple(s.lines[0].name.removesuffix(" (late usage)") for s in steps if s.late),
    )
    return Draft(totalled(head, lines), lines, found)


def _lines(steps: Sequence[Step]) -> tuple[Line, ...]:
    """Of all charges; where nothing but missing usage is due, lines that show a person where it is missing."""
    lines = tuple(line for s in steps for line in s.lines)
    return lines or tuple(s.missing for s in steps if s.missing is not None)


def _bounded(lines: tuple[Line, ...], invoice: Invoice) -> tuple[Line, ...]:
    if len(lines) > LINES_MAX:
        raise Refused(
            "too_many_lines", f"{len(lines)} lines are due on {invoice.bill_on}; an invoice has at most {LINES_MAX}"
        )
    return lines

"""Contracts for billing tests, a ledger to bill them into, and a second opinion on what they should come to."""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import groupby

from shared.domain.billing import apply_billing, due, scheduled, unbill
from shared.domain.contract import Charge, Contract
from shared.domain.errors import Refused
from shared.domain.metering import Used, no_usage

DAY = timedelta(days=1)


def day(text: str) -> date:
    return date.fromisoformat(text)


def recurring(id="chg_1", amount=10_000, **more) -> Charge:
    return Charge(id, more.pop("name", "Support"), "recurring", amount, **more)


def usage(id="chg_u", unit=5, **more) -> Charge:
    return Charge(id, "Backup GB", "usage", metric="gb", unit_amount_minor=unit, timing="arrears", **more)


def one_time(on: str, id="chg_o", amount=9_900, **more) -> Charge:
    return Charge(id, "Setup", "one_time", amount, on=day(on), **more)


def contract(*charges: Charge, start="2026-01-01", bcd=1, **more) -> Contract:
    start_date = day(start)
    made = Contract(
        id="con_1", customer_id="cus_1", name="Managed IT", currency="USD", start_date=start_date,
        billing_starts_on=more.pop("billing_starts_on", start_date), bill_cycle_day=bcd,
        charges=charges or (recurring(),), **more,
    )  # fmt: skip
    return scheduled(made)


def metered(days: dict[str, int | str]):
    """A usage lookup over quantities per day; each day has one record."""

    def lookup(contract_id, metric, start, end):
        found = [Decimal(q) for on, q in days.items() if start <= day(on) < end]
        return Used(sum(found, Decimal(0)), len(found))

    return lookup


class Ledger:
    """A contract with the invoices made of it."""

    def __init__(self, contract: Contract, usage=no_usage) -> None:
        self.contract = contract
        self.usage = usage
        self.invoices = {}  # id -> lines
        self.runs = 0

    def run(self, as_of: str | date):
        """Bill what is due; the lines made, as (bill date, start, end, amount)."""
        as_of = day(as_of) if isinstance(as_of, str) else as_of
        found = due(self.contract, self.usage, as_of)
        self.runs += 1
        ids = {s.bill_on: f"inv_{self.runs}_{s.bill_on}" for s in found.steps if s.lines or s.missing}
        made = []
        for step in found.steps:
            if step.bill_on in ids:
                self.invoices.setdefault(ids[step.bill_on], []).extend(step.lines)
            made += [(step.bill_on, x.service_start, x.service_end, x.amount_minor) for x in step.lines]
        self.contract = apply_billing(found, ids)
        return [tuple(str(v) if isinstance(v, date) else v for v in line) for line in made]

    def take_back(self, invoice_id: str) -> bool:
        """Void or cancel; whether that was possible."""
        try:
            self.contract = unbill(self.contract, invoice_id)
        except Refused:
            return False
        del self.invoices[invoice_id]
        return True

    def change(self, how, *args, **more) -> None:
        self.contract = how(self.contract, *args, **more)

    def lines(self, charge_id: str | None = None):
        every = (line for lines in self.invoices.values() for line in lines)
        return [x for x in every if charge_id in (None, x.charge_id)]

    def total(self, charge_id: str | None = None) -> int:
        return sum(x.amount_minor for x in self.lines(charge_id))

    def coverage(self, charge_id: str) -> dict[date, int]:
        """How often each day is billed, credits counting back."""
        days: Counter[date] = Counter()
        for line in self.lines(charge_id):
            sign = 1 if line.amount_minor > 0 else -1
            for n in range((line.service_end - line.service_start).days):
                days[line.service_start + n * DAY] += sign
        return {on: n for on, n in days.items() if n}


# ---- the second opinion: day by day, and knowing nothing of how billing goes about it -------------------------


def served_days(contract: Contract, charge: Charge, until: date) -> list[date]:
    first = max(contract.start_date, contract.billing_starts_on, charge.starts_on or contract.start_date)
    last = min(contract.end_date or until, until)
    days = [first + n * DAY for n in range(max((last - first).days, 0))]
    return [on for on in days if not contract.suspended(on)]


def price_on(charge: Charge, on: date):
    amount, quantity = charge.amount_minor, charge.quantity
    for change in sorted(charge.changes, key=lambda c: c.effective_on):
        if change.effective_on <= on:
            amount = amount if change.amount_minor is None else change.amount_minor
            quantity = quantity if change.quantity is None else change.quantity
    return amount, quantity


def anchors(contract: Contract, charge: Charge):
    """The starts of all regular periods around the contract's life, without a calendar module."""
    begin = max(contract.start_date, contract.billing_starts_on)
    if charge.interval in ("day", "week"):
        step = (1 if charge.interval == "day" else 7) * charge.interval_count
        first = contract.start_date
        return [first + n * step * DAY for n in range(-2, 900 // step + 2)]
    months = {"month": 1, "quarter": 3, "year": 12}[charge.interval] * charge.interval_count

    def at(number: int) -> date:
        year, month = divmod(number, 12)
        return date(year, month + 1, min(contract.bill_cycle_day, monthrange(year, month + 1)[1]))

    number = begin.year * 12 + begin.month - 1
    while at(number) < begin:
        number += 1
    if contract.anchor_month is not None:
        while months > 1 and number % min(months, 12) != (contract.anchor_month - 1) % min(months, 12):
            number += 1
    return [at(number + n * months) for n in range(-3, 40)]


def expected_total(contract: Contract, charge: Charge, until: date) -> int:
    """What all service up to `until` costs."""
    return cost_of_days(contract, charge, served_days(contract, charge, until))


def cost_of_days(contract: Contract, charge: Charge, days: list[date]) -> int:
    """Runs of days of one period at one price, each rounded once."""
    starts = anchors(contract, charge)

    def place(indexed):
        n, on = indexed
        period = max(s for s in starts if s <= on)
        return (period, price_on(charge, on), on - n * DAY)  # the last is equal for days in a row

    total = 0
    for (period, (amount, quantity), _), together in groupby(enumerate(days), key=place):
        whole = (min(s for s in starts if s > period) - period).days
        exact = Fraction(amount) * Fraction(quantity) * len(list(together)) / whole
        total += int(exact + Fraction(1, 2))
    return total

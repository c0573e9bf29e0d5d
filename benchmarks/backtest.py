"""The cash forecast of a rehearsal against what then happened: `python -m benchmarks.backtest DATA`.

From a past date, 90 days ahead, over real invoices of which everything was paid by hand; beside it two naive forecasts:
each invoice on its due date, and after its customer's mean delay. Nothing after that date is known to any of them.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from statistics import mean
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.real_receivables import day, read_ledger
from functions.rehearsal.drive import SERVED, drive
from shared.bootstrap import copied
from shared.domain.cash_band import likely_paid
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.money import parse_minor
from shared.use_cases.rehearsed import Known, WeekOfCash, read_rehearsed

FROM: Final = date(2012, 12, 31)
DAYS: Final = 90
CURRENCY: Final = "USD"


@dataclass(frozen=True, slots=True)
class Row:
    """One real invoice."""

    id: str
    customer_id: str
    amount_minor: int
    entered_on: date
    due_on: date
    settled_on: date


def rows_of(data: Path) -> list[Row]:
    found = []
    for number, row in read_ledger(data).rows.items():
        entered = day(row["InvoiceDate"])
        found.append(
            Row(
                f"inv_{number}", f"cus_{row['customerID']}", parse_minor(row["InvoiceAmount"], CURRENCY), entered,
                day(row["DueDate"]), max(entered, day(row["SettledDate"])),
            )
        )  # fmt: skip
    return found


def records(rows: Sequence[Row], on: date) -> Iterator[Any]:
    """What Paidup would know at the end of that day."""
    for customer_id in sorted({row.customer_id for row in rows}):
        yield Customer(customer_id, customer_id, created_at=_at(on), version=1)
    for row in rows:
        if row.entered_on > on:
            continue
        paid = row.settled_on <= on
        yield Invoice(
            row.id, row.customer_id, CURRENCY, row.entered_on, status="posted", subtotal_minor=row.amount_minor,
            total_minor=row.amount_minor, residual_minor=0 if paid else row.amount_minor, number=row.id,
            posted_on=row.entered_on, posted_at=_at(row.entered_on), due_on=row.due_on,
            settled_at=_at(row.settled_on) if paid else None, created_at=_at(row.entered_on), version=1,
        )  # fmt: skip


def forecast(rows: Sequence[Row], on: date) -> tuple[WeekOfCash, ...]:
    """Of a rehearsal in which nothing is switched on: the file knows invoices, and neither cards nor mails."""
    known = list(records(rows, on))
    copy = copied(known, {}, _at(on), SERVED)
    drive(copy, _at(on) + timedelta(days=DAYS))
    return read_rehearsed(copy.ports, _at(on), Known.of(known), copy.mailer.noted).cash


def days_expected(rows: Sequence[Row], on: date) -> dict[str, list[tuple[Row, date | None]]]:
    """The day on which each open invoice is expected, by each way to forecast."""
    late: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if row.settled_on <= on:
            late[row.customer_id].append((row.settled_on - row.due_on).days)
    found: dict[str, list[tuple[Row, date | None]]] = {"rehearsal": [], "due date": [], "mean delay": []}
    for row in (r for r in rows if r.entered_on <= on < r.settled_on):
        past = late[row.customer_id]
        usual = row.due_on + timedelta(days=round(mean(past))) if past else row.due_on
        found["rehearsal"].append((row, likely_paid(row.due_on, past, on).usual_on))
        found["due date"].append((row, max(row.due_on, on)))
        found["mean delay"].append((row, max(usual, on)))
    return found


def off_by(found: Sequence[tuple[Row, date | None]]) -> float:
    """Days between forecast and settlement, on the mean over the invoices that have a forecast."""
    return mean(abs((expected - row.settled_on).days) for row, expected in found if expected is not None)


def cash_by(days: Sequence[tuple[int, date | None]], on: date) -> int:
    return sum(amount for amount, at in days if at is not None and at <= on)


def measure(rows: Sequence[Row], on: date) -> tuple[Table, dict[str, float]]:
    """Cash by the end of each week, and the errors; figures by their name."""
    weeks, ways = forecast(rows, on), days_expected(rows, on)
    real = [(row.amount_minor, row.settled_on) for row, _ in ways["due date"]]
    owed = sum(amount for amount, _ in real)
    naive = {name: [(row.amount_minor, at) for row, at in ways[name]] for name in ("due date", "mean delay")}
    table = Table(title=f"Cash from {on}, of {len(real)} open invoices", title_justify="left")
    for heading in ("through", "really", "low", "expected", "high", *naive):
        table.add_column(heading, justify="right")
    errors: dict[str, list[float]] = defaultdict(list)
    within = 0
    for week in weeks:
        came = cash_by(real, week.on)
        said: Mapping[str, int] = {n: getattr(week, n).get(CURRENCY, 0) for n in ("low", "expected", "high")}
        others = {name: cash_by(days, week.on) for name, days in naive.items()}
        within += said["low"] <= came <= said["high"]
        for name, amount in {"rehearsal": said["expected"], **others}.items():
            errors[name].append(abs(amount - came) * 100 / owed)
        table.add_row(str(week.on), *(f"{a / 100:,.2f}" for a in (came, *said.values(), *others.values())))
    figures = {f"{name}: error of cash, % of what is owed": mean(found) for name, found in errors.items()}
    figures |= {f"{name}: days off per invoice": off_by(found) for name, found in ways.items()}
    return table, figures | {"weeks within the band, %": within * 100 / len(weeks)}


def _at(on: date) -> datetime:
    return datetime.combine(on, time(23, 59), UTC)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backtest", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path, help="folder with accounts_receivable.csv")
    parser.add_argument("--on", type=date.fromisoformat, default=FROM, help=f"the last known day (default: {FROM})")
    asked = parser.parse_args()
    table, figures = measure(rows_of(asked.data), asked.on)
    Console().print(table)
    for name, value in figures.items():
        print(json.dumps({"benchmark": "backtest", "figure": name, "value": round(value, 2)}))


if __name__ == "__main__":
    main()

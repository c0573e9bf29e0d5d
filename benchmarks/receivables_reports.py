"""The reports on receivables, held against a plain computation from real invoices, and what they cost.

    python -m benchmarks.receivables_reports agree [DATA]
    python -m benchmarks.receivables_reports cost

`agree` enters every invoice of `accounts_receivable.csv` in DATA (by default ../shared/data) on its date and pays it on
the date it was settled. The aged receivables of ten dates are asked for twice, on the day itself and after everything
is paid, and each bucket of each customer is compared with a computation from the file. `cost` measures the CPU time of
each report for 10,000 customers with 30,000 invoices. Prints a table, then one JSON line per figure.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from time import process_time
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from benchmarks.real_input import DATA_DEFAULT
from benchmarks.real_receivables import Ledger, day, debtor, enter_invoices, enter_payments, read_ledger
from benchmarks.replay import WORK_AT, Paidup, paidup
from infra.cli.outcome import Refused
from shared.contracts.import_csv import imported_id
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice
from shared.domain.payment import Allocation, Payment
from shared.ports import COMMIT_MAX, Save, Store

DATES: Final = 10
TABLE_WIDTH: Final = 120
CURRENCY: Final = "USD"
LIMITS: Final = (("current", None, 0), ("d1_30", 1, 30), ("d31_60", 31, 60), ("d61_90", 61, 90), ("d90_plus", 91, None))
ZERO: Final = Decimal(0)

Buckets = dict[str, Decimal]


# ---- agreement --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Compared:
    """One date: what was owed by bucket according to the file, and how many amounts of Paidup's differ from it."""

    on: date
    file: Buckets
    invoices: int
    compared: int
    differ_on_the_day: int
    differ_afterwards: int


def agree(data: Path) -> list[Compared]:
    """Ten dates, spread evenly over the file, each asked about on the day and in hindsight."""
    ledger = read_ledger(data)
    dates = spread(ledger)
    said: dict[date, Any] = {}
    with paidup(datetime.combine(min(ledger.entered_on), time(0), UTC)) as there:
        for customer in sorted({row["customerID"] for row in ledger.rows.values()}):
            there.ok("POST", "/v1/customers", {**debtor(customer), "automations": {"enabled": False}})
        for on in sorted({*ledger.entered_on, *ledger.settled_on, *dates}):
            live(there, ledger, on)
            if on in dates:
                said[on] = there.ok("GET", "/v1/reports/aged-receivables")
        there.move(datetime.combine(max(ledger.settled_on) + timedelta(days=1), WORK_AT, UTC))
        if there.ok("GET", "/v1/reports/aged-receivables")["items"]:
            raise Refused("something is still owed at the end of the file")
        return [
            compare(ledger, on, said[on], there.ok("GET", f"/v1/reports/aged-receivables?as_of={on}")) for on in dates
        ]


def spread(ledger: Ledger) -> list[date]:
    first, last = min(ledger.entered_on), max(ledger.settled_on)
    step = (last - first).days // (DATES + 1)
    return [first + timedelta(days=step * n) for n in range(1, DATES + 1)]


def live(there: Paidup, ledger: Ledger, on: date) -> None:
    """A day's invoices and payments are entered in the morning."""
    there.move(datetime.combine(on, WORK_AT, UTC))
    enter_invoices(there, ledger, on)
    enter_payments(there, ledger, on)


def compare(ledger: Ledger, on: date, then: Any, now: Any) -> Compared:
    expected, invoices = by_the_file(ledger, on)
    total = dict.fromkeys((name for name, _, _ in LIMITS), ZERO)
    for buckets in expected.values():
        for name, amount in buckets.items():
            total[name] += amount
    expected[""] = total
    differ = [sum(differences(expected, answer)) for answer in (then, now)]
    return Compared(on, total, invoices, len(expected) * (len(LIMITS) + 1), *differ)


def by_the_file(ledger: Ledger, on: date) -> tuple[dict[str, Buckets], int]:
    """What each customer owes at the end of a day by the dates in the file alone, and on how many invoices."""
    owed: dict[str, Buckets] = {}
    count = 0
    for row in ledger.rows.values():
        entered, settled, late = day(row["InvoiceDate"]), day(row["SettledDate"]), (on - day(row["DueDate"])).days
        if not entered <= on < max(entered, settled):
            continue
        count += 1
        name = next(n for n, low, high in LIMITS if (low is None or late >= low) and (high is None or late <= high))
        buckets = owed.setdefault(
            imported_id("customers", row["customerID"]), dict.fromkeys((n for n, _, _ in LIMITS), ZERO)
        )
        buckets[name] += Decimal(row["InvoiceAmount"])
    return owed, count


def differences(expected: Mapping[str, Buckets], answer: Any) -> list[bool]:
    """For every amount whether it differs; a customer that only one side knows differs in all."""
    told = {item["customer_id"]: item["amounts"][CURRENCY] for item in answer["items"]}
    told[""] = answer["totals"][CURRENCY]
    found: list[bool] = []
    for owner in expected.keys() | told.keys():
        ours, theirs = told.get(owner, {}), expected.get(owner, {})
        wanted = {**theirs, "total": sum(theirs.values(), ZERO)} if theirs else {}
        names = [*(name for name, _, _ in LIMITS), "total"]
        found += [name not in ours or name not in wanted or Decimal(ours[name]) != wanted[name] for name in names]
    return found


# ---- cost -------------------------------------------------------------------------------------------------------

TODAY: Final = date(2026, 6, 1)
CUSTOMERS: Final = 10_000
PER_CUSTOMER: Final = 3  # invoices: one paid long ago, one paid since the past day that is asked about, one open
PAST: Final = TODAY - timedelta(days=32)
QUERIES: Final = (
    "aged-receivables", f"aged-receivables?as_of={PAST}", "dso", "collection-effectiveness?days=30&periods=3",
    "cash-forecast", f"cash-forecast?as_of={PAST}",
)  # fmt: skip


def cost(customers: int = CUSTOMERS) -> list[tuple[str, float, int]]:
    """Each report with its CPU seconds and the size of its answer in bytes."""
    found: list[tuple[str, float, int]] = []
    with paidup(datetime.combine(TODAY, WORK_AT, UTC)) as there:
        fill(there.cloud.ports.store, customers)
        for query in QUERIES:
            begun = process_time()
            answer = there.ok("GET", f"/v1/reports/{query}")
            found.append((query, process_time() - begun, len(json.dumps(answer))))
    return found


def fill(store: Store, customers: int) -> None:
    saves: list[Save[Any]] = []
    for number in range(customers):
        id = f"cus_{number:05d}"
        saves.append(Save(Customer(id, f"Customer {number}")))
        for nth, (age, paid_ago) in enumerate(((150, 100), (60, number % 30), (20 + number % 60, None))):
            saves += entered(id, number, nth, age, paid_ago)
        if len(saves) > COMMIT_MAX - 10:
            store.commit(*saves)
            saves = []
    store.commit(*saves)


def entered(owner: str, number: int, nth: int, age: int, paid_ago: int | None) -> list[Save[Any]]:
    """An invoice of that age in days, and its payment."""
    id, minor = f"inv_{number:05d}_{nth}", 10_000 + number
    at = datetime.combine(TODAY - timedelta(days=age), WORK_AT, UTC)
    paid_at = None if paid_ago is None else datetime.combine(TODAY - timedelta(days=paid_ago), time(0), UTC)
    invoice = Invoice(
        id, owner, CURRENCY, at.date(), status="posted", total_minor=minor, residual_minor=0 if paid_at else minor,
        posted_on=at.date(), posted_at=at, created_at=at, due_on=at.date() + timedelta(days=30), settled_at=paid_at,
    )  # fmt: skip
    if paid_at is None:
        return [Save(invoice)]
    allocated = (Allocation(id, minor),)
    paid = Payment(f"pay_{id}", owner, CURRENCY, minor, "check", "succeeded", paid_at, allocations=allocated)
    return [Save(invoice), Save(paid)]


# ---- the command ------------------------------------------------------------------------------------------------


def show_agreement(found: list[Compared]) -> bool:
    """The table; whether every amount agrees."""
    title = "aged receivables: what the file says, and how many of Paidup's amounts differ"
    table = Table(title=title, title_justify="left")
    names = [name for name, _, _ in LIMITS]
    for heading in ("as of", "invoices", *names, "amounts", "differ then", "differ later"):
        table.add_column(heading, justify="right")
    for one in found:
        amounts = (f"{one.file[name]:,}" for name in names)
        counts = (one.compared, one.differ_on_the_day, one.differ_afterwards)
        table.add_row(str(one.on), str(one.invoices), *amounts, *(f"{n:,}" for n in counts))
    Console(width=TABLE_WIDTH).print(table)
    differ = sum(one.differ_on_the_day + one.differ_afterwards for one in found)
    say("agree", "dates", len(found), "")
    say("agree", "amounts compared", 2 * sum(one.compared for one in found), "")
    say("agree", "amounts that differ", differ, "")
    return not differ


def show_cost(found: list[tuple[str, float, int]]) -> None:
    title = f"reports for {CUSTOMERS:,} customers with {CUSTOMERS * PER_CUSTOMER:,} invoices"
    table = Table(title=title, title_justify="left")
    for heading in ("report", "CPU, s", "answer, kB"):
        table.add_column(heading, justify="left" if heading == "report" else "right")
    for query, seconds, size in found:
        table.add_row(query, f"{seconds:.2f}", f"{size // 1_000:,}")
    Console().print(table)
    for query, seconds, _ in found:
        say("cost", query, round(seconds, 3), "s")


def say(name: str, figure: str, value: float, unit: str) -> None:
    print(json.dumps({"benchmark": f"receivables_reports.{name}", "figure": figure, "value": value, "unit": unit}))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.receivables_reports", description=__doc__.split("\n\n")[0]
    )
    parser.add_argument("command", choices=("agree", "cost"))
    parser.add_argument("data", nargs="?", type=Path, default=DATA_DEFAULT, help=f"default: {DATA_DEFAULT}")
    arguments = parser.parse_args()
    try:
        if arguments.command == "agree":
            return 0 if show_agreement(agree(arguments.data)) else 1
        show_cost(cost())
    except Refused as refused:
        print(f"receivables_reports: {refused}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

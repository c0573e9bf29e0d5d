"""Paidup on input that was not made up for it: a telephone company's customers in one bill run, and two years of a
company's invoices replayed day by day.

    python -m benchmarks.real_input telco [DATA]
    python -m benchmarks.real_input receivables [DATA]
    python -m benchmarks.real_input collections [DATA]      the same with reminders, fees, service steps and triggers

DATA is the folder of `telco_customers.csv` and `accounts_receivable.csv`, by default ../shared/data. Everything runs in
this process, through the real handlers on the memory backend. Prints a table, then one JSON line per figure.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from infra.cli.client import LocalApi, ask, every
from infra.cli.outcome import Refused
from infra.demo.figures import World, figures_of
from infra.local.app import LocalClient
from infra.local.cloud import LocalCloud
from shared.contracts.import_csv import ColumnMap, Item, imported_id, read_sheet
from shared.domain.money import format_minor

DATA_DEFAULT: Final = Path("../shared/data")
WORK_AT: Final = time(9)  # UTC: when the replay's people enter invoices, disputes and payments


# ---- figures ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Report:
    """Named figures in order, each with what it cost to come by."""

    name: str
    figures: list[tuple[str, Any, str]] = field(default_factory=list)

    def add(self, figure: str, value: Any, unit: str = "") -> None:
        self.figures.append((figure, value, unit))

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        wall, cpu = perf_counter(), process_time()
        yield
        self.add(f"{stage}, wall", round(perf_counter() - wall, 2), "s")
        self.add(f"{stage}, CPU", round(process_time() - cpu, 2), "s")

    def show(self) -> None:
        table = Table(title=self.name, title_justify="left")
        table.add_column("figure")
        table.add_column("value", justify="right")
        for figure, value, unit in self.figures:
            table.add_row(figure, f"{_grouped(value)} {unit}".strip())
        Console().print(table)
        for figure, value, unit in self.figures:
            print(json.dumps({"benchmark": f"real_input.{self.name}", "figure": figure, "value": value, "unit": unit}))


def _grouped(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def peak_megabytes() -> int:
    """Of the process so far; Linux counts in kilobytes, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1_000_000 if sys.platform == "darwin" else peak // 1_000


@dataclass(slots=True)
class Paidup:
    """One empty local cloud, spoken to as an admin."""

    cloud: LocalCloud
    api: LocalApi

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        return ask(self.api, method, path, body)

    def move(self, to: datetime) -> None:
        self.ok("POST", "/_local/clock", {"advance_to": to.astimezone(UTC).isoformat().replace("+00:00", "Z")})

    def settle(self) -> None:
        """Drain the queues where the clock stands."""
        self.ok("POST", "/_local/clock", {"advance": {"minutes": 0}})

    def world(self, since: date, until: date) -> World:
        lists = {
            name: list(every(self.api, f"/v1/{name}")) for name in ("customers", "invoices", "payments", "notices")
        }
        return World(since=since, until=until, timezone="UTC", **lists)


@contextmanager
def paidup(start: datetime) -> Iterator[Paidup]:
    with LocalCloud("memory", start) as cloud:
        yield Paidup(cloud, LocalApi(LocalClient(cloud)))
        if failures := list(cloud.engine.invoker.failures):
            print(f"{len(failures)} invocations failed; the last:\n{failures[-1].text}", file=sys.stderr)


def rows_of(data: Path, name: str) -> list[dict[str, str]]:
    """The file's rows. Raises Refused if it is not there."""
    path = data / name
    if not path.is_file():
        raise Refused(f"{path} is not there: give the folder of the sample data as an argument")
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def outcome(report: Report, world: World) -> None:
    """What every run comes to."""
    figures = figures_of(world)
    report.add("customers", figures.customers)
    report.add("invoices", figures.invoices)
    report.add("posted", figures.posted)
    for money in figures.money:
        totals = {"invoiced": money.invoiced_minor, "collected": money.collected_minor, "open": money.open_minor}
        for words, minor in {**totals, **{f"open, {b}": v for b, v in money.ageing.items()}}.items():
            report.add(words, format_minor(minor, money.currency), money.currency)
    report.add("mails sent", figures.mailed)
    for kind, count in figures.notices.items():
        report.add(f"notices sent, {kind}", count)
    for status, count in sorted(figures.not_sent.items()):
        report.add(f"notices {status}", count)
    for status, count in sorted(figures.charges.items()):
        report.add(f"card attempts {status}", count)


# ---- a telephone company's bill run -----------------------------------------------------------------------------

AS_OF: Final = date(2026, 1, 15)
AUTOMATIC: Final = {"BankTransferAutomatic": ("Bank", "ba"), "CreditCardAutomatic": ("Visa", "cc")}
TELCO_SETTINGS: Final = {
    "business": {"name": "Telco", "email_from": "billing@telco.example"},
    "bill_run": {"auto_post": True, "auto_email": True, "gate": "all"},
}
TELCO_CLASS: Final = {"id": "cls_autopay", "name": "Autopay", "regular": {"terms_days": 0}}


def telco(data: Path) -> Report:
    """One bill run over every customer as of one day, with posting, mail, documents and a payment run."""
    report, rows = Report("telco"), rows_of(data, "telco_customers.csv")
    with paidup(datetime.combine(AS_OF, WORK_AT, UTC)) as there:
        there.ok("PATCH", "/v1/settings", TELCO_SETTINGS)
        there.ok("PUT", "/v1/customer-classes/cls_autopay", TELCO_CLASS)
        with report.timed("sign up"):
            for row in rows:
                subscribe(there, row)
        with report.timed("bill run with posting, mail and documents"):
            run = there.ok("POST", "/v1/bill-runs", {"as_of": AS_OF.isoformat()})
            there.settle()
        with report.timed("payment run"):
            paid = there.ok("POST", "/v1/payment-runs", {"as_of": AS_OF.isoformat()})
            there.settle()
        run = there.ok("GET", f"/v1/bill-runs/{run['id']}")
        paid = there.ok("GET", f"/v1/payment-runs/{paid['id']}")
        outcome(report, there.world(AS_OF, AS_OF + timedelta(days=1)))
        expected = sum((Decimal(row["MonthlyCharges"]) for row in rows), Decimal(0))
        report.add("sum of MonthlyCharges in the file", str(expected.quantize(Decimal("0.01"))), "USD")
        for name, count in {**run["counts"], "status": run["status"]}.items():
            report.add(f"bill run, {name}", count)
        for name, count in {**paid["counts"], "status": paid["status"]}.items():
            report.add(f"payment run, {name}", count)
    return report


def subscribe(there: Paidup, row: Mapping[str, str]) -> None:
    """A customer with one contract whose anchor lies `tenure` months back, so that one period is due."""
    key = row["customerID"].replace("_", "-")
    customer, method = f"cus_{key}", AUTOMATIC.get(row["PaymentMethod"])
    body = {
        "id": customer, "name": f"Subscriber {key}", "email": f"{key.lower()}@subscribers.example",
        "delivery": ["email" if row["PaperlessBilling"] == "Yes" else "print"], "automations": {"enabled": True},
        **({"class_id": "cls_autopay"} if method else {}),
    }  # fmt: skip
    there.ok("POST", "/v1/customers", body)
    charge = {"name": f"{row['Contract'].replace('_', ' ')} plan", "type": "recurring", "amount": row["MonthlyCharges"]}
    contract = {
        "id": f"con_{key}", "name": "Telephone and internet",
        "start_date": months_before(AS_OF, int(row["tenure"])).isoformat(),
        "billing_starts_on": AS_OF.isoformat(), "bill_cycle_day": AS_OF.day, "charges": [charge],
    }  # fmt: skip
    there.ok("POST", f"/v1/customers/{customer}/contracts", contract)
    if method:
        brand, prefix = method
        token = {"token": f"{prefix}_{key}", "brand": brand, "last4": "4242", "exp_month": 12, "exp_year": 2030}
        there.ok("POST", f"/v1/customers/{customer}/payment-methods", {"id": f"pm_{key}", **token})


def months_before(on: date, months: int) -> date:
    """The same day of an earlier month; the day must exist in all of them."""
    year, month = divmod(on.year * 12 + on.month - 1 - months, 12)
    return date(year, month + 1, on.day)


# ---- two years of invoices --------------------------------------------------------------------------------------

SLASHES: Final = "%m/%d/%Y"
INVOICES: Final = ColumnMap(
    columns={"invoiceNumber": "number", "customerID": "customer_external_id", "InvoiceDate": "invoice_date",
             "DueDate": "due_on", "InvoiceAmount": "amount"},
    date_format=SLASHES,
)  # fmt: skip
PAYMENTS: Final = ColumnMap(
    columns={"invoiceNumber": "invoice_number", "customerID": "customer_external_id", "InvoiceAmount": "amount"},
    constants={"method": "check"},
)
RECEIVABLES_SETTINGS: Final = {
    "business": {"name": "Receivables", "email_from": "billing@receivables.example"},
    "automations": {"past_due": {"enabled": True}},
}


@dataclass(slots=True)
class Ledger:
    """What the file says happens on each day, by the row it says it in."""

    rows: dict[int, dict[str, str]]
    invoices: dict[int, Item]
    payments: dict[int, Item]
    entered_on: dict[date, list[int]] = field(default_factory=lambda: defaultdict(list))
    settled_on: dict[date, list[int]] = field(default_factory=lambda: defaultdict(list))
    overdue_days: Counter[str] = field(default_factory=Counter)  # invoice -> days on which Paidup called it overdue


def receivables(data: Path) -> Report:
    """Every invoice is entered, disputed and paid on its own date; Paidup chases what is late."""
    report, ledger = Report("receivables"), read_ledger(data)
    first, last = min(ledger.entered_on), max(ledger.settled_on)
    with paidup(datetime.combine(first, time(0), UTC)) as there:
        there.ok("PATCH", "/v1/settings", RECEIVABLES_SETTINGS)
        with report.timed("replay"):
            for customer in sorted({row["customerID"] for row in ledger.rows.values()}):
                there.ok("POST", "/v1/customers", debtor(customer))
            for days in range((last - first).days + 1):
                replay_day(there, ledger, first + timedelta(days=days))
            there.move(datetime.combine(last + timedelta(days=1), time(0), UTC))
        world = there.world(first, last + timedelta(days=1))
        outcome(report, world)
        report.add("days replayed", (last - first).days + 1)
        compare_days_late(report, ledger, world)
        for tier, count in sorted(expected_tiers(ledger).items()):
            report.add(f"past_due_{tier} by a count of the file alone", count)
    return report


def read_ledger(data: Path) -> Ledger:
    rows = dict(enumerate(rows_of(data, "accounts_receivable.csv"), start=2))
    content = (data / "accounts_receivable.csv").read_bytes()
    invoices, payments = read_sheet("invoices", content, INVOICES), read_sheet("payments", content, PAYMENTS)
    if wrong := [*invoices.errors, *payments.errors]:
        raise Refused(f"row {wrong[0].row}: {wrong[0].field} {wrong[0].message}")
    ledger = Ledger(rows, {i.row: i for i in invoices.items}, {p.row: p for p in payments.items})
    for number, row in rows.items():
        entered, settled = day(row["InvoiceDate"]), day(row["SettledDate"])
        ledger.entered_on[entered].append(number)
        ledger.settled_on[max(entered, settled)].append(number)
    return ledger


def replay_day(there: Paidup, ledger: Ledger, on: date) -> None:
    """In the morning: what is overdue is counted, then invoices, disputes and payments are entered."""
    there.move(datetime.combine(on, WORK_AT, UTC))
    for invoice in every(there.api, "/v1/invoices?payment_status=overdue"):
        ledger.overdue_days[invoice["number"]] += 1
    enter_invoices(there, ledger, on)
    for number in ledger.entered_on.get(on, []):
        if ledger.rows[number]["Disputed"] == "Yes":
            there.ok("PUT", f"/v1/invoices/{ledger.invoices[number].id}/hold", {"reason": "dispute"})
    enter_payments(there, ledger, on)


def enter_invoices(there: Paidup, ledger: Ledger, on: date) -> None:
    for number in ledger.entered_on.get(on, []):
        there.ok("POST", "/v1/invoices", ledger.invoices[number].body)


def enter_payments(there: Paidup, ledger: Ledger, on: date) -> None:
    for number in ledger.settled_on.get(on, []):
        paid = [{"invoice_id": ledger.invoices[number].id, "amount": ledger.payments[number].body["amount"]}]
        there.ok("POST", "/v1/payments", ledger.payments[number].body | {"allocations": paid})


def debtor(customer: str) -> dict[str, Any]:
    return {
        "id": imported_id("customers", customer), "external_id": customer, "name": f"Customer {customer}",
        "email": f"{customer.lower()}@debtors.example", "automations": {"enabled": True},
    }  # fmt: skip


def compare_days_late(report: Report, ledger: Ledger, world: World) -> None:
    """In two ways: by the date of the payment that Paidup recorded, and by the days on which it said overdue."""
    due_on = {i["number"]: date.fromisoformat(i["due_on"]) for i in world.invoices}
    number_of = {i["id"]: i["number"] for i in world.invoices}
    paid_on = {number_of[a["invoice_id"]]: world.day_of(p["at"]) for p in world.payments for a in p["allocations"]}
    by_payment = by_status = 0
    for row in ledger.rows.values():
        number, late = row["invoiceNumber"], int(row["DaysLate"])
        by_payment += max((paid_on[number] - due_on[number]).days, 0) == late
        by_status += ledger.overdue_days[number] == late
    report.add("invoices late in the file", sum(int(row["DaysLate"]) > 0 for row in ledger.rows.values()))
    report.add("days late agree, by payment date", by_payment)
    report.add("days late agree, by days with status overdue", by_status)
    report.add("invoices disputed", sum(row["Disputed"] == "Yes" for row in ledger.rows.values()))


TIERS: Final = ((30, 3), (14, 2), (1, 1))  # days past due, inclusive, and the tier that starts there


def expected_tiers(ledger: Ledger) -> Counter[int]:
    """The notices that PRODUCT 9 asks for, read off the file day by day, without any of Paidup's code.

    A customer's tier is that of the oldest invoice that is not disputed; an episode lasts while anything is past due.
    """
    expected: Counter[int] = Counter()
    owned: dict[str, list[tuple[date, date, bool]]] = defaultdict(list)  # customer -> (due, settled, disputed)
    for row in ledger.rows.values():
        owned[row["customerID"]].append((day(row["DueDate"]), day(row["SettledDate"]), row["Disputed"] == "Yes"))
    for invoices in owned.values():
        told, on, end = 0, min(due for due, _, _ in invoices), max(settled for _, settled, _ in invoices)
        while on <= end:
            late = [(due, disputed) for due, settled, disputed in invoices if due < on < settled]
            oldest = max(((on - due).days for due, disputed in late if not disputed), default=0)
            tier = next((number for days, number in TIERS if oldest >= days), 0)
            if tier > told:
                expected[tier] += 1
            told = max(told, tier) if late else 0
            on += timedelta(days=1)
    return expected


def day(text: str) -> date:
    return datetime.strptime(text, SLASHES).date()  # noqa: DTZ007 - a date has no zone


# ---- the command ------------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_input", description=__doc__.split("\n\n")[0])
    parser.add_argument("command", choices=("telco", "receivables", "collections"))
    parser.add_argument("data", nargs="?", type=Path, default=DATA_DEFAULT, help=f"default: {DATA_DEFAULT}")
    arguments = parser.parse_args()
    from benchmarks.real_collections import collections  # it is built on this module

    run = {"telco": telco, "receivables": receivables, "collections": collections}[arguments.command]
    wall, cpu = perf_counter(), process_time()
    try:
        report = run(arguments.data)
    except Refused as refused:
        print(f"real_input: {refused}", file=sys.stderr)
        return 1
    report.add("wall time in all", round(perf_counter() - wall, 1), "s")
    report.add("CPU time in all", round(process_time() - cpu, 1), "s")
    report.add("peak memory", peak_megabytes(), "MB")
    report.show()
    return 0


if __name__ == "__main__":
    sys.exit(main())

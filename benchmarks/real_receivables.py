"""Two years of a company's invoices, entered, disputed and paid day by day as its file says."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

from benchmarks.replay import WORK_AT, Paidup, Report, outcome, paidup, rows_of
from infra.cli.client import every
from infra.cli.outcome import Refused
from infra.demo.figures import World
from shared.contracts.import_csv import ColumnMap, Item, imported_id, read_sheet

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

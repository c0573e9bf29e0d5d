"""Two years of a company's invoices with everything on that collections can do, held against a count of the file alone.

Each invoice is entered, disputed and paid on the day the file says. Paidup reminds, chases, charges late fees, limits,
suspends, restores and fires triggers; the counts stand beside those of a slow model that knows the rules and none of
the code. The file knows no late fees, so a fee is voided when its invoice is paid.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.real_receivables import (
    Ledger,
    compare_days_late,
    day,
    debtor,
    expected_tiers,
    read_ledger,
    replay_day,
)
from benchmarks.replay import Paidup, Report, outcome, paidup
from infra.cli.client import every
from infra.demo.figures import World

REMIND, FEE_AFTER, LIMIT_AFTER, SUSPEND_AFTER = 5, 5, 10, 20  # days before and past due
TRIGGERS: Final = (14, 30)
SERVICES: Final = ("active", "limited", "suspended")
POLICY: Final = {
    "terms_days": 30, "reminders_before_due": [REMIND], "late_fee": {"amount": "1.00", "grace_days": FEE_AFTER - 1},
    "limit_after_days": LIMIT_AFTER, "suspend_after_days": SUSPEND_AFTER, "step_notice_days": 0,
}  # fmt: skip
CLASS: Final = {"id": "cls_strict", "name": "Strict", "regular": POLICY, "out_of_turn": POLICY}
SETTINGS: Final = {
    "business": {"name": "Receivables", "email_from": "billing@receivables.example"},
    "automations": {"past_due": {"enabled": True, "triggers": [
        {"days": days, "actions": [{"type": "task", "title": f"Day {days}"}]} for days in TRIGGERS
    ]}},
}  # fmt: skip
A_DAY: Final = timedelta(days=1)


def collections(data: Path) -> Report:
    """The whole replay, with a bar of the days on the error stream."""
    report, ledger = Report("collections"), read_ledger(data)
    first, last = min(ledger.entered_on), max(ledger.settled_on)
    with paidup(datetime.combine(first, time(0), UTC)) as there:
        there.ok("PATCH", "/v1/settings", SETTINGS)
        there.ok("POST", "/v1/customer-classes", CLASS)
        with report.timed("replay"):
            for customer in sorted({row["customerID"] for row in ledger.rows.values()}):
                _sign_up(there, customer)
            for on in _days(first, last):
                replay_day(there, ledger, on)
                _void_fees(there, ledger, on)
            there.move(datetime.combine(last + A_DAY, time(0), UTC))
        world = there.world(first, last + A_DAY)
        outcome(report, world)
        report.add("days replayed", (last - first).days + 1)
        compare_days_late(report, ledger, world)
        compare(report, counted(there, world), expected(ledger))
    return report


def _sign_up(there: Paidup, customer: str) -> None:
    """With a contract in force, without which no trigger fires; its one bill is years away."""
    body = debtor(customer) | {"class_id": CLASS["id"]}
    there.ok("POST", "/v1/customers", body)
    charge = {"name": "Support", "type": "recurring", "amount": "1.00", "interval": "year"}
    contract = {"name": "Support", "start_date": "2011-01-01", "bill_cycle_day": 1, "charges": [charge]}
    there.ok("POST", f"/v1/customers/{body['id']}/contracts", contract)


def _days(first: date, last: date) -> Iterator[date]:
    count = (last - first).days + 1
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        days = (first + n * A_DAY for n in range(count))
        yield from progress.track(days, total=count, description="Replaying days")


def _void_fees(there: Paidup, ledger: Ledger, on: date) -> None:
    """The fees on the invoices that were paid on a day."""
    paid = {ledger.invoices[n].id for n in ledger.settled_on.get(on, [])}
    owners = {ledger.rows[n]["customerID"] for n in ledger.settled_on.get(on, [])}
    for owner in sorted(debtor(o)["id"] for o in owners):
        for memo in list(every(there.api, f"/v1/invoices?customer_id={owner}&payment_status=overdue")):
            if memo["adjusts_invoice_id"] in paid:
                there.ok("POST", f"/v1/invoices/{memo['id']}/void")


# ---- what came of it ------------------------------------------------------------------------------------------


def counted(there: Paidup, world: World) -> Counter[str]:
    """What Paidup did."""
    found = Counter(n["kind"] for n in world.notices if n["status"] == "sent")
    found["late fee"] = sum(i["type"] == "debit_memo" for i in world.invoices)
    for event in there.ok("GET", "/_local/events")["items"]:
        if event["detail_type"].startswith("customer."):
            found[event["detail_type"].removeprefix("customer.")] += 1
    for task in every(there.api, "/v1/tasks"):
        if task["kind"] == "past_due":
            found[f"trigger at {task['reason'].partition(':')[0].removeprefix('Day ')}"] += 1
    return found


def compare(report: Report, found: Counter[str], wanted: Mapping[str, int]) -> None:
    for name, count in wanted.items():
        report.add(name, found[name])
        report.add(f"{name} by a count of the file alone", count)
    agreed = sum(found[name] == count for name, count in wanted.items())
    report.add("counts that agree", f"{agreed} of {len(wanted)}")


# ---- the same from the file alone -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """An invoice of the file: open from the morning it is entered to the morning it is paid."""

    due: date
    entered: date
    closed: date
    disputed: bool


def expected(ledger: Ledger) -> dict[str, int]:
    """What PRODUCT 9 asks for, read off the file day by day, without any of Paidup's code."""
    owned: dict[str, list[Row]] = defaultdict(list)
    for row in ledger.rows.values():
        entered, settled = day(row["InvoiceDate"]), day(row["SettledDate"])
        found = Row(day(row["DueDate"]), entered, max(entered, settled), row["Disputed"] == "Yes")
        owned[row["customerID"]].append(found)
    names = ("reminder", "late fee", *SERVICES[1:], "restored", *(f"trigger at {days}" for days in TRIGGERS))
    total: Counter[str] = Counter()
    for rows in owned.values():
        total += _lived(rows)
    tiers = {f"past_due_{tier}": count for tier, count in sorted(expected_tiers(ledger).items())}
    return {**tiers, **{name: total[name] for name in names}}


def _lived(rows: Sequence[Row]) -> Counter[str]:
    """One customer's days."""
    done: Counter[str] = Counter()
    service, in_a_row, fired = 0, 0, set[int]()
    on, end = min(row.entered for row in rows), max(row.closed for row in rows)
    while on <= end:
        there = [row for row in rows if row.entered <= on < row.closed]
        late = [(on - row.due).days for row in there if row.due < on]
        free = [(on - row.due).days for row in there if row.due < on and not row.disputed]
        kept = _step(late)
        if kept < service and any(row.closed == on for row in rows):  # a payment lifts, in the morning
            done["restored" if kept == 0 else SERVICES[kept]] += 1
            service = kept
        in_a_row = in_a_row + 1 if late else 0
        fired = fired if late else set()
        done["reminder"] += sum((row.due - on).days == REMIND and not row.disputed for row in there)
        done["late fee"] += free.count(FEE_AFTER)
        for days in TRIGGERS:
            if in_a_row == days and free and days not in fired:
                fired.add(days)
                done[f"trigger at {days}"] += 1
        if _step(free) > service:
            service = _step(free)
            done[SERVICES[service]] += 1
        on += A_DAY
    return done


def _step(days: Sequence[int]) -> int:
    oldest: Any = max(days, default=0)
    return 2 if oldest >= SUSPEND_AFTER else 1 if oldest >= LIMIT_AFTER else 0

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
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

from benchmarks.real_collections import collections
from benchmarks.real_receivables import receivables
from benchmarks.replay import WORK_AT, Paidup, Report, outcome, paidup, peak_megabytes, rows_of
from infra.cli.outcome import Refused

DATA_DEFAULT: Final = Path("../shared/data")

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


# ---- the command ------------------------------------------------------------------------------------------------


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.real_input", description=__doc__.split("\n\n")[0])
    parser.add_argument("command", choices=("telco", "receivables", "collections"))
    parser.add_argument("data", nargs="?", type=Path, default=DATA_DEFAULT, help=f"default: {DATA_DEFAULT}")
    arguments = parser.parse_args()
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

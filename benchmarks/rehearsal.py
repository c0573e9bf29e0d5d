"""How long a rehearsal takes, and how much memory: `python -m benchmarks.rehearsal --customers 10000 --days 90`.

Everybody has a contract, four in five a card, of which one in ten declines; everything is switched on. The promise is
10,000 customers for 90 days within 60 seconds of CPU and 1 GB.
"""

from __future__ import annotations

import argparse
import resource
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from time import process_time
from typing import Any, Final

from benchmarks.figures import report
from functions.rehearsal.drive import SERVED, drive, uncollected
from shared.bootstrap import copied
from shared.domain.contract import Charge, Contract
from shared.domain.customer import Customer, Switches
from shared.domain.payment import PaymentMethod
from shared.domain.policy import AutoCharge, CustomerClass, LateFee, Policy
from shared.domain.records import Owner
from shared.domain.settings import Automations, BillRunSettings, PastDue, PaymentRunSettings, SendNewInvoices, Settings
from shared.use_cases.rehearsed import Known, Rehearsed, read_rehearsed

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
BILLED_FROM: Final = date(2026, 1, 1)
SECONDS_PROMISED, MB_PROMISED = 60, 1_000
CUSTOMERS_PROMISED, DAYS_PROMISED = 10_000, 90


def company(customers: int) -> Iterator[Any]:
    """The records of a company in which every customer is billed monthly."""
    past_due = PastDue(enabled=True)
    yield Settings(
        bill_run=BillRunSettings(enabled=True, auto_post=True, auto_email=True, gate="all"),
        payment_run=PaymentRunSettings(enabled=True),
        automations=Automations(SendNewInvoices(enabled=True), past_due=past_due), version=1,
    )  # fmt: skip
    policy = Policy(terms_days=10, auto_charge=AutoCharge("due_on"), late_fee=LateFee("5.00"), suspend_after_days=30)
    yield CustomerClass("cls_all", "All", policy, policy, version=1)
    for n in range(customers):
        id = f"cus_{n:06d}"
        yield Customer(
            id, f"Customer {n}", email=f"ap{n}@example.com", class_id="cls_all", automations=Switches(enabled=True),
            created_at=START, version=1,
        )  # fmt: skip
        charges = (Charge(f"chg_{n}", "Support", "recurring", 100_00 + n),)
        yield Contract(
            f"con_{n:06d}", id, "IT", "USD", BILLED_FROM, BILLED_FROM, n % 28 + 1, charges=charges,
            next_bill_on=BILLED_FROM, created_at=START, version=1,
        )  # fmt: skip
        yield Owner(f"con_{n:06d}", id, version=1)
        if n % 5:
            yield PaymentMethod(f"pm_{n}", id, f"tok_{n}", "visa", "4242", 12, 2035, START, version=1)


@uncollected()
def rehearse(customers: int, days: int) -> tuple[Rehearsed, float, int]:
    """What happened, in how many seconds of CPU, and with how many invocations."""
    records = list(company(customers))
    declines = {f"tok_{n}": ["declined:insufficient_funds"] for n in range(1, customers, 10)}  # who have one
    began = process_time()
    copy = copied(records, declines, START, SERVED)
    driven = drive(copy, START + timedelta(days=days))
    found = read_rehearsed(copy.ports, START, Known.of(records), copy.mailer.noted, driven.failures)
    return found, process_time() - began, driven.invocations


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rehearsal", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--customers", type=int, default=CUSTOMERS_PROMISED)
    parser.add_argument("--days", type=int, default=DAYS_PROMISED)
    asked = parser.parse_args()
    found, seconds, invocations = rehearse(asked.customers, asked.days)
    counts: dict[str, int] = {}
    for happening in found.happenings:
        counts[happening.category] = counts.get(happening.category, 0) + 1
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{asked.customers} customers × {asked.days} days: {seconds:.1f} s, {peak_mb} MB at most")
    print(f"{invocations} invocations, {', '.join(f'{n} {c}' for c, n in counts.items())}; errors: {found.errors}")
    for figure, value, bar in (("seconds", seconds, SECONDS_PROMISED), ("MB", peak_mb, MB_PROMISED)):
        report("rehearsal", figure, value, bar)


if __name__ == "__main__":
    main()

"""How long a rehearsal takes, and how much memory: `python -m benchmarks.rehearsal --customers 10000 --days 90`.

The promise is 10,000 customers for 90 days within 60 seconds of CPU and 1 GB. It is measured for two companies in which
everybody is billed monthly and everything is switched on:

- `paying`: with half a year behind it, rehearsed with a seed, so that everyone pays as before: 44 % by card, of whose
  cards one in ten was declined now and then, and the others by hand, as late as in the public sample of real invoices.
- `unpaid`: a fifth has no card and never pays, and of the cards one in ten declines for ever: so most of the work is
  notices, fees, suspensions, and looking at some 10,000 overdue invoices each day.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from time import process_time
from typing import Any, Final

from benchmarks.figures import report
from functions.rehearsal.rehearse import rehearse_records
from shared.bootstrap import copied
from shared.domain.contract import Charge, Contract
from shared.domain.customer import Customer, Switches
from shared.domain.invoice import Invoice
from shared.domain.payment import Allocation, Payment, PaymentMethod
from shared.domain.policy import AutoCharge, CustomerClass, LateFee, Policy
from shared.domain.records import Owner
from shared.domain.rehearsal import Rehearsal
from shared.domain.settings import Automations, BillRunSettings, PastDue, PaymentRunSettings, SendNewInvoices, Settings
from shared.use_cases.rehearsed import Rehearsed

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
BILLED_FROM: Final = date(2026, 1, 1)
SINCE: Final = datetime(2025, 7, 1, tzinfo=UTC)
MONTHS_BEFORE: Final = tuple(date(2025, month, 1) for month in range(7, 13))
SEED: Final = 7
SECONDS_PROMISED, MB_PROMISED = 60, 1_000
CUSTOMERS_PROMISED, DAYS_PROMISED = 10_000, 90

# Of IBM's public samples: 2,466 invoices of 2012 and 2013 (net 30), and 7,043 customers of a telephone company.
DAYS_LATE: Final = (-30, -24, -19, -16, -14, -12, -10, -9, -7, -6, -4, -3, -1, 1, 3, 5, 7, 10, 13, 18)  # by twentieths
BY_CARD_PERCENT: Final = 44
NET_DAYS: Final = 30


def _everything(terms_days: int) -> Iterator[Any]:
    """Switched on."""
    past_due = PastDue(enabled=True)
    yield Settings(
        bill_run=BillRunSettings(enabled=True, auto_post=True, auto_email=True, gate="all"),
        payment_run=PaymentRunSettings(enabled=True),
        automations=Automations(SendNewInvoices(enabled=True), past_due=past_due), version=1,
    )  # fmt: skip
    policy = Policy(
        terms_days=terms_days, auto_charge=AutoCharge("due_on"), late_fee=LateFee("5.00"), suspend_after_days=30
    )
    yield CustomerClass("cls_all", "All", policy, policy, version=1)


def _customer(n: int, since: datetime) -> Iterator[Any]:
    """With a contract for one recurring charge."""
    id = f"cus_{n:06d}"
    yield Customer(
        id, f"Customer {n}", email=f"ap{n}@example.com", class_id="cls_all", automations=Switches(enabled=True),
        created_at=since, version=1,
    )  # fmt: skip
    charges = (Charge(f"chg_{n}", "Support", "recurring", _price(n)),)
    yield Contract(
        f"con_{n:06d}", id, "IT", "USD", BILLED_FROM, BILLED_FROM, n % 28 + 1, charges=charges,
        next_bill_on=BILLED_FROM, created_at=since, version=1,
    )  # fmt: skip
    yield Owner(f"con_{n:06d}", id, version=1)


def _price(n: int) -> int:
    return 100_00 + n


def _card(n: int, since: datetime) -> PaymentMethod:
    return PaymentMethod(f"pm_{n}", f"cus_{n:06d}", f"tok_{n}", "visa", "4242", 12, 2035, since, version=1)


def unpaid(customers: int) -> Iterator[Any]:
    """The records of a company of which 28 % never pay. Without a seed a card does what it did last."""
    yield from _everything(terms_days=10)
    for n in range(customers):
        yield from _customer(n, START)
        if n % 5:
            yield _card(n, START)
        if n % 10 == 1:
            yield _attempt(f"inv_{n}_none", n, 1, START, "declined")


def paying(customers: int) -> Iterator[Any]:
    """The records of a company whose customers have paid for half a year as those of the samples do."""
    drawn = Random(SEED)
    yield from _everything(NET_DAYS)
    for n in range(customers):
        yield from _customer(n, SINCE)
        by_card = n % 100 < BY_CARD_PERCENT
        if by_card:
            yield _card(n, SINCE)
        for month in MONTHS_BEFORE:
            yield from _billed_before(n, month.replace(day=n % 28 + 1), by_card, drawn)


def _billed_before(n: int, on: date, by_card: bool, drawn: Random) -> Iterator[Any]:
    """An invoice that was posted on that day, and what paid it if that was before the rehearsal."""
    id, due_on = f"inv_{n}_{on.month}", on + timedelta(days=NET_DAYS)
    paid_at = _noon(max(on, due_on + timedelta(days=0 if by_card else drawn.choice(DAYS_LATE))))
    paid = paid_at < START
    yield Invoice(
        id, f"cus_{n:06d}", "USD", on, status="posted", subtotal_minor=_price(n), total_minor=_price(n),
        residual_minor=0 if paid else _price(n), number=f"{on.month}-{n}", bill_on=on, contract_ids=(f"con_{n:06d}",),
        posted_on=on, posted_at=_noon(on), due_on=due_on, settled_at=paid_at if paid else None, created_at=_noon(on),
        version=1,
    )  # fmt: skip
    if paid and by_card:
        if n % 10 == 1 and on.month % 2:
            yield _attempt(id, n, 1, paid_at - timedelta(days=3), "declined")
            yield _attempt(id, n, 2, paid_at, "succeeded")
        else:
            yield _attempt(id, n, 1, paid_at, "succeeded")
    elif paid:
        yield Payment(
            f"pay_{id}", f"cus_{n:06d}", "USD", method="transfer", amount_minor=_price(n), status="succeeded",
            at=paid_at, settled_at=paid_at, allocations=(Allocation(id, _price(n)),), version=1,
        )  # fmt: skip


def _attempt(invoice_id: str, n: int, ordinal: int, at: datetime, status: Any) -> Payment:
    done = status == "succeeded"
    return Payment(
        f"pay_{invoice_id}_{ordinal}", f"cus_{n:06d}", "USD", method="card", amount_minor=_price(n), status=status,
        at=at, invoice_id=invoice_id, attempt=ordinal, payment_method_id=f"pm_{n}", token=f"tok_{n}",
        code=None if done else "insufficient_funds", settled_at=at if done else None,
        allocations=(Allocation(invoice_id, _price(n)),) if done else (), version=1,
    )  # fmt: skip


def _noon(on: date) -> datetime:
    return datetime.combine(on, time(12), UTC)


COMPANIES: Final[dict[str, tuple[Callable[[int], Iterator[Any]], int | None]]] = {
    "paying": (paying, SEED),
    "unpaid": (unpaid, None),
}


def rehearse(company: str, customers: int, days: int) -> tuple[Rehearsed, float]:
    """What happened, and in how many seconds of CPU: from records in memory to the result."""
    made, seed = COMPANIES[company]
    records = list(made(customers))
    asked, live = Rehearsal("reh_1", days, seed=seed), copied((), {}, START, ())
    began = process_time()
    found = rehearse_records(records, asked, live.ports, changed=False)
    return found, process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rehearsal", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--customers", type=int, default=CUSTOMERS_PROMISED)
    parser.add_argument("--days", type=int, default=DAYS_PROMISED)
    parser.add_argument("--company", choices=COMPANIES, help="this one only; else each in a process of its own")
    asked = parser.parse_args()
    if asked.company is None:
        for name in COMPANIES:
            subprocess.run([sys.executable, "-m", "benchmarks.rehearsal", *sys.argv[1:], "--company", name], check=True)
        return
    found, seconds = rehearse(asked.company, asked.customers, asked.days)
    counts: dict[str, int] = {}
    for happening in found.happenings:
        counts[happening.category] = counts.get(happening.category, 0) + 1
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{asked.company}: {asked.customers} customers × {asked.days} days: {seconds:.1f} s, {peak_mb} MB at most")
    print(f"{', '.join(f'{n} {c}' for c, n in counts.items())}; errors: {found.errors}")
    for figure, value, bar in (("seconds", seconds, SECONDS_PROMISED), ("MB", peak_mb, MB_PROMISED)):
        report("rehearsal", f"{asked.company}: {figure}", value, bar)


if __name__ == "__main__":
    main()

"""What each page costs with 10,000 customers: CPU, calls of the store and the records they bring.

    python -m benchmarks.pages [--customers N]

Everybody has a contract, an invoice paid long ago, one paid of late, one open and a draft in a bill run; one customer
has a card, a rule and a hundred open invoices. Each page of the console and of that customer's own is opened twice; the
second time counts, on the memory store. Reports that are too much for a page are shown as the worker kept them.
Prints a table, then one JSON line per figure. The promise is 100 ms of CPU per page, however many customers there are.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from time import process_time
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from rich.console import Console
from rich.table import Table

from benchmarks.company import CountingStore, save
from benchmarks.figures import report
from benchmarks.receivables_reports import TODAY, entered
from benchmarks.replay import WORK_AT, Paidup
from infra.cli.client import LocalApi
from infra.cli.outcome import Refused
from infra.local.app import LocalClient
from infra.local.cloud import LocalCloud
from shared.domain.autopay import AutopayList, AutopayRule, Criterion
from shared.domain.contract import Charge, Contract
from shared.domain.customer import Customer, Switches
from shared.domain.invoice import Invoice, Line, parts, totalled
from shared.domain.payment import PaymentMethod
from shared.domain.records import Owner
from shared.domain.runs import BillRun
from shared.ports import Save

CUSTOMERS: Final = 10_000
BAR_MS: Final = 100
NOW: Final = datetime.combine(TODAY, WORK_AT, UTC)
HOST: Final = "127.0.0.1:8642"
BUSY, RUN = "cus_busy", "brn_big"
OPEN_OF_BUSY: Final = 100
LINES: Final = (Line("Support", 100_00, 100_00),)
CONSOLE: Final = (
    "", "/runs", f"/runs/{RUN}", f"/runs/{RUN}/progress", "/invoices/inv_draft7", "/payment-runs", "/customers",
    "/customers?query=customer+99", "/customers?query=ap77", "/customers?query=no+such+name", "/customers/cus_00007",
    f"/customers/{BUSY}", f"/customers/{BUSY}/timeline", f"/customers/{BUSY}/autopay", "/contracts/con_00007",
    "/past-due", "/settings", "/classes", "/triggers", "/templates", "/templates/past_due_1", "/reports",
    "/reports/dso", "/reports/forecast", "/audit", "/audit/verify",
)  # fmt: skip
CUSTOMERS_OWN: Final = ("", "/cards", "/autopay", "/unsubscribe", "/invoices/inv_busy_0.pdf")
SUMMED_UP: Final = ("/console/reports", "/console/reports/dso", "/console/reports/forecast")  # read up to a limit


@dataclass(frozen=True, slots=True)
class Measured:
    page: str
    cpu_ms: float
    calls: int
    records: int


@dataclass(slots=True)
class Counted:
    calls: int = 0
    records: int = 0

    def count(self, call: str, records: int) -> None:
        self.calls += 1
        self.records += records


def measure(customers: int, cpu_runs: int = 1) -> list[Measured]:
    """Every page; CPU is the least of some runs, since the machine has other work. Raises Refused if one fails."""
    with opened(customers) as (counted, get, pages):
        return [_measured(page, counted, get, cpu_runs) for page in pages]


def _measured(page: str, counted: Counted, get: Any, cpu_runs: int) -> Measured:
    get(page)
    taken = []
    for _ in range(cpu_runs):
        counted.calls = counted.records = 0
        begun = process_time()
        get(page)
        taken.append((process_time() - begun) * 1_000)
    shown = "/pay" + page.removeprefix(f"/pay/{page.split('/')[2]}") if page.startswith("/pay/") else page
    return Measured(shown, min(taken), counted.calls, counted.records)


@contextmanager
def opened(customers: int) -> Iterator[tuple[Counted, Any, list[str]]]:
    """A world of that size, what its store is asked, a browser that is signed in, and the pages."""
    counted = Counted()
    with LocalCloud("memory", NOW) as cloud:
        save(cloud.ports.store, company(customers))
        cloud.use_ports(replace(cloud.ports, store=CountingStore(cloud.ports.store, counted.count)))
        client, there = LocalClient(cloud, token=None), Paidup(cloud, LocalApi(LocalClient(cloud)))
        sent = {"content-type": "application/x-www-form-urlencoded", "host": HOST, "origin": f"http://{HOST}"}
        _, headers, _ = client.request(
            "POST", "/console/sign-in", urlencode({"token": "local-admin"}).encode(), headers=sent
        )
        cookie = headers["Set-Cookie"].split(";")[0]
        link = urlsplit(there.ok("POST", f"/v1/customers/{BUSY}/pay-link", {})["url"]).path

        def get(path: str) -> None:
            status, _, _ = client.request("GET", path, b"", headers={"host": HOST, "cookie": cookie})
            if status != 200:
                raise Refused(f"{path} answered {status}")

        for page in SUMMED_UP:
            get(page)
        cloud.ports.files.write_once("invoices/inv_busy_0.pdf", b"%PDF-", "application/pdf")
        cloud.engine.drain()
        yield counted, get, [*(f"/console{p}" for p in CONSOLE), *(f"{link}{p}" for p in CUSTOMERS_OWN)]


# ---- the company ------------------------------------------------------------------------------------------------


def company(customers: int) -> Iterator[Any]:
    yield BillRun(RUN, as_of=TODAY, status="completed", cursor=None, created_at=NOW, completed_at=NOW)
    for number in range(customers):
        id = f"cus_{number:05d}"
        yield Customer(id, f"Customer {number}", f"ap{number}@x.example", automations=Switches(enabled=True))
        yield _contract(f"con_{number:05d}", id)
        yield Owner(f"con_{number:05d}", id)
        for nth, (age, paid_ago) in enumerate(((150, 100), (60, number % 30), (20 + number % 60, None))):
            yield from (change.entity for change in entered(id, number, nth, age, paid_ago))
        yield from _lined(
            Invoice(f"inv_draft{number}", id, "USD", TODAY, bill_run_id=RUN, bill_on=TODAY, created_at=NOW)
        )
    yield from busy()


def busy() -> Iterator[Any]:
    """One customer who has a card, a rule and as many open invoices as a page shows."""
    yield Customer(BUSY, "Busy Ltd", "ap@busy.example", automations=Switches(enabled=True))
    yield PaymentMethod("pm_busy", BUSY, "tok_busy", "visa", "4242", 12, 2035, NOW)
    yield Owner("pm_busy", BUSY)
    rule = AutopayRule("apr_busy", "pm_busy", (Criterion("amount", "gte", (100_00,)),))
    yield AutopayList(BUSY, "USD", rules=(rule,))
    for nth in range(OPEN_OF_BUSY):
        yield from (save.entity for save in _open(nth))


def _open(nth: int) -> list[Save[Any]]:
    (made,) = entered(BUSY, nth, nth, 20 + nth, None)
    return [Save(replace(made.entity, id=f"inv_busy_{nth}", number=f"INV-{nth}"))]


def _lined(invoice: Invoice) -> Iterator[Any]:
    yield totalled(invoice, LINES)
    yield from parts(invoice.id, LINES)


def _contract(id: str, customer_id: str) -> Contract:
    charges = (Charge(f"chg_{id}", "Support", "recurring", 100_00),)
    began = date(2026, 1, 15)
    return Contract(
        id, customer_id, "IT", "USD", began, began, 15, charges=charges, next_bill_on=date(2026, 6, 15), created_at=NOW
    )


# ---- the command ------------------------------------------------------------------------------------------------


def show(found: Sequence[Measured], customers: int) -> None:
    table = Table(title=f"pages with {customers:,} customers", title_justify="left")
    for heading in ("page", "CPU, ms", "store calls", "records"):
        table.add_column(heading, justify="left" if heading == "page" else "right")
    for one in found:
        table.add_row(one.page, f"{one.cpu_ms:.1f}", str(one.calls), f"{one.records:,}")
    Console(width=100).print(table)
    for one in found:
        report("pages", f"{one.page}, CPU", one.cpu_ms, BAR_MS)
        report("pages", f"{one.page}, store calls", one.calls)
    report("pages", "the slowest, CPU", max(one.cpu_ms for one in found), BAR_MS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__.split("\n\n")[0])
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    customers = parser.parse_args().customers
    found = measure(customers, cpu_runs=3)
    show(found, customers)
    return 0 if max(one.cpu_ms for one in found) <= BAR_MS else 1


if __name__ == "__main__":
    sys.exit(main())

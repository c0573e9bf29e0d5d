"""Paidup and two peers from PyPI on the same work, one after another on this machine: `make peers`.

Two-line invoices drafted, posted and followed up, beside Tryton; renewed, charged and settled, beside djaodjin-saas.
CPU per invoice, from one run. The peers keep their data in SQLite in memory. Paidup's go through pynamodb and botocore
to recorded answers, which is more work than SQLite would be; and once more to Paidup's own memory backend. What each
does and leaves out is said in the table.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.table import Table

from benchmarks import growth, lifecycle, past_due
from benchmarks.figures import console, report

PEERS: Final = Path(__file__).parent / "peers"
PYTHON: Final = Path(__file__).parent.parent / ".local" / "peers" / "bin" / "python"
SCRIPTS: Final = {"Tryton": "tryton_invoices.py", "djaodjin-saas": "djaodjin_renewals.py"}
DRAFT_AND_POST: Final = ("BillRunGenerateFunction", "AutoPostPostFunction")
CHARGE: Final = ("AutopayChargeFunction",)
INCLUDES: Final = {
    "Tryton, one by one": "invoice, number without gaps, accounting move, maturity date",
    "Tryton, in one batch": "the same, all invoices in one call",
    "Tryton, dunned": "a dunning record with its level; no notice",
    "djaodjin-saas": "order, charge, ledger entries of customer, provider and processor; fake processor",
    "Paidup, draft and post": "found due, drafted, checked, numbered without gaps, notice recorded; once, resumable",
    "Paidup, draft, post, charge": "and rules, attempt stored first, simulated gateway, settlement, notice; once",
    "Paidup, notice": "swept, assessed from facts, tier's notice recorded; once per episode",
    "Paidup, all in memory": "draft to settled with mail's text and HTML, on the memory backend",
}  # fmt: skip


def of_peers(customers: int) -> Iterator[tuple[str, str, float]]:
    """Work, who does it, and milliseconds."""
    found: dict[str, float] = {}
    for script in SCRIPTS.values():
        done = subprocess.run(
            [PYTHON, script, "--customers", str(customers)], cwd=PEERS, stdout=subprocess.PIPE, text=True, check=True
        )
        lines = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
        found.update((f"{line['benchmark']}: {line['figure']}", line["value"]) for line in lines)
    yield "draft and post", "Tryton, one by one", found["tryton: draft and post one by one, ms CPU"]
    yield "draft and post", "Tryton, in one batch", found["tryton: draft and post in one batch, ms CPU"]
    yield "follow up", "Tryton, dunned", found["tryton: dunning, ms CPU per dunned invoice"]
    yield "renew, charge, settle", "djaodjin-saas", found["djaodjin: renew, charge and settle, ms CPU"]


def of_paidup(customers: int) -> Iterator[tuple[str, str, float]]:
    own = lifecycle.measure(customers).own()

    def milliseconds(*functions: str) -> float:
        return sum(own[name].cpu for name in functions) * 1000 / customers

    yield "draft and post", "Paidup, draft and post", milliseconds(*DRAFT_AND_POST)
    yield "renew, charge, settle", "Paidup, draft, post, charge", milliseconds(*DRAFT_AND_POST, *CHARGE)
    yield "follow up", "Paidup, notice", past_due.per_customer(customers)["notice"].cpu * 1000
    yield "draft and post", "Paidup, all in memory", growth.live(customers).microseconds / 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.side_by_side", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--customers", type=int, default=100)
    customers: int = parser.parse_args().customers
    if not PYTHON.exists():
        parser.exit(1, "the peers are not installed: `make peers` does that, and runs this\n")
    rows = sorted([*of_peers(customers), *of_paidup(customers)])
    table = Table("work", "who", "CPU ms per invoice", "what that includes", title=f"{customers} invoices of two lines")
    for work, who, cpu in rows:
        table.add_row(work, who, f"{cpu:.1f}", INCLUDES[who])
    console().print(table)
    for work, who, cpu in rows:
        report("side_by_side", f"{work}: {who}, ms CPU", cpu)


if __name__ == "__main__":
    main()

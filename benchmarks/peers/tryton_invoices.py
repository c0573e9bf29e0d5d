"""Tryton's part of `make peers`: two-line invoices drafted and posted, then dunned. Runs in the peers' environment.

In one process, on SQLite in memory, through Tryton's models and wizards, with its users' default of one transaction per
request left out: everything happens within one. Included: sequence numbers without gaps, the accounting move of each
invoice, maturity dates; dunning records with their level. Not included: PDF, mail, payment.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
from decimal import Decimal
from time import process_time
from typing import Any

os.environ["DB_NAME"] = ":memory:"
os.environ.setdefault("TRYTOND_DATABASE_URI", "sqlite://")

from trytond.modules.account.tests.test_module import create_chart, get_fiscalyear
from trytond.modules.account_invoice.tests.test_module import set_invoice_sequences
from trytond.modules.company.tests import create_company, set_company
from trytond.pool import Pool
from trytond.tests.test_tryton import activate_module, with_transaction

LINES = (("Support", Decimal("249.95")), ("Backup", Decimal("10.00")))


def report(figure: str, value: float) -> None:
    print(json.dumps({"benchmark": "tryton", "figure": figure, "value": round(value, 3)}), flush=True)


def customers(count: int, procedure: Any) -> list[Any]:
    party_class = Pool().get("party.party")
    address, followed = [("create", [{"street": "Main Street 1"}])], procedure.id
    made = [{"name": f"Customer {n}", "addresses": address, "dunning_procedure": followed} for n in range(count)]
    return list(party_class.create(made))


def term() -> Any:
    line = {"type": "remainder", "relativedeltas": [("create", [{"days": 0}])]}
    return Pool().get("account.invoice.payment_term").create([{"name": "At once", "lines": [("create", [line])]}])[0]


def procedure() -> Any:
    levels = [{"sequence": n, "overdue": dt.timedelta(days)} for n, days in enumerate((5, 14, 30))]
    return Pool().get("account.dunning.procedure").create([{"name": "Tiers", "levels": [("create", levels)]}])[0]


def draft(party: Any, company: Any, accounts: dict[str, Any], journal: Any, at_once: Any, on: dt.date) -> Any:
    pool = Pool()
    invoice = pool.get("account.invoice")(
        type="out", party=party, company=company, currency=company.currency, journal=journal,
        account=accounts["receivable"], invoice_address=party.addresses[0], payment_term=at_once, invoice_date=on,
    )  # fmt: skip
    line_class = pool.get("account.invoice.line")
    invoice.lines = [
        line_class(
            type="line", description=name, quantity=1, unit_price=price, account=accounts["revenue"],
            currency=company.currency, company=company,
        )
        for name, price in LINES
    ]  # fmt: skip
    invoice.save()
    return invoice


@with_transaction()
def work(count: int) -> None:
    pool, company = Pool(), create_company()
    with set_company(company):
        create_chart(company)
        fiscalyear = set_invoice_sequences(get_fiscalyear(company))
        fiscalyear.save()
        pool.get("account.fiscalyear").create_period([fiscalyear])
        account_class = pool.get("account.account")
        accounts = {
            kind: account_class.search([(f"type.{kind}", "=", True), ("closed", "!=", True)], limit=1)[0]
            for kind in ("receivable", "revenue")
        }
        (journal,) = pool.get("account.journal").search([("code", "=", "REV")], limit=1)
        parties, at_once, on = customers(count, procedure()), term(), dt.datetime.now(dt.UTC).date()
        invoice_class = pool.get("account.invoice")
        began = process_time()
        for party in parties:
            invoice = draft(party, company, accounts, journal, at_once, on)
            invoice_class.post([invoice])
        report("draft and post one by one, ms CPU", (process_time() - began) * 1000 / count)
        began = process_time()
        drafts = [draft(party, company, accounts, journal, at_once, on) for party in parties]
        invoice_class.post(drafts)
        report("draft and post in one batch, ms CPU", (process_time() - began) * 1000 / count)
        dunning_class = pool.get("account.dunning")
        began = process_time()
        dunning_class.generate_dunnings(date=on + dt.timedelta(days=6))
        found = dunning_class.search([])
        dunning_class.process(found) if hasattr(dunning_class, "process") else None
        report("dunning, ms CPU per dunned invoice", (process_time() - began) * 1000 / len(found))
        posted = invoice_class.search([("state", "=", "posted")])
        assert len(posted) == 2 * count == len(found), (len(posted), len(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--customers", type=int, default=200)
    count = parser.parse_args().customers
    for module in ("account_invoice", "account_dunning"):
        activate_module([module])
    Pool.test = False  # without the checks that its own tests add
    work(count)


if __name__ == "__main__":
    main()

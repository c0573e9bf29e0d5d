"""The benchmark of the reports on a slice of the file's shape: what it measures is measured on the real one."""

from __future__ import annotations

import sys
from datetime import date
from decimal import Decimal

import pytest

from benchmarks import receivables_reports
from benchmarks.real_receivables import read_ledger

ROWS = """\
countryCode,customerID,PaperlessDate,invoiceNumber,InvoiceDate,DueDate,InvoiceAmount,Disputed,SettledDate,PaperlessBill,DaysToSettle,DaysLate
391,0379-A,4/6/2013,1,1/2/2013,2/1/2013,55.94,No,1/15/2013,Paper,13,0
391,0379-A,4/6/2013,2,1/2/2013,2/1/2013,10.00,No,6/17/2013,Paper,46,16
406,8976-B,3/3/2012,3,1/26/2013,2/25/2013,61.74,Yes,3/3/2013,Electronic,36,6
406,8976-B,3/3/2012,4,2/26/2013,3/28/2013,20.06,No,2/26/2013,Electronic,0,0
406,8976-B,3/3/2012,5,1/2/2013,2/1/2013,7.77,No,5/3/2013,Electronic,0,0
"""


@pytest.fixture
def data(tmp_path):
    (tmp_path / "accounts_receivable.csv").write_text(ROWS)
    return tmp_path


@pytest.mark.slow
def test_aged_receivables_agree_with_the_file_at_ten_dates_on_the_day_and_afterwards(data):
    found = receivables_reports.agree(data)
    assert len(found) == receivables_reports.DATES
    assert [(one.differ_on_the_day, one.differ_afterwards) for one in found] == [(0, 0)] * len(found)
    reached = {bucket for one in found for bucket, amount in one.file.items() if amount}
    assert reached == {"current", "d1_30", "d31_60", "d61_90", "d90_plus"}


def test_the_file_is_computed_by_hand_too(data):
    owed, invoices = receivables_reports.by_the_file(read_ledger(data), date(2013, 3, 2))
    total = {bucket: sum(b[bucket] for b in owed.values()) for bucket in ("current", "d1_30", "d31_60")}
    assert invoices == 3
    assert total == {"current": Decimal(0), "d1_30": Decimal("79.51"), "d31_60": Decimal(0)}


def test_a_wrong_amount_a_missing_customer_and_one_too_many_are_noticed(data):
    expected, _ = receivables_reports.by_the_file(read_ledger(data), date(2013, 3, 2))
    names = [*(name for name, _, _ in receivables_reports.LIMITS), "total"]
    said = {
        owner: {"USD": {n: str(sum(b.values()) if n == "total" else b[n]) for n in names}}
        for owner, b in expected.items()
    }

    def differing(amounts):
        items = [{"customer_id": owner, "amounts": a} for owner, a in amounts.items()]
        return sum(receivables_reports.differences(expected, {"items": items, "totals": {"USD": {}}})) - len(names)

    first, *others = said
    assert differing(said) == 0
    assert differing({**said, first: {"USD": {**said[first]["USD"], "d1_30": "0.01"}}}) == 1
    assert differing({owner: said[owner] for owner in others}) == len(names)
    assert differing({**said, "cus_new": said[first]}) == len(names)


def test_every_report_is_measured_and_says_something():
    found = receivables_reports.cost(customers=40)
    assert [query for query, _, _ in found] == list(receivables_reports.QUERIES)
    assert all(size > 100 for _, _, size in found)


def test_data_that_is_not_there_is_said_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["receivables_reports", "agree", str(tmp_path)])
    assert receivables_reports.main() == 1
    assert "is not there" in capsys.readouterr().err

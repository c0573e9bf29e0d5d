"""The benchmarks on real input, on small files of the same shape. They are measured on the real ones elsewhere."""

import json
import sys
from datetime import date

import pytest

from benchmarks import real_collections, real_input, real_receivables

TELCO = """\
customerID,gender,tenure,Contract,PaperlessBilling,PaymentMethod,MonthlyCharges,TotalCharges
7590_A,Female,1,Month_to_month,Yes,ElectronicCheck,29.85,29.85
5575_B,Male,34,OneYear,No,MailedCheck,56.95,1889.5
3668_C,Male,0,Month_to_month,Yes,CreditCardAutomatic,53.85,
7795_D,Male,45,TwoYear,No,BankTransferAutomatic,42.3,1840.75
"""
RECEIVABLES = """\
countryCode,customerID,PaperlessDate,invoiceNumber,InvoiceDate,DueDate,InvoiceAmount,Disputed,SettledDate,PaperlessBill,DaysToSettle,DaysLate
391,0379-A,4/6/2013,611365,1/2/2013,2/1/2013,55.94,No,1/15/2013,Paper,13,0
391,0379-A,4/6/2013,611366,1/2/2013,2/1/2013,10.00,No,2/17/2013,Paper,46,16
406,8976-B,3/3/2012,7900770,1/26/2013,2/25/2013,61.74,Yes,3/3/2013,Electronic,36,6
"""
# One paid on day 25 past due, reminded of, charged, limited on day 10, suspended on day 20; one on day 13 beside it.
MORE_RECEIVABLES = """\
770,1111-C,1/1/2013,1000001,1/2/2013,2/1/2013,50.00,No,2/26/2013,Paper,55,25
770,1111-C,1/1/2013,1000002,1/20/2013,2/19/2013,60.00,No,3/4/2013,Paper,43,13
"""
COLLECTED = {
    "reminder": 3, "late fee": 3, "limited": 3, "suspended": 1, "restored": 3, "trigger at 14": 2, "trigger at 30": 1,
}  # fmt: skip


def figures(report):
    return {figure: value for figure, value, _ in report.figures}


def test_a_bill_run_over_the_telephone_company_bills_one_month_and_charges_the_automatic_methods(tmp_path):
    (tmp_path / "telco_customers.csv").write_text(TELCO)
    found = figures(real_input.telco(tmp_path))
    assert found["invoices"] == found["posted"] == 4
    assert found["invoiced"] == found["sum of MonthlyCharges in the file"] == "182.95"
    assert found["collected"] == "96.15"  # 53.85 + 42.30
    assert found["open"] == "86.80"
    assert found["notices sent, invoice"] == 2
    assert (found["bill run, status"], found["payment run, status"]) == ("posted", "completed")


def test_a_replay_agrees_with_the_days_late_of_the_file(tmp_path):
    (tmp_path / "accounts_receivable.csv").write_text(RECEIVABLES)
    found = figures(real_receivables.receivables(tmp_path))
    assert found["invoices"] == 3
    assert found["days late agree, by payment date"] == found["days late agree, by days with status overdue"] == 3
    assert found["open"] == "0.00"
    assert (
        found["notices sent, past_due_1"] == found["past_due_1 by a count of the file alone"] == 1
    )  # the other is held
    assert found["notices sent, past_due_2"] == 1  # 14 days past due on 15 February


def test_a_replay_with_everything_on_agrees_with_a_count_of_the_file(tmp_path):
    (tmp_path / "accounts_receivable.csv").write_text(RECEIVABLES + MORE_RECEIVABLES)
    found = figures(real_collections.collections(tmp_path))
    assert found["counts that agree"] == "9 of 9"
    assert {name: found[name] for name in COLLECTED} == COLLECTED
    assert found["days late agree, by payment date"] == found["days late agree, by days with status overdue"] == 5
    assert found["open"] == "0.00"


def test_the_day_of_the_month_stays_when_months_are_counted_back():
    assert real_input.months_before(date(2026, 1, 15), 13) == date(2024, 12, 15)


def test_data_that_is_not_there_is_said_so(tmp_path, capsys, monkeypatch):
    for command in ("telco", "receivables", "collections"):
        monkeypatch.setattr(sys, "argv", ["real_input", command, str(tmp_path)])
        assert real_input.main() == 1
        assert "is not there" in capsys.readouterr().err


def test_figures_are_printed_as_a_table_and_as_json_lines(tmp_path, capsys, monkeypatch):
    (tmp_path / "telco_customers.csv").write_text(TELCO)
    monkeypatch.setattr(sys, "argv", ["real_input", "telco", str(tmp_path)])
    assert real_input.main() == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert {line["figure"] for line in lines} >= {"invoices", "mails sent", "peak memory", "CPU time in all"}


@pytest.mark.skipif(not (real_input.DATA_DEFAULT / "accounts_receivable.csv").is_file(), reason="no sample data here")
def test_every_row_of_the_real_file_can_be_read():
    ledger = real_receivables.read_ledger(real_input.DATA_DEFAULT)
    assert len(ledger.invoices) == len(ledger.payments) == len(ledger.rows) == 2_466
    assert real_receivables.expected_tiers(ledger) == {1: 386, 2: 46, 3: 1}

"""How a CSV file becomes bodies of the admin API, and what is said of its bad rows."""

import csv
import io
from decimal import Decimal, InvalidOperation

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.export_csv import written
from shared.contracts.import_csv import ColumnMap, UnknownField, Unreadable, imported_id, read_sheet, unprefixed


def sheet(kind, *lines, read=None, newline="\n"):
    return read_sheet(kind, newline.join(lines).encode(), read)


def errors(found):
    return [(e.row, e.field) for e in found.errors]


# ---- the file ---------------------------------------------------------------------------------------------------


def test_columns_are_called_as_the_fields_are_with_dots_and_semicolons():
    found = sheet(
        "customers",
        "id,name,email,delivery,address.city,automations.enabled,tax_rate_percent",
        "cus_acme,Acme,ap@acme.example,email;print,Bonn,yes,19",
    )
    assert not found.errors
    assert found.items[0].body == {
        "id": "cus_acme", "name": "Acme", "email": "ap@acme.example", "delivery": ["email", "print"],
        "address": {"city": "Bonn"}, "automations": {"enabled": True}, "tax_rate_percent": "19",
    }  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_out(delimiter):
    found = sheet(
        "customers", delimiter.join(("id", "name", "email")), delimiter.join(("cus_1", "Acme", "a@b.example"))
    )
    assert found.items[0].body == {"id": "cus_1", "name": "Acme", "email": "a@b.example"}


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_file_may_have_a_byte_order_mark_and_any_line_ends(newline):
    content = "\ufeff" + newline.join(("id,name", "cus_1,Ä & Co", ""))
    assert read_sheet("customers", content.encode()).items[0].body == {"id": "cus_1", "name": "Ä & Co"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"id,,name\n", "every column"),
        (b"id,id\n", "twice"),
        (b"id,name\ncus_1,M\xfcller\n", "line 2 is not UTF-8"),
    ],
)
def test_a_file_that_is_no_table_is_refused_whole(content, words):
    with pytest.raises(Unreadable, match=words):
        read_sheet("customers", content)


def test_rows_are_counted_in_lines_of_the_file_the_header_being_1():
    found = sheet(
        "customers", "id,name,automations.enabled", 'cus_1,"two', 'lines",', "", "cus_2,B,perhaps", "cus_3,C,no"
    )
    assert errors(found) == [(5, "automations.enabled")]
    assert [(i.row, i.id) for i in found.items] == [(2, "cus_1"), (6, "cus_3")]


@pytest.mark.parametrize(
    "bad",
    [
        'cus_2,"never closed',
        'cus_2,"closed"and then',
        "cus_2,B,yes,one cell too many",
        "cus_2,B,maybe",
    ],
)
def test_a_bad_row_costs_no_good_one(bad):
    found = sheet("customers", "id,name,automations.enabled", "cus_1,A,yes", bad, "cus_3,C,no", "cus_4,D,")
    assert [e.row for e in found.errors] == [3]
    assert [i.id for i in found.items] == ["cus_1", "cus_3", "cus_4"]


def test_a_stray_quotation_mark_inside_a_cell_is_part_of_it():
    assert sheet("customers", "id,name", 'cus_1,19" Racks').items[0].body["name"] == '19" Racks'


def test_a_cell_that_an_export_made_harmless_is_what_it_was():
    found = sheet("customers", "id,name", "cus_1,'=SUM(A1)", "cus_2,'t Hooft", "cus_3,''=1")
    assert [i.body["name"] for i in found.items] == ["=SUM(A1)", "'t Hooft", "'=1"]


def test_an_empty_cell_says_nothing():
    assert sheet("customers", "id,name,email,delivery", "cus_1,A,,").items[0].body == {"id": "cus_1", "name": "A"}


def test_a_short_row_has_empty_cells():
    assert sheet("customers", "id,name,email", "cus_1,A").items[0].body == {"id": "cus_1", "name": "A"}


# ---- the mapping ------------------------------------------------------------------------------------------------


def test_a_foreign_file_is_mapped_with_constants_words_and_its_own_dates():
    read = ColumnMap(
        columns={"invoiceNumber": "number", "customerID": "customer_external_id", "InvoiceDate": "invoice_date",
                 "InvoiceAmount": "amount", "PaperlessBill": ""},
        constants={"currency": "USD"},
        date_format="%m/%d/%Y",
    )  # fmt: skip
    header = "invoiceNumber,customerID,InvoiceDate,InvoiceAmount,PaperlessBill,Disputed"
    found = sheet(
        "invoices", header, "611365,0379-NEVHP,1/2/2013,55.94,Paper,No", "7,8,2013-01-02,1.00,Paper,No", read=read
    )
    assert found.ignored == ("Disputed",)
    assert errors(found) == [(3, "invoice_date")]
    assert found.items[0].body == {
        "id": imported_id("invoices", "611365"), "number": "611365", "currency": "USD", "type": "regular", "post": True,
        "customer_id": imported_id("customers", "0379-NEVHP"), "invoice_date": "2013-01-02",
        "lines": [{"name": "Invoice 611365", "amount": "55.94"}],
    }  # fmt: skip


def test_words_of_the_file_are_turned_into_ours():
    read = ColumnMap(columns={"bill": "delivery"}, values={"delivery": {"Electronic": "email"}})
    assert sheet("customers", "id,name,bill", "cus_1,A,Electronic", read=read).items[0].body["delivery"] == ["email"]


def test_a_mapped_column_wins_over_one_that_is_called_like_the_field():
    read = ColumnMap(columns={"firm": "name"})
    assert sheet("customers", "id,name,firm", "cus_1,x,Acme", read=read).items[0].body["name"] == "Acme"


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (ColumnMap(columns={"nope": "name"}), "no column 'nope'"),
        (ColumnMap(columns={"name": "nope"}), "'nope' is no field"),
        (ColumnMap(columns={"id": "name", "name": "name"}), "two columns"),
        (ColumnMap(constants={"nope": "x"}), "'nope' is no field"),
    ],
)
def test_a_mapping_that_names_nothing_is_refused(read, words):
    with pytest.raises(UnknownField, match=words):
        sheet("customers", "id,name", "cus_1,A", read=read)


# ---- ids --------------------------------------------------------------------------------------------------------


def test_the_same_file_gives_the_same_ids():
    lines = ("external_id,name", "A-1,Acme", ",Nameless")
    assert [i.id for i in sheet("customers", *lines).items] == [i.id for i in sheet("customers", *lines).items]


def test_two_equal_rows_are_one_customer_but_two_payments():
    assert len(sheet("customers", "name", "Acme", "Acme").items) == 1
    found = sheet("payments", "customer_id,amount,method", "cus_1,5.00,check", "cus_1,5.00,check")
    assert len({i.id for i in found.items}) == 2


def test_two_rows_of_one_id_must_agree_and_the_first_counts():
    found = sheet("customers", "id,name", "cus_1,A", "cus_1,A", "cus_1,B", "cus_2,C")
    assert errors(found) == [(4, "name")]
    assert [(i.id, i.body["name"]) for i in found.items] == [("cus_1", "A"), ("cus_2", "C")]
    assert found.repeated == 1


# ---- kinds ------------------------------------------------------------------------------------------------------


def test_a_contract_has_a_row_per_charge():
    found = sheet(
        "contracts",
        "external_id,customer_external_id,name,start_date,bill_cycle_day,charges.name,charges.type,charges.amount,"
        "charges.metric,charges.tiers,charges.tier_mode",
        "K1,A-1,Hosting,2026-01-15,15,Base,recurring,49.00,,,",
        "K1,A-1,Hosting,2026-01-15,15,Traffic,usage,,gb,100=0.10;*=0.06,graduated",
    )
    assert not found.errors
    (contract,) = found.items
    assert contract.body["customer_id"] == imported_id("customers", "A-1")
    assert contract.body["bill_cycle_day"] == 15
    assert [c["name"] for c in contract.body["charges"]] == ["Base", "Traffic"]
    assert contract.body["charges"][1]["tiers"] == [
        {"up_to": "100", "unit_amount": "0.10"}, {"up_to": None, "unit_amount": "0.06"},
    ]  # fmt: skip


def test_one_bad_charge_keeps_its_contract_out_and_no_other():
    found = sheet(
        "contracts",
        "id,customer_id,name,charges.name,charges.interval_count",
        "con_1,cus_1,A,Base,1",
        "con_1,cus_1,A,More,often",
        "con_2,cus_1,B,Base,1",
    )
    assert errors(found) == [(3, "charges.interval_count")]
    assert [i.id for i in found.items] == ["con_2"]


def test_an_error_of_the_api_is_reported_at_the_row_of_its_charge():
    (contract,) = sheet(
        "contracts", "id,customer_id,name,charges.name", "con_1,cus_1,A,Base", "con_1,cus_1,A,More"
    ).items
    error = contract.error("charges[1].amount", "is required")
    assert (error.row, error.field, error.message) == (3, "charges.amount", "is required")


def test_a_payment_of_an_invoice_goes_to_it_whole():
    (payment,) = sheet("payments", "external_id,customer_id,amount,invoice_number", "P1,cus_1,10.00,17").items
    assert payment.body["allocations"] == [{"invoice_number": "17", "amount": "10.00"}]
    assert payment.body["reference"] == "P1"


def test_a_payment_can_be_split_over_invoices():
    (payment,) = sheet(
        "payments", "id,customer_id,amount,allocations", "pay_1,cus_1,15.00,inv_1=10.00;inv_2=5.00"
    ).items
    assert payment.body["allocations"][1] == {"invoice_id": "inv_2", "amount": "5.00"}


def test_records_of_two_contracts_may_have_the_same_id():
    found = sheet("usage", "id,contract_id,metric,quantity", "u1,con_1,gb,5", "u1,con_2,gb,5", "u1,con_2,gb,6")
    assert errors(found) == [(4, "quantity")]
    assert [(i.id, i.body["contract_id"]) for i in found.items] == [("u1", "con_1"), ("u1", "con_2")]


def test_an_invoice_is_posted_unless_its_status_says_that_it_is_a_draft():
    lines = ("id,customer_id,status,amount", "inv_1,cus_1,posted,1.00", "inv_2,cus_1,draft,1.00", "inv_3,cus_1,,1.00")
    assert [i.body["post"] for i in sheet("invoices", *lines).items] == [True, False, True]


def test_usage_needs_nothing_but_its_fields():
    (record,) = sheet("usage", "id,contract_id,metric,quantity,occurred_at", "u1,con_1,gb,5,2026-01-03T00:00:00Z").items
    assert record.body["quantity"] == "5"


# ---- what spreadsheets run --------------------------------------------------------------------------------------


@given(st.text(alphabet="=+-@\t\r'ab1 .,\n\"", max_size=6))
def test_no_cell_that_is_exported_is_run_by_a_spreadsheet_and_each_comes_back_as_it_was(cell):
    ((shown, _),) = csv.reader(io.StringIO(written([[cell, "x"]]), newline=""))
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r")) or is_number(shown)
    assert unprefixed(shown) == cell


def is_number(cell):
    try:
        return Decimal(cell) is not None
    except InvalidOperation:
        return False

"""Invoices as EN 16931 has them: valid by the schema, and without a breach of the standard's published rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from shared.domain.address import Address
from shared.domain.customer import Customer
from shared.domain.invoice import Invoice, Line, totalled
from shared.domain.money import multiply
from shared.domain.settings import Business, Settings
from shared.rendering.e_invoice import NoEInvoice, factur_x
from shared.rendering.speech import country_code
from shared.use_cases.e_invoice_facts import Page, e_invoice_facts
from tests.schematron import breaches

BUSINESS = Business(
    name="Nordwind GmbH", address=Address("Hafenstraße 12", "", "Hamburg", "", "20457", "DE"), tax_id="DE123456789",
    iban="DE89370400440532013000", bic="COBADEFFXXX", e_invoice="factur_x",
)  # fmt: skip
CUSTOMER = Customer(
    "cus_1", "Müller & Söhne", "ap@mueller.example", address=Address("Am Markt 3", "", "Berlin", "", "10115", "Germany")
)
SERVICE = {"service_start": date(2026, 1, 15), "service_end": date(2026, 2, 15)}
SUPPORT = Line("Support", 249_95, 249_95, **SERVICE)
PRORATED = Line("Support, prorated", 123_45, 249_95, **SERVICE)
CREDIT = Line("Support, credited", -100_00, 100_00, Decimal(1))
DISCOUNT = Line("Discount", -5_00)
USAGE = Line("Backup GB", 15_53, 5, Decimal("310.5"))
FREE = Line("Insurance", 10_00, 5_00, Decimal(2), taxable=False)


def invoice(*lines, rate="19", **fields):
    defaults = {"number": "INV-1", "status": "posted", "due_on": date(2026, 2, 14), "currency": "EUR"}
    head = Invoice(
        "inv_1", "cus_1", invoice_date=date(2026, 1, 15), tax_rate_percent=Decimal(rate), **(defaults | fields)
    )
    return totalled(head, lines), lines


def xml_of(invoice_and_lines, business=BUSINESS, customer=CUSTOMER, **page):
    head, lines = invoice_and_lines
    return factur_x(e_invoice_facts(head, lines, customer, Settings(business), Page(**page)))


def found(xml, name):
    return [e.text for e in etree.fromstring(xml.encode()).iter(f"{{*}}{name}")]


@pytest.mark.parametrize(
    ("made", "page"),
    [
        (invoice(SUPPORT), {}),
        (invoice(SUPPORT, PRORATED, CREDIT, DISCOUNT, USAGE, FREE), {}),
        (invoice(SUPPORT, rate="0"), {"pay_url": "https://pay.example/x"}),
        (invoice(SUPPORT, FREE, rate="7.5"), {"paid_minor": 50_00}),
        (invoice(SUPPORT), {"paid_minor": 297_44}),
        (invoice(Line("Late fee", 25_00), type="debit_memo"), {"for_invoice": "INV-0"}),
        (invoice(replace(SUPPORT, amount_minor=-249_95), type="credit_memo", number="CM-1", due_on=None, reason="Late"),
         {"for_invoice": "INV-1"}),
        (invoice(SUPPORT, CREDIT, replace(CREDIT, amount_minor=-200_00)), {}),
        (invoice(SUPPORT, currency="JPY"), {}),
        (invoice(SUPPORT, due_on=None), {}),
    ],
    ids=["one line", "every kind of line", "untaxed", "part paid", "paid", "debit memo", "credit memo", "below zero",
         "yen", "no due date"],
)  # fmt: skip
def test_every_invoice_keeps_the_rules(made, page):
    assert breaches(xml_of(made, **page)) == []


def test_the_rules_are_really_asked():
    xml = xml_of(invoice(SUPPORT))
    assert breaches(xml.replace(">297.44<", ">297.45<")) != []
    assert breaches(xml.replace("<ram:CountryID>DE</ram:CountryID>", "<ram:CountryID>XX</ram:CountryID>")) != []


@pytest.mark.parametrize(
    "business",
    [replace(BUSINESS, tax_id="12/345/67890"), replace(BUSINESS, iban=None, bic=None), replace(BUSINESS, bic=None)],
    ids=["tax number", "no account", "no bank"],
)
def test_every_seller_that_the_settings_let_through_keeps_the_rules(business):
    assert breaches(xml_of(invoice(SUPPORT), business)) == []


def test_it_says_who_what_and_how_much():
    xml = xml_of(invoice(SUPPORT), paid_minor=100_00)
    assert "Müller &amp; Söhne" in xml
    assert found(xml, "GrandTotalAmount") == ["297.44"]
    assert found(xml, "TotalPrepaidAmount") == ["100.00"]
    assert found(xml, "DuePayableAmount") == ["197.44"]
    assert found(xml, "IBANID") == ["DE89370400440532013000"]
    assert found(xml, "TypeCode")[0] == "380"
    assert {"20260115", "20260214"} <= set(found(xml, "DateTimeString"))  # the period's last day, not the day after


def test_a_credit_memo_is_a_credit_note_of_what_it_gives():
    xml = xml_of(invoice(replace(SUPPORT, amount_minor=-249_95), type="credit_memo"), for_invoice="INV-7")
    assert found(xml, "TypeCode")[0] == "381"
    assert found(xml, "GrandTotalAmount") == ["297.44"]
    assert "INV-7" in found(xml, "IssuerAssignedID")


def test_the_same_invoice_gives_the_same_xml():
    assert xml_of(invoice(SUPPORT, FREE)) == xml_of(invoice(SUPPORT, FREE))


@pytest.mark.parametrize(
    ("made", "customer", "why"),
    [
        (invoice(), CUSTOMER, "no lines"),
        (invoice(SUPPORT, currency="KWD"), CUSTOMER, "decimals"),
        (invoice(SUPPORT), replace(CUSTOMER, address=Address(city="Berlin")), "country"),
        (invoice(SUPPORT), replace(CUSTOMER, address=Address(country="Ruritania")), "country"),
    ],
)
def test_what_the_standard_cannot_say_is_said_to_be_so(made, customer, why):
    with pytest.raises(NoEInvoice, match=why):
        xml_of(made, customer=customer)


@pytest.mark.parametrize(
    ("written", "code"),
    [("DE", "DE"), ("de", "DE"), ("Germany", "DE"), ("deutschland", "DE"), (" France ", "FR"), ("Österreich", "AT"),
     ("", None), ("XX", None), ("EU", None), ("Europe", None), ("001", None)],
)  # fmt: skip
def test_a_country_is_known_by_its_code_or_its_name(written, code):
    assert country_code(written) == code


def drawn_line(name, unit, quantity, offset, days, taxable):
    start = date(2026, 1, 1)
    period = {"service_start": start, "service_end": start + timedelta(days)} if days else {}
    return Line(name, multiply(unit, quantity) + offset, unit, quantity, taxable=taxable, **period)


LINES = st.builds(
    drawn_line,
    st.text(min_size=1, max_size=40).map(lambda t: f"x{t}"), st.integers(-(10**7), 10**7),
    st.decimals(0, 1000, places=3), st.integers(-100, 100) | st.just(0), st.integers(0, 60), st.booleans(),
)  # fmt: skip


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(lines=st.lists(LINES, min_size=1, max_size=6), rate=st.sampled_from(["0", "5.5", "7", "19", "20"]),
       credit=st.booleans())  # fmt: skip
def test_no_invoice_that_adds_up_breaks_a_rule(lines, rate, credit):
    made = invoice(*lines, rate=rate, type="credit_memo" if credit else "regular")
    assert breaches(xml_of(made)) == []

"""What an invoice's PDF says of the seller, the customer and the moment it was posted. PRODUCT 6."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from io import BytesIO

import pytest
from facturx import get_facturx_xml_from_pdf
from lxml import etree
from pypdf import PdfReader

from shared.domain.address import Address
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice
from shared.domain.payment import CreditBalance
from shared.domain.picture import picture
from shared.domain.settings import Business, Settings
from shared.domain.task import Task
from shared.ports import TASKS
from shared.rendering.documents import render_invoice_pdf
from shared.use_cases.adjust_invoice import adjust_invoice
from shared.use_cases.change_settings import keep_logo
from shared.use_cases.compose_notice import said_of_invoice
from shared.use_cases.notices_by_hand import send_invoice
from shared.use_cases.post_invoices import post_invoice
from shared.use_cases.record_payment import ManualPayment, record_payment
from shared.use_cases.render_document import document_key, render_document
from shared.use_cases.send_notice import send_notice
from tests.integration.stage import Stage
from tests.pictures import png
from tests.schematron import breaches


@pytest.fixture
def stage():
    stage = Stage()
    stage.settings(Settings())
    return stage


def seller(stage, **fields):
    stage.settings(Settings(business=Business(**fields)))


def posted(stage, total=100_00, **fields):
    """Without its PDF, which is not made yet."""
    id = stage.draft(total=total, **fields)
    post_invoice(id, stage.ports)
    return id


def said(stage, id):
    assert render_document(id, stage.ports)
    reader = PdfReader(BytesIO(stage.files.read(document_key(id))))
    return "\n".join(page.extract_text() for page in reader.pages).replace("\u00a0", " ").replace("\u200b", "")


def tasks(stage):
    return [stage.store.get(Task, *e.key).kind for e in stage.store.find(TASKS, "open").items]


def test_a_domestic_customer_sees_no_country_and_a_foreign_one_its_name(stage):
    seller(stage, address=Address("1 Quay", city="Hamburg", country="DE"))
    stage.customer(address=Address("2 Lane", city="Bremen", country="DE"))
    shown = said(stage, posted(stage))
    assert "1 Quay" in shown
    assert shown.count("Germany") == 1  # the seller's own
    stage.customer("cus_fr", address=Address("3 Rue", city="Lyon", country="FR"))
    assert "France" in said(stage, posted(stage, customer_id="cus_fr"))


def test_the_language_is_the_customer_s_or_else_the_business_s(stage):
    seller(stage, language="de")
    stage.customer()
    stage.customer("cus_en", language="en")
    german = said(stage, posted(stage, total=123_456_78))
    assert "USD 123.456,78 fällig am" in german
    assert "USD 123456.78 due" in said(stage, posted(stage, 123_456_78, customer_id="cus_en"))


def test_credit_that_paid_all_at_posting_is_stamped(stage):
    stage.customer()
    stage.save(CreditBalance("cus_a", "USD", 150_00))
    shown = said(stage, posted(stage))
    assert "PAID" in shown
    assert "Paid from credit" in shown
    assert "Nothing left to pay" in shown


def test_credit_that_paid_a_part_is_taken_off(stage):
    stage.customer()
    stage.save(CreditBalance("cus_a", "USD", 30_00))
    shown = said(stage, posted(stage))
    assert "PAID" not in shown
    assert "USD 70.00 due" in shown


def test_what_is_paid_after_posting_does_not_show_however_late_the_page_is_made(stage):
    stage.customer()
    id = posted(stage)
    record_payment(ManualPayment("pay_1", "cus_a", "USD", 100_00, "check"), stage.ports)
    assert stage.store.get(Invoice, id).residual_minor == 0
    shown = said(stage, id)
    assert "PAID" not in shown
    assert "USD 100.00 due" in shown


def test_a_credit_memo_gives_and_owes_nothing(stage):
    stage.customer()
    id = posted(stage)
    number = stage.store.get(Invoice, id).number
    memo = adjust_invoice(id, "credit", None, 40_00, "Late start", stage.ports).memo
    shown = said(stage, memo.id)
    assert "USD 40.00 credited to your account" in shown
    assert number in shown
    assert "Late start" in shown
    assert "-40.00" not in shown


def test_a_page_once_made_is_the_same_whatever_changes(stage):
    stage.customer()
    id = posted(stage)
    said(stage, id)
    first = stage.files.read(document_key(id))
    seller(stage, name="Another", accent_colour="#7a1f1f", logo=keep_logo(picture(png()), stage.ports))
    said(stage, id)
    render_document(id, stage.ports, first=True)  # as a message delivered twice does
    assert stage.files.read(document_key(id)) == first


def test_a_logo_that_cannot_be_printed_holds_nothing_back_and_a_person_is_told_once(stage):
    stage.customer()
    stage.files.write_once("logos/bad.png", b"no picture", "image/png")
    seller(stage, logo="logos/bad.png")
    for _ in range(2):
        assert "USD 100.00 due" in said(stage, posted(stage))
    assert tasks(stage) == ["logo_failed"]


def test_a_logo_that_is_gone_is_left_out(stage):
    stage.customer()
    seller(stage, logo="logos/gone.png")
    assert "USD 100.00 due" in said(stage, posted(stage))


# ---- e-invoices -----------------------------------------------------------------------------------------------

GERMAN = {
    "name": "Nordwind GmbH", "address": Address("Hafenstraße 12", "", "Hamburg", "", "20457", "DE"),
    "tax_id": "DE123456789", "iban": "DE89370400440532013000", "e_invoice": "factur_x",
}  # fmt: skip
BERLIN = Address("Am Markt 3", "", "Berlin", "", "10115", "DE")


def pdf_of(stage, id):
    assert render_document(id, stage.ports)
    return stage.files.read(document_key(id))


def test_where_the_seller_is_configured_the_pdf_carries_its_e_invoice(stage):
    seller(stage, **GERMAN)
    stage.customer(address=BERLIN, tax_rate_percent=Decimal(19))
    id = posted(stage, currency="EUR")
    pdf = pdf_of(stage, id)
    name, xml = get_facturx_xml_from_pdf(pdf, check_xsd=True)
    assert name == "factur-x.xml"
    assert breaches(xml.decode()) == []
    assert stage.store.get(Invoice, id).number in xml.decode()
    assert tasks(stage) == []


def test_the_file_says_that_it_is_pdf_a_3_and_factur_x(stage):
    seller(stage, **GERMAN)
    stage.customer(address=BERLIN)
    reader = PdfReader(BytesIO(pdf_of(stage, posted(stage, currency="EUR"))), strict=True)
    xmp = etree.fromstring(reader.root_object["/Metadata"].get_object().get_data())
    said = {e.tag.rpartition("}")[2]: e.text for e in xmp.iter() if e.text and e.tag.startswith("{")}
    assert (said["part"], said["conformance"]) == ("3", "B")
    assert said["DocumentFileName"] == "factur-x.xml"
    assert said["ConformanceLevel"] == "EN 16931"
    declared = [e.text for e in xmp.iter("{http://www.aiim.org/pdfa/ns/property#}name")]
    assert {"DocumentType", "DocumentFileName", "Version", "ConformanceLevel"} <= set(declared)
    (attached,) = reader.root_object["/AF"]
    assert attached.get_object()["/AFRelationship"] == "/Alternative"
    assert reader.trailer["/ID"]
    assert "USD" not in reader.pages[0].extract_text()


def test_the_same_invoice_makes_the_same_file_with_its_e_invoice(stage):
    seller(stage, **GERMAN)
    stage.customer(address=BERLIN)
    document = {
        "kind": "invoice", "number": "1", "invoice_date": "2026-01-15", "currency": "EUR", "customer": {"name": "C"},
        "seller": {"name": "S"}, "lines": [], "subtotal": "1", "tax": "0", "total": "1", "paid": "0", "balance": "1",
    }  # fmt: skip
    assert render_invoice_pdf(document, "<a>1</a>") == render_invoice_pdf(document, "<a>1</a>")


def test_a_customer_without_a_country_gets_a_plain_pdf_and_a_person_is_told_once(stage):
    seller(stage, **GERMAN)
    stage.customer()
    for _ in range(2):
        pdf = pdf_of(stage, posted(stage, currency="EUR"))
        assert "/AF" not in PdfReader(BytesIO(pdf)).root_object
    assert tasks(stage) == ["e_invoice_failed"]


def test_nobody_else_gets_one(stage):
    stage.customer(address=BERLIN)
    assert "/AF" not in PdfReader(BytesIO(pdf_of(stage, posted(stage)))).root_object


def test_the_mail_of_a_credit_memo_says_what_it_gives(stage):
    stage.customer()
    memo = adjust_invoice(posted(stage), "credit", None, 40_00, "Late start", stage.ports).memo
    said = said_of_invoice(memo)
    assert (said["total"], said["type"]) == ("40.00", "credit_memo")


@pytest.mark.parametrize("logo", [None, "logos/bad.png"])
@pytest.mark.parametrize("name", ["日本株式会社", "שלום", "Acme 😀"])
def test_letters_that_pdf_a_cannot_have_cost_the_e_invoice_and_never_the_invoice(stage, name, logo):
    stage.files.write_once("logos/bad.png", b"no picture", "image/png")
    seller(stage, **GERMAN, logo=logo)
    stage.customer(name=name, address=BERLIN)
    pdf = PdfReader(BytesIO(pdf_of(stage, posted(stage, currency="EUR"))))
    assert "/AF" not in pdf.root_object
    assert sorted(tasks(stage)) == ["e_invoice_failed", *(["logo_failed"] if logo else [])]


def test_a_bad_logo_costs_no_e_invoice(stage):
    stage.files.write_once("logos/bad.png", b"no picture", "image/png")
    seller(stage, **GERMAN, logo="logos/bad.png")
    stage.customer(address=BERLIN)
    assert "/AF" in PdfReader(BytesIO(pdf_of(stage, posted(stage, currency="EUR")))).root_object
    assert tasks(stage) == ["logo_failed"]


# ---- the mail that waits for it -----------------------------------------------------------------


def test_a_mail_that_came_before_its_document_goes_as_soon_as_that_is_there(stage):
    stage.customer()
    invoice_id = posted(stage)
    mail = send_invoice(invoice_id, stage.ports)
    assert send_notice(mail.id, stage.ports) == "not_ready"
    render_document(invoice_id, stage.ports)
    stage.deliver("notice")
    assert (stage.store.get(Notice, mail.id).status, len(stage.mailer.accepted)) == ("sent", 1)


@pytest.mark.parametrize("first", [False, True], ids=["", "asked for by a message delivered twice"])
def test_a_document_rendered_again_does_not_hurry_a_mail_that_the_mail_service_put_off(stage, first):
    stage.customer()
    invoice_id = posted(stage)
    render_document(invoice_id, stage.ports)
    mail = send_invoice(invoice_id, stage.ports)
    stage.save(replace(mail, retry_at=stage.clock.now() + timedelta(seconds=30)))
    render_document(invoice_id, stage.ports, first)
    stage.deliver("notice")
    assert (stage.store.get(Notice, mail.id).status, stage.mailer.accepted) == ("pending", [])

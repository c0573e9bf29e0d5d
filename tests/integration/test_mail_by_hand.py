"""Mails that a person asks for: an invoice, a run, a notice once more. PRODUCT 6, 12."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.domain.customer import Customer, Switches
from shared.domain.errors import NotFound, Refused
from shared.domain.notice import Notice, notice_id
from shared.domain.payment import Payment
from shared.domain.settings import Settings
from shared.use_cases.explain_invoice import explain_invoice
from shared.use_cases.notices import mails_of
from shared.use_cases.notices_by_hand import BY_RUN, resend_notice, send_invoice, send_run
from shared.use_cases.record_payment import ManualPayment, record_payment
from shared.use_cases.render_document import document_key
from shared.use_cases.send_notice import send_notice
from tests.integration.stage import NOW, TODAY, Stage
from tests.integration.test_mail import change, dunning_notice, invoice_notice, notice, payment_notice


def test_an_invoice_is_mailed_by_hand_as_often_as_asked(stage):
    id = stage.posted()
    stage.files.write_once(document_key(id), b"%PDF-", "application/pdf")
    own = send_invoice(id, stage.ports)  # the one that has not gone yet goes now
    stage.deliver("notice")
    again = send_invoice(id, stage.ports)
    stage.deliver("notice")
    assert (own.id, own.id != again.id) == (notice_id("cus_a", "invoice", id), True)
    assert len(stage.mails()) == 2


def test_only_a_posted_invoice_can_be_mailed(stage):
    with pytest.raises(Refused, match="only a posted one"):
        send_invoice(stage.draft(), stage.ports)


def test_a_notice_is_sent_again_to_the_address_on_file_now(stage):
    id = invoice_notice(stage)
    send_notice(id, stage.ports)
    change(stage, email="new@example.com")
    again = resend_notice(id, stage.ports)
    stage.deliver("notice")
    assert [to for to, _ in stage.mails()] == ["cus_a@example.com", "new@example.com"]
    assert (again.by_hand, again.status) == (True, "pending")


@pytest.mark.parametrize("by", ["invoice", "notice", "notice sent again"])
def test_an_invoice_tells_of_the_last_mail_that_went_out_whichever_way_it_was_asked_for(stage, by):
    own = invoice_notice(stage)
    id = notice(stage, own).subject_id
    stage.save(replace(notice(stage, own), status="bounced", reason="bounced", sent_at=NOW))

    def mail():
        return mails_of([stage.invoice(id)], stage.ports)[id]

    def ask():
        before = mail().id if by == "notice sent again" else own
        return send_invoice(id, stage.ports) if by == "invoice" else resend_notice(before, stage.ports)

    for _ in range(2):
        told = mail().id
        asked = ask()
        assert mail().id == told, "the other has not gone yet"
        stage.advance(minutes=1)
        stage.deliver("notice")
        assert (mail().id, mail().status) == (asked.id, "sent")
    mailed = explain_invoice(id, stage.ports).mailed
    assert (mailed.done, mailed.at) == (True, stage.clock.now())


def test_a_mail_that_was_never_sent_gives_way_to_the_one_a_person_asks_for(stage):
    own = notice(stage, invoice_notice(stage))
    id = own.subject_id
    stage.save(replace(own, status="suppressed"))
    asked = send_invoice(id, stage.ports)
    assert mails_of([stage.invoice(id)], stage.ports)[id].id == asked.id


@pytest.mark.parametrize("kind", ["reminder", "payment_failed", "past_due_1"])
def test_a_notice_that_asks_for_money_is_not_sent_again_once_it_is_paid(stage, kind):
    id = {"payment_failed": a_decline, "past_due_1": dunning_notice, "reminder": a_reminder}[kind](stage)
    send_notice(id, stage.ports)
    first = notice(stage, id)
    assert (first.kind, first.status) == (kind, "sent")
    record_payment(ManualPayment("pay_2", "cus_a", "USD", 100_00, "check"), stage.ports)
    again = resend_notice(id, stage.ports)
    stage.deliver("notice")
    assert (notice(stage, again.id).status, notice(stage, again.id).reason) == ("suppressed", "paid")


@pytest.mark.parametrize(
    ("declined", "invoice", "said"),
    [
        (3, {"next_attempt_on": TODAY}, f"try again on {TODAY}"),  # another attempt came between
        (-1, {}, "Please pay now"),
        (1, {}, f"try again on {TODAY + timedelta(days=1)}"),
        (1, {"autopay_ended": True}, "We will not try again"),
    ],
)
def test_a_decline_told_again_says_when_it_is_tried_as_things_are_now(stage, declined, invoice, said):
    id = a_decline(stage)
    payment = stage.get(Payment, "pay_1")
    stage.save(replace(payment, next_attempt_on=TODAY + timedelta(days=declined)))
    stage.save(replace(stage.invoice(payment.invoice_id), **invoice))
    send_notice(id, stage.ports)
    assert said in stage.mailer.accepted[0].mail.text


def a_decline(stage):
    return payment_notice(stage, "payment_failed", stage.posted())


def a_reminder(stage):
    own = invoice_notice(stage, due_on=TODAY)
    invoice_id = notice(stage, own).subject_id
    stage.save(Notice("ntc_reminder", "cus_a", "reminder", invoice_id, "0", NOW))
    return "ntc_reminder"


def test_a_notice_that_has_not_gone_yet_is_not_sent_again(stage):
    with pytest.raises(Refused, match="wait for it"):
        resend_notice(invoice_notice(stage), stage.ports)
    with pytest.raises(NotFound):
        resend_notice("ntc_none", stage.ports)


def test_a_run_mailed_by_hand_reaches_everyone_once_whatever_was_mailed_before():
    stage = Stage()
    stage.settings(Settings())
    stage.bill_run(status="posted")
    ids = []
    for n in range(5):
        stage.customer(f"cus_{n}", automations=Switches(False), delivery=("print",) if n == 4 else ("email",))
        ids.append(stage.posted(f"cus_{n}", bill_run_id="brn_1", bill_on=TODAY))
        stage.files.write_once(document_key(ids[n]), b"%PDF-", "application/pdf")
    send_invoice(ids[0], stage.ports)  # mailed before
    stage.deliver("notice")
    stage.save(Notice(notice_id("cus_1", "invoice", ids[1]), "cus_1", "invoice", ids[1], "", NOW, status="suppressed"))
    change_mail = stage.get(Customer, "cus_2")
    stage.save(replace(change_mail, email_problem="bounced"))

    for _ in range(3):
        assert send_run("brn_1", stage.ports) is None
    stage.deliver("notice", twice=True)

    assert sorted(to for to, _ in stage.mails()) == ["cus_0@example.com", "cus_1@example.com", "cus_3@example.com"]
    assert stage.get(Notice, notice_id("cus_1", "invoice", ids[1], BY_RUN)).status == "sent"
    told = mails_of([stage.invoice(id) for id in ids], stage.ports)
    assert [told[id].status if id in told else None for id in ids] == ["sent", "sent", None, "sent", None]

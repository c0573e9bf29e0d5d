"""Mail: who gets it, who does not and why, and what a sender that dies or hears nothing leaves behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import pytest

from functions.send_email.feedback import mail_event
from infra.local.invoker import SimulatedCrash
from shared.domain.customer import Customer, Hold, Pause, Switches
from shared.domain.errors import Invalid
from shared.domain.invoice import InvoiceHold
from shared.domain.notice import Notice, notice_id
from shared.domain.payment import Allocation, Payment
from shared.domain.settings import Automations, PastDue, Settings, SettingsGate
from shared.domain.task import Task
from shared.ports import MailRefused, Throttled, Unavailable
from shared.use_cases.change_settings import change_settings
from shared.use_cases.mail_feedback import MailEvent, take_mail_event
from shared.use_cases.notices_by_hand import send_invoice
from shared.use_cases.pauses_and_holds import pause
from shared.use_cases.record_payment import ManualPayment, record_payment
from shared.use_cases.render_document import document_key
from shared.use_cases.send_notice import CLAIM_STALE, GIVE_UP_AFTER, send_notice
from shared.use_cases.sweep_notices import HINT_LOST, sweep_notices
from shared.use_cases.void_invoice import void_invoice
from tests.integration.stage import NOW, TODAY, Meddling, Stage

YESTERDAY = TODAY - timedelta(days=1)
SWITCHED_OFF = [
    ("global_off", lambda s: s.settings(Settings())),
    ("customer_off", lambda s: change(s, automations=Switches(False))),
    ("switch_off", lambda s: change(s, automations=Switches(True, send_new_invoices=False, past_due=False))),
    ("paused", lambda s: change(s, pauses=(Pause("send_new_invoices", TODAY), Pause("past_due", TODAY)))),
    ("no_address", lambda s: change(s, email=None)),
    ("no_address", lambda s: change(s, email_problem="complained")),
]
EVERY_WAY = pytest.mark.parametrize(("reason", "switch"), SWITCHED_OFF, ids=lambda x: x if isinstance(x, str) else "")


def change(stage, **fields):
    return stage.save(replace(stage.get(Customer, "cus_a"), **fields))


def invoice_notice(stage, **fields):
    """A posted invoice's pending notice, its PDF there."""
    id = stage.posted(**fields)
    stage.files.write_once(document_key(id), b"%PDF-", "application/pdf")
    return notice_id("cus_a", "invoice", id)


def dunning_notice(stage, tier=1, days=1, **fields):
    """An invoice so many days past due, and the notice of a tier for it."""
    id = stage.posted(due_on=TODAY - timedelta(days=days), **fields)
    kind = f"past_due_{tier}"
    notice = Notice(notice_id("cus_a", kind, "cus_a", "e"), "cus_a", kind, id, "e", NOW, tier=tier)
    stage.save(notice)
    return notice.id


def payment_notice(stage, kind="payment_received", invoice_id=None):
    payment = stage.save(
        Payment("pay_1", "cus_a", "USD", 5_00, "check", "succeeded", NOW, invoice_id=invoice_id,
                allocations=(Allocation(invoice_id, 5_00),) if invoice_id else ())
    )  # fmt: skip
    stage.save(Notice("ntc_paid", "cus_a", kind, payment.id, "", NOW))
    return "ntc_paid"


def notice(stage, id):
    return stage.get(Notice, id)


class Sick:
    """A mailer that does as told, then works."""

    def __init__(self, inner, *errors, after=False):
        self._inner, self._errors, self._after = inner, list(errors), after

    def send(self, mail):
        if not self._errors:
            return self._inner.send(mail)
        error = self._errors.pop(0)
        if self._after:
            self._inner.send(mail)
        raise error


def with_mailer(stage, *errors, after=False):
    return replace(stage.ports, mailer=Sick(stage.mailer, *errors, after=after))


# ---- switches -------------------------------------------------------------------------------------------------


def test_a_notice_is_sent_once_however_often_it_is_hinted(stage):
    id = invoice_notice(stage)
    assert [send_notice(id, stage.ports) for _ in range(3)] == ["sent", "done", "done"]
    assert notice(stage, id).sent_at == NOW
    [accepted] = stage.mailer.accepted
    assert (accepted.mail.to, accepted.mail.notice_id) == ("cus_a@example.com", id)
    assert [a.name for a in accepted.mail.attachments] == ["INV-000001.pdf"]


@EVERY_WAY
@pytest.mark.parametrize("make", [invoice_notice, dunning_notice])
def test_a_switch_flipped_before_it_is_claimed_suppresses_it_and_says_why(stage, make, reason, switch):
    id = make(stage)
    switch(stage)
    assert send_notice(id, stage.ports) == "suppressed"
    assert (notice(stage, id).status, notice(stage, id).reason) == ("suppressed", reason)
    assert stage.mailer.accepted == []


@pytest.mark.parametrize(("through", "outcome"), [(TODAY, "suppressed"), (YESTERDAY, "sent"), (None, "suppressed")])
def test_a_pause_includes_its_last_day(stage, through, outcome):
    id = invoice_notice(stage)
    change(stage, pauses=(Pause("send_new_invoices", through),))
    assert send_notice(id, stage.ports) == outcome


def test_a_pause_ends_with_the_customer_s_day_not_with_ours(stage):
    id = invoice_notice(stage)
    change(stage, pauses=(Pause("send_new_invoices", TODAY),), timezone="Pacific/Auckland")  # 1 February there
    assert send_notice(id, stage.ports) == "sent"


def test_a_hold_stops_dunning_but_no_invoice(stage):
    dunning, invoice = dunning_notice(stage), invoice_notice(stage)
    change(stage, hold=Hold("dispute"))
    assert [send_notice(i, stage.ports) for i in (dunning, invoice)] == ["suppressed", "sent"]
    assert notice(stage, dunning).reason == "on_hold"


@pytest.mark.parametrize(
    ("switch", "outcome"),
    [
        (lambda s: s.settings(Settings()), "sent"),  # a word on a payment needs the master switch and nothing more
        (lambda s: change(s, pauses=(Pause("past_due"), Pause("send_new_invoices"))), "sent"),
        (lambda s: change(s, automations=Switches(False)), "suppressed"),
        (lambda s: change(s, email=None), "suppressed"),
    ],
)
def test_a_word_on_a_payment_needs_the_master_switch_alone(stage, switch, outcome):
    id = payment_notice(stage)
    switch(stage)
    assert send_notice(id, stage.ports) == outcome


@EVERY_WAY
def test_what_is_sent_by_hand_needs_an_address_and_no_switch(stage, reason, switch):
    id = stage.posted()
    stage.files.write_once(document_key(id), b"%PDF-", "application/pdf")
    switch(stage)
    if reason == "no_address":
        with pytest.raises(Invalid, match="address"):
            send_invoice(id, stage.ports)
    else:
        send_invoice(id, stage.ports)
        stage.deliver("notice")
        assert len(stage.mails()) == 1


def test_a_run_that_asked_for_mail_needs_no_global_switch_when_it_is_sent_either(stage):
    id = invoice_notice(stage)
    stage.save(replace(notice(stage, id), by_run=True))
    stage.settings(Settings())
    assert send_notice(id, stage.ports) == "sent"


# ---- the claim ------------------------------------------------------------------------------------------------


def test_a_pause_accepted_before_the_claim_is_honoured_however_close_it_comes(stage):
    id = dunning_notice(stage)
    store = Meddling(stage.store, 1, lambda: pause("cus_a", "past_due", None, stage.ports))
    assert send_notice(id, replace(stage.ports, store=store)) == "suppressed"
    assert stage.mailer.accepted == []


def test_a_global_switch_turned_off_before_the_claim_is_honoured_however_close_it_comes(stage):
    id = dunning_notice(stage)

    def turn_off():
        change_settings(
            lambda s: replace(s, automations=Automations(past_due=PastDue(False))), stage.ports, by="ada",
            show=lambda s: {"past_due": s.automations.past_due.enabled},
        )  # fmt: skip

    assert send_notice(id, replace(stage.ports, store=Meddling(stage.store, 1, turn_off))) == "suppressed"
    assert (stage.mailer.accepted, stage.get(SettingsGate, "gate0").version) == ([], 1)


def test_who_pays_before_the_claim_is_not_chased_however_close_it_comes(stage):
    id = dunning_notice(stage)

    def pays():
        record_payment(ManualPayment("pay_1", "cus_a", "USD", 100_00, "check"), stage.ports)

    assert send_notice(id, replace(stage.ports, store=Meddling(stage.store, 1, pays))) == "suppressed"
    assert (notice(stage, id).reason, stage.mailer.accepted) == ("paid", [])


def test_an_invoice_voided_before_the_claim_is_not_mailed_however_close_it_comes(stage):
    id = invoice_notice(stage)
    store = Meddling(stage.store, 1, lambda: void_invoice(notice(stage, id).subject_id, stage.ports))
    assert send_notice(id, replace(stage.ports, store=store)) == "done"
    assert (notice(stage, id).reason, stage.mailer.accepted) == ("not_posted", [])


@pytest.mark.parametrize("again", [False, True], ids=["after its sender died", "of another mail, asked for by hand"])
def test_an_invoice_voided_before_a_later_claim_is_not_mailed_either(stage, again):
    id = invoice_notice(stage)
    invoice_id = notice(stage, id).subject_id
    if again:
        send_notice(id, stage.ports)
        id = send_invoice(invoice_id, stage.ports).id
    else:
        left_behind(stage, id, LEFT_BEHIND[0])
        stage.advance(seconds=CLAIM_STALE.total_seconds())
    store = Meddling(stage.store, 1, lambda: void_invoice(invoice_id, stage.ports))
    assert send_notice(id, replace(stage.ports, store=store)) == "suppressed"
    assert (notice(stage, id).reason, len(stage.mailer.accepted)) == ("not_posted", 1)


def test_two_senders_send_one_mail(stage):
    id = invoice_notice(stage)
    store = Meddling(stage.store, 1, lambda: send_notice(id, stage.ports))
    assert send_notice(id, replace(stage.ports, store=store)) == "done"
    assert len(stage.mailer.accepted) == 1


def test_two_senders_that_claim_at_the_same_instant_are_not_taken_for_one(stage):
    id = invoice_notice(stage)

    def somebody_claims_and_dies():
        with pytest.raises(SimulatedCrash):
            send_notice(id, with_mailer(stage, SimulatedCrash("after the mail went out"), after=True))

    store = Meddling(stage.store, 1, somebody_claims_and_dies)
    assert send_notice(id, replace(stage.ports, store=store)) == "claimed"
    assert len(stage.mailer.accepted) == 1


def test_a_second_sender_leaves_a_fresh_claim_alone(stage):
    id = invoice_notice(stage)
    stage.save(replace(notice(stage, id), claimed_at=NOW - CLAIM_STALE + timedelta(seconds=1)))
    assert send_notice(id, stage.ports) == "claimed"


# ---- a sender that dies, or hears nothing ---------------------------------------------------------------------

LEFT_BEHIND = [
    SimulatedCrash("while sending"),
    Unavailable("no answer"),
]


def left_behind(stage, id, error):
    """The mail went out, and its sender never knew."""
    ports = with_mailer(stage, error, after=True)
    if isinstance(error, SimulatedCrash):
        with pytest.raises(SimulatedCrash):
            send_notice(id, ports)
    else:
        assert send_notice(id, ports) == "uncertain"
    assert (notice(stage, id).status, notice(stage, id).claimed_at) == ("pending", NOW)


@pytest.mark.parametrize("error", LEFT_BEHIND, ids=["died", "unheard"])
@pytest.mark.parametrize("kind", ["sent", "delivered"])
@pytest.mark.parametrize("make", [invoice_notice, dunning_notice])
def test_the_mail_service_s_own_word_settles_a_claim(stage, make, kind, error):
    id = make(stage)
    left_behind(stage, id, error)
    assert take_mail_event(MailEvent(id, kind, "m-1"), stage.ports) == "settled"
    stage.advance(hours=1)
    assert send_notice(id, stage.ports) == "done"
    assert (notice(stage, id).status, len(stage.mailer.accepted)) == ("sent", 1)


@pytest.mark.parametrize("error", LEFT_BEHIND, ids=["died", "unheard"])
def test_a_stale_claim_on_an_invoice_is_sent_again(stage, error):
    id = invoice_notice(stage)
    left_behind(stage, id, error)
    stage.advance(seconds=CLAIM_STALE.total_seconds() - 1)
    assert send_notice(id, stage.ports) == "claimed"
    stage.advance(seconds=1)
    assert send_notice(id, stage.ports) == "sent"
    assert len(stage.mailer.accepted) == 2  # at least once: a second copy does no harm


@pytest.mark.parametrize("error", LEFT_BEHIND, ids=["died", "unheard"])
def test_a_stale_claim_on_a_dunning_notice_is_never_sent_again_and_a_person_is_told(stage, error):
    id = dunning_notice(stage)
    left_behind(stage, id, error)
    stage.advance(seconds=CLAIM_STALE.total_seconds())
    assert send_notice(id, stage.ports) == "failed"
    assert len(stage.mailer.accepted) == 1  # at most once: nobody is chased twice
    [task] = stage.every(Task)
    assert (task.kind, task.subject_id, task.status) == ("notice_uncertain", id, "open")

    take_mail_event(MailEvent(id, "delivered", "m-1"), stage.ports)  # it comes late, and answers the question
    [task] = stage.every(Task)
    assert (notice(stage, id).status, task.status) == ("sent", "done")


def test_a_claim_whose_end_was_written_by_the_feedback_is_not_overwritten_by_the_sender(stage):
    id = invoice_notice(stage)
    store = Meddling(stage.store, 2, lambda: take_mail_event(MailEvent(id, "delivered", "m-9"), stage.ports))
    assert send_notice(id, replace(stage.ports, store=store)) == "done"
    assert (notice(stage, id).message_id, len(stage.mailer.accepted)) == ("m-9", 1)


# ---- throttled, refused, not ready ----------------------------------------------------------------------------


def test_a_throttled_mail_is_tried_again_after_longer_and_longer_waits(stage):
    id = dunning_notice(stage)
    stage.mailer.behave("cus_a@example.com", "throttle")
    waits = []
    send_notice(id, stage.ports)
    for _ in range(7):
        [(at, _, _)] = stage.queue.waiting
        waits.append((at - stage.clock.now()).total_seconds())
        stage.clock.move_to(at)
        stage.deliver("notice")
    assert waits == [30, 60, 120, 240, 480, 900, 900]
    stage.mailer.behave("cus_a@example.com", "delivered")
    stage.advance(seconds=900)
    stage.deliver("notice")
    assert notice(stage, id).status == "sent"


def test_reminders_do_not_multiply_the_tries_of_a_throttled_mail(stage):
    id = invoice_notice(stage)
    stage.mailer.behave("cus_a@example.com", "throttle")
    send_notice(id, stage.ports)
    for _ in range(16):  # four hours of sweeps
        stage.advance(minutes=15)
        sweep_notices(stage.ports)
        stage.deliver("notice")
    assert stage.queue.depth("notice") == 1
    assert notice(stage, id).attempts <= 5 + 16 + 1


def test_it_is_given_up_after_three_days_and_a_person_is_told(stage):
    id = invoice_notice(stage)
    stage.mailer.behave("cus_a@example.com", "throttle")
    stage.clock.move_to(NOW + GIVE_UP_AFTER - timedelta(seconds=1))
    assert send_notice(id, stage.ports) == "throttled"
    stage.advance(hours=1)
    assert send_notice(id, stage.ports) == "failed"
    assert [t.kind for t in stage.every(Task)] == ["notice_failed"]


def test_what_the_service_refuses_fails_at_once_with_its_reason(stage):
    id = invoice_notice(stage)
    assert send_notice(id, with_mailer(stage, MailRefused("SES: Domain is not allowed"))) == "failed"
    assert (notice(stage, id).status, notice(stage, id).reason) == ("failed", "SES: Domain is not allowed")
    assert [t.kind for t in stage.every(Task)] == ["notice_failed"]


def test_a_throttled_mail_gives_its_claim_back_so_that_a_pause_is_honoured(stage):
    id = dunning_notice(stage)
    send_notice(id, with_mailer(stage, Throttled("slow down")))
    pause("cus_a", "past_due", None, stage.ports)
    stage.advance(seconds=30)
    stage.deliver("notice")
    assert (notice(stage, id).status, stage.mailer.accepted) == ("suppressed", [])


def test_without_its_document_an_invoice_s_mail_waits_and_has_it_made(stage):
    id = notice_id("cus_a", "invoice", stage.posted())
    assert send_notice(id, stage.ports) == "not_ready"
    assert stage.queue.depth("document") == 1
    stage.deliver("document")
    stage.advance(seconds=30)
    stage.deliver("notice")
    assert (notice(stage, id).status, len(stage.mailer.accepted)) == ("sent", 1)


def test_a_document_that_cannot_be_made_does_not_keep_the_mail_waiting_for_ever(stage):
    id = notice_id("cus_a", "invoice", stage.posted())
    stage.advance(seconds=GIVE_UP_AFTER.total_seconds())
    assert send_notice(id, stage.ports) == "failed"
    assert notice(stage, id).reason == "its PDF could not be made"


@pytest.mark.parametrize(("age", "hinted"), [(HINT_LOST, 1), (HINT_LOST - timedelta(seconds=1), 0)])
def test_the_sweep_picks_up_a_notice_whose_hint_was_lost(stage, age, hinted):
    invoice_notice(stage)
    stage.clock.move_to(NOW + age)
    assert sweep_notices(stage.ports) == hinted
    stage.deliver("notice")
    assert len(stage.mailer.accepted) == hinted


# ---- what is said is true when it is said ---------------------------------------------------------------------


def test_nobody_is_chased_after_paying(stage):
    id = dunning_notice(stage)
    record_payment(ManualPayment("pay_1", "cus_a", "USD", 100_00, "check"), stage.ports)
    assert (send_notice(id, stage.ports), notice(stage, id).reason) == ("suppressed", "paid")


def test_who_pays_the_oldest_is_not_told_of_the_tier_he_has_left(stage):
    id = dunning_notice(stage, tier=2, days=20)
    stage.posted(due_on=YESTERDAY)
    record_payment(ManualPayment("pay_1", "cus_a", "USD", 100_00, "check"), stage.ports)
    assert (send_notice(id, stage.ports), notice(stage, id).reason) == ("suppressed", "paid")


def test_a_tier_s_notice_that_comes_too_late_gives_way_to_the_next_tier(stage):
    id = dunning_notice(stage, tier=1, days=14)
    assert (send_notice(id, stage.ports), notice(stage, id).reason) == ("suppressed", "superseded")


def test_what_is_on_hold_is_not_chased(stage):
    id = dunning_notice(stage)
    invoice = stage.invoice(notice(stage, id).subject_id)
    stage.save(replace(invoice, hold=InvoiceHold("dispute", TODAY)))
    assert send_notice(id, stage.ports) == "suppressed"


def test_everything_past_due_is_listed_per_currency(stage):
    id = dunning_notice(stage)
    stage.posted(due_on=YESTERDAY, total=7_00, currency="EUR")
    stage.posted(due_on=TODAY, total=9_99)  # still on time
    send_notice(id, stage.ports)
    [accepted] = stage.mailer.accepted
    assert "100.00" in accepted.mail.text
    assert "7.00" in accepted.mail.text
    assert "9.99" not in accepted.mail.text


def test_a_failed_payment_is_not_told_once_the_invoice_is_paid(stage):
    invoice_id = stage.posted()
    id = payment_notice(stage, "payment_failed", invoice_id)
    record_payment(ManualPayment("pay_2", "cus_a", "USD", 100_00, "check"), stage.ports)
    assert (send_notice(id, stage.ports), notice(stage, id).reason) == ("suppressed", "paid")


# ---- what the mail service says later -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bounced", "complained"])
def test_after_a_bounce_or_complaint_the_address_is_mailed_no_more_and_a_person_is_told(stage, kind):
    id = invoice_notice(stage)
    send_notice(id, stage.ports)
    assert [take_mail_event(MailEvent(id, kind), stage.ports) for _ in range(2)] == [kind, "known"]
    assert (notice(stage, id).status, stage.get(Customer, "cus_a").email_problem) == ("bounced", kind)
    assert [t.kind for t in stage.every(Task)] == [f"email_{kind}"]
    assert send_notice(dunning_notice(stage), stage.ports) == "suppressed"


def test_a_bounce_of_an_address_that_was_corrected_since_does_not_condemn_the_new_one(stage):
    id = invoice_notice(stage)
    send_notice(id, stage.ports)
    change(stage, email="new@example.com")
    take_mail_event(MailEvent(id, "bounced"), stage.ports)
    assert stage.get(Customer, "cus_a").email_problem is None


def test_events_in_any_order_come_to_the_same(stage):
    id = invoice_notice(stage)
    send_notice(id, stage.ports)
    for kind in ("bounced", "delivered", "sent", "bounced"):
        take_mail_event(MailEvent(id, kind), stage.ports)
    assert notice(stage, id).status == "bounced"


SETTLED = {  # whatever comes before and after: what counts in the end
    ("sent", "delivered"): "sent",
    ("sent", "delivered", "undelivered"): "sent",  # an automatic answer
    ("sent", "undelivered"): "bounced",
    ("sent", "undelivered", "delivered"): "sent",  # told in another order
    ("sent", "undelivered", "bounced"): "bounced",
    ("sent", "rejected"): "failed",
}


@pytest.mark.parametrize("kinds", SETTLED)
@pytest.mark.parametrize("heard", [True, False], ids=["sender lives", "sender died"])
def test_events_come_to_what_they_say_however_often_and_in_whatever_order_they_are_told(stage, kinds, heard):
    ends = set()
    for order in permutations(kinds):
        stage = Stage()
        stage.settings()
        stage.customer()
        id = invoice_notice(stage)
        if heard:
            send_notice(id, stage.ports)
        else:
            left_behind(stage, id, SimulatedCrash("while sending"))
        for kind in (*order, *order):
            take_mail_event(MailEvent(id, kind, "m-1"), stage.ports)
        open_tasks = [t.kind for t in stage.every(Task) if t.status == "open"]
        ends.add((notice(stage, id).status, len(open_tasks), stage.get(Customer, "cus_a").email_problem))
        stage.advance(hours=1)
        assert send_notice(id, stage.ports) == "done"
    asked = SETTLED[kinds] != "sent"
    assert {e[0] for e in ends} == {SETTLED[kinds]}
    assert {e[1] > 0 for e in ends} == {asked}
    assert {e[2] for e in ends} == {"bounced" if "bounced" in kinds else None}


@pytest.mark.parametrize(
    "body",
    [
        {"Type": "SubscriptionConfirmation", "Message": "You have chosen to subscribe", "SubscribeURL": "https://sns/"},
        {"Type": "UnsubscribeConfirmation", "Message": "You have chosen to deactivate"},
        {"Type": "Notification", "Message": "Successfully validated SNS topic for Amazon SES event publishing."},
        {"Type": "Notification", "Message": "[]"},
        {"Type": "Notification", "Message": '{"eventType": "Delivery"}'},
        {"Type": "Notification", "Message": '{"eventType": "Open", "mail": {"tags": {"notice_id": ["ntc_1"]}}}'},
        {
            "Type": "Notification",
            "Message": '{"eventType": "Complaint", "mail": {"tags": {"notice_id": ["ntc_1"]}}, '
            '"complaint": {"complaintFeedbackType": "not-spam"}}',
        },
    ],
)
def test_what_sns_itself_says_and_what_is_about_no_mail_of_ours_is_passed_over(body):
    assert mail_event(body) is None


def test_an_event_of_an_unknown_mail_changes_nothing(stage):
    assert take_mail_event(MailEvent("ntc_none", "bounced"), stage.ports) == "unknown"

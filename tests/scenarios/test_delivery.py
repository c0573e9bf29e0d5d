"""Diaries of what reaches customers: account summaries, mails in an admin's words, and paper. PRODUCT 6, 10."""

from __future__ import annotations

from io import BytesIO

import pytest
from pypdf import PdfReader

from shared.use_cases import print_batch
from tests.integration.browser import Browser

SUMMARY = {"enabled": True, "schedule": "0 8 1 * *"}


def summaries(world, customer):
    return [n for n in world.all(f"/v1/notices?customer_id={customer}") if n["kind"] == "account_summary"]


def summary_mails(world, customer):
    address = world.get(f"/v1/customers/{customer}")["email"]
    return [m for m in world.emails(address) if m["subject"].startswith("Your account with")]


def summarize(world, **changes):
    world.settings(automations={"account_summary": SUMMARY | changes})


def begin(world, **changes):
    """From the evening of the first of January, when its hour has passed."""
    world.to("2026-01-01")
    summarize(world, **changes)


def lines(mail):
    return [line for line in mail["text"].splitlines() if line]


# ---- account summaries ----------------------------------------------------------------------------------------


def test_open_invoices_are_summed_up_on_the_first_of_the_month_with_number_dates_age_and_totals(world):
    begin(world)
    acme = world.customer(class_id=world.klass(terms_days=10))
    world.invoice(acme, "100.00", on="2026-01-01", number="A-1")  # posted and so due from 1 January: due on the 11th
    world.invoice(acme, "50.00", on="2026-01-01", number="A-2", currency="EUR")

    world.to("2026-02-01T07:59:00Z")
    assert summary_mails(world, acme) == []
    world.to("2026-02-01T08:30:00Z")
    (mail,) = summary_mails(world, acme)
    assert mail["subject"].endswith("2026-02-01")
    said = lines(mail)
    assert "- A-1 of 2026-01-01 (31 days old), due 2026-01-11 (21 days past due): USD 100.00" in said
    assert "- A-2 of 2026-01-01 (31 days old), due 2026-01-11 (21 days past due): EUR 50.00" in said
    assert {"Total: EUR 50.00", "Total: USD 100.00"} <= set(said)
    assert "A-1" in mail["html"]


def test_transactions_carry_the_last_balance_on_and_close_on_the_balance_of_the_account(world):
    begin(world, format="recent_transactions")
    acme = world.customer()
    first = world.invoice(acme, "100.00", number="A-1")
    world.to("2026-01-20T12:00:00Z")
    world.pays(acme, "30.00")
    world.to("2026-02-01T08:30:00Z")
    (mail,) = summary_mails(world, acme)
    assert moves(mail) == [
        "Opening balance: USD 0.00", "- 2026-01-01, Invoice A-1: USD 100.00", "- 2026-01-20, Payment: USD -30.00",
        "Closing balance: USD 70.00",
    ]  # fmt: skip
    assert world.account(acme)["balance"] == {"USD": "70.00"}

    second = world.invoice(acme, "40.00", number="A-2")  # February: a credit memo, a void, and more paid than is owed
    world.post(f"/v1/invoices/{first}/adjustments", {"kind": "credit", "amount": "20.00", "reason": "Late start"})
    world.post(f"/v1/invoices/{second}/void")
    world.to("2026-02-10T12:00:00Z")
    world.pays(acme, "65.00")
    world.to("2026-03-01T08:30:00Z")
    *_, mail = summary_mails(world, acme)
    assert moves(mail)[0] == "Opening balance: USD 70.00"
    assert sorted(moves(mail)[1:-1]) == [
        "- 2026-02-01, Credit memo CM-000001: USD -20.00", "- 2026-02-01, Invoice A-2: USD 40.00",
        "- 2026-02-01, Voided A-2: USD -40.00", "- 2026-02-10, Payment: USD -65.00",
    ]  # fmt: skip
    assert moves(mail)[-1] == "Closing balance: USD -15.00"
    assert world.account(acme)["balance"] == {"USD": "-15.00"}


def moves(mail):
    return [x for x in lines(mail) if x.startswith(("Opening", "- 2", "Closing"))]


@pytest.mark.parametrize("form", ["open_invoices", "recent_transactions"])
@pytest.mark.parametrize("language", ["en", "de"])
def test_a_summary_carries_a_link_to_the_customer_s_own_page(world, form, language):
    begin(world, format=form)
    acme, other = world.customer(language=language, name="Acme Ltd"), world.customer()
    for customer, number in ((acme, "A-1"), (other, "B-1")):
        world.invoice(customer, number=number)
    world.to("2026-02-01T08:30:00Z")
    address = world.get(f"/v1/customers/{acme}")["email"]
    (mail,) = [m for m in world.emails(address) if not m["attachments"]]
    (link,) = {line for line in lines(mail) if "/pay/" in line}
    assert link in mail["html"]
    page = Browser(world.cloud).get(link)
    assert page.status == 200
    assert "A-1" in page.text
    assert "B-1" not in page.text


@pytest.mark.parametrize("form", ["open_invoices", "recent_transactions"])
def test_nothing_to_say_is_not_said_unless_asked_for(world, form):
    begin(world, format=form)
    silent = world.customer()
    world.to("2026-02-02")
    assert summaries(world, silent) == []
    summarize(world, format=form, send_when_empty=True)
    world.to("2026-03-02")
    assert len(summary_mails(world, silent)) == 1


def test_a_summary_comes_at_the_hour_of_the_customer_s_own_zone_and_own_schedule(world):
    summarize(world)
    tokyo = world.customer(timezone="Asia/Tokyo")  # 08:00 there is 23:00 UTC of the day before
    weekly = world.customer(account_summary_schedule="0 9 * * MON", timezone="America/New_York")  # 14:00 UTC in winter
    for customer in (tokyo, weekly):
        world.invoice(customer)
    world.to("2026-01-05T13:59:00Z")
    assert summary_mails(world, weekly) == []
    world.to("2026-01-05T14:30:00Z")
    assert len(summary_mails(world, weekly)) == 1
    world.to("2026-01-31T23:30:00Z")
    (mail,) = summary_mails(world, tokyo)
    assert mail["subject"].endswith("2026-02-01")
    assert len(summary_mails(world, weekly)) == 4  # 5, 12, 19 and 26 January
    world.patch(f"/v1/customers/{weekly}", {"account_summary_schedule": None, "timezone": None})
    world.to("2026-02-02T23:30:00Z")
    assert len(summary_mails(world, weekly)) == 5  # on the first, as everybody; not on Monday the second


def test_each_switch_silences_the_summary_and_a_pause_makes_nothing_up(world):
    begin(world)
    off, own, paused, acts = (world.customer() for _ in range(4))
    for customer in (off, own, paused, acts):
        world.invoice(customer)
    world.patch(f"/v1/customers/{off}", {"automations": {"enabled": False}})
    world.patch(f"/v1/customers/{own}", {"automations": {"account_summary": False}})
    world.put(f"/v1/customers/{paused}/pauses/account_summary", {"through": "2026-02-01"})
    world.to("2026-02-02")
    assert [len(summary_mails(world, c)) for c in (off, own, paused, acts)] == [0, 0, 0, 1]
    reason = {c: world.get(f"/v1/customers/{c}/automations")["account_summary"]["reason"] for c in (off, own)}
    assert reason == {off: "customer_off", own: "switch_off"}
    world.to("2026-03-01")
    assert [len(summary_mails(world, c)) for c in (off, own, paused, acts)] == [0, 0, 1, 2]


def test_switching_summaries_on_looks_forward(world):
    acme = world.customer()
    world.invoice(acme)
    world.to("2026-02-01T12:00:00Z")  # the hour has passed when it is switched on
    summarize(world)
    world.to("2026-02-28")
    assert summaries(world, acme) == []
    world.to("2026-03-01")
    assert len(summaries(world, acme)) == 1
    world.settings(automations={"account_summary": {"schedule": "0 20 * * *"}})
    world.to("2026-03-03")
    assert len(summaries(world, acme)) == 3


def test_a_summary_that_did_not_go_out_is_part_of_the_next_one(world):
    begin(world, format="recent_transactions")
    acme = world.customer()
    address = world.get(f"/v1/customers/{acme}")["email"]
    world.invoice(acme, "100.00", number="A-1")
    world.put(f"/_local/mail/{address}", {"outcome": "throttle"})
    world.to("2026-02-01T09:00:00Z")
    world.patch(f"/v1/customers/{acme}", {"automations": {"account_summary": False}})  # off while it waits to be sent
    world.put(f"/_local/mail/{address}", {"outcome": "delivered"})
    world.to("2026-02-02")
    assert [n["status"] for n in summaries(world, acme)] == ["suppressed"]
    world.patch(f"/v1/customers/{acme}", {"automations": {"account_summary": None}})
    world.to("2026-03-01")
    (mail,) = summary_mails(world, acme)
    assert "- 2026-01-01, Invoice A-1: USD 100.00" in moves(mail)


# ---- mails in an admin's words ----------------------------------------------------------------------------------


def mine(subject, **parts):
    return {"subject": subject, "text": "Dear {{ customer.name }}", "html": "<p>{{ customer.name }}</p>"} | parts


def test_mails_are_sent_in_the_admin_s_words_until_they_are_taken_back(world):
    world.settings(automations={"send_new_invoices": {"enabled": True}})
    acme = world.customer()
    address = world.get(f"/v1/customers/{acme}")["email"]
    world.put("/v1/templates/invoice", mine("Our invoice {{ invoice.number }}"))
    world.invoice(acme, number="A-1")
    world.rest()
    world.delete("/v1/templates/invoice")
    world.invoice(acme, number="A-2")
    world.rest()
    first, second = (m["subject"] for m in world.emails(address))
    assert first == "Our invoice A-1"
    assert second != "Our invoice A-2"
    assert "A-2" in second


def test_a_template_that_fails_on_a_real_mail_gives_way_to_the_default_and_one_task(world):
    world.settings(automations={"send_new_invoices": {"enabled": True}})
    odd = '{% if customer.name == "Odd" %}{{ invoice.nothing }}{% endif %}Hello'
    world.put("/v1/templates/invoice", mine("Mine {{ invoice.number }}", text=odd))
    acme = world.customer(name="Odd")
    for number in ("A-1", "A-2"):
        world.invoice(acme, number=number)
    world.rest()
    assert world.notices(acme) == ["invoice", "invoice"]
    subjects = {m["subject"] for m in world.emails()}
    assert len(subjects) == 2
    assert not any(s.startswith("Mine") for s in subjects)
    (task,) = (t for t in world.all("/v1/tasks") if t["kind"] == "template_failed")
    assert "template invoice" in task["reason"]
    assert "text line 1" in task["reason"]


def test_a_tier_sends_the_template_that_it_names(world):
    world.put("/v1/templates/final_call", mine("Final call for {{ invoices[0].number }}"))
    tiers = [{"from_days": 1, "template": "final_call"}]
    world.settings(automations={"past_due": {"enabled": True, "tiers": tiers}})
    late = world.customer(terms_days=3)
    world.invoice(late, number="A-1")
    world.to("2026-01-05")
    assert world.notices(late) == ["past_due_1"]
    assert [m["subject"] for m in world.emails()][-1] == "Final call for A-1"


# ---- paper ------------------------------------------------------------------------------------------------------


def paper(world, run, status=200, part=None):
    """A run's print batch, after the 503 that says it is being made."""
    path = f"/v1/bill-runs/{run}/print-batch" + (f"?part={part}" if part else "")
    code, headers, content = world.client.request("GET", path)
    if code == 503:
        assert int(headers["Retry-After"]) > 0
        world.settle()
        code, _, content = world.client.request("GET", path)
    assert code == status
    return content


def address(country, postal_code, city):
    return {"line1": "Street 1", "country": country, "postal_code": postal_code, "city": city}


def run_for(world, *customers):
    run = world.post("/v1/bill-runs", {"customer_ids": list(customers), "auto_post": False})["id"]
    world.settle()
    return run


def test_a_run_s_paper_is_one_file_in_address_order_and_the_same_each_time(world):
    zurich = world.customer(name="Zuger", delivery=["print"], address=address("CH", "8001", "Zürich"))
    berlin = world.customer(name="Berger", delivery=["print", "email"], address=address("DE", "10115", "Berlin"))
    aachen = world.customer(name="Adler", email=None, address=address("DE", "52062", "Aachen"))
    mailed = world.customer(name="Mailer", address=address("AA", "1", "First"))
    everybody = (aachen, berlin, mailed, zurich)
    for customer in everybody:
        world.contract(customer)
    run = run_for(world, *everybody)
    paper(world, run, status=404)  # drafts are not printed
    world.post(f"/v1/bill-runs/{run}/post")
    first = paper(world, run)
    cover, *pages = pages_of(first)
    assert [next(n for n in ("Zuger", "Berger", "Adler") if n in page) for page in pages] == [
        "Zuger",
        "Berger",
        "Adler",
    ]
    assert "Mailer" not in cover
    assert "no e-mail address" in cover
    assert "3 invoices on 3 pages" in cover
    world.days(40)
    assert paper(world, run) == first


def test_mail_that_bounced_goes_on_paper_the_next_time(world):
    acme = world.customer(name="Acme", address=address("US", "02110", "Boston"))
    mail = world.get(f"/v1/customers/{acme}")["email"]
    world.contract(acme)
    first = run_for(world, acme)
    world.post(f"/v1/bill-runs/{first}/post")
    paper(world, first, status=404)
    world.put(f"/_local/mail/{mail}", {"outcome": "bounce"})
    world.post(f"/v1/bill-runs/{first}/send")
    world.rest()
    assert [t["kind"] for t in world.all("/v1/tasks")] == ["email_bounced"]
    world.to("2026-02-01T12:00:00Z")
    second = run_for(world, acme)
    assert "no_email" in world.get(f"/v1/bill-runs/{second}")["flags"]
    world.post(f"/v1/bill-runs/{second}/post")
    cover, _ = pages_of(paper(world, second))
    assert "mail to its address bounced" in cover


def test_a_bounce_after_the_paper_was_fetched_goes_into_a_further_part_and_the_first_stays_as_it_was(world):
    printed = world.customer(name="Printer", delivery=["print"], address=address("CH", "8001", "Zürich"))
    bounced = world.customer(name="Bouncer", address=address("AA", "1", "First"))
    for customer in (printed, bounced):
        world.contract(customer)
    world.put(f"/_local/mail/{world.get(f'/v1/customers/{bounced}')['email']}", {"outcome": "bounce"})
    run = run_for(world, printed, bounced)
    world.post(f"/v1/bill-runs/{run}/post")
    first = paper(world, run)
    paper(world, run, status=404, part=2)
    world.post(f"/v1/bill-runs/{run}/send")
    world.rest()
    (task,) = world.all("/v1/tasks")
    (invoice,) = world.invoices(bounced)
    assert task["reason"].endswith(f"; invoice {invoice['id']} goes into a further part of the print batch of {run}")

    second = paper(world, run, part=2)
    cover, page = pages_of(second)
    assert "1 invoice on 1 page" in cover
    assert "part 2" in cover
    assert "mail to its address bounced" in cover
    assert "Bouncer" in page
    assert paper(world, run) == first
    assert "Bouncer" not in "".join(pages_of(first))
    world.patch(
        f"/v1/customers/{bounced}", {"email": "good@example.com"}
    )  # corrected since: it was printed all the same
    world.days(3)
    assert (paper(world, run), paper(world, run, part=2)) == (first, second)
    paper(world, run, status=404, part=3)
    _, headers, _ = world.client.request("GET", f"/v1/bill-runs/{run}/print-batch")
    assert headers["Link"] == f'</v1/bill-runs/{run}/print-batch?part=2>; rel="next"'


def test_more_than_fits_into_a_file_comes_in_parts_that_follow_each_other_in_address_order(world, monkeypatch):
    monkeypatch.setattr(print_batch, "PER_PART", 2)
    names = ["Anders", "Berg", "Chan", "Diaz", "Egan"]
    customers = [
        world.customer(name=name, delivery=["print"], address=address("CH", str(8000 + n), "Z"))
        for n, name in enumerate(names)
    ]
    for customer in reversed(customers):
        world.contract(customer)
    run = run_for(world, *customers)
    world.post(f"/v1/bill-runs/{run}/post")
    last, first, second = (paper(world, run, part=n) for n in (3, 1, 2))  # in whatever order they are asked for
    found = [next(n for n in names if n in page) for part in (first, second, last) for page in pages_of(part)[1:]]
    assert found == names
    assert ["part 1" in pages_of(first)[0], "part 3" in pages_of(last)[0]] == [True, True]
    paper(world, run, status=404, part=4)
    assert [paper(world, run, part=n) for n in (1, 2, 3)] == [first, second, last]


def test_what_is_posted_after_the_paper_was_fetched_is_in_a_further_part(world):
    one, other = (world.customer(delivery=["print"], name=n, address=address("CH", "1", "A")) for n in ("One", "Two"))
    for customer in (one, other):
        world.contract(customer)
    run = run_for(world, one, other)
    first, second = (i["id"] for c in (one, other) for i in world.invoices(c))
    world.post(f"/v1/invoices/{first}/post")
    before = paper(world, run)
    world.post(f"/v1/invoices/{second}/post")
    assert "Two" in "".join(pages_of(paper(world, run, part=2)))
    assert paper(world, run) == before


def test_what_could_not_be_delivered_is_told_but_its_address_is_mailed_again(world):
    world.settings(automations={"send_new_invoices": {"enabled": True}})
    acme = world.customer()
    mail = world.get(f"/v1/customers/{acme}")["email"]
    world.put(f"/_local/mail/{mail}", {"outcome": "soft_bounce"})
    world.invoice(acme)
    world.rest()
    (notice,) = world.all(f"/v1/notices?customer_id={acme}")
    (task,) = world.all("/v1/tasks")
    assert (notice["status"], notice["reason"], notice["delivered_at"]) == ("bounced", "undelivered", None)
    assert (task["kind"], task["customer_id"]) == ("email_undelivered", acme)
    assert "could not be delivered (MailboxFull); send it again, or ask for another address" in task["reason"]
    world.put(f"/_local/mail/{mail}", {"outcome": "delivered"})
    world.post(f"/v1/notices/{notice['id']}/resend")
    world.rest()
    assert len(world.emails(mail)) == 2
    assert [n["status"] for n in world.all(f"/v1/notices?customer_id={acme}")] == ["bounced", "sent"]


@pytest.mark.parametrize(
    ("outcome", "status", "tasks"), [("auto_reply", "sent", []), ("reject", "failed", ["notice_failed"])]
)
def test_an_automatic_answer_is_no_bounce_and_what_the_service_itself_stopped_has_failed(world, outcome, status, tasks):
    world.settings(automations={"send_new_invoices": {"enabled": True}})
    acme = world.customer()
    world.put(f"/_local/mail/{world.get(f'/v1/customers/{acme}')['email']}", {"outcome": outcome})
    world.invoice(acme)
    world.rest()
    (notice,) = world.all(f"/v1/notices?customer_id={acme}")
    assert notice["status"] == status
    assert (notice["delivered_at"] is not None) == (status == "sent")
    assert [t["kind"] for t in world.all("/v1/tasks")] == tasks


def pages_of(pdf):
    return [page.extract_text() for page in PdfReader(BytesIO(pdf)).pages]


# ---- languages ------------------------------------------------------------------------------------------------


def test_a_german_customer_is_written_to_in_german_and_everybody_else_as_before(world):
    world.settings(business={"name": "Nordwind"}, automations={"send_new_invoices": {"enabled": True}})
    world.to("2026-01-01")
    german, english = world.customer(language="de"), world.customer()
    for customer in (german, english):
        world.invoice(customer, "1234.50")
    world.to("2026-01-02")
    (mail,) = world.emails(world.get(f"/v1/customers/{german}")["email"])
    assert mail["subject"] == "Rechnung INV-000001 von Nordwind: 1.234,50 USD, fällig am 31. Januar 2026"
    (mail,) = world.emails(world.get(f"/v1/customers/{english}")["email"])
    assert mail["subject"] == "Invoice INV-000002 from Nordwind: USD 1234.50 due 2026-01-31"


def test_a_german_summary_is_german_throughout(world):
    begin(world, format="recent_transactions")
    acme = world.customer(language="de")
    world.invoice(acme, "1100.00", number="A-1")
    world.to("2026-01-20T12:00:00Z")
    world.pays(acme, "30.00")
    world.to("2026-02-01T08:30:00Z")
    mail = next(m for m in world.emails(world.get(f"/v1/customers/{acme}")["email"]) if "Ihr Konto bei" in m["subject"])
    said = lines(mail)
    assert "Anfangssaldo: 0,00 USD" in said
    assert "- 1. Januar 2026, Rechnung A-1: 1.100,00 USD" in said
    assert "- 20. Januar 2026, Zahlung: -30,00 USD" in said
    assert "Endsaldo: 1.070,00 USD" in said


def test_a_german_template_that_fails_is_stood_in_for_by_the_german_default(world):
    world.settings(automations={"send_new_invoices": {"enabled": True}})
    acme = world.customer(language="de")
    fussy = "{% if invoice.residual == '249,95' %}fine{% else %}{{ nothing }}{% endif %}"
    world.put("/v1/templates/invoice?language=de", {"subject": "Rechnung", "text": fussy, "html": fussy})
    world.invoice(acme, "10.00")
    world.to("2026-01-03")
    (mail,) = world.emails(world.get(f"/v1/customers/{acme}")["email"])
    assert "anbei erhalten Sie Ihre Rechnung" in mail["text"]
    assert [t["kind"] for t in world.all("/v1/tasks")] == ["template_failed"]

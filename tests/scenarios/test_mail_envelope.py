"""What goes around the words of a mail: a PDF attached or linked, and what one may unsubscribe from. PRODUCT 6, 10."""

from __future__ import annotations

from email import message_from_bytes, policy
from html import unescape
from urllib.parse import urlsplit

import pytest

from shared.rendering.mail import RenderedMail, with_link
from shared.use_cases.compose_notice import ATTACHED_BYTES_MAX
from shared.use_cases.render_document import document_key
from tests.integration.browser import Browser

ONE_CLICK = [("List-Unsubscribe", "One-Click")]
SUMMARY = {"enabled": True, "schedule": "0 8 1 * *"}


@pytest.fixture
def acme(world):
    world.to("2026-01-01T09:00:00Z")  # the hour of January's summary has passed
    world.settings(
        automations={
            "send_new_invoices": {"enabled": True}, "past_due": {"enabled": True}, "account_summary": SUMMARY,
        }
    )  # fmt: skip
    return world.customer(id="cus_acme", email="ap@acme.example")


def headers(world, mail):
    status, _, raw = world.client.request("GET", f"/_local/emails/{mail['n']}.eml")
    assert status == 200
    return message_from_bytes(raw, policy=policy.default)


def unsubscribe_url(world, mail):
    return headers(world, mail)["List-Unsubscribe"].strip("<>")


def summary(world):
    world.to("2026-02-01T09:00:00Z")
    return next(m for m in world.emails() if m["subject"].startswith("Your account with"))


# ---- attached or linked -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "attached"), [(ATTACHED_BYTES_MAX - 1, 1), (ATTACHED_BYTES_MAX, 1), (ATTACHED_BYTES_MAX + 1, 0)]
)
def test_a_pdf_is_attached_up_to_the_limit_and_linked_to_beyond_it(world, acme, size, attached):
    content = b"%PDF-".ljust(size, b".")
    world.cloud.ports.files.write_once(document_key("inv_big"), content, "application/pdf")
    world.invoice(acme, id="inv_big", number="A-1")
    world.rest()
    (mail,) = world.emails()
    assert [(a["name"], a["size"]) for a in mail["attachments"]] == [("A-1.pdf", size)] * attached
    links = [line for line in mail["text"].splitlines() if line.startswith("A-1.pdf: ")]
    assert len(links) == 1 - attached
    for link in links:
        url = link.removeprefix("A-1.pdf: ")
        assert f'<a href="{url}">A-1.pdf</a>' in mail["html"]
        assert Browser(world.cloud).get(url).body == content


def test_the_link_stands_at_the_end_whatever_the_template_is_and_however_the_number_reads():
    mail = RenderedMail("s", "Hello", "<p>Hello</p>")
    linked = with_link(mail, '<b>"1"', "https://x.example/a")
    assert linked.text.endswith('\n<b>"1": https://x.example/a\n')
    assert linked.html.startswith("<p>Hello</p><p")
    assert '<b>"1"' in unescape(linked.html)
    assert "<b>" not in linked.html
    assert with_link(RenderedMail("s", "t", "<body>x</body>"), "1", "u").html.endswith("</p></body>")


# ---- unsubscribing ----------------------------------------------------------------------------------------------


def test_one_unsubscribes_from_account_summaries_and_from_nothing_that_is_owed(world, acme):
    world.invoice(acme, due_on="2026-01-01", on="2026-01-01")
    mail = summary(world)
    told = {n["kind"] for n in world.all("/v1/notices")}
    assert told == {"invoice", "past_due_1", "past_due_2", "past_due_3", "account_summary"}
    offering = [m["n"] for m in world.emails() if headers(world, m)["List-Unsubscribe"]]
    assert offering == [mail["n"]]
    assert headers(world, mail)["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def boxed(url, fields, world):
    """As some mail programs send it: the same field in a multipart form."""
    (name, value), *_ = fields
    body = f'--b0\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n--b0--\r\n'.encode()
    sent = {"content-type": "multipart/form-data; boundary=b0"}
    return world.client.request("POST", urlsplit(url).path, body, headers=sent, token=None)[0]


@pytest.mark.parametrize(
    "send", [lambda url, f, world: Browser(world.cloud).post(url, f).status, boxed], ids=["plain", "multipart"]
)
def test_one_click_in_a_mail_program_stops_summaries_and_nothing_else(world, acme, send):
    world.invoice(acme)
    url = unsubscribe_url(world, summary(world))
    before = world.get("/v1/customers/cus_acme")["automations"]
    assert [send(url, ONE_CLICK, world) for _ in range(2)] == [200, 200]  # twice does no harm
    assert world.get("/v1/customers/cus_acme")["automations"] == before | {"account_summary": False}
    assert world.get("/v1/customers/cus_acme/automations")["account_summary"]["reason"] == "switch_off"
    audited = [e for e in world.all("/v1/audit") if "unsubscribe" in e["action"]]
    assert {e["by"] for e in audited} == {"customer cus_acme"}
    world.to("2026-03-02")
    assert [n["kind"] for n in world.all("/v1/notices")].count("account_summary") == 1


def test_a_scanner_that_opens_the_address_or_submits_its_form_as_it_is_changes_nothing(world, acme):
    world.invoice(acme)
    url, browser = unsubscribe_url(world, summary(world)), Browser(world.cloud)
    page = browser.get(url)
    assert page.status == 200
    (form,) = page.forms
    assert browser.post(url, form.fields).status == 422
    assert browser.post(url, [("List-Unsubscribe", "No")]).status == 422
    assert browser.post(url, [*ONE_CLICK, ("more", "1")]).status == 422
    assert world.get("/v1/customers/cus_acme")["automations"]["account_summary"] is None
    assert browser.post(url, form.offered).status == 200  # a person ticks the box
    assert world.get("/v1/customers/cus_acme")["automations"]["account_summary"] is False


@pytest.mark.parametrize("end", ["expired", "revoked", "forged"])
def test_an_address_that_is_no_longer_good_stops_nothing(world, acme, end):
    world.invoice(acme)
    url = unsubscribe_url(world, summary(world))
    if end == "expired":
        world.days(31)
    elif end == "revoked":
        world.delete("/v1/customers/cus_acme/pay-link")
    else:
        url = url.replace("/unsubscribe", "x/unsubscribe")
    assert Browser(world.cloud).post(url, ONE_CLICK).status == (404 if end == "forged" else 410)
    assert world.get("/v1/customers/cus_acme")["automations"]["account_summary"] is None


# ---- names that would break out of a header ---------------------------------------------------------------------

BREAKING = "Eve\r\nBcc: everyone@example.com"
NAMES = {
    "customer's name": lambda w: w.patch("/v1/customers/cus_acme", {"name": BREAKING}, status=422),
    "customer's address": lambda w: w.patch("/v1/customers/cus_acme", {"email": BREAKING}, status=422),
    "business's name": lambda w: w.patch("/v1/settings", {"business": {"name": BREAKING}}, status=422),
    "sender": lambda w: w.patch("/v1/settings", {"business": {"email_from": BREAKING}}, status=422),
    "number": lambda w: w.post(
        "/v1/invoices",
        {"customer_id": "cus_acme", "type": "regular", "lines": [{"name": "W", "amount": "1.00"}], "number": BREAKING},
        status=422,
    ),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_line_break_in_a_name_is_refused_with_its_field_before_it_gets_near_a_mail(world, acme, name):
    problem = NAMES[name](world)
    assert len(problem["errors"]) == 1


def test_a_line_break_in_an_admin_s_subject_adds_no_header(world, acme):
    said = {"subject": "Hello\r\nBcc: everyone@example.com", "text": "x", "html": "<p>x</p>"}
    world.put("/v1/templates/invoice", said)
    world.invoice(acme)
    world.rest()
    (mail,) = world.emails()
    found = headers(world, mail)
    assert found["Bcc"] is None
    assert found["Subject"] == "Hello Bcc: everyone@example.com"


# ---- by run -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paid_first", [False, True], ids=["before the payment run", "after the payment run"])
def test_a_run_s_invoices_are_mailed_in_one_batch_before_or_after_the_payment_run(world, acme, paid_first):
    world.post("/v1/customer-classes", {"id": "cls_now", "name": "Now", "regular": {"terms_days": 0}})
    world.patch("/v1/customers/cus_acme", {"class_id": "cls_now"})
    world.settings(automations={"send_new_invoices": {"enabled": False}})
    world.card(acme)
    world.contract(acme)
    run = world.post("/v1/bill-runs", {"auto_post": False})["id"]
    world.settle()
    world.post(f"/v1/bill-runs/{run}/post")
    steps = [lambda: world.post(f"/v1/bill-runs/{run}/send"), lambda: world.post("/v1/payment-runs", {})]
    for step in reversed(steps) if paid_first else steps:
        step()
        world.settle()
    (mail,) = [m for m in world.emails() if m["attachments"]]
    owed = "0.00" if paid_first else "100.00"
    assert f"To pay: USD {owed}" in mail["text"]
    assert world.get(f"/v1/bill-runs/{run}")["counts"]["emailed"] == 1

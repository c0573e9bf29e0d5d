"""What is done towards a customer and why not, how it stands, and why things happened to an invoice."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from shared.domain.collection import CollectionState
from shared.domain.invoice import Invoice
from shared.domain.notice import Notice, notice_id
from shared.domain.runs import BillRun
from shared.domain.task import Task
from shared.ports import Save
from tests.integration.api.client import START

ALL = ("send_new_invoices", "account_summary", "past_due")


@pytest.fixture
def acme(api):
    switches = {a: {"enabled": True} for a in ALL}
    api.patch("/v1/settings", {"automations": switches})
    return api.customer(automations={"enabled": True})


def why(api, automation="past_due"):
    return api.get("/v1/customers/cus_acme/automations").json[automation]


def invoice(api, id, due_on, amount="100.00", **more):
    body = {"id": id, "customer_id": "cus_acme", "lines": [{"name": "A", "amount": amount}], "due_on": due_on,
            "invoice_date": "2025-11-01", "post": True, **more}  # fmt: skip
    return api.made("/v1/invoices", body)


# ---- switches, pauses, holds --------------------------------------------------------------------


def test_the_first_thing_that_turns_an_automation_off_is_the_reason(api):
    api.customer(email=None, automations={"enabled": False, "past_due": False})
    hold = api.put("/v1/customers/cus_acme/hold", {"reason": "dispute"})
    assert (hold.status, hold.json) == (200, {"reason": "dispute", "through": None})
    api.put("/v1/customers/cus_acme/pauses/past_due", {"through": "2026-02-01"})
    assert why(api) == {"effective": False, "reason": "global_off"}
    api.patch("/v1/settings", {"automations": {"past_due": {"enabled": True}}})
    assert why(api) == {"effective": False, "reason": "customer_off"}
    api.patch("/v1/customers/cus_acme", {"automations": {"enabled": True}})
    assert why(api) == {"effective": False, "reason": "switch_off"}
    api.patch("/v1/customers/cus_acme", {"automations": {"past_due": None}})
    assert why(api) == {"effective": False, "reason": "paused", "until": "2026-02-01"}
    assert api.delete("/v1/customers/cus_acme/pauses/past_due").status == 204
    assert why(api) == {"effective": False, "reason": "on_hold", "until": None}
    assert api.delete("/v1/customers/cus_acme/hold").status == 204
    assert why(api) == {"effective": False, "reason": "no_address"}
    api.patch("/v1/customers/cus_acme", {"email": "ap@acme.example"})
    assert why(api) == {"effective": True, "reason": None}


def test_a_pause_lasts_through_its_day_there_and_not_one_day_more(api, acme):
    api.patch("/v1/customers/cus_acme", {"timezone": "Pacific/Auckland"})  # 13 hours ahead: it is 2 January there
    api.put("/v1/customers/cus_acme/pauses/send_new_invoices", {"through": "2026-01-02"})
    assert why(api, "send_new_invoices")["reason"] == "paused"
    assert why(api, "past_due")["effective"]
    api.ports.clock.advance(hours=23)
    assert why(api, "send_new_invoices") == {"effective": True, "reason": None}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [("pauses/past_due", {"through": "soon"}, "through"), ("pauses/past_due", {"until": "2026-01-01"}, "until"),
     ("hold", {"reason": "whim"}, "reason"), ("hold", {"through": 5}, "through")],
)  # fmt: skip
def test_a_wrong_pause_or_hold_is_named(api, acme, path, body, field):
    assert api.put(f"/v1/customers/cus_acme/{path}", body).fields == [field]
    assert why(api)["effective"]


def test_there_is_no_pause_of_what_is_no_automation(api, acme):
    assert api.put("/v1/customers/cus_acme/pauses/billing", {}).status == 404
    assert api.put("/v1/customers/cus_none/pauses/past_due", {}).status == 404
    assert api.delete("/v1/customers/cus_acme/pauses/past_due").status == 204, "lifting what is not there is no error"


# ---- the account --------------------------------------------------------------------------------


def test_an_account_with_nothing_on_it(api, acme):
    assert api.get("/v1/customers/cus_acme/account").json == {
        "balance": {"USD": "0.00"}, "credit": {"USD": "0.00"}, "past_due": {"USD": "0.00"}, "episode": None, "tier": 0,
        "service": "active", "next_step": None, "promise": None, "stopped_by": [],
    }  # fmt: skip


def test_an_account_past_due_tells_since_when_which_tier_and_what_is_next(api, acme):
    invoice(api, "inv_1", "2025-12-29")  # three days past due on 1 January
    invoice(api, "inv_2", "2026-01-01", "50.00")  # due today: still on time
    invoice(api, "inv_3", "2025-12-31", "7", currency="JPY")
    account = api.get("/v1/customers/cus_acme/account").json
    assert account == {
        "balance": {"JPY": "7", "USD": "150.00"}, "credit": {"JPY": "0", "USD": "0.00"},
        "past_due": {"JPY": "7", "USD": "100.00"}, "episode": {"since": "2025-12-30", "days": 3}, "tier": 1,
        "service": "active", "next_step": {"kind": "past_due_1", "on": "2026-01-01"}, "promise": None,
        "stopped_by": [],
    }  # fmt: skip
    api.ports.store.commit(Save(CollectionState("cus_acme", date(2025, 12, 30), worst_tier=1, past_due_ids=("inv_1",))))
    step = api.get("/v1/customers/cus_acme/account").json["next_step"]
    assert step == {"kind": "past_due_2", "on": "2026-01-12"}  # 14 days after 29 December
    assert api.items("/v1/past-due") == [
        {"customer_id": "cus_acme", "days": 3, "tier": 1, "amounts": {"JPY": "7", "USD": "100.00"}, "next_step": step}
    ]


def test_while_paused_the_next_step_comes_on_the_day_after(api, acme):
    invoice(api, "inv_1", "2025-12-29")
    api.put("/v1/customers/cus_acme/pauses/past_due", {"through": "2026-01-20"})
    step = api.get("/v1/customers/cus_acme/account").json["next_step"]
    assert step == {"kind": "past_due_2", "on": "2026-01-21"}  # 23 days past due by then
    api.put("/v1/customers/cus_acme/pauses/past_due", {})
    assert api.get("/v1/customers/cus_acme/account").json["next_step"] is None


@pytest.mark.parametrize("limit", [1, 2, 3, 50])
def test_everyone_past_due_is_listed_once_whatever_the_page(api, limit):
    for n in range(5):
        api.customer(f"cus_{n}")
        for m in range(4):
            invoice(api, f"inv_{n}{m}", "2025-12-01" if n % 2 else "2026-01-01", customer_id=f"cus_{n}")
    found = api.items(f"/v1/past-due?limit={limit}")
    assert sorted(f["customer_id"] for f in found) == ["cus_1", "cus_3"]
    assert {(f["days"], f["tier"], f["amounts"]["USD"]) for f in found} == {(31, 3, "400.00")}


# ---- explanations -------------------------------------------------------------------------------


def explained(api, id="inv_1"):
    shown = api.get(f"/v1/invoices/{id}/explain").json
    assert set(shown) == {"billed", "posted", "mailed", "collected", "chased", "autopay"}
    return shown


def test_a_draft_waits_for_review(api, acme):
    invoice(api, "inv_1", "2026-02-01", post=False)
    shown = explained(api)
    assert shown["billed"] == {"done": True, "reason": None, "at": "2026-01-01T12:00:00Z", "next_on": None}
    reasons = {step: shown[step]["reason"] for step in ("posted", "mailed", "collected", "chased")}
    assert reasons == {
        "posted": "awaiting_review", "mailed": "not_posted", "collected": "not_posted", "chased": "not_posted",
    }  # fmt: skip


def test_a_posted_invoice_that_is_not_due_says_when_it_will_be(api, acme):
    invoice(api, "inv_1", "2026-02-01")
    shown = explained(api)
    assert (shown["posted"]["done"], shown["posted"]["at"]) == (True, "2026-01-01T12:00:00Z")
    assert (shown["mailed"]["done"], shown["mailed"]["reason"]) == (False, "pending")
    assert shown["collected"] == {"done": False, "reason": "not_due", "at": None, "next_on": "2026-02-01"}
    assert shown["chased"] == {
        "done": False, "reason": "not_due", "at": None, "next_on": "2026-02-02", "stopped_by": [],
    }  # fmt: skip


def test_an_overdue_invoice_says_what_keeps_it_from_being_collected_and_chased(api, acme):
    invoice(api, "inv_1", "2025-12-29")
    shown = explained(api)
    assert shown["collected"]["reason"] == "no_payment_method"
    assert (shown["chased"]["reason"], shown["chased"]["next_on"]) == ("pending", "2026-01-01")
    api.put("/v1/customers/cus_acme/hold", {"reason": "promise_to_pay", "through": "2026-01-05"})
    shown = explained(api)
    assert (shown["collected"]["reason"], shown["collected"]["next_on"]) == ("on_hold", "2026-01-06")
    assert (shown["chased"]["reason"], shown["chased"]["next_on"]) == ("on_hold", "2026-01-06")


def test_what_was_done_says_when(api, acme):
    invoice(api, "inv_1", "2025-12-29")
    told = notice_id("cus_acme", "past_due_1", "cus_acme", "2025-12-30")
    chase = Notice(told, "cus_acme", "past_due_1", "inv_1", "2025-12-30", START, status="sent", tier=1, sent_at=START)
    mail = api.ports.store.get(Notice, notice_id("cus_acme", "invoice", "inv_1"))
    api.ports.store.commit(Save(chase), Save(replace(mail, status="sent", sent_at=START)))
    shown = explained(api)
    assert shown["mailed"] == {"done": True, "reason": None, "at": "2026-01-01T12:00:00Z", "next_on": None}
    assert (shown["chased"]["done"], shown["chased"]["at"]) == (True, "2026-01-01T12:00:00Z")
    api.made("/v1/payments", {"customer_id": "cus_acme", "amount": "100.00", "method": "cash"})
    shown = explained(api)
    assert (shown["collected"]["done"], shown["chased"]["reason"]) == (True, "paid")
    assert api.get("/v1/invoices/inv_1").json["delivery"] == {"status": "sent", "at": "2026-01-01T12:00:00Z"}


def test_an_invoice_nobody_mailed_says_which_switch_was_off(api):
    api.customer()
    invoice(api, "inv_1", "2026-02-01")
    assert explained(api)["mailed"]["reason"] == "global_off"
    api.patch("/v1/customers/cus_acme", {"delivery": ["print"]})
    assert explained(api)["mailed"]["reason"] == "not_by_email"


def test_an_invoice_posted_during_a_pause_says_so_when_the_pause_is_over(api, acme):
    api.put("/v1/customers/cus_acme/pauses/send_new_invoices", {"through": "2026-01-02"})
    invoice(api, "inv_1", "2026-02-01")
    assert explained(api)["mailed"]["reason"] == "paused"
    api.ports.clock.advance(days=3)
    assert explained(api)["mailed"]["reason"] == "paused"
    invoice(api, "inv_2", "2026-02-01")
    assert explained(api, "inv_2")["mailed"]["reason"] == "pending"


def test_an_invoice_of_a_run_that_did_not_post_itself_says_that_mail_was_off(api):
    api.customer()
    api.patch("/v1/customers/cus_acme", {"automations": {"enabled": True}})
    invoice(api, "inv_1", "2026-02-01")
    api.patch("/v1/settings", {"bill_run": {"auto_post": True, "auto_email": True}})
    run = BillRun("brn_1", date(2026, 1, 1), auto_post=False)
    api.ports.store.commit(Save(run), Save(replace(api.ports.store.get(Invoice, "inv_1"), bill_run_id="brn_1")))
    assert explained(api)["mailed"]["reason"] == "global_off"


# ---- tasks and notices --------------------------------------------------------------------------


def test_a_task_is_listed_until_a_person_has_done_it(api):
    task = Task("tsk_1", "payment_unknown", "look it up", "pay_1", START, "cus_1")
    api.ports.store.commit(Save(task))
    (shown,) = api.items("/v1/tasks?status=open")
    assert shown == {
        "id": "tsk_1", "kind": "payment_unknown", "reason": "look it up", "subject_id": "pay_1", "customer_id": "cus_1",
        "link": "/v1/payments/pay_1", "status": "open", "created_at": "2026-01-01T12:00:00Z", "done_at": None,
        "version": 1,
    }  # fmt: skip
    done = api.post("/v1/tasks/tsk_1/done").json
    assert (done["status"], done["done_at"]) == ("done", "2026-01-01T12:00:00Z")
    assert api.post("/v1/tasks/tsk_1/done").json == done
    assert api.items("/v1/tasks?status=open") == []
    assert api.items("/v1/tasks") == [done]


def test_notices_are_filtered_and_sent_again(api, acme):
    invoice(api, "inv_1", "2026-02-01")
    (first,) = api.items("/v1/notices?customer_id=cus_acme")
    assert (first["kind"], first["subject_id"], first["status"], first["to"]) == ("invoice", "inv_1", "pending", None)
    assert api.post(f"/v1/notices/{first['id']}/resend").status == 409, "it has not been sent yet"
    api.ports.store.commit(Save(replace(api.ports.store.get(Notice, first["id"]), status="sent", sent_at=START)))
    api.ports.clock.advance(minutes=1)
    again = api.post(f"/v1/notices/{first['id']}/resend").json
    assert (again["kind"], again["status"]) == ("invoice", "pending")
    found = {
        q: [n["id"] for n in api.items(f"/v1/notices?{q}")] for q in ("status=sent", "status=pending", "kind=invoice")
    }
    assert found["status=sent"] == [first["id"]]
    assert found["status=pending"] == [again["id"]]
    assert sorted(found["kind=invoice"]) == sorted([first["id"], again["id"]])
    assert api.items("/v1/notices?customer_id=cus_acme&kind=past_due_1") == []
    assert api.get("/v1/notices?status=lost").fields == ["status"]


def test_a_notice_is_not_sent_again_to_a_customer_without_a_usable_address(api, acme):
    invoice(api, "inv_1", "2026-02-01")
    (first,) = api.items("/v1/notices?customer_id=cus_acme")
    api.ports.store.commit(Save(replace(api.ports.store.get(Notice, first["id"]), status="bounced", sent_at=START)))
    api.patch("/v1/customers/cus_acme", {"email": None})
    refused = api.post(f"/v1/notices/{first['id']}/resend")
    assert (refused.status, refused.fields) == (422, ["email"])
    assert api.items("/v1/notices?status=pending") == []

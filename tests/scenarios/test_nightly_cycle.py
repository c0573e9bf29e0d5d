"""The main job as dated diaries: contracts become invoices, which are mailed and charged, and chased if unpaid."""

from __future__ import annotations

import pytest

ADDRESS = "ap@acme.example"
ON_THE_1ST = {"start": "2026-01-01", "day": 1}


@pytest.mark.every_tick
def test_a_contract_is_billed_posted_mailed_and_charged_when_it_is_due(world):
    world.automate()
    acme = world.customer(email=ADDRESS, terms_days=30)
    world.card(acme)
    world.contract(acme, "249.95", start="2026-01-15", day=15)

    world.to("2026-01-14")
    assert world.invoices(acme) == []

    world.to("2026-01-15")  # the bill run of 04:00
    [invoice] = world.invoices(acme)
    assert (invoice["status"], invoice["payment_status"], invoice["number"]) == ("posted", "unpaid", "INV-000001")
    assert (invoice["posted_on"], invoice["due_on"]) == ("2026-01-15", "2026-02-14")  # 30 days after 15 January
    assert (invoice["total"], invoice["residual"]) == ("249.95", "249.95")
    [line] = invoice["lines"]
    assert (line["service_start"], line["service_end"]) == ("2026-01-15", "2026-02-15")
    [mail] = world.emails(ADDRESS)
    assert "INV-000001" in mail["subject"] + mail["text"]
    assert [a["name"] for a in mail["attachments"]] == ["INV-000001.pdf"]
    assert invoice["delivery"]["status"] == "sent"

    world.to("2026-02-13")
    assert world.charges() == []
    world.to("2026-02-14")  # the payment run of 11:00 on the due date
    [charge] = world.charges()
    assert (charge["amount"], charge["status"], charge["invoice_id"]) == ("249.95", "succeeded", invoice["id"])
    assert world.invoices(acme)[0]["payment_status"] == "paid"
    assert world.account(acme)["balance"] == {"USD": "0.00"}
    assert world.notices(acme) == ["invoice", "payment_received"]


def test_what_stays_unpaid_is_chased_through_the_three_tiers_and_never_after_it_is_paid(world):
    world.settings(automations={"past_due": {"enabled": True}})
    acme = world.customer(terms_days=30)
    world.invoice(acme, "100.00")  # posted 1 January, due 31 January

    world.to("2026-01-31")
    assert world.notices(acme) == []  # the due date itself is still on time
    world.to("2026-02-01")
    assert world.notices(acme) == ["past_due_1"]
    world.to("2026-02-13")
    assert world.notices(acme) == ["past_due_1"]
    world.to("2026-02-14")
    assert world.notices(acme) == ["past_due_1", "past_due_2"]
    assert world.account(acme)["tier"] == 2
    world.pays(acme, "100.00", on="2026-02-20")
    world.to("2026-04-01")
    assert world.notices(acme) == ["past_due_1", "past_due_2", "payment_received"]
    assert world.account(acme)["episode"] is None


def test_nothing_happens_to_anyone_until_somebody_switches_it_on(world):
    acme = world.customer(automations={"enabled": False})
    world.card(acme)
    world.contract(acme)
    world.invoice(acme, "10.00")

    world.to("2026-03-15")

    assert world.emails() == []
    assert world.charges() == []
    assert len(world.invoices(acme)) == 1
    assert world.get("/v1/bill-runs")["items"] == []


def test_a_customer_whose_master_switch_is_off_is_billed_and_charged_but_never_mailed(world):
    world.automate()
    quiet = world.customer(automations={"enabled": False})
    world.card(quiet)
    world.contract(quiet, **ON_THE_1ST)

    world.to("2026-02-28")

    assert [i["payment_status"] for i in world.invoices(quiet)] == ["paid", "unpaid"]  # due 31 January and 3 March
    assert world.emails() == []


def test_a_missed_run_is_caught_up_with_one_draft_per_bill_date_oldest_first(world):
    acme = world.customer()
    world.contract(acme, "100.00", **ON_THE_1ST)
    world.to("2026-03-10")

    run = world.post("/v1/bill-runs", {})
    world.settle()

    run = world.get(f"/v1/bill-runs/{run['id']}")
    assert (run["status"], run["counts"]["drafts"], run["totals"]) == ("completed", 3, {"USD": "300.00"})
    drafts = world.invoices(acme, bill_run_id=run["id"])
    starts = sorted(d["lines"][0]["service_start"] for d in drafts)
    assert starts == ["2026-01-01", "2026-02-01", "2026-03-01"]
    assert {d["invoice_date"] for d in drafts} == {"2026-03-10"}  # invoices are not back-dated
    assert {d["number"] for d in drafts} == {None}

    world.post(f"/v1/bill-runs/{run['id']}/post")
    world.settle()
    assert world.get(f"/v1/bill-runs/{run['id']}")["status"] == "posted"
    assert [i["number"] for i in world.invoices(acme)] == ["INV-000001", "INV-000002", "INV-000003"]


def test_flagged_drafts_wait_for_a_person_when_the_gate_is_clean_only(world):
    world.settings(bill_run={"enabled": True, "auto_post": True, "auto_email": True, "gate": "clean_only"})
    acme = world.customer()
    world.contract(acme, **ON_THE_1ST)

    world.to("2026-01-01")
    [draft] = world.invoices(acme)
    assert (draft["status"], [f["code"] for f in draft["flags"]]) == ("draft", ["first_invoice"])
    world.post(f"/v1/invoices/{draft['id']}/post")
    world.settle()

    world.to("2026-02-01")  # the second invoice equals the first: nothing to flag
    assert [i["status"] for i in world.invoices(acme)] == ["posted", "posted"]


def test_a_cancelled_run_leaves_its_periods_to_be_billed_again(world):
    acme = world.customer()
    world.contract(acme, **ON_THE_1ST)
    first = world.post("/v1/bill-runs", {})
    world.settle()

    world.post(f"/v1/bill-runs/{first['id']}/cancel")
    assert world.invoices(acme) == []
    world.post("/v1/bill-runs", {})
    world.settle()

    assert [i["total"] for i in world.invoices(acme)] == ["100.00"]


def test_a_void_invoice_is_billed_again_and_keeps_its_number(world):
    world.automate()
    acme = world.customer()
    world.contract(acme, **ON_THE_1ST)
    world.to("2026-01-01")
    [invoice] = world.invoices(acme)

    world.post(f"/v1/invoices/{invoice['id']}/void")
    world.to("2026-01-02")

    assert [(i["number"], i["status"]) for i in world.invoices(acme)] == [
        ("INV-000001", "void"),
        ("INV-000002", "posted"),
    ]
    world.to("2026-01-31")
    assert [i["total"] for i in world.invoices(acme)] == ["100.00", "100.00"]


def test_a_customer_paused_through_a_day_is_quiet_on_it_and_told_the_next(world):
    world.settings(automations={"past_due": {"enabled": True}})
    acme = world.customer(terms_days=30)
    world.invoice(acme, "100.00")  # due 31 January
    world.put(f"/v1/customers/{acme}/pauses/past_due", {"through": "2026-02-14"})

    world.to("2026-02-14")
    assert world.notices(acme) == []
    why = world.get(f"/v1/customers/{acme}/automations")["past_due"]
    assert (why["effective"], why["reason"]) == (False, "paused")
    world.to("2026-02-15")
    assert world.notices(acme) == ["past_due_2"]  # 15 days past due: the tier of that day, no burst


def test_usage_is_billed_in_arrears_and_late_usage_on_the_next_invoice(world):
    world.automate()
    acme = world.customer()
    charge = {
        "id": "chg_gb", "name": "Backup GB", "type": "usage", "metric": "gb", "unit_amount": "0.05",
        "included_quantity": "100", "interval": "month", "expected": True,
    }  # fmt: skip
    contract = world.contract(acme, charges=[charge], **ON_THE_1ST)

    def used(id, quantity, at):
        record = {"id": id, "contract_id": contract, "metric": "gb", "quantity": quantity, "occurred_at": at}
        return world.post("/v1/usage", {"records": [record]})

    assert used("u1", "300", "2026-01-10T12:00:00Z") == {"accepted": 1, "duplicate": 0, "rejected": []}
    assert used("u1", "300", "2026-01-10T12:00:00Z") == {"accepted": 0, "duplicate": 1, "rejected": []}
    world.to("2026-02-01")
    [january] = world.invoices(acme)
    assert january["total"] == "10.00"  # (300 − 100) × 0.05
    used("u2", "60", "2026-01-31T23:00:00Z")  # January's, but too late
    used("u3", "120", "2026-02-10T12:00:00Z")
    world.to("2026-03-01")
    february = world.invoices(acme)[-1]
    assert sorted(line["amount"] for line in february["lines"]) == ["1.00", "3.00"]  # 20 × 0.05 and 60 × 0.05
    assert "late_usage" in [f["code"] for f in february["flags"]]


def test_one_bad_customer_never_stops_the_run(world):
    world.automate()
    world.failures_expected = True
    good, bad = world.customer(), world.customer()
    world.contract(good, **ON_THE_1ST)
    world.contract(bad, **ON_THE_1ST)
    world.post("/_local/faults", {"fail_customers": [bad]})

    world.to("2026-01-01")
    [run] = world.get("/v1/bill-runs")["items"]
    assert [f["customer_id"] for f in run["failures"]] == [bad]
    assert len(world.invoices(good)) == 1
    assert world.invoices(bad) == []
    world.post("/_local/faults", {})
    world.to("2026-01-02")  # the next run tries again
    assert len(world.invoices(bad)) == 1


def test_the_payment_run_says_why_it_left_an_invoice_alone(world):
    world.settings(payment_run={"enabled": True})
    no_card, held, fine = world.customer(terms_days=0), world.customer(terms_days=0), world.customer(terms_days=0)
    world.card(held)
    world.card(fine)
    ids = [world.invoice(c, "50.00") for c in (no_card, held, fine)]
    world.put(f"/v1/invoices/{ids[1]}/hold", {"reason": "dispute"})

    world.to("2026-01-01")

    [run] = world.get("/v1/payment-runs")["items"]
    assert run["status"] == "completed"
    assert run["counts"] == {
        "considered": 3, "succeeded": 1, "declined": 0, "failed": 0, "unknown": 0, "skipped": 2,
    }  # fmt: skip
    assert run["collected"] == {"USD": "50.00"}
    skipped = {s["invoice_id"]: s["reason"] for s in world.get(f"/v1/payment-runs/{run['id']}/skipped")["items"]}
    assert skipped == {ids[0]: "no_payment_method", ids[1]: "on_hold"}


@pytest.mark.every_tick
def test_a_charge_nobody_answered_is_asked_about_and_never_repeated(world):
    world.settings(payment_run={"enabled": True})
    acme = world.customer(terms_days=0)
    world.card(acme, "timeout_charged")
    world.invoice(acme, "75.00")

    world.to("2026-01-01T11:02:00Z")
    assert [p["status"] for p in world.get(f"/v1/payments?customer_id={acme}")["items"]] == ["unknown"]
    world.to("2026-01-01T11:30:00Z")  # the gateway is asked after five minutes
    assert [p["status"] for p in world.get(f"/v1/payments?customer_id={acme}")["items"]] == ["succeeded"]
    world.to("2026-01-10")
    assert [c["status"] for c in world.charges()] == ["succeeded"]
    assert world.account(acme)["balance"] == {"USD": "0.00"}

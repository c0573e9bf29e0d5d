"""Diaries of payments: when a card is charged, tried again and left alone, what is said of it, and money given back.

The payment run is at 11:00 each day. PRODUCT 7.
"""

from __future__ import annotations

import re

import pytest

SOFT, HARD = "declined:insufficient_funds", "declined:stolen_card"


@pytest.fixture
def acme(world):
    """A customer whose invoices are due, and charged, on the day they are posted."""
    world.settings(payment_run={"enabled": True})
    return world.customer(terms_days=0)


def days(world, status=None):
    """The days on which the gateway was asked to charge, all or those that ended so."""
    return [c["at"][5:10] for c in world.charges() if status in (None, c["status"])]


def texts(world, customer, kind):
    """What the mails of a kind said, in order."""
    address = world.get(f"/v1/customers/{customer}")["email"]
    subjects = {"payment_failed": "declined", "payment_received": "received", "card_expiring": "expires"}
    return [e["text"] for e in world.emails(address) if subjects[kind] in e["text"]]


def runs(world):
    return sorted(world.all("/v1/payment-runs"), key=lambda r: r["as_of"])


def skipped(world):
    """The reasons of the last payment run."""
    return [s["reason"] for s in world.all(f"/v1/payment-runs/{runs(world)[-1]['id']}/skipped")]


def invoice(world, id):
    return world.get(f"/v1/invoices/{id}")


# ---- retries --------------------------------------------------------------------------------------------------


def test_a_soft_decline_is_tried_again_after_3_5_and_7_days_and_then_no_more(world, acme):
    world.card(acme, SOFT)
    world.invoice(acme, "100.00")

    world.to("2026-02-15")
    assert days(world) == ["01-01", "01-04", "01-09", "01-16"]  # each counted from the one before
    assert skipped(world) == ["attempts_exhausted"]
    said = texts(world, acme, "payment_failed")
    assert ["try again on 2026-01-04" in said[0], "try again on 2026-01-09" in said[1]] == [True, True]
    assert "try again on 2026-01-16" in said[2]
    assert "We will not try again" in said[3]
    assert len(said) == 4


def test_a_hard_decline_is_not_tried_again_and_the_customer_is_told_so_at_once(world, acme):
    world.card(acme, HARD)
    world.invoice(acme, "100.00")

    world.to("2026-02-15")
    assert days(world) == ["01-01"]
    [said] = texts(world, acme, "payment_failed")
    assert "We will not try again" in said
    assert "stolen" in said


def test_a_decline_by_hand_where_nothing_is_automatic_promises_nothing(world):
    acme = world.customer(class_id=world.klass(0, auto_charge=None))
    world.card(acme, SOFT)
    id = world.invoice(acme, "100.00")

    world.post(f"/v1/invoices/{id}/charge")
    world.settle()
    [said] = texts(world, acme, "payment_failed")
    assert "try again" not in said
    assert "Please pay now" in said


def test_a_retry_that_succeeds_ends_the_schedule(world, acme):
    world.card(acme, SOFT, "succeeded")
    id = world.invoice(acme, "100.00")

    world.to("2026-01-31")
    assert days(world) == ["01-01", "01-04"]
    assert invoice(world, id)["payment_status"] == "paid"
    assert world.notices(acme) == ["payment_failed", "payment_received"]


def test_a_retry_that_falls_due_during_a_hold_waits_for_its_end(world, acme):
    world.card(acme, SOFT, "succeeded")
    id = world.invoice(acme, "100.00")

    world.to("2026-01-02")
    world.put(f"/v1/invoices/{id}/hold", {"reason": "dispute", "through": "2026-01-10"})
    world.to("2026-01-10")
    assert days(world) == ["01-01"]
    assert skipped(world) == ["on_hold"]
    world.to("2026-01-11")
    assert days(world) == ["01-01", "01-11"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda w, c, pm: w.put(f"/v1/customers/{c}/autopay", {"enabled": False, "rules": []}), "autopay_off"),
        (lambda w, c, pm: w.put(f"/v1/customers/{c}/autopay", {"enabled": True, "rules": []}), "no_rule"),
        (lambda w, c, pm: w.delete(f"/v1/payment-methods/{pm}"), "no_payment_method"),
        (lambda w, c, pm: w.settings(payment_run={"enabled": False}), "payment_run_off"),
    ],
)
def test_a_retry_that_nothing_would_take_any_more_is_not_foretold(world, acme, change, reason):
    method = world.card(acme, SOFT)
    id = world.invoice(acme, "100.00")

    world.to("2026-01-01T12:00:00Z")
    found = world.get(f"/v1/invoices/{id}/explain")["collected"]
    assert (found["reason"], found["next_on"]) == ("retry_scheduled", "2026-01-04")
    change(world, acme, method)
    for day in ("2026-01-03T12:00:00Z", "2026-01-05T12:00:00Z"):
        world.to(day)
        found = world.get(f"/v1/invoices/{id}/explain")["collected"]
        assert (found["reason"], found["next_on"]) == (reason, None)
        assert "retry" not in [e["kind"] for e in world.all(f"/v1/customers/{acme}/timeline")]
    assert days(world) == ["01-01"]


def test_retries_are_taken_before_new_invoices(world, acme):
    world.card(acme, SOFT, "succeeded")
    retried = world.invoice(acme, "10.00")
    others = [world.customer(terms_days=3) for _ in range(12)]
    for other in others:
        world.card(other)
    new = [world.invoice(other, "10.00") for other in others]  # due on 4 January, the day of the retry

    world.to("2026-01-04")
    order = [c["invoice_id"] for c in world.charges()]
    assert order[:2] == [retried, retried]
    assert sorted(order[2:]) == sorted(new)


def test_a_call_that_was_not_processed_is_made_again_on_the_same_day_without_a_word(world, acme):
    world.card(acme, "error_500", "error_500", "succeeded")
    world.invoice(acme, "100.00")

    world.to("2026-01-01")
    assert days(world) == ["01-01"]
    assert [p["status"] for p in world.all(f"/v1/payments?customer_id={acme}")] == ["failed", "failed", "succeeded"]
    assert world.notices(acme) == ["payment_received"]
    assert runs(world)[-1]["counts"]["succeeded"] == 1


def test_when_the_schedule_has_ended_the_invoice_stays_with_collections(world, acme):
    world.settings(automations={"past_due": {"enabled": True}})
    world.card(acme, SOFT)
    owed = world.invoice(acme, "100.00")

    world.to("2026-01-02")
    assert world.notices(acme) == ["payment_failed", "past_due_1"]
    world.to("2026-02-01")
    assert days(world) == ["01-01", "01-04", "01-09", "01-16"]
    assert world.notices(acme).count("payment_failed") == 4
    assert [k for k in world.notices(acme) if k.startswith("past_due")] == ["past_due_1", "past_due_2", "past_due_3"]
    told = world.get(f"/v1/invoices/{owed}/explain")
    assert (told["collected"]["reason"], told["chased"]["done"]) == ("attempts_exhausted", True)


def test_word_of_a_decline_has_a_pay_link_of_the_customers_own(world, acme):
    other = world.customer(terms_days=0)
    for customer in (acme, other):
        world.card(customer, SOFT)
        world.invoice(customer, "100.00")
    world.to("2026-01-01")
    mails = {e["to"]: e["text"] for e in world.emails() if "declined" in e["text"]}
    links = [re.findall(r"https?://[^ ]+/pay/[A-Za-z0-9_.~-]+", text) for text in mails.values()]
    assert [len(found) for found in links] == [1, 1]
    assert links[0] != links[1]


def test_each_invoice_type_of_a_class_has_a_collection_date_of_its_own(world):
    world.settings(payment_run={"enabled": True})
    policy = {
        "regular": {"terms_days": 10, "auto_charge": {"on": "due_on", "offset_days": -3}},
        "out_of_turn": {"terms_days": 2, "auto_charge": {"on": "day_of_month", "day": 20}},
    }
    world.post("/v1/customer-classes", {"id": "cls_dates", "name": "Dates", **policy})
    acme = world.customer(class_id="cls_dates")
    world.card(acme)
    regular = world.invoice(acme, "1.00")  # due on 11 January
    out_of_turn = world.invoice(acme, "2.00", type="out_of_turn")
    world.to("2026-01-07")
    assert world.charges() == []
    world.to("2026-01-31")
    assert [(c["at"][5:10], c["invoice_id"]) for c in world.charges()] == [("01-08", regular), ("01-20", out_of_turn)]


@pytest.mark.every_tick
def test_a_charge_nobody_answered_is_asked_about_after_five_minutes(world, acme):
    world.card(acme, "timeout_charged")
    owed = world.invoice(acme, "100.00")
    world.to("2026-01-01T11:04:00Z")
    assert [p["status"] for p in world.all(f"/v1/payments?invoice_id={owed}")] == ["unknown"]
    assert world.get(f"/v1/invoices/{owed}/explain")["collected"]["reason"] == "attempt_open"
    world.post(f"/v1/invoices/{owed}/charge", status=409)
    world.to("2026-01-01T11:05:00Z")
    assert [p["status"] for p in world.all(f"/v1/payments?invoice_id={owed}")] == ["succeeded"]


def test_with_the_payment_run_switched_off_nothing_is_charged(world, acme):
    world.card(acme, SOFT, "succeeded")
    world.invoice(acme, "100.00")

    world.to("2026-01-02")
    world.settings(payment_run={"enabled": False})
    world.to("2026-01-10")
    assert days(world) == ["01-01"]
    world.settings(payment_run={"enabled": True})
    world.to("2026-01-11")
    assert days(world) == ["01-01", "01-11"]


# ---- cards ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("declined", "reason"), [(SOFT, "retry_scheduled"), (HARD, "attempts_exhausted")])
def test_a_new_card_is_tried_by_the_next_payment_run_once(world, acme, declined, reason):
    world.card(acme, declined)
    id = world.invoice(acme, "100.00")

    world.to("2026-01-01")
    world.card(acme, HARD)
    world.to("2026-01-02")
    assert days(world) == ["01-01", "01-02"]
    world.to("2026-01-03")
    assert (days(world), skipped(world)) == (["01-01", "01-02"], [reason])
    world.card(acme)
    world.to("2026-01-04T10:00:00Z")
    assert invoice(world, id)["residual"] == "100.00"
    world.to("2026-01-04T12:00:00Z")
    assert invoice(world, id)["residual"] == "0.00"


def test_a_card_is_tried_as_often_as_is_allowed_in_30_days_over_all_invoices(world, acme):
    world.settings(retries={"max_attempts_per_card_30_days": 5})
    world.card(acme, SOFT)
    world.invoice(acme, "10.00")
    world.invoice(acme, "20.00")

    world.to("2026-01-16")
    assert days(world) == ["01-01", "01-01", "01-04", "01-04", "01-09"]
    assert skipped(world) == ["card_limit", "card_limit"]
    world.to("2026-01-30T10:00:00Z")
    assert len(days(world)) == 5
    world.to("2026-01-31T12:00:00Z")  # 30 days after the first two
    assert days(world)[5:] == ["01-31", "01-31"]


def test_a_customer_is_told_once_that_the_card_expires_before_the_next_collection(world):
    world.settings(payment_run={"enabled": True})
    acme = world.customer(terms_days=30)
    body = {"token": "tok_old", "brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2026}
    world.post(f"/v1/customers/{acme}/payment-methods", body)
    world.invoice(acme, "100.00", on="2026-01-01", due_on="2026-01-20")
    world.invoice(acme, "50.00", on="2026-01-01", due_on="2026-02-10")

    world.to("2026-01-20T10:00:00Z")
    assert world.notices(acme) == [], "the card is good for the next one"
    world.to("2026-01-21")
    assert world.notices(acme) == ["payment_received", "card_expiring"]
    world.to("2026-02-09")
    assert world.notices(acme) == ["payment_received", "card_expiring"]
    [said] = texts(world, acme, "card_expiring")
    assert "01/2026" in said
    assert "2026-02-10" in said


# ---- money in other ways --------------------------------------------------------------------------------------


def test_a_cheque_is_split_as_it_says_and_the_rest_pays_what_is_posted_next(world):
    acme = world.customer()
    one, two = world.invoice(acme, "100.00", due_on="2026-01-10"), world.invoice(acme, "50.00", due_on="2026-01-05")

    split = [{"invoice_id": two, "amount": "50.00"}, {"invoice_id": one, "amount": "25.00"}]
    paid = world.pays(acme, "90.00", allocations=split)
    assert paid["credited"] == "15.00"
    assert [invoice(world, i)["residual"] for i in (one, two)] == ["75.00", "0.00"]
    assert world.account(acme)["balance"] == {"USD": "60.00"}
    three = world.invoice(acme, "40.00")
    assert [invoice(world, i)["residual"] for i in (one, three)] == ["60.00", "40.00"]  # the oldest first
    assert (world.account(acme)["balance"], world.account(acme)["credit"]) == ({"USD": "100.00"}, {"USD": "0.00"})


@pytest.mark.parametrize("owed", [None, "30.00"])
def test_whoever_pays_is_thanked_even_if_nothing_is_owed(world, owed):
    acme = world.customer()
    if owed:
        world.invoice(acme, owed)
    world.pays(acme, "30.00")
    world.settle()
    assert world.notices(acme) == ["payment_received"]
    [said] = texts(world, acme, "payment_received")
    assert ("INV-000001: USD 30.00" in said) == (owed is not None)
    assert ("as credit" in said) == (owed is None)


# ---- money given back -----------------------------------------------------------------------------------------


def test_what_is_given_back_is_owed_since_its_due_date_chased_and_not_charged_again(world, acme):
    world.settings(automations={"past_due": {"enabled": True}})
    world.card(acme)
    id = world.invoice(acme, "100.00")
    world.to("2026-01-05")
    [payment] = world.all(f"/v1/payments?customer_id={acme}")

    back = world.post(f"/v1/payments/{payment['id']}/refund", {"amount": "40.00"})
    assert (back["status"], back["refunded"]) == ("succeeded", "40.00")
    now = invoice(world, id)
    assert (now["residual"], now["due_on"], now["payment_status"]) == ("40.00", "2026-01-01", "overdue")
    back = world.post(f"/v1/payments/{payment['id']}/refund")
    assert (back["status"], back["refunded"]) == ("refunded", "100.00")

    world.to("2026-01-20")
    assert days(world) == ["01-01"], "it stays outside autopay"
    assert world.account(acme)["past_due"] == {"USD": "100.00"}
    assert world.notices(acme) == ["payment_received", "past_due_1", "past_due_2"]
    assert world.post(f"/v1/invoices/{id}/charge")["status"] == "succeeded"
    assert world.account(acme)["balance"] == {"USD": "0.00"}
    assert [c["status"] for c in world.charges()] == ["refunded", "succeeded"]


def test_more_than_was_paid_is_never_given_back(world, acme):
    world.card(acme)
    world.invoice(acme, "100.00")
    world.to("2026-01-01")
    [payment] = world.all(f"/v1/payments?customer_id={acme}")
    path = f"/v1/payments/{payment['id']}/refund"

    world.post(path, {"amount": "100.01"}, status=422)
    world.post(path, {"amount": "99.99"})
    world.post(path, {"amount": "0.02"}, status=422)
    world.post(path)
    world.post(path, status=409)
    assert world.account(acme)["balance"] == {"USD": "100.00"}


def test_an_overpayment_is_given_back_from_credit_unless_it_was_spent(world):
    acme = world.customer()
    world.invoice(acme, "100.00")
    first = world.pays(acme, "130.00")
    world.post(f"/v1/payments/{first['id']}/refund", {"amount": "30.00"})
    assert world.account(acme)["balance"] == {"USD": "0.00"}

    second = world.pays(acme, "20.00")
    world.invoice(acme, "20.00")  # which the credit pays
    refused = world.post(f"/v1/payments/{second['id']}/refund", status=409)
    assert "spent" in refused["detail"]
    assert world.account(acme)["balance"] == {"USD": "0.00"}


@pytest.mark.every_tick
def test_a_refund_whose_answer_was_lost_is_made_once(world, acme):
    world.card(acme)
    id = world.invoice(acme, "100.00")
    world.to("2026-01-01")
    [payment] = world.all(f"/v1/payments?customer_id={acme}")
    gateway, lost = world.cloud.gateway, []
    real = gateway.refund

    def refund(payment, amount_minor, key):
        outcome = real(payment, amount_minor, key)
        lost.append(key)
        return outcome if len(lost) > 1 else type(outcome)("unknown")

    gateway.refund = refund
    back = world.post(f"/v1/payments/{payment['id']}/refund")
    assert (back["status"], back["refunded"], back["refunds"][0]["status"]) == ("succeeded", "0.00", "unknown")
    assert invoice(world, id)["residual"] == "0.00", "nothing is owed before it is certain"
    world.post(f"/v1/payments/{payment['id']}/refund", status=409)
    world.rest()
    assert world.get(f"/v1/payments/{payment['id']}")["status"] == "refunded"
    assert invoice(world, id)["residual"] == "100.00"
    assert len(set(lost)) == 1
    assert [c["status"] for c in world.charges()] == ["refunded"]

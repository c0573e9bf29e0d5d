"""Diaries of autopay rules: which card the payment run charges, on which day, and what follows a decline. PRODUCT 8."""

from __future__ import annotations

import pytest

SOFT, HARD = "declined:insufficient_funds", "declined:stolen_card"
ANY = {"type": "currency", "operator": "is", "values": ["USD"]}
GTE_200 = {"type": "amount", "operator": "gte", "values": ["200.00"]}
AT_15_DAYS = {"type": "invoice_age_days", "operator": "gte", "values": [15]}

# Two of these diaries show that the store makes no difference; the others are about rules.
in_memory = pytest.mark.parametrize("world", ["memory"], indirect=True)


@pytest.fixture
def acme(world):
    """A customer who may be charged from the invoice date on, by a payment run at 11:00 each day."""
    world.settings(payment_run={"enabled": True})
    return world.customer(class_id=world.klass(auto_charge={"on": "invoice_date"}))


def rule(card, *criteria, **more):
    return {"payment_method_id": card, "criteria": list(criteria or [ANY]), **more}


def rules(world, customer, *listed, enabled=True, fall_through=False):
    body = {"enabled": enabled, "fall_through_on_decline": fall_through, "rules": list(listed)}
    return [r["id"] for r in world.put(f"/v1/customers/{customer}/autopay", body)["rules"]]


def charged(world, *cards):
    """Each charge that reached the gateway: its day, the place of its card among these, and what became of it."""
    tokens = [method(world, card)["token"] for card in cards]
    return [(c["at"][:10], tokens.index(c["token"]) + 1, c["status"]) for c in world.charges()]


def method(world, card):
    customers = [c["id"] for c in world.all("/v1/customers")]
    methods = [m for c in customers for m in world.all(f"/v1/customers/{c}/payment-methods")]
    return next(m for m in methods if m["id"] == card)


def skipped(world):
    """The reasons of the last payment run."""
    runs = sorted(world.all("/v1/payment-runs"), key=lambda r: r["as_of"])
    return [s["reason"] for s in world.all(f"/v1/payment-runs/{runs[-1]['id']}/skipped")]


def explained(world):
    """What each rule makes of the only invoice, and each of its criteria."""
    [invoice] = world.invoices()
    autopay = world.get(f"/v1/invoices/{invoice['id']}/explain")["autopay"]
    return [(a["result"], [(c["actual"], c["holds"]) for c in a["criteria"]]) for a in autopay]


@in_memory
def test_an_invoice_of_280_dollars_is_not_paid_at_10_days_and_is_at_15(world, acme):
    card = world.card(acme)
    rules(world, acme, rule(card, GTE_200, AT_15_DAYS))
    world.invoice(acme, "280.00", on="2026-01-01")

    world.to("2026-01-11")
    assert (world.charges(), skipped(world)) == ([], ["no_rule"])
    assert explained(world) == [("no_match", [("280.00", True), (10, False)])]
    world.to("2026-01-15")
    assert world.charges() == []
    world.to("2026-01-16")
    assert charged(world, card) == [("2026-01-16", 1, "succeeded")]
    assert explained(world) == [("pays", [("280.00", True), (15, True)])]
    world.to("2026-01-31")
    assert len(world.charges()) == 1


@in_memory
def test_without_a_list_the_first_card_pays_everything(world, acme):
    first = world.card(acme)
    world.to("2026-01-01T00:01:00Z")
    second = world.card(acme)
    world.invoice(acme, "10.00")

    world.to("2026-01-01")

    assert charged(world, first, second) == [("2026-01-01", 1, "succeeded")]


@in_memory
def test_the_first_match_pays_once_and_later_matches_are_ignored(world, acme):
    first, second = world.card(acme), world.card(acme)
    large, every, _ = rules(world, acme, rule(first, GTE_200), rule(second), rule(first))
    world.invoice(acme, "100.00")
    world.invoice(acme, "300.00")

    world.to("2026-01-03")

    assert sorted(charged(world, first, second)) == [("2026-01-01", 1, "succeeded"), ("2026-01-01", 2, "succeeded")]
    paid_by = {p["amount"]: p["payment_method_id"] for p in world.all(f"/v1/payments?customer_id={acme}")}
    assert paid_by == {"100.00": second, "300.00": first}
    by_rule = {p["amount"]: p["autopay_rule_id"] for p in world.all(f"/v1/payments?customer_id={acme}")}
    assert by_rule == {"100.00": every, "300.00": large}


@in_memory
def test_the_rules_see_what_is_left_to_pay(world, acme):
    card = world.card(acme)
    rules(world, acme, rule(card, GTE_200, AT_15_DAYS))
    invoice = world.invoice(acme, "280.00", on="2026-01-01")
    world.pays(acme, "100.00", on="2026-01-10", allocations=[{"invoice_id": invoice, "amount": "100.00"}])

    world.to("2026-02-10")

    assert (world.charges(), skipped(world)) == ([], ["no_rule"])  # 180.00 are left


@in_memory
def test_autopay_switched_off_charges_nothing_until_it_is_on_again(world, acme):
    card = world.card(acme)
    [its] = rules(world, acme, rule(card), enabled=False)
    world.invoice(acme, "10.00")

    world.to("2026-01-02")
    assert (world.charges(), skipped(world)) == ([], ["autopay_off"])

    world.put(f"/v1/customers/{acme}/autopay", {"enabled": True})
    world.patch(f"/v1/autopay-rules/{its}", {"disabled": True})
    world.to("2026-01-03")
    assert (world.charges(), skipped(world)) == ([], ["no_rule"])

    world.patch(f"/v1/autopay-rules/{its}", {"disabled": False})
    world.to("2026-01-04")
    assert charged(world, card) == [("2026-01-04", 1, "succeeded")]


@in_memory
def test_a_rule_whose_card_was_removed_is_skipped_and_the_next_one_pays(world, acme):
    first, second = world.card(acme), world.card(acme)
    rules(world, acme, rule(first), rule(second))
    world.delete(f"/v1/payment-methods/{first}")
    world.invoice(acme, "10.00")

    world.to("2026-01-01")

    assert charged(world, second) == [("2026-01-01", 1, "succeeded")]
    assert [r["invalid"] for r in world.get(f"/v1/customers/{acme}/autopay")["rules"]] == [True, False]


def test_a_rule_by_the_name_of_a_line_pays_only_invoices_that_have_it(world, acme):
    card = world.card(acme)
    rules(world, acme, rule(card, {"type": "line_item", "operator": "contains", "values": ["SUPPORT"]}))
    world.invoice(acme, lines=[{"name": "Setup", "amount": "5.00"}, {"name": "Support plan", "amount": "9.00"}])
    world.invoice(acme, lines=[{"name": "Setup", "amount": "5.00"}])

    world.to("2026-01-01")

    assert [c["amount"] for c in world.charges()] == ["14.00"]
    assert skipped(world) == ["no_rule"]


# ---- declines ---------------------------------------------------------------------------------------------------


@in_memory
def test_a_decline_does_not_fall_through_unless_the_list_says_so(world, acme):
    first, second = world.card(acme, SOFT), world.card(acme)
    rules(world, acme, rule(first), rule(second))
    world.invoice(acme, "10.00")

    world.to("2026-01-03")
    assert charged(world, first, second) == [("2026-01-01", 1, "declined")]
    world.to("2026-01-04")  # the retry, 3 days on: the same rule again
    assert charged(world, first, second) == [("2026-01-01", 1, "declined"), ("2026-01-04", 1, "declined")]


def test_where_declines_fall_through_the_next_matching_rule_is_tried_at_once(world, acme):
    first, second, third = world.card(acme, SOFT), world.card(acme), world.card(acme)
    rules(world, acme, rule(first), rule(second, GTE_200), rule(third), fall_through=True)
    world.invoice(acme, "10.00")

    world.to("2026-01-01")

    assert charged(world, first, second, third) == [("2026-01-01", 1, "declined"), ("2026-01-01", 3, "succeeded")]
    [invoice] = world.invoices(acme)
    assert invoice["payment_status"] == "paid"
    assert [p["attempt"] for p in sorted(payments(world, acme), key=lambda p: p["attempt"])] == [1, 2]
    assert sorted(world.notices(acme, status=None)) == ["payment_failed", "payment_received"]
    assert world.notices(acme) == ["payment_received"]  # of the decline there is nothing left to say
    world.to("2026-01-02")
    assert len(world.charges()) == 2


def payments(world, customer):
    return world.all(f"/v1/payments?customer_id={customer}")


@in_memory
def test_a_card_is_tried_once_a_run_however_many_rules_name_it(world, acme):
    first, second = world.card(acme, SOFT), world.card(acme, SOFT)
    rules(world, acme, rule(first), rule(first, GTE_200), rule(second), rule(first), fall_through=True)
    world.invoice(acme, "300.00")

    world.to("2026-01-02")

    assert charged(world, first, second) == [("2026-01-01", 1, "declined"), ("2026-01-01", 2, "declined")]


@in_memory
def test_rules_tried_in_one_go_count_as_one_try_of_the_schedule(world, acme):
    first, second = world.card(acme, SOFT), world.card(acme, SOFT)
    rules(world, acme, rule(first), rule(second), fall_through=True)
    world.invoice(acme, "10.00")

    world.to("2026-02-28")

    days = ["2026-01-01", "2026-01-04", "2026-01-09", "2026-01-16"]  # then 3, 5 and 7 days on
    assert charged(world, first, second) == [(day, card, "declined") for day in days for card in (1, 2)]
    assert skipped(world) == ["attempts_exhausted"]
    told = [m["text"] for m in world.emails() if "did not go through" in m["subject"]]
    said = [f"We will try again on {day}." for day in days[1:]] + ["We will not try again."]
    assert len(told) == 2 * len(said)  # one for each card
    assert all(said[n // 2] in text for n, text in enumerate(told))


@in_memory
def test_a_card_declined_for_good_is_not_tried_again_while_the_other_is(world, acme):
    first, second = world.card(acme, HARD), world.card(acme, SOFT, "succeeded")
    rules(world, acme, rule(first), rule(second), fall_through=True)
    world.invoice(acme, "10.00")

    world.to("2026-01-31")

    assert charged(world, first, second) == [
        ("2026-01-01", 1, "declined"), ("2026-01-01", 2, "declined"), ("2026-01-04", 2, "succeeded"),
    ]  # fmt: skip


@in_memory
def test_a_softly_declined_card_is_tried_again_though_the_last_one_was_declined_for_good(world, acme):
    first, second = world.card(acme, SOFT, "succeeded"), world.card(acme, HARD)
    rules(world, acme, rule(first), rule(second), fall_through=True)
    world.invoice(acme, "10.00")

    world.to("2026-01-31")

    assert charged(world, first, second) == [
        ("2026-01-01", 1, "declined"), ("2026-01-01", 2, "declined"), ("2026-01-04", 1, "succeeded"),
    ]  # fmt: skip


@in_memory
def test_when_every_card_is_declined_for_good_autopay_ends(world, acme):
    first, second = world.card(acme, HARD), world.card(acme, HARD)
    rules(world, acme, rule(first), rule(second), fall_through=True)
    world.invoice(acme, "10.00")

    world.to("2026-01-31")

    assert charged(world, first, second) == [("2026-01-01", 1, "declined"), ("2026-01-01", 2, "declined")]
    assert skipped(world) == ["attempts_exhausted"]


@in_memory
def test_an_unknown_outcome_does_not_fall_through(world, acme):
    first, second = world.card(acme, "timeout_charged"), world.card(acme)
    rules(world, acme, rule(first), rule(second), fall_through=True)
    world.invoice(acme, "10.00")

    world.to("2026-01-31")

    assert charged(world, first, second) == [("2026-01-01", 1, "succeeded")]
    assert world.invoices(acme)[0]["payment_status"] == "paid"


@in_memory
def test_a_charge_by_hand_names_its_card_or_follows_the_rules_and_never_falls_through(world, acme):
    first = world.card(acme)
    world.to("2026-01-01T00:01:00Z")
    second = world.card(acme, SOFT)
    rules(world, acme, rule(second, GTE_200), rule(first, GTE_200), fall_through=True)
    world.settings(payment_run={"enabled": False})
    by_rule = world.invoice(acme, "300.00")
    by_none = world.invoice(acme, "10.00")

    declined = world.post(f"/v1/invoices/{by_rule}/charge")
    assert (declined["payment_method_id"], declined["status"]) == (second, "declined")
    asked = world.post(f"/v1/invoices/{by_rule}/charge", {"payment_method_id": first})
    assert (asked["payment_method_id"], asked["status"]) == (first, "succeeded")
    assert world.post(f"/v1/invoices/{by_none}/charge")["payment_method_id"] == first

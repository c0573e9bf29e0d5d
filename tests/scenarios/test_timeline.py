"""The timeline: everything that happened and is planned, in order. API.md "Resources", PRODUCT 2, 9."""

from __future__ import annotations

import pytest

from tests.scenarios.collections_world import either, world

__all__ = ["either", "world"]

STRICT = {
    "limit_after_days": 6, "suspend_after_days": 12, "terminate_after_days": 20, "step_notice_days": 2,
    "reminders_before_due": [2], "late_fee": {"amount": "3.00", "grace_days": 4},
}  # fmt: skip
TRIGGERS = [
    {"days": 8, "actions": [{"type": "task", "title": "Call"}]},
    {"days": 10, "actions": [{"type": "late_fee", "amount": "5.00"}]},
]


def when(entry):
    return entry.get("at") or entry["on"]


def timeline(world, customer, **query):
    text = "&".join(f"{k}={v}" for k, v in query.items())
    return world.all(f"/v1/customers/{customer}/timeline" + (f"?{text}" if text else ""))


def kinds(entries, *wanted):
    return [(when(e)[:10], e["kind"]) for e in entries if not wanted or e["kind"] in wanted]


def happened(world, customer, *wanted):
    return kinds(timeline(world, customer, planned="false"), *wanted)


def planned(world, customer, *wanted):
    return kinds(timeline(world, customer, planned="true"), *wanted)


def test_an_account_is_told_from_its_first_bill_to_its_restoration(world):
    world.automate()
    world.settings(automations={"past_due": {"enabled": True, "triggers": TRIGGERS}})
    acme = world.customer(class_id=world.klass(5, **STRICT))
    world.contract(acme, "80.00")
    world.to("2026-01-20")
    world.pays(acme, "88.00", on="2026-01-21")
    world.settle()
    noise = ("notice_sent", "customer_created", "contract_created")
    assert [e for e in happened(world, acme) if e[1] not in noise] == [
        ("2026-01-01", "invoice_posted"),  # due 6 January
        ("2026-01-07", "episode_began"),
        ("2026-01-07", "tier_entered"),
        ("2026-01-11", "late_fee"),
        ("2026-01-12", "service_limited"),
        ("2026-01-14", "trigger_fired"),
        ("2026-01-16", "trigger_fired"),
        ("2026-01-16", "late_fee"),
        ("2026-01-18", "contract_suspended"),
        ("2026-01-18", "service_suspended"),
        ("2026-01-20", "tier_entered"),
        ("2026-01-21", "contract_resumed"),
        ("2026-01-21", "payment_received"),
        ("2026-01-21", "invoice_paid"),
        ("2026-01-21", "invoice_paid"),
        ("2026-01-21", "invoice_paid"),
        ("2026-01-21", "episode_ended"),
        ("2026-01-21", "service_restored"),
    ]
    mails = [e["message"] for e in timeline(world, acme) if e["kind"] == "notice_sent"]
    assert mails[0].startswith("The invoice was mailed to ap")
    assert sum("Advance notice that service is to be" in m for m in mails) == 2
    paid = next(e for e in timeline(world, acme) if e["kind"] == "payment_received")
    assert (paid["amount"], paid["currency"], paid["planned"]) == ("88.00", "USD", False)


def test_what_is_planned_comes_true_if_nobody_pays(world):
    """The whole of it, told before anything is late, against what there is in the end."""
    world.settings(automations={"past_due": {"enabled": True, "triggers": TRIGGERS}})
    acme = world.customer(class_id=world.klass(5, **STRICT))
    world.contract(acme, start="2026-01-01")
    world.invoice(acme, "80.00")  # due 6 January
    world.to("2026-01-02")
    told = {"past_due_1", "past_due_2", "past_due_3", "reminder", "service_step"}
    plan = planned(world, acme, *told, "late_fee", "limit", "suspend", "terminate", "trigger")
    assert plan == [
        ("2026-01-04", "reminder"),
        ("2026-01-07", "past_due_1"),
        ("2026-01-10", "service_step"),
        ("2026-01-11", "late_fee"),
        ("2026-01-12", "limit"),
        ("2026-01-14", "trigger"),
        ("2026-01-16", "late_fee"),
        ("2026-01-16", "service_step"),
        ("2026-01-16", "trigger"),
        ("2026-01-18", "suspend"),
        ("2026-01-20", "past_due_2"),
        ("2026-01-24", "service_step"),
        ("2026-01-26", "terminate"),
        ("2026-02-05", "past_due_3"),
    ]
    world.to("2026-02-10")
    notices = {(n["sent_at"][:10], n["kind"]) for n in world.all(f"/v1/notices?customer_id={acme}")}
    assert {p for p in plan if p[1] in told} == {n for n in notices if n[1] in told}
    done = happened(world, acme, "late_fee", "service_limited", "service_suspended", "trigger_fired")
    as_planned = {"limit": "service_limited", "suspend": "service_suspended", "trigger": "trigger_fired"}
    assert sorted((on, as_planned.get(kind, kind)) for on, kind in plan if kind not in told | {"terminate"}) == sorted(
        done
    )
    asked = [t["created_at"][:10] for t in world.all("/v1/tasks") if t["kind"] == "confirm_termination"]
    assert asked == [on for on, kind in plan if kind == "terminate"]


def test_bills_collections_retries_and_the_summary_are_planned_for_their_days(world):
    world.automate()
    world.settings(automations={"account_summary": {"enabled": True, "schedule": "0 8 15 * *"}})
    acme = world.customer(terms_days=10)
    world.contract(acme, "80.00")
    world.card(acme, "declined:insufficient_funds")
    world.to("2026-01-02")
    assert planned(world, acme, "bill", "collection", "invoice_due", "account_summary", "retry") == [
        ("2026-01-11", "collection"),
        ("2026-01-11", "invoice_due"),
        ("2026-01-15", "account_summary"),
        ("2026-02-01", "bill"),
    ]
    world.to("2026-01-11")
    assert planned(world, acme, "collection", "retry") == [("2026-01-14", "retry")]
    retry = next(e for e in timeline(world, acme, planned="true") if e["kind"] == "retry")
    assert (retry["on"], retry["amount"]) == ("2026-01-14", "80.00")
    declined = next(e for e in timeline(world, acme) if e["kind"] == "payment_declined")
    assert "insufficient_funds" in declined["message"]


def test_an_invoice_that_nobody_would_pay_automatically_has_no_collection_planned(world):
    world.automate()
    acme = world.customer(terms_days=10)
    world.invoice(acme, "80.00")
    assert planned(world, acme, "collection", "invoice_due") == [("2026-01-11", "invoice_due")]


def test_pauses_and_holds_are_told_when_they_are_set_lifted_and_over(world):
    acme = world.customer()
    invoice = world.invoice(acme, "80.00")
    world.put(f"/v1/customers/{acme}/pauses/past_due", {"through": "2026-01-05"})
    world.put(f"/v1/customers/{acme}/pauses/account_summary", {})
    world.put(f"/v1/customers/{acme}/hold", {"reason": "dispute", "through": "2026-01-03"})
    world.put(f"/v1/invoices/{invoice}/hold", {"reason": "other", "through": "2026-01-20"})
    assert planned(world, acme, "pause_ends", "hold_ends") == [
        ("2026-01-04", "hold_ends"),
        ("2026-01-06", "pause_ends"),
        ("2026-01-21", "hold_ends"),
    ]
    stops = world.account(acme)["stopped_by"]
    assert [(s["kind"], s["reason"], s["through"]) for s in stops] == [
        ("hold", "dispute", "2026-01-03"),
        ("hold", "other", "2026-01-20"),
        ("pause", "past_due", "2026-01-05"),
        ("pause", "account_summary", None),
    ]
    assert world.get(f"/v1/invoices/{invoice}/explain")["chased"]["stopped_by"] == stops
    world.to("2026-01-10")
    world.delete(f"/v1/invoices/{invoice}/hold", status=204)
    world.delete(f"/v1/customers/{acme}/pauses/account_summary", status=204)
    world.put(f"/v1/customers/{acme}/pauses/past_due", {"through": "2026-01-31"})
    words = ("pause_set", "pause_lifted", "pause_ended", "hold_set", "hold_lifted", "hold_ended")
    assert sorted(happened(world, acme, *words)) == [
        ("2026-01-01", "hold_set"),
        ("2026-01-01", "hold_set"),
        ("2026-01-01", "pause_set"),
        ("2026-01-01", "pause_set"),
        ("2026-01-04", "hold_ended"),
        ("2026-01-06", "pause_ended"),
        ("2026-01-10", "hold_lifted"),
        ("2026-01-10", "pause_lifted"),
        ("2026-01-10", "pause_set"),
    ]
    assert planned(world, acme, "pause_ends", "hold_ends") == [("2026-02-01", "pause_ends")]


PROMISES = ("promise_made", "promise_kept", "promise_broken", "promise_withdrawn")


@pytest.mark.parametrize(
    ("amount", "paid", "on", "outcome", "day"),
    [
        ("60.00", "60.00", "2026-01-16", "kept", "2026-01-16"),  # the last day is in time
        ("60.00", "59.99", "2026-01-16", "broken", "2026-01-17"),
        ("60.00", "60.00", "2026-01-17", "broken", "2026-01-17"),  # the day after is not
        (None, "100.00", "2026-01-10", "kept", "2026-01-10"),  # all that is past due
        (None, "99.99", "2026-01-10", "broken", "2026-01-17"),
    ],
)
def test_a_promise_is_kept_by_what_comes_in_through_its_day(world, amount, paid, on, outcome, day):
    acme = world.customer(terms_days=0)
    world.settings(automations={"past_due": {"enabled": True}})
    world.invoice(acme, "100.00")  # due 1 January
    world.to("2026-01-05")
    world.post(f"/v1/customers/{acme}/promises", {"date": "2026-01-16"} | ({"amount": amount} if amount else {}))
    assert world.account(acme)["promise"]["status"] == "open"
    assert planned(world, acme, "promise_due") == [("2026-01-16", "promise_due")]
    world.pays(acme, paid, on=on)
    world.to("2026-01-18")
    assert world.account(acme)["promise"]["status"] == outcome
    assert happened(world, acme, *PROMISES) == [("2026-01-05", "promise_made"), (day, f"promise_{outcome}")]


def test_a_promise_is_replaced_by_the_next_and_may_be_withdrawn(world):
    acme = world.customer(terms_days=0)
    world.settings(automations={"past_due": {"enabled": True}})
    world.invoice(acme, "100.00")  # due 1 January
    world.to("2026-01-05")
    world.post(f"/v1/customers/{acme}/promises", {"date": "2026-01-10", "amount": "100.00"})
    world.to("2026-01-08")
    world.post(f"/v1/customers/{acme}/promises", {"date": "2026-01-15", "amount": "100.00"})
    world.to("2026-01-12")  # the first one's day is over, and says nothing any more
    assert world.account(acme)["promise"]["status"] == "open"
    world.delete(f"/v1/customers/{acme}/promises", status=204)
    assert world.account(acme)["promise"] is None
    world.to("2026-01-20")
    assert happened(world, acme, *PROMISES) == [
        ("2026-01-05", "promise_made"),
        ("2026-01-08", "promise_made"),
        ("2026-01-12", "promise_withdrawn"),
    ]


def test_classes_rules_switches_credits_refunds_and_voids_are_told(world):
    acme = world.customer()
    card = world.card(acme)
    gold = world.klass(60)
    world.patch(f"/v1/customers/{acme}", {"class_id": gold})
    rule = {"payment_method_id": card, "criteria": [{"type": "amount", "operator": "gte", "values": ["1.00"]}]}
    world.put(f"/v1/customers/{acme}/autopay", {"enabled": True, "fall_through_on_decline": False, "rules": [rule]})
    world.patch(f"/v1/customers/{acme}", {"automations": {"enabled": False}})
    void = world.invoice(acme, "10.00")
    world.post(f"/v1/invoices/{void}/void")
    invoice = world.invoice(acme, "100.00")
    world.post(f"/v1/invoices/{invoice}/adjustments", {"kind": "credit", "amount": "25.00", "reason": "broken"})
    payment = world.pays(acme, "80.00")
    world.post(f"/v1/payments/{payment['id']}/refund", {"amount": "30.00"})
    world.invoice(acme, "1.00", post=False)
    world.rest()
    found = {e["kind"]: e for e in timeline(world, acme)}
    assert found["class_changed"]["message"].endswith(f"from cls_standard to {gold}")
    for kind, amount in {
        "invoice_voided": "10.00", "invoice_credited": "-25.00", "payment_received": "80.00",
        "payment_refunded": "30.00", "invoice_drafted": "1.00",
    }.items():  # fmt: skip
        assert found[kind]["amount"] == amount, kind
    assert {"autopay_changed", "automations_off", "customer_created"} <= found.keys()


def test_contracts_are_told_on_their_dates_and_planned_before(world):
    acme = world.customer()
    contract = world.contract(acme, "80.00")
    charge = world.get(f"/v1/contracts/{contract}")["charges"][0]["id"]
    world.post(
        f"/v1/contracts/{contract}/changes", {"charge_id": charge, "effective_on": "2026-01-10", "amount": "90.00"}
    )
    world.post(f"/v1/contracts/{contract}/suspend", {"on": "2026-02-01"})
    world.post(f"/v1/contracts/{contract}/resume", {"on": "2026-02-10"})
    world.post(f"/v1/contracts/{contract}/end", {"on": "2026-03-01"})
    told = ("contract_changed", "contract_suspended", "contract_resumed", "contract_ended")
    whole = list(zip(("2026-01-10", "2026-02-01", "2026-02-10", "2026-03-01"), told, strict=True))
    assert planned(world, acme, *told) == whole
    world.to("2026-02-05")
    assert (happened(world, acme, *told), planned(world, acme, *told)) == (whole[:2], whole[2:])


def test_where_nothing_is_switched_on_the_episode_and_its_tier_are_told_all_the_same(world):
    acme = world.customer(terms_days=0)
    world.invoice(acme, "80.00")  # due 1 January
    world.to("2026-01-16")
    words = ("episode_began", "tier_entered")
    assert happened(world, acme, *words) == [("2026-01-02", "episode_began"), ("2026-01-15", "tier_entered")]
    world.settings(automations={"past_due": {"enabled": True}})
    world.to("2026-01-17")
    assert world.notices(acme) == ["past_due_2"]
    assert happened(world, acme, *words) == [("2026-01-02", "episode_began"), ("2026-01-17", "tier_entered")]


def test_it_is_in_order_and_its_pages_make_up_the_whole(world):
    world.settings(automations={"past_due": {"enabled": True, "triggers": TRIGGERS}})
    acme = world.customer(class_id=world.klass(5, **STRICT))
    world.invoice(acme, "80.00")
    for n in range(3):  # at one instant
        world.put(f"/v1/customers/{acme}/pauses/past_due", {"through": f"2026-01-0{n + 1}"})
        world.delete(f"/v1/customers/{acme}/pauses/past_due", status=204)
    world.to("2026-01-12")
    whole = timeline(world, acme, limit=200)
    assert [when(e) for e in whole] == sorted(when(e) for e in whole)
    assert [e["kind"] for e in whole if e["kind"].startswith("pause")] == ["pause_set", "pause_lifted"] * 3
    for limit in (1, 2, 7):
        assert timeline(world, acme, limit=limit) == whole
    assert [e for e in whole if e["planned"]] == timeline(world, acme, planned="true")
    assert {frozenset(e) - {"amount", "currency"} for e in whole} == {
        frozenset(("at", "kind", "subject_id", "message", "planned")),
        frozenset(("on", "kind", "subject_id", "message", "planned")),
    }


def test_what_cannot_be_asked_is_refused(world):
    acme = world.customer()
    world.get("/v1/customers/cus_none/timeline", status=404)
    for query in ("limit=0", "cursor=x", "planned=maybe", "since=2026-01-01"):
        assert world.get(f"/v1/customers/{acme}/timeline?{query}", status=422)["errors"], query


def test_of_an_erased_customer_the_accounts_are_told_and_not_the_person(world):
    world.settings(automations={"past_due": {"enabled": True}})
    policy = STRICT | {"confirm_termination": False, "step_notice_days": 0}
    acme = world.customer(class_id=world.klass(0, **policy), name="Ada Lovelace", email="ada@example.org")
    world.invoice(acme, "80.00")
    world.to("2026-01-22")
    world.post(f"/v1/customers/{acme}/erase")
    told = timeline(world, acme)
    assert {"service_terminated", "customer_erased", "invoice_posted"} <= {e["kind"] for e in told}
    assert not [e for e in told if e["planned"]]
    assert "ada" not in str(told).lower()


def test_an_hour_without_anything_past_due_ends_one_episode_and_begins_another(either):
    either.settings(automations={"past_due": {"enabled": True}})
    acme = either.customer(terms_days=0)
    either.invoice(acme, "80.00")  # due 1 January
    either.to("2026-01-02T18:30:00Z")
    either.pays(acme, "80.00")
    either.rest()
    either.invoice(acme, "70.00", on="2026-01-01", due_on="2026-01-01")
    either.to("2026-01-03")
    assert happened(either, acme, "episode_began", "episode_ended", "tier_entered") == [
        ("2026-01-02", "episode_began"),
        ("2026-01-02", "tier_entered"),
        ("2026-01-02", "episode_began"),  # a day has no hours: it comes before the instants of the day
        ("2026-01-02", "episode_ended"),
        ("2026-01-03", "tier_entered"),
    ]

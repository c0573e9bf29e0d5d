"""Eight diaries in one world and one month, on both stores, with daily ticks and with late ones. PRODUCT 2, 9.

Each has a longer diary of its own on the memory store; moto takes a second for a simulated day.
"""

from __future__ import annotations

import pytest

from tests.scenarios.collections_world import SIX_HOURLY, Done, lived

BASE = {"reminders_before_due": [], "step_notice_days": 0}
STRICT = BASE | {"suspend_after_days": 12, "late_fee": {"amount": "4.00", "grace_days": 6}}
CALL = {"days": 14, "actions": [{"type": "task", "title": "Call"}]}


def both(policy, regular=0, out_of_turn=0):
    return {
        "name": "Class",
        "regular": {"terms_days": regular, **policy},
        "out_of_turn": {"terms_days": out_of_turn, **policy},
    }


def signed_up(world):
    """The customers, by what their diary is about, each with what they owe on 1 January."""
    world.settings(automations={"past_due": {"enabled": True, "triggers": [CALL]}})
    world.put("/v1/customer-classes/cls_easy", both(BASE))
    world.put("/v1/customer-classes/cls_strict", both(STRICT))
    world.put("/v1/customer-classes/cls_patient", both(BASE | {"collection_threshold": "50.00"}))
    world.put("/v1/customer-classes/cls_two_terms", both(BASE, 30, 6))
    classes = {
        "oldest": "easy", "promise": "strict", "restored": "strict", "dispute": "strict", "pause": "easy",
        "threshold": "patient", "moved": "easy", "terms": "two_terms",
    }  # fmt: skip
    ids = {name: world.customer(id=f"cus_{name}", class_id=f"cls_{its}") for name, its in classes.items()}
    world.contract(ids["oldest"])
    world.contract(ids["restored"])
    for name in ("oldest", "promise", "restored", "pause", "moved"):
        world.invoice(ids[name], "100.00", id=f"inv_{name}")
    world.invoice(ids["oldest"], "40.00", id="inv_younger", due_on="2026-01-08")
    for n, due_on in enumerate(("2026-01-01", "2026-01-03", "2026-01-05")):
        world.invoice(ids["dispute"], "100.00", id=f"inv_dispute{n}", due_on=due_on)
    world.invoice(ids["threshold"], "60.00", id="inv_threshold")
    world.invoice(ids["terms"], "70.00", id="inv_net30")
    world.invoice(ids["terms"], "70.00", id="inv_net6", type="out_of_turn")
    return ids


def story(world):
    ids = signed_up(world)
    world.put("/v1/invoices/inv_dispute0/hold", {"reason": "dispute", "through": "2026-01-12"})
    world.put(f"/v1/customers/{ids['pause']}/pauses/past_due", {"through": "2026-01-16"})
    world.to("2026-01-05")
    world.post(f"/v1/customers/{ids['promise']}/promises", {"id": "prm_1", "date": "2026-01-16", "amount": "100.00"})
    world.pays(ids["threshold"], "10.00")
    world.to("2026-01-09")
    world.patch(f"/v1/customers/{ids['moved']}", {"class_id": "cls_strict"})  # its fee's day was the 8th
    world.to("2026-01-13")
    with world.outage():  # over day 14, which is the 15th
        world.to("2026-01-15T20:00:00Z")
    world.to("2026-01-16")
    oldest = [{"invoice_id": "inv_oldest", "amount": "100.00"}]
    world.pays(ids["oldest"], "100.00", on="2026-01-17", allocations=oldest)
    world.pays(ids["restored"], "104.00")
    world.settle()
    world.to("2026-01-19")


def about(done: Done):
    """The same whatever the order in which customers come."""
    return done.notices, done.fees, sorted(done.steps)


@pytest.fixture(scope="module")
def daily(wiring):
    return lived(story, late=False, wiring=wiring)


def test_each_is_treated_as_the_rules_say(daily):
    told = {}
    for kind, words in daily.notices:
        told.setdefault(words.split()[0].removeprefix("cus_"), []).append(kind)
    assert told == {
        "oldest": ["past_due_1", "past_due_2"],
        "promise": ["past_due_1", "past_due_2"],
        "restored": ["past_due_1", "past_due_2"],
        "dispute": ["past_due_1", "past_due_2"],
        "pause": ["past_due_2"],  # what was jumped over is not told
        "threshold": ["past_due_1"],
        "moved": ["past_due_1", "past_due_2"],
        "terms": ["past_due_1"],  # seven days late by the six, not by the thirty
    }
    assert sorted({fee[0] for fee in daily.fees}) == [
        "inv_dispute0", "inv_dispute1", "inv_dispute2", "inv_promise", "inv_restored",
    ]  # fmt: skip
    assert sorted(daily.steps) == ["customer.restored", *["customer.suspended"] * 4]


def test_late_ticks_give_the_same(daily, wiring):
    assert about(lived(story, late=True, wiring=wiring)) == about(daily)


@pytest.mark.slow
@pytest.mark.moto
def test_the_deployed_store_gives_the_same(daily, wiring):
    assert about(lived(story, late=False, every=SIX_HOURLY, wiring=wiring, backend="moto")) == about(daily)

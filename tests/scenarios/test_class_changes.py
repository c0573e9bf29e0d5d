"""A change of class is shown before it is saved, and comes true as shown. PRODUCT 9."""

from __future__ import annotations

import pytest

from infra.local.cloud import LocalCloud
from shared.use_cases import preview_class
from tests.scenarios.collections_world import SIX_HOURLY, CollectionsWorld, agree, either, world

__all__ = ["either", "world"]

EASY = {"reminders_before_due": [], "step_notice_days": 0}
EFFECTS = ("noticed", "charged_fee", "limited", "suspended", "terminated", "asked_to_terminate")
CHANGES = {
    "a fee that falls on tomorrow": ({}, {"late_fee": {"amount": "9.00", "grace_days": 9}}),
    "no fee any more": ({"late_fee": {"amount": "9.00", "grace_days": 9}}, {}),
    "another fee": ({"late_fee": {"amount": "9.00", "grace_days": 9}}, {"late_fee": {"percent": "5", "grace_days": 9}}),
    "a cap that is reached": ({"late_fee": {"amount": "9.00", "grace_days": 9}}, {
        "late_fee": {"amount": "9.00", "grace_days": 9, "cap": "0.00"}
    }),
    "steps": ({}, {"limit_after_days": 5, "suspend_after_days": 10}),
    "steps with notice": ({}, {"suspend_after_days": 12, "step_notice_days": 3}),
    "milder steps": ({"limit_after_days": 5, "suspend_after_days": 9}, {"limit_after_days": 5}),
    "termination": ({}, {"terminate_after_days": 8}),
    "termination without a question": ({}, {"terminate_after_days": 8, "confirm_termination": False}),
    "a threshold above what is owed": ({"limit_after_days": 5}, {
        "limit_after_days": 5, "collection_threshold": "500.00"
    }),
    "reminders": ({}, {"reminders_before_due": [19]}),
    "another name": ({}, {}),
}  # fmt: skip


def policies(policy, terms=0):
    both = {"terms_days": terms, **EASY, **policy}
    return {"name": "Changed", "regular": both, "out_of_turn": both}


def begun(world, before, moved):
    """Three customers on the evening of 10 January: 9 days past due, not due before the 30th, and of another class."""
    world.settings(automations={"past_due": {"enabled": True}})
    world.put("/v1/customer-classes/cls_one", policies(before))
    world.put("/v1/customer-classes/cls_two", policies(moved))
    late = world.customer(class_id="cls_one")
    world.invoice(late, "100.00")
    early = world.customer(class_id="cls_one")
    world.invoice(early, "50.00", due_on="2026-01-30")
    other = world.customer(class_id=world.klass(0, **EASY))
    world.invoice(other, "70.00")
    world.to("2026-01-10")
    return late, early, other


def facts(world, customers):
    """Of each customer: how many notices there are, the fees, service, and whether somebody is asked."""
    asked = {t["customer_id"] for t in world.all("/v1/tasks") if t["kind"] == "confirm_termination"}
    notices = world.all("/v1/notices")
    return {
        c: (
            sum(1 for n in notices if n["customer_id"] == c and n["kind"] != "invoice"),
            [fee[0] for fee in world.fees(c)],
            world.service(c),
            c in asked,
        )
        for c in customers
    }


def tomorrow(before, change, wiring):
    """What there is on the evening of the 11th, with a change or without."""
    with LocalCloud("memory", wiring=wiring, every=SIX_HOURLY) as cloud:
        world = CollectionsWorld(cloud)
        customers = begun(world, *before)
        shown = change(world, customers)
        at_first = facts(world, customers)
        world.to("2026-01-11")
        return shown, customers, at_first, facts(world, customers)


def differences(customers, now, with_it, without):
    """The same comparison as the dry run's, from what has come about."""
    would, would_not = ({e: [] for e in EFFECTS} for _ in range(2))
    for c in customers:
        (n0, f0, _, a0), (n1, f1, s1, a1), (n2, f2, s2, a2) = now[c], with_it[c], without[c]
        done = {"noticed": n1 > n0, "charged_fee": f1[len(f0) :], "asked_to_terminate": a1 and not a0, s1: True}
        else_ = {"noticed": n2 > n0, "charged_fee": f2[len(f0) :], "asked_to_terminate": a2 and not a0, s2: True}
        for e in EFFECTS:
            if done.get(e) and done.get(e) != else_.get(e):
                would[e].append(c)
            if else_.get(e) and done.get(e) != else_.get(e):
                would_not[e].append(c)
    return would, would_not


def ids(shown):
    return {effect: found["customer_ids"] for effect, found in shown.items()}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_shown_of_a_class_comes_true_tomorrow(name, wiring):
    before, after = CHANGES[name]

    def dry(world, customers):
        return world.put("/v1/customer-classes/cls_one?dry_run=true", policies(after))["effects"]

    def saved(world, customers):
        world.put("/v1/customer-classes/cls_one", policies(after))

    shown, customers, now, without = tomorrow((before, {}), dry, wiring)
    _, _, _, with_it = tomorrow((before, {}), saved, wiring)
    assert (shown["customers"], shown["open_invoices"], shown["complete"]) == (2, without_fees(now, customers), True)
    assert (ids(shown["would"]), ids(shown["would_not"])) == differences(customers, now, with_it, without)
    if name != "another name":
        assert any(shown[side][e]["count"] for side in ("would", "would_not") for e in EFFECTS), "it shows nothing"


def without_fees(now, customers):
    """The open invoices of the class's customers: one each, and the fees."""
    return sum(1 + len(now[c][1]) for c in customers[:2])


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_shown_of_a_customer_s_move_comes_true_tomorrow(name, wiring):
    before, after = CHANGES[name]

    def dry(world, customers):
        return world.patch(f"/v1/customers/{customers[0]}?dry_run=true", {"class_id": "cls_two"})["effects"]

    def saved(world, customers):
        world.patch(f"/v1/customers/{customers[0]}", {"class_id": "cls_two"})

    shown, customers, now, without = tomorrow((before, after), dry, wiring)
    _, _, _, with_it = tomorrow((before, after), saved, wiring)
    assert shown["customers"] == 1
    assert (ids(shown["would"]), ids(shown["would_not"])) == differences(customers, now, with_it, without)


def test_a_dry_run_writes_nothing_and_is_as_strict_as_the_change(either):
    world = either
    late, _, _ = begun(world, {}, {})
    before = world.get("/v1/customer-classes/cls_one"), world.get(f"/v1/customers/{late}")
    strict = policies({"suspend_after_days": 5})
    shown = world.put("/v1/customer-classes/cls_one?dry_run=true", strict)["effects"]
    assert shown["would"]["suspended"] == {"count": 1, "customer_ids": [late]}
    assert (world.get("/v1/customer-classes/cls_one"), world.get(f"/v1/customers/{late}")) == before
    world.put("/v1/customer-classes/cls_one?dry_run=true", strict, headers={"If-Match": '"9"'}, status=412)
    world.put("/v1/customer-classes/cls_one?dry_run=true", {"name": "x", "regular": {"terms": 1}}, status=422)
    world.put("/v1/customer-classes/cls_one?dry_run=perhaps", strict, status=422)
    world.put("/v1/customer-classes/cls_one?dry_run=true", strict, token="local-viewer", status=403)
    world.patch(f"/v1/customers/{late}?dry_run=true", {"class_id": "cls_none"}, status=422)
    world.patch("/v1/customers/cus_none?dry_run=true", {"class_id": "cls_two"}, status=404)
    nobody = world.put("/v1/customer-classes/cls_new?dry_run=true", strict)["effects"]
    assert (nobody["customers"], nobody["open_invoices"]) == (0, 0)
    world.get("/v1/customer-classes/cls_new", status=404)


@pytest.mark.parametrize(("most", "complete"), [(1, False), (2, True), (3, True)])
def test_more_customers_than_are_compared_are_said_to_be_left_out(world, monkeypatch, most, complete):
    begun(world, {}, {})
    monkeypatch.setattr(preview_class, "CUSTOMERS_MAX", most)
    shown = world.put("/v1/customer-classes/cls_one?dry_run=true", policies({}))["effects"]
    assert (shown["customers"], shown["complete"]) == (min(most, 2), complete)


def test_in_the_morning_today_is_shown_too(world):
    """The job of the day has not run yet: what it brings under the new class counts."""
    late, *_ = begun(world, {}, {})
    world.to("2026-01-11T09:00:00Z")
    fee_of_today = policies({"late_fee": {"amount": "9.00", "grace_days": 9}})
    shown = world.put("/v1/customer-classes/cls_one?dry_run=true", fee_of_today)["effects"]
    assert shown["would"]["charged_fee"]["customer_ids"] == [late]
    world.to("2026-01-11")
    shown = world.put("/v1/customer-classes/cls_one?dry_run=true", fee_of_today)["effects"]
    assert shown["would"]["charged_fee"]["customer_ids"] == []


@pytest.mark.parametrize("day", ["2026-01-04", "2026-01-09", "2026-01-20"])
def test_a_class_that_changes_in_mid_episode_counts_from_that_day_and_terms_stay(wiring, day):
    """Re-planning: due dates are those of posting; steps, fees and thresholds follow the policy of each day."""

    def story(world):
        world.settings(automations={"past_due": {"enabled": True}})
        world.put("/v1/customer-classes/cls_one", policies({}, terms=3))
        acme = world.customer(class_id="cls_one")
        invoice = world.invoice(acme, "100.00")  # due 4 January
        world.to(day)
        hard = {"suspend_after_days": 10, "late_fee": {"amount": "9.00", "grace_days": 7}}
        world.put("/v1/customer-classes/cls_one", policies(hard, terms=60))
        world.to("2026-01-25")
        assert world.get(f"/v1/invoices/{invoice}")["due_on"] == "2026-01-04"
        # the fee falls on the 12th: charged if the class had it then, and never made up for
        assert [fee[0] for fee in world.fees(acme)] == ([9_00] if day < "2026-01-12" else [])
        assert world.steps() == ["customer.suspended"]
        world.put("/v1/customer-classes/cls_one", policies({}, terms=60))
        world.to("2026-01-26")
        assert world.service(acme) == "active"
        assert world.notices(acme, status=None).count("past_due_1") <= 1

    agree(story, wiring)

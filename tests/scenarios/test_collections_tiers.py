"""Diaries of tiers, episodes, reminders and pauses. PRODUCT 2, 9.

Each is lived through day by day, or twice: with daily ticks, and with one late tick per stretch. The short ones are on
both backends.
"""

from __future__ import annotations

import pytest

from tests.scenarios.collections_world import agree, either, world

__all__ = ["either", "world"]

PAST_DUE_ON = {"automations": {"past_due": {"enabled": True}}}


def on(world, **more):
    world.settings(**PAST_DUE_ON, **more)


def quiet(**policy):
    """A class without reminders, so that a diary tells of what it is about."""
    return {"reminders_before_due": [], **policy}


def test_reminders_come_on_their_days_before_an_invoice_is_due_and_only_while_it_is_owed(world):
    on(world)
    acme, paid = world.customer(), world.customer()
    world.invoice(acme, "100.00")  # due 31 January: reminders on the 24th and 30th
    world.invoice(paid, "50.00")
    world.to("2026-01-23")
    assert world.notices(acme, reminders=True) == []
    world.to("2026-01-24")
    assert world.notices(acme, reminders=True) == ["reminder"]
    world.pays(paid, "50.00")
    world.to("2026-01-29")
    assert world.notices(acme, reminders=True) == ["reminder"]
    world.to("2026-01-31")
    assert world.notices(acme, reminders=True) == ["reminder", "reminder"]
    assert world.notices(paid, reminders=True) == ["reminder", "payment_received"]


def test_a_tier_repeats_at_its_interval_while_the_customer_is_in_it(world):
    tiers = [
        {"from_days": 1, "template": "past_due_1", "repeat_every_days": 5, "repeat_max": 2},
        {"from_days": 14, "template": "past_due_2", "repeat_every_days": 4, "repeat_max": None},
        {"from_days": 30, "template": "past_due_3"},
    ]
    world.settings(automations={"past_due": {"enabled": True, "tiers": tiers}})
    acme = world.customer(class_id=world.klass(0, **quiet()))
    world.invoice(acme, "100.00")  # due 1 January
    told = {}
    for day in range(2, 32):
        world.to(f"2026-01-{day:02d}")
        told.setdefault(len(world.notices(acme)), day - 1)
    # tier 1 on day 1 and again on 6 and 11, not on 16; tier 2 on day 14, again on 18, 22, 26 and 30 is tier 3's day
    assert list(told.items()) == [(1, 1), (2, 6), (3, 11), (4, 14), (5, 18), (6, 22), (7, 26), (8, 30)]
    assert world.notices(acme) == ["past_due_1"] * 3 + ["past_due_2"] * 4 + ["past_due_3"]


def test_a_year_of_a_customer_who_pays_late_every_month(wiring):
    def story(world):
        on(world)
        acme = world.customer(class_id=world.klass(10, **quiet(late_fee={"amount": "5.00", "grace_days": 9})))
        for month in range(1, 13):
            world.to(f"2026-{month:02d}-01")
            world.invoice(acme, "100.00")  # due on the 11th; the fee of day 10 falls on the 21st
            world.to(f"2026-{month:02d}-20")
            world.pays(acme, "105.00" if month % 2 else "50.00", on=f"2026-{month:02d}-22")
            if month % 2 == 0:
                world.pays(acme, "55.00", on=f"2026-{month:02d}-27")  # 16 days past due: tier 2 on the 25th

    done = agree(story, wiring)
    kinds = [kind for kind, _ in done.notices]
    assert (kinds.count("past_due_1"), kinds.count("past_due_2"), kinds.count("past_due_3")) == (12, 6, 0)
    assert [(key, amount) for _, key, amount in done.fees] == [("0", 5_00)] * 12


def test_a_customer_who_pays_the_oldest_invoice_only(wiring):
    def story(world):
        on(world)
        acme = world.customer(class_id=world.klass(10, **quiet()))
        world.invoice(acme, "100.00")  # due 11 January
        world.to("2026-01-15")
        world.invoice(acme, "40.00")  # due 25 January
        world.to("2026-01-30")  # 19 and 5 days
        world.pays(acme, "100.00", on="2026-01-31")
        world.to("2026-02-07")  # 13 days
        world.to("2026-02-08")  # 14 days: tier 2 was told before
        world.to("2026-02-24")  # 30 days
        world.pays(acme, "40.00", on="2026-02-25")
        world.invoice(acme, "7.00", invoice_date="2026-02-25", due_on="2026-02-25")
        world.to("2026-02-26")  # another episode, from day 1

    done = agree(story, wiring)
    assert [kind for kind, _ in done.notices] == ["past_due_1", "past_due_1", "past_due_2", "past_due_3"]


def test_a_weekend_without_any_tick_over_day_14(wiring):
    def story(world, outage=True):
        triggers = [{"days": 14, "actions": [{"type": "task", "title": "Call them"}]}]
        world.settings(automations={"past_due": {"enabled": True, "triggers": triggers}})
        acme = world.customer(class_id=world.klass(0, **quiet()))
        world.contract(acme)
        world.invoice(acme, "100.00", invoice_date="2026-01-02", due_on="2026-01-02")
        world.to("2026-01-15")
        if outage:
            with world.outage():
                world.to("2026-01-18T20:00:00Z")  # day 14, Friday the 16th, and the weekend
        world.to("2026-01-19")
        assert world.notices(acme) == ["past_due_1", "past_due_2"]
        assert [t["reason"] for t in world.all("/v1/tasks")] == ["Call them: cus_2 has been past due for 14 days"]

    assert agree(story, wiring) == agree(lambda world: story(world, outage=False), wiring)


def test_what_falls_past_due_and_is_paid_while_nothing_runs_brings_nothing_afterwards(world):
    """All that was asked for is paid: nobody is then charged for days on which nobody was told."""
    world.settings(automations={"past_due": {"enabled": True, "triggers": [
        {"days": 2, "actions": [{"type": "task", "title": "Call"}, {"type": "late_fee", "amount": "5.00"}]}
    ]}})  # fmt: skip
    fee = {"late_fee": {"amount": "9.00", "grace_days": 0}, "limit_after_days": 1, "step_notice_days": 0}
    acme = world.customer(class_id=world.klass(2, **quiet(**fee)))
    world.contract(acme)
    world.invoice(acme, "100.00")  # due 3 January: fee and limit on the 4th, trigger on the 5th
    world.to("2026-01-02")
    with world.outage():
        world.to("2026-01-06T12:00:00Z")
        world.pays(acme, "100.00")
        world.to("2026-01-07")
    world.to("2026-01-09")
    assert (world.fees(acme), world.steps()) == ([], [])
    assert [n for n in world.notices(acme, status=None) if n not in ("invoice", "payment_received")] == []
    assert [t for t in world.all("/v1/tasks") if t["kind"] == "past_due"] == []
    world.invoice(acme, "100.00")  # due 11 January: an episode of its own
    world.to("2026-01-12")
    assert world.account(acme)["episode"] == {"since": "2026-01-12", "days": 1}
    assert [fee[0] for fee in world.fees(acme)] == [9_00]


def test_what_is_paid_only_in_part_while_nothing_runs_is_charged_for_its_day(world):
    on(world)
    acme = world.customer(class_id=world.klass(2, **quiet(late_fee={"amount": "9.00", "grace_days": 0})))
    world.invoice(acme, "100.00")  # due 3 January
    world.to("2026-01-02")
    with world.outage():
        world.to("2026-01-06T12:00:00Z")
        world.pays(acme, "99.99")
        world.to("2026-01-07")
    world.to("2026-01-09")
    assert [fee[0] for fee in world.fees(acme)] == [9_00]
    assert world.account(acme)["episode"]["since"] == "2026-01-04"


def test_a_pause_through_the_day_a_tier_changes(wiring):
    def story(world):
        on(world)
        acme = world.customer(class_id=world.klass(0, **quiet(late_fee={"amount": "3.00", "grace_days": 14})))
        world.invoice(acme, "100.00")  # due 1 January: tier 2 on the 15th, the fee on the 16th
        world.to("2026-01-10")
        world.put(f"/v1/customers/{acme}/pauses/past_due", {"through": "2026-01-16"})
        world.to("2026-01-16")
        assert world.notices(acme) == ["past_due_1"]
        assert world.fees(acme) != []  # a pause stops notices only
        world.to("2026-01-17")
        assert world.notices(acme) == ["past_due_1", "past_due_2"]

    agree(story, wiring)


def test_a_threshold_crossed_by_a_partial_payment(wiring):
    def story(world):
        on(world)
        policy = quiet(collection_threshold="20.00", late_fee={"amount": "3.00", "grace_days": 19})
        acme = world.customer(class_id=world.klass(0, **policy))
        world.invoice(acme, "100.00")  # due 1 January
        world.to("2026-01-10")
        world.pays(acme, "80.00", on="2026-01-11")  # 20.00 is left: not more than the threshold
        world.to("2026-01-25")
        assert world.notices(acme) == ["past_due_1", "payment_received"]
        assert world.fees(acme) == []
        world.invoice(acme, "0.01", invoice_date="2026-01-25", due_on="2026-01-25")
        world.to("2026-01-26")
        assert world.notices(acme) == ["past_due_1", "payment_received", "past_due_2"]  # 25 days

    agree(story, wiring)


def test_a_dispute_about_one_of_three_invoices(wiring):
    def story(world):
        on(world)
        acme = world.customer(class_id=world.klass(0, **quiet(late_fee={"percent": "10", "grace_days": 4})))
        first = world.invoice(acme, "100.00")  # due 1 January
        world.to("2026-01-03")
        world.put(f"/v1/invoices/{first}/hold", {"reason": "dispute", "through": "2026-01-20"})
        second = world.invoice(acme, "50.00")  # due 3 January
        third = world.invoice(acme, "20.00", invoice_date="2026-01-10", due_on="2026-01-10")
        world.to("2026-01-19")
        assert world.notices(acme) == ["past_due_1", "past_due_2"]  # by the second, 14 days on the 17th
        assert [fee[:2] for fee in world.fees(acme)] == [(5_00, second), (2_00, third)]
        world.to("2026-01-21")  # the dispute is over: the fee that waited is charged
        assert [fee[:2] for fee in world.fees(acme)] == [(5_00, second), (2_00, third), (10_00, first)]

    agree(story, wiring)


def test_net_30_beside_net_6(wiring):
    def story(world):
        on(world)
        id = "cls_two"
        regular = {"terms_days": 30, **quiet(collection_threshold="60.00")}
        out_of_turn = {"terms_days": 6, **quiet(late_fee={"amount": "1.00", "grace_days": 2})}
        world.post("/v1/customer-classes", {"id": id, "name": id, "regular": regular, "out_of_turn": out_of_turn})
        acme = world.customer(class_id=id)
        world.invoice(acme, "50.00")  # due 31 January
        small = world.invoice(acme, "10.00", type="out_of_turn")  # due 7 January
        world.to("2026-01-12")
        assert world.notices(acme) == ["past_due_1"]
        assert [fee[:2] for fee in world.fees(acme)] == [(1_00, small)]  # on the 10th
        world.pays(acme, "10.00", on="2026-01-13", allocations=[{"invoice_id": small, "amount": "10.00"}])
        world.to("2026-02-10")  # the fee of 1.00 and 50.00 are not more than the threshold of the regular policy
        assert world.notices(acme) == ["past_due_1", "payment_received"]

    agree(story, wiring)


@pytest.mark.parametrize("strict", [False, True])
def test_a_class_change_in_the_middle_of_an_episode(wiring, strict):
    def story(world):
        on(world)
        easy = world.klass(0, **quiet())
        hard = world.klass(0, **quiet(late_fee={"amount": "9.00", "grace_days": 9, "repeat": "monthly"}))
        acme = world.customer(class_id=easy)
        world.invoice(acme, "100.00")  # due 1 January
        world.to("2026-01-05" if strict else "2026-01-20")
        world.patch(f"/v1/customers/{acme}", {"class_id": hard})
        world.to("2026-03-20")
        # fees fall on 11 January, 11 February, 11 March: those of days on which the class had one
        days = ["2026-01-11", "2026-02-11", "2026-03-11"][0 if strict else 1 :]
        assert world.late or [fee[2] for fee in world.fees(acme)] == days
        assert len(world.fees(acme)) == len(days)
        assert world.notices(acme, status=None).count("past_due_3") == 1

    agree(story, wiring)


def test_what_the_days_sweep_has_done_is_not_told_as_the_next_step(world):
    tiers = [
        {"from_days": 1, "template": "past_due_1", "repeat_every_days": 3, "repeat_max": 1},
        {"from_days": 14, "template": "past_due_2"},
        {"from_days": 30, "template": "past_due_3"},
    ]
    world.settings(automations={"past_due": {"enabled": True, "tiers": tiers}})
    acme = world.customer(class_id=world.klass(7, **quiet(reminders_before_due=[5])))
    world.invoice(acme, "100.00")  # due 8 January: reminded of on the 3rd, past due from the 9th

    def ahead(when):
        world.to(when)
        planned = world.all(f"/v1/customers/{acme}/timeline?planned=true")
        first = next(e for e in planned if e["kind"] in ("reminder", "past_due_1", "past_due_2"))
        assert world.account(acme)["next_step"] == {"kind": first["kind"], "on": first["on"]}
        return first["kind"], first["on"]

    assert ahead("2026-01-03T12:00:00Z") == ("reminder", "2026-01-03")
    assert ahead("2026-01-03T20:00:00Z") == ("past_due_1", "2026-01-09")
    assert ahead("2026-01-09T20:00:00Z") == ("past_due_1", "2026-01-12")
    assert ahead("2026-01-12T12:00:00Z") == ("past_due_1", "2026-01-12")
    assert ahead("2026-01-12T20:00:00Z") == ("past_due_2", "2026-01-22")


def test_a_step_is_told_for_the_day_of_the_sweep_that_takes_it(world):
    world.settings(automations={"past_due": {"enabled": True, "schedule": "0 14 * * 1-5"}})
    acme = world.customer(class_id=world.klass(2, **quiet()))
    world.invoice(acme, "100.00")  # due Saturday, 3 January: past due on Sunday, told on Monday
    assert world.account(acme)["next_step"] == {"kind": "past_due_1", "on": "2026-01-05"}
    planned = world.all(f"/v1/customers/{acme}/timeline?planned=true")
    assert [e["on"] for e in planned if e["kind"] == "past_due_1"] == ["2026-01-05"]
    world.to("2026-01-04")
    assert world.notices(acme) == []
    world.to("2026-01-05")
    assert world.notices(acme) == ["past_due_1"]

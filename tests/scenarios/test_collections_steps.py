"""Diaries of triggers, late fees, promises and service steps. PRODUCT 9.

Each is lived through day by day, or twice: with daily ticks, and with one late tick per stretch. The short ones are on
both backends.
"""

from __future__ import annotations

from tests.scenarios.collections_world import agree, either, lived, world

__all__ = ["either", "world"]

STRICT = {"reminders_before_due": [], "step_notice_days": 0}


def lines(days, *actions):
    return {"days": days, "actions": list(actions)}


# ---- late fees ------------------------------------------------------------------------------------------------


def test_a_monthly_fee_is_charged_on_its_day_up_to_its_cap_and_never_on_a_fee(world):
    fee = {"amount": "5.00", "percent": "2", "grace_days": 30, "repeat": "monthly", "cap": "18.00"}
    acme = world.customer(class_id=world.klass(0, **STRICT, late_fee=fee))
    invoice = world.invoice(acme, "100.00", invoice_date="2026-01-01", due_on="2026-01-01")
    world.to("2026-02-01T12:00:00Z")
    assert world.fees(acme) == []  # 31 days past due is the day of the fee, but before the job of the day
    world.to("2026-02-01")
    assert world.fees(acme) == [(7_00, invoice, "2026-02-01")]
    world.to("2026-03-01")
    assert world.fees(acme)[1:] == [(7_00, invoice, "2026-03-01")]
    world.to("2026-05-02")
    assert world.fees(acme)[2:] == [(4_00, invoice, "2026-04-01")]  # 18.00 in all
    memo = next(i for i in world.invoices(acme) if i["type"] == "debit_memo")
    assert (memo["invoice_date"], memo["due_on"], memo["total"]) == ("2026-02-01", "2026-02-01", "7.00")
    assert world.account(acme)["balance"] == {"USD": "118.00"}


def test_a_fee_runs_without_past_due_mail_but_not_without_the_master_switch(world):
    strict = world.klass(0, **STRICT, late_fee={"amount": "5.00"})
    charged = world.customer(class_id=strict)
    spared = world.customer(class_id=strict, automations={"enabled": False})
    for customer in (charged, spared):
        world.invoice(customer, "100.00")  # due 1 January
    world.to("2026-01-02")
    assert len(world.fees(charged)) == 1
    assert world.fees(spared) == []
    assert world.notices(charged, status=None) == []
    world.patch(f"/v1/customers/{spared}", {"automations": {"enabled": True}})
    world.to("2026-01-10")  # switched on looks forward
    assert world.fees(spared) == []


def test_a_fee_is_reversed_by_voiding_it_and_not_charged_again(world):
    acme = world.customer(class_id=world.klass(0, **STRICT, late_fee={"amount": "5.00", "repeat": "monthly"}))
    world.invoice(acme, "100.00")
    world.to("2026-01-02")
    [memo] = [i for i in world.invoices(acme) if i["type"] == "debit_memo"]
    world.post(f"/v1/invoices/{memo['id']}/void")
    assert world.account(acme)["balance"] == {"USD": "100.00"}
    world.to("2026-01-31")
    assert world.account(acme)["balance"] == {"USD": "100.00"}
    world.to("2026-02-02")
    assert world.account(acme)["balance"] == {"USD": "105.00"}  # the next one


def test_a_fee_is_credited_in_proportion_when_its_invoice_is(either):
    acme = either.customer(class_id=either.klass(0, **STRICT, late_fee={"amount": "5.00", "percent": "1"}))
    invoice = either.invoice(acme, "100.00")
    either.to("2026-01-02")
    assert either.account(acme)["balance"] == {"USD": "106.00"}
    either.post(f"/v1/invoices/{invoice}/adjustments", {"kind": "credit", "amount": "25.00", "reason": "broken"})
    assert either.account(acme)["balance"] == {"USD": "79.50"}  # 75.00 and three quarters of 6.00
    either.post(f"/v1/invoices/{invoice}/adjustments", {"kind": "credit", "amount": "75.00", "reason": "all broken"})
    assert either.account(acme)["balance"] == {"USD": "0.00"}


# ---- triggers -------------------------------------------------------------------------------------------------


def test_triggers_fire_at_exactly_14_and_30_days_once_in_an_episode(world):
    actions = (
        {"type": "send_template", "template": "past_due_3"},
        {"type": "late_fee", "amount": "25.00"},
        {"type": "emit_event", "name": "customer.escalated"},
        {"type": "task", "title": "Call them"},
    )
    triggers = [lines(30, {"type": "suspend"}), lines(14, *actions)]
    world.settings(automations={"past_due": {"enabled": True, "triggers": triggers}})
    acme = world.customer(class_id=world.klass(0, **STRICT))
    without = world.customer(class_id=world.klass(0, **STRICT))  # nothing of theirs is in service
    contract = world.contract(acme)
    for customer in (acme, without):
        world.invoice(customer, "100.00", invoice_date="2026-01-01", due_on="2026-01-01")
    events = lambda: [e["detail_type"] for e in world.events()]  # noqa: E731

    world.to("2026-01-14")  # 13 days
    assert (world.fees(acme), events(), world.all("/v1/tasks")) == ([], [], [])
    world.to("2026-01-15")  # 14 days
    assert [fee[0] for fee in world.fees(acme)] == [25_00]
    assert events() == ["customer.escalated"]
    assert [t["customer_id"] for t in world.all("/v1/tasks")] == [acme]
    assert world.notices(acme) == ["past_due_1", "past_due_2", "template:past_due_3"]
    world.to("2026-01-30")
    assert world.account(acme)["service"] == "active"
    world.to("2026-01-31")  # 30 days
    assert world.account(acme)["service"] == "suspended"
    assert world.get(f"/v1/contracts/{contract}")["status"] == "suspended"
    assert events() == ["customer.escalated", "customer.suspended"]
    world.to("2026-03-31")
    assert len(world.fees(acme)) == 1
    assert world.fees(without) == []
    assert world.account(without)["service"] == "active"


def test_paying_everything_starts_the_count_over_and_the_oldest_only_does_not(wiring):
    def story(world):
        triggers = [lines(14, {"type": "task", "title": "Call them"})]
        world.settings(automations={"past_due": {"triggers": triggers}})
        acme = world.customer(class_id=world.klass(0, **STRICT))
        world.contract(acme, start="2026-01-01", day=1)
        world.invoice(acme, "10.00")  # due 1 January
        world.pays(acme, "10.00", on="2026-01-10")  # nine days
        world.invoice(acme, "20.00")  # due 10 January
        world.to("2026-01-20")
        world.invoice(acme, "30.00")  # due 20 January
        world.pays(acme, "20.00", on="2026-01-22")  # the third is past due since the 21st: without a break
        world.to("2026-01-23")
        assert world.all("/v1/tasks") == []
        world.to("2026-01-24")  # the 14th day past due in a row, though the oldest invoice is 4 days late
        assert len(world.all("/v1/tasks")) == 1
        world.to("2026-03-01")
        assert len(world.all("/v1/tasks")) == 1

    agree(story, wiring)


def test_both_triggers_missed_in_an_outage_fire_in_order(wiring):
    def story(world):
        names = ("first", "second")
        triggers = [lines(d, {"type": "emit_event", "name": n}) for d, n in zip((30, 14), names[::-1], strict=True)]
        world.settings(automations={"past_due": {"triggers": triggers}})
        acme = world.customer(class_id=world.klass(0, **STRICT))
        world.contract(acme)
        world.invoice(acme, "10.00")
        world.to("2026-02-10")
        assert [e["detail_type"] for e in world.events()] == ["first", "second"]

    agree(story, wiring)


def test_switching_on_fires_no_trigger_whose_day_has_gone_by(wiring):
    def story(world):
        triggers = [lines(n, {"type": "task", "title": f"At {n}"}) for n in (14, 30)]
        world.settings(automations={"past_due": {"enabled": True, "triggers": triggers}})
        acme = world.customer(class_id=world.klass(0, **STRICT), automations={"enabled": False})
        world.contract(acme)
        world.invoice(acme, "10.00")
        world.to("2026-01-20T12:00:00Z")
        world.patch(f"/v1/customers/{acme}", {"automations": {"enabled": True}})
        world.to("2026-01-20")
        assert world.notices(acme) == ["past_due_2"]
        assert world.all("/v1/tasks") == []
        world.to("2026-02-05")
        assert [t["reason"][:5] for t in world.all("/v1/tasks")] == ["At 30"]

    agree(story, wiring)


# ---- service steps --------------------------------------------------------------------------------------------


def test_limit_suspend_and_terminate_each_after_its_notice(world):
    policy = {"limit_after_days": 5, "suspend_after_days": 10, "terminate_after_days": 20, "step_notice_days": 3}
    acme = world.customer(class_id=world.klass(0, reminders_before_due=[], **policy))
    contract = world.contract(acme)
    world.invoice(acme, "100.00", invoice_date="2026-01-01", due_on="2026-01-01")
    service = {}
    for day in range(1, 25):
        world.to(f"2026-01-{day:02d}")
        service.setdefault(world.account(acme)["service"], day)
    # notices on the 3rd, 8th and 18th; termination waits for a person
    assert service == {"active": 1, "limited": 6, "suspended": 11}
    assert world.notices(acme) == ["service_step"] * 3
    subjects = [m["subject"] for m in world.emails()]
    assert [s.split("will be ")[1] for s in subjects] == [
        "limited on 2026-01-06", "suspended on 2026-01-11", "terminated on 2026-01-21",
    ]  # fmt: skip
    assert [t["kind"] for t in world.all("/v1/tasks?status=open")] == ["confirm_termination"]
    assert world.account(acme)["next_step"] == {"kind": "terminate", "on": "2026-01-24"}
    assert world.post(f"/v1/customers/{acme}/terminate")["service"] == "terminated"
    assert world.all("/v1/tasks?status=open") == []
    assert world.get(f"/v1/contracts/{contract}")["status"] == "ended"
    world.pays(acme, "100.00")
    world.to("2026-01-26")
    assert world.account(acme)["service"] == "terminated"  # final
    world.post(f"/v1/customers/{acme}/restore", status=409)
    steps = [e["detail_type"] for e in world.events()]
    assert steps == ["customer.limited", "customer.suspended", "customer.terminated"]


def test_suspension_stops_billing_and_payment_restores_it(world):
    world.settings(bill_run={"enabled": True, "auto_post": True, "gate": "all"})
    acme = world.customer(class_id=world.klass(5, reminders_before_due=[], suspend_after_days=10, step_notice_days=2))
    contract = world.contract(acme, "31.00", start="2026-01-01", day=1)
    world.to("2026-01-15")  # due 6 January
    assert world.account(acme)["service"] == "active"
    world.to("2026-01-16")
    assert world.account(acme)["service"] == "suspended"
    assert world.get(f"/v1/contracts/{contract}")["status"] == "suspended"
    world.to("2026-02-10")
    assert [i["total"] for i in world.invoices(acme)] == ["31.00"]  # February is not billed
    world.pays(acme, "31.00")
    world.settle()
    assert world.account(acme)["service"] == "active"
    assert world.get(f"/v1/contracts/{contract}")["status"] == "active"
    world.to("2026-02-11")
    assert [i["total"] for i in world.invoices(acme)] == ["31.00", "21.04"]  # 19 of 28 days of February
    assert [e["detail_type"] for e in world.events()] == ["customer.suspended", "customer.restored"]
    assert world.account(acme)["next_step"] is None or world.account(acme)["next_step"]["kind"] != "suspend"


def test_a_step_is_lifted_by_what_brings_the_oldest_below_its_days(wiring):
    def story(world):
        acme = world.customer(class_id=world.klass(0, **STRICT, limit_after_days=3, suspend_after_days=20))
        world.contract(acme)
        world.invoice(acme, "10.00")  # due 1 January
        world.to("2026-01-10")
        world.invoice(acme, "20.00")  # due 10 January
        world.to("2026-01-21")
        assert world.service(acme) == "suspended"
        world.pays(acme, "10.00", on="2026-01-22")  # the other one is 12 days late
        world.settle()
        assert world.service(acme) == "limited"
        world.pays(acme, "20.00", on="2026-01-25")
        world.settle()
        assert world.service(acme) == "active"

    done = agree(story, wiring)
    assert done.steps[-3:] == ("customer.suspended", "customer.limited", "customer.restored")


def test_what_a_person_restores_stays_so_until_a_more_severe_step_or_another_episode(world):
    policy = {**STRICT, "limit_after_days": 5, "suspend_after_days": 15}
    acme = world.customer(class_id=world.klass(0, **policy))
    world.invoice(acme, "100.00")  # due 1 January
    world.to("2026-01-06")
    assert world.account(acme)["service"] == "limited"
    assert world.post(f"/v1/customers/{acme}/restore")["service"] == "active"
    world.to("2026-01-15")
    assert world.account(acme)["service"] == "active"
    world.to("2026-01-16")
    assert world.account(acme)["service"] == "suspended"
    world.pays(acme, "100.00", on="2026-01-17")
    world.settle()
    assert world.account(acme)["service"] == "active"
    world.invoice(acme, "10.00")  # due 17 January
    world.to("2026-01-22")
    assert world.account(acme)["service"] == "limited"


def test_a_hold_freezes_steps_and_lifts_none(world):
    policy = {**STRICT, "limit_after_days": 5, "suspend_after_days": 10}
    acme = world.customer(class_id=world.klass(0, **policy))
    world.invoice(acme, "100.00")
    world.to("2026-01-07")
    world.put(f"/v1/customers/{acme}/hold", {"reason": "dispute", "through": "2026-01-20"})
    world.to("2026-01-20")
    assert world.account(acme)["service"] == "limited"
    world.to("2026-01-21")
    assert world.account(acme)["service"] == "suspended"


def test_what_is_owed_at_or_below_the_threshold_takes_no_step_and_lifts_what_was_taken(world):
    acme = world.customer(class_id=world.klass(0, **STRICT, suspend_after_days=5, collection_threshold="10.00"))
    world.invoice(acme, "100.00")
    world.to("2026-01-06")
    assert world.account(acme)["service"] == "suspended"
    world.pays(acme, "90.00", on="2026-01-07")
    world.settle()
    assert world.account(acme)["service"] == "active"
    world.to("2026-01-20")
    assert world.account(acme)["service"] == "active"


def test_a_customer_who_promises_and_breaks_it(wiring):
    def story(world):
        world.settings(automations={"past_due": {"enabled": True}})
        policy = {**STRICT, "limit_after_days": 10, "late_fee": {"amount": "4.00", "grace_days": 11}}
        acme = world.customer(class_id=world.klass(0, **policy))
        world.invoice(acme, "100.00")  # due 1 January
        world.to("2026-01-05")
        world.post(f"/v1/customers/{acme}/promises", {"date": "2026-01-16", "amount": "100.00"})
        assert world.account(acme)["promise"]["status"] == "open"
        world.to("2026-01-16")
        assert world.notices(acme) == ["past_due_1"]  # tier 2 began on the 15th
        assert world.service(acme) == "active"
        assert len(world.fees(acme)) == 1  # a promise holds notices and steps
        world.to("2026-01-17")
        assert world.account(acme)["promise"]["status"] == "broken"
        assert world.notices(acme) == ["past_due_1", "past_due_2"]
        assert world.service(acme) == "limited"

    agree(story, wiring)


def test_a_promise_that_is_withdrawn_holds_nothing_any_more(either):
    either.settings(automations={"past_due": {"enabled": True}})
    acme = either.customer(class_id=either.klass(0, **STRICT))
    either.invoice(acme, "100.00")  # due 1 January
    either.post(f"/v1/customers/{acme}/promises", {"date": "2026-01-20"})
    either.to("2026-01-03")
    assert either.notices(acme) == []
    assert either.account(acme)["next_step"] == {"kind": "past_due_2", "on": "2026-01-21"}
    why = either.get(f"/v1/customers/{acme}/automations")["past_due"]
    assert (why["effective"], why["reason"], why["until"]) == (False, "on_hold", "2026-01-20")
    either.delete(f"/v1/customers/{acme}/promises", status=204)
    either.to("2026-01-04")
    assert either.notices(acme) == ["past_due_1"]


def test_a_step_never_comes_before_its_notice_has_been_out_for_its_days(wiring):
    """A whole outage over the notice's day: the step is late by as much."""

    def story(world):
        policy = {"reminders_before_due": [], "suspend_after_days": 10, "step_notice_days": 4}
        acme = world.customer(class_id=world.klass(0, **policy))
        world.invoice(acme, "100.00")  # due 1 January: notice on the 7th, step on the 11th
        world.to("2026-01-06")
        with world.outage():
            world.to("2026-01-09T20:00:00Z")
        world.to("2026-01-13")
        assert world.service(acme) == "active"
        world.to("2026-01-14")
        assert world.service(acme) == "suspended"  # four days after the 10th

    lived(story, late=False, wiring=wiring)


def test_service_is_suspended_and_restored_on_either_store(either):
    acme = either.customer(class_id=either.klass(0, **STRICT, suspend_after_days=2))
    contract = either.contract(acme)
    either.invoice(acme, "100.00")  # due 1 January
    either.to("2026-01-03")
    assert either.get(f"/v1/contracts/{contract}")["status"] == "suspended"
    [past_due] = either.get("/v1/past-due")["items"]
    assert (past_due["customer_id"], past_due["days"]) == (acme, 2)
    either.pays(acme, "100.00")
    either.rest()
    assert either.service(acme) == "active"
    assert either.get(f"/v1/contracts/{contract}")["status"] == "active"
    assert either.steps() == ["customer.suspended", "customer.restored"]


def test_a_terminated_customer_is_erased_and_the_accounts_stay(world):
    policy = {**STRICT, "terminate_after_days": 3, "confirm_termination": False}
    acme = world.customer(class_id=world.klass(0, **policy), external_id="4711", address={"line1": "Main Street 1"})
    world.card(acme)
    world.contract(acme)
    world.settings(automations={"past_due": {"enabled": True}})
    world.invoice(acme, "100.00")  # due 1 January
    world.post(f"/v1/customers/{acme}/erase", status=409)
    world.to("2026-01-04")
    assert world.service(acme) == "terminated"
    email = world.get(f"/v1/customers/{acme}")["email"]
    world.post(f"/v1/customers/{acme}/erase", status=403, token="local-operator")
    erased = world.post(f"/v1/customers/{acme}/erase")
    assert (erased["name"], erased["email"], erased["external_id"]) == ("Erased customer", None, None)
    assert erased["address"]["line1"] == ""
    assert world.get("/v1/customers?external_id=4711")["items"] == []
    assert world.post(f"/v1/customers/{acme}/erase") == erased
    assert world.get(f"/v1/customers/{acme}/payment-methods")["items"] == []
    assert world.all(f"/v1/customers?query={acme}")[0]["name"] == "Erased customer"
    assert {n["to"] for n in world.all(f"/v1/notices?customer_id={acme}")} == {None}
    assert world.account(acme)["balance"] == {"USD": "100.00"}
    assert email not in str(world.cloud.ports.store.dump())
    world.to("2026-02-15")
    assert world.notices(acme) == ["past_due_1"]  # nobody is chased any more


# ---- the order of a day ---------------------------------------------------------------------------------------


def with_everything_on_day_15(world, *outcomes):
    """An invoice due 1 January whose third retry falls on the 16th, the day of a tier, a trigger, a fee and a step."""
    tiers = [{"from_days": 15, "template": "past_due_1"}]
    triggers = [lines(15, {"type": "task", "title": "Call them"})]
    world.settings(
        payment_run={"enabled": True},
        automations={"past_due": {"enabled": True, "tiers": tiers, "triggers": triggers}},
    )
    policy = {**STRICT, "late_fee": {"amount": "5.00", "grace_days": 14}, "limit_after_days": 15}
    acme = world.customer(class_id=world.klass(0, **policy))
    world.contract(acme)
    world.card(acme, *outcomes)
    world.invoice(acme, "100.00", invoice_date="2026-01-01", due_on="2026-01-01")
    world.to("2026-01-15")
    assert [c["status"] for c in world.charges()] == ["declined"] * 3  # on the 1st, the 4th and the 9th
    return acme


NO_MONEY = "declined:insufficient_funds"


def test_a_retry_that_succeeds_on_the_day_comes_before_everything_else(world):
    acme = with_everything_on_day_15(world, NO_MONEY, NO_MONEY, NO_MONEY, "succeeded")
    world.to("2026-01-17")
    assert world.account(acme)["balance"] == {"USD": "0.00"}
    assert (world.fees(acme), world.all("/v1/tasks"), world.steps()) == ([], [], [])
    assert "past_due_1" not in world.notices(acme, status=None)


def test_a_retry_that_fails_on_the_day_is_followed_by_all_that_the_day_brings(world):
    acme = with_everything_on_day_15(world, NO_MONEY)
    world.to("2026-01-16")
    assert [fee[0] for fee in world.fees(acme)] == [5_00]
    assert (len(world.all("/v1/tasks")), world.steps()) == (1, ["customer.limited"])
    assert sorted(world.notices(acme)[-2:]) == ["past_due_1", "payment_failed"]


def test_the_past_due_job_waits_for_a_payment_run_that_is_late(world):
    acme = with_everything_on_day_15(world, NO_MONEY, NO_MONEY, NO_MONEY, "succeeded")
    with world.without("PaymentRunPlanFunction"):
        world.to("2026-01-16T19:00:00Z")  # the past-due job of 14:00 has come by, and found no payment run
        assert world.account(acme)["service"] == "active"
    world.to("2026-01-17")
    assert (world.fees(acme), world.all("/v1/tasks"), world.steps()) == ([], [], [])

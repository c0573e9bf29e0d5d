"""Collection policies in the console: customer classes and past-due triggers, with what a change would do first."""

from __future__ import annotations

import pytest

from tests.integration.console.console_browser import Console

STANDARD = "/console/classes/cls_standard"


@pytest.fixture
def console(busy):
    return Console(busy)


def test_a_class_that_is_saved_as_it_stands_is_what_it_was(busy, console):
    mine = {"terms_days": 14, "auto_charge": {"on": "day_of_month", "day": 15}, "reminders_before_due": [],
            "late_fee": {"percent": "1.5", "cap": "9"}, "suspend_after_days": 40}  # fmt: skip
    body = {"id": "cls_mine", "name": "Mine", "regular": mine, "out_of_turn": {"auto_charge": None}}
    busy.post("/v1/customer-classes", body)
    before = busy.get("/v1/customer-classes/cls_mine")
    page = console.press(console.get("/console/classes/cls_mine"), "/classes/cls_mine")
    assert "Saved." in page.text
    after = busy.get("/v1/customer-classes/cls_mine")
    assert {**after, "version": 0} == {**before, "version": 0}


def test_what_a_change_of_a_class_would_do_is_said_first_and_nothing_is_written(busy, console):
    page, before = console.get(STANDARD), busy.cloud.ports.store.dump()
    changed = {"regular.limit_after_days": "5", "regular.late_fee.amount": "7.50"}
    shown = console.send(f"{STANDARD}/effects", {**dict(page.form("/cls_standard").fields), **changed})
    assert "Regular, limit after days: nothing → 5" in shown.text
    assert "Regular, late fee, amount: 0.00 → 7.50" in shown.text
    assert "1 customer would be sent a notice: Late Ltd" in shown.text  # of the step; fees do not look back
    assert shown.form("/cls_standard").value("regular.limit_after_days") == "5"  # nothing typed is lost
    assert busy.cloud.ports.store.dump() == before
    part = console.send(
        f"{STANDARD}/effects", {**dict(page.form("/cls_standard").fields), **changed}, **{"hx-request": "true"}
    )
    assert "<html" not in part.html
    assert "would be sent a notice" in part.text


def test_a_policy_that_is_wrong_keeps_what_was_typed_and_the_summary_leads_to_each_field(console):
    page = console.get(STANDARD)
    shown = console.press(page, "/cls_standard", {"regular.terms_days": "soon", "out_of_turn.late_fee.cap": "x"})
    assert shown.status == 422
    assert {"#regular.terms_days", "#out_of_turn.late_fee.cap"} <= set(shown.links)
    assert {"regular.terms_days", "out_of_turn.late_fee.cap", "regular.terms_days-wrong"} <= set(shown.ids)
    assert shown.form("/cls_standard").value("regular.terms_days") == "soon"


def test_a_fixed_day_that_is_missing_is_asked_for_where_it_is_typed(console):
    shown = console.press(console.get(STANDARD), "/cls_standard", {"regular.auto_charge.on": "day_of_month"})
    assert shown.status == 422
    assert "#regular.auto_charge.day" in shown.links
    assert "regular.auto_charge.day" in shown.ids


def test_a_policy_that_is_hardly_meant_is_warned_of_before_and_after_it_is_saved(console):
    odd = {"regular.limit_after_days": "30", "regular.suspend_after_days": "20"}
    page = console.get(STANDARD)
    assert "the milder step never comes" not in page.text
    assert "the milder step never comes" in console.send(
        f"{STANDARD}/effects", {**dict(page.form("/cls_standard").fields), **odd}
    ).text  # fmt: skip
    saved = console.press(page, "/cls_standard", odd)
    assert "Saved." in saved.text
    assert "the milder step never comes" in saved.text


def test_a_stale_form_of_a_class_overwrites_nothing(busy, console):
    page = console.get(STANDARD)
    busy.put("/v1/customer-classes/cls_standard", {"name": "Other"})
    assert console.press(page, "/cls_standard", follow=False).status == 412
    assert busy.get("/v1/customer-classes/cls_standard")["name"] == "Other"


def test_a_class_is_made_and_is_then_in_the_list(busy, console):
    page = console.get("/console/classes/new")
    refused = console.press(page, "/classes", {"id": "wrong", "name": "Key accounts"})
    assert refused.status == 422
    assert refused.form("/classes").value("name") == "Key accounts"
    made = console.press(page, "/classes", {"id": "cls_key", "name": "Key accounts", "regular.terms_days": "60"})
    assert "Saved." in made.text
    assert busy.get("/v1/customer-classes/cls_key")["regular"]["terms_days"] == 60
    assert "Key accounts" in console.get("/console/classes").text


def triggers(world):
    return world.get("/v1/settings")["automations"]["past_due"]["triggers"]


def test_triggers_are_saved_as_they_stand_filled_in_and_left_out(busy, console):
    page = console.get("/console/triggers")
    before = triggers(busy)
    assert "Saved." in console.press(page, "/triggers").text
    assert triggers(busy) == before
    given = {"trigger.0.days": "10", "trigger.0.0.type": "late_fee", "trigger.0.0.value": "12.00",
             "trigger.1.days": "", "trigger.2.days": "45", "trigger.2.0.type": "suspend"}  # fmt: skip
    page = console.press(console.get("/console/triggers"), "/triggers", given)
    assert triggers(busy) == [
        {"days": 10, "actions": [{"type": "late_fee", "amount": "12.00"}]},
        {"days": 45, "actions": [{"type": "suspend"}]},
    ]
    more = {"trigger.0.1.type": "task", "trigger.0.1.value": "Call them"}
    console.press(page, "/triggers", more)
    assert triggers(busy)[0]["actions"][1] == {"type": "task", "title": "Call them"}


def test_a_trigger_that_is_wrong_is_named_where_it_stands(busy, console):
    before = triggers(busy)
    given = {"trigger.0.days": "", "trigger.1.0.type": "late_fee", "trigger.1.0.value": "a lot", "trigger.2.days": "x"}
    shown = console.press(console.get("/console/triggers"), "/triggers", given)
    assert shown.status == 422
    at = "automations.past_due.triggers"
    assert {f"#{at}.0.actions.0.value", f"#{at}.1.days"} <= set(shown.links)
    assert {f"{at}.0.actions.0.value", f"{at}.1.days"} <= set(shown.ids)
    assert shown.form("/triggers").value("trigger.0.0.value") == "a lot"
    assert triggers(busy) == before


def test_settings_that_are_hardly_meant_are_warned_of_on_their_page(busy, console):
    assert "hardly meant" not in console.get("/console/settings").text
    busy.settings(payment_run={"schedule": "0 16 * * *"})  # the past-due job runs at 14:00
    page = console.get("/console/settings").text
    assert "Saved, but hardly meant" in page
    assert "they are chased before they are charged" in page


def test_what_a_setting_would_do_tomorrow_is_lived_through_and_said(busy, console):
    busy.post("/v1/bill-runs", {"customer_ids": ["cus_acme"], "auto_post": False})
    (form,) = [f for f in console.get("/console/settings").forms if f.value("section") == "past_due"]
    fields = [(n, v) for n, v in form.fields if n != "tier.1.from_days"]
    shown = console.send("/console/settings/effects", [*fields, ("tier.1.from_days", "21")])
    assert "By this time tomorrow" in shown.text


def test_who_changed_which_setting_is_read_from_the_latest_on(busy):
    busy.settings(due_date_basis="invoice_date")
    busy.settings(payment_run={"schedule": "0 16 * * *"})
    text = Console(busy, "viewer").get("/console/settings/history").text
    assert text.index("schedule: 0 11 * * * → 0 16 * * *") < text.index("Due date basis: posted_on → invoice_date")
    assert "local-admin" in text


def test_what_stands_on_documents_is_saved(busy, console):
    (form,) = [f for f in console.get("/console/settings").forms if f.value("section") == "documents"]
    given = {"business.address.city": "Bonn", "business.payment_instructions": "By transfer\r\n\r\nWithin ten days"}
    console.send("/console/settings", {**dict(form.fields), **given})
    business = busy.get("/v1/settings")["business"]
    assert business["address"]["city"] == "Bonn"
    assert business["payment_instructions"] == ["By transfer", "Within ten days"]
    (form,) = [f for f in console.get("/console/settings").forms if f.value("section") == "documents"]
    assert form.value("business.payment_instructions") == "By transfer\nWithin ten days"


def test_settings_that_are_refused_keep_what_was_typed_and_the_summary_leads_to_it(console):
    (form,) = [f for f in console.get("/console/settings").forms if f.value("section") == "past_due"]
    given = {"tier.1.from_days": "0", "tier.2.repeat_max": "many", "automations.past_due.schedule": "61 4 * * *"}
    shown = console.send("/console/settings", {**dict(form.fields), **given}, follow=False)
    assert shown.status == 422
    at = "automations.past_due"
    wrong = {f"{at}.tiers.1.from_days", f"{at}.tiers.2.repeat_max", f"{at}.schedule"}
    assert {f"#{id}" for id in wrong} <= set(shown.links)
    assert wrong <= set(shown.ids)
    (form,) = [f for f in shown.forms if f.value("section") == "past_due"]
    assert [form.value(name) for name in given] == list(given.values())
    (form,) = [f for f in shown.forms if f.value("section") == "documents"]
    shown = console.send("/console/settings", {**dict(form.fields), "business.iban": "DE1"}, follow=False)
    assert shown.status == 422
    assert "#business.iban" in shown.links  # beside fields that are left empty

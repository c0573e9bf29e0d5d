"""The settings through the API."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.ids import SHARDS
from shared.domain.runs import Watermark
from shared.domain.settings import SettingsGate
from tests.integration.api.client import START

DEFAULTS = {
    "business": {
        "name": "Your company", "timezone": "UTC", "email_from": "billing@example.com", "currency": "USD",
        "address": {"line1": "", "line2": "", "city": "", "region": "", "postal_code": "", "country": ""},
        "tax_id": None, "iban": None, "bic": None, "payment_instructions": [], "logo": None,
        "accent_colour": "#0e5a66", "language": "en", "e_invoice": "off",
    },
    "bill_run": {
        "enabled": False, "schedule": "0 4 * * *", "auto_post": False, "auto_email": False, "gate": "clean_only",
        "spot_check": {"change_percent": 50, "flag_first_invoice": True},
    },
    "payment_run": {"enabled": False, "schedule": "0 11 * * *", "wait_for_bill_run": True, "max_wait_hours": 6},
    "automations": {
        "send_new_invoices": {"enabled": False},
        "account_summary": {
            "enabled": False, "schedule": "0 8 1 * *", "format": "open_invoices", "send_when_empty": False,
        },
        "past_due": {
            "enabled": False, "schedule": "0 14 * * *",
            "tiers": [
                {"from_days": 1, "template": "past_due_1", "repeat_every_days": None, "repeat_max": None},
                {"from_days": 14, "template": "past_due_2", "repeat_every_days": None, "repeat_max": None},
                {"from_days": 30, "template": "past_due_3", "repeat_every_days": None, "repeat_max": None},
            ],
            "triggers": [{"days": 14, "actions": []}, {"days": 30, "actions": []}],
        },
    },
    "retries": {"retry_days": [3, 5, 7], "max_attempts_per_card_30_days": 15},
    "due_date_basis": "posted_on",
    "pay_link": {"expires_days": 30},
    "version": 1,
}  # fmt: skip


def test_everything_is_off_until_someone_turns_it_on(api):
    assert api.get("/v1/settings").json == DEFAULTS


def test_a_patch_merges_and_answers_the_whole_tree(api):
    done = api.patch("/v1/settings", {"bill_run": {"auto_post": True, "spot_check": {"change_percent": 12.5}}})
    spot_check = {**DEFAULTS["bill_run"]["spot_check"], "change_percent": 12.5}
    assert done.json == {
        **DEFAULTS, "bill_run": {**DEFAULTS["bill_run"], "auto_post": True, "spot_check": spot_check}, "version": 2,
        "effects": {},
    }  # fmt: skip
    assert api.get("/v1/settings").json == {k: v for k, v in done.json.items() if k != "effects"}


def test_null_returns_a_part_to_its_defaults(api):
    api.patch("/v1/settings", {"retries": {"retry_days": [1]}, "bill_run": {"enabled": True, "schedule": "0 5 * * *"}})
    done = api.patch("/v1/settings", {"retries": None, "bill_run": {"schedule": None}})
    assert done.json["retries"] == DEFAULTS["retries"]
    assert done.json["bill_run"] == {**DEFAULTS["bill_run"], "enabled": True}


def test_actions_of_every_type_come_back_as_they_were_given(api):
    actions = [
        {"type": "send_template", "template": "reminder"}, {"type": "late_fee", "amount": "25.00"},
        {"type": "suspend"}, {"type": "emit_event", "name": "customer.late"}, {"type": "task", "title": "Call them"},
    ]  # fmt: skip
    triggers = [{"days": 10, "actions": actions}, {"days": 20, "actions": []}]
    done = api.patch("/v1/settings", {"automations": {"past_due": {"triggers": triggers}}})
    assert done.json["automations"]["past_due"]["triggers"] == triggers


def test_a_patch_that_changes_nothing_is_no_new_version(api):
    tree = api.get("/v1/settings").json
    assert api.patch("/v1/settings", tree).json == {**tree, "effects": {}}
    assert api.items("/v1/settings/history") == []


def test_a_stale_version_is_refused(api):
    assert api.patch("/v1/settings", {"pay_link": {"expires_days": 5}}, headers={"If-Match": '"1"'}).status == 200
    assert api.patch("/v1/settings", {"pay_link": {"expires_days": 6}}, headers={"If-Match": '"1"'}).status == 412
    assert api.patch("/v1/settings", {"pay_link": {"expires_days": 6}, "version": 1}).status == 412
    assert api.get("/v1/settings").json["pay_link"] == {"expires_days": 5}


def test_the_history_says_who_changed_what_and_when(api):
    api.patch("/v1/settings", {"bill_run": {"enabled": True}})
    api.ports.clock.advance(days=1)
    api.user = "grace"
    api.patch("/v1/settings", {"bill_run": {"enabled": False}, "due_date_basis": "invoice_date"})
    first, second = api.items("/v1/settings/history")
    assert first == {
        "version": 2, "changed_at": "2026-01-01T12:00:00Z", "changed_by": "ada",
        "before": {"bill_run": {"enabled": False}}, "after": {"bill_run": {"enabled": True}},
    }  # fmt: skip
    assert (second["changed_by"], second["changed_at"]) == ("grace", "2026-01-02T12:00:00Z")
    assert second["after"] == {"bill_run": {"enabled": False}, "due_date_basis": "invoice_date"}


def test_every_change_moves_all_gates_so_that_claims_under_the_old_settings_fail(api):
    for expected in (1, 2):
        api.patch("/v1/settings", {"pay_link": {"expires_days": expected}})
        gates = [api.ports.store.get(SettingsGate, f"gate{n}") for n in range(SHARDS)]
        assert {gate.version for gate in gates} == {expected}


def test_switching_on_tells_for_how_many_customers_and_a_dry_run_tells_only_that(api):
    api.customer("cus_on", automations={"enabled": True})
    api.customer("cus_off")
    api.customer("cus_own_off", automations={"enabled": True, "past_due": False})
    api.customer("cus_no_address", email=None, automations={"enabled": True})
    both = {"past_due": {"enabled": True}, "send_new_invoices": {"enabled": True}}
    expected = {"send_new_invoices": 2, "past_due": 1}
    dry = api.patch("/v1/settings?dry_run=true", {"automations": both})
    assert dry.json == {"effects": expected}
    assert api.get("/v1/settings").json == DEFAULTS
    assert api.patch("/v1/settings", {"automations": both}).json["effects"] == expected
    off = api.patch("/v1/settings", {"automations": {"past_due": {"enabled": False}}})
    assert off.json["effects"] == {"past_due": 0}


@pytest.mark.parametrize(
    ("patch", "jobs"),
    [
        ({"bill_run": {"enabled": True}}, {"bill_run"}),
        ({"payment_run": {"schedule": "0 6 * * *"}}, {"payment_run"}),
        ({"automations": {"past_due": {"enabled": True}}}, {"past_due"}),
        ({"automations": {"account_summary": {"schedule": "0 9 1 * *"}}}, {"account_summary"}),
        ({"business": {"timezone": "Asia/Tokyo"}}, {"bill_run", "payment_run", "past_due", "account_summary"}),
        ({"business": {"name": "Ours"}, "bill_run": {"auto_post": True}}, set()),
    ],
)
def test_a_job_whose_timing_changes_starts_anew_without_a_backlog(api, patch, jobs):
    api.ports.clock.advance(days=3)
    api.patch("/v1/settings", patch)
    all_jobs = ("bill_run", "payment_run", "past_due", "account_summary")
    marks = {job: api.ports.store.get(Watermark, "watermarks", job) for job in all_jobs}
    assert {job: mark.through for job, mark in marks.items() if mark} == dict.fromkeys(jobs, START + timedelta(days=3))


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"bill_run": {"auto_email": True}}, "bill_run.auto_email"),
        ({"bill_run": {"auto_post": 1}}, "bill_run.auto_post"),
        ({"bill_run": {"schedule": "@daily"}}, "bill_run.schedule"),
        ({"bill_run": {"schedule": "0 4 * * * *"}}, "bill_run.schedule"),
        ({"bill_run": {"schedule": "0 4 31 2 *"}}, "bill_run.schedule"),
        ({"bill_run": {"gate": "none"}}, "bill_run.gate"),
        ({"bill_run": {"spot_check": {"change_percent": -1}}}, "bill_run.spot_check.change_percent"),
        ({"bill_run": {"spot_check": {"change_percent": 10**30}}}, "bill_run.spot_check.change_percent"),
        ({"bill_run": {"spot_check": {"change_percent": "50"}}}, "bill_run.spot_check.change_percent"),
        ({"bill_run": {"spot_check": {"change_percent": True}}}, "bill_run.spot_check.change_percent"),
        ({"bill_run": {"spot_check": 5}}, "bill_run.spot_check"),
        ({"bill_run": []}, "bill_run"),
        ({"payment_run": {"max_wait_hours": 0}}, "payment_run.max_wait_hours"),
        ({"payment_run": {"max_wait_hours": 6.0}}, "payment_run.max_wait_hours"),
        ({"payment_run": {"max_wait_hours": 10**30}}, "payment_run.max_wait_hours"),
        ({"business": {"timezone": "Nowhere"}}, "business.timezone"),
        ({"business": {"email_from": "a@b.example\r\nBcc: c@d.example"}}, "business.email_from"),
        ({"business": {"currency": "ZZZ"}}, "business.currency"),
        ({"business": {"name": "a\r\nb"}}, "business.name"),
        ({"automations": {"fax": {"enabled": True}}}, "automations.fax"),
        ({"automations": {"account_summary": {"format": "all"}}}, "automations.account_summary.format"),
        ({"automations": {"past_due": {"tiers": []}}}, "automations.past_due.tiers"),
        ({"automations": {"past_due": {"tiers": [{"from_days": 0, "template": "reminder"}]}}},
         "automations.past_due.tiers[0].from_days"),
        ({"automations": {"past_due": {"tiers": [{"from_days": 5, "template": "reminder"}, {"from_days": 5,
        "template": "reminder"}]
          }}},
         "automations.past_due.tiers[1].from_days"),
        ({"automations": {"past_due": {"tiers": [{"from_days": 5, "template": "reminder", "repeat_max": 2}]}}},
         "automations.past_due.tiers[0].repeat_max"),
        ({"automations": {"past_due": {"tiers": [{"from_days": 5, "template": "{{ x }}"}]}}},
         "automations.past_due.tiers[0].template"),
        ({"automations": {"past_due": {"triggers": [{"days": 3}, {"days": 3}]}}},
         "automations.past_due.triggers[1].days"),
        ({"automations": {"past_due": {"triggers": [{"days": 3, "actions": [{"type": "late_fee", "amount": 25}]}]}}},
         "automations.past_due.triggers[0].actions[0].amount"),
        ({"automations": {"past_due": {"triggers": [{"days": 3, "actions": [{"type": "suspend", "x": 1}]}]}}},
         "automations.past_due.triggers[0].actions[0].x"),
        ({"automations": {"past_due": {"triggers": [{"days": 3, "actions": [{"type": "fax"}]}]}}},
         "automations.past_due.triggers[0].actions[0]"),
        (
            {"automations": {"past_due": {"tiers": [{"from_days": 5, "template": "nowhere"}]}}},
            "automations.past_due.tiers[0].template",
        ),
        (
            {"automations": {"past_due": {"triggers": [
                {"days": 3, "actions": [{"type": "send_template", "template": "nowhere"}]}
            ]}}},
            "automations.past_due.triggers[0].actions[0].template",
        ),
        ({"retries": {"retry_days": [0]}}, "retries.retry_days[0]"),
        ({"retries": {"retry_days": "3"}}, "retries.retry_days"),
        ({"due_date_basis": "due_on"}, "due_date_basis"),
        ({"pay_link": {"expires_days": -1}}, "pay_link.expires_days"),
        ({"colour": "red"}, "colour"),
        ({"version": "1"}, "version"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_and_nothing_changes(api, patch, field):
    assert api.patch("/v1/settings", patch).fields == [field]
    assert api.patch("/v1/settings?dry_run=true", patch).status == 422
    assert api.get("/v1/settings").json == DEFAULTS


def test_auto_post_cannot_be_taken_away_from_under_auto_email(api):
    assert api.patch("/v1/settings", {"bill_run": {"auto_post": True, "auto_email": True}}).status == 200
    assert api.patch("/v1/settings", {"bill_run": {"auto_post": False}}).fields == ["bill_run.auto_email"]


def test_what_is_saved_and_hardly_meant_is_answered_with_a_warning(api):
    night = {"business": {"timezone": "Europe/Berlin"}, "bill_run": {"schedule": "30 2 * * *"}}
    (warning,) = api.patch("/v1/settings", night).json["warnings"]
    assert (warning["field"], warning["code"]) == ("bill_run.schedule", "schedule_on_clock_change")
    assert "Europe/Berlin" in warning["message"]
    assert api.patch("/v1/settings?dry_run=true", {"bill_run": {"schedule": "0 4 * * *"}}).json == {"effects": {}}
    made = api.post("/v1/customer-classes", {"id": "cls_w", "name": "W", "regular": {"suspend_after_days": 2}})
    assert [w["field"] for w in made.json["warnings"]] == ["regular.suspend_after_days"]
    ending = {"name": "W", "regular": {"terminate_after_days": 20}}
    assert "warnings" not in api.put("/v1/customer-classes/cls_w", ending).json
    (warning,) = api.patch("/v1/settings", {"retries": {"retry_days": [10, 10]}}).json["warnings"][-1:]
    assert (warning["field"], warning["code"]) == ("retries.retry_days", "retry_after_step")
    own = {"name": "Own", "timezone": "Europe/Berlin", "account_summary_schedule": "30 2 * * *"}
    made = api.post("/v1/customers", own).json
    assert [w["field"] for w in made["warnings"]] == ["account_summary_schedule"]
    assert "warnings" not in api.patch(f"/v1/customers/{made['id']}", {"account_summary_schedule": "30 4 * * *"}).json

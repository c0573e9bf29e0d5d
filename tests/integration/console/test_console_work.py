"""What is done in the console: runs, customers, settings, templates, autopay rules. Without script. PRODUCT 2–12."""

from __future__ import annotations

from typing import get_args

from functions.console.app import FORMS, PAGES, STANDS
from functions.console.settings import SECTIONS
from shared.domain.customer import HoldReason
from tests.integration.console.console_browser import Console, Outline, draft_of, run_of

# ---- bill runs --------------------------------------------------------------------------------------------------


def test_a_run_is_previewed_started_watched_reviewed_and_posted(world):
    acme = world.customer(name="Acme Ltd")
    world.contract(acme, "100.00")
    console = Console(world, "operator")
    form = {"as_of": "2026-01-01", "class_id": "", "customer_ids": acme, "auto_post": "no"}
    value = console.get("/console/runs").form("/runs").value("form")
    before = world.cloud.ports.store.dump()
    preview = console.send("/console/runs/preview", {**form, "form": value})
    assert "USD 100.00" in preview.text
    assert world.cloud.ports.store.dump() == before
    page = console.send("/console/runs", {**form, "form": value})
    assert "The bill run has started." in page.text
    assert 'hx-trigger="every 2s"' in page.html
    run = run_of(world)
    assert 'hx-trigger="every 2s"' in console.part(f"/console/runs/{run}/progress").html
    world.settle()
    done = console.part(f"/console/runs/{run}/progress")
    assert done.headers["HX-Refresh"] == "true"
    page = console.get(f"/console/runs/{run}")
    assert "hx-trigger" not in page.html
    assert "First invoice" in page.text
    draft = console.get(f"/console/invoices/{draft_of(world)}")
    assert "What the spot check says" in draft.text
    posted = console.press(page, f"/runs/{run}/post")
    assert "Posted." in posted.text
    assert [i["status"] for i in world.invoices()] == ["posted"]


def test_drafts_with_flags_come_first(world):
    world.settings(bill_run={"spot_check": {"flag_first_invoice": False}})
    for n in range(3):
        world.contract(world.customer(id=f"cus_a{n}", name=f"Clean {n}"), "10.00")
    odd = world.customer(id="cus_z", name="Odd Ltd", email=None)
    world.contract(odd, "10.00")
    run = world.post("/v1/bill-runs", {})["id"]
    world.settle()
    text = Console(world).get(f"/console/runs/{run}").text
    assert text.index("Odd Ltd") < text.index("Clean 0")


def test_a_run_is_cancelled_and_what_the_state_forbids_is_said_on_its_page(world):
    world.contract(world.customer(), "10.00")
    run = world.post("/v1/bill-runs", {"auto_post": False})["id"]
    world.settle()
    console = Console(world, "operator")
    page = console.get(f"/console/runs/{run}")
    value = page.form("/cancel").value("form")
    assert "Cancelled" in console.press(page, "/cancel").text
    again = console.send(f"/console/runs/{run}/post", {"form": value}, follow=False)
    assert again.status == 409
    assert "Nothing was done" in again.text
    assert "Bill run of" in again.text


def test_documents_are_handed_on_as_they_are(world):
    acme = world.customer(delivery=["print"], email=None)
    invoice = world.invoice(acme)
    world.settle()
    shown = Console(world, "viewer").get(f"/console/invoices/{invoice}/pdf")
    assert shown.body.startswith(b"%PDF-")
    assert shown.headers["Content-Type"] == "application/pdf"
    assert shown.body == world.cloud.ports.files.read(f"invoices/{invoice}.pdf")


def test_a_document_that_is_still_being_made_says_when_to_come_again(world):
    world.contract(world.customer(delivery=["print"]), "10.00")
    run = world.post("/v1/bill-runs", {})["id"]
    world.settle()
    world.post(f"/v1/bill-runs/{run}/post")
    world.settle()
    console = Console(world, "operator")
    shown = console.get(f"/console/runs/{run}/print-batch")
    assert (shown.status, shown.headers["Retry-After"]) == (503, "5")
    assert "Please try again in a moment" in shown.text
    world.settle()
    assert console.get(f"/console/runs/{run}/print-batch").body.startswith(b"%PDF-")


# ---- customers --------------------------------------------------------------------------------------------------


def test_search_finds_by_name_and_answers_htmx_with_the_list_alone(busy):
    console = Console(busy)
    assert "Late Ltd" in console.get("/console/customers?query=late").text
    part = console.part("/console/customers?query=LATE")
    assert "Late Ltd" in part.text
    assert "<html" not in part.html
    assert "Nobody is found" in console.part("/console/customers?query=zebra").text


def test_a_customer_s_page_says_what_is_off_and_why(busy):
    console = Console(busy, "operator")
    busy.settings(automations={"account_summary": {"enabled": False}})
    page = console.get("/console/customers/cus_late")
    assert "off: switched off for everybody, in the settings" in page.text
    assert "acts for this customer" in page.text
    assert "USD 40.00" in page.text


def test_pauses_holds_promises_and_switches_are_set_and_ended(busy):
    console, path = Console(busy, "operator"), "/console/customers/cus_late"
    page = console.press(console.get(path), "/pauses/past_due", {"through": "2026-03-31"})
    assert "paused, through 31 Mar 2026" in page.text
    page = console.press(page, "/pauses/past_due/end")
    assert "It acts again." in page.text
    page = console.press(page, "/hold", {"reason": "dispute", "through": "2026-04-30"})
    assert busy.account("cus_late")["stopped_by"][0]["reason"] == "dispute"
    page = console.press(page, "/release")
    assert busy.account("cus_late")["stopped_by"] == []
    page = console.press(page, "/promise", {"date": "2026-03-10", "amount": "40.00"})
    assert busy.account("cus_late")["promise"]["date"] == "2026-03-10"
    page = console.press(page, "/promise/withdraw")
    assert busy.account("cus_late")["promise"] is None
    page = console.press(page, "/automations", {"automations.enabled": "off"})
    assert "all automation is switched off for this customer" in page.text
    assert busy.get("/v1/customers/cus_late")["automations"] == {
        "enabled": False, "send_new_invoices": None, "account_summary": None, "past_due": None,
    }  # fmt: skip


def test_what_the_api_says_against_a_form_stands_on_the_page_with_the_field_s_name(busy):
    console = Console(busy, "operator")
    page = console.press(console.get("/console/customers/cus_late"), "/promise", {"date": "tomorrow"})
    assert page.status == 422
    assert "Nothing was done" in page.text
    assert "Date" in page.text
    assert "Late Ltd" in page.text
    assert "<title>Error:" in page.html


def test_a_cheque_is_recorded(busy):
    console = Console(busy, "operator")
    given = {"amount": "15.00", "method": "check", "reference": "No. 7"}
    page = console.press(console.get("/console/customers/cus_late"), "/payments", given)
    assert "The payment is recorded." in page.text
    assert busy.get("/v1/invoices/inv_late")["residual"] == "25.00"


def test_a_pay_link_is_shown_once_and_opens_the_customer_s_page(busy):
    console = Console(busy, "operator")
    page = console.press(console.get("/console/customers/cus_late"), "/pay-link")
    link = next(
        v for t, n, v in Outline(page.html).attributes if t == "input" and n == "value" and "/pay/" in (v or "")
    )
    assert "Late Ltd" in console.get(link).text


def test_the_timeline_has_what_happened_and_what_is_planned(busy):
    part = Console(busy).part("/console/customers/cus_late/timeline")
    assert "<html" not in part.html
    assert part.text.index("Planned") < part.text.index("Past")


def test_whatever_is_done_is_in_the_audit_log_under_the_person_s_name(busy):
    console = Console(busy, "operator")
    console.press(console.get("/console/customers/cus_late"), "/hold", {"reason": "dispute"})
    entry = busy.get("/v1/audit?subject_id=cus_late&limit=1")["items"][0]
    assert (entry["by"], entry["role"]) == ("local-operator", "operator")
    assert entry["action"] == "PUT /v1/customers/{customer_id}/hold"
    page = console.get("/console/audit?subject_id=cus_late")
    assert "local-operator" in page.text
    assert 'hold: – → {"reason": "dispute", "through": null' in page.text
    assert "The log is as it was written" in console.get("/console/audit/verify").text


# ---- settings ---------------------------------------------------------------------------------------------------


def test_every_setting_that_a_form_holds_is_saved_as_it_stands_and_nothing_else_changes(busy):
    console = Console(busy)
    before = busy.get("/v1/settings")
    for section in SECTIONS:
        page = console.get("/console/settings")
        (form,) = [f for f in page.forms if f.value("section") == section]
        assert "Saved." in console.send(form.action, form.fields).text, section
    after = busy.get("/v1/settings")
    assert {k: v for k, v in after.items() if k != "version"} == {k: v for k, v in before.items() if k != "version"}


def settings_form(page, section):
    (form,) = [f for f in page.forms if f.value("section") == section]
    return form.fields


def test_a_switch_is_saved_and_a_box_that_is_not_ticked_means_no(busy):
    console = Console(busy)
    fields = [f for f in settings_form(console.get("/console/settings"), "bill_run") if f[0] != "bill_run.enabled"]
    console.send("/console/settings", [*fields, ("bill_run.auto_post", "yes")])
    saved = busy.get("/v1/settings")["bill_run"]
    assert (saved["enabled"], saved["auto_post"]) == (False, True)


def test_what_a_switch_would_do_is_said_and_nothing_is_saved(busy):
    console = Console(busy)
    busy.settings(automations={"send_new_invoices": {"enabled": False}})
    fields = settings_form(console.get("/console/settings"), "send_new_invoices")
    before = busy.cloud.ports.store.dump()
    asked = [*fields, ("automations.send_new_invoices.enabled", "yes")]
    part = console.send("/console/settings/effects", asked, **{"hx-request": "true"})
    assert "Send new invoices would act for 2 customers" in part.text
    assert "<html" not in part.html
    whole = console.send("/console/settings/effects", asked)
    assert "would act for 2 customers" in whole.text
    assert busy.cloud.ports.store.dump() == before


def test_what_cannot_be_saved_is_named_and_a_stale_form_does_not_overwrite(busy):
    console = Console(busy)
    fields = dict(settings_form(console.get("/console/settings"), "bill_run"))
    wrong = console.send("/console/settings", {**fields, "bill_run.schedule": "61 4 * * *"}, follow=False)
    assert wrong.status == 422
    assert "Nothing was done" in wrong.text
    busy.settings(due_date_basis="invoice_date")
    assert console.send("/console/settings", fields, follow=False).status == 412


def test_a_schedule_is_said_in_its_next_five_times_as_it_is_typed(world):
    console = Console(world)
    part = console.part("/console/settings/times?bill_run.schedule=0+8+1+*+*")
    assert part.html.count("<li>") == 5
    assert "Thursday 1 January 2026 at 08:00" in part.text
    assert "minute" in console.part("/console/settings/times?bill_run.schedule=61+8+1+*+*").text
    assert "five" in console.part("/console/settings/times?bill_run.schedule=nonsense").text


# ---- autopay ----------------------------------------------------------------------------------------------------

RULES = "/console/customers/cus_acme/autopay"


def test_a_rule_is_added_filled_in_saved_moved_and_removed_without_script(busy):
    console = Console(busy, "operator")
    page = console.press(console.get(RULES), "/autopay", button=("do", "add"))
    keys = page.form("/autopay").offers("rule")
    assert keys[0] == "apr_big"
    assert len(keys) == 2
    new, method = keys[1], page.form("/autopay").offers("apr_big.method")[1]
    given = {f"{new}.method": method, f"{new}.0.type": "days_past_due", f"{new}.0.operator": "gte",
             f"{new}.0.values": "3"}  # fmt: skip
    page = console.press(page, "/autopay", given, button=("do", "save"))
    assert "Saved." in page.text
    first, second = busy.get("/v1/customers/cus_acme/autopay")["rules"]
    assert second["criteria"] == [{"type": "days_past_due", "operator": "gte", "values": [3]}]
    page = console.press(page, "/autopay", button=("do", f"up:{second['id']}"))
    assert page.form("/autopay").offers("rule") == [second["id"], first["id"]]
    assert "Not saved yet" in page.text
    assert [r["id"] for r in busy.get("/v1/customers/cus_acme/autopay")["rules"]] == [first["id"], second["id"]]
    console.press(page, "/autopay", button=("do", "save"))
    assert [r["id"] for r in busy.get("/v1/customers/cus_acme/autopay")["rules"]] == [second["id"], first["id"]]
    page = console.press(console.get(RULES), "/autopay", button=("do", f"remove:{first['id']}"))
    console.press(page, "/autopay", button=("do", "save"))
    assert [r["id"] for r in busy.get("/v1/customers/cus_acme/autopay")["rules"]] == [second["id"]]


def test_saving_what_was_not_touched_changes_nothing(busy):
    console = Console(busy, "operator")
    before = busy.get("/v1/customers/cus_acme/autopay")
    console.press(console.get(RULES), "/autopay", button=("do", "save"))
    after = busy.get("/v1/customers/cus_acme/autopay")
    assert after["rules"] == before["rules"]


def test_the_save_button_says_why_it_is_off_while_a_rule_is_wrong(busy):
    console = Console(busy, "operator")
    form = console.get(RULES).form("/autopay")
    given = {**dict(form.fields), "apr_big.0.values": "lots"}
    before = busy.cloud.ports.store.dump()
    part = console.send(f"{RULES}/check", given, **{"hx-request": "true"})
    assert "cannot be saved yet" in part.text
    assert "Rule 1" in part.text
    assert 'disabled aria-describedby="why-not"' in part.html
    kept = console.send(RULES, {**given, "do": "save"}, follow=False)
    assert kept.status == 422
    assert 'value="lots"' in kept.html
    assert busy.cloud.ports.store.dump() == before


def test_a_rule_that_can_never_fire_is_pointed_out_before_it_is_saved(busy):
    console = Console(busy, "operator")
    page = console.press(console.get(RULES), "/autopay", button=("do", "add"))
    form = page.form("/autopay")
    new, method = form.offers("rule")[1], form.offers("apr_big.method")[1]
    given = {**dict(form.fields), f"{new}.method": method, f"{new}.0.type": "amount", f"{new}.0.operator": "gte",
             f"{new}.0.values": "300"}  # fmt: skip
    fields = [*[(n, v) for n, v in given.items() if n != "rule"], ("rule", "apr_big"), ("rule", new)]
    part = console.send(f"{RULES}/check", fields, **{"hx-request": "true"})
    assert "Rule 2 never pays: rule 1 always matches first; put it before that one." in part.text
    assert "disabled" not in part.html


def test_the_rules_are_tried_on_an_invoice(busy):
    invoice = busy.invoice("cus_acme", "280.00")
    part = Console(busy, "viewer").part(f"{RULES}/try?invoice_id={invoice}")
    assert "pays this invoice" in part.text
    assert "280.00" in part.text
    assert "does not match" in Console(busy).get(f"{RULES}/try?invoice_id={draft_of(busy)}").text


# ---- the rest ---------------------------------------------------------------------------------------------------


def test_past_due_and_reports_show_what_the_api_says(busy):
    console = Console(busy, "viewer")
    past_due = console.get("/console/past-due").text
    assert "Late Ltd" in past_due
    assert "USD 40.00" in past_due
    ageing = console.get("/console/reports")
    assert "USD 40.00" in ageing.text
    assert "<svg" in ageing.html
    assert "DSO" in console.get("/console/reports/dso").text
    assert "USD 40.00" in console.get("/console/reports/forecast").text


def test_every_form_stands_on_a_page_that_there_is():
    assert set(STANDS.values()) <= set(PAGES)
    assert set(STANDS) <= set(FORMS)


def test_the_reasons_of_a_hold_are_those_that_the_api_knows(busy):
    console = Console(busy, "operator")
    for path in ("/console/customers/cus_late", "/console/invoices/inv_late"):
        offered = console.get(path).form("/hold").offers("reason")
        assert sorted(offered) == sorted(get_args(HoldReason)), path

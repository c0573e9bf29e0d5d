"""The console's rehearsals, asked for by form, waited for, read and taken away; and its review of a sample."""

from __future__ import annotations

from functions.console import rehearsals as console_rehearsals
from shared.use_cases import rehearsals
from tests.integration.console.console_browser import Console

ASKED = {
    "days": "40", "settings.bill_run.enabled": "on", "settings.bill_run.auto_post": "on",
    "settings.bill_run.auto_email": "on", "settings.bill_run.gate": "all", "settings.retries.retry_days": "1 2",
}  # fmt: skip


def company(world):
    customer = world.customer(name="Acme Ltd", terms_days=5)
    world.contract(customer, "100.00", day=2)
    world.invoice(customer, "40.00")
    return customer


def test_what_would_be_different_is_asked_for_and_read(world):
    company(world)
    its_class = world.klass(terms_days=5)
    console = Console(world, "admin")
    asked = {**ASKED, "class_id": its_class, "policy.terms_days": "9", "policy.suspend_after_days": "never"}
    page = console.press(console.get("/console/rehearsals"), "/rehearsals", asked)
    assert page.status == 200
    assert "The next 40 days, changed" in page.text
    assert "hx-trigger" not in page.html
    made = world.get(f"/v1/rehearsals/{rehearsal_of(page)}")
    assert made["settings"]["bill_run"] == {"enabled": True, "auto_post": True, "auto_email": True, "gate": "all"}
    assert made["settings"]["retries"] == {"retry_days": [1, 2]}
    assert made["classes"] == {its_class: {"regular": {"terms_days": 9, "suspend_after_days": None}}}
    billed = made["changed"]["invoices"]
    assert billed["count"] == 3
    assert f"Invoices 3 posted: USD 203.23 0 {billed['count']} {billed['count']} 0" in page.text
    assert "Would get a mail that they would not have got Acme Ltd Invoice × 3 1 Jan 2026" in page.text
    assert "Nobody is limited, suspended or terminated because of it." in page.text
    assert page.html.count("<svg") == 3  # billed, mailed, and the cash of one currency; nothing is charged
    assert "2 Feb 1 billed 1 posted 1 mailed" in page.text  # in the calendar
    assert "Acme Ltd 3 3 – – – – – –" in page.text  # customer by customer
    assert "Through As set Changed Apart 8 Jan 2026 USD 40.00 USD 143.23 USD 103.23 sooner" in page.text
    rows = console.get(next(link for link in page.links if "/rows" in link))
    assert rows.body.startswith(b"run,change,category,on,")
    assert b"difference,added,invoices" in rows.body


def rehearsal_of(page):
    return next(link for link in page.links if "/rows" in link).split("/")[3]


def test_a_larger_one_is_waited_for_and_warns_of_what_is_hardly_meant(world, monkeypatch):
    company(world)
    monkeypatch.setattr(rehearsals, "AT_ONCE_MAX", 1)
    console = Console(world, "admin")
    asked = {
        **ASKED,
        "class_id": "cls_standard",
        "policy.suspend_after_days": "20",
        "policy.terminate_after_days": "10",
    }
    page = console.press(console.get("/console/rehearsals"), "/rehearsals", asked)
    assert 'hx-trigger="every 2s"' in page.html
    path = f"/console/rehearsals/{page.text.split('reh_')[1].split()[0]}".replace("rehearsals/", "rehearsals/reh_")
    assert 'hx-trigger="every 2s"' in console.part(f"{path}/progress").html
    world.settle()
    assert console.part(f"{path}/progress").headers["HX-Refresh"] == "true"
    page = console.get(path)
    assert "hardly meant" in page.text
    assert page.text.count("Would get a mail") == 1


def test_a_sample_of_a_run_is_reviewed_and_says_what_it_proves(world):
    world.settings(bill_run={"spot_check": {"flag_first_invoice": False}})
    for n in range(3):
        world.contract(world.customer(name=f"Customer {n}"), f"{100 + n}.00")
    run = world.post("/v1/bill-runs", {})["id"]
    world.settle()
    console = Console(world, "operator")
    path = f"/runs/{run}/review"
    assert f"/console{path}" in console.get(f"/console/runs/{run}").links
    page = console.get(f"/console{path}")
    assert "0 reviewed 0 wrong 3 unreviewed With 95 % confidence at most 3 of the 3 unreviewed are wrong" in page.text
    for item in world.get(f"/v1/bill-runs/{run}/review")["items"]:
        page = console.press(page, f"{path}/{item['invoice_id']}", {"verdict": "wrong"})
    assert "The verdict is noted." in page.text
    assert "3 reviewed 3 wrong 0 unreviewed Every one of them is reviewed." in page.text
    assert "Say" not in Console(world, "viewer").get(f"/console{path}").text


def test_what_cannot_be_rehearsed_says_why_beside_what_was_typed(world):
    console = Console(world, "admin")
    page = console.press(console.get("/console/rehearsals"), "/rehearsals", {**ASKED, "days": "91"})
    assert page.status == 422
    assert "#days" in page.links
    form = page.form("/rehearsals")
    assert (form.value("days"), form.value("settings.bill_run.gate")) == ("91", "all")
    viewer = Console(world, "viewer").get("/console/rehearsals")
    assert "Your role may look, but not rehearse." in viewer.text


def test_earlier_rehearsals_are_listed_newest_first_with_what_was_changed_in_them(world, monkeypatch):
    monkeypatch.setattr(console_rehearsals, "LISTED", 2)
    assert "Earlier rehearsals None yet." in Console(world, "viewer").get("/console/rehearsals").text
    changes = {
        "bill_run": {"auto_post": True, "gate": "all"},
        "retries": {"retry_days": [1, 2]},
        "pay_link": {"expires_days": 9},
    }
    classes = {"cls_standard": {"regular": {"suspend_after_days": None, "terms_days": 9}}}
    for n, more in enumerate(({"settings": changes, "classes": classes}, {"seed": 7}, {})):
        world.to(f"2026-01-0{n + 1}T09:00:00Z")
        world.post("/v1/rehearsals", {"id": f"reh_{n}", "days": n + 5, **more}, token="local-operator")
    console = Console(world, "viewer")
    page = console.get("/console/rehearsals")
    listed = "3 Jan 2026, 09:00 7 Done local-operator – 2 Jan 2026, 09:00 6 seed 7 Done local-operator – Earlier ones"
    assert listed in page.text
    assert [link for link in page.links if "rehearsals/reh_" in link] == [
        "/console/rehearsals/reh_2", "/console/rehearsals/reh_1",
    ]  # fmt: skip
    older = console.get(next(link for link in page.links if "cursor=" in link).partition("#")[0])
    assert "1 Jan 2026, 09:00 5 Done local-operator Bill run, auto post on Bill run, gate all" in older.text
    assert "Retries, retry days 1, 2 Pay link, expires days 9 and 2 more" in older.text
    assert "Earlier ones" not in older.text
    assert console.get("/console/rehearsals?cursor=none").status == 422

"""Bill runs, usage and dated changes through the API, with the workers doing their part in between."""

from __future__ import annotations

from datetime import date

import pytest

from shared.use_cases.generate_drafts import generate_drafts
from shared.use_cases.select_customers import select_customers

NO_COUNTS = dict.fromkeys(("drafts", "posted", "flagged", "failed", "parked", "emailed"), 0)


@pytest.fixture
def acme(api):
    customer = api.customer()
    api.contract()
    return customer


def work(api) -> None:
    """Do what the queue of bill runs holds."""
    for _ in range(100):
        found = [body for queue, body in api.ports.queue.sent if queue == "bill_run"]
        api.ports.queue.sent = [(queue, body) for queue, body in api.ports.queue.sent if queue != "bill_run"]
        if not found:
            return
        for body in found:
            if body["kind"] == "select_customers":
                select_customers(body["run_id"], api.ports)
            else:
                generate_drafts(body["run_id"], body["chunk"], api.ports)


def run(api, id="brn_1", **body) -> dict:
    api.made("/v1/bill-runs", {"id": id, **body})
    work(api)
    return api.get(f"/v1/bill-runs/{id}").json


def test_a_run_makes_drafts_to_review_and_posting_it_numbers_them(api, acme):
    asked = api.post("/v1/bill-runs", {"id": "brn_1"})
    assert (asked.status, asked.json["status"], asked.json["counts"]) == (201, "pending", NO_COUNTS)
    work(api)
    done = api.get("/v1/bill-runs/brn_1").json
    assert (done["status"], done["as_of"], done["scheduled_for"]) == ("completed", "2026-01-01", None)
    assert done["counts"] == {**NO_COUNTS, "drafts": 1, "flagged": 1}
    assert (done["totals"], done["flags"], done["failures"]) == ({"USD": "249.95"}, {"first_invoice": 1}, [])
    (draft,) = api.items("/v1/invoices?bill_run_id=brn_1&flagged=true&status=draft")
    assert draft["lines"][0] == {
        "name": "Support", "contract_id": "con_1", "charge_id": "chg_1", "service_start": "2026-01-01",
        "service_end": "2026-02-01", "quantity": "1", "unit_amount": "249.95", "amount": "249.95", "taxable": True,
    }  # fmt: skip
    posted = api.post("/v1/bill-runs/brn_1/post").json
    assert (posted["status"], posted["counts"]["posted"], posted["counts"]["drafts"]) == ("posted", 1, 0)
    assert api.get(f"/v1/invoices/{draft['id']}").json["number"] == "INV-000001"
    sent = api.post("/v1/bill-runs/brn_1/send")
    assert sent.status == 200
    assert [n["subject_id"] for n in api.items("/v1/notices?customer_id=cus_acme")] == [draft["id"]]


def test_a_dry_run_writes_nothing_and_may_look_ahead(api, acme):
    preview = api.post("/v1/bill-runs", {"dry_run": True, "as_of": "2026-03-01"})
    assert preview.status == 200
    assert (preview.json["status"], preview.json["counts"]["drafts"], preview.json["totals"]) == (
        "preview", 3, {"USD": "749.85"},
    )  # fmt: skip
    assert [i["total"] for i in preview.json["invoices"]] == ["249.95"] * 3
    assert api.items("/v1/bill-runs") == api.items("/v1/invoices") == []


def test_cancelling_makes_the_periods_billable_again(api, acme):
    run(api)
    cancelled = api.post("/v1/bill-runs/brn_1/cancel").json
    assert (cancelled["status"], cancelled["counts"]) == ("cancelled", NO_COUNTS)
    assert api.items("/v1/invoices") == []
    assert run(api, "brn_2")["counts"]["drafts"] == 1
    api.post("/v1/bill-runs/brn_2/post")
    assert api.post("/v1/bill-runs/brn_2/cancel").status == 409
    (invoice,) = api.items("/v1/invoices")
    assert api.post(f"/v1/invoices/{invoice['id']}/void").json["status"] == "void"
    assert run(api, "brn_3")["counts"]["drafts"] == 1


def test_a_run_bills_only_whom_it_names(api, acme):
    api.customer("cus_b")
    api.contract("cus_b", "con_2")
    assert run(api, customer_ids=["cus_b"])["counts"]["drafts"] == 1
    assert run(api, "brn_2", class_id="cls_standard", customer_ids=["cus_acme"])["counts"]["drafts"] == 1
    assert [r["id"] for r in api.items("/v1/bill-runs?limit=1")] == ["brn_1", "brn_2"]


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("as_of", {"as_of": "2026-01-02"}), ("as_of", {"as_of": "soon"}), ("as_of", {"as_of": 5}),
        ("customer_ids", {"customer_ids": []}), ("customer_ids", {"customer_ids": "all"}),
        ("customer_ids[0]", {"customer_ids": ["cus_none"]}), ("class_id", {"class_id": "cls_none"}),
        ("auto_email", {"auto_email": True}), ("auto_email", {"auto_email": True, "auto_post": False}),
        ("auto_post", {"auto_post": 1}), ("dry_run", {"dry_run": "yes"}), ("colour", {"colour": "red"}),
    ],
)  # fmt: skip
def test_a_wrong_run_is_named_and_not_started(api, acme, field, body):
    assert api.post("/v1/bill-runs", body).fields == [field]
    assert api.items("/v1/bill-runs") == []


@pytest.mark.parametrize("action", ["post", "send"])
def test_a_run_that_is_not_completed_cannot_be_posted_or_sent(api, acme, action):
    api.post("/v1/bill-runs", {"id": "brn_1"})
    assert api.post(f"/v1/bill-runs/brn_1/{action}").status == 409
    assert api.post(f"/v1/bill-runs/brn_none/{action}").status == 404


# ---- dated changes ------------------------------------------------------------------------------


def test_a_change_of_price_is_in_force_from_its_day(api, acme):
    changed = api.post(
        "/v1/contracts/con_1/changes", {"charge_id": "chg_1", "effective_on": "2026-02-01", "amount": "300.00"}
    )
    (charge,) = changed.json["charges"]
    assert (charge["amount"], charge["changes"]) == (
        "249.95", [{"effective_on": "2026-02-01", "amount": "300.00", "quantity": None}],
    )  # fmt: skip
    api.ports.clock.advance(days=31)
    assert api.get("/v1/contracts/con_1").json["charges"][0]["amount"] == "300.00"


def test_a_charge_is_added_from_a_day(api, acme):
    add = {"name": "Hosting", "type": "recurring", "amount": "10.00"}
    changed = api.post("/v1/contracts/con_1/changes", {"add": add, "effective_on": "2026-01-15"})
    assert (changed.status, changed.json["charges"][1]["starts_on"]) == (200, "2026-01-15")


def test_a_contract_is_suspended_resumed_and_ended(api, acme):
    assert api.post("/v1/contracts/con_1/suspend", {"on": "2026-01-01"}).json["status"] == "suspended"
    assert api.post("/v1/contracts/con_1/resume", {"on": "2026-01-01"}).status == 200
    ended = api.post("/v1/contracts/con_1/end", {"on": "2026-02-01"}).json
    assert (ended["status"], ended["end_date"]) == ("active", "2026-02-01")
    assert api.post("/v1/contracts/con_1/end", {"on": "2026-03-01"}, headers={"If-Match": '"1"'}).status == 412


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("effective_on", {"charge_id": "chg_1", "amount": "1.00"}), ("charge_id", {"effective_on": "2026-02-01"}),
        ("amount", {"charge_id": "chg_1", "effective_on": "2026-02-01"}),
        ("amount", {"charge_id": "chg_1", "effective_on": "2026-02-01", "amount": 5}),
        ("amount", {"charge_id": "chg_1", "effective_on": "2026-02-01", "amount": "5.001"}),
        ("quantity", {"charge_id": "chg_1", "effective_on": "2026-02-01", "quantity": "-1"}),
        ("charge_id", {"charge_id": "chg_none", "effective_on": "2026-02-01", "amount": "5.00"}),
        ("charge_id", {"charge_id": "con_1", "effective_on": "2026-02-01", "amount": "5.00"}),
        ("effective_on", {"charge_id": "chg_1", "effective_on": "2025-12-31", "amount": "5.00"}),
        ("add.amount", {"add": {"name": "A", "type": "recurring", "amount": "1.001"}, "effective_on": "2026-02-01"}),
        ("add", {"add": {"name": "A", "type": "rent"}, "effective_on": "2026-02-01"}),
        ("amount", {"add": {"name": "A", "type": "recurring", "amount": "1.00"}, "effective_on": "2026-02-01",
                    "amount": "1.00"}),
    ],
)  # fmt: skip
def test_a_wrong_change_is_named_and_nothing_changes(api, acme, field, body):
    before = api.get("/v1/contracts/con_1").json
    assert field in api.post("/v1/contracts/con_1/changes", body).fields
    assert api.get("/v1/contracts/con_1").json == before


@pytest.mark.parametrize("action", ["suspend", "resume", "end"])
def test_an_action_needs_its_date(api, acme, action):
    assert api.post(f"/v1/contracts/con_1/{action}").fields == ["on"]
    assert api.post(f"/v1/contracts/con_1/{action}", {"on": "soon"}).fields == ["on"]
    assert api.post(f"/v1/contracts/con_none/{action}", {"on": "2026-01-01"}).status == 404


# ---- usage --------------------------------------------------------------------------------------

RECORD = {"id": "u1", "contract_id": "con_u", "metric": "gb", "quantity": "7.5", "occurred_at": "2026-01-01T10:00:00Z"}


@pytest.fixture
def metered(api, acme):
    charge = {"name": "Backup", "type": "usage", "metric": "gb", "unit_amount": "0.05"}
    return api.contract(id="con_u", start_date=str(date(2025, 12, 1)), charges=[charge])


def test_usage_counts_once_and_what_does_not_fit_is_reported(api, metered):
    records = [
        RECORD, RECORD, {**RECORD, "id": "u2", "metric": "tb"}, {**RECORD, "id": "u3", "contract_id": "con_none"},
        {**RECORD, "id": "u4", "quantity": "-1"}, {**RECORD, "id": "u5", "occurred_at": "2025-11-30T10:00:00+00:00"},
        {**RECORD, "quantity": "8"},
    ]  # fmt: skip
    report = api.post("/v1/usage", {"records": records})
    assert (report.status, report.json["accepted"], report.json["duplicate"]) == (200, 1, 1)
    assert [r["id"] for r in report.json["rejected"]] == ["u2", "u3", "u4", "u5", "u1"]
    assert all(r["message"] for r in report.json["rejected"])
    assert api.post("/v1/usage", {"records": [RECORD]}).json == {"accepted": 0, "duplicate": 1, "rejected": []}


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("id", {"id": ""}), ("id", {"id": 5}), ("id", {"id": "a b"}), ("id", {"id": "x" * 101}),
        ("metric", {"metric": None}),
        ("contract_id", {"contract_id": "../x"}), ("quantity", {"quantity": 7.5}), ("quantity", {"quantity": "NaN"}),
        ("quantity", {"quantity": "1e30"}), ("quantity", {"quantity": "9" * 31}),
        ("occurred_at", {"occurred_at": "now"}),
        ("occurred_at", {"occurred_at": "2026-01-01"}), ("occurred_at", {"occurred_at": "2026-01-01T10:00:00"}),
        ("occurred_at", {"occurred_at": "2026-02-30T10:00:00Z"}), ("occurred_at", {"occurred_at": 1767261600}),
        ("occurred_at", {"occurred_at": "0001-01-01T00:00:00+14:00"}), ("unit", {"unit": "GB"}),
    ],
)  # fmt: skip
def test_a_wrong_field_of_a_record_is_named_and_nothing_is_counted(api, metered, field, change):
    records = [RECORD, {**RECORD, "id": "u2", **change}]
    assert api.post("/v1/usage", {"records": records}).fields == [f"records[1].{field}"]
    assert api.post("/v1/usage", {"records": [RECORD]}).json["accepted"] == 1


def test_five_hundred_records_at_a_time(api, metered):
    records = [{**RECORD, "id": f"u{n}"} for n in range(501)]
    assert api.post("/v1/usage", {"records": records}).fields == ["records"]
    assert api.post("/v1/usage", {"records": records[:500]}).json["accepted"] == 500
    assert api.post("/v1/usage", {"records": []}).json["accepted"] == 0

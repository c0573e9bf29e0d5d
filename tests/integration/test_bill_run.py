"""Bill runs through the API: filters, review, catch-up, parking, cancelling, voiding. PRODUCT 3, 4, 5."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow_on_moto

NIGHT = "T04:00:00Z"  # of the default bill run


def run(world, *, status="completed", **request):
    """An ad hoc run that has come to rest."""
    made = world.post("/v1/bill-runs", request)
    world.settle()
    done = world.get(f"/v1/bill-runs/{made['id']}")
    assert done["status"] == status
    return done


def drafts(world, run):
    return sorted(world.invoices(bill_run_id=run["id"]), key=lambda i: i["lines"][0]["service_start"])


def amounts(invoice):
    return sorted(line["amount"] for line in invoice["lines"])


def usage(charge_id="chg_gb", **more):
    charge = {"id": charge_id, "name": "Backup GB", "type": "usage", "metric": "gb", "unit_amount": "0.05"}
    return charge | more


# ---- who is billed --------------------------------------------------------------------------------------------


def test_a_run_can_be_for_some_customers_or_a_class_only(world):
    gold = world.klass()
    a, b, c = world.customer(class_id=gold), world.customer(class_id=gold), world.customer()
    for customer in (a, b, c):
        world.contract(customer)

    assert [i["customer_id"] for i in drafts(world, run(world, customer_ids=[a]))] == [a]
    assert [i["customer_id"] for i in drafts(world, run(world, class_id=gold))] == [b]
    assert [i["customer_id"] for i in drafts(world, run(world))] == [c]
    assert drafts(world, run(world)) == []


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"as_of": "2026-01-02"}, "as_of"),
        ({"customer_ids": ["cus_nobody"]}, "customer_ids[0]"),
        ({"class_id": "cls_none"}, "class_id"),
        ({"auto_email": True}, "auto_email"),
        ({"auto_email": True, "auto_post": False}, "auto_email"),
        ({"dry_run": True, "class_id": "cls_none"}, "class_id"),
    ],
)
def test_a_request_that_cannot_be_names_its_field_and_leaves_no_run(world, request_, field):
    answer = world.post("/v1/bill-runs", request_, status=422)
    assert [e["field"] for e in answer["errors"]] == [field]
    assert world.get("/v1/bill-runs")["items"] == []


def test_one_draft_holds_all_contracts_of_a_bill_date_and_currency(world):
    acme = world.customer(tax_rate_percent="20")
    world.contract(acme, "10.00")
    world.contract(acme, "20.00")
    world.contract(acme, "30.00", currency="EUR")

    done = run(world)
    assert done["totals"] == {"EUR": "36.00", "USD": "36.00"}
    assert sorted(amounts(d) for d in drafts(world, done)) == [["10.00", "20.00"], ["30.00"]]
    assert {d["tax"] for d in drafts(world, done)} == {"6.00"}


def test_a_preview_looks_ahead_and_writes_nothing(world):
    acme = world.customer()
    world.contract(acme)
    preview = world.post("/v1/bill-runs", {"dry_run": True, "as_of": "2026-02-10"})
    assert (preview["counts"]["drafts"], preview["totals"]) == (2, {"USD": "200.00"})
    assert preview["flags"] == {"first_invoice": 1}
    assert world.invoices() == []
    assert world.get("/v1/bill-runs")["items"] == []
    assert run(world)["counts"]["drafts"] == 1


# ---- catching up ----------------------------------------------------------------------------------------------


def test_twelve_missed_periods_are_billed_and_thirteen_park_the_customer(world):
    twelve, thirteen = world.customer(), world.customer()
    world.contract(twelve, start="2025-02-01")
    world.contract(thirteen, start="2025-01-01")

    done = run(world)
    assert (done["counts"]["drafts"], done["counts"]["parked"], done["counts"]["failed"]) == (12, 1, 0)
    [failure] = done["failures"]
    assert (failure["customer_id"], failure["code"]) == (thirteen, "parked")
    assert "more than 12 periods" in failure["message"]

    run(world, as_of="2025-12-31", customer_ids=[thirteen])  # in steps, as the message says
    assert run(world)["counts"]["drafts"] == 1


def test_a_scheduled_run_with_nobody_due_is_recorded_and_empty(world):
    world.settings(bill_run={"enabled": True, "auto_post": True})
    world.to("2026-01-01T05:00:00Z")
    [only] = world.get("/v1/bill-runs")["items"]
    assert (only["status"], only["as_of"], only["scheduled_for"]) == ("completed", "2026-01-01", "2026-01-01" + NIGHT)
    assert only["counts"] == {"drafts": 0, "posted": 0, "flagged": 0, "failed": 0, "parked": 0, "emailed": 0}


def test_the_as_of_date_is_the_business_s_local_date_of_the_occurrence(world):
    world.settings(business={"timezone": "America/Los_Angeles"}, bill_run={"enabled": True, "schedule": "30 21 * * *"})
    world.to("2026-01-02T06:00:00Z")  # 21:30 on 1 January there is 05:30 on the 2nd in UTC
    assert [(r["as_of"], r["scheduled_for"]) for r in world.get("/v1/bill-runs")["items"]] == [
        ("2025-12-31", "2026-01-01T05:30:00Z"),
        ("2026-01-01", "2026-01-02T05:30:00Z"),
    ]


# ---- review ---------------------------------------------------------------------------------------------------


def test_the_spot_check_tells_what_to_look_at(world):
    acme = world.customer(email=None)
    world.contract(acme, "0.00")
    [draft] = drafts(world, run(world))
    assert sorted(f["code"] for f in draft["flags"]) == ["first_invoice", "no_email", "zero_total"]


def test_missing_expected_usage_makes_a_draft_that_shows_where(world):
    acme = world.customer()
    world.contract(acme, start="2025-12-01", charges=[usage(expected=True)])
    done = run(world)
    assert done["flags"] == {"expected_usage_missing": 1, "first_invoice": 1, "zero_total": 1}
    [draft] = drafts(world, done)
    [line] = draft["lines"]
    assert (line["name"], line["quantity"], line["amount"]) == ("Backup GB", "0", "0.00")


def test_missing_usage_that_arrives_is_billed_once_the_draft_is_cancelled(world):
    acme = world.customer()
    contract = world.contract(acme, start="2025-12-01", charges=[usage(expected=True)])
    first = run(world)
    world.post(f"/v1/bill-runs/{first['id']}/cancel")
    record = {
        "id": "u1",
        "contract_id": contract,
        "metric": "gb",
        "quantity": "40",
        "occurred_at": "2025-12-10T12:00:00Z",
    }
    assert world.post("/v1/usage", {"records": [record]})["accepted"] == 1
    [draft] = drafts(world, run(world))
    assert (draft["total"], [f["code"] for f in draft["flags"]]) == ("2.00", ["first_invoice"])


# ---- taking back ----------------------------------------------------------------------------------------------


def test_a_cancelled_catch_up_is_billed_again_in_full(world):
    acme = world.customer()
    world.contract(acme, start="2025-10-10", day=15)
    first = run(world)
    before = [(d["total"], d["lines"][0]["service_start"]) for d in drafts(world, first)]
    assert [start for _, start in before] == ["2025-10-10", "2025-10-15", "2025-11-15", "2025-12-15"]

    cancelled = world.post(f"/v1/bill-runs/{first['id']}/cancel")
    assert (cancelled["status"], cancelled["counts"]["drafts"]) == ("cancelled", 0)
    assert world.post(f"/v1/bill-runs/{first['id']}/cancel")["status"] == "cancelled"
    assert [(d["total"], d["lines"][0]["service_start"]) for d in drafts(world, run(world))] == before


def test_a_run_cannot_be_cancelled_once_anything_of_it_is_posted(world):
    for _ in range(2):
        world.contract(world.customer())
    done = run(world)
    world.post(f"/v1/invoices/{drafts(world, done)[0]['id']}/post")
    answer = world.post(f"/v1/bill-runs/{done['id']}/cancel", status=409)
    assert "void" in answer["detail"]
    assert len(drafts(world, done)) == 2


def test_an_invoice_on_which_something_is_paid_cannot_be_voided(world):
    acme = world.customer()
    world.contract(acme)
    [invoice] = drafts(world, run(world, auto_post=True, status="completed"))  # the first invoice waits for review
    world.post(f"/v1/invoices/{invoice['id']}/post")
    world.settle()
    world.pays(acme, "10.00")
    assert "refund" in world.post(f"/v1/invoices/{invoice['id']}/void", status=409)["detail"]


def test_an_invoice_that_a_later_one_has_adjusted_is_voided_after_it(world):
    world.settings(bill_run={"gate": "all"})
    acme = world.customer()
    contract = world.contract(acme, "310.00", start="2025-12-01")
    run(world, as_of="2025-12-01", auto_post=True, status="posted")
    [charge] = world.get(f"/v1/contracts/{contract}")["charges"]
    change = {"charge_id": charge["id"], "effective_on": "2025-12-11", "quantity": "2"}
    world.post(f"/v1/contracts/{contract}/changes", change)
    run(world, as_of="2025-12-11", auto_post=True, status="posted")
    first, second = world.invoices(acme)
    assert (first["total"], second["total"]) == ("310.00", "210.00")

    assert second["id"] in world.post(f"/v1/invoices/{first['id']}/void", status=409)["detail"]
    world.post(f"/v1/invoices/{second['id']}/void")
    world.post(f"/v1/invoices/{first['id']}/void")
    assert [amounts(d) for d in drafts(world, run(world, as_of="2025-12-31"))] == [["100.00", "420.00"]]


def test_a_credit_invoice_can_be_voided_while_its_credit_is_not_spent(world):
    world.settings(bill_run={"gate": "all"})
    acme = world.customer()
    contract = world.contract(acme, "310.00", start="2025-12-01")
    run(world, as_of="2025-12-01", auto_post=True, status="posted")
    world.pays(acme, "310.00")
    world.post(f"/v1/contracts/{contract}/end", {"on": "2025-12-11"})
    run(world, auto_post=True, status="posted")
    [credit] = [i for i in world.invoices(acme) if i["total"] == "-210.00"]
    assert world.account(acme)["credit"] == {"USD": "210.00"}
    world.post(f"/v1/invoices/{credit['id']}/void")
    assert world.account(acme)["balance"] == {"USD": "0.00"}

    run(world, auto_post=True, status="posted")
    world.invoice(acme, "100.00")  # the credit pays it
    [credit] = [i for i in world.invoices(acme) if i["total"] == "-210.00" and i["status"] == "posted"]
    assert "spent" in world.post(f"/v1/invoices/{credit['id']}/void", status=409)["detail"]


# ---- what changes in a contract's life ------------------------------------------------------------------------


def test_a_change_is_credited_and_charged_on_the_next_run(world):
    acme = world.customer()
    contract = world.contract(acme, "310.00", start="2025-12-01")
    run(world, as_of="2025-12-01")
    [charge] = world.get(f"/v1/contracts/{contract}")["charges"]
    change = {"charge_id": charge["id"], "effective_on": "2025-12-11", "quantity": "2"}
    world.post(f"/v1/contracts/{contract}/changes", change)
    [draft] = drafts(world, run(world, as_of="2025-12-11"))
    assert amounts(draft) == ["-210.00", "420.00"]
    assert draft["total"] == "210.00"
    [january] = drafts(world, run(world))
    assert amounts(january) == ["620.00"]


def test_a_charge_is_added_and_a_suspension_credited_and_resumed(world):
    acme = world.customer()
    contract = world.contract(acme, "310.00", start="2025-12-01")
    run(world, as_of="2025-12-01")
    extra = {"name": "Backup", "type": "one_time", "amount": "50.00", "on": "2025-12-05"}
    world.post(f"/v1/contracts/{contract}/changes", {"add": extra, "effective_on": "2025-12-05"})
    world.post(f"/v1/contracts/{contract}/suspend", {"on": "2025-12-11"})
    world.post(f"/v1/contracts/{contract}/resume", {"on": "2025-12-22"})
    found = drafts(world, run(world, as_of="2025-12-31"))
    assert [amounts(d) for d in found] == [["50.00"], ["-210.00"], ["100.00"]]


def test_usage_is_taken_once_and_refused_outside_the_contract(world):
    acme = world.customer(timezone="America/New_York")
    contract = world.contract(acme, start="2025-12-01", charges=[usage()], end_date="2025-12-31")

    def record(id, at, **more):
        return {"id": id, "contract_id": contract, "metric": "gb", "quantity": "10", "occurred_at": at} | more

    answer = world.post(
        "/v1/usage",
        {
            "records": [
                record("a", "2025-12-01T04:59:59Z"),  # 23:59:59 on 30 November in New York
                record("b", "2025-12-01T05:00:00Z"),
                record("b", "2025-12-01T05:00:00Z"),
                record("b", "2025-12-01T05:00:00Z", quantity="11"),
                record("c", "2025-12-31T05:00:00Z"),
                record("d", "2025-12-10T12:00:00Z", metric="tb"),
                record("e", "2025-12-10T12:00:00Z", contract_id="con_nobody"),
                record("f", "2025-12-31T04:59:59Z"),
            ]
        },
    )
    assert (answer["accepted"], answer["duplicate"]) == (2, 1)
    assert {r["id"]: r["message"] for r in answer["rejected"]} == {
        "a": f"contract {contract} was not in service on 2025-11-30",
        "b": "another record has this id already",
        "c": f"contract {contract} was not in service on 2025-12-31",
        "d": f"contract {contract} has no usage charge for the metric 'tb'",
        "e": "there is no contract con_nobody",
    }
    [draft] = drafts(world, run(world))
    assert draft["total"] == "1.00"  # 20 × 0.05


def test_a_customer_with_more_contracts_than_a_transaction_holds_still_gets_one_draft(world, request):
    if "moto" in request.node.name:
        pytest.skip("moto copies whole tables in every transaction: this takes half a minute on it")
    acme = world.customer()
    for _ in range(110):
        world.contract(acme, "1.00", start="2025-12-01")
    done = run(world)
    assert [(d["total"], len(d["lines"])) for d in drafts(world, done)] == [("110.00", 110), ("110.00", 110)]
    assert (done["counts"]["drafts"], done["failures"]) == (2, [])
    world.post(f"/v1/bill-runs/{done['id']}/cancel")
    world.settle()
    assert world.invoices(acme) == []
    assert run(world)["totals"] == {"USD": "220.00"}

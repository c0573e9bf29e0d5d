"""`/v1/bill-runs/{id}/review`: a sample, verdicts, and what they prove of the rest. PRODUCT 4."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow_on_moto

QUIET = {"bill_run": {"spot_check": {"flag_first_invoice": False}}}


@pytest.fixture
def run(world):
    """A run of eight unflagged drafts, one of them far from the others."""
    world.settings(**QUIET)
    for n in range(8):
        world.contract(world.customer(), "900.00" if n == 5 else f"{100 + n}.00")
    made = world.post("/v1/bill-runs", {})
    world.settle()
    return made["id"]


def test_what_is_found_right_or_wrong_says_how_many_of_the_rest_may_be_wrong(world, run):
    path = f"/v1/bill-runs/{run}/review"
    first = world.get(path + "?size=4")
    assert (first["population"], first["reviewed"], first["unreviewed"]) == (8, 0, 8)
    assert first["bound"] == {"wrong_at_most": 8, "percent": "100.00", "confidence_percent": "95"}
    outlier, *rest = first["items"]
    assert (outlier["stratum"], outlier["total"], outlier["variance"], outlier["verdict"]) == (
        "outlier", "900.00", None, None,
    )  # fmt: skip
    assert [i["stratum"] for i in rest] == ["large", "large", "small", "small"]
    for item in world.get(path)["items"]:
        given = world.put(f"{path}/{item['invoice_id']}", {"verdict": "right"})
        assert (given["verdict"], given["by"]) == ("right", "local-admin")
    again = world.put(f"{path}/{rest[0]['invoice_id']}", {"verdict": "wrong", "note": "billed twice"})
    assert again["note"] == "billed twice"
    done = world.get(path)
    assert (done["reviewed"], done["wrong"], done["unreviewed"]) == (8, 1, 0)
    assert done["bound"] == {"wrong_at_most": 0, "percent": "0.00", "confidence_percent": "95"}
    assert {i["verdict"]: i["note"] for i in done["items"]} == {"right": None, "wrong": "billed twice"}


def test_an_invoice_stands_beside_what_its_customer_was_invoiced_before(world):
    world.settings(**QUIET)
    world.contract(world.customer(), "100.00", start="2025-09-01", billing_starts_on="2025-09-01")
    before = world.post("/v1/bill-runs", {"as_of": "2025-12-31", "auto_post": True})  # September to December
    world.settle()
    assert world.get(f"/v1/bill-runs/{before['id']}")["counts"]["posted"] == 4
    made = world.post("/v1/bill-runs", {})
    world.settle()
    (item,) = world.get(f"/v1/bill-runs/{made['id']}/review")["items"]
    assert item["variance"] == {"median": "100.00", "invoices": 4, "deviations": "0.0"}


def test_what_is_new_to_its_customer_stands_out_and_what_is_only_larger_than_the_others_does_not(world):
    world.settings(bill_run={"spot_check": {"flag_first_invoice": False, "change_percent": 100}})
    since = {"start": "2025-09-01", "billing_starts_on": "2025-09-01"}
    _, changed = (world.contract(world.customer(), amount, **since) for amount in ("900.00", "100.00"))
    for n in range(3):
        world.contract(world.customer(), f"{100 + n}.00")
    before = world.post("/v1/bill-runs", {"as_of": "2025-12-31", "auto_post": True})
    world.settle()
    assert world.get(f"/v1/bill-runs/{before['id']}")["counts"]["posted"] == 8
    (charge,) = world.get(f"/v1/contracts/{changed}")["charges"]
    world.post(f"/v1/contracts/{changed}/changes",
               {"charge_id": charge["id"], "effective_on": "2026-01-01", "amount": "110.00"})  # fmt: skip
    made = world.post("/v1/bill-runs", {})
    world.settle()
    items = {i["total"]: i for i in world.get(f"/v1/bill-runs/{made['id']}/review")["items"]}
    assert [total for total, i in items.items() if i["stratum"] == "outlier"] == ["110.00"]
    assert items["110.00"]["variance"] == {"median": "100.00", "invoices": 4, "deviations": "10.0"}
    assert items["900.00"]["variance"]["deviations"] == "0.0"


def test_only_invoices_of_the_run_have_verdicts_and_what_was_flagged_is_not_sampled(world, run):
    path = f"/v1/bill-runs/{run}/review"
    world.put(f"{path}/inv_nobody", {"verdict": "right"}, status=404)
    world.get("/v1/bill-runs/brn_nobody/review", status=404)
    world.get(f"{path}?size=0", status=422)
    inside = world.get(path)["items"][0]["invoice_id"]
    world.put(f"{path}/{inside}", {"verdict": "maybe"}, status=422)
    world.put(f"{path}/{inside}", {"verdict": "right"}, token="local-viewer", status=403)
    world.settings(bill_run={"spot_check": {"flag_first_invoice": True}})
    world.contract(world.customer(), "50.00")
    flagged = world.post("/v1/bill-runs", {})
    world.settle()
    assert world.get(f"/v1/bill-runs/{flagged['id']}/review")["population"] == 0

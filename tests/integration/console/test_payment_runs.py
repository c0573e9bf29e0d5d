"""Payment runs in the console: started, watched, and read: what was charged, what was skipped and why. PRODUCT 7."""

from __future__ import annotations

from tests.integration.console.console_browser import Console


def test_a_payment_run_is_started_watched_and_says_what_became_of_each_invoice(world):
    good, poor = world.customer(name="Good Ltd", terms_days=0), world.customer(name="Poor Ltd", terms_days=0)
    world.card(good)
    world.card(poor, "declined:insufficient_funds")
    bare = world.customer(name="Bare Ltd", terms_days=0)
    for customer in (good, poor, bare):
        world.invoice(customer, "25.00")
    console = Console(world, "operator")
    page = console.press(
        console.get("/console/payment-runs"), "/payment-runs", {"customer_ids": f"{good}, {poor} {bare}"}
    )
    assert "The payment run has started." in page.text
    assert 'hx-trigger="every 2s"' in page.html
    run = world.all("/v1/payment-runs")[0]["id"]
    assert 'hx-trigger="every 2s"' in console.part(f"/console/payment-runs/{run}/progress").html
    world.settle()
    assert console.part(f"/console/payment-runs/{run}/progress").headers["HX-Refresh"] == "true"
    page = console.get(f"/console/payment-runs/{run}")
    assert "hx-trigger" not in page.html
    assert "3 considered 1 succeeded 1 declined 0 failed 0 unknown 1 skipped USD 25.00 collected" in page.text
    charged, skipped = page.text.split("Skipped")
    assert charged.index("Poor Ltd") < charged.index("Good Ltd")  # what went wrong first
    assert "Insufficient funds · next attempt 4 Jan 2026" in charged
    assert "Bare Ltd" in skipped
    assert "no payment method" in skipped
    assert "1 Jan 2026" in console.get("/console/payment-runs").text
    assert f"/console/payment-runs/{run}" in console.get("/console").links


def test_what_was_skipped_is_read_page_by_page(world):
    customer = world.customer(terms_days=0)
    for _ in range(51):
        world.invoice(customer, "1.00")
    world.post("/v1/payment-runs", {})
    world.settle()
    run = world.all("/v1/payment-runs")[0]["id"]
    console = Console(world, "viewer")
    first = console.get(f"/console/payment-runs/{run}")
    (more,) = [link for link in first.links if "cursor=" in link]
    seen = {link for page in (first, console.get(more)) for link in page.links if "/invoices/" in link}
    assert len(seen) == 51


def test_a_run_that_cannot_be_started_says_why_beside_what_was_typed(world):
    console = Console(world, "operator")
    page = console.press(console.get("/console/payment-runs"), "/payment-runs", {"as_of": "2027-01-01"})
    assert page.status == 422
    assert "#as_of" in page.links
    assert page.form("/payment-runs").value("as_of") == "2027-01-01"
    assert world.all("/v1/payment-runs") == []


def test_a_bill_run_is_started_with_its_choices(world):
    world.customer(id="cus_a")
    console = Console(world, "operator")
    given = {"customer_ids": "cus_a", "class_id": "cls_standard", "auto_post": "yes", "auto_email": "yes"}
    page = console.press(console.get("/console/runs"), "/runs", given)
    assert "The bill run has started." in page.text
    run = world.all("/v1/bill-runs")[0]
    assert (run["class_id"], run["customer_ids"]) == ("cls_standard", ["cus_a"])
    assert (run["auto_post"], run["auto_email"]) == (True, True)
    refused = console.press(console.get("/console/runs"), "/runs", {**given, "auto_post": "no"})
    assert refused.status == 422
    assert "#auto_email" in refused.links
    assert refused.form("/runs").value("auto_email") == "yes"

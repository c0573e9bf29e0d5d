"""A back-test knows what was known on its day, and says how far off it was. PRODUCT 12."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from infra.local.cloud import LocalCloud
from shared.domain.invoice import Invoice
from shared.domain.payment import Allocation, Payment
from shared.use_cases.back_test import as_they_were
from tests.integration.console.console_browser import Console
from tests.integration.world import World


@pytest.fixture
def world(wiring):
    """Always paid two days late; what is due on the 16th is owed on the 9th, and paid on the 18th."""
    with LocalCloud("memory", wiring=wiring) as cloud:
        world = World(cloud)
        customer = world.customer(terms_days=4)
        for n in range(3):
            world.invoice(customer, "10.00", due_on=f"2026-01-0{n + 5}")
            world.pays(customer, "10.00", on=f"2026-01-{n + 7:02}")
        world.invoice(customer, "80.00", due_on="2026-01-16")
        world.pays(customer, "80.00", on="2026-01-18")
        world.invoice(customer, "500.00")  # nothing of it was known
        world.to("2026-01-23T12:00:00Z")
        yield world


def rehearsed(world, **body):
    return world.post("/v1/rehearsals", {"days": 14, "since": "2026-01-09", **body})


def test_the_forecast_of_a_past_day_stands_beside_what_came_in_with_its_error(world):
    made = rehearsed(world)
    assert (made["status"], made["since"], made["changed"]) == ("done", "2026-01-09", None)
    found = made["backtest"]
    assert found["owed"] == {"USD": "80.00"}
    owed = {"USD": "80.00"}
    assert [(w["on"], w["really"], w["expected"], w["by_due_date"]) for w in found["weeks"]] == [
        ("2026-01-16", {}, {}, owed), ("2026-01-23", owed, owed, owed),
    ]  # fmt: skip
    assert found["error_percent"] == {"USD": {"expected": "0.00", "by_due_date": "50.00"}}
    assert found["weeks_within_band"] == {"USD": 2}
    assert made["base"]["from"] == "2026-01-09T23:59:00Z"
    assert made["base"]["emails"]["count"] == 0  # nobody is chased for it again
    page = Console(world, "viewer").get(f"/console/rehearsals/{made['id']}")
    assert "the forecast was off by 0.00 % on the mean over the weeks; the due dates alone by 50.00 %." in page.text


def test_what_came_in_has_to_be_known_and_nothing_else_may_be_changed(world):
    refused = [
        ({"days": 15}, "at least 15 days ago"), ({"since": "2026-02-09"}, "at least 14 days ago"),
        ({"settings": {}}, "cannot be combined"), ({"classes": {}}, "cannot be combined"), ({"since": "soon"}, "date"),
    ]  # fmt: skip
    for body, says in refused:
        (error,) = world.post("/v1/rehearsals", {"days": 14, "since": "2026-01-09", **body}, status=422)["errors"]
        assert (error["field"], says in error["message"]) == ("since", True)


def test_an_invoice_is_as_open_as_it_was():
    """Of a hundred, thirty were paid before that evening and the rest after it; a later one was not there."""
    evening = datetime(2026, 1, 9, 23, 59, tzinfo=UTC)
    before, after = datetime(2026, 1, 9, 12, tzinfo=UTC), datetime(2026, 1, 10, 12, tzinfo=UTC)
    invoice = Invoice("inv_1", "cus_1", "USD", date(2026, 1, 1), status="posted", total_minor=100, posted_at=before,
                      residual_minor=0, settled_at=after, attempts=3, autopay_ended=True)  # fmt: skip
    paid = [
        Payment(
            f"pay_{n}", "cus_1", "USD", amount, "check", "succeeded", at, allocations=(Allocation("inv_1", amount),)
        )
        for n, (amount, at) in enumerate([(30, before), (70, after)])
    ]
    later, void = replace(invoice, id="inv_2", posted_at=after), replace(invoice, id="inv_3", status="void")
    then = as_they_were([invoice, later, void, *paid], evening)
    assert [r.id for r in then] == ["inv_1", "pay_0"]
    assert (then[0].residual_minor, then[0].settled_at, then[0].attempts) == (70, None, 0)
    assert not then[0].autopay_ended

"""Crash before and after every call, lose every answer, throttle every call: the world comes to rest as if nothing was.

The full sweep is `slow`; a sample of it runs every time.
"""

from __future__ import annotations

import pytest

from tests.simulation.crash_sweep import Scenario, sweep

REST = "2026-01-03"  # every visibility timeout, retry and reconciliation has passed; no retry of a decline is due yet


def _collecting(world):
    """Posted invoices, due today: one card that pays, one declined, one whose answer is lost, one without a card."""
    world.settings(
        payment_run={"enabled": True},
        automations={"send_new_invoices": {"enabled": True}, "past_due": {"enabled": True}},
    )
    for outcomes in (("succeeded",), ("declined:insufficient_funds",), ("timeout_charged",), None):
        customer = world.customer(terms_days=0)
        if outcomes:
            world.card(customer, *outcomes)
        world.invoice(customer, "100.00")


COLLECTING = Scenario(
    "collecting",
    prepare=_collecting,
    act=lambda world: world.to("2026-01-01T12:00:00Z"),
    recover=lambda world: world.to(REST),
)


@pytest.mark.parametrize("scenario", [COLLECTING], ids=lambda s: s.name)
def test_a_world_recovers_from_a_fault_at_any_call(scenario, wiring):
    outcomes = list(sweep(scenario, wiring))
    unwell = [str(outcome) for outcome in outcomes if not outcome.well]
    assert not unwell, f"{len(unwell)} of {len(outcomes)} did not recover:\n" + "\n".join(unwell[:20])

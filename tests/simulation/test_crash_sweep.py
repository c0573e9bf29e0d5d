"""Crash before and after every call, lose every answer, throttle every call: the world comes to rest as if nothing was.

In memory every telling call is swept; on moto, where the SDK's own retries take part, one in MOTO_PARTS of them.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from functions.send_email import feedback
from infra.local import faults
from infra.local.faults import FaultyStore
from shared.domain.payment import ChargeOutcome
from shared.gateways.simulated import SimulatedGateway
from tests.simulation.crash_sweep import Scenario, sweep

ACTED = "2026-01-01T05:10:00Z"  # the worlds start at 03:30; by now all jobs below have run
RESTED = "2026-01-01T11:00:00Z"  # every visibility timeout, retry and reconciliation has passed
PARTS = 2  # so that two processes share a sweep
MOTO_PARTS = 20


def _jobs(world):
    world.automate()
    world.settings(
        bill_run={"schedule": "0 4 * * *"},
        payment_run={"schedule": "30 4 * * *"},
        automations={"past_due": {"schedule": "0 5 * * *"}},
    )


def _customer(world, *outcomes):
    customer = world.customer(terms_days=0)
    if outcomes:
        world.card(customer, *outcomes)
    return customer


def _nightly(world):
    """A whole night: contracts are billed, posted, mailed and charged; one card pays, one declines, one is missing."""
    _jobs(world)
    for outcomes in (("succeeded",), ("declined:insufficient_funds",), ()):
        world.contract(_customer(world, *outcomes), "100.00", start="2025-12-20", billing_starts_on="2025-12-20")


LOST = ("timeout_not_charged", "succeeded")  # were it never processed, its message would end among the dead letters


def _collecting(world):
    """Posted invoices, due and past due: one is paid, one declined, one answer is lost, one customer is chased."""
    _jobs(world)
    for outcomes in (("succeeded",), ("declined:stolen_card",), ("timeout_charged",), LOST):
        world.invoice(_customer(world, *outcomes), "100.00")
    chased = _customer(world)
    world.invoice(chased, "60.00", on="2025-12-01", due_on="2025-12-15")
    world.invoice(chased, "40.00", on="2025-12-20", due_on="2025-12-25")


def _by_hand(world):
    """A bill run and a payment run that an admin asks for: most is done at one instant."""
    _jobs(world)
    for outcomes in (("succeeded",), ()):
        world.contract(_customer(world, *outcomes), "100.00")
    world.post("/v1/bill-runs", {"auto_post": True, "auto_email": True})


def _acted(world):
    world.to(ACTED)


def _rested(world):
    world.to(RESTED)


def _ask_for_payments(world):
    world.settle()
    world.post("/v1/payment-runs", {})
    world.settle()


NIGHTLY = Scenario("nightly", _nightly, _acted, _rested)
COLLECTING = Scenario("collecting", _collecting, _acted, _rested)
BY_HAND = Scenario("by_hand", _by_hand, _ask_for_payments, _rested)


def report(outcomes):
    unwell = [str(outcome) for outcome in outcomes if not outcome.well]
    return f"{len(unwell)} of {len(outcomes)} did not recover:\n" + "\n".join(unwell[:20]) if unwell else ""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(1, 1 + PARTS))
@pytest.mark.parametrize("scenario", [NIGHTLY, BY_HAND], ids=lambda s: s.name)
def test_a_night_recovers_from_every_fault_at_every_call(scenario, part, wiring):
    assert not report(list(sweep(scenario, wiring, nth=part, of=PARTS)))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(1, 1 + PARTS))
def test_collecting_recovers_from_every_fault_at_every_call(part, wiring):
    assert not report(list(sweep(COLLECTING, wiring, nth=part, of=PARTS)))


@pytest.mark.slow
@pytest.mark.moto
def test_a_night_recovers_from_faults_at_the_requests_of_the_sdk(wiring):
    assert not report(list(sweep(BY_HAND, wiring, "moto", of=MOTO_PARTS)))


# ---- the sweep is swept: bugs that it must find -----------------------------------------------------------------


def _unknown_attempts_charged_again(patch):
    charge = SimulatedGateway.charge
    patch.setattr(
        SimulatedGateway, "look_up", lambda self, payment: charge(self, replace(payment, id=f"{payment.id}_again"))
    )


def _timeout_read_as_decline(patch):
    patch.setattr(faults, "_UNHEARD", ChargeOutcome("declined", code="timeout"))


def _transactions_torn_apart(patch):
    def commit(self, *changes):
        for change in changes:
            self._calls.plain("store.commit", lambda change=change: self._inner.commit(change))

    patch.setattr(FaultyStore, "commit", commit)


def _mail_events_ignored(patch):
    patch.setattr(feedback, "mail_event", lambda body: None)


def _unknown_attempts_forgotten(patch):
    patch.setattr(SimulatedGateway, "look_up", lambda self, payment: ChargeOutcome("failed", code="not_processed"))


BUGS = [
    (_unknown_attempts_charged_again, NIGHTLY, "gateway.charge"),
    (_timeout_read_as_decline, NIGHTLY, "gateway.charge"),
    (_unknown_attempts_forgotten, NIGHTLY, "gateway.charge"),
    (_transactions_torn_apart, NIGHTLY, "store.commit"),
    (_mail_events_ignored, NIGHTLY, "mailer.send"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("bug", "scenario", "name"), BUGS, ids=[bug.__name__.strip("_") for bug, _, _ in BUGS])
def test_the_sweep_finds_a_planted_bug(bug, scenario, name, wiring, monkeypatch):
    bug(monkeypatch)
    assert any(not outcome.well for outcome in sweep(scenario, wiring, name=name))

"""What goes wrong costs nobody a cent: every seed's company has the same money with faults and without them."""

from __future__ import annotations

from collections import Counter

import pytest

from infra.wiring import load_wiring
from shared.use_cases import charge_invoice, post_invoices, reconcile_payments, void_invoice
from tests.simulation.office_hours import LAW, Twice
from tests.simulation.shrink import shrunk, standalone

SEEDS = 44  # 42 found late fees that outlived their invoice
PARTS = 4
COMPARED = SEEDS * 3  # times at the least: each company has two mornings and an end
WIRING = load_wiring()


@pytest.fixture(scope="module")
def laws():
    return Counter()


@pytest.mark.slow
@pytest.mark.xdist_group("office hours")
@pytest.mark.parametrize("part", range(PARTS))
def test_money_at_rest_is_that_of_the_life_without_faults(part, laws):
    for seed in range(part + 1, SEEDS + 1, PARTS):
        seen = Twice(seed, wiring=WIRING).run()
        laws += seen.laws
        if not seen.well:
            small = shrunk(seen, lambda listed, seed=seed: Twice(seed, listed, WIRING).run())
            pytest.fail(f"seed {seed}: {small.broken[0]}\n{standalone(small, 'Twice')}")
        laws["seeds"] += 1


@pytest.mark.slow
@pytest.mark.xdist_group("office hours")
def test_it_was_compared_often_enough_after_something_went_wrong(laws):
    if laws["seeds"] < SEEDS:
        pytest.skip("says something only after all seeds")
    assert laws[LAW] >= COMPARED


@pytest.mark.slow
def test_a_run_is_not_called_posted_by_two_reads_of_which_one_is_behind():
    by_run = ("AutoPostPostFunction", "invoices_by_run brn_m75l5gd7dtyyhgnhifiq", "store.find")
    seen = Twice(14856, {(*by_run, 1): "stale", (*by_run, 3): "stale"}, WIRING).run()
    assert (seen.broken, len(seen.met)) == ([], 2)


TRIED_AGAIN = ("h75sjmqlp4mclqgri43q", "hjxrptwnpyan7alsouqa")
RUN_AT_EIGHT = {
    ("PaymentRunPlanFunction", f"2026-06-11T0{hour}:00:00+00:00", "tick", 1): "tick_lost" for hour in (6, 7)
}


@pytest.mark.slow
def test_who_is_tried_again_within_the_hours_is_charged_no_late_fee_meanwhile():
    lost = {("AutopayChargeFunction", f"pay_{id}", "gateway.charge", 1): "lose_request" for id in TRIED_AGAIN}
    late = {("AutopayReconcileFunction", f"2026-06-11T{hour}:00:00+00:00", "tick", 1): "tick_lost" for hour in (10, 11)}
    seen = Twice(34304, lost | late | RUN_AT_EIGHT, WIRING).run()
    assert (seen.broken, len(seen.met)) == ([], 6)


@pytest.mark.slow
def test_who_has_paid_is_served_and_billed_again_that_day_though_the_message_about_it_is_lost():
    asked = ("AdminApiFunction", 'assess {"kind":"refresh_customer","customer_id":"cus_6","v":1}', "message")
    seen = Twice(36680, {(*asked, 1): "drop"}, WIRING).run()
    assert (seen.broken, len(seen.met)) == ([], 1)


# ---- bugs that break no other law --------------------------------------------------------------------------------


def a_charge_that_was_not_processed_forgotten_for_the_day(patch):
    patch.setattr(reconcile_payments, "retry_once_settled", lambda payment, outcome, ports: False)
    patch.setattr(charge_invoice, "retry_later", lambda payment, ports: False)


def fees_reversed_after_their_invoice(patch):
    void, reversed_ = void_invoice.void_invoice, void_invoice._fees_reversed
    patch.setattr(void_invoice, "_fees_reversed", lambda invoice, ports: ([], []))

    def then_the_fees(invoice_id, ports):
        before = ports.store.get(void_invoice.Invoice, invoice_id)
        done = void(invoice_id, ports)
        if before.status == "posted":
            ports.store.commit(*map(void_invoice.Save, reversed_(before, ports)[0]))
        return done

    patch.setattr("functions.admin_api.invoice_actions.void_invoice", then_the_fees)


def credit_not_used_if_the_worker_died_after_posting(patch):
    together = post_invoices._post_together

    def newly(invoice_ids, ports, run):
        before = {i.id for i in ports.store.get_many(post_invoices.Invoice, [(i, "") for i in invoice_ids])
                  if i.status == "posted"}  # fmt: skip
        posted = together(invoice_ids, ports, run)
        return post_invoices.PostedChunk(tuple(i for i in posted.invoices if i.id not in before), posted.failures)

    patch.setattr(post_invoices, "_post_together", newly)


BUGS = (
    (a_charge_that_was_not_processed_forgotten_for_the_day, 2, 3),
    (fees_reversed_after_their_invoice, 42, 2),
    (credit_not_used_if_the_worker_died_after_posting, 196, 2),
)


@pytest.mark.slow
@pytest.mark.parametrize(("bug", "start", "budget"), BUGS, ids=[bug.__name__ for bug, _, _ in BUGS])
def test_a_planted_bug_is_found_by_this_law_alone(bug, start, budget, monkeypatch):
    bug(monkeypatch)
    lives = (Twice(seed, wiring=WIRING).run() for seed in range(start, start + budget))
    broken = next(life.broken for life in lives if not life.well)
    assert [text.partition(":")[0] for text in broken] == [LAW]

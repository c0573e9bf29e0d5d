"""Laws of billing, on contracts and histories that nobody thought of."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.amend import charge_added, charge_changed, ended, resumed, suspended
from shared.domain.billing import due, next_bill_on, scheduled
from shared.domain.contract import Change, Contract, Suspension
from shared.domain.errors import DomainError
from shared.domain.metering import no_usage
from shared.domain.money import multiply
from tests.unit.domain.billing_worlds import (
    DAY,
    Ledger,
    anchors,
    cost_of_days,
    expected_total,
    recurring,
    served_days,
)

START = date(2026, 1, 1)
STOP = date(2026, 6, 30)  # by then every contract here has ended

quantities = st.sampled_from([Decimal(1), Decimal(3), Decimal("2.5"), Decimal("0.333")])
amounts = st.integers(5_000, 200_000)
intervals = st.sampled_from(
    [("month", 1), ("month", 1), ("month", 2), ("quarter", 1), ("year", 1), ("week", 1), ("week", 3), ("day", 10)]
)


@st.composite
def charges(draw, id):
    interval, count = draw(intervals)
    return recurring(
        id, draw(amounts), quantity=draw(quantities), interval=interval, interval_count=count,
        timing=draw(st.sampled_from(["advance", "arrears"])),
    )  # fmt: skip


@st.composite
def contracts(draw):
    start = START + draw(st.integers(0, 40)) * DAY
    return Contract(
        "con_1", "cus_1", "x", "USD", start, start + draw(st.sampled_from([0, 0, 0, 17, 45])) * DAY,
        bill_cycle_day=draw(st.integers(1, 31)), anchor_month=draw(st.sampled_from([None, None, 2, 11])),
        charges=tuple(draw(charges(f"chg_{n}")) for n in range(draw(st.integers(1, 2)))),
    )  # fmt: skip


@st.composite
def facts(draw):
    """A contract with everything that will ever happen to it known beforehand."""
    made = draw(contracts())
    end = made.start_date + draw(st.integers(0, 130)) * DAY if draw(st.booleans()) else None
    days = sorted(draw(st.sets(st.integers(0, 120), max_size=4)))
    spans = [
        (made.start_date + a * DAY, made.start_date + b * DAY) for a, b in zip(days[::2], days[1::2], strict=False)
    ]
    changes = {
        made.start_date + n * DAY: (draw(amounts), draw(quantities))
        for n in draw(st.sets(st.integers(0, 120), max_size=3))
    }
    return scheduled(
        replace(
            made,
            end_date=end,
            suspensions=tuple(Suspension(*s) for s in spans),
            charges=tuple(
                replace(c, changes=tuple(Change(on, a, q) for on, (a, q) in sorted(changes.items())))
                for c in made.charges
            ),
        )
    )


def days_until(last: date):
    return [START + n * DAY for n in range((last - START).days + 1)]


@given(facts())
@settings(max_examples=30)
def test_nightly_runs_and_one_late_run_make_the_same_lines(contract):
    nightly, late = Ledger(contract), Ledger(contract)
    lines = [line for on in days_until(STOP) for line in nightly.run(on)]
    assert sorted(late.run(STOP)) == sorted(lines)
    assert late.contract.next_bill_on == nightly.contract.next_bill_on


@given(facts())
@settings(max_examples=120)
def test_runs_on_the_days_that_are_announced_are_enough_and_on_all_others_find_nothing(contract):
    everything = sorted(Ledger(contract).run(STOP))
    ledger, lines, nights = Ledger(contract), [], 0
    while (on := ledger.contract.next_bill_on) is not None and on <= STOP:
        assert ledger.contract.next_bill_on == next_bill_on(ledger.contract)
        assert not due(ledger.contract, no_usage, on - DAY).steps
        found = ledger.run(on)
        assert found
        lines += found
        nights += 1
        assert nights < 300
    assert sorted(lines) == everything


@given(facts())
@settings(max_examples=120)
def test_what_is_billed_is_what_the_served_days_cost(contract):
    ended_by = contract if contract.end_date else scheduled(replace(contract, end_date=STOP))
    ledger = Ledger(ended_by)
    ledger.run(STOP)
    for charge in ended_by.charges:
        assert ledger.total(charge.id) == expected_total(ended_by, charge, STOP)
        assert ledger.coverage(charge.id) == dict.fromkeys(served_days(ended_by, charge, STOP), 1)


@given(facts(), st.data())
@settings(max_examples=80)
def test_taking_a_run_back_leaves_the_contract_as_it_was(contract, data):
    ledger = Ledger(contract)
    for days in data.draw(st.lists(st.integers(0, 40), max_size=3)):
        ledger.run(contract.start_date + days * DAY)
    before, known = ledger.contract, set(ledger.invoices)
    ledger.run(contract.start_date + data.draw(st.integers(40, 90)) * DAY)
    for id in sorted(set(ledger.invoices) - known, reverse=True):
        assert ledger.take_back(id)
    assert ledger.contract == before


steps = st.one_of(
    st.tuples(st.just("run"), st.integers(0, 0)),
    st.tuples(st.just("suspend"), st.integers(-50, 30)),
    st.tuples(st.just("resume"), st.integers(-50, 30)),
    st.tuples(st.just("end"), st.integers(-50, 60)),
    st.tuples(st.just("change"), st.integers(-50, 40), st.integers(0, 1), st.none() | amounts, st.none() | quantities),
    st.tuples(st.just("add"), st.integers(-20, 20), amounts),
    st.tuples(st.just("take_back"), st.integers(0, 20)),
)
histories = st.lists(st.tuples(st.integers(0, 12), steps), min_size=3, max_size=18)


def live_through(ledger: Ledger, today: date, step, by_collections=False) -> None:
    """One thing happens; what the rules refuse does not."""
    what, number, *more = step
    on = today + number * DAY
    try:
        if what == "run":
            ledger.run(today)
        elif what == "take_back" and ledger.invoices:
            ledger.take_back(sorted(ledger.invoices)[number % len(ledger.invoices)])
        elif what == "suspend":
            ledger.change(suspended, on, by_collections=by_collections)
        elif what == "resume":
            ledger.change(resumed, on)
        elif what == "end":
            ledger.change(ended, on)
        elif what == "change":
            which, amount, quantity = more
            charge = ledger.contract.charges[which % len(ledger.contract.charges)]
            ledger.change(charge_changed, charge.id, on, amount, quantity)
        elif what == "add" and len(ledger.contract.charges) < 4:
            ledger.change(charge_added, recurring(f"chg_{len(ledger.contract.charges)}", more[0]), on)
    except DomainError:
        pass


@given(contracts(), histories)
@settings(max_examples=300)
def test_whatever_happens_in_whatever_order_the_lines_add_up_to_what_the_final_facts_cost(contract, history):
    ledger, today = Ledger(scheduled(contract)), contract.start_date
    for days, step in history:
        today += days * DAY
        live_through(ledger, today, step)
    stop = max(today + 61 * DAY, STOP)
    if ledger.contract.end_date is None or ledger.contract.end_date > stop:
        ledger.change(ended, stop)
    ledger.run(stop)
    for charge in ledger.contract.charges:
        assert ledger.total(charge.id) == expected_total(ledger.contract, charge, stop)
        assert ledger.coverage(charge.id) == dict.fromkeys(served_days(ledger.contract, charge, stop), 1)
    assert ledger.run(stop) == []
    assert ledger.contract.next_bill_on is None


@given(contracts(), histories, st.lists(st.booleans(), min_size=18, max_size=18))
@settings(max_examples=150)
def test_days_suspended_by_collections_are_billed_at_most_once_and_all_that_is_billed_adds_up(contract, history, ours):
    ledger, today = Ledger(scheduled(contract)), contract.start_date
    for (days, step), by_collections in zip(history, ours, strict=False):
        today += days * DAY
        live_through(ledger, today, step, by_collections)
    stop = max(today + 61 * DAY, STOP)
    if ledger.contract.end_date is None or ledger.contract.end_date > stop:
        ledger.change(ended, stop)
    ledger.run(stop)
    assert ledger.run(stop) == []
    theirs = replace(ledger.contract, suspensions=tuple(s for s in ledger.contract.suspensions if not s.by_collections))
    for charge in ledger.contract.charges:
        covered = ledger.coverage(charge.id)
        assert set(covered.values()) <= {1}
        assert set(served_days(ledger.contract, charge, stop)) <= covered.keys()
        assert covered.keys() <= set(served_days(theirs, charge, stop))
        assert ledger.total(charge.id) == cost_of_days(ledger.contract, charge, sorted(covered))


in_january = st.integers(1, 30).map(lambda n: START + n * DAY)
made_and_effective = st.tuples(in_january, in_january, amounts, quantities)


@given(in_january, st.none() | in_january, st.lists(made_and_effective, min_size=1, max_size=4), st.sets(in_january))
@settings(max_examples=60)
def test_no_run_credits_a_day_that_only_collections_suspend(suspended_on, end, changes, runs):
    ledger = Ledger(scheduled(Contract("con_1", "cus_1", "x", "USD", START, START, 1, charges=(recurring(),))))
    ledger.run(START)
    for today in days_until(START + 30 * DAY):
        if today == suspended_on:
            ledger.change(suspended, today, by_collections=True)
        for _, on, amount, quantity in (c for c in changes if c[0] == today):
            live_through(ledger, on, ("change", 0, 0, amount, quantity))
        if today in runs:
            ledger.run(today)
        assert ledger.coverage("chg_1") == dict.fromkeys(days_until(START + 30 * DAY), 1)
    if end:
        ledger.change(ended, end)
        ledger.run(START + 30 * DAY)
        assert ledger.coverage("chg_1") == dict.fromkeys(days_until(end - DAY), 1)


@given(contracts(), histories)
@settings(max_examples=100)
def test_without_proration_a_period_with_any_service_costs_its_amount_once(contract, history):
    full = replace(
        contract, charges=tuple(replace(c, prorate=False, interval="month", interval_count=1) for c in contract.charges)
    )
    ledger, today = Ledger(scheduled(full)), full.start_date
    for days, step in history:
        today += days * DAY
        if step[0] not in ("change", "add"):
            live_through(ledger, today, step)
    stop = max(today + 61 * DAY, STOP)
    if ledger.contract.end_date is None or ledger.contract.end_date > stop:
        ledger.change(ended, stop)
    ledger.run(stop)
    for charge in ledger.contract.charges:
        starts = anchors(ledger.contract, charge)
        served = served_days(ledger.contract, charge, stop)
        periods = {max(s for s in starts if s <= on) for on in served}
        assert ledger.total(charge.id) == len(periods) * multiply(charge.amount_minor, charge.quantity)

"""Pages cost what they show, not what there is: at most 100 ms of CPU each with ten thousand customers."""

from __future__ import annotations

import pytest

from benchmarks.pages import BAR_MS, CUSTOMERS, SUMMED_UP, measure
from shared.use_cases.kept_reports import PAGE

RECOUNTS_THE_RUN = {"/console", "/console/runs", "/console/runs/brn_big", "/console/runs/brn_big/progress"}
MORE = 20  # lists that were not full with fewer customers


@pytest.mark.slow
def test_every_page_takes_at_most_100_ms_of_cpu_with_ten_thousand_customers():
    slow = {one.page: round(one.cpu_ms) for one in measure(CUSTOMERS, cpu_runs=3) if one.cpu_ms > BAR_MS}
    assert slow == {}


def test_a_page_asks_the_store_for_as_much_whether_there_are_four_hundred_customers_or_a_thousand():
    few, many = ({one.page: one for one in measure(customers)} for customers in (400, 1_000))
    assert few.keys() == many.keys()
    for page, cost in many.items():
        assert cost.calls <= few[page].calls + MORE, page
        if page not in {*SUMMED_UP, *RECOUNTS_THE_RUN} and "?query=" not in page:  # a search looks through the names
            assert cost.records <= few[page].records + MORE, page
        elif page in SUMMED_UP:
            assert cost.records <= 2 * max(limits.reads for limits in PAGE.values()), page

"""A reviewed sample proves what it says of the rest, exactly. PRODUCT 4."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.review import CONFIDENCE, Candidate, most_wrong, proven, sample_of, variance


def candidates(totals, currency="USD"):
    return [Candidate(f"inv_{currency}_{n}", f"cus_{n}", currency, total) for n, total in enumerate(totals)]


def test_what_is_usual_is_the_median_and_one_strange_invoice_does_not_change_it():
    usual = [100_00, 101_00, 99_00, 100_00, 9_999_00]
    found = variance(104_00, usual)
    assert (found.median_minor, found.invoices) == (100_00, 5)
    assert found.deviations == Fraction(4_00) / (Fraction(14826, 10000) * 1_00)
    assert variance(104_00, usual[:2]) is None


def test_who_is_always_billed_the_same_differs_by_hundredths_of_it():
    assert variance(103_00, [100_00] * 3).deviations == 3
    assert variance(5, [0, 0, 0]).deviations == 5


def test_totals_far_from_the_others_are_reviewed_besides_the_sample():
    population = candidates([100_00 + n for n in range(40)] + [900_00])
    sample = sample_of("brn_1", population, 10)
    assert [c.total_minor for c in sample.chosen["outlier"]] == [900_00]
    assert [len(sample.chosen[s]) for s in ("large", "small")] == [5, 5]
    assert sample.sizes == {"outlier": 1, "large": 19, "small": 21}
    assert sample_of("brn_1", population[::-1], 10) == sample
    assert sample_of("brn_2", population, 10) != sample


def test_an_outlier_is_far_from_what_its_customer_is_usually_invoiced_not_from_the_others():
    """900 is nothing new to one customer; 104 is new to another, and the run would never show it."""
    others = candidates([100_00 + n for n in range(40)])
    usual = Candidate("inv_large", "cus_large", "USD", 900_00, (899_00, 901_00, 900_00))
    strange = Candidate("inv_strange", "cus_strange", "USD", 104_00, (100_00, 100_00, 9_999_00, 100_00))
    short = Candidate("inv_short", "cus_short", "USD", 102_00, (100_00, 100_00))
    sample = sample_of("brn_1", [*others, usual, strange, short], 10)
    assert [c.id for c in sample.chosen["outlier"]] == ["inv_strange"]
    assert strange.variance.median_minor == 100_00
    assert short.variance is None  # compared with the others, of which it is one like any


@pytest.mark.parametrize(("total", "far"), [(103_49, False), (103_50, True)])
def test_three_and_a_half_deviations_are_far(total, far):
    sample = sample_of("brn_1", [Candidate("inv_1", "cus_1", "USD", total, (100_00,) * 3)], 5)
    assert len(sample.chosen["outlier"]) == far


def test_a_small_run_is_reviewed_whole_and_each_currency_by_itself():
    population = [*candidates([1, 2, 3]), *candidates([1_000, 2_000, 3_000], "JPY")]
    sample = sample_of("brn_1", population, 20)
    assert sum(map(len, sample.chosen.values())) == 6
    assert [c.currency for c in sample.chosen["large"]].count("JPY") == 1
    every = {c.id: "right" for c in population}
    assert (proven(sample, every).unreviewed, proven(sample, every).wrong_at_most) == (0, 0)
    assert proven(sample, {}).wrong_at_most == 6


def test_sixty_right_ones_of_a_thousand_leave_less_than_five_in_a_hundred():
    """One by one: none of 59 is wrong with more than 5 % as long as no more than that many are."""

    def none_seen(wrong):
        return prod(Fraction(1_000 - wrong - n, 1_000 - n) for n in range(59))

    most = most_wrong(1_000, 59, 0, Fraction(1, 20))
    assert none_seen(most) > Fraction(1, 20) >= none_seen(most + 1)
    assert 40 < most < 50
    assert most_wrong(1_000, 0, 0, Fraction(1, 20)) == 1_000
    assert most_wrong(1_000, 1_000, 7, Fraction(1, 20)) == 7


@given(st.integers(1, 9), st.data())
def test_the_bound_is_below_the_truth_in_no_more_samples_than_its_risk(population, data):
    """Every sample there is of every population: counted, not computed."""
    sampled = data.draw(st.integers(0, population))
    risk = data.draw(st.sampled_from([Fraction(1, 20), Fraction(1, 4), Fraction(1, 2)]))
    for wrong in range(population + 1):
        samples = list(combinations(range(population), sampled))
        seen = [sum(n < wrong for n in sample) for sample in samples]
        mistaken = sum(most_wrong(population, sampled, found, risk) < wrong for found in seen)
        assert Fraction(mistaken, len(samples)) <= risk


@given(st.integers(1, 200), st.data())
def test_more_reviews_without_a_fault_never_prove_less_and_a_fault_never_proves_more(population, data):
    sampled = data.draw(st.integers(0, population - 1))
    wrong = data.draw(st.integers(0, sampled))
    risk = 1 - CONFIDENCE
    here = most_wrong(population, sampled, wrong, risk)
    assert wrong <= here <= population - (sampled - wrong)
    assert most_wrong(population, sampled + 1, wrong, risk) <= here
    assert most_wrong(population, sampled + 1, wrong + 1, risk) >= here


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60), st.integers(1, 30), st.data())
def test_what_is_proven_counts_every_invoice_once(totals, size, data):
    sample = sample_of("brn_1", candidates(totals), size)
    listed = [c.id for those in sample.chosen.values() for c in those]
    assert len(set(listed)) == len(listed)
    assert sum(sample.sizes.values()) == len(totals)
    words = {id: data.draw(st.sampled_from(["right", "wrong"])) for id in data.draw(st.sets(st.sampled_from(listed)))}
    found = proven(sample, words)
    assert found.reviewed + found.unreviewed == found.population == len(totals)
    assert 0 <= found.wrong_at_most <= found.unreviewed

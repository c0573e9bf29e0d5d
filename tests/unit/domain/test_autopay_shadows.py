"""Which rules can never fire because an earlier one always matches first. PRODUCT 8."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.autopay import choose, judge, removed_from
from shared.domain.autopay_shadows import shadowed_by
from tests.unit.domain.autopay_worlds import (
    AMOUNTS,
    CONTRACTS,
    CURRENCIES,
    DAYS,
    EVERYTHING,
    NAMES,
    TYPES,
    criterion,
    facts,
    listed,
    rule,
    rule_lists,
    some_facts,
)


def shadows(earlier, later):
    """Whether a rule of these criteria keeps a later one of those from ever firing."""
    rules = listed(rule(*earlier, id="apr_1"), rule(*later, id="apr_2"))
    return shadowed_by(rules, EVERYTHING)["apr_2"] == "apr_1"


c = criterion


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ([c("amount", "gte", 100_00)], [c("amount", "gte", 200_00)]),
        ([c("amount", "gte", 100_00)], [c("amount", "gt", 99_99)]),
        ([c("amount", "gt", 0)], [c("currency", "is", "USD"), c("amount", "lt", 5_00)]),
        ([c("amount", "between", 1_00, 9_00)], [c("amount", "gte", 2_00), c("amount", "lte", 8_00)]),
        ([c("invoice_age_days", "gte", 0)], [c("invoice_age_days", "eq", 15), c("amount", "gt", 1_00)]),
        ([c("days_past_due", "gt", -1)], [c("days_past_due", "between", 0, 5)]),
        ([c("contract", "is", "con_a", "con_b")], [c("contract", "is", "con_a")]),
        ([c("contract", "is", "con_a")], [c("contract", "is", "con_a", "con_b"), c("contract", "is_not", "con_b")]),
        ([c("contract", "is_not", "con_a")], [c("contract", "is_not", "con_b", "con_a")]),
        ([c("line_item", "contains", "support")], [c("line_item", "is", "Premium SUPPORT")]),
        ([c("line_item", "contains", "up")], [c("line_item", "contains", "support", "backup")]),
        ([c("line_item", "is_not", "support")], [c("line_item", "not_contains", "port")]),
        ([c("line_item", "not_contains", "support")], [c("line_item", "not_contains", "port", "x")]),
        ([c("invoice_type", "is_not", "regular")], [c("invoice_type", "is", "out_of_turn")]),
        ([c("currency", "is", "USD")], [c("amount", "gt", 1_00)]),
        ([c("currency", "is", "USD", "EUR")], [c("currency", "is", "EUR")]),
        ([c("currency", "is_not", "EUR")], [c("currency", "is", "USD")]),
    ],
)
def test_a_rule_that_asks_for_no_less_is_shadowed(earlier, later):
    assert shadows(earlier, later)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ([c("amount", "gte", 200_00)], [c("amount", "gte", 100_00)]),
        ([c("amount", "gte", 100_00)], [c("invoice_age_days", "gte", 15)]),
        ([c("amount", "gte", 100_00), c("invoice_age_days", "gte", 1)], [c("amount", "gte", 100_00)]),
        ([c("amount", "gt", 0)], [c("currency", "is", "EUR")]),
        ([c("amount", "gt", 0)], [c("invoice_type", "is", "regular")]),
        ([c("contract", "is", "con_a")], [c("contract", "is", "con_a", "con_b")]),
        ([c("contract", "is_not", "con_a")], [c("contract", "is", "con_b")]),
        ([c("line_item", "is", "support")], [c("line_item", "contains", "support")]),
        ([c("line_item", "not_contains", "port")], [c("line_item", "is_not", "support")]),
        ([c("invoice_type", "is", "out_of_turn")], [c("invoice_type", "is_not", "regular")]),
        ([c("days_past_due", "gte", 0)], [c("invoice_age_days", "gte", 90)]),
    ],
)
def test_a_rule_that_can_match_where_the_earlier_one_does_not_is_no_shadow(earlier, later):
    assert not shadows(earlier, later)


def test_the_first_of_several_shadowing_rules_is_named():
    gte = [rule(c("amount", "gte", amount), id=f"apr_{amount}") for amount in (300, 100, 200, 150)]

    assert shadowed_by(listed(*gte), EVERYTHING) == {
        "apr_300": None, "apr_100": None, "apr_200": "apr_100", "apr_150": "apr_100",
    }  # fmt: skip


def test_disabled_and_invalid_rules_shadow_nothing_and_are_not_reported():
    off = rule(id="apr_1", disabled=True)
    broken = rule(id="apr_2", method="pm_removed")

    assert shadowed_by(listed(off, broken, rule(id="apr_3")), EVERYTHING)["apr_3"] is None
    found = shadowed_by(listed(rule(id="apr_3"), off, broken), EVERYTHING)
    assert found == {"apr_1": None, "apr_2": None, "apr_3": None}


@pytest.mark.parametrize(
    "impossible",
    [
        [c("amount", "lt", 1_00), c("amount", "gt", 2_00)],
        [c("amount", "lte", 0)],
        [c("amount", "gt", 0), c("currency", "is_not", "USD")],
        [c("contract", "is", "con_a"), c("contract", "is_not", "con_a", "con_b")],
        [c("line_item", "contains", "support"), c("line_item", "not_contains", "port")],
        [c("invoice_type", "is", "regular"), c("invoice_type", "is_not", "regular")],
    ],
)
def test_a_rule_that_can_never_match_is_not_blamed_on_another(impossible):
    assert shadowed_by(listed(rule(id="apr_1"), rule(*impossible, id="apr_2")), EVERYTHING)["apr_2"] is None


# ---- against enumeration ----------------------------------------------------------------------------------------


def up_to(names, most):
    return [chosen for n in range(most + 1) for chosen in combinations(names, n)]


# Rules have at most three criteria, so three lines (or contracts) can be asked for and one more be in the way.
WORLDS = {
    "amount": {"amount": AMOUNTS},
    "invoice_age_days": {"age": DAYS},
    "days_past_due": {"past_due": DAYS},
    "currency": {"currency": CURRENCIES},
    "invoice_type": {"type": TYPES},
    "contract": {"contracts": up_to(CONTRACTS, 3)},
    "line_item": {"lines": up_to(NAMES, 4)},
}


def every_invoice(types):
    """All combinations of what these types of criteria can see; an amount also sees the currency."""
    seen = {**WORLDS["amount"], **WORLDS["currency"]} if {"amount", "currency"} & set(types) else {}
    for type in types:
        seen.update(WORLDS[type])
    return [facts(**dict(zip(seen, values, strict=True))) for values in product(*seen.values())]


def by_enumeration(rules, invoices):
    """The same report from every invoice there can be."""

    def matched(r):
        return frozenset(n for n, i in enumerate(invoices) if all(judge(c, i, "USD").holds for c in r.criteria))

    report, earlier = {}, []
    for r in rules.rules:
        report[r.id] = None
        if r.disabled or removed_from(r, EVERYTHING):
            continue
        mine = matched(r)
        if mine:
            report[r.id] = next((id for id, theirs in earlier if mine <= theirs), None)
        earlier.append((r.id, mine))
    return report


@pytest.mark.parametrize("type", WORLDS)
@settings(max_examples=60)
@given(data=st.data())
def test_the_report_is_that_of_enumeration_for_each_type(type, data):
    rules = data.draw(rule_lists((type,)))

    assert shadowed_by(rules, EVERYTHING) == by_enumeration(rules, every_invoice((type,)))


@pytest.mark.parametrize("types", [t for t in combinations(WORLDS, 3) if "line_item" not in t])
@settings(max_examples=15)
@given(data=st.data())
def test_the_report_is_that_of_enumeration_for_types_together(types, data):
    rules = data.draw(rule_lists(types, most=4))

    assert shadowed_by(rules, EVERYTHING) == by_enumeration(rules, every_invoice(types))


@settings(max_examples=300)
@given(rule_lists(most=6), some_facts)
def test_a_shadowed_rule_never_pays(rules, some):
    report = shadowed_by(rules, EVERYTHING)
    pays = choose(rules, some, EVERYTHING).pays

    assert pays is None or report[pays.id] is None

"""What is wrong with autopay rules is named, part by part, and nothing wrong is saved. PRODUCT 8."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.autopay import CRITERIA_MAX, RULES_MAX, VALUES_MAX, AutopayRule, Criterion
from shared.domain.autopay_checks import CriterionDraft, RuleDraft, check_locks, read_rules
from shared.domain.errors import Refused
from tests.unit.domain.autopay_worlds import EVERYTHING, criterion, listed, rule

GOOD = CriterionDraft("amount", "gte", ["200.00"])


def draft(*criteria, id="apr_1", method="pm_1", **rest):
    return RuleDraft(id, method, criteria or (GOOD,), **rest)


def wrong(*drafts, currency="USD"):
    """The paths and messages of what is wrong."""
    return {w.field: w.message for w in read_rules(drafts, currency, EVERYTHING)[1]}


def values(type, operator, given, currency="USD"):
    """What is wrong with one criterion's values, by the rest of the path."""
    found = wrong(draft(CriterionDraft(type, operator, given)), currency=currency)
    return {path.removeprefix("rules[0].criteria[0]."): message for path, message in found.items()}


def test_between_may_name_one_value_twice():
    assert values("amount", "between", ["280.00", "280.00"]) == {}
    assert values("days_past_due", "between", [0, 0]) == {}


def test_rules_are_read_into_minor_units_days_and_trimmed_texts():
    drafts = [
        draft(GOOD, CriterionDraft("invoice_age_days", "between", [-1, 15]), disabled=True, locked=True),
        draft(
            CriterionDraft("contract", "is_not", ["con_a", "con_b"]),
            CriterionDraft("line_item", "contains", [" Support "]),
            CriterionDraft("invoice_type", "is", ["regular"]),
            CriterionDraft("currency", "is", ["EUR"]),
            id="apr_2", method="pm_2",
        ),
    ]  # fmt: skip

    assert read_rules(drafts, "USD", EVERYTHING) == (
        (
            AutopayRule(
                "apr_1", "pm_1",
                (Criterion("amount", "gte", (200_00,)), Criterion("invoice_age_days", "between", (-1, 15))),
                disabled=True, locked=True,
            ),
            AutopayRule(
                "apr_2", "pm_2",
                (
                    Criterion("contract", "is_not", ("con_a", "con_b")),
                    Criterion("line_item", "contains", ("Support",)),
                    Criterion("invoice_type", "is", ("regular",)), Criterion("currency", "is", ("EUR",)),
                ),
            ),
        ),
        [],
    )  # fmt: skip


def test_amounts_are_read_in_the_customers_currency():
    (read,), problems = read_rules([draft(CriterionDraft("amount", "lt", ["200"]))], "JPY", EVERYTHING)

    assert problems == []
    assert read.criteria[0].values == (200,)
    assert list(values("amount", "lt", ["200.00"], currency="JPY")) == ["values[0]"]


def test_every_missing_part_is_named_at_once():
    nearly = draft(CriterionDraft(), CriterionDraft("amount"), id="apr_2")

    assert wrong(RuleDraft("apr_1"), nearly, RuleDraft("apr_3", "pm_1", ())) == {
        "rules[0].payment_method_id": "is required",
        "rules[0].criteria": "is required",
        "rules[1].criteria[0].type": "is required",
        "rules[1].criteria[0].operator": "is required",
        "rules[1].criteria[0].values": "is required",
        "rules[1].criteria[1].operator": "is required",
        "rules[1].criteria[1].values": "is required",
        "rules[2].criteria": f"must have 1 to {CRITERIA_MAX} entries",
    }


@pytest.mark.parametrize(
    ("type", "operator", "given", "paths"),
    [
        ("colour", "is", ["red"], ["type"]),
        ("amount", "is", ["1.00"], ["operator"]),
        ("amount", "contains", ["1.00"], ["operator"]),
        ("contract", "eq", ["con_a"], ["operator"]),
        ("line_item", "gte", ["a"], ["operator"]),
        ("currency", "contains", ["USD"], ["operator"]),
        ("amount", "gte", [], ["values"]),
        ("amount", "gte", "200.00", ["values"]),
        ("amount", "gte", ["1.00", "2.00"], ["values"]),
        ("amount", "between", ["1.00"], ["values"]),
        ("amount", "between", ["2.00", "1.00"], ["values"]),
        ("amount", "between", ["1.00", "2.00", "3.00"], ["values"]),
        ("amount", "gte", [200], ["values[0]"]),
        ("amount", "gte", ["-1.00"], ["values[0]"]),
        ("amount", "gte", ["1.005"], ["values[0]"]),
        ("amount", "gte", ["NaN"], ["values[0]"]),
        ("amount", "gte", ["200.00 EUR"], ["values[0]"]),
        ("amount", "gte", [{"amount": "200.00", "currency": "EUR"}], ["values[0]"]),
        ("amount", "between", ["1.00", "x"], ["values[1]"]),
        ("amount", "wrong", ["x"], ["operator", "values[0]"]),
        ("invoice_age_days", "gte", ["15"], ["values[0]"]),
        ("invoice_age_days", "gte", [True], ["values[0]"]),
        ("invoice_age_days", "gte", [10**9], ["values[0]"]),
        ("days_past_due", "gte", [None], ["values[0]"]),
        ("days_past_due", "between", [5, -5], ["values"]),
        ("contract", "is", ["con_of_another_customer"], ["values[0]"]),
        ("contract", "is", ["con_a", 7], ["values[1]"]),
        ("line_item", "contains", ["support", "  "], ["values[1]"]),
        ("line_item", "contains", ["a\nb"], ["values[0]"]),
        ("line_item", "contains", ["\ud800"], ["values[0]"]),
        ("line_item", "contains", ["a" * 201], ["values[0]"]),
        ("line_item", "contains", [5], ["values[0]"]),
        ("line_item", "contains", ["a"] * (VALUES_MAX + 1), ["values"]),
        ("invoice_type", "is", ["debit_memo"], ["values[0]"]),
        ("currency", "is", ["usd"], ["values[0]"]),
        ("currency", "is", ["XXX"], ["values[0]"]),
        ("currency", "is", [["USD"]], ["values[0]"]),
        ([], {}, 5, ["type", "operator", "values"]),
    ],
)
def test_a_wrong_part_is_named(type, operator, given, paths):
    assert list(values(type, operator, given)) == paths


def test_methods_must_be_the_customers():
    assert wrong(draft(method="pm_of_another_customer"), draft(id="apr_2", method={"id": "pm_1"})) == {
        "rules[0].payment_method_id": "is not a payment method of this customer",
        "rules[1].payment_method_id": "is not a payment method of this customer",
    }


@pytest.mark.parametrize(
    ("operator", "codes", "mixed"),
    [
        ("is", ["USD"], False),
        ("is", ["EUR"], True),
        ("is", ["USD", "EUR"], True),
        ("is_not", ["EUR"], False),
        ("is_not", ["EUR", "USD"], True),
    ],
)
def test_a_rule_with_an_amount_asks_for_no_other_currency(operator, codes, mixed):
    found = wrong(draft(GOOD, CriterionDraft("currency", operator, codes)))

    assert list(found) == (["rules[0].criteria[1].values"] if mixed else [])


def test_an_id_belongs_to_one_rule():
    assert list(wrong(draft(), draft(), draft(id="apr_2"))) == ["rules[1].id"]


def test_rules_and_criteria_have_a_limit():
    assert list(wrong(*(draft(id=f"apr_{n}") for n in range(RULES_MAX + 1)))) == ["rules"]
    assert list(wrong(draft(*[GOOD] * (CRITERIA_MAX + 1)))) == ["rules[0].criteria"]


def test_the_values_of_a_list_fit_into_one_record():
    long = CriterionDraft("line_item", "is", [f"{n:04d}" + "é" * 196 for n in range(VALUES_MAX)])
    full = [draft(*[long] * n, id=f"apr_{n}") for n in (1, 8)]

    assert wrong(*full) == {}
    assert list(wrong(*full, draft(long, id="apr_9"))) == ["rules"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["1.00", "USD", "con_a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)  # fmt: skip
words = st.sampled_from(["amount", "contract", "line_item", "currency", "days_past_due", "is", "gte", "between"])


@given(words | json_values, words | json_values, json_values, json_values)
def test_whatever_is_sent_is_read_or_refused_by_path(type, operator, given, method):
    rules, problems = read_rules([draft(CriterionDraft(type, operator, given), method=method)], "USD", EVERYTHING)

    assert all(p.field.startswith("rules[0].") for p in problems)
    if not problems:
        assert all(c.values for r in rules for c in r.criteria)


# ---- locks ------------------------------------------------------------------------------------------------------

OPEN_1, OPEN_2 = rule(id="apr_1"), rule(id="apr_2")
LOCKED = rule(id="apr_9", locked=True)


@pytest.mark.parametrize(
    "after",
    [
        [LOCKED, OPEN_1, OPEN_2],
        [LOCKED],
        [OPEN_1, LOCKED, rule(id="apr_new")],
        [rule(criterion("amount", "gt", 5), id="apr_1"), LOCKED, OPEN_2],
    ],
)
def test_a_customer_may_change_everything_around_a_locked_rule(after):
    check_locks(listed(OPEN_1, LOCKED, OPEN_2), listed(*after))


@pytest.mark.parametrize(
    "after",
    [
        [OPEN_1, OPEN_2],
        [OPEN_1, OPEN_2, LOCKED],
        [rule(id="apr_new"), OPEN_1, LOCKED, OPEN_2],
        [OPEN_1, rule(id="apr_9", locked=False), OPEN_2],
        [OPEN_1, rule(id="apr_9", locked=True, disabled=True), OPEN_2],
        [OPEN_1, rule(id="apr_9", locked=True, method="pm_2"), OPEN_2],
        [OPEN_1, LOCKED, rule(id="apr_2", locked=True)],
    ],
)
def test_a_customer_may_not_change_remove_overtake_or_make_a_locked_rule(after):
    with pytest.raises(Refused):
        check_locks(listed(OPEN_1, LOCKED, OPEN_2), listed(*after))


def test_a_customer_may_switch_autopay_off_unless_a_rule_is_locked():
    check_locks(listed(OPEN_1), replace(listed(OPEN_1), enabled=False))
    with pytest.raises(Refused, match="locked"):
        check_locks(listed(OPEN_1, LOCKED), replace(listed(OPEN_1, LOCKED), enabled=False))
    check_locks(replace(listed(LOCKED), enabled=False), listed(LOCKED))

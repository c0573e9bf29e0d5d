"""Which autopay rule pays an invoice. PRODUCT 8."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.autopay import (
    ACTUALS_MAX,
    Facts,
    References,
    choose,
    facts_of,
    judge,
    needs_lines,
    removed_from,
)
from shared.domain.invoice import Invoice
from tests.unit.domain.autopay_worlds import AS_OF, EVERYTHING, criterion, facts, listed, rule, rule_lists, some_facts


def results(rules, some):
    return [r.result for r in choose(rules, some, EVERYTHING).results]


def holds(type, operator, /, *values, **about):
    return judge(criterion(type, operator, *values), facts(**about), "USD").holds


# ---- the list ---------------------------------------------------------------------------------------------------


def test_an_invoice_over_280_dollars_is_paid_at_15_days_and_not_at_10():
    rules = listed(rule(criterion("amount", "gte", 200_00), criterion("invoice_age_days", "gte", 15)))

    assert results(rules, facts(280_00, age=10)) == ["no_match"]
    assert results(rules, facts(280_00, age=14)) == ["no_match"]
    assert results(rules, facts(280_00, age=15)) == ["pays"]
    assert results(rules, facts(199_99, age=15)) == ["no_match"]


def test_the_first_match_pays_and_later_matches_are_ignored():
    small, any_1, any_2 = criterion("amount", "lt", 100_00), criterion("amount", "gt", 0), criterion("amount", "gte", 1)
    rules = listed(rule(small, id="apr_1"), rule(any_1, id="apr_2", method="pm_2"), rule(any_2, id="apr_3"))

    decision = choose(rules, facts(280_00), EVERYTHING)

    assert [r.result for r in decision.results] == ["no_match", "pays", "ignored"]
    assert decision.pays is not None
    assert decision.pays.payment_method_id == "pm_2"
    assert [r.id for r in decision.matching] == ["apr_2", "apr_3"]


def test_a_disabled_rule_is_kept_and_skipped():
    rules = listed(rule(id="apr_1", disabled=True), rule(id="apr_2"))

    assert results(rules, facts()) == ["disabled", "pays"]


@pytest.mark.parametrize(
    "broken",
    [
        rule(id="apr_1", method="pm_removed"),
        rule(criterion("contract", "is", "con_removed"), id="apr_1"),
        rule(criterion("contract", "is_not", "con_a", "con_removed"), id="apr_1"),
    ],
)
def test_a_rule_that_refers_to_something_removed_is_flagged_and_skipped(broken):
    decision = choose(listed(broken, rule(id="apr_2")), facts(contracts=["con_removed"]), EVERYTHING)

    assert [r.result for r in decision.results] == ["invalid", "pays"]
    assert decision.results[0].removed in (("pm_removed",), ("con_removed",))


def test_a_rule_names_everything_removed_once_and_its_method_first():
    broken = rule(criterion("contract", "is", "con_x", "con_a"), criterion("contract", "is_not", "con_x", "con_y"))

    assert removed_from(broken, References(frozenset(), frozenset({"con_a"}))) == ("pm_1", "con_x", "con_y")


def test_a_disabled_rule_that_is_also_invalid_is_called_disabled():
    assert results(listed(rule(method="pm_removed", disabled=True)), facts()) == ["disabled"]


def test_an_empty_list_pays_nothing():
    decision = choose(listed(), facts(), EVERYTHING)

    assert decision.pays is None
    assert decision.results == ()


def test_each_criterion_says_what_it_found_even_when_another_one_fails():
    rules = listed(rule(criterion("amount", "gte", 500_00), criterion("days_past_due", "lt", 0)))

    (result,) = choose(rules, facts(280_00, past_due=-30), EVERYTHING).results

    assert [(v.actual, v.holds) for v in result.verdicts] == [(280_00, False), (-30, True)]


# ---- criteria ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "values", "below", "at", "above"),
    [
        ("lt", (100_00,), True, False, False),
        ("lte", (100_00,), True, True, False),
        ("eq", (100_00,), False, True, False),
        ("gte", (100_00,), False, True, True),
        ("gt", (100_00,), False, False, True),
    ],
)
def test_amounts_compare_to_the_minor_unit(operator, values, below, at, above):
    found = [holds("amount", operator, *values, amount=amount) for amount in (99_99, 100_00, 100_01)]

    assert found == [below, at, above]


def test_both_ends_of_between_belong_to_it():
    found = [holds("amount", "between", 100_00, 200_00, amount=a) for a in (99_99, 100_00, 150_00, 200_00, 200_01)]

    assert found == [False, True, True, True, False]


def test_days_past_due_are_negative_before_the_due_date_and_zero_on_it():
    assert holds("days_past_due", "eq", -3, past_due=-3)
    assert holds("days_past_due", "eq", 0, past_due=0)
    assert holds("days_past_due", "between", -7, -1, past_due=-1)
    assert not holds("days_past_due", "between", -7, -1, past_due=0)


def test_without_a_due_date_no_count_of_days_past_due_holds():
    draft = Facts(AS_OF, 100, "USD", "regular", AS_OF, None)

    for operator, values in (("lt", (0,)), ("gte", (0,)), ("between", (-9, 9))):
        verdict = judge(criterion("days_past_due", operator, *values), draft, "USD")
        assert (verdict.actual, verdict.holds) == (None, False)


def test_an_amount_in_another_currency_than_the_rules_never_holds():
    assert holds("amount", "gte", 1_00, amount=280_00, currency="USD")
    assert not holds("amount", "gte", 1_00, amount=280_00, currency="EUR")
    assert not holds("amount", "lt", 500_00, amount=280_00, currency="EUR")


def test_one_of_several_contracts_is_enough_and_a_negative_operator_means_none_of_them():
    assert holds("contract", "is", "con_a", "con_b", contracts=["con_b", "con_c"])
    assert not holds("contract", "is", "con_a", contracts=["con_b", "con_c"])
    assert not holds("contract", "is_not", "con_a", "con_b", contracts=["con_b", "con_c"])
    assert holds("contract", "is_not", "con_a", contracts=["con_b", "con_c"])


def test_an_invoice_without_contracts_is_on_none():
    assert not holds("contract", "is", "con_a")
    assert holds("contract", "is_not", "con_a")


LINES = ["Managed IT – Support", "Backup GB"]


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("is", ("backup gb",), True),
        ("is", ("Backup",), False),
        ("is", ("Setup", "BACKUP GB"), True),
        ("contains", ("support",), True),
        ("contains", ("setup",), False),
        ("contains", ("setup", "backup"), True),
        ("is_not", ("backup gb",), False),
        ("is_not", ("Backup",), True),
        ("is_not", ("Setup", "backup gb"), False),
        ("not_contains", ("SUPPORT",), False),
        ("not_contains", ("setup", "hosting"), True),
        ("not_contains", ("setup", "gb"), False),
    ],
)
def test_any_line_may_fit_a_name_and_a_negative_operator_means_no_line_fits_any(operator, values, expected):
    assert holds("line_item", operator, *values, lines=LINES) is expected


@pytest.mark.parametrize(
    ("name", "value"),
    [("STRASSE", "straße"), ("Ärger", "A\u0308RGER"), ("İstanbul", "i\u0307stanbul"), (" Padded ", "padded")],
)
def test_case_and_the_encoding_of_accents_make_no_difference(name, value):
    assert holds("line_item", "is", value, lines=[name])
    assert holds("line_item", "is", name, lines=[value])


def test_types_and_currencies_are_one_of_or_none_of():
    assert holds("invoice_type", "is", "regular")
    assert holds("invoice_type", "is", "regular", "out_of_turn", type="out_of_turn")
    assert not holds("invoice_type", "is_not", "regular", "out_of_turn", type="out_of_turn")
    assert holds("currency", "is", "EUR", "GBP", currency="GBP")
    assert not holds("currency", "is_not", "EUR", "GBP", currency="GBP")


def test_a_debit_memo_is_neither_regular_nor_out_of_turn():
    assert not holds("invoice_type", "is", "regular", "out_of_turn", type="debit_memo")
    assert holds("invoice_type", "is_not", "regular", type="debit_memo")


def test_an_explanation_shows_the_names_that_decided_first_and_never_too_many():
    names = [f"Line {n}" for n in range(100)] + ["Support"]

    verdict = judge(criterion("line_item", "is", "support"), facts(lines=names), "USD")

    assert verdict.actual == ("Support", *names[: ACTUALS_MAX - 1])


def test_lines_are_asked_for_only_by_rules_about_them():
    about_lines = rule(criterion("amount", "gt", 0), criterion("line_item", "contains", "support"))

    assert needs_lines([rule(), about_lines])
    assert not needs_lines([rule(), rule(criterion("contract", "is", "con_a"))])


# ---- facts ------------------------------------------------------------------------------------------------------


def test_the_facts_of_a_posted_invoice_are_what_is_left_to_pay_and_of_a_draft_what_posting_will_leave():
    draft = Invoice("inv_1", "cus_acme", "USD", date(2026, 3, 1), total_minor=280_00, contract_ids=("con_a",))
    part_paid = draft.posted("INV-1", date(2026, 3, 1), None, date(2026, 3, 31)).paid(80_00, None)  # type: ignore[arg-type]

    assert facts_of(draft, AS_OF).residual_minor == 280_00
    assert facts_of(part_paid, AS_OF, ["Support"]) == Facts(
        AS_OF, 200_00, "USD", "regular", date(2026, 3, 1), date(2026, 3, 31), ("con_a",), ("Support",)
    )


# ---- against a matcher written the other way round --------------------------------------------------------------


def plainly_holds(c, some):
    """The table of PRODUCT 8, read off without intervals or sets."""
    fold = str.casefold
    by_operator = {
        "lt": lambda n: n < c.values[0], "lte": lambda n: n <= c.values[0], "eq": lambda n: n == c.values[0],
        "gte": lambda n: n >= c.values[0], "gt": lambda n: n > c.values[0],
        "between": lambda n: c.values[0] <= n <= c.values[1],
    }  # fmt: skip
    if c.type == "amount":
        return some.currency == "USD" and by_operator[c.operator](some.residual_minor)
    if c.type == "invoice_age_days":
        return by_operator[c.operator]((some.as_of - some.invoice_date).days)
    if c.type == "days_past_due":
        return by_operator[c.operator]((some.as_of - some.due_on).days)
    on_it = {
        "contract": some.contract_ids, "line_item": some.line_names, "invoice_type": (some.type,),
        "currency": (some.currency,),
    }[c.type]  # fmt: skip
    pairs = [(fold(str(v)), fold(name)) for v in c.values for name in on_it]
    any_is, any_contains = any(v == name for v, name in pairs), any(v in name for v, name in pairs)
    return {"is": any_is, "is_not": not any_is, "contains": any_contains, "not_contains": not any_contains}[c.operator]


@given(rule_lists(), some_facts)
def test_the_decision_is_that_of_a_brute_force_matcher(rules, some):
    expected, paid = [], False
    for r in rules.rules:
        matches = all(plainly_holds(c, some) for c in r.criteria)
        if r.disabled:
            expected.append("disabled")
        elif r.payment_method_id == "pm_removed":
            expected.append("invalid")
        elif not matches:
            expected.append("no_match")
        else:
            expected.append("ignored" if paid else "pays")
            paid = True

    decision = choose(rules, some, EVERYTHING)

    assert [r.result for r in decision.results] == expected
    for result in decision.results:
        assert [v.holds for v in result.verdicts] == [plainly_holds(c, some) for c in result.rule.criteria]


@given(rule_lists(), some_facts, st.data())
def test_rules_that_do_not_match_can_be_taken_out_without_changing_who_pays(rules, some, data):
    before = choose(rules, some, EVERYTHING)
    others = [r.rule for r in before.results if r.result not in ("pays", "ignored")]
    out = data.draw(st.sets(st.sampled_from(others))) if others else set()
    fewer = listed(*(r for r in rules.rules if r not in out))

    assert choose(fewer, some, EVERYTHING).matching == before.matching

"""Rules and facts for the tests of autopay, by hand and from Hypothesis."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import strategies as st

from shared.domain.autopay import OPERATORS, AutopayList, AutopayRule, Criterion, Facts, References

AS_OF = date(2026, 3, 15)
EVERYTHING = References(frozenset({"pm_1", "pm_2"}), frozenset({"con_a", "con_b", "con_c"}))


def criterion(type, operator, *values):
    return Criterion(type, operator, values)


def rule(*criteria, id="apr_1", method="pm_1", **rest):
    return AutopayRule(id, method, criteria or (criterion("currency", "is", "USD"),), **rest)


def listed(*rules, **rest):
    """The rules in order; those without an id of their own are numbered."""
    return AutopayList("cus_acme", "USD", rules=rules, **rest)


def facts(amount=28_000, age=0, past_due=-30, currency="USD", type="regular", contracts=(), lines=()):
    invoice_date, due_on = AS_OF - timedelta(days=age), AS_OF - timedelta(days=past_due)
    return Facts(AS_OF, amount, currency, type, invoice_date, due_on, tuple(contracts), tuple(lines))


# ---- from Hypothesis: a world so small that it can be enumerated ---------------------------------------------------

AMOUNTS = range(1, 6)
DAYS = range(-2, 3)
TYPES = ("regular", "out_of_turn", "debit_memo")
CURRENCIES = ("USD", "EUR", "GBP")  # no rule names GBP: it stands for all others
CONTRACTS = ("con_a", "con_b", "con_c")  # no rule names con_c
NAMES = ("a", "b", "ab", "ba", "x", "ax", "bx", "abx", "xab", "Bx a")  # "x" stands for whatever no rule names

VALUES = {
    "contract": st.sampled_from(("con_a", "con_b")),
    "amount": st.integers(0, 5),
    "line_item": st.sampled_from(("a", "b", "ab", "A", "aB")),
    "invoice_age_days": st.integers(-1, 1),
    "days_past_due": st.integers(-1, 1),
    "invoice_type": st.sampled_from(("regular", "out_of_turn")),
    "currency": st.sampled_from(("USD", "EUR")),
}


@st.composite
def criteria(draw, types=tuple(OPERATORS)):
    type = draw(st.sampled_from(types))
    operator = draw(st.sampled_from(OPERATORS[type]))
    if operator == "between":
        return Criterion(type, operator, tuple(sorted(draw(st.sets(VALUES[type], min_size=2, max_size=2)))))
    most = 2 if operator in ("is", "is_not", "contains", "not_contains") else 1
    return Criterion(type, operator, tuple(draw(st.lists(VALUES[type], min_size=1, max_size=most))))


@st.composite
def rule_lists(draw, types=tuple(OPERATORS), most=5):
    """Lists with disabled rules and rules that refer to something removed among them."""
    rules = tuple(
        AutopayRule(
            f"apr_{n}",
            draw(st.sampled_from(("pm_1", "pm_2", "pm_1", "pm_2", "pm_removed"))),
            tuple(draw(st.lists(criteria(types), min_size=1, max_size=3))),
            disabled=draw(st.sampled_from((False, False, False, True))),
        )
        for n in range(draw(st.integers(1, most)))
    )
    return listed(*rules)


some_facts = st.builds(
    facts,
    amount=st.sampled_from(AMOUNTS),
    age=st.sampled_from(DAYS),
    past_due=st.sampled_from(DAYS),
    currency=st.sampled_from(CURRENCIES),
    type=st.sampled_from(TYPES),
    contracts=st.lists(st.sampled_from(CONTRACTS), max_size=3),
    lines=st.lists(st.sampled_from(NAMES), max_size=3),
)

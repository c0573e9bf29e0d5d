"""Money is exact, rounded half-up once, and split without loss. PRODUCT 1."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from shared.domain.money import (
    EXPONENTS,
    MAX_AMOUNT_CHARS,
    MAX_MINOR,
    InvalidAmount,
    InvalidSplit,
    UnknownCurrency,
    exponent,
    format_minor,
    minor_in,
    multiply,
    parse_minor,
    percent_of,
    prorate,
    round_half_up,
    split,
)

currencies = st.sampled_from(sorted(EXPONENTS))
amounts = st.integers(-MAX_MINOR, MAX_MINOR)
small_amounts = st.integers(-10_000_000, 10_000_000)
factors = st.decimals(-10_000, 10_000, places=4)


# ---- currencies ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decimals", "codes"),
    [
        (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
        (2, "USD EUR GBP CHF HUF CZK TWD IDR COP MGA MRU TZS SLE ZWG XCG VED XAD"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
    ],
)
def test_a_currency_has_the_decimals_that_iso_4217_gives_it(decimals, codes):
    assert {code: exponent(code) for code in codes.split()} == dict.fromkeys(codes.split(), decimals)


def test_only_the_listed_currencies_have_other_than_two_decimals():
    assert sum(decimals != 2 for decimals in EXPONENTS.values()) == 17 + 7 + 2
    assert len(EXPONENTS) == 165
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in EXPONENTS)


@pytest.mark.parametrize("code", ["", "usd", "US", "USDD", "XXX", "XTS", "XAU", "DEM", "US\n", None, 840, [], {}])
def test_anything_else_is_an_unknown_currency_and_the_message_says_what_to_give(code):
    with pytest.raises(UnknownCurrency, match="three capital letters, such as 'USD'"):
        exponent(code)
    with pytest.raises(UnknownCurrency):
        parse_minor("1", code)
    with pytest.raises(UnknownCurrency):
        format_minor(1, code)


def test_the_table_cannot_be_changed():
    with pytest.raises(TypeError):
        EXPONENTS["USD"] = 3


# ---- reading and writing ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("249.95", "USD", 24_995),
        ("249.9", "USD", 24_990),
        ("249", "USD", 24_900),
        ("0", "USD", 0),
        ("0.01", "USD", 1),
        ("-0.05", "USD", -5),
        ("-0.00", "USD", 0),
        ("007.50", "USD", 750),
        ("250", "JPY", 250),
        ("-250", "JPY", -250),
        ("1.000", "KWD", 1_000),
        ("1.0005", "CLF", 10_005),
    ],
)
def test_a_decimal_string_is_read_exactly(text, currency, minor):
    assert parse_minor(text, currency) == minor


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (24_995, "USD", "249.95"),
        (250, "JPY", "250"),
        (0, "JPY", "0"),
        (-1, "JPY", "-1"),
        (1_000, "KWD", "1.000"),
        (-5, "USD", "-0.05"),
        (0, "USD", "0.00"),
        (99, "USD", "0.99"),
        (100, "USD", "1.00"),
        (1, "CLF", "0.0001"),
    ],
)
def test_an_amount_is_written_with_all_its_decimals(minor, currency, text):
    assert format_minor(minor, currency) == text


@given(amounts, currencies)
def test_what_is_written_reads_back_as_the_same_amount(minor, currency):
    assert parse_minor(format_minor(minor, currency), currency) == minor


@given(amounts, currencies)
def test_the_written_amount_is_the_decimal_itself(minor, currency):
    assert Decimal(format_minor(minor, currency)) == Decimal(minor).scaleb(-exponent(currency))


@pytest.mark.parametrize(
    ("text", "currency", "accepted"),
    [
        ("1.5", "USD", True),
        ("1.50", "USD", True),
        ("1.500", "USD", False),  # even a zero too many: the sender means another currency or another unit
        ("1", "JPY", True),
        ("1.0", "JPY", False),
        ("1.000", "KWD", True),
        ("1.0000", "KWD", False),
        ("9999999999999.99", "USD", True),
        ("10000000000000.00", "USD", True),
        ("10000000000000.01", "USD", False),
        ("-10000000000000.00", "USD", True),
        ("-10000000000000.01", "USD", False),
        ("999999999999999", "JPY", True),
        ("1000000000000000", "JPY", True),
        ("1000000000000001", "JPY", False),
        ("0" * (MAX_AMOUNT_CHARS - 1), "USD", True),
        ("0" * MAX_AMOUNT_CHARS, "USD", True),
        ("0" * (MAX_AMOUNT_CHARS + 1), "USD", False),
    ],
)
def test_decimals_size_and_length_have_inclusive_limits(text, currency, accepted):
    if accepted:
        assert abs(parse_minor(text, currency)) <= MAX_MINOR
    else:
        with pytest.raises(InvalidAmount):
            parse_minor(text, currency)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (None, "not null"),
        (True, "not true or false"),
        (12, "not a number"),
        (12.5, "not a number"),
        (Decimal("12.5"), "not a number"),
        (["1"], "not a list"),
        (b"1", "must be a decimal string"),
        ("", "is empty"),
        (" 1", "has a space"),
        ("1 ", "has a space"),
        ("1 000", "has a space"),
        ("1\N{NO-BREAK SPACE}000", "has a space"),
        ("1\n", "control character"),
        ("1\x00", "control character"),
        ("\t1", "control character"),
        ("NaN", "is not a number"),
        ("-nan", "is not a number"),
        ("sNaN", "is not a number"),
        ("Infinity", "is infinite"),
        ("-inf", "is infinite"),
        ("1e3", "exponent notation"),
        ("1E+30", "exponent notation"),
        ("-1.5e-2", "exponent notation"),
        ("+1", "has a '\\+'"),
        ("1_000", "thousands separator"),
        ("1,50", "thousands separator or a decimal comma"),
        ("1'000.00", "thousands separator"),
        ("١٢", "digits of another script"),
        ("１２", "digits of another script"),
        ("1.", "no digit before or after its point"),
        (".5", "no digit before or after its point"),
        ("-.5", "no digit before or after its point"),
        (".", "no digit before or after its point"),
        ("-", "not a plain decimal"),
        ("--1", "not a plain decimal"),
        ("1-", "not a plain decimal"),
        ("1.2.3", "not a plain decimal"),
        ("0x10", "not a plain decimal"),
        ("$1", "not a plain decimal"),
        ("twelve", "not a plain decimal"),
        ("9" * 10_000, "longer than"),
    ],
)
def test_a_text_that_is_no_amount_is_refused_with_the_problem_and_the_way_out(text, what):
    with pytest.raises(InvalidAmount, match=what) as refused:
        parse_minor(text, "USD")
    assert '"249.95"' in str(refused.value)


def test_the_way_out_is_written_in_the_currency_asked_for():
    with pytest.raises(InvalidAmount, match='too many decimals, JPY has 0; write "24995"'):
        parse_minor("250.0", "JPY")


@given(st.text(max_size=12), currencies)
@example("1\n", "USD")
@example("²", "USD")
def test_any_text_is_read_exactly_or_refused(text, currency):
    try:
        minor = parse_minor(text, currency)
    except InvalidAmount:
        return
    assert text.isascii()
    assert Decimal(text) == Decimal(minor).scaleb(-exponent(currency))


@given(st.text(alphabet="0123456789.-+eE_ ,", max_size=10))
def test_texts_of_amount_characters_are_accepted_exactly_when_they_are_plain_decimals(text):
    whole, point, fraction = text.removeprefix("-").partition(".")
    plain = whole.isdigit() and (fraction.isdigit() and len(fraction) <= 2 if point else True)
    try:
        parse_minor(text, "USD")
    except InvalidAmount:
        assert not plain
    else:
        assert plain


def test_the_refused_text_is_not_repeated():
    with pytest.raises(InvalidAmount) as refused:
        parse_minor("<script>\r\nBcc: x", "USD")
    assert "script" not in str(refused.value)
    assert "\n" not in str(refused.value)


# ---- rounding -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "rounded"),
    [
        (Fraction(49, 100), 0),
        (Fraction(1, 2), 1),
        (Fraction(51, 100), 1),
        (Fraction(3, 2), 2),
        (Fraction(5, 2), 3),
        (Fraction(-49, 100), 0),
        (Fraction(-1, 2), -1),
        (Fraction(-3, 2), -2),
        (Fraction(0), 0),
        (Fraction(7), 7),
    ],
)
def test_a_half_is_rounded_away_from_zero(value, rounded):
    assert round_half_up(value) == rounded


@given(st.fractions(max_denominator=10_000))
def test_a_credit_rounds_as_the_charge_it_mirrors(value):
    assert round_half_up(-value) == -round_half_up(value)
    assert abs(round_half_up(value) - value) <= Fraction(1, 2)


@given(small_amounts, factors)
def test_a_product_is_the_exact_one_rounded_once(amount, quantity):
    expected = (Decimal(amount) * quantity).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    assert multiply(amount, quantity) == int(expected)
    assert percent_of(amount, quantity) == round_half_up(Fraction(amount) * Fraction(quantity) / 100)


@given(small_amounts, factors, st.integers(1, 400), st.data())
def test_a_prorated_amount_is_the_exact_share_rounded_once(amount, quantity, of_days, data):
    days = data.draw(st.integers(0, of_days))
    assert prorate(amount, quantity, days, of_days) == round_half_up(
        Fraction(amount) * Fraction(quantity) * days / of_days
    )


def test_proration_does_not_round_on_the_way():
    assert prorate(3, Decimal("0.5"), 1, 4) == 0  # 0.375 of a cent; 1.5 rounded to 2 first would give 0.5, so 1
    assert prorate(1, Decimal("1.5"), 1, 3) == 1  # exactly half a cent
    assert prorate(1, Decimal("1.4"), 1, 3) == 0  # 0.47 of a cent


@given(small_amounts, st.decimals(0, 1_000, places=2), st.integers(1, 366))
def test_the_whole_period_costs_the_whole_product_and_no_days_nothing(amount, quantity, of_days):
    assert prorate(amount, quantity, of_days, of_days) == multiply(amount, quantity)
    assert prorate(amount, quantity, 0, of_days) == 0


@given(st.integers(0, 1_000_000), st.decimals(0, 1_000, places=2), st.integers(1, 366))
def test_more_days_never_cost_less(amount, quantity, of_days):
    costs = [prorate(amount, quantity, days, of_days) for days in range(of_days + 1)]
    assert all(earlier <= later for earlier, later in pairwise(costs))


@pytest.mark.parametrize(
    ("days", "of_days", "possible"),
    [(-1, 30, False), (0, 30, True), (30, 30, True), (31, 30, False), (0, 0, False), (1, -1, False)],
)
def test_a_part_is_between_nothing_and_the_whole(days, of_days, possible):
    if possible:
        assert prorate(100, Decimal(1), days, of_days) in (0, 100)
    else:
        with pytest.raises(ValueError, match="is no part of a period"):
            prorate(100, Decimal(1), days, of_days)


@pytest.mark.parametrize(
    ("amount", "percent", "expected"),
    [
        (10_000, "19", 1_900),
        (24_995, "8.875", 2_218),  # 2218.30…
        (50, "1", 1),  # half a cent
        (49, "1", 0),
        (-50, "1", -1),
        (10_000, "0", 0),
        (10_000, "-2.5", -250),
    ],
)
def test_a_percentage_is_rounded_once(amount, percent, expected):
    assert percent_of(amount, Decimal(percent)) == expected


@pytest.mark.parametrize("factor", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+18", "1E+999999", "1E-19", "0E+999999"])
def test_a_factor_that_is_not_finite_or_far_too_fine_or_large_is_refused_before_it_is_expanded(factor):
    for compute in (multiply, percent_of, lambda amount, by: prorate(amount, by, 1, 2)):
        with pytest.raises(InvalidAmount, match=r"plain decimal|check its digits"):
            compute(1, Decimal(factor))


@pytest.mark.parametrize("factor", ["1E+17", "1E-18", "0", "999999999999999999"])
def test_a_factor_within_eighteen_digits_either_side_is_taken(factor):
    assert multiply(0, Decimal(factor)) == 0


def test_a_product_may_reach_the_largest_amount_and_not_pass_it():
    assert multiply(MAX_MINOR, Decimal(1)) == MAX_MINOR
    assert multiply(-MAX_MINOR, Decimal(1)) == -MAX_MINOR
    with pytest.raises(InvalidAmount, match="over the largest amount"):
        multiply(MAX_MINOR, Decimal("1.000000000000001"))


# ---- splitting ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (100, (1, 1, 1), (34, 33, 33)),
        (101, (1, 1, 1), (34, 34, 33)),
        (102, (1, 1, 1), (34, 34, 34)),
        (-100, (1, 1, 1), (-34, -33, -33)),
        (5, (1, 2), (2, 3)),  # 1.67 and 3.33: the first has the larger remainder
        (1, (0, 1, 1), (0, 1, 0)),
        (0, (3, 4), (0, 0)),
        (0, (0, 0), (0, 0)),
        (0, (), ()),
        (7, (5,), (7,)),
        (1, (1, 1_000_000), (0, 1)),
    ],
)
def test_the_largest_remainders_get_what_is_left_over(total, weights, parts):
    assert split(total, weights) == parts


weightings = st.lists(st.integers(0, 10**9), min_size=1, max_size=30)


@given(amounts, weightings)
def test_a_split_sums_exactly_and_every_part_is_within_a_unit_of_its_share(total, weights):
    assume(sum(weights) > 0)
    parts = split(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - Fraction(total * weight, sum(weights))) < 1
        assert weight or part == 0
    assert split(total, weights) == parts
    assert split(-total, weights) == tuple(-part for part in parts)


@given(st.integers(0, 10**6), weightings)
def test_a_larger_weight_never_gets_less(total, weights):
    assume(sum(weights) > 0)
    parts = sorted(zip(weights, split(total, weights), strict=True))
    assert all(one[1] <= other[1] for one, other in pairwise(parts) if one[0] < other[0])


@pytest.mark.parametrize(("total", "weights"), [(1, ()), (1, (0, 0)), (-1, (0,)), (1, (2, -1)), (0, (-1, 1))])
def test_weights_that_cannot_carry_the_total_are_refused(total, weights):
    with pytest.raises(InvalidSplit):
        split(total, weights)


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("0.00", "JPY", 0), ("0.50", "JPY", 1), ("0.49", "JPY", 0), ("5.005", "USD", 501), ("5", "KWD", 5000)],
)
def test_an_amount_for_all_currencies_is_rounded_to_the_one_it_is_applied_in(text, currency, minor):
    assert minor_in(text, currency) == minor

"""Exact money: integer minor units inside, decimal strings at the edges. PRODUCT 1.

No float enters or leaves. Rounding is half-up to the minor unit (half away from zero, so that a credit
rounds as the charge it mirrors), and each function here rounds at most once.

DomainError
├── UnknownCurrency   not an active ISO 4217 currency with a minor unit
├── InvalidAmount     not an amount of that currency, or one too large to be real
└── InvalidSplit      weights that cannot carry the total
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from shared.domain.errors import DomainError

MAX_MINOR: Final = 10**15  # inclusive; ten trillion dollars is a typing error, not an invoice
MAX_AMOUNT_CHARS: Final = 40  # longer than any amount within MAX_MINOR, short enough to refuse unread
MAX_FACTOR_DIGITS: Final = 18  # of a quantity or percentage, on either side of its decimal point

# ISO 4217 list one as of 2026, by minor-unit exponent. Metals, SDRs, bond units and the codes for tests and
# for "no currency" have no minor unit, so they are no money here.
_CODES_BY_EXPONENT: Final = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD "
        "CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS "
        "GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD "
        "LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB "
        "PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP "
        "SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW "
        "ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}

EXPONENTS: Final[Mapping[str, int]] = MappingProxyType(
    {code: exponent for exponent, codes in _CODES_BY_EXPONENT.items() for code in codes.split()}
)

_PLAIN_DECIMAL: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")


class UnknownCurrency(DomainError, ValueError):
    """The code names no active currency with a minor unit."""

    def __init__(self, currency: object) -> None:
        super().__init__(
            f"{ascii(currency)[:20]} is not an active ISO 4217 currency; give its three capital letters, such as 'USD'"
        )
        self.currency = currency


class InvalidAmount(DomainError, ValueError):
    """Not an exact amount of its currency. The message says what is wrong and the way out."""


class InvalidSplit(DomainError, ValueError):
    """The weights cannot carry the total."""


def exponent(currency: str) -> int:
    """How many decimals the currency has: 2 for USD, 0 for JPY, 3 for KWD. Raises UnknownCurrency."""
    if not isinstance(currency, str):
        raise UnknownCurrency(currency)
    found = EXPONENTS.get(currency)
    if found is None:
        raise UnknownCurrency(currency)
    return found


def parse_minor(text: str, currency: str) -> int:
    """Read a plain decimal string exactly, as minor units: "249.95" USD is 24995, "-0.5" USD is -50.

    At most the currency's decimals, at most MAX_MINOR either way; digits, one point and a leading "-" only.
    Raises InvalidAmount and UnknownCurrency. PRODUCT 1.
    """
    decimals = exponent(currency)
    if not isinstance(text, str):
        raise InvalidAmount(f"must be a decimal string, not {_kind(text)}; write {_example(currency)}")
    if len(text) > MAX_AMOUNT_CHARS:
        raise InvalidAmount(f"is longer than {MAX_AMOUNT_CHARS} characters; write {_example(currency)}")
    match = _PLAIN_DECIMAL.fullmatch(text)
    if match is None:
        raise InvalidAmount(f"{_what_is_wrong(text)}; write {_example(currency)}")
    sign, whole, fraction = match.group(1), match.group(2), match.group(3) or ""
    if len(fraction) > decimals:
        raise InvalidAmount(f"has too many decimals, {currency} has {decimals}; write {_example(currency)}")
    minor = int(whole + fraction.ljust(decimals, "0"))
    if minor > MAX_MINOR:
        raise InvalidAmount(f"is over {format_minor(MAX_MINOR, currency)} {currency}; check its digits")
    return -minor if sign else minor


@lru_cache(maxsize=1_024)  # the few amounts of policies, asked for with each invoice
def minor_in(text: str, currency: str) -> int:
    """An amount that is stated once for customers of several currencies, in one of them: "0.50" JPY is 1.

    Decimals that the currency does not have are rounded, once. Raises UnknownCurrency. PRODUCT 9.
    """
    return round_half_up(Fraction(text) * 10 ** exponent(currency))


def format_minor(minor: int, currency: str) -> str:
    """Write minor units with all of the currency's decimals: -5 USD is "-0.05", 250 JPY is "250".

    Raises UnknownCurrency. PRODUCT 1.
    """
    decimals = exponent(currency)
    sign = "-" if minor < 0 else ""
    digits = str(abs(minor)).rjust(decimals + 1, "0")
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}" if decimals else f"{sign}{digits}"


def round_half_up(value: Fraction) -> int:
    """The nearest integer; a half goes away from zero. PRODUCT 1."""
    return _divide_half_up(value.numerator, value.denominator)


def multiply(amount_minor: int, quantity: Decimal) -> int:
    """Amount × quantity in minor units, rounded once. Raises InvalidAmount if not finite or too large."""
    numerator, denominator = _ratio(quantity)
    return _within_limit(_divide_half_up(amount_minor * numerator, denominator))


def prorate(amount_minor: int, quantity: Decimal, days: int, of_days: int) -> int:
    """Amount × quantity × days ÷ of_days in minor units, rounded once, at the end. PRODUCT 3.

    `days` are those of the partial period, `of_days` those of the whole billing period that contains it.
    Raises InvalidAmount if not finite or too large, ValueError unless 0 <= days <= of_days and of_days > 0.
    """
    if of_days < 1 or not 0 <= days <= of_days:
        raise ValueError(f"{days} of {of_days} days is no part of a period")
    numerator, denominator = _ratio(quantity)
    return _within_limit(_divide_half_up(amount_minor * numerator * days, denominator * of_days))


def percent_of(amount_minor: int, percent: Decimal) -> int:
    """That many per cent of the amount, rounded once. Raises InvalidAmount if not finite or too large."""
    numerator, denominator = _ratio(percent)
    return _within_limit(_divide_half_up(amount_minor * numerator, denominator * 100))


def split(total_minor: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Share a total in proportion to weights, by largest remainder; the parts sum to the total. PRODUCT 1.

    Every part is its exact share cut to the minor unit; what is left over goes, a unit each, to the largest
    remainders, of equal ones to the first. A weight of zero gets nothing. A negative total mirrors its
    positive.
    Raises InvalidSplit on a negative weight, or if all are zero while there is something to share.
    """
    if any(weight < 0 for weight in weights):
        raise InvalidSplit("a weight is negative; split charges and credits apart")
    whole = sum(weights)
    if whole == 0:
        if total_minor:
            raise InvalidSplit("all weights are zero; give at least one positive weight")
        return (0,) * len(weights)
    sign = -1 if total_minor < 0 else 1
    shares = [divmod(abs(total_minor) * weight, whole) for weight in weights]
    left_over = abs(total_minor) - sum(part for part, _ in shares)
    by_remainder = sorted(range(len(shares)), key=lambda index: -shares[index][1])  # stable
    favoured = frozenset(by_remainder[:left_over])
    return tuple(sign * (part + (index in favoured)) for index, (part, _) in enumerate(shares))


def _divide_half_up(numerator: int, denominator: int) -> int:
    """By magnitude: `//` alone would round a negative half the other way. `denominator` is positive."""
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -magnitude if numerator < 0 else magnitude


def _ratio(factor: Decimal) -> tuple[int, int]:
    """The factor as an exact fraction. Bounded first: Decimal("1E+999999999") would fill the memory."""
    if not factor.is_finite():
        raise InvalidAmount("the quantity or percentage is not a finite number; give a plain decimal")
    places = factor.as_tuple().exponent
    if factor.adjusted() >= MAX_FACTOR_DIGITS or (isinstance(places, int) and places < -MAX_FACTOR_DIGITS):
        raise InvalidAmount(
            f"the quantity or percentage has more than {MAX_FACTOR_DIGITS} digits on one side of its point; "
            "check its digits"
        )
    return factor.as_integer_ratio()


def _within_limit(minor: int) -> int:
    if abs(minor) > MAX_MINOR:
        raise InvalidAmount("the product is over the largest amount; check the amount and the quantity")
    return minor


def _example(currency: str) -> str:
    return f'"{format_minor(24995, currency)}"'


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    return "a number" if isinstance(value, int | float | Decimal) else "a list or an object"


def _what_is_wrong(text: str) -> str:
    """The first thing about a text that is no plain decimal, in words; the text itself is never repeated."""
    return next(words for words, applies in _MISTAKES if applies.search(text))


_MISTAKES: Final = tuple(
    (words, re.compile(pattern, re.IGNORECASE))
    for words, pattern in (
        ("is empty", r"\A\Z"),
        ("has a control character", r"[\x00-\x1f\x7f-\x9f]"),
        ("has a space", r"\s"),
        ("is not a number", r"nan"),
        ("is infinite", r"inf"),
        ("is in exponent notation", r"\A[-+]?[0-9.]+e[-+]?[0-9]+\Z"),
        ("has a '+'", r"\+"),
        ("has a thousands separator or a decimal comma", r"[,'_]"),
        ("has digits of another script", r"[^\x00-\x7f]"),
        ("has no digit before or after its point", r"\A-?(\.[0-9]*|[0-9]+\.)\Z"),
        ("is not a plain decimal number", r""),
    )
)

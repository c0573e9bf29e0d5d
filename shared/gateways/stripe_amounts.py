"""Amounts as Stripe counts them. https://docs.stripe.com/currencies#zero-decimal and #special-cases

Mostly the minor unit of ISO 4217. But Stripe counts krónur and Ugandan shillings in hundredths that must be zero, has
no hundredths of the ariary, and takes amounts with three decimals only if the last one is zero.
"""

from __future__ import annotations

from typing import Final

from shared.domain.money import exponent

STRIPE_EXPONENTS: Final = {"ISK": 2, "UGX": 2, "MGA": 0}  # where they are not those of ISO 4217
LAST_DECIMAL_ZERO: Final = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})


class NotChargeable(Exception):
    """Nothing that Stripe could charge, and so nothing is sent. `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def minor_amount(amount: int, currency: str) -> int:
    """Our number for one of Stripe's, the other way round; half-up where Stripe counts finer."""
    ours = 10 ** exponent(currency)
    theirs = 10 ** STRIPE_EXPONENTS.get(currency, exponent(currency))
    return int((2 * amount * ours + theirs) // (2 * theirs))


def stripe_amount(amount_minor: int, currency: str) -> int:
    """The number to send. Raises NotChargeable for what Stripe has no number for: never a rounded amount."""
    ours = exponent(currency)
    theirs = STRIPE_EXPONENTS.get(currency, ours)
    amount, rest = divmod(amount_minor * int(10**theirs), int(10**ours))
    if amount_minor <= 0 or rest or (currency in LAST_DECIMAL_ZERO and amount % 10):
        raise NotChargeable("amount_not_chargeable")
    return amount

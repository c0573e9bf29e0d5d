"""Stripe's payment methods for tests, and what becomes of a charge on each. https://docs.stripe.com/testing"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Behaviour:
    """`error` is the code of a card error with its decline code, as Stripe nests them."""

    status: str = "succeeded"
    error: str | None = None
    decline_code: str | None = None
    advice_code: str | None = None


def declines(decline_code: str, advice_code: str | None = None) -> Behaviour:
    return Behaviour("requires_payment_method", "card_declined", decline_code, advice_code)


SUCCEEDS = Behaviour()
TEST_METHODS = {
    "pm_card_visa": SUCCEEDS,
    "pm_card_mastercard": SUCCEEDS,
    "pm_card_chargeDeclined": declines("generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": declines("insufficient_funds", "try_again_later"),
    "pm_card_chargeDeclinedLostCard": declines("lost_card"),
    "pm_card_chargeDeclinedStolenCard": declines("stolen_card", "do_not_try_again"),
    "pm_card_chargeDeclinedFraudulent": declines("fraudulent"),
    "pm_card_chargeDeclinedVelocityLimitExceeded": declines("card_velocity_exceeded"),
    "pm_card_chargeDeclinedExpiredCard": Behaviour("requires_payment_method", "expired_card", "expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": Behaviour("requires_payment_method", "incorrect_cvc", "incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": Behaviour("requires_payment_method", "processing_error"),
    "pm_card_authenticationRequired": Behaviour(
        "requires_payment_method", "authentication_required", "authentication_required"
    ),
    # Not Stripe's: states that its own test methods reach only by way of other products.
    "pm_card_requiresAction": Behaviour("requires_action"),
    "pm_card_processing": Behaviour("processing"),
    "pm_card_neverConfirmed": Behaviour("requires_confirmation"),
    "pm_card_adviceNeverAgain": declines("do_not_honor", "do_not_try_again"),
}

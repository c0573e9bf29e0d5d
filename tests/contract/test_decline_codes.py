"""The table of declines: what is never tried again, and what may be."""

from __future__ import annotations

import pytest

from shared.gateways.decline_codes import DECLINE_CODES, is_hard

# https://docs.stripe.com/billing/revenue-recovery/smart-retries: what Stripe itself never retries. PRODUCT 7 and the
# pay link make of authentication_required something that the customer can mend.
NEVER_RETRIED_BY_STRIPE = {
    "highest_risk_level", "incorrect_number", "lost_card", "pickup_card", "revocation_of_all_authorizations",
    "revocation_of_authorization", "stolen_card", "transaction_not_allowed",
}  # fmt: skip


@pytest.mark.parametrize("code", sorted(NEVER_RETRIED_BY_STRIPE))
def test_what_stripe_never_retries_is_hard(code):
    assert is_hard(code)


@pytest.mark.parametrize(
    "code", ["insufficient_funds", "do_not_honor", "generic_decline", "processing_error", "try_again_later",
             "authentication_required", "card_velocity_exceeded", "issuer_not_available", "a_code_of_tomorrow", ""]
)  # fmt: skip
def test_what_time_or_the_customer_may_mend_is_soft(code):
    assert not is_hard(code)


def test_the_advice_of_the_network_weighs_more_than_the_code():
    assert is_hard("insufficient_funds", "do_not_try_again")
    assert not is_hard("insufficient_funds", "try_again_later")
    assert is_hard("lost_card", "try_again_later")


def test_every_row_has_a_kind_and_codes_are_in_order():
    assert set(DECLINE_CODES.values()) == {"hard", "soft"}
    assert all(code.isidentifier() and code.islower() for code in DECLINE_CODES)
    assert list(DECLINE_CODES) == sorted(DECLINE_CODES)

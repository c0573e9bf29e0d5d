"""Which declines are worth another try on the same method. PRODUCT 7.

Codes and meanings: https://docs.stripe.com/declines/codes (cards) and https://docs.stripe.com/ach#ach-payments-failure
(bank debits). Hard are those that Stripe itself never retries (https://docs.stripe.com/billing/revenue-recovery/
smart-retries), and those that say that the card, the account or the mandate is gone or cannot pay this at all. One
differs: `authentication_required` is soft, because the customer can authenticate from the pay link.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

Kind = Literal["hard", "soft"]

# code | kind | what it says
_TABLE: Final = """
account_closed                       | hard | the bank account is closed
approve_with_id                      | soft | the issuer could not authorize it; may be tried again
authentication_required              | soft | the issuer wants the customer to authenticate (3D Secure)
bank_account_restricted              | hard | the account may not be debited
bank_ownership_changed               | hard | the account has moved to another bank
call_issuer                          | soft | declined for an unknown reason
card_decline_rate_limit_exceeded     | soft | declined too often today; Stripe itself stops trying for 24 hours
card_not_supported                   | hard | the card cannot be used for this kind of purchase
card_velocity_exceeded               | soft | the balance or the limit of the card is used up
currency_not_supported               | hard | the card cannot be charged in this currency
debit_not_authorized                 | hard | the account holder has not agreed to the debit
do_not_honor                         | soft | declined for an unknown reason
do_not_try_again                     | hard | the issuer asks never to try again
duplicate_transaction                | soft | the same amount was charged on this card moments ago
expired_card                         | hard | the card has expired
fraudulent                           | hard | suspected fraud
generic_could_not_process            | soft | the bank could not process the debit
generic_decline                      | soft | declined for an unknown reason, or by a rule of Radar
highest_risk_level                   | hard | blocked by Radar as too risky
incorrect_address                    | soft | the address does not match
incorrect_cvc                        | soft | the security code is wrong
incorrect_number                     | hard | there is no such card
incorrect_pin                        | soft | the PIN is wrong
incorrect_zip                        | soft | the postal code does not match
insufficient_funds                   | soft | there is not enough money
invalid_account                      | hard | the card, or the account behind it, is invalid
invalid_account_number               | hard | there is no such account
invalid_amount                       | soft | the amount is more than is allowed
invalid_currency                     | hard | the account cannot be debited in this currency
invalid_cvc                          | soft | the security code is wrong
invalid_expiry_month                 | hard | the expiry date is wrong
invalid_expiry_year                  | hard | the expiry date is wrong
invalid_number                       | hard | there is no such card
invalid_pin                          | soft | the PIN is wrong
issuer_not_available                 | soft | the issuer could not be reached
lost_card                            | hard | reported lost
merchant_blacklist                   | hard | on the block list of the business
mobile_device_authentication_required | soft | the customer has to authenticate on a device
new_account_information_available    | hard | the card, or the account behind it, is no longer valid
no_account                           | hard | there is no such account
no_action_taken                      | soft | declined for an unknown reason
not_permitted                        | soft | the payment is not permitted
offline_pin_required                 | soft | the card wants a PIN
online_or_offline_pin_required       | soft | the card wants a PIN
pickup_card                          | hard | reported lost or stolen
pin_try_exceeded                     | soft | a wrong PIN was given too often
processing_error                     | soft | an error while the card was processed
reenter_transaction                  | soft | the issuer could not process it for an unknown reason
refer_to_customer                    | soft | the account holder has to speak with the bank
restricted_card                      | hard | the card cannot be used for this; it may be reported lost or stolen
revocation_of_all_authorizations     | hard | the customer has revoked all payments
revocation_of_authorization          | hard | the customer has revoked this payment
security_violation                   | soft | declined for an unknown reason
service_not_allowed                  | soft | declined for an unknown reason
stolen_card                          | hard | reported stolen
stop_payment_order                   | hard | the customer has stopped the payment
testmode_decline                     | hard | a test card where real ones are needed
transaction_not_allowed              | hard | the card or the account does not allow such payments
try_again_later                      | soft | declined for an unknown reason; may be tried again
withdrawal_count_limit_exceeded      | soft | the balance or the limit of the card is used up
"""

# What networks advise beside the code (https://docs.stripe.com/declines/card#retrying-issuer-declines).
NEVER_AGAIN: Final = "do_not_try_again"


def _rows() -> dict[str, Kind]:
    rows: dict[str, Kind] = {}
    for line in _TABLE.strip().splitlines():
        code, kind, _ = (cell.strip() for cell in line.split("|"))
        if code in rows:
            raise ValueError(f"{code} stands twice in the table")
        rows[code] = "hard" if kind == "hard" else "soft"
    return rows


DECLINE_CODES: Final[Mapping[str, Kind]] = MappingProxyType(_rows())


def is_hard(code: str, advice: str | None = None) -> bool:
    """True: never try this method again. A code that is not in the table is soft, as retries are few anyway."""
    return advice == NEVER_AGAIN or DECLINE_CODES.get(code, "soft") == "hard"

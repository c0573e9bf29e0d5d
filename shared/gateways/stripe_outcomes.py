"""What Stripe's answers and errors mean for an attempt or a refund. Pure, but for the types of the SDK's errors.

The line between `failed` and `unknown` is the one that matters: `failed` opens the invoice for a new attempt, with a
new key, so it is said only where the request provably had no effect. Sources: https://docs.stripe.com/error-low-level
and https://docs.stripe.com/payments/paymentintents/lifecycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

import requests
import stripe
from urllib3.exceptions import NewConnectionError

from shared.domain.payment import ChargeOutcome, GatewayDispute, GatewayRefund, GivenBack
from shared.gateways.decline_codes import is_hard
from shared.gateways.stripe_amounts import minor_amount

REFUND: Final = "paidup_refund"  # name in the metadata of a refund, of its key
AUTHENTICATION_REQUIRED: Final = "authentication_required"
UNKNOWN: Final = ChargeOutcome("unknown")
CODE_CHARS_MAX: Final = 64

Fields = Mapping[str, Any]


def of_intent(intent: Fields) -> ChargeOutcome | None:
    """The outcome that a PaymentIntent stands for; None while it waits for a confirmation that nobody will give."""
    id, status = intent.get("id"), intent.get("status")
    if status == "succeeded":
        return ChargeOutcome("succeeded", id)
    if status == "requires_action":  # the customer is not there to act
        return ChargeOutcome("declined", id, AUTHENTICATION_REQUIRED, hard=False)
    if status in ("requires_payment_method", "canceled"):
        return _declined(intent["last_payment_error"], id) if intent.get("last_payment_error") else None
    if status == "requires_confirmation":
        return None
    return ChargeOutcome("unknown", id)  # processing, or a status of a later version


def of_refund(refund: Fields) -> ChargeOutcome:
    """Pending is as good as done: the money has left our balance, and a bank that sends it back is a new event."""
    id, status = refund.get("id"), refund.get("status")
    if status in ("succeeded", "pending"):
        return ChargeOutcome("succeeded", id)
    if status in ("failed", "canceled"):
        return ChargeOutcome("declined", id, _code(refund.get("failure_reason"), "refund_failed"), hard=True)
    return ChargeOutcome("unknown", id)


def given_back_of(refunds: Iterable[Fields], disputes: Iterable[Fields], currency: str) -> GivenBack:
    """The refunds and disputes of one PaymentIntent. A refund that waits for a person to act is not yet any."""
    return GivenBack(
        tuple(
            GatewayRefund(r["id"], minor_amount(r["amount"], currency), (r.get("metadata") or {}).get(REFUND),
                          of_refund(r).status == "succeeded")
            for r in refunds if r.get("status") != "requires_action"
        ),
        tuple(
            GatewayDispute(d["id"], minor_amount(d["amount"], currency), _dispute(d), d.get("reason"))
            for d in disputes
        ),
    )  # fmt: skip


def _dispute(dispute: Fields) -> Literal["open", "won", "lost"]:
    """An inquiry that was closed, and a dispute that was headed off, cost nothing either."""
    status = dispute.get("status")
    if status == "lost":
        return "lost"
    return "won" if status in ("won", "warning_closed", "prevented") else "open"


def of_error(error: stripe.StripeError) -> ChargeOutcome:
    """The outcome of a request that ended in this error, if it was the only one for its key."""
    if isinstance(error, stripe.CardError):
        details = _details(error)
        intent = details.get("payment_intent")
        id = intent.get("id") if isinstance(intent, Mapping) else None
        return _declined(details, id) if details.get("type") == "card_error" else UNKNOWN
    if isinstance(error, stripe.RateLimitError):  # turned away before anything looks at the request
        return ChargeOutcome("failed", code="rate_limited")
    if isinstance(error, stripe.AuthenticationError):
        return ChargeOutcome("failed", code="api_key_refused")
    if isinstance(error, stripe.PermissionError):
        return ChargeOutcome("failed", code="api_key_not_permitted")
    if isinstance(error, stripe.InvalidRequestError):
        return ChargeOutcome("failed", code=_code(error.code, "invalid_request"))
    if isinstance(error, stripe.APIConnectionError) and _never_connected(error):
        return ChargeOutcome("failed", code="gateway_unreachable")
    # Lost answers, 5xx, 409 (the same key is at work), and a key that was used with other parameters: something may
    # well have happened under it.
    return UNKNOWN


def of_refund_error(error: stripe.StripeError) -> ChargeOutcome:
    """As of_error, but Stripe's own no to a refund is final, and so a decline."""
    outcome = of_error(error)
    refused = isinstance(error, stripe.InvalidRequestError) and error.http_status == 400
    return ChargeOutcome("declined", code=outcome.code, hard=True) if refused else outcome


def wants_no_retry(error: stripe.StripeError) -> bool:
    """Stripe says so itself where the answer to the same key would be the same."""
    return {name.lower(): value for name, value in (error.headers or {}).items()}.get("stripe-should-retry") == "false"


def _declined(error: Fields, intent_id: str | None) -> ChargeOutcome:
    code = _code(error.get("decline_code") or error.get("code"), "generic_decline")
    return ChargeOutcome("declined", intent_id, code, hard=is_hard(code, error.get("advice_code")))


def _details(error: stripe.StripeError) -> Fields:
    body = error.json_body
    details = body.get("error") if isinstance(body, Mapping) else None
    return details if isinstance(details, Mapping) else {}


def _never_connected(error: BaseException) -> bool:
    """No connection came about, so not a byte of the request has left."""
    cause = error.__cause__
    if isinstance(cause, requests.exceptions.ConnectTimeout):
        return True
    if not isinstance(cause, requests.exceptions.ConnectionError) or not cause.args:
        return False
    return isinstance(getattr(cause.args[0], "reason", None), NewConnectionError)


def _code(code: object, otherwise: str) -> str:
    return code[:CODE_CHARS_MAX] if isinstance(code, str) and code else otherwise

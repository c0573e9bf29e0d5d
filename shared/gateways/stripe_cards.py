"""New cards: the customer gives them to Stripe's own fields in the browser, and Paidup gets a token. PRODUCT 7, 11."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import stripe

from shared.gateways.secrets import SecretUnusable
from shared.ports import CardSetup, SavedCard, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CUSTOMER: Final = "paidup_customer"  # name in Stripe's metadata
SETUP_ID: Final = re.compile(r"seti_[A-Za-z0-9_]{1,100}")


class StripeCards:
    """SetupIntents of one account. Every call raises Unavailable when Stripe cannot be asked now."""

    def __init__(self, client: Callable[[], stripe.StripeClient], fields: Callable[[], Mapping[str, str]]) -> None:
        self._client, self._fields = client, fields

    def start(self, customer_id: str, key: str, tokens: Sequence[str] = ()) -> CardSetup:
        """Prepare for a card of this customer, who is made at Stripe unless a token tells that he is known there."""
        gateway_customer = next((owner for owner, slash, _ in (t.partition("/") for t in tokens) if slash), None)
        try:
            client, publishable_key = self._client(), self._fields().get("publishable_key", "")
            if gateway_customer is None:
                made = client.v1.customers.create(
                    {"metadata": {CUSTOMER: customer_id}}, {"idempotency_key": f"{customer_id}-customer"}
                )
                gateway_customer = made.id
            setup = client.v1.setup_intents.create(
                {
                    "customer": gateway_customer,
                    "usage": "off_session",
                    "allowed_payment_method_types": ["card"],
                    "metadata": {CUSTOMER: customer_id},
                },
                {"idempotency_key": key},
            )
        except (stripe.StripeError, SecretUnusable) as error:
            raise Unavailable(f"Stripe prepared no card: {type(error).__name__}") from error
        return CardSetup(setup.id, setup.client_secret or "", publishable_key)

    def finish(self, setup_id: str, customer_id: str) -> SavedCard | None:
        """The card that came of it; None while there is none, or if it is somebody else's."""
        if not SETUP_ID.fullmatch(setup_id):
            return None
        try:
            setup: dict[str, Any] = (
                self._client().v1.setup_intents.retrieve(setup_id, {"expand": ["payment_method"]}).to_dict()
            )
        except stripe.InvalidRequestError:
            return None
        except (stripe.StripeError, SecretUnusable) as error:
            raise Unavailable(f"Stripe said nothing of a card: {type(error).__name__}") from error
        method = setup.get("payment_method")
        mine = (setup.get("metadata") or {}).get(CUSTOMER) == customer_id
        if setup.get("status") != "succeeded" or not mine or not isinstance(method, dict) or not method.get("card"):
            return None
        card = method["card"]
        token = f"{setup['customer']}/{method['id']}"
        return SavedCard(token, card["brand"], card["last4"], card["exp_month"], card["exp_year"])

"""Payments through Stripe. Importing this costs what the SDK costs, so bootstrap does it on the first use.

How one attempt stays one charge. Every request that moves money carries a key of ours: the attempt's id, or the
refund's. Stripe keeps a key for at least 24 hours, so within one call the same request may go out again; but no attempt
is sent once it is older than SENT_WITHIN, when others may have given it up. What the SDK would repeat by itself is
switched off: from its last answer one could not tell that there had been an earlier request, whose answer was lost.

How an outcome is looked up. Not by sending the key again: had the first request never arrived, that would charge. Not
by Stripe's search either, which lags behind by up to an hour. The attempt's id is in the PaymentIntent's metadata, so
the customer's PaymentIntents around that time are listed, which sees what has been written. That there is none proves
nothing while the request may still be at work; after QUIET it does.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import requests
import stripe

from shared.domain.payment import ChargeOutcome, GivenBack, Payment
from shared.gateways.secrets import SecretUnusable
from shared.gateways.stripe_amounts import NotChargeable, stripe_amount
from shared.gateways.stripe_cards import StripeCards
from shared.gateways.stripe_outcomes import (
    REFUND,
    UNKNOWN,
    given_back_of,
    of_error,
    of_intent,
    of_refund,
    of_refund_error,
    wants_no_retry,
)
from shared.gateways.webhooks import ATTEMPT, read_event, verify
from shared.ports import CardSetup, Clock, GatewayEvent, SavedCard, Unavailable

if TYPE_CHECKING:
    from stripe.params import PaymentIntentCreateParams, PaymentIntentListParams

API_VERSION: Final = "2026-10-28.endive"  # moves only on purpose: what an answer looks like depends on it
CONNECT_SECONDS_MAX: Final = 2.0
READ_SECONDS_MAX: Final = 10.0  # issuers take up to a few seconds; both tries together stay below API Gateway's 29 s
SDK_RETRIES: Final = 0  # see above
TRIES_MAX: Final = 2
PAUSE_SECONDS: Final = 0.5  # between tries

SENT_WITHIN: Final = timedelta(minutes=10)  # of the attempt; later than that it is only looked up
QUIET: Final = timedelta(minutes=30)  # after the attempt; none of its requests can be at work any longer
CREATED_WITHIN: Final = timedelta(minutes=30)  # before or after it by Stripe's clock, which may differ from ours
PAGE: Final = 100  # Stripe's limit
PAGES_MAX: Final = 20

INVOICE: Final = "paidup_invoice"

_TOKEN = re.compile(r"(?:(cus_[A-Za-z0-9_]{1,100})/)?((?:pm|card|src)_[A-Za-z0-9_]{1,100})")
_NOT_PROCESSED = ChargeOutcome("failed", code="not_processed")

Fields = dict[str, Any]


class TooMany(Exception):
    """More objects than are read to find one."""


class StripeGateway:
    """Implements shared.ports.Gateway.

    A payment method's token is `cus_…/pm_…`: Stripe charges a saved card only together with the customer that it is
    saved for. A bare `pm_…` is taken too, for methods that belong to no customer.
    """

    def __init__(
        self, fields: Callable[[], Mapping[str, str]], clock: Clock, *, forget: Callable[[], None] = lambda: None,
        base_url: str | None = None, sleep: Callable[[float], None] = time.sleep,
        read_seconds_max: float = READ_SECONDS_MAX,
    ) -> None:  # fmt: skip
        """`fields` reads the secret: `api_key` and `webhook_secret`; `forget` makes it be read anew."""
        self._fields, self._forget = fields, forget
        self._clock = clock
        self._base_url = base_url
        self._sleep = sleep
        self._read_seconds_max = read_seconds_max
        self._made: tuple[str, stripe.StripeClient] | None = None
        self.cards = StripeCards(self.client, fields)

    # ---- attempts -------------------------------------------------------------------------------

    def charge(self, payment: Payment) -> ChargeOutcome:
        if self._clock.now() - payment.at > SENT_WITHIN:
            return self.look_up(payment)
        try:
            request = _request(payment)
        except NotChargeable as refusal:
            return ChargeOutcome("failed", code=refusal.code)

        def send(client: stripe.StripeClient) -> ChargeOutcome:
            intent = client.v1.payment_intents.create(request, {"idempotency_key": payment.id})
            return of_intent(_plain(intent)) or UNKNOWN

        return self._tried(send, of_error)

    def look_up(self, payment: Payment) -> ChargeOutcome:
        """Creates nothing. A PaymentIntent that was never confirmed is cancelled, so that it never can be."""
        quiet = self._clock.now() - payment.at >= QUIET
        try:
            client = self.client()
            intent = _find(client, payment)
            if intent is None:
                return _NOT_PROCESSED if quiet else UNKNOWN
            outcome = of_intent(intent)
            if outcome is None and quiet:
                outcome = _closed(client, intent)
            return outcome or UNKNOWN
        except (stripe.StripeError, TooMany, SecretUnusable, Unavailable):
            return UNKNOWN

    def refund(self, payment: Payment, amount_minor: int, key: str) -> ChargeOutcome:
        """A refund that is there already, under this key, is not made again, however long ago that was."""
        try:
            amount = stripe_amount(amount_minor, payment.currency)
        except NotChargeable as refusal:
            return ChargeOutcome("declined", code=refusal.code, hard=True)

        def send(client: stripe.StripeClient) -> ChargeOutcome:
            intent_id = payment.gateway_id or (_find(client, payment) or {}).get("id")
            if intent_id is None:
                return ChargeOutcome("declined", code="no_such_charge", hard=True)
            made = _first(client.v1.refunds.list, {"payment_intent": intent_id}, REFUND, key)
            if made is None:
                made = _plain(
                    client.v1.refunds.create(
                        {"payment_intent": intent_id, "amount": amount, "metadata": {REFUND: key, ATTEMPT: payment.id}},
                        {"idempotency_key": key},
                    )
                )
            return of_refund(made)

        return self._tried(send, of_refund_error)

    # ---- webhooks -------------------------------------------------------------------------------

    def hear(self, body: bytes, signature: str) -> GatewayEvent:
        try:
            secret = self._fields().get("webhook_secret", "")
        except SecretUnusable as error:
            raise Unavailable(str(error)) from error
        verify(body, signature, secret, self._clock.now())
        return read_event(body)

    def attempt_of(self, reference: str) -> str | None:
        try:
            intent = _plain(self.client().v1.payment_intents.retrieve(reference))
        except stripe.InvalidRequestError:
            return None
        except (stripe.StripeError, SecretUnusable) as error:
            raise Unavailable(f"Stripe cannot be asked: {type(error).__name__}") from error
        attempt = (intent.get("metadata") or {}).get(ATTEMPT)
        return attempt if isinstance(attempt, str) else None

    def given_back(self, payment: Payment) -> GivenBack:
        if payment.gateway_id is None:
            return GivenBack()
        asked = {"payment_intent": payment.gateway_id}
        try:
            client = self.client()
            refunds = tuple(_all(client.v1.refunds.list, asked))
            disputes = tuple(_all(client.v1.disputes.list, asked))
        except (stripe.StripeError, TooMany, SecretUnusable) as error:
            raise Unavailable(f"Stripe cannot be asked: {type(error).__name__}") from error
        return given_back_of(refunds, disputes, payment.currency)

    # ---- cards ----------------------------------------------------------------------------------

    def start_card(self, customer_id: str, key: str, tokens: Sequence[str] = ()) -> CardSetup:
        return self.cards.start(customer_id, key, tokens)

    def finish_card(self, reference: str, customer_id: str) -> SavedCard | None:
        return self.cards.finish(reference, customer_id)

    def token_problem(self, token: str) -> str | None:
        return None if _TOKEN.fullmatch(token) else "is no token of Stripe's: give pm_… or cus_…/pm_…"

    # ---- the SDK --------------------------------------------------------------------------------

    def client(self) -> stripe.StripeClient:
        """The SDK's client with our limits. Raises SecretUnusable and Unavailable."""
        api_key = self._fields().get("api_key", "")
        if not api_key:
            raise SecretUnusable("the gateway's secret has no api_key")
        if self._made is None or self._made[0] != api_key:
            stripe.enable_telemetry = False  # it keeps a file in the home directory, and tells how long calls take
            session = requests.Session()
            session.trust_env = False  # a .netrc would replace the key
            http = stripe.RequestsClient(timeout=(CONNECT_SECONDS_MAX, self._read_seconds_max), session=session)
            self._made = api_key, stripe.StripeClient(
                api_key, stripe_version=API_VERSION, max_network_retries=SDK_RETRIES, http_client=http,
                base_addresses={"api": self._base_url} if self._base_url else None,
            )  # fmt: skip
        return self._made[1]

    def _tried(
        self,
        send: Callable[[stripe.StripeClient], ChargeOutcome],
        of_failure: Callable[[stripe.StripeError], ChargeOutcome],
    ) -> ChargeOutcome:
        """Send a request with its key, and send it again if its answer was lost.

        That the second was turned away says nothing of the first, so only what Stripe did is believed of it.
        """
        try:
            client = self.client()
        except (SecretUnusable, Unavailable):
            return ChargeOutcome("failed", code="gateway_keys_missing")
        for try_ in range(TRIES_MAX):
            if try_:
                self._sleep(PAUSE_SECONDS)
            try:
                return send(client)
            except TooMany:
                return UNKNOWN
            except stripe.StripeError as error:
                if isinstance(error, stripe.AuthenticationError):
                    self._forget()
                outcome = of_failure(error)
                if outcome.status != "unknown":
                    return UNKNOWN if try_ and outcome.status == "failed" else outcome
                if wants_no_retry(error):
                    break
        return UNKNOWN


def _request(payment: Payment) -> PaymentIntentCreateParams:
    """The same for every try of an attempt: a key is good only for the parameters it was first used with."""
    token = _TOKEN.fullmatch(payment.token or "")
    if token is None:
        raise NotChargeable("token_not_understood")
    request: PaymentIntentCreateParams = {
        "amount": stripe_amount(payment.amount_minor, payment.currency),
        "currency": payment.currency.lower(),
        "payment_method": token[2],
        "allowed_payment_method_types": ["card"],
        "confirm": True,
        "off_session": True,
        "metadata": {ATTEMPT: payment.id, INVOICE: payment.invoice_id or ""},
    }
    if token[1]:
        request["customer"] = token[1]
    return request


def _find(client: stripe.StripeClient, payment: Payment) -> Fields | None:
    """The attempt's PaymentIntent. Raises TooMany if there are too many to look through."""
    if payment.gateway_id:
        return _plain(client.v1.payment_intents.retrieve(payment.gateway_id))
    at, within = int(payment.at.timestamp()), int(CREATED_WITHIN.total_seconds())
    request: PaymentIntentListParams = {
        "created": {"gte": at - within, "lte": at + within},
    }
    token = _TOKEN.fullmatch(payment.token or "")
    if token and token[1]:
        request["customer"] = token[1]
    return _first(client.v1.payment_intents.list, request, ATTEMPT, payment.id)


def _closed(client: stripe.StripeClient, intent: Fields) -> ChargeOutcome | None:
    """Cancel what nobody confirmed; None if it has meanwhile become something else."""
    cancelled = _plain(client.v1.payment_intents.cancel(intent["id"])) if intent["status"] != "canceled" else intent
    return ChargeOutcome("failed", intent["id"], "not_processed") if cancelled.get("status") == "canceled" else None


def _first(fetch: Callable[[Any], object], request: Any, name: str, value: str) -> Fields | None:
    """The first object of a list whose metadata says so. Raises TooMany."""
    return next((i for i in _all(fetch, request) if (i.get("metadata") or {}).get(name) == value), None)


def _all(fetch: Callable[[Any], object], request: Any) -> Iterator[Fields]:
    """The objects of a list, page by page as they are asked for. Raises TooMany."""
    asked = dict(request) | {"limit": PAGE}
    for _ in range(PAGES_MAX):
        page = _plain(fetch(asked))
        yield from map(dict, page.get("data") or ())
        if not page.get("has_more") or not page.get("data"):
            return
        asked["starting_after"] = page["data"][-1]["id"]
    raise TooMany


def _plain(answer: object) -> Fields:
    """An answer as plain data; nothing if it is no object, as only something between Stripe and us would send."""
    return answer.to_dict() if isinstance(answer, stripe.StripeObject) else {}

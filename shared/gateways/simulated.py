"""A payment gateway that is none: what happens to each token is told beforehand, and what happened can be looked at.

It behaves as real ones do where that matters: idempotent by key, answers that are lost, declines with codes. It lives
in one process, so it serves the local cloud and rehearsals, not a deployment.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from shared.domain.copies import replace
from shared.domain.ids import derive_id
from shared.domain.payment import ChargeOutcome, GatewayDispute, GatewayRefund, GivenBack, Payment
from shared.domain.values import dataclass
from shared.gateways.decline_codes import is_hard
from shared.gateways.webhooks import ATTEMPT, read_event, sign, verify
from shared.ports import CardChoice, CardSetup, Clock, GatewayEvent, SavedCard

DECLINED = "declined:"
PLAIN_OUTCOMES = ("succeeded", "timeout_charged", "timeout_not_charged", "error_500")
OUTCOMES_MAX = 100  # in one script
CODE_CHARS_MAX = 64

# No secret at all: a webhook is a hint to ask this gateway, and it answers the truth.
SIGNING_SECRET = "whsec_simulated"  # noqa: S105

# Its own form for new cards: what each is called there, the card, and how charges on it end unless told otherwise.
CARDS: dict[str, tuple[str, SavedCard, str]] = {
    "visa": ("Visa 4242, pays", SavedCard("", "visa", "4242", 12, 2035), "succeeded"),
    "mastercard": ("Mastercard 4444, pays", SavedCard("", "mastercard", "4444", 6, 2034), "succeeded"),
    "poor": (
        "Visa 9995, has insufficient funds",
        SavedCard("", "visa", "9995", 12, 2035),
        "declined:insufficient_funds",
    ),
    "stolen": ("Visa 9979, is stolen", SavedCard("", "visa", "9979", 12, 2035), "declined:stolen_card"),
}

_LOST = ChargeOutcome("unknown")


class KeyMisused(Exception):
    """An idempotency key was used again with other parameters: a mistake of the caller's, never an outcome."""


@dataclass(frozen=True, slots=True)
class GatewayCharge:
    """What the gateway believes happened."""

    id: str
    token: str
    amount_minor: int
    currency: str
    status: Literal["succeeded", "declined", "refunded"]
    idempotency_key: str
    invoice_id: str | None
    at: datetime
    code: str | None = None
    refunded_minor: int = 0


class SimulatedGateway:
    """Implements shared.ports.Gateway. Charges succeed unless their token is told otherwise."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._scripts: dict[str, list[str]] = {}
        self._charges: dict[str, GatewayCharge] = {}  # by idempotency key, in order
        self._refunds: dict[str, tuple[str, int, ChargeOutcome]] = {}  # key: charge, amount, answer
        self._elsewhere: set[str] = set()  # the keys of those that a person made
        self._disputes: dict[str, GatewayDispute] = {}  # by the charge's key

    @property
    def charges(self) -> tuple[GatewayCharge, ...]:
        """All charges that reached the gateway, declined ones too, oldest first."""
        return tuple(self._charges.values())

    def behave(self, token: str, outcomes: Sequence[str]) -> None:
        """From now on charges on this token end so, one after the other; the last repeats. Raises ValueError."""
        if not 0 < len(outcomes) <= OUTCOMES_MAX:
            raise ValueError(f"give 1 to {OUTCOMES_MAX} outcomes")
        for outcome in outcomes:
            _check(outcome)
        self._scripts[token] = list(outcomes)

    def charge(self, payment: Payment) -> ChargeOutcome:
        known = self._charges.get(payment.id)
        if known is not None:
            if (known.token, known.amount_minor, known.currency) != _parameters(payment):
                raise KeyMisused(f"key {payment.id} was used for another charge")
            return _answer(known)
        outcome = self._next(payment.token or "")
        if outcome == "error_500":
            return ChargeOutcome("failed", code="gateway_error")
        if outcome == "timeout_not_charged":
            return _LOST
        charge = self._record(payment, outcome)
        return _LOST if outcome == "timeout_charged" else _answer(charge)

    def look_up(self, payment: Payment) -> ChargeOutcome:
        known = self._charges.get(payment.id)
        return ChargeOutcome("failed", code="not_processed") if known is None else _answer(known)

    def refund(self, payment: Payment, amount_minor: int, key: str) -> ChargeOutcome:
        if key in self._refunds:
            charge_id, amount, answer = self._refunds[key]
            if (charge_id, amount) != (payment.id, amount_minor):
                raise KeyMisused(f"key {key} was used for another refund")
            return answer
        answer = self._refund(payment.id, amount_minor, key)
        self._refunds[key] = (payment.id, amount_minor, answer)
        return answer

    def hear(self, body: bytes, signature: str) -> GatewayEvent:
        verify(body, signature, SIGNING_SECRET, self._clock.now())
        return read_event(body)

    # ---- at the gateway itself ------------------------------------------------------------------

    def refund_elsewhere(self, charge_id: str, amount_minor: int | None = None) -> str:
        """A person gives money back at the gateway's own dashboard; the refund's id. Raises ValueError."""
        charge = self._charge(charge_id)
        left = charge.amount_minor - charge.refunded_minor
        key = f"dashboard {charge_id} {len(self._refunds)}"
        answer = self._refund(charge.idempotency_key, left if amount_minor is None else amount_minor, key)
        if answer.status != "succeeded" or answer.gateway_id is None:
            raise ValueError(f"{answer.code}")
        self._refunds[key] = (charge.idempotency_key, left if amount_minor is None else amount_minor, answer)
        self._elsewhere.add(key)
        return answer.gateway_id

    def dispute(self, charge_id: str, status: Literal["open", "won", "lost"] = "open") -> GatewayDispute:
        """The payer objects to a charge, or it is decided who is right. Raises ValueError."""
        charge = self._charge(charge_id)
        if charge.status == "declined":
            raise ValueError("no_such_charge")
        known = self._disputes.get(charge.idempotency_key)
        if known is not None and known.status != "open":
            raise ValueError("dispute_closed")
        amount = known.amount_minor if known else charge.amount_minor - charge.refunded_minor
        dispute = GatewayDispute(derive_id("dp_", charge_id), amount, status, "product_not_received")
        self._disputes[charge.idempotency_key] = dispute
        return dispute

    def attempt_of(self, reference: str) -> str | None:
        return next((c.idempotency_key for c in self._charges.values() if _intent(c.id) == reference), None)

    def given_back(self, payment: Payment) -> GivenBack:
        made = [
            GatewayRefund(answer.gateway_id or "", amount, None if key in self._elsewhere else key)
            for key, (charge_key, amount, answer) in self._refunds.items()
            if charge_key == payment.id and answer.status == "succeeded"
        ]
        dispute = self._disputes.get(payment.id)
        return GivenBack(tuple(made), (dispute,) if dispute else ())

    def reversal_webhook(self, charge_id: str, kind: str, id: str) -> tuple[bytes, str]:
        """What Stripe tells of a refund (`charge.refunded`), or of a dispute, which names the charge only."""
        charge = self._charge(charge_id)
        thing: dict[str, Any] = {"id": id, "payment_intent": _intent(charge_id)}
        if kind == "charge.refunded":
            thing = {"id": charge_id, "object": "charge", "metadata": {ATTEMPT: charge.idempotency_key}}
        return self._signed(derive_id("evt_", kind, id), kind, thing)

    def _charge(self, charge_id: str) -> GatewayCharge:
        found = next((c for c in self._charges.values() if c.id == charge_id), None)
        if found is None:
            raise ValueError("no_such_charge")
        return found

    # ---- cards ----------------------------------------------------------------------------------

    def start_card(self, customer_id: str, key: str, tokens: Sequence[str] = ()) -> CardSetup:
        """References say all by themselves: which customer, which card. So any process finishes what one began."""
        reference = f"{_setup_of(customer_id)}{derive_id('', key)}"
        choices = tuple(CardChoice(label, f"{reference}~{name}") for name, (label, _, _) in CARDS.items())
        return CardSetup(reference, f"{reference}_secret", choices=choices)

    def finish_card(self, reference: str, customer_id: str) -> SavedCard | None:
        setup, _, name = reference.partition("~")
        if name not in CARDS or not setup.startswith(_setup_of(customer_id)):
            return None
        _, card, outcome = CARDS[name]
        token = derive_id("tok_", reference)
        self._scripts.setdefault(token, [outcome])
        return replace(card, token=token)

    def token_problem(self, token: str) -> str | None:
        return None

    def webhook(self, charge: GatewayCharge) -> tuple[bytes, str]:
        """What Stripe would tell of a charge: the body, and its signature as of now. The same event each time."""
        declined = charge.status == "declined"
        thing = {
            "id": charge.id,
            "object": "payment_intent",
            "status": "requires_payment_method" if declined else "succeeded",
            "metadata": {ATTEMPT: charge.idempotency_key},
        }
        kind = "payment_intent.payment_failed" if declined else "payment_intent.succeeded"
        return self._signed(derive_id("evt_", charge.id), kind, thing)

    def _signed(self, id: str, kind: str, thing: dict[str, Any]) -> tuple[bytes, str]:
        body = json.dumps({"id": id, "object": "event", "type": kind, "data": {"object": thing}}).encode()
        return body, sign(body, SIGNING_SECRET, self._clock.now())

    def _refund(self, charge_key: str, amount_minor: int, key: str) -> ChargeOutcome:
        charge = self._charges.get(charge_key)
        if charge is None or charge.status == "declined":
            return ChargeOutcome("declined", code="no_such_charge", hard=True)
        dispute = self._disputes.get(charge_key)
        if dispute is not None and dispute.status != "won":
            return ChargeOutcome("declined", code="charge_disputed", hard=True)
        refunded = charge.refunded_minor + amount_minor
        if amount_minor <= 0 or refunded > charge.amount_minor:
            return ChargeOutcome("declined", code="refund_exceeds_charge", hard=True)
        status: Literal["succeeded", "refunded"] = "refunded" if refunded == charge.amount_minor else "succeeded"
        self._charges[charge_key] = replace(charge, status=status, refunded_minor=refunded)
        return ChargeOutcome("succeeded", gateway_id=derive_id("re_", key))

    def _next(self, token: str) -> str:
        script = self._scripts.get(token)
        if script is None:
            return "succeeded"
        return script.pop(0) if len(script) > 1 else script[0]

    def _record(self, payment: Payment, outcome: str) -> GatewayCharge:
        token, amount_minor, currency = _parameters(payment)
        declined = outcome.startswith(DECLINED)
        charge = GatewayCharge(
            id=derive_id("ch_", payment.id),
            token=token,
            amount_minor=amount_minor,
            currency=currency,
            status="declined" if declined else "succeeded",
            idempotency_key=payment.id,
            invoice_id=payment.invoice_id,
            at=self._clock.now(),
            code=outcome.removeprefix(DECLINED) if declined else None,
        )
        self._charges[payment.id] = charge
        return charge


def _intent(charge_id: str) -> str:
    """Where Stripe has a charge and the PaymentIntent it was made by, there is one thing here."""
    return charge_id.replace("ch_", "pi_", 1)


def _setup_of(customer_id: str) -> str:
    return f"{derive_id('seti_', customer_id)}_"


def _parameters(payment: Payment) -> tuple[str, int, str]:
    return payment.token or "", payment.amount_minor, payment.currency


def _answer(charge: GatewayCharge) -> ChargeOutcome:
    if charge.status == "declined":
        return ChargeOutcome("declined", charge.id, charge.code, hard=is_hard(charge.code or ""))
    return ChargeOutcome("succeeded", charge.id)


def _check(outcome: str) -> None:
    code = outcome.removeprefix(DECLINED)
    declined = outcome.startswith(DECLINED) and code.isidentifier() and len(code) <= CODE_CHARS_MAX
    if not declined and outcome not in PLAIN_OUTCOMES:
        raise ValueError(f"{outcome[:CODE_CHARS_MAX]!r} is none of {', '.join(PLAIN_OUTCOMES)}, declined:<code>")

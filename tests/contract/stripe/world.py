"""A gateway, the Stripe that it speaks to, and one clock for both."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from shared.domain.payment import ChargeOutcome, Payment
from shared.gateways.stripe import StripeGateway
from tests.stripe_server import API_KEY, SIGNING_SECRET

AT = datetime(2026, 1, 5, 11, tzinfo=UTC)
PATIENCE = 0.25  # seconds that an answer may take here
PUBLISHABLE_KEY = "pk_test_paidup"
UNKNOWN = ChargeOutcome("unknown")


class MovedClock:
    """Ours and Stripe's."""

    def __init__(self) -> None:
        self.at = AT

    def now(self) -> datetime:
        return self.at

    def seconds(self) -> float:
        return self.at.timestamp()


def gateway_at(url, clock, api_key=API_KEY, patience=PATIENCE, **more) -> StripeGateway:
    fields = {"api_key": api_key, "webhook_secret": SIGNING_SECRET, "publishable_key": PUBLISHABLE_KEY}
    return StripeGateway(
        lambda: fields, clock, base_url=url, sleep=lambda seconds: None, read_seconds_max=patience, **more
    )


def attempt(token: str | None = "pm_card_visa", ordinal: int = 1, **other) -> Payment:
    made = Payment(
        id=f"pay_{ordinal}", customer_id="cus_1", currency="USD", amount_minor=24_995, method="card",
        status="pending", at=AT, invoice_id="inv_1", token=token, attempt=ordinal,
    )  # fmt: skip
    return replace(made, **other)


def charged(payment: Payment, gateway: StripeGateway) -> Payment:
    outcome = gateway.charge(payment)
    assert outcome.status == "succeeded"
    return replace(payment, status="succeeded", gateway_id=outcome.gateway_id)

"""Customers and what steers them (switches, pauses, holds), read and shown. API.md "Shapes", PRODUCT 2."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import Field

from shared.contracts.api_fields import (
    AddressBody,
    Body,
    ClassId,
    Currency,
    CustomerId,
    Day,
    Email,
    Name,
    Percent,
    Schedule,
    Timezone,
    iso,
    plain,
    refuse,
)
from shared.domain.address import Address
from shared.domain.copies import replace
from shared.domain.customer import Customer, Delivery, Hold, HoldReason, Switches
from shared.domain.invoice import InvoiceHold
from shared.domain.policy import DEFAULT_CLASS_ID
from shared.domain.settings import Language

DELIVERIES: Final[tuple[Delivery, ...]] = ("email", "print")


class SwitchesBody(Body):
    enabled: bool = False
    send_new_invoices: bool | None = None
    account_summary: bool | None = None
    past_due: bool | None = None


def _by_email() -> list[Delivery]:
    return ["email"]


class CustomerBody(Body):
    """A customer as created, or as a patch leaves it. Policy values are a class's, never a customer's."""

    id: CustomerId | None = None
    name: Name
    email: Email | None = None
    class_id: ClassId = DEFAULT_CLASS_ID
    currency: Currency | None = None
    timezone: Timezone | None = None
    address: AddressBody = Field(default_factory=AddressBody)
    delivery: Annotated[list[Delivery], Field(max_length=len(DELIVERIES))] = Field(default_factory=_by_email)
    tax_rate_percent: Percent = Decimal(0)
    automations: SwitchesBody = Field(default_factory=SwitchesBody)
    account_summary_schedule: Schedule | None = None
    external_id: Name | None = None
    language: Language | None = None
    version: int | None = None


class PauseBody(Body):
    """Through a date (inclusive), or open-ended."""

    through: Day | None = None


class HoldBody(Body):
    reason: HoldReason = "other"
    through: Day | None = None


def read_customer(body: CustomerBody, before: Customer) -> Customer:
    """The customer with everything a body says; what it cannot say (pauses, service, …) stays as before."""
    if len(set(body.delivery)) < len(body.delivery):
        refuse("delivery", "names a way twice")
    return replace(
        before,
        name=body.name,
        email=body.email,
        class_id=body.class_id,
        currency=body.currency or before.currency,
        timezone=body.timezone,
        address=Address(**dict(body.address)),
        delivery=tuple(body.delivery),
        tax_rate_percent=body.tax_rate_percent,
        automations=Switches(**dict(body.automations)),
        account_summary_schedule=body.account_summary_schedule,
        external_id=body.external_id,
        language=body.language,
    )


def customer_tree(customer: Customer) -> dict[str, Any]:
    """What a merge patch applies to."""
    address, switches = customer.address, customer.automations
    return {
        "name": customer.name,
        "email": customer.email,
        "class_id": customer.class_id,
        "currency": customer.currency,
        "timezone": customer.timezone,
        "address": {
            "line1": address.line1, "line2": address.line2, "city": address.city, "region": address.region,
            "postal_code": address.postal_code, "country": address.country,
        },
        "delivery": list(customer.delivery),
        "tax_rate_percent": plain(customer.tax_rate_percent),
        "automations": {
            "enabled": switches.enabled, "send_new_invoices": switches.send_new_invoices,
            "account_summary": switches.account_summary, "past_due": switches.past_due,
        },
        "account_summary_schedule": customer.account_summary_schedule,
        "external_id": customer.external_id,
        "language": customer.language,
    }  # fmt: skip


def customer_json(customer: Customer) -> dict[str, Any]:
    return {"id": customer.id, **customer_tree(customer), "version": customer.version}


def hold_json(hold: Hold | InvoiceHold | None) -> dict[str, Any] | None:
    return {"reason": hold.reason, "through": iso(hold.through)} if hold else None

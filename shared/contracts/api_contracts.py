"""Contracts and charges, read and shown. API.md "Shapes", PRODUCT 3."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from shared.contracts.api_fields import (
    Amount,
    Body,
    ChargeId,
    ContractId,
    Currency,
    Day,
    Findings,
    Name,
    Quantity,
    iso,
    minor,
    plain,
)
from shared.domain.calendar import MAX_COUNT, Interval
from shared.domain.contract import CHARGES_MAX, Change, Charge, Contract, PriceTier, Timing
from shared.domain.ids import derive_id
from shared.domain.money import format_minor, multiply

TIERS_MAX: Final = 50
_METRIC: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def metric(value: object) -> str:
    if not isinstance(value, str) or not _METRIC.fullmatch(value):
        raise ValueError("must be 1 to 64 letters, digits, '_', '.', ':' and '-'")
    return value


Metric = Annotated[
    str, BeforeValidator(metric), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,64}$"})
]
Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]


class RecurringBody(Body):
    id: ChargeId | None = None
    name: Name
    type: Literal["recurring"]
    amount: Amount
    quantity: Quantity = Decimal(1)
    interval: Interval = "month"
    interval_count: Count = 1
    timing: Timing = "advance"
    prorate: bool = True
    taxable: bool = True


class PriceTierBody(Body):
    up_to: Quantity | None
    unit_amount: Amount


class UsageChargeBody(Body):
    id: ChargeId | None = None
    name: Name
    type: Literal["usage"]
    metric: Metric
    unit_amount: Amount | None = None
    tier_mode: Literal["graduated", "volume"] | None = None
    tiers: Annotated[list[PriceTierBody], Field(min_length=1, max_length=TIERS_MAX)] | None = None
    included_quantity: Quantity = Decimal(0)
    interval: Interval = "month"
    interval_count: Count = 1
    timing: Literal["arrears"] = "arrears"
    expected: bool = False
    taxable: bool = True


class OneTimeBody(Body):
    id: ChargeId | None = None
    name: Name
    type: Literal["one_time"]
    amount: Amount
    on: Day
    taxable: bool = True


ChargeBody = Annotated[RecurringBody | UsageChargeBody | OneTimeBody, Field(discriminator="type")]


class ContractBody(Body):
    id: ContractId | None = None
    name: Name
    start_date: Day
    end_date: Day | None = None
    billing_starts_on: Day | None = None
    bill_cycle_day: Annotated[int, Field(ge=1, le=31)] | None = None
    anchor_month: Annotated[int, Field(ge=1, le=12)] | None = None
    currency: Currency | None = None
    charges: Annotated[list[ChargeBody], Field(max_length=CHARGES_MAX)] = Field(default_factory=list)


class RenameBody(Body):
    name: Name
    version: int | None = None


class ContractChangeBody(Body):
    """A change of a charge's quantity or amount, or a charge that is added, from a date on."""

    effective_on: Day
    charge_id: ChargeId | None = None
    quantity: Quantity | None = None
    amount: Amount | None = None
    add: ChargeBody | None = None


class OnBody(Body):
    on: Day


# ---- reading --------------------------------------------------------------------------------------------------


def read_contract(body: ContractBody, contract_id: str, customer_id: str, currency: str) -> Contract:
    """The contract in its currency (the customer's unless the body names one). Raises InvalidBody."""
    found, currency = Findings(), body.currency or currency
    if body.end_date is not None and body.end_date <= body.start_date:
        found.add("end_date", "must be later than start_date: it is the first day without service")
    if body.billing_starts_on is not None and body.billing_starts_on < body.start_date:
        found.add("billing_starts_on", "must not be before start_date")
    charges: list[Charge] = []
    for n, charge in enumerate(body.charges):
        made = read_charge(f"charges[{n}]", charge, charge.id or derive_id("chg_", contract_id, n), currency, found)
        if made.id in {c.id for c in charges}:
            found.add(f"charges[{n}].id", "is the id of a charge before it")
        charges.append(made)
    found.done()
    return Contract(
        id=contract_id,
        customer_id=customer_id,
        name=body.name,
        currency=currency,
        start_date=body.start_date,
        billing_starts_on=body.billing_starts_on or body.start_date,
        bill_cycle_day=body.bill_cycle_day or body.start_date.day,
        end_date=body.end_date,
        anchor_month=body.anchor_month,
        charges=tuple(charges),
    )


def read_charge(
    at: str, body: RecurringBody | UsageChargeBody | OneTimeBody, charge_id: str, currency: str, found: Findings
) -> Charge:
    """One charge, with what is wrong with it added to `found` under the path `at`."""
    if isinstance(body, OneTimeBody):
        amount = read_minor(f"{at}.amount", body.amount, currency, found)
        return Charge(charge_id, body.name, "one_time", amount, on=body.on, taxable=body.taxable)
    if isinstance(body, UsageChargeBody):
        return _usage(at, body, charge_id, currency, found)
    amount = read_minor(f"{at}.amount", body.amount, currency, found)
    with found.at(f"{at}.quantity"):
        multiply(amount, body.quantity)
    return Charge(
        id=charge_id, name=body.name, type="recurring", amount_minor=amount, quantity=body.quantity,
        interval=body.interval, interval_count=body.interval_count, timing=body.timing, prorate=body.prorate,
        taxable=body.taxable,
    )  # fmt: skip


def _usage(at: str, body: UsageChargeBody, charge_id: str, currency: str, found: Findings) -> Charge:
    priced, tiered = body.unit_amount is not None, body.tiers is not None
    if priced == tiered:
        found.add(f"{at}.unit_amount", "give either unit_amount, or tiers with a tier_mode")
    if tiered and body.tier_mode is None:
        found.add(f"{at}.tier_mode", "is required with tiers")
    if body.tier_mode is not None and not tiered:
        found.add(f"{at}.tiers", "is required with a tier_mode")
    unit = read_minor(f"{at}.unit_amount", body.unit_amount, currency, found) if body.unit_amount is not None else None
    return Charge(
        id=charge_id, name=body.name, type="usage", metric=body.metric, unit_amount_minor=unit,
        tier_mode=body.tier_mode,
        tiers=_tiers(f"{at}.tiers", body.tiers or (), currency, found), included_quantity=body.included_quantity,
        interval=body.interval, interval_count=body.interval_count, timing="arrears", expected=body.expected,
        taxable=body.taxable,
    )  # fmt: skip


def _tiers(at: str, bodies: Sequence[PriceTierBody], currency: str, found: Findings) -> tuple[PriceTier, ...]:
    """Ascending; the last has no end."""
    before, last = Decimal(0), len(bodies) - 1
    for n, body in enumerate(bodies):
        if (body.up_to is None) != (n == last):
            found.add(f"{at}[{n}].up_to", "must be null in the last tier, and only there")
        elif body.up_to is not None and body.up_to <= before:
            found.add(f"{at}[{n}].up_to", "must be more than that of the tier before it")
        before = body.up_to or before
    return tuple(
        PriceTier(b.up_to, read_minor(f"{at}[{n}].unit_amount", b.unit_amount, currency, found))
        for n, b in enumerate(bodies)
    )


def read_minor(at: str, amount: str, currency: str, found: Findings) -> int:
    return found.attempt(at, lambda: minor(amount, currency), 0)


# ---- showing --------------------------------------------------------------------------------------------------


def contract_json(contract: Contract, on: date) -> dict[str, Any]:
    """The contract as of a local date of its customer: status and prices are those in force on that day."""
    return {
        "id": contract.id,
        "customer_id": contract.customer_id,
        "name": contract.name,
        "currency": contract.currency,
        "start_date": iso(contract.start_date),
        "end_date": iso(contract.end_date),
        "billing_starts_on": iso(contract.billing_starts_on),
        "bill_cycle_day": contract.bill_cycle_day,
        "anchor_month": contract.anchor_month,
        "status": contract.status(on),
        "charges": [charge_json(charge, contract.currency, on) for charge in contract.charges],
        "version": contract.version,
    }


def planned_json(contract: Contract, on: date) -> dict[str, Any]:
    """As contract_json, but of the changes only those to come: the prices in force say what the others came to."""
    shown = contract_json(contract, on)
    for charge in shown["charges"]:
        if "changes" in charge:
            charge["changes"] = [c for c in charge["changes"] if c["effective_on"] > on.isoformat()]
    return shown


def charge_json(charge: Charge, currency: str, on: date) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": charge.id, "name": charge.name, "type": charge.type}
    if charge.type == "one_time":
        shown |= {"amount": format_minor(charge.amount_minor, currency), "on": iso(charge.on)}
    elif charge.type == "usage":
        shown |= _usage_json(charge, currency)
    else:
        shown |= _recurring_json(charge, currency, on)
    if charge.starts_on is not None:
        shown["starts_on"] = iso(charge.starts_on)
    return shown if charge.taxable else {**shown, "taxable": False}


def _recurring_json(charge: Charge, currency: str, on: date) -> dict[str, Any]:
    amount, quantity = charge.amount_minor, charge.quantity
    for change in sorted(charge.changes, key=lambda c: c.effective_on):
        if change.effective_on <= on:
            amount = change.amount_minor if change.amount_minor is not None else amount
            quantity = change.quantity if change.quantity is not None else quantity
    return {
        "amount": format_minor(amount, currency), "quantity": plain(quantity), "interval": charge.interval,
        "interval_count": charge.interval_count, "timing": charge.timing, "prorate": charge.prorate,
        "changes": [_change_json(c, currency) for c in charge.changes],
    }  # fmt: skip


def _change_json(change: Change, currency: str) -> dict[str, Any]:
    return {
        "effective_on": iso(change.effective_on),
        "amount": format_minor(change.amount_minor, currency) if change.amount_minor is not None else None,
        "quantity": plain(change.quantity) if change.quantity is not None else None,
    }


def _usage_json(charge: Charge, currency: str) -> dict[str, Any]:
    price: dict[str, Any] = {}
    if charge.unit_amount_minor is not None:
        price["unit_amount"] = format_minor(charge.unit_amount_minor, currency)
    else:
        price["tier_mode"] = charge.tier_mode
        price["tiers"] = [
            {
                "up_to": plain(t.up_to) if t.up_to is not None else None,
                "unit_amount": format_minor(t.unit_amount_minor, currency),
            }
            for t in charge.tiers
        ]
    return {
        "metric": charge.metric, **price, "included_quantity": plain(charge.included_quantity),
        "interval": charge.interval, "interval_count": charge.interval_count, "expected": charge.expected,
    }  # fmt: skip

"""Accounts of customers, shown. API.md "Shapes"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from shared.contracts.api_fields import iso, rfc3339
from shared.contracts.api_payments import money_json
from shared.domain.account_summary import Balance, Movement, Statement
from shared.domain.calendar import local_date
from shared.domain.customer import Customer
from shared.domain.money import format_minor
from shared.domain.settings import Settings
from shared.domain.stops import Stop


def account_json(
    *,
    balance: Mapping[str, int],
    credit: Mapping[str, int],
    past_due: Mapping[str, int],
    since: date | None,
    days: int,
    tier: int,
    service: str,
    next_step: dict[str, Any] | None,
    promise: dict[str, Any] | None = None,
    stops: Iterable[Stop] = (),
) -> dict[str, Any]:
    return {
        "balance": money_json(balance),
        "credit": money_json(credit),
        "past_due": money_json(past_due),
        "episode": {"since": iso(since), "days": days} if since else None,
        "tier": tier,
        "service": service,
        "next_step": next_step,
        "promise": promise,
        "stopped_by": stops_json(stops),
    }


def statement_json(told: Statement, customer: Customer, settings: Settings, asked_from: date | None) -> dict[str, Any]:
    """By currency, in the order in which it happened; `amount` is what each entry changes of what is owed."""
    zone = customer.zone(settings)
    last = local_date(told.through_at, zone) - timedelta(days=1)
    currencies = sorted({customer.currency, *(b.currency for b in told.balances)})
    balances = {b.currency: b for b in told.balances}
    shown = {c: _ledger(told, c, balances.get(c, Balance(c, 0, 0)), zone) for c in currencies}
    return {"customer_id": customer.id, "from": iso(asked_from), "to": iso(last), "currencies": shown}


def _ledger(told: Statement, currency: str, balance: Balance, zone: str) -> dict[str, Any]:
    return {
        "opening_balance": format_minor(balance.opening_minor, currency),
        "entries": [_entry(m, owed, zone) for m, owed in told.ledger(currency)],
        "closing_balance": format_minor(balance.closing_minor, currency),
    }


def _entry(movement: Movement, owed_minor: int, zone: str) -> dict[str, Any]:
    currency = movement.currency
    return {
        "at": rfc3339(movement.at),
        "on": iso(local_date(movement.at, zone)),
        "kind": movement.kind,
        "id": movement.id,
        "number": movement.label or None,
        "reference": movement.reference,
        "amount": format_minor(movement.amount_minor, currency),
        "balance": format_minor(owed_minor, currency),
        "applied": [
            {"invoice_id": a.invoice_id, "amount": format_minor(a.amount_minor, currency)} for a in movement.applied
        ],
    }


def stops_json(stops: Iterable[Stop]) -> list[dict[str, Any]]:
    """Pauses, holds and the promise in force; `through` is inclusive, and null until lifted."""
    return [{"kind": s.kind, "subject_id": s.subject_id, "reason": s.reason, "through": iso(s.through)} for s in stops]


def step_json(kind: str, on: date) -> dict[str, Any]:
    return {"kind": kind, "on": iso(on)}

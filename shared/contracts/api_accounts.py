"""Accounts of customers, shown. API.md "Shapes"."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from shared.contracts.api_fields import iso
from shared.contracts.api_payments import money_json


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
    }


def step_json(kind: str, on: date) -> dict[str, Any]:
    return {"kind": kind, "on": iso(on)}

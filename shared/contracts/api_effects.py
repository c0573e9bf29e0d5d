"""What a change of policy would do, shown before it is saved. PRODUCT 9."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.domain.policy_effects import PolicyEffects

IDS_SHOWN_MAX: Final = 200  # customers named per effect; all are counted


def effects_json(effects: PolicyEffects) -> dict[str, Any]:
    """By tomorrow: what would be done that would not be done as things are, and the reverse."""
    shown = {
        "customers": effects.customers,
        "open_invoices": effects.open_invoices,
        "complete": effects.complete,
        "would": _named(effects.difference.would),
        "would_not": _named(effects.difference.would_not),
    }
    return {"effects": shown}


def _named(by_effect: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {e: {"count": len(ids), "customer_ids": list(ids[:IDS_SHOWN_MAX])} for e, ids in by_effect.items()}

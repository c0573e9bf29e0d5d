"""Warnings in the answer to a save: it was saved, and is hardly meant. PRODUCT 12."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from shared.domain.policy_lint import Warned

_WARNING: Final = {
    "type": "object", "required": ["field", "code", "message"],
    "properties": {name: {"type": "string"} for name in ("field", "code", "message")},
}  # fmt: skip
WARNINGS: Final = {"type": "array", "items": _WARNING, "description": "What was saved and is hardly meant"}


def warnings_json(found: Iterable[Warned]) -> dict[str, Any]:
    """Nothing at all where there is nothing to warn of."""
    warned = [{"field": w.field, "code": w.code, "message": w.message} for w in found]
    return {"warnings": warned} if warned else {}

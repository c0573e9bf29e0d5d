"""JSON as the API reads and writes it: numbers stay exact, and what is no JSON is refused."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any, Final, NoReturn

DEPTH_MAX: Final = 32  # of nested objects and lists; the deepest body of the contract has eight


class Malformed(ValueError):
    """The text is not JSON."""


def loads(text: str | bytes) -> Any:
    """Raises Malformed, also for NaN and Infinity, which are not JSON, and for what is nested too deeply."""
    try:
        value = json.loads(text, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError) as wrong:
        raise Malformed("the body is not JSON") from wrong
    _check_depth(value)
    return value


def dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_number)


def fingerprint(value: object) -> str:
    """The digest of a JSON value, whatever the order of its keys."""
    canonical = json.dumps(value, separators=(",", ":"), sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396: objects merge, null removes, everything else replaces."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


def _no_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _number(value: object) -> float:
    """Only percentages are written as JSON numbers; every amount is a string."""
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _check_depth(value: object) -> None:
    level, depth = [value], 0
    while level:
        if depth > DEPTH_MAX:
            raise Malformed(f"the body is nested deeper than {DEPTH_MAX} levels")
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        depth += 1

"""What the API shows of customers, contracts, usage and invoices as rows of CSV that an import reads back. PRODUCT 12.

Columns are the API's fields: nested ones with ".", lists joined with ";", a contract or invoice repeated per charge or
line. A cell that a spreadsheet would run as a formula begins with "'".
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from shared.contracts.import_csv import CHANGEABLE, SHAPES, Kind, prefixed

_CHARGE: Final = (
    "id", "name", "type", "amount", "quantity", "interval", "interval_count", "timing", "prorate", "taxable",
    "metric", "unit_amount", "tier_mode", "tiers", "included_quantity", "expected", "on", "starts_on", "changes",
)  # fmt: skip
_LINE: Final = (
    "name", "contract_id", "charge_id", "service_start", "service_end", "quantity", "unit_amount", "amount", "taxable",
)  # fmt: skip

COLUMNS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "customers": (
        "id", "external_id", "name", "email", "class_id", "currency", "timezone",
        *(f"address.{name}" for name in ("line1", "line2", "city", "region", "postal_code", "country")),
        "delivery", "tax_rate_percent",
        *(f"automations.{name}" for name in ("enabled", "send_new_invoices", "account_summary", "past_due")),
        "account_summary_schedule", "language",
    ),
    "contracts": (
        "id", "customer_id", "name", "currency", "start_date", "end_date", "billing_starts_on", "bill_cycle_day",
        "anchor_month", "status", *(f"charges.{name}" for name in _CHARGE),
    ),
    "usage": ("id", "contract_id", "metric", "quantity", "occurred_at"),
    "invoices": (
        "id", "number", "customer_id", "type", "status", "invoice_date", "due_on", "currency",
        *(f"lines.{name}" for name in _LINE), "total", "residual",
    ),
}  # fmt: skip

# What the API leaves out of a charge because it is as usual.
_USUAL: Final[Mapping[str, Any]] = {"charges.taxable": True}


def header_of(kind: Kind) -> str:
    return written([COLUMNS[kind]])


def rows_of(kind: Kind, shown: Mapping[str, Any]) -> str:
    """The rows of one thing, as the API shows it in JSON."""
    parts = SHAPES[kind].parts
    entries: Iterable[Mapping[str, Any]] = (shown[parts] or [{}]) if parts else [{}]
    return written([_cell(column, shown, entry) for column in COLUMNS[kind]] for entry in entries)


def written(rows: Iterable[Iterable[str]]) -> str:
    """Rows of cells as CSV (RFC 4180), each cell made harmless."""
    out = io.StringIO()
    csv.writer(out).writerows([prefixed(cell) for cell in row] for row in rows)
    return out.getvalue()


def _cell(column: str, shown: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    outer, _, leaf = column.partition(".")
    if outer in ("charges", "lines"):
        value = entry.get(leaf, _USUAL.get(column) if entry else None)
    else:
        value = shown.get(outer)
        value = value.get(leaf) if leaf and isinstance(value, Mapping) else value
    return _SPECIAL.get(column, text_of)(value)


def text_of(value: Any) -> str:
    """A JSON value as a cell; nothing at all as an empty one, an empty list as ";"."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ";".join(value) or ";"
    return str(value)


def _tiers(tiers: list[dict[str, Any]] | None) -> str:
    """`1000=0.10;*=0.06`"""
    return ";".join(f"{'*' if t['up_to'] is None else t['up_to']}={t['unit_amount']}" for t in tiers or ())


def _changes(changes: list[dict[str, Any]] | None) -> str:
    """`2026-02-01:amount=5.00,quantity=2;2026-03-01:quantity=3`"""
    return ";".join(
        f"{c['effective_on']}:{','.join(f'{name}={c[name]}' for name in CHANGEABLE if c[name] is not None)}"
        for c in changes or ()
    )


_SPECIAL: Final[Mapping[str, Callable[[Any], str]]] = {"charges.tiers": _tiers, "charges.changes": _changes}

__all__ = ["COLUMNS", "header_of", "rows_of", "text_of", "written"]

"""Builders with defaults, and a strategy for any stored type, so that tests say only what matters to them."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from shared.domain.customer import Customer
from shared.domain.invoice import Invoice, InvoiceLines, Line

AT = datetime(2026, 1, 1, 9, 30, tzinfo=UTC)


def invoice(id: str = "inv_1", customer_id: str = "cus_1", minutes: int = 0, **more: Any) -> Invoice:
    values = {"currency": "USD", "invoice_date": date(2026, 1, 1), "created_at": AT + timedelta(minutes=minutes)}
    return Invoice(id=id, customer_id=customer_id, **{**values, **more})


def customer(id: str = "cus_1", name: str = "Acme Ltd", **more: Any) -> Customer:
    return Customer(id=id, name=name, **more)


def lines(part: int, count: int = 1, name: str = "Support", invoice_id: str = "inv_1") -> InvoiceLines:
    made = tuple(
        Line(f"{name} {n}", 24_995 + n, unit_amount_minor=24_995, service_start=date(2026, 1, 1), contract_id="con_1")
        for n in range(count)
    )
    return InvoiceLines(invoice_id, part, made)


# ---- any value of a stored type -----------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(["", "\x00", "😀", "a\nb", "ﷺ", "{", '"\\'])
DECIMALS = st.sampled_from([Decimal(10) ** 30, Decimal("1E-9"), Decimal("1.00"), Decimal("-0.10")]) | st.decimals(
    allow_nan=False, allow_infinity=False, places=6
)
INSTANTS = st.timedeltas(timedelta(0), timedelta(days=30_000)).map(
    lambda since: datetime(1990, 1, 1, tzinfo=UTC) + since
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(-(2**62), 2**62),
    bool: st.booleans(),
    Decimal: DECIMALS,
    date: st.dates(date(1990, 1, 1), date(2100, 1, 1)),
    datetime: INSTANTS,
    object: JSON,
    type(None): st.none(),
}


@cache
def any_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values of a type as annotations name it; entities at version 0."""
    if kind in PLAIN:
        return PLAIN[kind]
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (Union, types.UnionType):
        return st.one_of([any_of(arg) for arg in args])
    if origin is tuple and args[-1] is Ellipsis:
        return st.lists(any_of(args[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*map(any_of, args))
    if origin is dict:
        return st.dictionaries(any_of(args[0]), any_of(args[1]), max_size=3)
    assert is_dataclass(kind), kind
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind) if field.name != "version"]
    return st.builds(kind, **{name: any_of(hints[name]) for name in names})

"""Reports as JSON and as rows of CSV. API.md "Shapes"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

from shared.contracts.api_fields import iso
from shared.contracts.api_payments import money_json
from shared.domain.cash_forecast import Expected, Slice
from shared.domain.money import format_minor
from shared.domain.reports import BUCKETS, Aged, Period, written
from shared.domain.values import dataclass

Json = dict[str, Any]
Row = Sequence[object]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One report in both forms: `body` is its JSON, header and rows are its CSV."""

    name: str
    as_of: date
    body: Json
    header: tuple[str, ...]
    rows: list[Row]


AGED_HEADER: Final = ("as_of", "customer_id", "name", "currency", *BUCKETS, "total", "credit")
DSO_HEADER: Final = (
    "as_of", "days", "currency", "receivables", "current", "credit_sales", "dso", "best_possible_dso",
    "average_days_delinquent",
)  # fmt: skip
CEI_HEADER: Final = ("from", "through", "currency", "beginning", "credit_sales", "ending", "ending_current", "cei")
CASH_HEADER: Final = (
    "as_of", "customer_id", "name", "invoice_id", "number", "currency", "amount", "due_on", "expected_on", "method",
)  # fmt: skip
RUNS_HEADER: Final = ("kind", "id", "status", "as_of", "created_at", "completed_at", "measure", "value")

Customers = Sequence[tuple[str, str, Mapping[str, Aged]]]  # id, name, by currency


def aged_sheet(as_of: date, totals: Mapping[str, Aged], customers: Customers, items: bool) -> Sheet:
    body: Json = {"as_of": iso(as_of), "totals": {c: aged_json(a, c) for c, a in totals.items()}}
    if items:
        body["items"] = [
            {"customer_id": id, "name": name, "amounts": {c: aged_json(a, c) for c, a in by_currency.items()}}
            for id, name, by_currency in customers
        ]
    rows = [
        (iso(as_of), id, name, currency, *aged_json(aged, currency).values())
        for id, name, by_currency in customers
        for currency, aged in by_currency.items()
    ]
    return Sheet("aged-receivables", as_of, body, AGED_HEADER, list(rows))


def aged_json(aged: Aged, currency: str) -> dict[str, str]:
    """The buckets, their total, and credit, which is not taken off any of them."""
    minor: dict[str, int] = dict(aged.owed_minor) | {"total": aged.total_minor, "credit": aged.credit_minor}
    return {name: format_minor(amount, currency) for name, amount in minor.items()}


def dso_sheet(as_of: date, days: int, by_currency: Mapping[str, Period]) -> Sheet:
    totals = {currency: _dso(period, currency) for currency, period in by_currency.items()}
    rows = [(iso(as_of), days, currency, *figures.values()) for currency, figures in totals.items()]
    return Sheet("dso", as_of, {"as_of": iso(as_of), "days": days, "totals": totals}, DSO_HEADER, list(rows))


def _dso(period: Period, currency: str) -> Json:
    return {
        "receivables": format_minor(period.ending_minor, currency),
        "current": format_minor(period.ending_current_minor, currency),
        "credit_sales": format_minor(period.credit_sales_minor, currency),
        "dso": written(period.dso),
        "best_possible_dso": written(period.best_possible_dso),
        "average_days_delinquent": written(period.average_days_delinquent),
    }


Periods = Sequence[tuple[date, date, Mapping[str, Period]]]  # first day, last day, by currency


def cei_sheet(as_of: date, days: int, periods: Periods) -> Sheet:
    shown = [
        {"from": iso(first), "through": iso(last), "totals": {c: _cei(p, c) for c, p in by_currency.items()}}
        for first, last, by_currency in periods
    ]
    rows = [
        (iso(first), iso(last), currency, *_cei(period, currency).values())
        for first, last, by_currency in periods
        for currency, period in by_currency.items()
    ]
    body = {"as_of": iso(as_of), "days": days, "periods": shown}
    return Sheet("collection-effectiveness", as_of, body, CEI_HEADER, list(rows))


def _cei(period: Period, currency: str) -> Json:
    return {
        "beginning": format_minor(period.beginning_minor, currency),
        "credit_sales": format_minor(period.credit_sales_minor, currency),
        "ending": format_minor(period.ending_minor, currency),
        "ending_current": format_minor(period.ending_current_minor, currency),
        "cei": written(period.cei),
    }


def slice_json(slice_: Slice) -> Json:
    return {"from": iso(slice_.first_on), "through": iso(slice_.last_on), "expected": money_json(slice_.expected_minor)}


def expected_json(expected: Expected, name: str) -> Json:
    invoice = expected.invoice
    return {
        "customer_id": invoice.customer_id,
        "name": name,
        "invoice_id": invoice.id,
        "number": invoice.number,
        "currency": invoice.currency,
        "amount": format_minor(expected.amount_minor, invoice.currency),
        "due_on": iso(invoice.due_on),
        "expected_on": iso(expected.on),
        "method": expected.method,
    }


def run_json(kind: str, run: Json) -> Json:
    """A run as its own route shows it, with what kind it is."""
    return {"kind": kind, **run}


def run_rows(shown: Json) -> Iterator[Row]:
    """A run as rows of one figure each: kinds of run count different things."""
    about = tuple(shown[name] for name in ("kind", "id", "status", "as_of", "created_at", "completed_at"))
    for group in ("counts", "totals", "collected", "flags"):
        for measure, value in shown.get(group, {}).items():
            yield (*about, f"{group}.{measure}", value)

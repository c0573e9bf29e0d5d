"""Reports on receivables and runs, as JSON or as CSV."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from functions.admin_api.calls import CSV_TYPE, Answer, Call, Filters, boolean, one_of, prefers
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_bill_runs import bill_run_json
from shared.contracts.api_fields import day, id_of, iso
from shared.contracts.api_json import dumps
from shared.contracts.api_payments import payment_run_json
from shared.contracts.api_reports import (
    CASH_HEADER,
    RUNS_HEADER,
    Sheet,
    aged_sheet,
    cei_sheet,
    dso_sheet,
    expected_json,
    run_json,
    run_rows,
)
from shared.contracts.export_csv import text_of, written
from shared.domain.errors import TooMuch
from shared.use_cases.kept_reports import forecast_json
from shared.use_cases.report_cash import cash_forecast
from shared.use_cases.report_receivables import aged_receivables, receivables_periods
from shared.use_cases.report_runs import run_report

router = new_router()

ANSWER_BYTES_MAX: Final = 5 * 1024 * 1024  # Lambda answers with six at most, and the answer is quoted once more
DAYS_MAX: Final = 366
PERIODS_MAX: Final = 24
RUN_DAYS_DEFAULT: Final = 31
DAYS_DEFAULT: Final = 90
STEP_DAYS: Final = {"day": 1, "week": 7}


def whole(least: int, most: int) -> Callable[[str], int]:
    """A whole number within bounds, both inclusive."""

    def read(value: str) -> int:
        if not (value.isascii() and value.isdigit() and len(value) <= len(str(most)) and least <= int(value) <= most):
            raise ValueError(f"must be a whole number from {least} to {most}")
        return int(value)

    return read


AS_OF: Final[Filters] = {"as_of": day}
RECEIVABLES: Final[Filters] = {**AS_OF, "customer_id": id_of("cus_")}
DAYS: Final = whole(1, DAYS_MAX)


@endpoint(router, "GET", "/v1/reports/aged-receivables", filters={**RECEIVABLES, "items": boolean}, csv=True)
def get_aged_receivables(call: Call[Any]) -> Answer:
    """What is owed by age past due, per currency and customer, now or at the end of a past day."""
    items = call.query.get("items", True)
    listed = items or prefers(CSV_TYPE, call.accept)
    found = aged_receivables(call.ports, call.query.get("as_of"), call.query.get("customer_id"), listed)
    customers = [(i.customer_id, i.name, i.by_currency) for i in found.items]
    return _answer(call, aged_sheet(found.as_of, found.totals, customers, items))


@endpoint(router, "GET", "/v1/reports/dso", filters={**RECEIVABLES, "days": DAYS}, csv=True)
def get_dso(call: Call[Any]) -> Answer:
    """Days sales outstanding, best possible and delinquent, over the days that end with the as-of date."""
    days = call.query.get("days", DAYS_DEFAULT)
    (period,) = receivables_periods(call.ports, call.query.get("as_of"), days, 1, call.query.get("customer_id"))
    return _answer(call, dso_sheet(period.last_on, days, period.by_currency))


@endpoint(
    router, "GET", "/v1/reports/collection-effectiveness",
    filters={**RECEIVABLES, "days": DAYS, "periods": whole(1, PERIODS_MAX)}, csv=True,
)  # fmt: skip
def get_collection_effectiveness(call: Call[Any]) -> Answer:
    """The collection effectiveness index of one or more periods, the last of which ends with the as-of date."""
    days, count = call.query.get("days", DAYS_DEFAULT), call.query.get("periods", 1)
    periods = receivables_periods(call.ports, call.query.get("as_of"), days, count, call.query.get("customer_id"))
    return _answer(
        call, cei_sheet(periods[-1].last_on, days, [(p.first_on, p.last_on, p.by_currency) for p in periods])
    )


@endpoint(
    router, "GET", "/v1/reports/cash-forecast",
    filters={**RECEIVABLES, "days": DAYS, "by": one_of(*STEP_DAYS), "items": boolean}, csv=True,
)  # fmt: skip
def get_cash_forecast(call: Call[Any]) -> Answer:
    """When the money that is owed is expected, and by which method each invoice's day was found."""
    days, step = call.query.get("days", DAYS_DEFAULT), call.query.get("by", "week")
    found = cash_forecast(call.ports, call.query.get("as_of"), days, STEP_DAYS[step], call.query.get("customer_id"))
    items = [expected_json(e, found.names.get(e.invoice.customer_id, "")) for e in found.items]
    body = forecast_json(found, days, step) | ({"items": items} if call.query.get("items", True) else {})
    rows = [[iso(found.as_of), *(item[name] for name in CASH_HEADER[1:])] for item in items]
    return _answer(call, Sheet("cash-forecast", found.as_of, body, CASH_HEADER, list(rows)))


@endpoint(router, "GET", "/v1/reports/runs", filters={**AS_OF, "days": DAYS}, csv=True)
def get_run_summaries(call: Call[Any]) -> Answer:
    """The bill runs and payment runs of the days that end with the as-of date, recounted."""
    found = run_report(call.ports, call.query.get("as_of"), call.query.get("days", RUN_DAYS_DEFAULT))
    shown = [
        run_json("bill_run", bill_run_json(run, s.counts, s.totals_minor, s.failures, s.flags))
        for run, s in found.bill_runs
    ]
    shown += [
        run_json("payment_run", payment_run_json(run, s.counts, s.collected_minor)) for run, s in found.payment_runs
    ]
    shown.sort(key=lambda run: (run["created_at"], run["id"]))
    body = {"as_of": iso(found.through), "from": iso(found.since), "through": iso(found.through), "items": shown}
    rows = [row for run in shown for row in run_rows(run)]
    return _answer(call, Sheet("runs", found.through, body, RUNS_HEADER, list(rows)))


def _answer(call: Call[Any], sheet: Sheet) -> Answer:
    """In the form that is asked for. Raises TooMuch if it would not fit into one answer."""
    vary = {"Vary": "Accept"}
    if not prefers(CSV_TYPE, call.accept):
        if len(dumps(sheet.body).encode()) > ANSWER_BYTES_MAX:
            raise TooMuch("the answer would be too large: ask for items=false, for CSV, or for one customer_id")
        return Answer(200, sheet.body, headers=vary)
    content = written([sheet.header, *([text_of(cell) for cell in row] for row in sheet.rows)]).encode()
    if len(content) > ANSWER_BYTES_MAX:
        raise TooMuch("the file would be too large: ask for one customer_id at a time")
    name = f'attachment; filename="{sheet.name}-{sheet.as_of}.csv"'
    return Answer(200, content, f"{CSV_TYPE}; charset=utf-8", {"Content-Disposition": name, **vary})

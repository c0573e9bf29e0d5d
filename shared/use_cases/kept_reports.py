"""The console's heavier reports: worked out at once where that is little, else once a day by a worker and kept.

What a page shows costs the same however many customers there are. Figures that were kept say when they were worked out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, Final, Literal

from shared.contracts.api_fields import iso, rfc3339
from shared.contracts.api_json import dumps, loads
from shared.contracts.api_reports import aged_sheet, cei_sheet, dso_sheet, slice_json
from shared.contracts.messages import MakeReport
from shared.domain.calendar import local_date
from shared.domain.errors import TooMuch
from shared.domain.money import format_minor
from shared.domain.values import dataclass
from shared.ports import Ports
from shared.use_cases.lookups import settings_of
from shared.use_cases.report_cash import CashForecast, Outlook, cash_forecast
from shared.use_cases.report_ledger import Limits
from shared.use_cases.report_receivables import aged_receivables, receivables_periods

Json = dict[str, Any]
Name = Literal["ageing", "sales", "forecast"]

PAGE: Final[Mapping[Name, Limits]] = MappingProxyType(  # at most some 60 ms of CPU each
    {
        "ageing": Limits(reads=25_000, seconds=5),  # 12,000 open invoices
        "sales": Limits(reads=3_000, seconds=5),
        "forecast": Limits(reads=3_000, seconds=5),
    }
)
WORKER: Final = Limits(reads=5_000_000, seconds=800)
DSO_DAYS: Final = 90
CEI_DAYS, CEI_PERIODS = 30, 6
FORECAST_DAYS, STEP_DAYS, BY = 84, 7, "week"


@dataclass(frozen=True, slots=True)
class Figures:
    """A report's figures, and when they were worked out: now, unless they were kept."""

    at: datetime
    kept: bool
    body: Json


def figures_of(name: Name, ports: Ports) -> Figures | None:
    """Today's figures; None while the worker, who has been asked, is at them. Today is the business's."""
    kept = ports.files.read(_key(name, ports))
    if kept is not None:
        body = loads(kept)
        return Figures(datetime.fromisoformat(body["at"]), True, body["figures"])
    try:
        return Figures(ports.clock.now(), False, _WORKED_OUT[name](ports, PAGE[name]))
    except TooMuch:
        ports.queue.send("report", [MakeReport(name=name).body()])
        return None


def keep_figures(name: Name, ports: Ports) -> bool:
    """Work out today's figures and keep them, unless that was done. Raises TooMuch."""
    key = _key(name, ports)
    if ports.files.read(key) is not None:
        return False
    body = {"at": rfc3339(ports.clock.now()), "figures": _WORKED_OUT[name](ports, WORKER)}
    ports.files.write_once(key, dumps(body).encode(), "application/json")
    return True


def forecast_json(found: CashForecast, days: int, by: str) -> Json:
    """The forecast without its items."""
    return {
        "as_of": iso(found.as_of), "through": iso(found.through), "days": days, "by": by,
        "totals": {c: _outlook(o, c) for c, o in found.totals.items()},
        "periods": [slice_json(s) for s in found.slices],
    }  # fmt: skip


def _key(name: Name, ports: Ports) -> str:
    return f"reports/{_today(ports)}-{name}.json"


def _today(ports: Ports) -> date:
    return local_date(ports.clock.now(), settings_of(ports).business.timezone)


def _ageing(ports: Ports, limits: Limits) -> Json:
    found = aged_receivables(ports, items=False, limits=limits)
    return {"report": aged_sheet(found.as_of, found.totals, (), items=False).body}


def _sales(ports: Ports, limits: Limits) -> Json:
    """Days sales outstanding and collection effectiveness."""
    (period,) = receivables_periods(ports, None, DSO_DAYS, limits=limits)
    periods = receivables_periods(ports, None, CEI_DAYS, CEI_PERIODS, limits=limits)
    told = [(p.first_on, p.last_on, p.by_currency) for p in periods]
    return {
        "report": dso_sheet(period.last_on, DSO_DAYS, period.by_currency).body,
        "index": cei_sheet(periods[-1].last_on, CEI_DAYS, told).body,
    }


def _forecast(ports: Ports, limits: Limits) -> Json:
    return {
        "report": forecast_json(cash_forecast(ports, None, FORECAST_DAYS, STEP_DAYS, limits=limits), FORECAST_DAYS, BY)
    }


_WORKED_OUT: Final[Mapping[Name, Callable[[Ports, Limits], Json]]] = {
    "ageing": _ageing,
    "sales": _sales,
    "forecast": _forecast,
}


def _outlook(outlook: Outlook, currency: str) -> dict[str, str]:
    minor = {
        "expected": outlook.expected_minor, "beyond": outlook.beyond_minor, "unscheduled": outlook.unscheduled_minor,
        "total": outlook.total_minor,
    }  # fmt: skip
    return {name: format_minor(amount, currency) for name, amount in minor.items()}

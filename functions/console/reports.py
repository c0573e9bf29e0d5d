"""Reports and the audit log."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from functions.console.api import Api
from functions.console.rendering import Answer
from functions.console.requests import ConsoleRequest
from functions.console.views import view

BUCKETS: Final = (
    ("current", "Not due"),
    ("d1_30", "1–30"),
    ("d31_60", "31–60"),
    ("d61_90", "61–90"),
    ("d90_plus", "Over 90"),
)
BAR_UNITS: Final = 1_000  # the width of a chart; what it is drawn at is the page's business
ENTRIES_SHOWN: Final = 40


def ageing(request: ConsoleRequest, api: Api) -> Answer:
    found = api.get("/v1/reports/aged-receivables", items=False)
    charts = {c: bars([(label, aged[key]) for key, label in BUCKETS]) for c, aged in found["totals"].items()}
    return view(request, api, "ageing", "/reports", report=found, charts=charts, tab="")


def sales(request: ConsoleRequest, api: Api) -> Answer:
    """Days sales outstanding and collection effectiveness."""
    found = api.get("/v1/reports/dso", days=90)
    index = api.get("/v1/reports/collection-effectiveness", days=30, periods=6)
    return view(request, api, "dso", "/reports", report=found, index=index, tab="/dso")


def forecast(request: ConsoleRequest, api: Api) -> Answer:
    found = api.get("/v1/reports/cash-forecast", days=84, by="week", items=False)
    charts = {
        c: bars([(p["from"], p["expected"].get(c, "0")) for p in found["periods"]]) for c in sorted(found["totals"])
    }
    return view(request, api, "forecast", "/reports", report=found, charts=charts, tab="/forecast")


def bars(values: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Bars whose longest fills the chart; none is shorter than nothing."""
    amounts = [max(Decimal(amount), Decimal(0)) for _, amount in values]
    most = max(amounts, default=Decimal(0)) or Decimal(1)
    return [
        {"label": label, "amount": amount, "width": int(BAR_UNITS * size // most)}
        for (label, amount), size in zip(values, amounts, strict=True)
    ]


def audit(request: ConsoleRequest, api: Api) -> Answer:
    asked = {k: request.query.get(k, "") for k in ("subject_id", "by", "cursor")}
    found = api.get("/v1/audit", limit=ENTRIES_SHOWN, **asked)
    return view(request, api, "audit", "/audit", found=found, asked=asked, verified=None)


def verify(request: ConsoleRequest, api: Api) -> Answer:
    """Check the log, and say whether it is as it was written."""
    checked = api.get("/v1/audit/verify", cursor=request.query.get("cursor", ""))
    found = api.get("/v1/audit", limit=ENTRIES_SHOWN)
    asked = {"subject_id": "", "by": "", "cursor": ""}
    return view(request, api, "audit", "/audit", found=found, asked=asked, verified=checked)

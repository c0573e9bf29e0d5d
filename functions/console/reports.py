"""Reports and the audit log."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from functions.console.api import Api
from functions.console.rendering import Answer
from functions.console.requests import ConsoleRequest
from functions.console.views import view
from functions.console.words import spoken
from shared.bootstrap import ports
from shared.use_cases.kept_reports import Figures, figures_of
from shared.use_cases.lookups import settings_of

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
    found = figures_of("ageing", ports())
    if found is None:
        return view(request, api, "report_waits", "/reports", tab="")
    report = found.body["report"]
    charts = {c: bars([(label, aged[key]) for key, label in BUCKETS]) for c, aged in report["totals"].items()}
    return view(request, api, "ageing", "/reports", report=report, charts=charts, **_kept(found), tab="")


def sales(request: ConsoleRequest, api: Api) -> Answer:
    """Days sales outstanding and collection effectiveness."""
    found = figures_of("sales", ports())
    if found is None:
        return view(request, api, "report_waits", "/reports", tab="/dso")
    return view(request, api, "dso", "/reports", **found.body, **_kept(found), tab="/dso")


def forecast(request: ConsoleRequest, api: Api) -> Answer:
    found = figures_of("forecast", ports())
    if found is None:
        return view(request, api, "report_waits", "/reports", tab="/forecast")
    report = found.body["report"]
    charts = {
        c: bars([(p["from"], p["expected"].get(c, "0")) for p in report["periods"]]) for c in sorted(report["totals"])
    }
    return view(request, api, "forecast", "/reports", report=report, charts=charts, **_kept(found), tab="/forecast")


def _kept(found: Figures) -> dict[str, Any]:
    """When figures were worked out that were not just now."""
    return {"kept_at": spoken(found.at, settings_of(ports()).business.timezone) if found.kept else None}


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

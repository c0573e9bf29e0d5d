"""What every page has around it: where one is, who one is, what was done, what was wrong."""

from __future__ import annotations

from typing import Any, Final

from functions.console.api import Api
from functions.console.rendering import Answer, asset_mark, html
from functions.console.requests import ConsoleRequest
from functions.console.words import anchor, said
from shared.bootstrap import ports
from shared.domain.settings import Settings
from shared.use_cases.lookups import settings_of

NAV: Final = (
    ("", "Today"),
    ("/runs", "Bill runs"),
    ("/payment-runs", "Payment runs"),
    ("/customers", "Customers"),
    ("/past-due", "Past due"),
    ("/rehearsals", "Rehearsals"),
    ("/reports", "Reports"),
    ("/settings", "Settings"),
    ("/audit", "Audit"),
)
OPERATE: Final = ("POST", "/v1/bill-runs")
ADMINISTER: Final = ("PATCH", "/v1/settings")


def view(request: ConsoleRequest, api: Api, name: str, here: str = "", status: int = 200, **data: Any) -> Answer:
    """A page. `here` is its place in the navigation."""
    settings = settings_of(ports())
    given = {**frame(request, settings), "here": here, "nav": NAV, "done": said(request.query.get("done")),
             "operator": api.may(*OPERATE), "admin": api.may(*ADMINISTER)}  # fmt: skip
    problem = request.problem
    wrong = {anchor(e["field"]): e["message"] for e in problem.errors} if problem else {}
    return html(name, problem.status if problem else status, problem=problem, wrong=wrong, **given, **data)


def frame(request: ConsoleRequest, settings: Settings) -> dict[str, Any]:
    session = request.session
    return {
        "url": request.url, "mark": asset_mark, "business": settings.business.name, "tz": settings.business.timezone,
        "me": session.by if session else "", "role": session.role if session else None,
        "form": request.form if request.token else "",
    }  # fmt: skip


def message(request: ConsoleRequest, status: int, title: str, *paragraphs: str) -> Answer:
    """A page that says one thing."""
    settings = settings_of(ports())
    return html(
        "message", status, **frame(request, settings), title=title, paragraphs=paragraphs, nav=NAV, here=None,
        done="", problem=None, wrong={}, operator=False, admin=False,
    )  # fmt: skip

"""The console: pages for people who are signed in. GET and HEAD write nothing; only forms of its own pages act.

What may be seen and done is the API's to say, which every page and button calls (functions/console/api.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from functions.console import (
    autopay,
    classes,
    contracts,
    customer_forms,
    customers,
    drafts,
    mail_templates,
    payment_runs,
    rehearsals,
    reports,
    runs,
    settings,
    signing_in,
    today,
    triggers,
    webhooks,
)
from functions.console.actions import ACTIONS, record_payment
from functions.console.api import Api, Refusal
from functions.console.rendering import Answer, asset, binary, redirect
from functions.console.rendering import answer as rendered
from functions.console.requests import ConsoleRequest, ForeignForm, NoSuchPage, Problem, read_request
from functions.console.views import message
from functions.pay_page.requests import Fields, Unreadable
from shared.bootstrap import ports
from shared.contracts.api_fields import InvalidBody
from shared.domain.copies import replace
from shared.domain.errors import Invalid, NotFound
from shared.observability import observed, report
from shared.ports import Conflict, Unavailable
from shared.use_cases.console_sessions import session_of

Page = Callable[[ConsoleRequest, Api], Answer]
Form = Callable[[ConsoleRequest, Api], Answer | str]  # a page, or where to go

SIGN_IN: Final = "/sign-in"


def _pdf(request: ConsoleRequest, api: Api) -> Answer:
    return _handed_on(api.raw("GET", f"/v1/invoices/{request.id()}/pdf"))


def _print_batch(request: ConsoleRequest, api: Api) -> Answer:
    return _handed_on(api.raw("GET", f"/v1/bill-runs/{request.id()}/print-batch", part=request.query.get("part", "")))


def _rehearsed_rows(request: ConsoleRequest, api: Api) -> Answer:
    part = request.query.get("part", "")
    return _handed_on(api.raw("GET", f"/v1/rehearsals/{request.id()}", accept="text/csv", part=part))


def _handed_on(answer: Mapping[str, Any]) -> Answer:
    """A document as the API answers it."""
    given = answer.get("multiValueHeaders") or {k: [v] for k, v in (answer.get("headers") or {}).items()}
    headers = {name: values[0] for name, values in given.items() if name in ("Content-Type", "Content-Disposition")}
    return binary(answer["body"], headers)


PAGES: Final[Mapping[str, Page]] = {
    "": today.show,
    "/runs": runs.show_list,
    "/runs/{id}": runs.show,
    "/runs/{id}/progress": runs.progress,
    "/runs/{id}/print-batch": _print_batch,
    "/runs/{id}/review": runs.review,
    "/payment-runs": payment_runs.show_list,
    "/payment-runs/{id}": payment_runs.show,
    "/payment-runs/{id}/progress": payment_runs.progress,
    "/invoices/{id}": runs.invoice,
    "/invoices/{id}/edit": drafts.show,
    "/invoices/{id}/pdf": _pdf,
    "/customers": customers.search,
    "/customers/new": customer_forms.show_new,
    "/customers/{id}": customers.show,
    "/customers/{id}/edit": customer_forms.show,
    "/customers/{id}/invoices/new": drafts.show_new,
    "/customers/{id}/timeline": customers.timeline,
    "/customers/{id}/autopay": autopay.show,
    "/customers/{id}/autopay/try": autopay.show_trial,
    "/customers/{id}/contracts/new": contracts.show_new,
    "/contracts/{id}": contracts.show,
    "/contracts/{id}/charges/new": contracts.show_charge,
    "/past-due": customers.past_due,
    "/settings": settings.show,
    "/settings/times": settings.times,
    "/settings/history": settings.history,
    "/classes": classes.show_list,
    "/classes/new": classes.show_new,
    "/classes/{id}": classes.show,
    "/triggers": triggers.show,
    "/webhooks": webhooks.show_list,
    "/webhooks/{id}": webhooks.show,
    "/templates": mail_templates.show_list,
    "/templates/{name}": mail_templates.show,
    "/rehearsals": rehearsals.show_form,
    "/rehearsals/{id}": rehearsals.show,
    "/rehearsals/{id}/progress": rehearsals.progress,
    "/rehearsals/{id}/rows": _rehearsed_rows,
    "/reports": reports.ageing,
    "/reports/dso": reports.sales,
    "/reports/forecast": reports.forecast,
    "/audit": reports.audit,
    "/audit/verify": reports.verify,
}
FORMS: Final[Mapping[str, Form]] = {
    "/runs": runs.start,
    "/runs/preview": runs.preview,
    "/payment-runs": payment_runs.start,
    "/rehearsals": rehearsals.start,
    "/invoices/{id}/edit": drafts.change,
    "/invoices/{id}/total": drafts.total,
    "/settings": settings.save,
    "/settings/effects": settings.effects,
    "/classes": classes.create,
    "/classes/{id}": classes.save,
    "/classes/{id}/effects": classes.effects,
    "/triggers": triggers.save,
    "/templates/{name}": mail_templates.save,
    "/templates/{name}/preview": mail_templates.preview,
    "/templates/{name}/html": mail_templates.preview_html,
    "/templates/{name}/reset": mail_templates.reset,
    "/webhooks": webhooks.create,
    "/webhooks/{id}/rotate": webhooks.rotate,
    "/customers/{id}/autopay": autopay.change,
    "/customers/{id}/autopay/check": autopay.check,
    "/customers": customer_forms.create,
    "/customers/{id}/edit": customer_forms.save,
    "/customers/{id}/effects": customer_forms.effects,
    "/customers/{id}/invoices": drafts.create,
    "/customers/{id}/contracts": contracts.create,
    "/contracts/{id}/changes": contracts.change,
    "/contracts/{id}/charges": contracts.add_charge,
    "/contracts/{id}/usage": contracts.record_usage,
    "/customers/{id}/pay-link": customers.pay_link,
    "/customers/{id}/payments": record_payment,
    **{action.path: action.run for action in ACTIONS},
}
# Where a form stands, for the page to be shown again with what was wrong; elsewhere it is where the form leads.
STANDS: Final[Mapping[str, str]] = {
    **{action.path: action.back for action in ACTIONS},
    "/runs": "/runs", "/runs/preview": "/runs", "/payment-runs": "/payment-runs",
    "/rehearsals": "/rehearsals", "/settings": "/settings", "/settings/effects": "/settings",
    "/templates/{name}": "/templates/{name}", "/templates/{name}/reset": "/templates/{name}",
    "/customers/{id}/autopay": "/customers/{id}/autopay", "/triggers": "/triggers",
    "/webhooks": "/webhooks", "/webhooks/{id}/rotate": "/webhooks/{id}",
    "/customers/{id}/contracts": "/customers/{id}/contracts/new",
    "/contracts/{id}/charges": "/contracts/{id}/charges/new", "/contracts/{id}/changes": "/contracts/{id}",
    "/contracts/{id}/usage": "/contracts/{id}",
    "/classes": "/classes/new", "/classes/{id}": "/classes/{id}", "/classes/{id}/effects": "/classes/{id}",
    "/customers": "/customers/new", "/customers/{id}/edit": "/customers/{id}/edit",
    "/customers/{id}/effects": "/customers/{id}/edit", "/customers/{id}/invoices": "/customers/{id}/invoices/new",
    "/customers/{id}/payments": "/customers/{id}", "/customers/{id}/pay-link": "/customers/{id}",
}  # fmt: skip
ROUTES: Final = frozenset({("GET", "/console"), ("GET", "/console/{path+}"), ("POST", "/console/{path+}")})


def _patterns(paths: Mapping[str, Any]) -> list[tuple[re.Pattern[str], str]]:
    """Those without parameters first: /runs/preview is no run."""
    ordered = sorted(paths, key=lambda p: p.count("{"))
    return [(re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), path) for path in ordered]


_PAGES: Final = _patterns(PAGES)
_FORMS: Final = _patterns(FORMS)


@observed
def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    blank = ConsoleRequest("GET", "", "")
    try:
        request = blank = read_request(event)
        return _answered(request)
    except Unreadable as wrong:
        return message(blank, 400, "That did not arrive as a form", str(wrong))
    except (NoSuchPage, NotFound):
        return message(_known(blank), 404, "There is no such page", "Check the address, or go on from the menu.")
    except ForeignForm:
        report("console_form_refused")
        return message(
            _known(blank), 403, "This form cannot be used any more",
            "Nothing was done. Open the page again and repeat what you wanted to do.",
        )  # fmt: skip
    except Refusal as refused:
        return _refused(blank, refused.problem.status, refused.problem.detail)
    except (InvalidBody, Invalid) as wrong:
        return message(_known(blank), 422, _title(422), str(wrong))
    except (Conflict, Unavailable):
        report("console_busy")
        return _refused(blank, 503, "That could not be done just now.")


def _refused(request: ConsoleRequest, status: int, detail: str) -> Answer:
    """A page that says why not, and when to come again for what is being made."""
    page = message(_known(request), status, _title(status), detail)
    return {**page, "headers": {**page["headers"], "Retry-After": "5"}} if status == 503 else page


def _answered(request: ConsoleRequest) -> Answer:
    if request.path.startswith("/assets/"):
        return asset(request.path.removeprefix("/assets/")) or message(request, 404, "There is no such page")
    if request.path == SIGN_IN:
        return signing_in.start(request) if request.method == "POST" else signing_in.show(request)
    if request.path == "/callback":
        return signing_in.come_back(request)
    request = _known(request)
    if request.session is None:
        return _sent_to_sign_in(request)
    if request.method == "POST":
        request.check_form()
        if request.path == "/sign-out":
            return signing_in.sign_out(request)
    if request.session.role is None:
        return message(request, 403, "You have no role here", "Ask an administrator to put you into a group.")
    return _acted(request) if request.method == "POST" else _shown(request)


def _known(request: ConsoleRequest) -> ConsoleRequest:
    """The request with the session that its cookie stands for."""
    return request if request.session else replace(request, session=session_of(request.token, ports()))


def _sent_to_sign_in(request: ConsoleRequest) -> Answer:
    """A part of a page cannot be the sign-in page: htmx is told to leave the whole page for it."""
    to = request.url(SIGN_IN)
    return rendered(200, "", {"HX-Redirect": to}) if request.by_script else redirect(to)


def _shown(request: ConsoleRequest) -> Answer:
    found, path = _matched(request, _PAGES)
    return PAGES[path](found, Api(found))


def _acted(request: ConsoleRequest) -> Answer:
    found, path = _matched(request, _FORMS)
    bare = replace(found, fields=Fields(tuple(p for p in found.fields.pairs if p[0] != "form")))
    try:
        done = FORMS[path](bare, Api(bare))
        return redirect(done) if isinstance(done, str) else done
    except Refusal as refused:
        problem = refused.problem
    except InvalidBody as wrong:
        problem = Problem(422, str(wrong), [{"field": e.field, "message": e.message} for e in wrong.errors])
    except Invalid as wrong:
        problem = Problem(422, str(wrong), [{"field": wrong.field, "message": wrong.message}])
    if problem.status in (403, 404) or path not in STANDS:
        raise Refusal(problem)
    back = replace(bare, method="GET", path=STANDS[path].format(**found.parameters), problem=problem)
    return _shown(back)


def _matched(
    request: ConsoleRequest, patterns: list[tuple[re.Pattern[str], str]]
) -> tuple[ConsoleRequest, str]:  # fmt: skip
    for pattern, path in patterns:
        if (match := pattern.fullmatch(request.path)) is not None:
            return replace(request, parameters=match.groupdict()), path
    raise NoSuchPage


def _title(status: int) -> str:
    titles = {
        403: "Your role does not allow that", 404: "There is no such thing", 503: "Please try again in a moment",
    }  # fmt: skip
    return titles.get(status, "That cannot be done")


__all__ = ["ROUTES", "lambda_handler"]

"""A draft as a form: its lines and dates, and what they come to before they are saved. PRODUCT 4.

A line keeps what the form does not show (its contract, charge and period). Its amount counts, unless only the quantity
or the price was changed: then it is worked out again from those.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from functions.console.api import Api, Refusal
from functions.console.forms import typed, whole, yes
from functions.console.rendering import Answer, html
from functions.console.requests import ConsoleRequest, Problem
from functions.console.views import frame, view
from functions.pay_page.requests import Fields
from shared.bootstrap import ports
from shared.domain.copies import replace
from shared.use_cases.lookups import settings_of

LINES_SHOWN: Final = 300  # larger drafts are changed through the API
LINES_BLANK: Final = 2  # rows for more
NEW_LINES: Final = 5  # of a new invoice
NEW: Final = "new"  # instead of a line's place in the draft
KEPT: Final = ("contract_id", "charge_id", "service_start", "service_end")

Line = dict[str, Any]


def show_new(request: ConsoleRequest, api: Api) -> Answer:
    """The form of an invoice that is made by hand."""
    return view(
        request, api, "invoice_new", "/customers", customer=api.get(f"/v1/customers/{request.id()}"),
        given=typed(request.fields), rows=_rows(read_lines(request.fields), blank=NEW_LINES),
    )  # fmt: skip


def create(request: ConsoleRequest, api: Api) -> str:
    body = {name: request.fields.one(name) for name in ("type", "invoice_date", "due_on") if request.fields.one(name)}
    lines = [_line(row, []) for row in read_lines(request.fields)]
    post = yes(request.fields.one("post"))
    made = api.send("POST", "/v1/invoices", {"customer_id": request.id(), "lines": lines, "post": post, **body})
    return request.url(f"/invoices/{made['id']}", done="posted" if post else "drafted")


def show(request: ConsoleRequest, api: Api) -> Answer:
    draft = api.get(f"/v1/invoices/{request.id()}")
    return _page(request, api, draft, draft)


def change(request: ConsoleRequest, api: Api) -> Answer | str:
    """Save it, or show what it comes to."""
    draft = api.get(f"/v1/invoices/{request.id()}")
    body = _body(request.fields, draft)
    if request.fields.one("do") == "total":
        return _page(request, api, draft, _tried(request, api, body), saved=False)
    try:
        api.send("PATCH", f"/v1/invoices/{request.id()}", body)
    except Refusal as refused:
        kept = {**draft, **typed(request.fields), "lines": body["lines"]}
        return _page(replace(request, problem=refused.problem), api, draft, kept, saved=False)
    return request.url(f"/invoices/{request.id()}", done="saved")


def total(request: ConsoleRequest, api: Api) -> Answer:
    """The part of the page that follows as one types: what the lines come to."""
    draft = api.get(f"/v1/invoices/{request.id()}")
    problem: Problem | None = None
    tried = draft
    try:
        tried = _tried(request, api, _body(request.fields, draft))
    except Refusal as refused:
        problem = refused.problem
    about = frame(request, settings_of(ports()))
    return html("draft_total", **{**about, "problem": problem, "draft": draft, "tried": tried})


def _tried(request: ConsoleRequest, api: Api, body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api.send("PATCH", f"/v1/invoices/{request.id()}", body, dry_run=True)
    return found


def _page(
    request: ConsoleRequest, api: Api, draft: dict[str, Any], given: dict[str, Any], saved: bool = True
) -> Answer:
    """`draft` as it is stored, `given` as it is in the form."""
    places = [] if saved else [line["was"] for line in read_lines(request.fields)]
    rows = [{**line, "was": places[n] if n < len(places) else NEW if not saved else str(n)}
            for n, line in enumerate(given["lines"])]  # fmt: skip
    return view(
        request, api, "draft", "/runs", draft=draft, given=given, saved=saved, tried=given, most=LINES_SHOWN,
        rows=_rows(rows),
        customer=api.get(f"/v1/customers/{draft['customer_id']}"),
    )  # fmt: skip


def _rows(lines: Sequence[Line], blank: int = LINES_BLANK) -> list[Line]:
    """With rows for more."""
    return [*lines, *[{"name": "", "quantity": "1", "taxable": True, "was": NEW}] * blank]


# ---- the form ---------------------------------------------------------------------------------------------------


def read_lines(fields: Fields) -> list[dict[str, str]]:
    """The lines of the form that are there to stay: not taken off, and not left empty."""
    given = typed(fields)
    rows = ({name: given.get(f"lines.{n}.{name}", "").strip() for name in
             ("was", "name", "quantity", "unit_amount", "amount", "taxable", "remove")}
            for n in range(LINES_SHOWN + NEW_LINES) if f"lines.{n}.was" in given)  # fmt: skip
    return [r for r in rows if not r["remove"] and (r["was"] != NEW or r["name"] or r["amount"] or r["unit_amount"])]


def _body(fields: Fields, draft: dict[str, Any]) -> dict[str, Any]:
    body = {name: fields.one(name) for name in ("invoice_date", "due_on") if fields.one(name)}
    lines = [_line(row, draft["lines"]) for row in read_lines(fields)]
    return {**body, "version": whole(fields.one("version")), "lines": lines}


def _line(row: dict[str, str], before: list[Line]) -> Line:
    """As the API takes it."""
    was = before[int(row["was"])] if row["was"].isdecimal() and int(row["was"]) < len(before) else {}
    line: Line = {"name": row["name"], "quantity": row["quantity"] or "1", "taxable": yes(row["taxable"])}
    line |= {name: was[name] for name in KEPT if was.get(name) is not None}
    if row["unit_amount"]:
        line["unit_amount"] = row["unit_amount"]
    repriced = was and row["unit_amount"] and row["amount"] == was["amount"] and (
        (row["quantity"], row["unit_amount"]) != (was["quantity"], was["unit_amount"])
    )  # fmt: skip
    if row["amount"] and not repriced:
        line["amount"] = row["amount"]
    return line

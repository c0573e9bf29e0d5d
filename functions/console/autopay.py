"""Autopay rules: their order by drag and drop or by buttons, tried out before they are saved. PRODUCT 8.

The form holds the whole list. Every button sends it; all but "save" show it changed and not saved yet, so the page
works without script, and with script the same answers are put in as one types.
"""

from __future__ import annotations

from typing import Any, Final

from functions.console.api import Api, Refusal
from functions.console.rendering import Answer, html
from functions.console.requests import ConsoleRequest, Problem
from functions.console.views import frame, view
from functions.console.words import place
from functions.pay_page.requests import Fields
from shared.bootstrap import ports
from shared.contracts.api_fields import refuse
from shared.domain.autopay import OPERATORS
from shared.domain.copies import replace
from shared.use_cases.lookups import settings_of

CRITERIA_SHOWN: Final = 10  # of a rule
RULES_SHOWN: Final = 50
DAYS: Final = ("invoice_age_days", "days_past_due")
INVOICES_TO_TRY: Final = 30

Rule = dict[str, Any]


def show(request: ConsoleRequest, api: Api) -> Answer:
    listed = api.get(f"/v1/customers/{request.id()}/autopay")
    return _page(request, api, listed, None, saved=True)


def change(request: ConsoleRequest, api: Api) -> Answer | str:
    """Save the list, or show it as a button changed it."""
    listed, do = read_list(request.fields), request.fields.one("do")
    if do == "save":
        try:
            api.send("PUT", f"/v1/customers/{request.id()}/autopay", _body(listed))
        except Refusal as refused:
            return _page(replace(request, problem=refused.problem), api, listed, refused.problem, saved=False)
        return request.url(f"/customers/{request.id()}/autopay", done="saved")
    _changed(listed, do)
    found, problem = _checked(request, api, listed)
    return _page(request, api, found, problem, saved=False)


def check(request: ConsoleRequest, api: Api) -> Answer:
    """What is to be said of the list as it stands in the form, and whether it can be saved."""
    found, problem = _checked(request, api, read_list(request.fields))
    return html(
        "autopay_findings", **{**frame(request, settings_of(ports())), "problem": problem},
        findings=_findings(found, problem), operator=api.may("PUT", "/v1/customers/<customer_id>/autopay"), saved=False,
    )  # fmt: skip


def show_trial(request: ConsoleRequest, api: Api) -> Answer:
    """What the saved rules make of one invoice."""
    invoice_id = request.query.get("invoice_id", "")
    found = api.get(f"/v1/invoices/{invoice_id}/explain")["autopay"] if invoice_id else []
    listed = api.get(f"/v1/customers/{request.id()}/autopay")
    places = {r["id"]: n for n, r in enumerate(listed["rules"], 1)}
    data: Rule = {"tried": found, "places": places, "invoice_id": invoice_id}
    if request.by_script:
        return html("autopay_trial", **frame(request, settings_of(ports())), **data)
    return _page(request, api, listed, None, saved=True, trial=data)


def _page(
    request: ConsoleRequest, api: Api, listed: Rule, problem: Problem | None, *, saved: bool, trial: Rule | None = None
) -> Answer:  # fmt: skip
    id = request.id()
    return view(
        request, api, "autopay", "/customers", listed=listed, saved=saved, findings=_findings(listed, problem),
        customer=api.get(f"/v1/customers/{id}"), methods=api.items(f"/v1/customers/{id}/payment-methods"),
        contracts=api.items(f"/v1/customers/{id}/contracts"), operators=OPERATORS, trial=trial,
        invoices=[i for i in api.items("/v1/invoices", customer_id=id, limit=INVOICES_TO_TRY) if i["status"] != "void"],
    )  # fmt: skip


def _checked(request: ConsoleRequest, api: Api, listed: Rule) -> tuple[Rule, Problem | None]:
    """The list with what the API finds in it, or what it says against it."""
    try:
        asked = f"/v1/customers/{request.id()}/autopay"
        return {**api.send("PUT", asked, _body(listed), dry_run=True), "version": listed["version"]}, None
    except Refusal as refusal:
        return listed, refusal.problem


def _findings(listed: Rule, problem: Problem | None) -> Rule:
    """What is said beside the list: what is wrong, and what never fires."""
    unreachable = [f"{place(w['field'])} {_by_place(w['message'], listed)}." for w in listed.get("warnings", ())]
    gone = [
        f"Rule {n} is skipped: {', '.join(r['removed'])} is gone."
        for n, r in enumerate(listed["rules"], 1) if r.get("invalid")
    ]  # fmt: skip
    errors = [f"{place(e['field'])}: {e['message']}" for e in problem.errors] if problem else []
    return {"errors": errors or ([problem.detail] if problem else []), "warnings": [*gone, *unreachable]}


def _by_place(message: str, listed: Rule) -> str:
    """A rule is known by its place on this page."""
    for n, rule in enumerate(listed["rules"], 1):
        if rule.get("id"):
            message = message.replace(rule["id"], f"rule {n}")
    return message


# ---- the form ---------------------------------------------------------------------------------------------------


def read_list(fields: Fields) -> Rule:
    """The list that the form holds, in the order in which its rules stand."""
    keys = fields.all("rule")[:RULES_SHOWN]
    version = fields.one("version")
    return {
        "enabled": fields.one("enabled") == "yes",
        "fall_through_on_decline": fields.one("fall_through_on_decline") == "yes",
        "rules": [_rule(fields, key) for key in keys],
        "version": int(version) if version.isdecimal() else refuse("version", "is missing"),
    }


def _rule(fields: Fields, key: str) -> Rule:
    criteria = [_criterion(fields, f"{key}.{n}") for n in range(CRITERIA_SHOWN)]
    return {
        "id": None if key.startswith("new") else key,
        "key": key,
        "payment_method_id": fields.one(f"{key}.method"),
        "disabled": fields.one(f"{key}.disabled") == "yes",
        "locked": fields.one(f"{key}.locked") == "yes",
        "criteria": [c for c in criteria if c is not None],
    }


def _criterion(fields: Fields, at: str) -> Rule | None:
    """One condition; None for a row that is left empty."""
    kind, values = fields.one(f"{at}.type"), [v.strip() for v in fields.one(f"{at}.values").split(";")]
    if not kind:
        return None
    given: list[Any] = [v for v in values if v]
    if kind in DAYS:
        given = [int(v) if v.lstrip("-").isdecimal() and len(v) <= 9 else v for v in given]
    return {"type": kind, "operator": fields.one(f"{at}.operator"), "values": given}


def _changed(listed: Rule, do: str) -> None:
    """What a button does to the list: up, down and remove name a rule, add appends one."""
    rules: list[Rule] = listed["rules"]
    verb, _, key = do.partition(":")
    at = next((n for n, r in enumerate(rules) if r["key"] == key), None)
    if verb == "add" and len(rules) < RULES_SHOWN:
        rules.append({"id": None, "key": f"new{len(rules)}-{do.partition(':')[2] or 'x'}", "payment_method_id": "",
                      "disabled": False, "locked": False, "criteria": []})  # fmt: skip
    elif verb == "remove" and at is not None:
        del rules[at]
    elif verb in ("up", "down") and at is not None:
        to = min(max(at + (-1 if verb == "up" else 1), 0), len(rules) - 1)
        rules.insert(to, rules.pop(at))


def _body(listed: Rule) -> Rule:
    """As the API takes it: a new rule has no id yet."""
    rules = [{k: v for k, v in r.items() if k != "key" and not (k == "id" and v is None)} for r in listed["rules"]]
    return {**listed, "rules": rules}

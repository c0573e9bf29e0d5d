"""Contracts: made, changed from a day on, suspended, resumed and ended; and usage recorded by hand. PRODUCT 3."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from functions.console.api import Api, Refusal
from functions.console.forms import Reader, text_or_none, typed, whole, yes
from functions.console.rendering import Answer
from functions.console.requests import ConsoleRequest, NoSuchPage, Problem
from functions.console.views import view
from functions.pay_page.requests import Fields
from shared.bootstrap import ports
from shared.domain.calendar import zone
from shared.domain.copies import replace
from shared.use_cases.contracts import contract_of
from shared.use_cases.lookups import customer_of, settings_of, today

CHARGES_SHOWN: Final = 60  # of a new contract's form; more are added one by one, or imported
TIERS_SHOWN: Final = 50
TIERS_BLANK: Final = 2  # rows for more
INTERVALS: Final = ("month", "quarter", "year", "week", "day")

Tree = dict[str, Any]
Given = dict[str, str]  # a form's fields by name

_PRICED: Final[Mapping[str, Reader]] = {"interval": str, "interval_count": whole}
# What each type of charge has beside its name; what is left empty takes its default.
CHARGE: Final[Mapping[str, Mapping[str, Reader]]] = {
    "recurring": {"amount": str, "quantity": str, **_PRICED, "timing": str},
    "usage": {"metric": str, "unit_amount": str, "tier_mode": str, "included_quantity": str, **_PRICED},
    "one_time": {"amount": str, "on": str},
}  # fmt: skip
BOXES: Final[Mapping[str, tuple[str, ...]]] = {
    "recurring": ("prorate", "taxable"), "usage": ("expected", "taxable"), "one_time": ("taxable",),
}  # fmt: skip
# As a new charge begins.
BLANK: Final[Mapping[str, Given]] = {
    "recurring": {"quantity": "1", "interval": "month", "interval_count": "1", "timing": "advance", "prorate": "yes"},
    "usage": {"included_quantity": "0", "interval": "month", "interval_count": "1"},
    "one_time": {},
}  # fmt: skip
OPTIONAL: Final = ("id", "billing_starts_on", "currency")
NUMBERS: Final = ("bill_cycle_day", "anchor_month")


# ---- a new contract ---------------------------------------------------------------------------------------------


def show_new(request: ConsoleRequest, api: Api) -> Answer:
    given = {"start_date": str(_today(request.id()))}
    return _new(request, api, given, [blank("recurring")])


def create(request: ConsoleRequest, api: Api) -> Answer | str:
    """Make the contract; or show the form as a button changed it: a charge more, or one less."""
    given, charges = typed(request.fields), read_charges(request.fields)
    verb, _, what = request.fields.one("do").partition(":")
    if verb == "add" and what in CHARGE and len(charges) < CHARGES_SHOWN:
        return _new(request, api, given, [*charges, blank(what)])
    if verb == "remove" and what.isdecimal():
        return _new(request, api, given, [c for n, c in enumerate(charges) if str(n) != what])
    try:
        made = api.send("POST", f"/v1/customers/{request.id()}/contracts", _contract(request.fields, charges))
    except Refusal as refused:
        return _new(replace(request, problem=refused.problem), api, given, charges)
    return request.url(f"/contracts/{made['id']}", done="contracted")


def _new(request: ConsoleRequest, api: Api, given: Given, charges: list[Given]) -> Answer:
    customer = api.get(f"/v1/customers/{request.id()}")
    return view(
        request, api, "contract_new", "/customers", customer=customer, given=given, intervals=INTERVALS,
        charges=[_with_rows(c) for c in charges],
    )  # fmt: skip


def _contract(fields: Fields, charges: list[Given]) -> Tree:
    body: Tree = {"name": fields.one("name"), "start_date": fields.one("start_date"),
                  "charges": [charge_body(c) for c in charges]}  # fmt: skip
    body |= {name: fields.one(name) for name in OPTIONAL if fields.one(name)}
    body |= {name: whole(fields.one(name)) for name in NUMBERS if fields.one(name)}
    if last := fields.one("end_date"):
        body["end_date"] = day_after(last)
    return body


def day_after(text: str) -> str:
    """Forms ask for the last day with service; the API for the first day without. What is no date stays as it is."""
    try:
        return str(date.fromisoformat(text) + timedelta(days=1))
    except (ValueError, OverflowError):
        return text


# ---- charges ----------------------------------------------------------------------------------------------------


def blank(kind: str) -> Given:
    return {"type": kind, "taxable": "yes", **BLANK[kind]}


def read_charges(fields: Fields) -> list[Given]:
    """The charges of a form, each with its fields, in their order and without gaps."""
    found = [read_charge(fields, f"charges.{n}") for n in range(CHARGES_SHOWN)]
    return [c for c in found if c.get("type") in CHARGE]


def read_charge(fields: Fields, at: str) -> Given:
    start = f"{at}."
    return {name.removeprefix(start): value.strip() for name, value in fields.pairs if name.startswith(start)}


def charge_body(given: Given) -> Tree:
    """As the API takes it."""
    kind = given["type"]
    body: Tree = {"type": kind, "name": given.get("name", "")}
    body |= {name: read(given[name]) for name, read in CHARGE[kind].items() if given.get(name)}
    body |= {name: yes(given.get(name, "")) for name in BOXES[kind]}
    if kind == "usage" and (given.get("tier_mode") or _tiers(given)):
        body["tiers"] = [{"up_to": text_or_none(up_to), "unit_amount": amount} for up_to, amount in _tiers(given)]
    return body


def _tiers(given: Given) -> list[tuple[str, str]]:
    rows = [(given.get(f"tiers.{n}.up_to", ""), given.get(f"tiers.{n}.unit_amount", "")) for n in range(TIERS_SHOWN)]
    return [row for row in rows if any(row)]


def _with_rows(given: Given) -> Tree:
    """A charge with the rows of its tiers, and some for more."""
    rows = _tiers(given) if given["type"] == "usage" else []
    return {**given, "rows": [*rows, *[("", "")] * TIERS_BLANK][:TIERS_SHOWN]}


# ---- one contract -----------------------------------------------------------------------------------------------


def show(request: ConsoleRequest, api: Api) -> Answer:
    shown = api.get(f"/v1/contracts/{request.id()}")
    customer = api.get(f"/v1/customers/{shown['customer_id']}")
    stored = contract_of(request.id(), ports())
    named = {c["id"]: c["name"] for c in shown["charges"]}
    local = ports().clock.now().astimezone(zone(customer["timezone"] or settings_of(ports()).business.timezone))
    return view(
        request, api, "contract", "/customers", contract=shown, customer=customer, today=str(local.date()),
        given=typed(request.fields), now=f"{local:%Y-%m-%dT%H:%M}", record_id=ports().ids.new("console-"),
        breaks=[(str(s.suspended_on), str(s.resumed_on) if s.resumed_on else None) for s in stored.suspensions],
        late=[(named.get(charge, charge), str(start)) for charge, start in stored.late_usage],
        metrics=sorted({c["metric"] for c in shown["charges"] if c["type"] == "usage"}),
        suspended=any(s.resumed_on is None for s in stored.suspensions),
    )  # fmt: skip


def change(request: ConsoleRequest, api: Api) -> str:
    """Another amount or quantity of a charge, from a day on."""
    names = ("charge_id", "effective_on", "amount", "quantity")
    body = {name: request.fields.one(name) for name in names if request.fields.one(name)}
    api.send("POST", f"/v1/contracts/{request.id()}/changes", body)
    return request.url(f"/contracts/{request.id()}", done="saved")


def show_charge(request: ConsoleRequest, api: Api) -> Answer:
    """The form of a charge that is added to a contract."""
    kind = request.query.get("type") or request.fields.one("add.type") or "recurring"
    if kind not in CHARGE:
        raise NoSuchPage
    given = read_charge(request.fields, "add") if request.fields.pairs else blank(kind)
    contract = api.get(f"/v1/contracts/{request.id()}")
    start = request.fields.one("effective_on") or str(_today(contract["customer_id"]))
    return view(
        request, api, "contract_charge", "/customers", contract=contract, charge=_with_rows({**given, "type": kind}),
        effective_on=start, intervals=INTERVALS, kind=kind,
    )  # fmt: skip


def add_charge(request: ConsoleRequest, api: Api) -> str:
    given = read_charge(request.fields, "add")
    if given.get("type") not in CHARGE:
        raise NoSuchPage
    body = {"add": charge_body(given), "effective_on": request.fields.one("effective_on")}
    api.send("POST", f"/v1/contracts/{request.id()}/changes", body)
    return request.url(f"/contracts/{request.id()}", done="saved")


def record_usage(request: ConsoleRequest, api: Api) -> str:
    """One record. Its id comes with the form, so that sending that again records nothing twice."""
    fields = request.fields
    customer = customer_of(ports(), api.get(f"/v1/contracts/{request.id()}")["customer_id"])
    record = {
        "id": fields.one("record_id"), "contract_id": request.id(), "metric": fields.one("records.0.metric"),
        "quantity": fields.one("records.0.quantity"),
        "occurred_at": _instant(fields.one("records.0.occurred_at"), customer.zone(settings_of(ports()))),
    }  # fmt: skip
    found = api.send("POST", "/v1/usage", {"records": [record]})
    if found["rejected"]:
        raise Refusal(Problem(422, f"The record was not taken in: {found['rejected'][0]['message']}."))
    return request.url(f"/contracts/{request.id()}", done="recorded_usage" if found["accepted"] else "known_usage")


def _instant(text: str, timezone: str) -> str:
    """A local time of the customer's, as an instant. What is no time stays as it is."""
    try:
        local = datetime.fromisoformat(text)
    except ValueError:
        return text
    return local.replace(tzinfo=zone(timezone)).isoformat(timespec="seconds") if local.tzinfo is None else text


def _today(customer_id: str) -> date:
    return today(ports(), customer_of(ports(), customer_id), settings_of(ports()))

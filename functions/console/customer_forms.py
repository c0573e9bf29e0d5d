"""A customer as a form: made, changed, and what another class would do to it before that is saved. PRODUCT 2, 9."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from functions.console.api import Api, Refusal
from functions.console.classes import CLASSES_SHOWN, effects_part, would
from functions.console.forms import ADDRESS, Reader, flat, put, text_or_none, typed, whole, yes
from functions.console.rendering import Answer
from functions.console.requests import ConsoleRequest
from functions.console.views import view
from functions.pay_page.requests import Fields
from shared.contracts.api_customers import DELIVERIES
from shared.rendering.speech import LANGUAGES

FIELDS: Final[Mapping[str, Reader]] = {
    "name": str, "email": text_or_none, "class_id": str, "currency": str, "timezone": text_or_none,
    **{f"address.{name}": str for name in ADDRESS}, "tax_rate_percent": str,
    "account_summary_schedule": text_or_none, "external_id": text_or_none, "language": text_or_none,
}  # fmt: skip
BLANK: Final = {"tax_rate_percent": "0", "class_id": "cls_standard"}


def show_new(request: ConsoleRequest, api: Api) -> Answer:
    given = typed(request.fields) or BLANK
    chosen = request.fields.all("delivery") if request.fields.pairs else ["email"]
    return _page(request, api, "customer_new", given, chosen, customer=None, would=None)


def create(request: ConsoleRequest, api: Api) -> str:
    fields = request.fields
    body: dict[str, Any] = {"delivery": fields.all("delivery"), "automations": {"enabled": yes(fields.one("enabled"))}}
    if fields.one("id"):
        body["id"] = fields.one("id")
    for path, read in FIELDS.items():
        if fields.one(path):
            put(body, path, read(fields.one(path)))
    made = api.send("POST", "/v1/customers", body)
    return request.url(f"/customers/{made['id']}", done="saved")


def show(request: ConsoleRequest, api: Api) -> Answer:
    return _edit(request, api, None)


def save(request: ConsoleRequest, api: Api) -> str:
    path = f"/v1/customers/{request.id()}"
    api.send("PATCH", path, {**_patch(request.fields, api.get(path)), "version": whole(request.fields.one("version"))})
    return request.url(f"/customers/{request.id()}", done="saved")


def effects(request: ConsoleRequest, api: Api) -> Answer:
    """What saving the form would change and do, with nothing written."""
    path = f"/v1/customers/{request.id()}"
    before = api.get(path)
    patch = _patch(request.fields, before)
    try:
        found = api.send("PATCH", path, {**patch, "version": whole(request.fields.one("version"))}, dry_run=True)
    except Refusal as refused:
        if not request.by_script:
            raise
        return effects_part(request, refused.problem, None)
    seen = would(found, flat(before), {**flat(before), **flat(patch)})
    return effects_part(request, None, seen) if request.by_script else _edit(request, api, seen)


def _edit(request: ConsoleRequest, api: Api, seen: dict[str, Any] | None) -> Answer:
    customer = api.get(f"/v1/customers/{request.id()}")
    sent = bool(request.fields.pairs)
    given = typed(request.fields) if sent else flat(customer)
    chosen = request.fields.all("delivery") if sent else customer["delivery"]
    return _page(request, api, "customer_edit", given, chosen, customer=customer, would=seen)


def _page(
    request: ConsoleRequest, api: Api, name: str, given: Mapping[str, str], chosen: list[str], **data: Any
) -> Answer:
    classes = [(c["id"], c["name"]) for c in api.items("/v1/customer-classes", limit=CLASSES_SHOWN)]
    return view(
        request, api, name, "/customers", given=given, chosen=chosen, classes=classes, languages=LANGUAGES,
        deliveries=DELIVERIES, address_given={part: given.get(f"address.{part}", "") for part in ADDRESS}, **data,
    )  # fmt: skip


def _patch(fields: Fields, before: Mapping[str, Any]) -> dict[str, Any]:
    """Only what differs: whoever gives an e-mail address vouches for it, so one that was not touched is not given."""
    known = flat(before)
    patch: dict[str, Any] = {}
    for path, read in FIELDS.items():
        if fields.one(path) != known.get(path, ""):
            put(patch, path, read(fields.one(path)))
    if sorted(fields.all("delivery")) != sorted(before["delivery"]):
        patch["delivery"] = fields.all("delivery")
    return patch

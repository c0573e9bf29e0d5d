"""Customer classes: where collection policies live."""

from __future__ import annotations

from typing import Any

from functions.admin_api.calls import Answer, Call, boolean, expect
from functions.admin_api.listing import PAGING, Source, page_of, pairs
from functions.admin_api.routing import endpoint, new_router
from shared.contracts.api_classes import ClassBody, class_json, class_version, read_class
from shared.contracts.api_effects import effects_json
from shared.contracts.api_fields import id_of, refuse
from shared.contracts.api_warnings import warnings_json
from shared.domain.copies import replace
from shared.domain.policy import DEFAULT_CLASS, DEFAULT_CLASS_ID, CustomerClass
from shared.domain.policy_lint import lint_class
from shared.ports import Page, Ports
from shared.use_cases.classes import create_class, found_class, put_class
from shared.use_cases.lookups import class_of, settings_of
from shared.use_cases.preview_class import preview_class

router = new_router()


@endpoint(router, "GET", "/v1/customer-classes", filters=PAGING)
def list_classes(call: Call[Any]) -> Answer:
    """All classes, by id; the standard class exists from the start."""

    def stored(after: str | None, most: int) -> Page[CustomerClass]:
        return call.ports.store.list(CustomerClass, "classes", after=after, limit=most)

    sources = [_virtual(call.ports), Source(stored, lambda c: c.id)]
    return page_of(call, sources, pairs, lambda found: [class_json(c) for c in found])


def _virtual(ports: Ports) -> Source[CustomerClass]:
    """The standard class, as long as nobody has saved it."""

    def fetch(after: str | None, most: int) -> Page[CustomerClass]:
        saved = ports.store.get(CustomerClass, "classes", DEFAULT_CLASS_ID)
        return Page(() if saved else (DEFAULT_CLASS,))

    return Source(fetch, lambda c: c.id)


@endpoint(router, "GET", "/v1/customer-classes/<class_id>")
def get_class(call: Call[Any], class_id: str) -> Answer:
    """One class with both policies."""
    return Answer(200, class_json(class_of(call.ports, class_id)))


@endpoint(router, "POST", "/v1/customer-classes", body=ClassBody, creates="cls_")
def post_class(call: Call[ClassBody]) -> Answer:
    """Create a class; what is left out takes its default. The standard class too, until somebody has saved it."""
    made = create_class(read_class(call.body, call.ports.ids.new("cls_")), call.ports)
    return Answer(201 if made.fresh else 200, _saved(made.entity, call.ports))


@endpoint(router, "PUT", "/v1/customer-classes/<class_id>", body=ClassBody, filters={"dry_run": boolean})
def replace_class(call: Call[ClassBody], class_id: str) -> Answer:
    """Replace a class, or create it under this id; a dry run only answers what that would do by tomorrow."""
    if call.body.id not in (None, class_id):
        refuse("id", "must be that of the path, or left out")
    try:
        id_of("cls_")(class_id)
    except ValueError as wrong:
        refuse("id", str(wrong))

    def edit(before: CustomerClass | None) -> CustomerClass:
        expect(call, class_version(before) if before else 0)
        made = read_class(call.body, class_id)
        return replace(made, version=before.version, created_at=before.created_at) if before else made

    if call.query.get("dry_run", False):
        effects = preview_class(class_id, edit, call.ports)
        return Answer(200, {**effects_json(effects), **_warned(edit(found_class(class_id, call.ports)), call.ports)})
    done = put_class(class_id, edit, call.ports)
    return Answer(201 if done.fresh else 200, _saved(done.entity, call.ports))


def _saved(its_class: CustomerClass, ports: Ports) -> dict[str, Any]:
    """With what of it is hardly meant, if anything is."""
    return {**class_json(its_class), **_warned(its_class, ports)}


def _warned(its_class: CustomerClass, ports: Ports) -> dict[str, Any]:
    return warnings_json(lint_class(its_class, settings_of(ports)))
